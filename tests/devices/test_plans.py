"""The planning record: drafted by one person, read again and signed by another, and what a design owes to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devices.catalog.base import MASTERS
from devices.choices import Side
from devices.generators.base import GENERATORS, Design, DesignRefused, Parameter, ValidationStatus, Value
from devices.imaging.storage import save_volume
from devices.mesh.base import Mesh
from devices.models import Device, Plan
from devices.selectors.devices import devices
from devices.selectors.evidence import evidence_digest
from devices.selectors.progress import waits_for
from devices.selectors.waiting import (
    devices_awaiting_design,
    devices_awaiting_plan,
    devices_awaiting_plan_approval,
)
from devices.services.definitions import draft_master
from devices.services.designs import design_content, request_design, review_design
from devices.services.holds import hold_device
from devices.services.lifecycle import check_transition
from devices.services.plans import approve_plan, draft_plan, plan_content, reject_plan
from devices.services.segmentations import reject_segmentation
from devices.services.signing import content_to_sign
from mes.choices import Role
from mes.eventlog.verify import check_covered
from mes.exceptions import InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.models import EventRecord, Signature
from mes.services.artefacts import store_artefact
from mes.services.signatures import content_digest
from mes.standing import signatures_out_of_place
from tests.devices.makers import (
    TRAINING,
    Staff,
    Who,
    make_design,
    make_master,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
)
from tests.devices.planned import SLEEVE, content, spine_volume

pytestmark = pytest.mark.django_db


class Guide:
    """A generator that takes two values from the plan and one from a person, and makes nothing."""

    id = "guide_of_plan"
    version = "1"
    title = "Guide of a plan"
    parameters: tuple[Parameter, ...] = (
        Parameter("level", "", "Level", "text", 2.0, 3.0, None, "", planned=True),
        Parameter(
            "drill_diameter_mm", "mm", "Drill", "number", 1.0, 6.0, None, "", planned=True, prescribed_as=("drill diameter",)
        ),
        Parameter("thickness_mm", "mm", "Thickness", "number", 1.0, 6.0, 3.0, ""),
    )  # fmt: skip
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        raise DesignRefused("It makes nothing.")


@pytest.fixture(autouse=True)
def generator(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    monkeypatch.setitem(GENERATORS._things, Guide.id, Guide())


SECTION = {
    "generator": Guide.id,
    "plan": "trajectories",
    "sides": ["left", "right", "bilateral"],
    "envelope": {},
}


def ready(staff: Staff, tmp_path: Path, **fields: Any) -> Device:
    """A device that waits for its plan: images from the sacrum up, and approved bone."""
    master = make_master(TRAINING, design=SECTION)
    device = make_planned(staff, master=master, **{"side": "bilateral"} | fields)
    study, volume = make_study(device, staff), spine_volume()
    save_volume(volume, tmp_path / "volume.npz")
    stored = store_artefact(tmp_path / "volume.npz", media_type="application/x-npz")
    study.slices, study.rows, study.columns = volume.shape
    study.volume_id = stored.sha256
    study.save()
    make_segmentation(device, staff)
    return device


def draft(device: Device, staff: Staff, **changed: Any) -> Plan:
    reader = changed.pop("reader", staff[Role.CLR])
    author = changed.pop("author", staff[Role.DSN])
    given = content(**changed)
    return draft_plan(device_id=device.pk, content=given, reader_id=reader.person.pk, actor=author.actor)


def approve(device: Device, who: Who, counted: str = "L3") -> Plan:
    return approve_plan(device_id=device.pk, counted=counted, actor=who.actor, credentials=who.typed())


def fresh(device: Device) -> Device:
    return devices().get(pk=device.pk)


def blocking(device: Device, transition: str) -> dict[str, str]:
    results = check_transition(fresh(device), transition)
    return {result.gate: result.reason for result in results if not result.passed}


def rules(refusal: Refused) -> set[str]:
    return {reason.rule for reason in refusal.reasons}


def events(name: str) -> int:
    return EventRecord.objects.filter(type=f"devices.{name}").count()


def test_a_plan_is_drafted_read_and_approved(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    assert list(devices_awaiting_plan()) == [device]
    assert list(devices_awaiting_design()) == []
    assert waits_for(fresh(device)) == "A clinical plan"
    plan = draft(device, staff)
    assert (plan.revision, plan.status, plan.kind) == (1, "drafted", "trajectories")
    assert list(devices_awaiting_plan_approval()) == [device]
    assert waits_for(fresh(device)) == "The reader of its plan"
    shown = content_digest(content_to_sign(fresh(device), "approve-plan"))
    approved = approve_plan(
        device_id=device.pk,
        counted="L3",
        actor=staff[Role.CLR].actor,
        credentials=staff[Role.CLR].typed(digest=shown),
    )
    assert approved.status == "approved"
    assert approved.approval is not None
    assert approved.approval.person == staff[Role.CLR].person
    assert list(devices_awaiting_design()) == [device]
    assert Signature.objects.filter(content__contains='"record":"plan"').count() == 1
    assert list(signatures_out_of_place()) == []


@pytest.mark.requirement("G-SOD-01")
def test_the_author_is_never_the_reader(tmp_path: Path) -> None:
    staff, surgeon = Staff(), make_person(Role.PRE, Role.DSN, name="Surgeon")
    staff.by_role[Role.PRE] = surgeon
    device = ready(staff, tmp_path)
    with pytest.raises(InvalidInput, match="author of a plan does not read it"):
        draft(device, staff, author=surgeon, reader=surgeon)
    assert not Plan.objects.exists()
    draft(device, staff, author=surgeon)
    with pytest.raises(NotPermitted, match="You are the author of this plan"):
        approve(device, surgeon)
    assert Plan.objects.get().status == "drafted"
    assert events("plan_approved") == 0


@pytest.mark.requirement("G-SIG-01")
def test_only_the_named_reader_signs_and_a_stranger_cannot_be_named(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    with pytest.raises(InvalidInput, match="cannot read the plan"):
        draft(device, staff, reader=make_person(Role.CLR, name="Unassigned"))
    draft(device, staff)
    with pytest.raises(NotPermitted, match="Another reader is named"):
        approve(device, staff[Role.PRE])
    assert not Signature.objects.filter(content__contains='"record":"plan"').exists()


@pytest.mark.requirement("G-LAT-01")
def test_a_reader_who_counts_another_level_signs_nothing(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    draft(device, staff)
    for counted in ("L4", "", "L33"):
        with pytest.raises(TransitionRefused, match="the plan says L3"):
            approve(device, staff[Role.CLR], counted)
    assert Plan.objects.get().status == "drafted"
    assert events("plan_approved") == 0


@pytest.mark.requirement("G-DES-01")
def test_images_that_hold_no_level_to_count_from_carry_no_plan(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    count = content()["counted"]
    count[0]["point_mm"] = [0.0, -24.0, -124.0]
    with pytest.raises(InvalidInput, match="The images do not hold S1"):
        draft(device, staff, counted=count)
    assert not Plan.objects.exists()
    assert events("plan_drafted") == 0


@pytest.mark.requirement("G-DES-01")
def test_no_design_without_an_approved_plan_and_none_of_its_values_is_typed(tmp_path: Path) -> None:
    staff = Staff()
    device, author = ready(staff, tmp_path), staff[Role.DSN].actor
    with pytest.raises(TransitionRefused, match="No plan is approved"):
        request_design(device_id=device.pk, values={}, actor=author)
    draft(device, staff)
    with pytest.raises(TransitionRefused, match="No plan is approved"):
        request_design(device_id=device.pk, values={}, actor=author)
    plan = approve(device, staff[Role.CLR])
    with pytest.raises(InvalidInput, match="drill_diameter_mm follows from the plan"):
        request_design(device_id=device.pk, values={"drill_diameter_mm": 6.0}, actor=author)
    assert events("design_requested") == 0
    design = request_design(device_id=device.pk, values={"thickness_mm": 4.0}, actor=author)
    assert design.plan == plan
    assert design.values == {"level": "L3", "drill_diameter_mm": 2.5, "thickness_mm": 4.0}


@pytest.mark.requirement("G-DES-01")
def test_a_sleeve_for_another_drill_than_prescribed_makes_no_design(tmp_path: Path) -> None:
    staff = Staff()
    prescribed = [{"attribute": "drill diameter", "value": "3.2", "unit": "mm"}]
    device = ready(staff, tmp_path, characteristics=prescribed)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    with pytest.raises(InvalidInput, match=r"The order prescribes drill diameter 3\.2 mm"):
        request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)
    draft(device, staff, sleeve="sleeve-3.2-15")
    approve(device, staff[Role.CLR])
    assert request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor).status == "requested"


def designed(device: Device, staff: Staff, **values: Value) -> None:
    plan = Plan.objects.get(status="approved")
    wanted: dict[str, Any] = {"level": "L3", "drill_diameter_mm": 2.5, "thickness_mm": 3.0}
    make_design(device, staff, plan=plan, generator=Guide.id, values=wanted | values)


@pytest.mark.requirement("G-DES-01")
def test_a_new_revision_voids_the_design_made_from_the_one_before(tmp_path: Path) -> None:
    staff, second = Staff(), make_person(Role.DSN)
    device = ready(staff, tmp_path)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    designed(device, staff)
    signed = design_content(fresh(device), fresh(device).current_design)  # type: ignore[arg-type]
    assert signed["plan"]["content"]["level"] == "L3"
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    draft(device, staff, sleeve="sleeve-3.2-15")
    assert list(Plan.objects.order_by("pk").values_list("revision", "status")) == [
        (1, "superseded"),
        (2, "drafted"),
    ]
    assert fresh(device).current_design.status == "voided"  # type: ignore[union-attr]
    assert events("design_voided") == 1
    assert "No plan is approved" in blocking(device, "freeze_design")["G-DES-01"]


@pytest.mark.requirement("G-DES-01")
def test_a_design_that_departs_from_the_plan_is_neither_reviewed_nor_frozen(tmp_path: Path) -> None:
    staff, second = Staff(), make_person(Role.DSN)
    device = ready(staff, tmp_path)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    designed(device, staff, drill_diameter_mm=4.0)
    with pytest.raises(TransitionRefused, match="departs from the plan in: drill_diameter_mm"):
        review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    assert "drill_diameter_mm" in blocking(device, "freeze_design")["G-DES-01"]
    assert fresh(device).current_design.status == "generated"  # type: ignore[union-attr]


def test_a_rejected_plan_voids_its_design_and_says_why(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    designed(device, staff)
    with pytest.raises(InvalidInput, match="Say what is wrong"):
        reject_plan(device_id=device.pk, actor=staff[Role.CLR].actor, reason=" ")
    reject_plan(device_id=device.pk, actor=staff[Role.CLR].actor, reason="The left pedicle is narrower")
    assert (Plan.objects.get().status, Plan.objects.get().reason) == (
        "rejected",
        "The left pedicle is narrower",
    )
    assert fresh(device).current_design.status == "voided"  # type: ignore[union-attr]
    assert list(devices_awaiting_plan()) == [device]


@pytest.mark.requirement("G-SEG-01")
def test_a_plan_stands_on_the_bone_that_it_was_picked_on(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    reject_segmentation(device_id=device.pk, actor=staff[Role.CLR].actor, reason="A rib is in it")
    with pytest.raises(TransitionRefused, match="The segmentation is not approved"):
        draft(device, staff)
    make_segmentation(Device.objects.get(pk=device.pk), staff)
    with pytest.raises(TransitionRefused, match="another segmentation than the current one"):
        request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)
    assert Plan.objects.count() == 1


@pytest.mark.requirement("G-INT-01")
def test_a_plan_edited_behind_the_back_of_its_device_is_named_and_stands_no_longer(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    before = evidence_digest(device)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    assert evidence_digest(device) != before
    assert list(check_covered()) == []
    Plan.objects.update(content={**Plan.objects.get().content, "level": "L2"})
    assert len(list(check_covered())) == 1
    with pytest.raises(TransitionRefused, match="not over the plan as it is"):
        request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)


def test_nobody_plans_without_the_right_on_a_held_device_or_where_no_plan_is_asked_for(
    tmp_path: Path,
) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    with pytest.raises(NotPermitted):
        draft(device, staff, author=staff[Role.OPR])
    hold_device(device_id=device.pk, actor=staff[Role.QAR].actor, reason="wait")
    with pytest.raises(TransitionRefused, match="on hold"):
        draft(device, staff)
    other = make_planned(staff, master=make_master(TRAINING, design=MASTERS[TRAINING].design))
    with pytest.raises(TransitionRefused, match="made without a plan"):
        draft(other, staff)
    assert not Plan.objects.exists()


def test_a_master_and_its_generator_agree_on_the_plan() -> None:
    author = make_person(Role.DSN).actor
    without = {**SECTION, "plan": ""}
    other = {**MASTERS[TRAINING].design, "plan": "trajectories"}
    unknown = {**SECTION, "plan": "tea leaves"}
    for section, said in (
        (without, "asks for none"),
        (other, "takes no value"),
        (unknown, "kind of plan is unknown"),
    ):
        with pytest.raises(InvalidInput, match=said):
            draft_master(
                definition=type(MASTERS[TRAINING])(**{**MASTERS[TRAINING].__dict__, "design": section}),
                actor=author,
            )


def test_what_a_plan_signs_is_all_of_it(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path)
    plan = draft(device, staff)
    said = plan_content(fresh(device), plan)
    assert said["content"] == plan.content
    assert said["surface"] == plan.segmentation.surface_id
    assert (said["side"], said["author"]) == (Side.BILATERAL, staff[Role.DSN].person.pk)
    assert plan.content["sleeve"]["id"] == SLEEVE
