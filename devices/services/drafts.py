"""Drafts of segmentations: opened by a person, changed step by step, finished or discarded. Masks are computed after each
change, by a handler; the finished recipe becomes a segmentation like any other (G-SEG-01)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.choices import DraftPurpose, DraftStatus
from devices.events import (
    Reasons,
    SegmentationCompared,
    SegmentationDraftChanged,
    SegmentationDraftComputed,
    SegmentationDraftDiscarded,
    SegmentationDraftFinished,
    SegmentationDraftOpened,
    SegmentationDraftStepRefused,
    SegmentationRead,
)
from devices.models import Device, Segmentation, SegmentationDraft
from devices.segmentation.base import SegmentationRefused
from devices.segmentation.editing import refuse_beyond
from devices.segmentation.recipe import MOST_STEPS, read_step, recipe_digest, row_of
from devices.selectors.sources import is_scan
from devices.services.lifecycle import locked_device, record_progress
from devices.services.segmentations import COUNTING, SYSTEM, segmentable, start_from_recipe
from mes.compiled import by_key
from mes.eventlog.base import Actor, Event
from mes.eventlog.unit import unit_of_work
from mes.exceptions import Conflict, InvalidInput, NotKnown, NotPermitted, Reason, TransitionRefused
from mes.permissions import require

EDIT = "devices.edit_segmentation"


@dataclass(frozen=True)
class DraftComputed:
    """What the steps of a draft gave, from the first that was not computed yet. `reasons`: why the one after was refused."""

    masks: tuple[str, ...]
    volumes_ml: tuple[float, ...]
    reasons: Reasons


@unit_of_work
def open_draft(
    *, device_id: int, actor: Actor, purpose: DraftPurpose = DraftPurpose.SEGMENTATION
) -> SegmentationDraft:
    """Begin to make a segmentation of the accepted images, or a second reading of the one that stands.

    A draft that this person has open for the device is taken up again. Raises TransitionRefused where nothing may be
    segmented and for an open draft of images that were replaced, NotPermitted for a second reading by the author of the first (G-SOD-01).
    """
    device = locked_device(device_id)
    require(actor, EDIT, device)
    if purpose == DraftPurpose.SEGMENTATION:
        require(actor, "devices.start_segmentation", device)
    if actor.person_id is None:
        raise NotPermitted(
            "A draft has a person for its author.", cure="Sign in as yourself.", rule="G-SEG-01"
        )
    mine = SegmentationDraft.objects.filter(device=device, author=actor.person_id, status=DraftStatus.OPEN)
    if (found := mine.first()) is not None:
        _refuse_replaced(found)
        return found
    read = _read_again(device, actor) if purpose == DraftPurpose.READING else None
    study = read.study if read else segmentable(device)
    if is_scan(study):
        raise TransitionRefused(
            f"{device.code} begins with a surface scan, which has no slices to edit.",
            cure="Send in another scan if this one is not good enough.",
            rule="G-SEG-01",
        )
    if not device.master.segmentation.get("editing"):
        raise TransitionRefused(
            f"The master of {device.code} leaves no operation to a person.",
            cure="Start its segmenter, or have the master revised.",
            rule="G-SEG-01",
        )
    draft = SegmentationDraft.objects.create(
        device=device, study=study, author_id=actor.person_id, purpose=purpose, segmentation=read
    )
    event = SegmentationDraftOpened(
        device_id=device.pk, draft_id=draft.pk, study_id=study.pk, purpose=purpose.value
    )
    record_progress(device, event, actor=actor)
    return draft


def _read_again(device: Device, actor: Actor) -> Segmentation:
    found = device.current_segmentation
    if found is None or found.status not in COUNTING:
        raise TransitionRefused(
            f"{device.code} has no segmentation to read again.",
            cure="Wait until there is one.",
            rule="G-SEG-01",
        )
    if found.author_id == actor.person_id:
        raise NotPermitted(
            "You are the author of this segmentation.", cure="Somebody else reads it again.", rule="G-SOD-01"
        )
    return found


@unit_of_work
def apply_step(
    *, draft_id: int, revision: int, operation: str, parameters: Mapping[str, Any], actor: Actor
) -> SegmentationDraft:
    """Add an operation at the end of a draft. Its mask is computed afterwards.

    Raises InvalidInput with every fault of its parameters, against the operation's limits and the master's.
    """
    device, draft = _locked(draft_id, revision, actor)
    _refuse_replaced(draft)
    if len(draft.steps) >= MOST_STEPS:
        raise InvalidInput(f"A draft has at most {MOST_STEPS} steps.", cure="Undo some.", rule="G-SEG-01")
    try:
        made = read_step({"operation": operation, "parameters": parameters})
        refuse_beyond(device.master.segmentation["editing"], made)
    except SegmentationRefused as refusal:
        raise InvalidInput([Reason(text, refusal.cure, "G-SEG-01") for text in refusal.reasons]) from None
    step = row_of(made)
    _change(device, draft, "applied", step, [*draft.steps, step], len(draft.steps), actor)
    return draft


@unit_of_work
def undo_step(*, draft_id: int, revision: int, actor: Actor) -> SegmentationDraft:
    """Take the last step out of a draft."""
    return _without(draft_id, revision, None, actor)


@unit_of_work
def remove_step(*, draft_id: int, revision: int, number: int, actor: Actor) -> SegmentationDraft:
    """Take any step out of a draft, counted from 1. Those after it are computed again without it."""
    return _without(draft_id, revision, number, actor)


def _without(draft_id: int, revision: int, number: int | None, actor: Actor) -> SegmentationDraft:
    device, draft = _locked(draft_id, revision, actor)
    _refuse_replaced(draft)
    at = (len(draft.steps) if number is None else number) - 1
    if not 0 <= at < len(draft.steps):
        raise Conflict("The draft has no such step.", cure="Look at it again.", rule="G-SEG-01")
    left = [step for index, step in enumerate(draft.steps) if index != at]
    _change(device, draft, "undone" if number is None else "removed", draft.steps[at], left, at, actor)
    return draft


@unit_of_work
def cancel_steps(*, draft_id: int, revision: int, actor: Actor) -> SegmentationDraft:
    """Stop the computing: the steps that have no mask yet are taken out."""
    device, draft = _locked(draft_id, revision, actor)
    if not draft.waiting:
        raise Conflict("Nothing is being computed.", cure="Look at the draft again.", rule="G-SEG-01")
    step = draft.steps[draft.computed]
    _change(device, draft, "cancelled", step, draft.steps[: draft.computed], draft.computed, actor)
    return draft


def _change(
    device: Device,
    draft: SegmentationDraft,
    what: str,
    step: dict[str, Any],
    steps: list[Any],
    kept: int,
    actor: Actor,
) -> None:
    """kept: how many steps at the beginning are as they were; their masks stand."""
    draft.revision += 1
    draft.steps, draft.reasons = steps, []
    draft.masks, draft.volumes_ml = draft.masks[:kept], draft.volumes_ml[:kept]
    event = SegmentationDraftChanged(
        device_id=device.pk,
        draft_id=draft.pk,
        revision=draft.revision,
        what=what,
        step=step,
        steps=len(steps),
        recipe_sha256=recipe_digest(steps),
    )
    _write(device, draft, event, actor, "revision", "steps", "reasons", "masks", "volumes_ml")


@unit_of_work
def record_draft(*, draft_id: int, revision: int, outcome: DraftComputed | None) -> None:
    """Write the masks that were computed for a revision of a draft. Those of an older one, or of a draft that ended, or that were
    abandoned, count for nothing."""
    draft = by_key(SegmentationDraft, draft_id)
    if draft is None or outcome is None:
        return
    device = locked_device(draft.device_id)
    draft = SegmentationDraft.objects.select_for_update().get(pk=draft_id)
    if draft.status != DraftStatus.OPEN or draft.revision != revision or not draft.waiting:
        return
    draft.masks = [*draft.masks, *outcome.masks]
    draft.volumes_ml = [*draft.volumes_ml, *outcome.volumes_ml]
    draft.steps, draft.reasons = draft.steps[: draft.computed], outcome.reasons
    event: Event
    if outcome.reasons:
        # Steps went out of it, so it is another draft than the one that its author saw.
        draft.revision += 1
        event = SegmentationDraftStepRefused(
            device_id=device.pk, draft_id=draft.pk, revision=revision, reasons=outcome.reasons
        )
    else:
        event = SegmentationDraftComputed(
            device_id=device.pk,
            draft_id=draft.pk,
            revision=revision,
            mask_sha256=draft.masks[-1],
            volume_ml=draft.volumes_ml[-1],
        )
    _write(device, draft, event, SYSTEM, "revision", "masks", "volumes_ml", "steps", "reasons")


@unit_of_work
def finish_draft(*, draft_id: int, revision: int, actor: Actor) -> SegmentationDraft:
    """Make the segmentation of it: the recipe is run once more from the record, and has to give the same mask. A second
    reading is compared with the segmentation instead.

    Raises TransitionRefused while steps are computed, for an empty mask, and with every gate that blocks.
    """
    device, draft = _locked(draft_id, revision, actor)
    _refuse_replaced(draft)
    if draft.waiting or not draft.masks or not draft.volumes_ml[-1]:
        why = "is still being computed" if draft.waiting else "holds nothing"
        raise TransitionRefused(
            f"The draft {why}.", cure="Wait for it." if draft.waiting else "Add steps.", rule="G-SEG-01"
        )
    recipe, mask = recipe_digest(draft.steps), draft.masks[-1]
    draft.status = DraftStatus.FINISHED
    if draft.purpose == DraftPurpose.READING:
        read = SegmentationRead(
            device_id=device.pk,
            draft_id=draft.pk,
            segmentation_id=draft.segmentation_id or 0,
            recipe_sha256=recipe,
            mask_sha256=mask,
        )
        _write(device, draft, read, actor, "status")
        return draft
    finished = SegmentationDraftFinished(
        device_id=device.pk, draft_id=draft.pk, recipe_sha256=recipe, mask_sha256=mask
    )
    _write(device, draft, finished, actor, "status")
    start_from_recipe(device=device, steps=draft.steps, mask_sha256=mask, actor=actor)
    return draft


@unit_of_work
def discard_draft(*, draft_id: int, revision: int, actor: Actor) -> SegmentationDraft:
    """Give a draft up."""
    device, draft = _locked(draft_id, revision, actor)
    draft.status = DraftStatus.DISCARDED
    event = SegmentationDraftDiscarded(device_id=device.pk, draft_id=draft.pk)
    _write(device, draft, event, actor, "status")
    return draft


@unit_of_work
def record_agreement(*, draft_id: int, measures: Mapping[str, float]) -> None:
    """Write how far a second reading agrees with the segmentation. Once; delivered again it changes nothing."""
    draft = SegmentationDraft.objects.get(pk=draft_id)
    device = locked_device(draft.device_id)
    draft = SegmentationDraft.objects.select_for_update().get(pk=draft_id)
    if draft.agreement is not None or draft.segmentation_id is None:
        return
    draft.agreement = dict(measures)
    event = SegmentationCompared(
        device_id=device.pk,
        draft_id=draft.pk,
        segmentation_id=draft.segmentation_id,
        dice=measures["dice"],
        distance_p95_mm=measures["distance_p95_mm"],
    )
    _write(device, draft, event, SYSTEM, "agreement")


def _locked(draft_id: int, revision: int, actor: Actor) -> tuple[Device, SegmentationDraft]:
    """The device and the draft, locked, for the draft's own author while it is open.

    revision: of the draft as its author saw it. Another one is refused: "the last step" of two windows is not the same step.
    """
    found = by_key(SegmentationDraft, draft_id)
    if found is None:
        raise NotKnown("There is no such draft.", cure="Open the device's page again.")
    device = locked_device(found.device_id)
    require(actor, EDIT, device)
    draft = SegmentationDraft.objects.select_for_update().get(pk=draft_id)
    if draft.author_id != actor.person_id:
        raise NotPermitted("This draft is somebody else's.", cure="Open one of your own.", rule="G-SEG-01")
    if draft.status != DraftStatus.OPEN:
        raise Conflict(
            f"The draft is {draft.get_status_display().lower()}.", cure="Open another one.", rule="G-SEG-01"
        )
    if draft.revision != revision:
        raise Conflict(
            "The draft changed since you looked at it, perhaps in another window of yours.",
            cure="Look at its steps as they are now, then decide again.",
            rule="G-SEG-01",
        )
    return device, draft


def _refuse_replaced(draft: SegmentationDraft) -> None:
    if draft.replaced:
        raise TransitionRefused(
            "The images were replaced since this draft was opened.",
            cure="Discard it; begin anew on the images that stand now.",
            rule="G-SEG-01",
        )


def _write(device: Device, draft: SegmentationDraft, event: Event, actor: Actor, *changed: str) -> None:
    draft.save(update_fields=sorted(changed))
    record_progress(device, event, actor=actor)
