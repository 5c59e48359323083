"""Segmentations: computed, approved by somebody else, rejected with a reason, started again after a cure."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from devices.gates.images import images_within_protocol
from devices.imaging.storage import load_mask, save_volume
from devices.mesh.io import read_mesh
from devices.models import Design, Device, Segmentation, Study
from devices.selectors.devices import devices
from devices.selectors.history import SEGMENTING, refused_segmentation
from devices.selectors.progress import waits_for
from devices.selectors.waiting import devices_awaiting_segmentation, devices_awaiting_segmentation_approval
from devices.services.designs import request_design
from devices.services.holds import hold_device
from devices.services.lifecycle import check_transition
from devices.services.segmentations import (
    NotSegmented,
    SegmentationMade,
    approve_segmentation,
    record_segmentation,
    reject_segmentation,
    start_segmentation,
    start_segmentation_by_rule,
)
from devices.services.segmenting import compute_segmentation
from mes.choices import Role
from mes.exceptions import Conflict, InvalidInput, NotPermitted, SignatureRefused, TransitionRefused
from mes.models import Delivery, DeliveryStatus, EventRecord, Signature
from mes.services.artefacts import artefact_path, store_artefact
from tests.devices.makers import (
    CLINICAL,
    GUIDE_VALUES,
    Staff,
    freeze_design_of,
    make_artefact,
    make_device,
    make_master,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
    segmentation_facts,
    small_skull,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


def ready(staff: Staff, **fields: Any) -> Device:
    """A planned device with accepted images."""
    device = make_planned(staff)
    make_study(device, staff, **fields)
    return device


def with_skull(device: Device, tmp_path: Path) -> Study:
    """Put the small skull's volume behind the device's study."""
    path = tmp_path / "volume.npz"
    save_volume(small_skull(), path)
    study = device.current_study
    assert study is not None
    study.volume = store_artefact(path, media_type="application/x-npz")
    study.save()
    return study


def events(name: str) -> int:
    return EventRecord.objects.filter(type=f"devices.{name}").count()


def requested(device: Device, staff: Staff, **parameters: float) -> EventRecord:
    """Ask for a segmentation. Nothing computes it in these tests: `answer` does as the worker would."""
    start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor, parameters=parameters)
    return EventRecord.objects.filter(type="devices.segmentation_requested").latest("pos")


def answer(
    device: Device, request: EventRecord, outcome: SegmentationMade | NotSegmented
) -> Segmentation | None:
    """What a worker does with a result, now or once more: its delivery is done, and the result is handed in."""
    asked = json.loads(request.payload)
    Delivery.objects.filter(event=request, handler=SEGMENTING).update(status=DeliveryStatus.DONE)
    return record_segmentation(
        device_id=device.pk,
        study_id=asked["study_id"],
        author_id=asked["author_id"],
        request=request.version,
        outcome=outcome,
    )


def made(name: str) -> SegmentationMade:
    return SegmentationMade(segmentation_facts(name))


def ignored() -> list[str]:
    told = EventRecord.objects.filter(type="devices.segmentation_ignored").order_by("pos")
    return list(told.values_list("reason", flat=True))


def test_the_segmentation_of_a_known_ball_has_its_volume_and_surface(tmp_path: Path) -> None:
    staff = Staff()
    study = with_skull(ready(staff), tmp_path)
    found = compute_segmentation(study.pk)
    assert isinstance(found, SegmentationMade)
    # HU fall through 300 at 40.54 mm; the inside is filled.
    ball_ml = 4 / 3 * np.pi * 40.54**3 / 1000
    assert found.facts["volume_ml"] == pytest.approx(ball_ml, rel=0.03)
    assert found.facts["surface_volume_ml"] == pytest.approx(ball_ml, rel=0.03)
    assert found.facts["watertight"]
    assert found.facts["distance_p95_mm"] < 0.5
    assert load_mask(artefact_path(found.facts["mask_id"])).shape == (49, 49, 49)
    radii = np.linalg.norm(read_mesh(artefact_path(found.facts["surface_id"])).vertices, axis=1)
    assert np.percentile(radii, [5, 95]) == pytest.approx([40.5, 40.5], abs=0.5)
    assert found.facts["parameters"]["mask"]["lower_hu"] == 300


@pytest.mark.requirement("G-INT-01")
def test_nothing_is_segmented_from_an_altered_volume(tmp_path: Path) -> None:
    study = with_skull(ready(Staff()), tmp_path)
    path = artefact_path(str(study.volume_id))
    path.chmod(0o600)
    other = tmp_path / "other.npz"
    save_volume(small_skull(), other)
    path.write_bytes(other.read_bytes() + b" ")
    outcome = compute_segmentation(study.pk)
    assert isinstance(outcome, NotSegmented)
    assert [reason["code"] for reason in outcome.reasons] == ["G-INT-01"]


def test_images_without_bone_fail_with_the_reason(tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff, master=make_master(segmentation=_threshold(2500)))
    make_study(device, staff)
    study = with_skull(device, tmp_path)
    outcome = compute_segmentation(study.pk)
    assert isinstance(outcome, NotSegmented)
    assert "no voxel lies between 2500" in outcome.reasons[0]["text"]
    answer(device, requested(device, staff), outcome)
    assert not Segmentation.objects.exists()
    assert refused_segmentation(Device.objects.get(pk=device.pk))[0]["reason"] == outcome.reasons[0]["text"]
    assert list(devices_awaiting_segmentation()) == [device]


@pytest.mark.requirement("G-SEG-01")
def test_the_cure_of_another_window_can_be_followed(tmp_path: Path) -> None:
    """The master's window is what it begins with; a person sets another one within its limits, and the record says which."""
    staff = Staff()
    segmentation = {
        **_threshold(2500.5),
        "surface": {"level_hu": 2500.0},
        "envelope": {"lower_hu": [150, 2600]},
    }
    device = make_planned(staff, master=make_master(segmentation=segmentation))
    make_study(device, staff)
    study = with_skull(device, tmp_path)
    refused = compute_segmentation(study.pk)
    assert isinstance(refused, NotSegmented)
    assert refused.reasons[0]["cure"].endswith("segment again with another window.")
    start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor, parameters={"lower_hu": 500})
    asked = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)
    assert asked["parameters"] == {"lower_hu": 500.0}
    found = compute_segmentation(study.pk, asked["parameters"])
    assert isinstance(found, SegmentationMade)
    assert found.facts["parameters"]["mask"]["lower_hu"] == 500.0
    assert found.facts["parameters"]["surface"]["level_hu"] == 499.5


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.parametrize(("parameters", "said"), [
    ({"lower_hu": 100}, "no whole number from 150 to 700"), ({"lower_hu": 300.4}, "no whole number"),
    ({"lower_hu": float("nan")}, "no whole number"), ({"lower_hu": "300"}, "no whole number"),
    ({"minimum_ml": 0}, "does not leave 'minimum_ml' open"), ({"smoothing": 1}, "does not leave 'smoothing' open"),
])  # fmt: skip
def test_a_window_outside_the_masters_limits_is_refused(parameters: dict[str, Any], said: str) -> None:
    staff = Staff()
    device = ready(staff)
    with pytest.raises(InvalidInput, match=said):
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor, parameters=parameters)
    assert events("segmentation_requested") == 0


