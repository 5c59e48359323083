"""The planning record: drafted by one person, read again and signed by another, and what a design owes to it."""

from __future__ import annotations

from typing import Any

import pytest

from devices.catalog.base import MASTERS
from devices.choices import Side
from devices.generators.base import GENERATORS, Value
from devices.models import Device, DeviceMaster, Plan
from devices.selectors.devices import devices
from devices.selectors.evidence import evidence_digest
from devices.selectors.progress import waits_for
from devices.selectors.waiting import (
    devices_awaiting_design,
    devices_awaiting_plan,
    devices_awaiting_plan_approval,
)
from devices.services.definitions import draft_master
from devices.services.designs import NotDesigned, design_content, record_design, request_design, review_design
from devices.services.generating import compute_design
from devices.services.holds import hold_device
from devices.services.planned import values_of_plan
from devices.services.plans import approve_plan, plan_content, reject_plan
from devices.services.segmentations import reject_segmentation
from devices.services.signing import content_to_sign
from mes.choices import Role
from mes.eventlog.base import plain
from mes.eventlog.verify import check_covered
from mes.exceptions import InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.models import EventRecord, Signature
from mes.services.signatures import content_digest
from mes.standing import signatures_out_of_place
from tests.devices.makers import (
    TRAINING,
    Staff,
    make_design,
    make_master,
    make_person,
    make_planned,
    make_segmentation,
)
from tests.devices.planned import (
    GUIDE,
    SLEEVE,
    approve,
    blocking,
    content,
    draft,
    make_ready,
    request_planned,
)

pytestmark = pytest.mark.django_db


def fresh(device: Device) -> Device:
    return devices().get(pk=device.pk)


def rules(refusal: Refused) -> set[str]:
    return {reason.rule for reason in refusal.reasons}


def events(name: str) -> int:
    return EventRecord.objects.filter(type=f"devices.{name}").count()


def test_a_plan_is_drafted_read_and_approved() -> None:
    staff = Staff()
    device = make_ready(staff)
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
def test_the_author_is_never_the_reader() -> None:
    staff, surgeon = Staff(), make_person(Role.PRE, Role.DSN, name="Surgeon")
    staff.by_role[Role.PRE] = surgeon
    device = make_ready(staff)
    with pytest.raises(InvalidInput, match="author of a plan does not read it"):
        draft(device, staff, author=surgeon, reader=surgeon)
    assert not Plan.objects.exists()
    draft(device, staff, author=surgeon)
    with pytest.raises(NotPermitted, match="You are the author of this plan"):
        approve(device, surgeon)
    assert Plan.objects.get().status == "drafted"
    assert events("plan_approved") == 0


@pytest.mark.requirement("G-SIG-01")
def test_only_the_named_reader_signs_and_a_stranger_cannot_be_named() -> None:
    staff = Staff()
    device = make_ready(staff)
    with pytest.raises(InvalidInput, match="cannot read the plan"):
        draft(device, staff, reader=make_person(Role.CLR, name="Unassigned"))
    draft(device, staff)
    with pytest.raises(NotPermitted, match="Another reader is named"):
        approve(device, staff[Role.PRE])
    assert not Signature.objects.filter(content__contains='"record":"plan"').exists()


@pytest.mark.requirement("G-LAT-01")
def test_a_reader_who_counts_another_level_signs_nothing() -> None:
    staff = Staff()
    device = make_ready(staff)
    draft(device, staff)
    for counted in ("L4", "", "L33"):
        with pytest.raises(TransitionRefused, match="the plan says L3"):
            approve(device, staff[Role.CLR], counted)
    assert Plan.objects.get().status == "drafted"
    assert events("plan_approved") == 0


@pytest.mark.requirement("G-DES-01")
def test_images_that_hold_no_level_to_count_from_carry_no_plan() -> None:
    staff = Staff()
    device = make_ready(staff)
    count = content()["counted"]
    count[0]["point_mm"] = [0.0, -24.0, -124.0]
    with pytest.raises(InvalidInput, match="The images do not hold S1"):
        draft(device, staff, counted=count)
    assert not Plan.objects.exists()
    assert events("plan_drafted") == 0


