"""Orders: prescribed, reviewed, approved by two people, accepted; and every way in which they are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from devices.choices import TrackedAs
from devices.models import Device, Material, Order
from devices.services.definitions import specify_material
from devices.services.orders import (
    approve_order,
    create_order,
    prescription_content,
    reject_order,
    request_order_info,
    start_order_review,
    submit_order,
    supply_order_info,
)
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused, TransitionRefused
from mes.models import EventRecord, Signature
from mes.selectors import events_of
from mes.services.people import revoke_role
from mes.services.signatures import content_digest
from mes.services.signing_withdrawal import withdraw_signature
from tests.devices.makers import (
    SETUP,
    Staff,
    accepted,
    make_master,
    make_order,
    make_patient,
    make_person,
    make_planned,
    submitted,
    under_review,
)

pytestmark = pytest.mark.django_db


def approve(order: Order, staff: Staff, role: Role) -> Order:
    return approve_order(order_id=order.pk, actor=staff[role].actor, credentials=staff[role].typed())


def stage_of(order: Order) -> str:
    return Order.objects.values_list("stage", flat=True).get(pk=order.pk)


def rules(refusal: Refused) -> list[str]:
    return [reason.rule for reason in refusal.reasons]


def test_an_accepted_order_plans_its_devices() -> None:
    staff = Staff()
    first, second = accepted(make_order(staff, quantity=2), staff)
    assert (first.stage, first.phase) == ("planned", "imaging")
    assert re.fullmatch(r"[0-9A-Z]{1,18}", first.serial)
    assert first.serial != second.serial
    assert first.need_by == first.order.need_by
    names = [record.type for record in events_of(first.order)]
    assert names == [
        "devices.order_created",
        "devices.order_submitted",
        "devices.order_review_started",
        "devices.order_approved",
        "devices.order_approved",
        "devices.order_accepted",
        "devices.person_assigned",
    ]


@pytest.mark.requirement("G-ORD-02")
def test_an_order_without_a_characteristic_cannot_be_submitted() -> None:
    staff = Staff()
    order = make_order(staff, characteristics=[])
    with pytest.raises(TransitionRefused) as refused:
        submitted(order, staff)
    assert rules(refused.value) == ["G-ORD-02"]
    assert stage_of(order) == "draft"
    assert not Signature.objects.filter(subject_type="devices.order").exists()


@pytest.mark.requirement("G-ORD-02")
@pytest.mark.parametrize(
    "row", [{"attribute": "", "value": "12"}, {"attribute": "depth"}, {"attribute": "x" * 201, "value": "1"}]
)
def test_a_characteristic_needs_an_attribute_and_a_value(row: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make_order(characteristics=[row])
    assert not Order.objects.exists()


@pytest.mark.requirement("G-ORD-01")
def test_only_the_named_prescriber_prescribes() -> None:
    staff = Staff()
    order, other = make_order(staff), make_person(Role.PRE)
    with pytest.raises(NotPermitted, match="not yours to know"):
        submit_order(order_id=order.pk, actor=other.actor, credentials=other.typed())
    with pytest.raises(NotPermitted, match="needs the role Prescriber"):
        submit_order(order_id=order.pk, actor=staff[Role.ORD].actor, credentials=staff[Role.ORD].typed())
    assert stage_of(order) == "draft"


def test_a_wrong_password_leaves_no_signature() -> None:
    staff = Staff()
    order, prescriber = make_order(staff), staff[Role.PRE]
    with pytest.raises(SignatureRefused):
        submit_order(
            order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed(password="wrong")
        )
    assert stage_of(order) == "draft"
    assert not Signature.objects.filter(subject_type="devices.order").exists()


def test_the_signature_covers_what_the_dialog_showed() -> None:
    staff = Staff()
    order, prescriber = make_order(staff), staff[Role.PRE]
    with pytest.raises(SignatureRefused, match="changed after it was shown"):
        submit_order(order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed(digest="0" * 64))
    shown = content_digest(prescription_content(Order.objects.get()))
    submit_order(order_id=order.pk, actor=prescriber.actor, credentials=prescriber.typed(digest=shown))
    assert stage_of(order) == "submitted"


@pytest.mark.requirement("G-SOD-01")
def test_one_person_cannot_give_both_approvals() -> None:
    staff = Staff()
    both = make_person(Role.ORD, Role.RA)
    order = under_review(make_order(staff), staff)
    approve_order(order_id=order.pk, actor=both.actor, credentials=both.typed(), role=Role.ORD)
    with pytest.raises(NotPermitted, match="other approval"):
        approve_order(order_id=order.pk, actor=both.actor, credentials=both.typed(), role=Role.RA)
    assert stage_of(order) == "under_review"
    assert not Device.objects.exists()


@pytest.mark.requirement("ES-11", "G-SOD-01")
def test_who_wrote_an_order_does_not_approve_it() -> None:
    """Neither as coordinator nor as regulatory affairs, and by no other account: persons are compared."""
    staff, writer = Staff(), make_person(Role.ORD, Role.RA)
    order = under_review(make_order(staff, actor=writer.actor), staff)
    for role in (Role.ORD, Role.RA):
        with pytest.raises(NotPermitted, match="G-SOD-01: You wrote this order"):
            approve_order(order_id=order.pk, actor=writer.actor, credentials=writer.typed(), role=role)
    approve(order, staff, Role.ORD)
    approve(order, staff, Role.RA)
    assert stage_of(order) == "accepted"


@pytest.mark.requirement("ES-11", "G-SOD-01")
def test_who_stated_a_characteristic_does_not_approve_the_order() -> None:
    staff, author = Staff(), make_person(Role.ORD)
    order = make_order(staff)
    stated = [*order.characteristics, {**order.characteristics[0], "author": author.person.pk}]
    Order.objects.filter(pk=order.pk).update(characteristics=stated)
    under_review(order, staff)
    with pytest.raises(NotPermitted, match="G-SOD-01: You wrote this order"):
        approve_order(order_id=order.pk, actor=author.actor, credentials=author.typed())


def test_who_has_both_roles_says_which() -> None:
    staff, both = Staff(), make_person(Role.ORD, Role.RA)
    order = under_review(make_order(staff), staff)
    with pytest.raises(InvalidInput, match="not clear in which role"):
        approve_order(order_id=order.pk, actor=both.actor, credentials=both.typed())


def test_the_same_approval_is_not_given_twice() -> None:
    staff = Staff()
    order = under_review(make_order(staff), staff)
    approve(order, staff, Role.ORD)
    another = make_person(Role.ORD)
    with pytest.raises(TransitionRefused, match="stands already"):
        approve_order(order_id=order.pk, actor=another.actor, credentials=another.typed())


@pytest.mark.requirement("G-ORD-04")
@pytest.mark.parametrize(
    ("days", "fault"),
    [(-1, "has passed"), (-365 * 1900, "has passed"), (365 * 6, "years ahead"), (365 * 7000, "years ahead")],
)
def test_an_order_for_a_past_or_absurd_date_is_not_written(days: int, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault) as refused:
        make_order(need_by=timezone.localdate() + timedelta(days=days))
    assert rules(refused.value) == ["G-ORD-04"]
    assert not Order.objects.exists()


@pytest.mark.requirement("K-08")
@pytest.mark.requirement("K-09")
def test_a_master_that_is_tracked_by_lot_gives_one_lot_of_all_that_was_ordered() -> None:
    staff = Staff()
    unit, *_ = accepted(make_order(staff, master=make_master(), quantity=2), staff)
    master = make_master(tracked_as=TrackedAs.LOT)
    (lot,) = accepted(make_order(staff, master=master, quantity=5), staff)
    assert (lot.tracked_as, lot.quantity, lot.accepted, lot.scrapped, lot.released) == ("lot", 5, 0, 0, 0)
    assert re.fullmatch(r"[0-9A-Z]{1,18}", lot.serial)
    assert (unit.tracked_as, unit.quantity) == ("unit", 1)
    assert lot.serial != unit.serial


@pytest.mark.parametrize("quantity", [0, 21, 1.5, 2.0, True, "2"])
def test_a_quantity_is_a_whole_number_within_the_limit(quantity: Any) -> None:
    with pytest.raises(InvalidInput, match="no whole number from 1 to 20"):
        make_order(quantity=quantity)
    assert not Order.objects.exists()


def _days_later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    later = timezone.localdate() + timedelta(days=days)
    monkeypatch.setattr(timezone, "localdate", lambda: later)


@pytest.mark.requirement("G-ORD-04")
def test_an_order_whose_date_passed_is_not_prescribed(monkeypatch: pytest.MonkeyPatch) -> None:
    staff = Staff()
    order = make_order(staff, need_by=timezone.localdate())
    _days_later(monkeypatch, 1)
    with pytest.raises(TransitionRefused, match="has passed") as refused:
        submitted(order, staff)
    assert rules(refused.value) == ["G-ORD-04"]
    assert stage_of(order) == "draft"


@pytest.mark.requirement("G-ORD-04")
def test_a_need_by_date_in_the_past_blocks_the_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    staff = Staff()
    order = under_review(make_order(staff, need_by=timezone.localdate()), staff)
    approve(order, staff, Role.ORD)
    _days_later(monkeypatch, 1)
    staff[Role.RA].typed()
    before = EventRecord.objects.count()
    with pytest.raises(TransitionRefused) as refused:
        approve(order, staff, Role.RA)
    assert rules(refused.value) == ["G-ORD-04"]
    assert stage_of(order) == "under_review"
    assert not Device.objects.exists()
    assert EventRecord.objects.count() == before


@pytest.mark.requirement("G-ORD-01")
def test_a_prescriber_who_lost_the_role_blocks_the_acceptance() -> None:
    staff = Staff()
    order = under_review(make_order(staff), staff)
    approve(order, staff, Role.ORD)
    revoke_role(person=staff[Role.PRE].person, role=Role.PRE, actor=SETUP, reason="left")
    with pytest.raises(TransitionRefused) as refused:
        approve(order, staff, Role.RA)
    assert rules(refused.value) == ["G-ORD-01"]


@pytest.mark.requirement("G-ORD-01")
@pytest.mark.requirement("G-ORD-03")
def test_an_order_that_changed_after_it_was_signed_is_not_accepted() -> None:
    """A change behind the services' back voids the prescription and the approval: both are named at once."""
    staff = Staff()
    order = under_review(make_order(staff), staff)
    approve(order, staff, Role.ORD)
    order.refresh_from_db()
    order.side = "left"
    order.save(update_fields=["side"])
    approve(order, staff, Role.RA)
    assert stage_of(order) == "under_review"
    another = make_person(Role.ORD)
    with pytest.raises(TransitionRefused) as refused:
        approve_order(order_id=order.pk, actor=another.actor, credentials=another.typed())
    assert rules(refused.value) == ["G-ORD-01"]