def _threshold(lower_hu: float) -> dict[str, Any]:
    return {"segmenter": "bone_threshold", "parameters": {"lower_hu": lower_hu}, "surface": {}, "limits": {}}


def test_accepted_images_start_it_by_rule_in_the_name_of_who_sent_them() -> None:
    staff = Staff()
    device = ready(staff)
    start_segmentation_by_rule(device_id=device.pk, study_id=device.current_study_id or 0)
    payload = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)
    assert payload["author_id"] == staff[Role.IMG].person.pk
    assert {one["gate"] for one in payload["gates"]} >= {
        "G-IMG-01",
        "G-IMG-02",
        "G-IMG-03",
        "G-ORD-05",
        "G-SW-01",
    }


def test_older_images_and_held_devices_start_nothing() -> None:
    staff = Staff()
    device = ready(staff)
    start_segmentation_by_rule(device_id=device.pk, study_id=(device.current_study_id or 0) + 1)
    hold_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason="wait")
    start_segmentation_by_rule(device_id=device.pk, study_id=device.current_study_id or 0)
    assert events("segmentation_requested") == 0
    assert events("segmentation_refused") == 1


@pytest.mark.requirement("G-IMG-01")
def test_a_person_starts_it_again_after_the_cure_and_becomes_the_author() -> None:
    staff = Staff()
    device, engineer = ready(staff, tilt_degrees=4.0), staff[Role.SEG]
    with pytest.raises(TransitionRefused, match=r"tilted by 4\.0°, allowed are 1°"):
        start_segmentation(device_id=device.pk, actor=engineer.actor)
    assert events("segmentation_requested") == 0
    study = device.current_study
    assert study is not None
    study.tilt_degrees = 0.2
    study.save()
    start_segmentation(device_id=device.pk, actor=engineer.actor)
    payload = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)
    assert payload["author_id"] == engineer.person.pk