@pytest.mark.requirement("K-13")
def test_no_text_of_a_plan_names_the_patient() -> None:
    staff = Staff()
    device = make_ready(staff)
    cut = {"name": "For Erika Mustermann", "point_mm": [0.0, 0.0, 0.0], "normal": [0.0, 0.0, 1.0]}
    for named in ({"transitional": "Mustermann: six lumbar levels"}, {"cut_planes": [cut]}):
        with pytest.raises(InvalidInput, match="names the patient"):
            draft(device, staff, **named)
    assert not Plan.objects.exists()


@pytest.mark.requirement("G-DES-01")
def test_no_design_without_an_approved_plan_and_none_of_its_values_is_typed() -> None:
    staff = Staff()
    device, author = make_ready(staff), staff[Role.DSN].actor
    with pytest.raises(TransitionRefused, match="No plan is approved"):
        request_design(device_id=device.pk, values={}, actor=author)
    draft(device, staff)
    with pytest.raises(TransitionRefused, match="No plan is approved"):
        request_design(device_id=device.pk, values={}, actor=author)
    plan = approve(device, staff[Role.CLR])
    with pytest.raises(InvalidInput, match="drill_diameter_mm follows from the plan"):
        request_design(device_id=device.pk, values={"drill_diameter_mm": 6.0}, actor=author)
    assert events("design_requested") == 0
    design = request_design(device_id=device.pk, values={"thickness_mm": 5.0}, actor=author)
    assert design.plan == plan
    assert (design.values["level"], design.values["drill_diameter_mm"], design.values["thickness_mm"]) == (
        "L3",
        2.5,
        5.0,
    )
    assert design.values["left_entry_mm"] == plan.content["trajectories"][0]["entry_mm"]


@pytest.mark.requirement("G-DES-01")
def test_a_sleeve_for_another_drill_than_prescribed_makes_no_design() -> None:
    staff = Staff()
    prescribed = [{"attribute": "drill diameter", "value": "3.2", "unit": "mm"}]
    device = make_ready(staff, characteristics=prescribed)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    with pytest.raises(InvalidInput, match=r"The order prescribes drill diameter 3\.2 mm"):
        request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)
    draft(device, staff, sleeve="sleeve-3.2-15")
    approve(device, staff[Role.CLR])
    assert request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor).status == "requested"


def designed(device: Device, staff: Staff, **values: Value) -> None:
    plan = Plan.objects.get(status="approved")
    generator = GENERATORS["pedicle_guide"]
    wanted: dict[str, Any] = plain(values_of_plan(plan, generator)) | values
    make_design(device, staff, plan=plan, generator=generator.id, values=wanted)


@pytest.mark.requirement("G-DES-01")
def test_a_new_revision_voids_the_design_made_from_the_one_before() -> None:
    staff, second = Staff(), make_person(Role.DSN)
    device = make_ready(staff)
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
def test_a_design_that_departs_from_the_plan_is_neither_reviewed_nor_frozen() -> None:
    staff, second = Staff(), make_person(Role.DSN)
    device = make_ready(staff)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    designed(device, staff, drill_diameter_mm=4.0)
    with pytest.raises(TransitionRefused, match="departs from the plan in: drill_diameter_mm"):
        review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    assert "drill_diameter_mm" in blocking(device, "freeze_design")["G-DES-01"]
    assert fresh(device).current_design.status == "generated"  # type: ignore[union-attr]