def test_the_review_asks_and_gets_an_answer() -> None:
    staff = Staff()
    order = under_review(make_order(staff), staff)
    coordinator = staff[Role.ORD].actor
    request_order_info(order_id=order.pk, actor=coordinator, reason="Which tooth?")
    assert Order.objects.get().reason == "Which tooth?"
    with pytest.raises(TransitionRefused):
        approve(order, staff, Role.ORD)
    supply_order_info(order_id=order.pk, actor=staff[Role.PRE].actor, reason="None, it is a skull.")
    assert (stage_of(order), Order.objects.get().reason) == ("under_review", "")


@pytest.mark.parametrize("reason", ["", "   "])
def test_asking_needs_a_question(reason: str) -> None:
    staff = Staff()
    order = under_review(make_order(staff), staff)
    with pytest.raises(InvalidInput):
        request_order_info(order_id=order.pk, actor=staff[Role.ORD].actor, reason=reason)
    assert stage_of(order) == "under_review"


def test_a_rejection_is_signed_and_final() -> None:
    staff = Staff()
    order, who = under_review(make_order(staff), staff), staff[Role.RA]
    reject_order(order_id=order.pk, actor=who.actor, credentials=who.typed(), reason="Class III")
    assert stage_of(order) == "rejected"
    assert Signature.objects.get(meaning="rejected").person == who.person
    with pytest.raises(TransitionRefused):
        approve(order, staff, Role.ORD)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"side": "upwards"}, "no side"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 21}, "quantity"),
        ({"material_code": "gold"}, "may not be made of"),
    ],
)
def test_a_bad_order_is_refused_and_nothing_is_written(fields: dict[str, Any], said: str) -> None:
    make_master()
    with pytest.raises(InvalidInput, match=said):
        make_order(**fields)
    assert not Order.objects.exists()