def test_it_is_not_started_without_images_nor_over_one_that_counts() -> None:
    staff = Staff()
    device = make_planned(staff)
    with pytest.raises(TransitionRefused, match="no accepted images"):
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)
    make_study(device, staff)
    make_segmentation(device, staff, approved=False)
    with pytest.raises(TransitionRefused, match="has a segmentation already"):
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)
    with pytest.raises(NotPermitted):
        start_segmentation(device_id=device.pk, actor=staff[Role.OPR].actor)
    assert events("segmentation_requested") == 0


def test_a_result_for_images_that_were_replaced_is_dropped() -> None:
    staff = Staff()
    device = ready(staff)
    first = requested(device, staff)
    make_study(device, staff)
    assert answer(device, first, NotSegmented([{"code": "x", "text": "x", "cure": ""}])) is None
    assert events("segmentation_failed") == 0
    assert ignored() == ["Its images were replaced."]


# --- two at once, and results that nothing waits for


def approve(device: Device, staff: Staff) -> Segmentation:
    reviewer = staff[Role.CLR]
    return approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())


def state_of(request: EventRecord, status: DeliveryStatus) -> None:
    Delivery.objects.filter(event=request, handler=SEGMENTING).update(status=status)


@pytest.mark.requirement("G-SEG-01")
def test_a_second_one_is_refused_while_the_first_is_computed_and_pages_say_so() -> None:
    staff = Staff()
    device = ready(staff)
    assert waits_for(devices().get()) == "A segmentation"
    first = requested(device, staff, lower_hu=400)
    for _ in range(2):
        with pytest.raises(Conflict, match="is still being computed") as refused:
            requested(device, staff, lower_hu=700)
        assert refused.value.reasons[0].cure.startswith("Wait for its result")
    assert events("segmentation_requested") == 1
    assert waits_for(devices().get()) == "The segmentation being computed"
    assert list(devices_awaiting_segmentation()) == []
    start_segmentation_by_rule(device_id=device.pk, study_id=device.current_study_id or 0)
    assert events("segmentation_requested") == 1
    assert answer(device, first, made("first")) is not None
    assert waits_for(devices().get()) == "A clinical reviewer"


@pytest.mark.requirement("G-SEG-01")
def test_a_computation_that_failed_or_was_given_up_blocks_nobody() -> None:
    staff = Staff()
    device = ready(staff)
    first = requested(device, staff)
    answer(device, first, NotSegmented([{"code": "x", "text": "no bone", "cure": "Other images."}]))
    dead = requested(device, staff)
    state_of(dead, DeliveryStatus.DEAD)
    assert waits_for(devices().get()) == "A segmentation: computing the last one was given up"
    assert list(devices_awaiting_segmentation()) == [device]
    last = requested(device, staff)
    with pytest.raises(Conflict) as refused:
        requested(device, staff)
    assert "which was given up: an operator retries or skips" in refused.value.reasons[0].cure
    assert answer(device, dead, made("late")) is None
    assert ignored() == ["It is not the one that was asked for last."]
    recorded = answer(device, last, made("asked for last"))
    device.refresh_from_db()
    assert recorded is not None
    assert device.current_segmentation == recorded


