"""Computing the masks of a draft, and comparing two readings. Writes only to the artefact store and to the hint of progress."""

from __future__ import annotations

import time
from dataclasses import asdict

from django.utils import timezone

from devices.choices import DraftStatus
from devices.imaging.storage import load_mask, load_volume
from devices.models import DraftProgress, SegmentationDraft
from devices.segmentation.agreement import agreement
from devices.segmentation.base import SegmentationRefused, volume_ml
from devices.segmentation.recipe import Abandoned, applied, read_steps
from devices.segmentation.space import Mask
from devices.services.drafts import DraftComputed
from devices.services.segmenting import stored_mask
from mes.exceptions import Refused
from mes.services.artefacts import intact_path

LOOK_EVERY_S = 0.5


def compute_draft(draft_id: int, revision: int) -> DraftComputed | None:
    """Run the steps of a draft that have no mask yet. None where somebody changed the draft or gave it up meanwhile."""
    draft = SegmentationDraft.objects.select_related("study").get(pk=draft_id)
    watch = _Watch(draft, revision)
    if watch.abandoned() or not draft.waiting:
        return None
    masks: list[str] = []
    volumes: list[float] = []
    try:
        volume = load_volume(intact_path(str(draft.study.volume_id)))
        start = load_mask(intact_path(draft.masks[-1])) if draft.masks else None

        def after(done: int, mask: Mask) -> None:
            masks.append(stored_mask(mask))
            volumes.append(volume_ml(volume, mask))
            watch.told(done)

        steps = read_steps(draft.steps)[draft.computed :]
        applied(volume, steps, start=start, after=after, abandoned=watch.abandoned)
    except Abandoned:
        return None
    except SegmentationRefused as refusal:
        reasons = [{"code": "step_refused", "text": text, "cure": refusal.cure} for text in refusal.reasons]
        return DraftComputed(tuple(masks), tuple(volumes), reasons)
    except Refused as refusal:
        # A stored file is not what the record names (G-INT-01): nothing is computed from it.
        reasons = [{"code": one.rule, "text": one.text, "cure": one.cure} for one in refusal.reasons]
        return DraftComputed(tuple(masks), tuple(volumes), reasons)
    return DraftComputed(tuple(masks), tuple(volumes), [])


class _Watch:
    """Tells the screen how far it is, and asks whether the draft is still the one that was asked for."""

    def __init__(self, draft: SegmentationDraft, revision: int) -> None:
        self._draft, self._revision = draft, revision
        self._total = len(draft.steps) - draft.computed
        self._asked = float("-inf")
        self._stale = False
        self.told(0)

    def told(self, done: int) -> None:
        DraftProgress.objects.update_or_create(
            draft_id=self._draft.pk,
            defaults={"revision": self._revision, "done": done, "total": self._total, "at": timezone.now()},
        )

    def abandoned(self) -> bool:
        if not self._stale and time.monotonic() - self._asked >= LOOK_EVERY_S:
            self._asked = time.monotonic()
            still = SegmentationDraft.objects.filter(
                pk=self._draft.pk, revision=self._revision, status=DraftStatus.OPEN
            )
            self._stale = not still.exists()
        return self._stale


def compare_readings(draft_id: int) -> dict[str, float]:
    """How far a second reading agrees with the segmentation that it read again."""
    draft = SegmentationDraft.objects.select_related("study", "segmentation").get(pk=draft_id)
    if draft.segmentation is None:
        raise AssertionError("a reading has a segmentation")
    volume = load_volume(intact_path(str(draft.study.volume_id)))
    first, second = (
        load_mask(intact_path(name)) for name in (str(draft.segmentation.mask_id), draft.masks[-1])
    )
    return asdict(agreement(volume, first, second))
