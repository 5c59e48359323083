"""What voids a design: whatever changes behind the prescriber's signature (G-DES-02, G-INT-01)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices.choices import DesignStatus
from devices.lifecycle import DEVICE
from devices.models import Design, Device
from devices.selectors.devices import devices
from devices.services.designs import (
    approval_content,
    approve_design,
    request_design,
    review_design,
)
from devices.services.lifecycle import advance_device, check_transition, move_content
from devices.services.voiding import void_design
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, TransitionRefused
from mes.models import EventRecord
from mes.services.artefacts import artefact_path
from mes.standing import stands_for
from tests.devices.makers import (
    GUIDE_VALUES,
    Staff,
    Who,
    freeze_design_of,
    make_artefact,
    make_design,
    make_device,
    make_master,
    make_material,
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


def approve(device: Device, who: Who, **typed: Any) -> Design:
    return approve_design(device_id=device.pk, actor=who.actor, credentials=who.typed(**typed))


def events(name: str) -> int:
    return EventRecord.objects.filter(type=f"devices.{name}").count()


def blocking(device: Device, transition: str) -> dict[str, str]:
    results = check_transition(devices().get(pk=device.pk), transition)
    return {result.gate: result.reason for result in results if not result.passed}


# --- what voids it


def _another_mesh(device: Device) -> None:
    Design.objects.filter(device=device).update(mesh=make_artefact("another mesh"))


def _another_master(device: Device) -> None:
    Device.objects.filter(pk=device.pk).update(master=make_master(title="A new revision"))


def _another_material(device: Device) -> None:
    other = make_material("resin-guide-01", code="resin-other")
    Device.objects.filter(pk=device.pk).update(material=other)


def _other_values(device: Device) -> None:
    Design.objects.filter(device=device).update(values={"thickness_mm": 2.0})


def _other_side(device: Device) -> None:
    type(device.order).objects.filter(pk=device.order_id).update(side="left")


@pytest.mark.requirement("G-DES-02")
@pytest.mark.parametrize(
    "change", [_another_mesh, _another_master, _another_material, _other_values, _other_side]
)
def test_whatever_changes_behind_the_approval_stops_the_queue(change: Any) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    assert blocking(device, "queue") == {}
    change(device)
    assert "approved something else" in blocking(device, "queue")["G-DES-02"]
    with pytest.raises(TransitionRefused):
        advance_device(device_id=device.pk, transition="queue", actor=SYSTEM)
    assert Device.objects.get(pk=device.pk).stage == "design_frozen"


@pytest.mark.requirement("G-DES-02", "ES-10")
def test_each_value_that_was_signed_is_bound_by_the_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device("design_frozen")
    design = device.current_design
    assert design is not None
    assert design.approval is not None
    assert stands_for(design.approval, approval_content(device, design))
    signed = {
        design: "revision mesh_id values measures warnings generator generator_version validation_status",
        design.segmentation: "surface_id",
        device: "serial",
        device.order: "side characteristics",
        device.order.patient: "token",
        device.master: "code intended_use",
        device.material: "code",
    }
    for owner, names in signed.items():
        for name in names.split():
            with monkeypatch.context() as changed:
                changed.setattr(owner, name, 99 if name == "revision" else "other")
                assert not stands_for(design.approval, approval_content(device, design)), name


@pytest.mark.requirement("G-INT-01")
def test_a_study_changed_behind_the_record_stops_the_device() -> None:
    device = make_device("design_frozen")
    study = device.current_study
    assert study is not None
    study.matched = ["everything"]
    study.save()
    assert set(blocking(device, "queue")) == {"G-INT-01"}


@pytest.mark.requirement("G-INT-01")
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_design_whose_file_is_not_as_it_was_stops_the_device(damage: str) -> None:
    device = make_device("design_frozen")
    mesh = artefact_path(str(device.current_design.mesh_id if device.current_design else ""))
    mesh.chmod(0o640)
    content = mesh.read_bytes()
    mesh.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if damage == "missing":
        mesh.unlink()
    assert blocking(device, "queue") == {"G-INT-01": "The file of the design is missing or altered."}


@pytest.mark.requirement("G-DES-02")
def test_a_new_request_takes_a_frozen_device_back() -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    fresh = devices().get()
    assert (fresh.stage, fresh.phase) == ("planned", "design")
    assert list(Design.objects.order_by("revision").values_list("status", flat=True)) == [
        "voided",
        "requested",
    ]
    assert events("design_voided") == 1
    assert "K-06" in blocking(device, "queue")


@pytest.mark.requirement("G-DES-02")
def test_a_device_in_production_keeps_its_design() -> None:
    staff = Staff()
    device = make_device("queued", staff)
    with pytest.raises(TransitionRefused, match="its design stands"):
        request_design(device_id=device.pk, values=GUIDE_VALUES, actor=staff[Role.DSN].actor)
    with pytest.raises(TransitionRefused):
        void_design(device_id=device.pk, actor=staff[Role.QAR].actor, reason="second thoughts")
    assert Design.objects.get().status == DesignStatus.APPROVED
    assert Device.objects.get().stage == "queued"


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.parametrize("stage", ["design_frozen", "reviewed"])
def test_another_bone_than_the_approved_one_stops_queue_and_release_and_both_are_named(stage: str) -> None:
    staff = Staff()
    device = make_device(stage, staff)
    design, move = device.current_design, "queue" if stage == "design_frozen" else "release"
    assert "G-SEG-01" not in blocking(device, move)
    assert design is not None
    other = make_segmentation(device, staff, surface=make_artefact("another bone"))
    said = blocking(device, move)["G-SEG-01"]
    assert (
        f"was made from segmentation {design.segmentation_id}, and its segmentation now is {other.pk}" in said
    )
    content = move_content(devices().get(), DEVICE.row(move, stage))
    assert content["artefacts"]["surface"] == design.segmentation.surface_id != other.surface_id


@pytest.mark.requirement("G-SEG-01")
def test_a_design_of_another_bone_is_neither_reviewed_nor_approved() -> None:
    staff = Staff()
    device, second = ready(staff), staff[Role.SEG]
    design = make_design(device, staff)
    make_segmentation(device, staff)
    reviewer = make_person(Role.DSN)
    with pytest.raises(TransitionRefused, match="was made from segmentation"):
        review_design(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    assert Design.objects.get().status == "generated"
    Design.objects.filter(pk=design.pk).update(status="reviewed", reviewer=second.person)
    with pytest.raises(TransitionRefused, match="was made from segmentation"):
        approve(device, staff[Role.PRE])
    assert Device.objects.get().stage == "planned"


def test_voiding_needs_a_reason_and_a_design() -> None:
    staff = Staff()
    device = ready(staff)
    with pytest.raises(InvalidInput):
        void_design(device_id=device.pk, actor=staff[Role.QAR].actor, reason=" ")
    with pytest.raises(TransitionRefused, match="no design to void") as refusal:
        void_design(device_id=device.pk, actor=staff[Role.QAR].actor, reason="why not")
    assert all(one.cure for one in refusal.value.reasons)


def test_a_voided_design_is_approved_again_only_from_the_start() -> None:
    staff = Staff()
    device = make_planned(staff)
    design = freeze_design_of(device, staff)
    device.stage = "design_frozen"
    device.save()
    void_design(device_id=device.pk, actor=staff[Role.QAR].actor, reason="The patient fell")
    design.refresh_from_db()
    assert (design.status, design.reasons[0]["text"]) == ("voided", "The patient fell")
    with pytest.raises(TransitionRefused):
        approve(device, staff[Role.PRE])
    assert artefact_path(str(design.mesh_id)).is_file()