@pytest.mark.requirement("G-SEG-01")
def test_a_given_up_computation_that_is_tried_again_still_counts() -> None:
    staff = Staff()
    device = ready(staff)
    request = requested(device, staff)
    state_of(request, DeliveryStatus.DEAD)
    assert answer(device, request, made("at last")) is not None


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.parametrize("approved", [False, True])
def test_a_result_that_is_delivered_again_displaces_nothing(approved: bool) -> None:
    staff = Staff()
    device = ready(staff)
    request = requested(device, staff)
    standing = answer(device, request, made("first"))
    if approved:
        approve(device, staff)
    for outcome in (made("again"), NotSegmented([{"code": "x", "text": "x", "cure": ""}])):
        assert answer(device, request, outcome) is None
    device.refresh_from_db()
    assert device.current_segmentation == standing == Segmentation.objects.get()
    assert Segmentation.objects.get().status == ("approved" if approved else "recorded")
    assert len(ignored()) == 2
    assert (events("segmentation_recorded"), events("segmentation_failed")) == (1, 0)


@pytest.mark.requirement("G-SEG-01")
def test_what_was_rejected_does_not_come_back_by_being_delivered_again() -> None:
    staff = Staff()
    device = ready(staff)
    request = requested(device, staff)
    answer(device, request, made("first"))
    reject_segmentation(device_id=device.pk, actor=staff[Role.CLR].actor, reason="The zygoma is missing")
    assert answer(device, request, made("first")) is None
    assert ignored() == ["Its request was answered before."]
    assert Segmentation.objects.get().status == "rejected"


@pytest.mark.requirement("G-SEG-01")
def test_two_requests_of_an_older_record_leave_the_approved_one_where_it_is() -> None:
    """The tester's order, in a record from before a second request was refused."""
    staff = Staff()
    device = ready(staff)
    first = requested(device, staff, lower_hu=400)
    state_of(first, DeliveryStatus.DONE)
    second = requested(device, staff, lower_hu=700)
    kept = answer(device, second, made("second"))
    approve(device, staff)
    request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    assert answer(device, first, made("first")) is None
    assert answer(device, second, made("second again")) is None
    fresh = devices().get()
    assert fresh.current_segmentation == kept == Design.objects.get().segmentation
    assert (Design.objects.get().status, Segmentation.objects.get().status) == ("requested", "approved")


@pytest.mark.requirement("G-SEG-01")
def test_over_an_approved_one_nothing_is_started_until_it_is_rejected_and_the_design_voided() -> None:
    staff = Staff()
    device = ready(staff)
    answer(device, requested(device, staff), made("first"))
    approve(device, staff)
    request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    with pytest.raises(TransitionRefused, match="has a segmentation already") as refused:
        requested(device, staff)
    assert refused.value.reasons[0].cure == "Reject it first, with the reason."
    reject_segmentation(device_id=device.pk, actor=staff[Role.CLR].actor, reason="Another window")
    assert Design.objects.get().status == "voided"
    requested(device, staff)


@pytest.mark.requirement("G-SEG-01")
def test_a_clinical_reviewer_approves() -> None:
    staff = Staff()
    device = ready(staff)
    make_segmentation(device, staff, approved=False)
    assert list(devices_awaiting_segmentation_approval()) == [device]
    reviewer = staff[Role.CLR]
    segmentation = approve(device, staff)
    assert (segmentation.status, segmentation.reviewer) == ("approved", reviewer.person)
    assert Device.objects.get().phase == "design"
    assert not devices_awaiting_segmentation_approval()


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.requirement("G-SOD-01")
def test_the_author_cannot_approve_through_any_account() -> None:
    staff = Staff()
    author = make_person(Role.IMG, Role.CLR)
    device = ready(staff)
    make_segmentation(device, staff, approved=False, author=author.person)
    with pytest.raises(NotPermitted, match="You are the author"):
        approve_segmentation(device_id=device.pk, actor=author.actor, credentials=author.typed())
    assert Segmentation.objects.get().status == "recorded"
    assert not Signature.objects.filter(subject_type="devices.device").exists()


@pytest.mark.requirement("G-MSH-01")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"watertight": False}, "not watertight"),
        ({"distance_p95_mm": 0.51}, "95 %"),
        ({"surface_volume_ml": 80.0}, "volume differs"),
    ],
)
def test_a_surface_that_is_not_its_mask_is_not_approved(fields: dict[str, Any], said: str) -> None:
    staff = Staff()
    device, reviewer = ready(staff), staff[Role.CLR]
    make_segmentation(device, staff, approved=False, **fields)
    with pytest.raises(TransitionRefused, match=said) as refused:
        approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    assert [reason.rule for reason in refused.value.reasons] == ["G-MSH-01"]
    assert Segmentation.objects.get().status == "recorded"


