"""Drafts of segmentations: changed step by step within the master's limits, computed apart, undone, finished and compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices.choices import DraftPurpose, DraftStatus
from devices.imaging.storage import load_mask, save_volume
from devices.models import Device, Segmentation, SegmentationDraft
from devices.services import drafting
from devices.services.drafting import compare_readings, compute_draft
from devices.services.drafts import (
    DraftComputed,
    apply_step,
    cancel_steps,
    discard_draft,
    finish_draft,
    open_draft,
    record_agreement,
    record_draft,
    remove_step,
    undo_step,
)
from devices.services.segmentations import SegmentationMade, record_segmentation
from devices.services.segmenting import compute_segmentation, stored_mask
from mes.choices import Role
from mes.exceptions import Conflict, InvalidInput, NotPermitted, TransitionRefused
from mes.models import Artefact, EventRecord
from mes.services.artefacts import artefact_path, store_artefact
from tests.devices.makers import (
    Staff,
    Who,
    make_master,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
    small_skull,
)

pytestmark = pytest.mark.django_db
BONE = {"operation": "threshold", "parameters": {"lower_hu": 300}}
OPENED = {"operation": "open", "parameters": {"radius_mm": 2.0}}
LARGEST: dict[str, Any] = {"operation": "keep_largest", "parameters": {}}


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def device(staff: Staff, tmp_path: Path) -> Device:
    """A planned device with the small skull for its images."""
    device = make_planned(staff)
    study = make_study(device, staff)
    save_volume(small_skull(4.0), tmp_path / "volume.npz")
    study.volume = store_artefact(tmp_path / "volume.npz", media_type="application/x-npz")
    study.save()
    return device


def opened(device: Device, who: Who, purpose: DraftPurpose = DraftPurpose.SEGMENTATION) -> SegmentationDraft:
    return open_draft(device_id=device.pk, actor=who.actor, purpose=purpose)


def step(draft: SegmentationDraft, who: Who, row: dict[str, Any]) -> SegmentationDraft:
    return apply_step(**seen(draft), actor=who.actor, **row)


def seen(draft: SegmentationDraft) -> dict[str, Any]:
    """The draft as it is now, as its author looks at it."""
    draft.refresh_from_db()
    return {"draft_id": draft.pk, "revision": draft.revision}


def computed(draft: SegmentationDraft) -> SegmentationDraft:
    """What the worker does for the newest change."""
    draft.refresh_from_db()
    outcome = compute_draft(draft.pk, draft.revision)
    record_draft(draft_id=draft.pk, revision=draft.revision, outcome=outcome)
    draft.refresh_from_db()
    return draft


def events(name: str) -> list[dict[str, Any]]:
    found = EventRecord.objects.filter(type=f"devices.segmentation_{name}").order_by("pos")
    return [json.loads(record.payload) for record in found]


@pytest.mark.requirement("G-SEG-01")
def test_a_finished_draft_is_run_again_from_the_record_and_becomes_the_segmentation(
    device: Device, staff: Staff
) -> None:
    author = staff[Role.SEG]
    draft = opened(device, author)
    for row in (BONE, OPENED, LARGEST):
        draft = computed(step(draft, author, row))
    finish_draft(**seen(draft), actor=author.actor)
    (asked,) = events("requested")
    made = compute_segmentation(asked["study_id"], asked["parameters"])
    assert isinstance(made, SegmentationMade)
    version = EventRecord.objects.get(type="devices.segmentation_requested").version
    segmentation = record_segmentation(
        device_id=device.pk,
        study_id=asked["study_id"],
        author_id=asked["author_id"],
        request=version,
        outcome=made,
    )
    draft.refresh_from_db()
    assert segmentation is not None
    assert draft.status == DraftStatus.FINISHED
    assert segmentation.mask_id == draft.masks[-1]
    assert segmentation.parameters["mask"]["steps"] == draft.steps
    assert (segmentation.tool, segmentation.author) == ("recipe", author.person)
    assert segmentation.volume_ml == pytest.approx(draft.volumes_ml[-1])


@pytest.mark.requirement("G-SEG-01")
def test_a_recipe_that_gives_another_mask_than_its_author_saw_is_no_result(
    device: Device, staff: Staff
) -> None:
    study = device.current_study
    assert study is not None
    draft = opened(device, staff[Role.SEG])
    draft = computed(step(draft, staff[Role.SEG], BONE))
    asked = {"steps": draft.steps, "mask_sha256": "0" * 64}
    refused = compute_segmentation(study.pk, asked)
    assert not isinstance(refused, SegmentationMade)
    assert "another mask here than it gave its author" in refused.reasons[0]["text"]


def test_each_step_is_kept_and_the_last_or_any_may_be_taken_out(device: Device, staff: Staff) -> None:
    author = staff[Role.SEG]
    draft = opened(device, author)
    for row in (BONE, OPENED, LARGEST):
        draft = computed(step(draft, author, row))
    masks = list(draft.masks)
    assert len(set(masks[:2])) == 2
    undo_step(**seen(draft), actor=author.actor)
    draft.refresh_from_db()
    assert (draft.masks, draft.waiting) == (masks[:2], False)
    assert compute_draft(draft.pk, draft.revision) is None
    remove_step(**seen(draft), number=1, actor=author.actor)
    draft.refresh_from_db()
    assert (draft.masks, len(draft.steps), draft.waiting) == ([], 1, True)
    assert computed(draft).volumes_ml == [0.0]
    whats = [event["what"] for event in events("draft_changed")]
    assert whats == ["applied", "applied", "applied", "undone", "removed"]
    for number in (0, 2):
        with pytest.raises(Conflict, match="no such step"):
            remove_step(**seen(draft), number=number, actor=author.actor)


def test_a_step_that_gives_no_mask_is_out_of_the_draft_and_says_why(device: Device, staff: Staff) -> None:
    author = staff[Role.SEG]
    draft = opened(device, author)
    draft = computed(step(draft, author, BONE))
    seed = {"operation": "keep_seeded", "parameters": {"seeds_mm": [[0, 0, 0]]}}
    draft = computed(step(draft, author, seed))
    assert len(draft.steps) == len(draft.masks) == 1
    assert "does not lie in the mask" in draft.reasons[0]["text"]
    assert events("draft_step_refused")[0]["reasons"] == draft.reasons
    draft = computed(step(draft, author, LARGEST))
    assert draft.reasons == []


def test_a_result_of_an_older_revision_counts_for_nothing(device: Device, staff: Staff) -> None:
    author = staff[Role.SEG]
    draft = step(opened(device, author), author, BONE)
    late = DraftComputed(("0" * 64,), (1.0,), [])
    step(draft, author, LARGEST)
    assert compute_draft(draft.pk, 1) is None
    record_draft(draft_id=draft.pk, revision=1, outcome=late)
    draft.refresh_from_db()
    assert draft.masks == []
    discard_draft(**seen(draft), actor=author.actor)
    record_draft(draft_id=draft.pk, revision=2, outcome=late)
    draft.refresh_from_db()
    assert draft.masks == []
    assert events("draft_computed") == []


def test_stopping_takes_out_what_is_not_computed_and_the_computing_notices(
    device: Device, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = staff[Role.SEG]
    draft = opened(device, author)
    draft = computed(step(draft, author, BONE))
    step(draft, author, OPENED)
    draft = step(draft, author, LARGEST)
    monkeypatch.setattr(drafting, "LOOK_EVERY_S", 0.0)

    def stopped(mask: Any) -> str:
        cancel_steps(**seen(draft), actor=author.actor)
        return stored_mask(mask)

    monkeypatch.setattr(drafting, "stored_mask", stopped)
    assert compute_draft(draft.pk, draft.revision) is None
    draft.refresh_from_db()
    assert (len(draft.steps), len(draft.masks), draft.waiting) == (1, 1, False)
    assert draft.progress.total == 2
    with pytest.raises(Conflict, match="Nothing is being computed"):
        cancel_steps(**seen(draft), actor=author.actor)


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"operation": "threshold", "parameters": {"lower_hu": 100}}, "the master allows 150 to 3000"),
        ({"operation": "dilate", "parameters": {}}, "does not leave 'dilate' to a person"),
        ({"operation": "threshold", "parameters": {"lower_hu": "x"}}, "must be a number"),
        ({"operation": "sharpen", "parameters": {}}, "no operation 'sharpen'"),
        ({"operation": "keep_largest", "parameters": {"count": 1.5}}, "count must be a whole number"),
    ],
)
def test_a_step_beyond_the_master_or_the_operation_is_refused_and_nothing_changes(
    device: Device, staff: Staff, row: dict[str, Any], reason: str
) -> None:
    draft = opened(device, staff[Role.SEG])
    with pytest.raises(InvalidInput, match=reason):
        step(draft, staff[Role.SEG], row)
    draft.refresh_from_db()
    assert (draft.steps, draft.revision) == ([], 0)


def test_a_draft_is_its_authors_alone_and_is_taken_up_again(device: Device, staff: Staff) -> None:
    author, other = staff[Role.SEG], make_person(Role.SEG)
    draft = opened(device, author)
    assert opened(device, author) == draft
    assert opened(device, other) != draft
    for verb in (undo_step, cancel_steps, finish_draft, discard_draft):
        with pytest.raises(NotPermitted, match="somebody else's"):
            verb(**seen(draft), actor=other.actor)
    with pytest.raises(NotPermitted):
        opened(device, staff[Role.DSN])
    discard_draft(**seen(draft), actor=author.actor)
    with pytest.raises(Conflict, match="discarded"):
        step(draft, author, BONE)


def test_a_draft_is_finished_only_with_a_mask_and_while_nothing_stands(device: Device, staff: Staff) -> None:
    author = staff[Role.SEG]
    draft = opened(device, author)
    with pytest.raises(TransitionRefused, match="holds nothing"):
        finish_draft(**seen(draft), actor=author.actor)
    step(draft, author, BONE)
    with pytest.raises(TransitionRefused, match="still being computed"):
        finish_draft(**seen(draft), actor=author.actor)
    computed(draft)
    make_segmentation(device, staff)
    with pytest.raises(TransitionRefused, match="has a segmentation already"):
        finish_draft(**seen(draft), actor=author.actor)
    draft.refresh_from_db()
    assert draft.status == DraftStatus.OPEN
    assert events("requested") == events("draft_finished") == []


def test_a_draft_of_images_that_were_replaced_takes_no_step_and_is_not_opened_again(
    device: Device, staff: Staff
) -> None:
    author = staff[Role.SEG]
    draft = opened(device, author)
    draft = computed(step(draft, author, BONE))
    make_study(device, staff)
    every: tuple[Callable[[], object], ...] = (
        lambda: opened(device, author),
        lambda: step(draft, author, LARGEST),
        lambda: undo_step(**seen(draft), actor=author.actor),
        lambda: finish_draft(**seen(draft), actor=author.actor),
    )
    for tried in every:
        with pytest.raises(TransitionRefused, match="images were replaced"):
            tried()
    draft.refresh_from_db()
    assert (draft.replaced, draft.revision, len(draft.steps)) == (True, 1, 1)
    discard_draft(**seen(draft), actor=author.actor)
    assert not opened(device, author).replaced


@pytest.mark.requirement("G-SEG-01")
def test_what_was_decided_on_an_older_state_of_a_draft_is_refused(device: Device, staff: Staff) -> None:
    """Two windows of one author: what is the last step in one is not in the other."""
    author = staff[Role.SEG]
    draft = step(opened(device, author), author, BONE)
    older = seen(draft)
    step(draft, author, {"operation": "keep_seeded", "parameters": {"seeds_mm": [[0, 0, 0]]}})
    waiting = seen(draft)
    for late in (undo_step, cancel_steps, finish_draft, discard_draft):
        with pytest.raises(Conflict, match="changed since you looked"):
            late(**older, actor=author.actor)
    with pytest.raises(Conflict, match="changed since you looked"):
        apply_step(**older, actor=author.actor, **LARGEST)
    with pytest.raises(Conflict, match="changed since you looked"):
        remove_step(**older, number=1, actor=author.actor)
    # The step that gives no mask goes out by itself: the last one is another from then on.
    assert len(computed(draft).steps) == 1
    with pytest.raises(Conflict, match="changed since you looked"):
        undo_step(**waiting, actor=author.actor)
    draft.refresh_from_db()
    assert len(draft.steps) == 1


def test_a_master_that_leaves_nothing_open_is_not_edited(staff: Staff) -> None:
    master = make_master()
    bare = {key: value for key, value in master.segmentation.items() if key != "editing"}
    device = make_planned(staff, master=make_master(segmentation=bare))
    make_study(device, staff)
    with pytest.raises(TransitionRefused, match="leaves no operation to a person"):
        opened(device, staff[Role.SEG])
    with pytest.raises(InvalidInput, match="no operation 'sharpen'"):
        make_master(segmentation={**bare, "editing": {"sharpen": {}}})


def test_an_altered_volume_is_not_computed_from(device: Device, staff: Staff) -> None:
    draft = step(opened(device, staff[Role.SEG]), staff[Role.SEG], BONE)
    study = device.current_study
    assert study is not None
    path = artefact_path(str(draft.study.volume_id))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    assert computed(draft).reasons[0]["code"] == "G-INT-01"
    assert draft.masks == []


# --- second readings


@pytest.mark.requirement("G-SOD-01")
def test_a_second_reading_is_somebody_elses_and_is_compared_with_the_segmentation(
    device: Device, staff: Staff
) -> None:
    author, reader = staff[Role.SEG], staff[Role.CLR]
    first = opened(device, author)
    first = computed(step(first, author, BONE))
    segmentation = standing(device, staff, author, first.masks[-1])
    discard_draft(**seen(first), actor=author.actor)
    with pytest.raises(NotPermitted, match="You are the author"):
        opened(device, author, DraftPurpose.READING)
    reading = opened(device, reader, DraftPurpose.READING)
    reading = computed(step(reading, reader, {"operation": "threshold", "parameters": {"lower_hu": 600}}))
    finish_draft(**seen(reading), actor=reader.actor)
    assert events("requested") == []
    measures = compare_readings(reading.pk)
    record_agreement(draft_id=reading.pk, measures=measures)
    record_agreement(draft_id=reading.pk, measures=measures | {"dice": 0.0})
    reading.refresh_from_db()
    assert reading.agreement == measures
    assert reading.segmentation == segmentation
    assert 0.5 < measures["dice"] < 1
    one, two = (load_mask(artefact_path(name)) for name in (first.masks[-1], reading.masks[-1]))
    assert measures["dice"] == pytest.approx(2 * (one & two).sum() / (one.sum() + two.sum()), abs=1e-6)
    assert len(events("compared")) == 1


def standing(device: Device, staff: Staff, author: Who, mask: str) -> Segmentation:
    """A recorded segmentation with this mask."""
    return make_segmentation(
        device, staff, approved=False, author=author.person, mask=Artefact.objects.get(pk=mask)
    )


def test_there_is_no_second_reading_without_a_first(device: Device, staff: Staff) -> None:
    with pytest.raises(TransitionRefused, match="no segmentation to read again"):
        opened(device, staff[Role.CLR], DraftPurpose.READING)