def test_a_rejected_plan_voids_its_design_and_says_why() -> None:
    staff = Staff()
    device = make_ready(staff)
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
def test_a_plan_stands_on_the_bone_that_it_was_picked_on() -> None:
    staff = Staff()
    device = make_ready(staff)
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
def test_a_plan_edited_behind_the_back_of_its_device_is_named_and_stands_no_longer() -> None:
    staff = Staff()
    device = make_ready(staff)
    before = evidence_digest(device)
    draft(device, staff)
    approve(device, staff[Role.CLR])
    assert evidence_digest(device) != before
    assert list(check_covered()) == []
    Plan.objects.update(content={**Plan.objects.get().content, "level": "L2"})
    assert len(list(check_covered())) == 1
    with pytest.raises(TransitionRefused, match="not over the plan as it is"):
        request_design(device_id=device.pk, values={}, actor=staff[Role.DSN].actor)


def test_nobody_plans_without_the_right_on_a_held_device_or_where_no_plan_is_asked_for() -> None:
    staff = Staff()
    device = make_ready(staff)
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
    own, other = MASTERS[GUIDE].design, MASTERS[TRAINING].design
    for section, said in (
        ({**own, "plan": ""}, "asks for none"),
        ({**other, "plan": "trajectories"}, "takes no value"),
        ({**own, "plan": "tea leaves"}, "kind of plan is unknown"),
        ({**own, "limits": {"seat_support_mm": [None, None]}}, "limits of seat_support_mm are none"),
        ({**own, "limits": {"seat_support_mm": [2.0, 1.0]}}, "limits of seat_support_mm are none"),
        ({**own, "errors": {"print": 0.2}}, "The error 'print' is no length"),
        ({**own, "errors": {"print_mm": -0.2}}, "The error 'print_mm' is no length"),
    ):
        with pytest.raises(InvalidInput, match=said):
            draft_master(
                definition=type(MASTERS[TRAINING])(**{**MASTERS[TRAINING].__dict__, "design": section}),
                actor=author,
            )


def test_what_a_plan_signs_is_all_of_it() -> None:
    staff = Staff()
    device = make_ready(staff)
    plan = draft(device, staff)
    said = plan_content(fresh(device), plan)
    assert said["content"] == plan.content
    assert said["surface"] == plan.segmentation.surface_id
    assert (said["side"], said["author"]) == (Side.BILATERAL, staff[Role.DSN].person.pk)
    assert plan.content["sleeve"]["id"] == SLEEVE


@pytest.mark.requirement("G-DES-01")
def test_what_the_master_asks_of_a_seat_and_of_the_error_binds() -> None:
    staff = Staff()
    design = request_planned(make_ready(staff), staff)
    master = DeviceMaster.objects.get(pk=design.device.master_id)
    limits = {"error_target_mm": [None, 0.4], "seat_uniqueness": [0.5, None], "stress_mpa": [None, 1.0]}
    DeviceMaster.objects.filter(pk=master.pk).update(design={**master.design, "limits": limits})
    outcome = compute_design(design.pk)
    assert isinstance(outcome, NotDesigned)
    said = " ".join(reason["text"] for reason in outcome.reasons)
    for words in ("error_target_mm is", "at most 0.4", "seat_uniqueness is", "stress_mpa was not measured"):
        assert words in said
    DeviceMaster.objects.filter(pk=master.pk).update(design=master.design)
    record_design(design_id=design.pk, outcome=compute_design(design.pk))
    DeviceMaster.objects.filter(pk=master.pk).update(design={**master.design, "limits": limits})
    assert "seat_uniqueness" in blocking(design.device, "freeze_design")["G-DES-01"]


def test_a_plan_beside_the_bone_makes_no_design_and_says_why() -> None:
    staff = Staff()
    rows = [
        {"side": "left", "entry_mm": [17.868, 30.0, 2.0], "axis": [0.0, -1.0, 0.0], "depth_mm": 38.0},
        {"side": "right", "entry_mm": [-17.868, 16.924, 2.0], "axis": [0.0, -1.0, 0.0], "depth_mm": 38.0},
    ]
    outcome = compute_design(request_planned(make_ready(staff), staff, trajectories=rows).pk)
    assert isinstance(outcome, NotDesigned)
    assert "entry on the left is not on the bone" in outcome.reasons[0]["text"]