def test_a_wrong_password_or_role_approves_nothing() -> None:
    staff = Staff()
    device, reviewer, outsider = ready(staff), staff[Role.CLR], staff[Role.DSN]
    make_segmentation(device, staff, approved=False)
    with pytest.raises(SignatureRefused):
        approve_segmentation(
            device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed(password="no")
        )
    with pytest.raises(NotPermitted):
        approve_segmentation(device_id=device.pk, actor=outsider.actor, credentials=outsider.typed())
    assert Segmentation.objects.get().status == "recorded"
    assert events("segmentation_approved") == 0


def test_a_rejection_says_why_and_lets_it_be_started_again() -> None:
    staff = Staff()
    device, reviewer = ready(staff), staff[Role.CLR]
    make_segmentation(device, staff, approved=False)
    with pytest.raises(InvalidInput):
        reject_segmentation(device_id=device.pk, actor=reviewer.actor, reason=" ")
    reject_segmentation(device_id=device.pk, actor=reviewer.actor, reason="The zygoma is missing")
    assert Segmentation.objects.get().reason == "The zygoma is missing"
    start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)
    assert events("segmentation_requested") == 1


@pytest.mark.parametrize(
    ("stage", "cure"),
    [("queued", "Take it out of the queue first."), ("awaiting_inspection", "nonconformance")],
)
def test_what_is_made_keeps_its_segmentation_and_says_so(stage: str, cure: str) -> None:
    staff = Staff()
    device = make_device(stage, staff)
    with pytest.raises(TransitionRefused, match="stands on the segmentation") as refused:
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)
    assert cure in refused.value.reasons[0].cure
    with pytest.raises(TransitionRefused, match="its segmentation stands") as refused:
        reject_segmentation(device_id=device.pk, actor=staff[Role.CLR].actor, reason="Wrong component")
    assert cure in refused.value.reasons[0].cure
    device.refresh_from_db()
    assert device.stage == stage


def test_under_a_frozen_design_no_segmentation_is_started() -> None:
    staff = Staff()
    device = make_planned(staff)
    freeze_design_of(device, staff)
    Device.objects.filter(pk=device.pk).update(stage="design_frozen")
    with pytest.raises(TransitionRefused, match="frozen design") as refused:
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)
    assert refused.value.reasons[0].cure == "Void the design first."


def test_rejecting_an_approved_segmentation_voids_what_was_designed_on_it() -> None:
    staff = Staff()
    device = make_planned(staff)
    design = freeze_design_of(device, staff)
    device.stage = "design_frozen"
    device.save()
    reject_segmentation(device_id=device.pk, actor=staff[Role.CLR].actor, reason="Wrong component")
    device.refresh_from_db()
    design.refresh_from_db()
    assert (device.stage, device.phase, design.status) == ("planned", "imaging", "voided")


@pytest.mark.requirement("G-SEG-01")
def test_an_approval_does_not_stand_for_another_mask() -> None:
    staff = Staff()
    device = ready(staff)
    segmentation = make_segmentation(device, staff)
    segmentation.mask = make_artefact("another mask")
    segmentation.save()
    device.refresh_from_db()
    from_gate = [
        result.reason
        for result in _check(device, "request_design")
        if result.gate == "G-SEG-01" and not result.passed
    ]
    assert from_gate == ["The approval is not over the segmentation as it is."]


def _check(device: Device, transition: str) -> Any:
    from_selectors = Device.objects.select_related("master", "current_segmentation").get(pk=device.pk)
    return check_transition(from_selectors, transition)


@pytest.mark.requirement("G-IMG-02")
def test_images_dated_in_the_future_are_no_images() -> None:
    staff = Staff()
    device = make_planned(staff, master=make_master(imaging=_window(90)))
    make_study(device, staff, acquired_on=timezone.localdate() + timedelta(days=40))
    with pytest.raises(TransitionRefused, match="future"):
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)
    study = Study.objects.get()
    study.acquired_on = None
    study.save()
    with pytest.raises(TransitionRefused, match="state no date"):
        start_segmentation(device_id=device.pk, actor=staff[Role.SEG].actor)


