"""Designs: values inside three limits, a second engineer, the prescriber's signature over one mesh, and what voids it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.catalog.base import MASTERS
from devices.choices import Side
from devices.models import Design, Device, Material
from devices.selectors.devices import devices
from devices.selectors.waiting import (
    devices_awaiting_design,
    devices_awaiting_design_review,
    devices_awaiting_prescriber,
)
from devices.services.designs import (
    NotDesigned,
    approval_content,
    approve_design,
    record_design,
    request_design,
    review_design,
)
from devices.services.generating import compute_design
from devices.services.holds import hold_device
from devices.services.lifecycle import check_transition
from devices.services.signing import content_to_sign
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused, TransitionRefused
from mes.models import EventRecord, Signature
from mes.services.artefacts import artefact_path
from mes.services.signatures import content_digest
from tests.devices.makers import (
    CLINICAL,
    GUIDE_VALUES,
    TRAINING,
    Staff,
    Who,
    lying,
    make_design,
    make_master,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
)

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


def ready(staff: Staff, **fields: Any) -> Device:
    """A planned device whose segmentation is approved."""
    device = make_planned(staff, **fields)
    make_study(device, staff)
    make_segmentation(device, staff)
    return device


def designed(staff: Staff, **fields: Any) -> Device:
    device = ready(staff)
    make_design(device, staff, **fields)
    return device


@pytest.mark.requirement("G-INT-01")
def test_nothing_is_designed_on_an_altered_bone() -> None:
    design = make_design(ready(Staff()), Staff())
    path = artefact_path(design.segmentation.surface_id)
    path.chmod(0o600)
    path.write_bytes(b"another bone")
    outcome = compute_design(design.pk)
    assert isinstance(outcome, NotDesigned)
    assert [reason["code"] for reason in outcome.reasons] == ["G-INT-01"]


def reviewed(staff: Staff, **fields: Any) -> Device:
    device, second = designed(staff, **fields), make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    return device


def approve(device: Device, who: Who, **typed: Any) -> Design:
    return approve_design(device_id=device.pk, actor=who.actor, credentials=who.typed(**typed))


def rules(refusal: Refused) -> set[str]:
    return {reason.rule for reason in refusal.reasons}


def events(name: str) -> int:
    return EventRecord.objects.filter(type=f"devices.{name}").count()


def blocking(device: Device, transition: str) -> dict[str, str]:
    results = check_transition(devices().get(pk=device.pk), transition)
    return {result.gate: result.reason for result in results if not result.passed}


# --- asking


def test_a_request_fills_in_the_masters_defaults_and_the_materials_wall() -> None:
    staff = Staff()
    device = ready(staff)
    assert list(devices_awaiting_design()) == [device]
    design = request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    assert (design.revision, design.status, design.generator) == (1, "requested", "bone_guide")
    assert design.values["thickness_mm"] == 3.0
    assert design.values["minimum_wall_mm"] == Material.objects.get().minimum_wall_mm
    assert events("design_requested") == 1


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "landmark_mm is missing"),
        ({"landmark_mm": [0, 0, float("nan")]}, "not three finite numbers"),
        ({"landmark_mm": [0, 0, 0], "colour": "red"}, "is no parameter"),
        ({"landmark_mm": [0, 0, 0], "thickness_mm": 50}, "thickness_mm is 50"),
        ({"landmark_mm": [0, 0, 0], "thickness_mm": 8}, "the device master allows 2 to 6"),
        ({"landmark_mm": [0, 0, 0], "minimum_wall_mm": 0.5}, "needs at least 1 mm"),
    ],
)
def test_a_value_outside_any_limit_is_refused_and_nothing_is_made(values: dict[str, Any], said: str) -> None:
    staff = Staff()
    device = ready(staff)
    with pytest.raises(InvalidInput, match=said) as refused:
        request_design(device_id=device.pk, values=values, actor=staff[Role.DSN].actor)
    assert rules(refused.value) == {"G-DES-01"}
    assert not Design.objects.exists()
    assert events("design_requested") == 0


@pytest.mark.requirement("G-SEG-01")
def test_no_design_without_an_approved_segmentation() -> None:
    staff = Staff()
    device = make_planned(staff)
    make_study(device, staff)
    make_segmentation(device, staff, approved=False)
    with pytest.raises(TransitionRefused, match="no approved segmentation"):
        request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    assert not Design.objects.exists()


def test_no_design_for_a_held_device_nor_by_anybody() -> None:
    staff = Staff()
    device = ready(staff)
    with pytest.raises(NotPermitted):
        request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.OPR].actor)
    hold_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason="wait")
    with pytest.raises(TransitionRefused, match="on hold"):
        request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    assert not Design.objects.exists()


def test_a_design_that_could_not_be_made_says_why() -> None:
    staff = Staff()
    device = ready(staff)
    design = request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    reasons = [{"code": "G-DES-01", "text": "The wall is thin.", "cure": "Thicken it."}]
    record_design(design_id=design.pk, outcome=NotDesigned(reasons))
    assert (Design.objects.get().status, Design.objects.get().reasons) == ("failed", reasons)
    assert list(devices_awaiting_design()) == [device]
    assert events("design_failed") == 1


def test_a_new_request_voids_the_design_before_it_and_a_late_result_is_dropped() -> None:
    staff = Staff()
    device = ready(staff)
    first = request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    second = request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    record_design(design_id=first.pk, outcome=NotDesigned([]))
    assert list(Design.objects.order_by("pk").values_list("revision", "status")) == [
        (1, "voided"),
        (2, "requested"),
    ]
    assert Device.objects.get().current_design == second
    assert events("design_failed") == 0


# --- review


def test_a_second_engineer_reviews() -> None:
    staff = Staff()
    device, second = designed(staff), make_person(Role.DSN)
    assert list(devices_awaiting_design_review()) == [device]
    shown = content_digest(content_to_sign(devices().get(), "review-design"))
    design = review_design(device_id=device.pk, actor=second.actor, credentials=second.typed(digest=shown))
    assert (design.status, design.reviewer) == ("reviewed", second.person)
    assert Device.objects.get().phase == "approval"
    assert list(devices_awaiting_prescriber()) == [device]


@pytest.mark.requirement("G-SOD-01")
def test_the_author_cannot_review() -> None:
    staff = Staff()
    device, author = designed(staff), staff[Role.DSN]
    with pytest.raises(NotPermitted, match="You are the author"):
        review_design(device_id=device.pk, actor=author.actor, credentials=author.typed())
    assert Design.objects.get().status == "generated"
    assert events("design_reviewed") == 0


# --- the prescriber


@pytest.mark.requirement("G-DES-02")
def test_the_prescriber_signs_exactly_the_mesh_that_was_shown() -> None:
    staff = Staff()
    device = reviewed(staff)
    fresh = devices().get()
    assert fresh.current_design is not None
    shown = content_digest(approval_content(fresh, fresh.current_design))
    assert shown == content_digest(content_to_sign(fresh, "approve-design"))
    design = approve(device, staff[Role.PRE], digest=shown)
    assert design.approval is not None
    signed = json.loads(design.approval.content)
    assert signed["details"]["mesh"] == design.mesh_id == signed["artefacts"]["design"]
    fresh = devices().get()
    assert (fresh.stage, fresh.phase) == ("design_frozen", "slicing")
    record = EventRecord.objects.get(type="devices.device_stage_changed")
    gates = {one["gate"] for one in json.loads(record.payload)["gates"]}
    assert gates >= {
        "G-SEG-01", "G-MSH-01", "G-DES-01", "G-LAT-01", "G-SW-01", "G-MAT-07", "G-IMG-01", "G-IMG-02", "G-INT-01",
    }  # fmt: skip
    assert blocking(device, "queue") == {}


@pytest.mark.requirement("G-DES-02")
def test_another_prescriber_or_another_content_freezes_nothing() -> None:
    staff = Staff()
    device, other = reviewed(staff), make_person(Role.PRE)
    with pytest.raises(NotPermitted, match="not yours to know"):
        approve(device, other)
    with pytest.raises(SignatureRefused, match="changed after it was shown"):
        approve(device, staff[Role.PRE], digest="0" * 64)
    with pytest.raises(SignatureRefused):
        approve(device, staff[Role.PRE], password="wrong")
    assert Device.objects.get().stage == "planned"
    assert Design.objects.get().approval is None
    assert not Signature.objects.filter(meaning="design_approved").exists()


@pytest.mark.requirement("G-SIG-01")
def test_an_unreviewed_design_is_not_approved() -> None:
    staff = Staff()
    device = designed(staff)
    with pytest.raises(TransitionRefused):
        approve(device, staff[Role.PRE])
    assert blocking(device, "freeze_design")["G-SIG-01"] == "No second engineer reviewed the design."


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(("side", "offset", "blocks"), [
    ("right", -40.0, False), ("left", 40.0, False), ("right", 40.0, True), ("left", -0.5, True), ("left", 0.0, True),
    ("bilateral", 40.0, False), ("none", -40.0, False),
])  # fmt: skip
def test_the_design_lies_on_the_ordered_side(side: str, offset: float, blocks: bool) -> None:
    staff = Staff()
    design = {**MASTERS[TRAINING].design, "sides": list(Side.values)}
    device = ready(staff, side=side, master=make_master(design=design))
    make_design(device, staff, measures={"minimum_wall_mm": 1.5, **lying(offset)})
    assert ("G-LAT-01" in blocking(device, "freeze_design")) is blocks


@pytest.mark.requirement("G-LAT-01")
def test_a_design_on_the_wrong_side_is_not_frozen() -> None:
    staff = Staff()
    device = reviewed(staff, measures={"minimum_wall_mm": 1.5, **lying(33.0)})
    with pytest.raises(TransitionRefused, match=r"on the patient's left, its centre 33\.0 mm") as refused:
        approve(device, staff[Role.PRE])
    assert rules(refused.value) == {"G-LAT-01"}
    assert Device.objects.get().stage == "planned"


@pytest.mark.requirement("G-DES-01")
def test_a_design_outside_a_narrower_envelope_or_with_a_thin_wall_is_not_frozen() -> None:
    staff = Staff()
    device = reviewed(staff, measures={"minimum_wall_mm": 0.7, **lying(-30.0)})
    assert "0.7 mm" in blocking(device, "freeze_design")["G-DES-01"]


@pytest.mark.requirement("G-SW-01")
@pytest.mark.requirement("G-IMG-01")
def test_a_clinical_design_by_research_tools_is_not_frozen() -> None:
    staff = Staff()
    device = make_planned(staff, master=make_master(CLINICAL))
    make_study(device, staff)
    make_segmentation(device, staff)
    make_design(device, staff)
    second = make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    with pytest.raises(TransitionRefused) as refused:
        approve(device, staff[Role.PRE])
    assert rules(refused.value) == {"G-SW-01"}
    assert Device.objects.get(pk=device.pk).stage == "planned"