@pytest.mark.requirement("ES-18")
def test_a_material_whose_approval_was_withdrawn_says_what_brings_it_back() -> None:
    master = make_master()
    material = Material.objects.get(code=master.materials[0])
    approver = make_person(Role.QAX)
    withdraw_signature(
        signature_id=material.approval_id or 0,
        reason="wrong data sheet",
        actor=approver.actor,
        credentials=approver.typed(),
    )
    with pytest.raises(InvalidInput, match=f"No approval stands for {material.code}. Quality approves"):
        make_order(master=master)
    specify_material(material_id=material.pk, actor=approver.actor, credentials=approver.typed())
    assert make_order(master=master).material == material


def test_an_order_needs_an_effective_master_and_a_prescriber() -> None:
    staff = Staff()
    coordinator = staff[Role.ORD]
    arguments: dict[str, Any] = {
        "patient": make_patient(),
        "side": "left",
        "need_by": timezone.localdate(),
        "characteristics": [],
        "actor": coordinator.actor,
    }
    with pytest.raises(InvalidInput, match="no effective device master"):
        create_order(prescriber=staff[Role.PRE].person, master_code="cranial_guide", **arguments)
    make_master("cranial_guide")
    with pytest.raises(InvalidInput, match="may not prescribe"):
        create_order(prescriber=coordinator.person, master_code="cranial_guide", **arguments)
    assert not Order.objects.exists()


@pytest.mark.parametrize("service", [start_order_review])
def test_a_review_starts_only_once(service: Callable[..., Order]) -> None:
    staff = Staff()
    order = under_review(make_order(staff), staff)
    with pytest.raises(TransitionRefused, match="is 'Under review' and cannot start review"):
        service(order_id=order.pk, actor=staff[Role.ORD].actor)


@pytest.mark.requirement("K-06")
def test_the_database_refuses_an_order_that_skips_a_stage() -> None:
    order = make_order()
    with pytest.raises(DatabaseError, match="K-06"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE devices_order SET stage = 'accepted' WHERE id = %s", [order.pk])
    assert stage_of(order) == "draft"


def test_planned_devices_carry_what_was_ordered() -> None:
    device = make_planned(side="left")
    assert device.master == device.order.master
    assert device.material.code == "resin-guide-01"
    assert device.code == f"D{device.pk:07d}"