def _window(days: int) -> dict[str, Any]:
    return {"max_slice_spacing_mm": 3.0, "max_tilt_degrees": 1.0, "max_image_age_days": days}


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.requirement("G-SW-01")
def test_the_clinical_master_refuses_coarse_images_and_research_tools_and_says_the_cure() -> None:
    staff = Staff()
    device = make_planned(staff, master=make_master(CLINICAL))
    study = make_study(device, staff, widest_slice_step_mm=2.5)
    start_segmentation_by_rule(device_id=device.pk, study_id=study.pk)
    record = EventRecord.objects.get(type="devices.segmentation_refused")
    gates = {one["gate"]: one for one in json.loads(record.payload)["gates"] if one["outcome"] == "block"}
    assert sorted(gates) == ["G-IMG-01", "G-SW-01"]
    assert "2.50 mm apart, allowed are 1.25 mm" in gates["G-IMG-01"]["reason"]
    assert "training master" in gates["G-SW-01"]["cure"]
    assert gates["G-SW-01"]["evidence"]["tools"] == {
        "bone_guide 1": "research_only",
        "bone_threshold 1.0": "research_only",
    }
    assert not EventRecord.objects.filter(type="devices.segmentation_requested").exists()
    device.refresh_from_db()
    assert {one["gate"] for one in refused_segmentation(device)} == {"G-IMG-01", "G-SW-01"}


@pytest.mark.requirement("G-IMG-01")
def test_what_the_protocol_does_not_allow_is_blocked_with_value_and_limit() -> None:
    staff = Staff()
    device = make_planned(staff, master=make_master(CLINICAL))
    good = make_study(device, staff).acquisition
    assert images_within_protocol(device).outcome == "pass"
    outside: list[tuple[dict[str, Any], str]] = [
        ({"spacing_mm": [10.0, 0.5, 1.0]}, "pixels are 10.00 mm wide, allowed are 0.7 mm"),
        (
            {"acquisition": good | {"slice_thickness_mm": 10.0}},
            "slices are 10.00 mm thick, allowed are 1.25 mm",
        ),
        ({"acquisition": good | {"slice_thickness_mm": None}}, "state no slice thickness"),
        ({"acquisition": good | {"image_type": "DERIVED\\SECONDARY\\MPR"}}, "own cross-sections"),
        ({"acquisition": good | {"image_type": "ORIGINAL\\PRIMARY\\OTHER"}}, "own cross-sections"),
        ({"acquisition": {"slice_thickness_mm": 1.0}}, "own cross-sections"),
        ({"acquisition": good | {"lossy": True}}, "compressed with loss"),
        ({"acquisition": good | {"value_unit": "US"}}, "Hounsfield units"),
        ({"tilt_degrees": -0.6}, "tilted by 0.6°"),
        ({"spacing_mm": None}, "geometry was not measured"),
    ]
    training = make_planned(staff)
    for fields, reason in outside:
        make_study(device, staff, **fields)
        verdict = images_within_protocol(device)
        assert reason in verdict.reason
        assert verdict.cure
        make_study(training, staff, **fields)
        assert (images_within_protocol(training).outcome == "pass") == (reason not in IN_TRAINING_TOO)
    make_study(training, staff, widest_slice_step_mm=2.5, acquisition={})
    assert images_within_protocol(training).outcome == "pass"


IN_TRAINING_TOO = {
    "pixels are 10.00 mm wide, allowed are 0.7 mm",
    "slices are 10.00 mm thick, allowed are 1.25 mm",
    "geometry was not measured",
}


@pytest.mark.requirement("G-IMG-02")
def test_old_images_are_refused_for_clinical_use() -> None:
    staff = Staff()
    device = make_planned(staff, master=make_master(CLINICAL))
    old = timezone.localdate() - timedelta(days=160)
    study = make_study(device, staff, acquired_on=old)
    start_segmentation_by_rule(device_id=device.pk, study_id=study.pk)
    payload = json.loads(EventRecord.objects.get(type="devices.segmentation_refused").payload)
    gates = {one["gate"]: one for one in payload["gates"]}
    assert gates["G-IMG-02"]["outcome"] == "block"
    assert gates["G-IMG-02"]["evidence"]["age_at_use_days"] == 190
