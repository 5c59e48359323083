"""Orders: written down, prescribed by signature, reviewed, approved twice, accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from devices.choices import OrderStage, Phase, Side, TrackedAs
from devices.events import (
    DevicePlanned,
    OrderAccepted,
    OrderApproved,
    OrderCreated,
    OrderInfoRequested,
    OrderInfoSupplied,
    OrderRejected,
    OrderReviewStarted,
    OrderSubmitted,
)
from devices.lifecycle import ORDER
from devices.models import Device, DeviceMaster, Material, Order
from devices.selectors.definitions import effective_master, effective_material
from devices.selectors.evidence import evidence_digest
from devices.services.authors import author_of
from devices.services.prescribed import refuse_prescription, refuse_side
from mes.choices import Meaning, Role
from mes.compiled import by_keys
from mes.eventlog.base import Actor, Event
from mes.eventlog.unit import publish, say, unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, Reason, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.limits import refuse_too_many
from mes.locking import locked_row
from mes.models import Patient, Person, Signature
from mes.permissions import require, whom
from mes.segregation import Parts, segregated
from mes.selectors import people_with, roles_of, signatures_of
from mes.services.looking import knows_patient
from mes.services.patients import locked_patient, registered_by
from mes.services.signatures import Credentials, sign
from mes.standing import stands_for
from mes.text import refuse_unseen

APPROVERS = (Role.ORD, Role.RA)
MAX_QUANTITY = 20
MAX_CHARACTERISTICS = 100
"""More than anybody reads before signing for them."""
LONGEST_TEXT = 200
FURTHEST_AHEAD = timedelta(days=5 * 365)


@unit_of_work
def create_order(
    *,
    patient: Patient,
    prescriber: Person,
    master_code: str,
    side: str,
    need_by: date,
    characteristics: Sequence[Mapping[str, Any]],
    actor: Actor,
    quantity: int = 1,
    material_code: str = "",
) -> Order:
    """Write an order down, under the effective revision of a device master.

    characteristics: what makes the device specific to this patient, {attribute, value, unit}; the author is the actor
    (G-ORD-02). material_code: one of the master's; the first of them where none is named. Raises InvalidInput, NotPermitted,
    IdentityErased.
    """
    require(actor, "devices.create_order")
    _refuse_strange_patient(patient, actor)
    patient = locked_patient(patient.pk)
    refuse_too_many("Design characteristics", characteristics, MAX_CHARACTERISTICS, rule="G-ORD-02")
    master, material = _specified(master_code, material_code)
    _refuse_bad_values(prescriber, side, quantity, need_by)
    refuse_side(master, side)
    refuse_prescription(master, characteristics)
    order = Order.objects.create(
        patient=patient,
        prescriber=prescriber,
        master=master,
        material=material,
        side=side,
        need_by=need_by,
        quantity=quantity,
        characteristics=[_characteristic(row, actor) for row in characteristics],
        created_by_id=author_of(actor),
    )
    event = OrderCreated(
        order_id=order.pk, patient_id=patient.pk, master_id=master.pk, side=side, need_by=need_by.isoformat()
    )
    publish(order, event, actor=actor)
    return order


def _refuse_strange_patient(patient: Patient, actor: Actor) -> None:
    """A token is no licence: else an order of one's own would open the patient behind any (P11-10d, G-ORD-05)."""
    if knows_patient(actor, patient) or registered_by(patient, actor):
        return
    raise NotPermitted(
        "This patient is known to the house, and not to you.",
        cure=f"Ask {whom(Role.ORD, fallback='an order coordinator', asking=actor)} to write the order: they match the patient by two "
        "identifiers and name you as the prescriber.",
        rule="P11-10d",
    )


def _specified(master_code: str, material_code: str) -> tuple[DeviceMaster, Material]:
    master = effective_master(master_code)
    if master is None:
        raise InvalidInput(
            f"There is no effective device master '{master_code[:40]}'.", cure="Choose a published one."
        )
    wanted = material_code or master.materials[0]
    if wanted not in master.materials:
        raise InvalidInput(
            f"{master} may not be made of '{wanted[:40]}'.",
            cure=f"Choose from: {', '.join(master.materials)}.",
        )
    material = effective_material(wanted)
    if material is None:
        raise InvalidInput(
            f"No approval stands for {wanted}.", cure="Quality approves it again.", rule="G-SIG-01"
        )
    return master, material


def need_by_fault(need_by: date) -> str:
    """What is wrong with a need-by date, or "": it lies ahead, and not further than an order is planned (G-ORD-04)."""
    today = timezone.localdate()
    if need_by < today:
        return f"The need-by date {need_by} has passed."
    if need_by > today + FURTHEST_AHEAD:
        return f"The need-by date {need_by} is more than {FURTHEST_AHEAD.days // 365} years ahead."
    return ""


def _refuse_bad_values(prescriber: Person, side: str, quantity: int, need_by: date) -> None:
    reasons = []
    if fault := need_by_fault(need_by):
        reasons.append(Reason(fault, "State the date by which the device is needed.", "G-ORD-04"))
    if side not in Side.values:
        reasons.append(
            Reason(f"'{side[:20]}' is no side.", f"Choose one of: {', '.join(Side.values)}.", "G-LAT-01")
        )
    if type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY:
        fault = f"The quantity is no whole number from 1 to {MAX_QUANTITY}."
        reasons.append(Reason(fault, f"Order 1 to {MAX_QUANTITY} devices."))
    if not people_with(Role.PRE).filter(pk=prescriber.pk).exists():
        reasons.append(
            Reason(
                "The prescriber may not prescribe.", "Choose a person with the role Prescriber.", "G-ORD-01"
            )
        )
    if reasons:
        raise InvalidInput(reasons)


def _characteristic(row: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    texts = {name: str(row.get(name, "")).strip() for name in ("attribute", "value", "unit")}
    if not texts["attribute"] or not texts["value"] or max(map(len, texts.values())) > LONGEST_TEXT:
        raise InvalidInput(
            f"A design characteristic needs an attribute and a value of at most {LONGEST_TEXT} characters.",
            cure="State what makes the device specific to this patient.",
            rule="G-ORD-02",
        )
    titles = {f"The characteristic's {name}": text for name, text in texts.items()}
    refuse_unseen(titles, lines=False, rule="G-ORD-02")
    for text in texts.values():
        say(text=text, actor=actor)
    return {**texts, "author": author_of(actor)}


def prescription_content(order: Order) -> dict[str, Any]:
    """What the prescriber signs, and both approvals after: the whole of the request."""
    return {
        "record": "order",
        "order": order.code,
        "patient": order.patient.token,
        "prescriber": order.prescriber_id,
        "master": str(order.master),
        "pathway": order.master.pathway,
        "intended_use": order.master.intended_use,
        "material": order.material.code,
        "side": order.side,
        "need_by": order.need_by,
        "quantity": order.quantity,
        "characteristics": order.characteristics,
    }


@unit_of_work
def submit_order(*, order_id: int, actor: Actor, credentials: Credentials) -> Order:
    """The prescriber named on the order signs it (PRESCRIBED)."""
    order = locked_order(order_id)
    require(actor, "devices.submit_order", order)
    ORDER.row("submit", order.stage)
    if order.prescriber_id != actor.person_id:
        raise NotPermitted(
            "Another prescriber is named on this order.", cure="The named prescriber signs.", rule="G-ORD-01"
        )
    refuse_blocked(ask_gates("order.submit", order, actor=actor))
    order.prescription = _sign(order, Meaning.PRESCRIBED, prescription_content(order), actor, credentials)
    event = OrderSubmitted(order_id=order.pk, signature_id=order.prescription.pk)
    move_order(order, "submit", event, "prescription", actor=actor)
    return order


@unit_of_work
def start_order_review(*, order_id: int, actor: Actor) -> Order:
    order = locked_order(order_id)
    require(actor, "devices.start_order_review", order)
    move_order(order, "start_review", OrderReviewStarted(order_id=order.pk), actor=actor)
    return order


@unit_of_work
def request_order_info(*, order_id: int, actor: Actor, reason: str) -> Order:
    """Send the order back with a question; the review waits."""
    order = locked_order(order_id)
    require(actor, "devices.request_order_info", order)
    order.reason = _given(reason, "Say what is missing.")
    event = OrderInfoRequested(order_id=order.pk)
    move_order(order, "request_info", event, "reason", actor=actor, reason=reason)
    return order


@unit_of_work
def supply_order_info(*, order_id: int, actor: Actor, reason: str) -> Order:
    """Answer the question. The prescribed content itself cannot change any more; a change is a new order."""
    order = locked_order(order_id)
    require(actor, "devices.supply_order_info", order)
    _given(reason, "Say what the answer is.")
    order.reason = ""
    move_order(
        order, "supply_info", OrderInfoSupplied(order_id=order.pk), "reason", actor=actor, reason=reason
    )
    return order


def approval_content(order: Order, role: Role) -> dict[str, Any]:
    return {**prescription_content(order), "record": "order approval", "approved_as": role.value}


@unit_of_work
def approve_order(
    *, order_id: int, actor: Actor, credentials: Credentials, role: Role | None = None
) -> Order:
    """Sign one of the two approvals: as order coordinator, or as regulatory affairs. Two different people.

    The second one accepts the order if every gate passes, and plans its devices. `role` says which, where a person has
    both. Raises TransitionRefused with every blocking gate; then the approval is not kept either.
    """
    order = locked_order(order_id)
    require(actor, "devices.approve_order", order)
    row = ORDER.row("accept", order.stage)
    role = _approving_as(actor, role)
    standing = standing_approvals(order)
    _refuse_second_approval(standing, role)
    signature = _sign(order, Meaning.APPROVED, approval_content(order, role), actor, credentials)
    publish(order, OrderApproved(order_id=order.pk, role=role.value, signature_id=signature.pk), actor=actor)
    if {*standing, role} == set(APPROVERS):
        _accept(order, row.name, actor)
    return order


def standing_approvals(order: Order, signatures: Iterable[Signature] | None = None) -> dict[Role, Signature]:
    """The approvals that stand for the order as it is now, by role. `signatures`: the order's, where they are at hand."""
    given = list(signatures_of(order, Meaning.APPROVED)) if signatures is None else list(signatures)
    return {
        role: signature
        for role in APPROVERS
        for signature in given
        if stands_for(signature, approval_content(order, role))
    }


@segregated("devices.approve_order", cure="Somebody else gives this one.")
def order_is_approved_by_two(order: Order) -> Parts:
    """The two approvals of an order are of two people."""
    return {
        signature.person_id: "gave the other approval" for signature in standing_approvals(order).values()
    }


def _approving_as(actor: Actor, role: Role | None) -> Role:
    if actor.person_id is None:
        raise NotPermitted("Only a person may approve an order.", rule="P11-10g")
    mine = [one for one in APPROVERS if one in roles_of(Person.objects.get(pk=actor.person_id))]
    if role is None and len(mine) == 1:
        return mine[0]
    if role is None or role not in mine:
        raise InvalidInput(
            "It is not clear in which role you approve.",
            cure="Name one of your roles: ORD or RA.",
            rule="G-ORD-03",
        )
    return role


def _refuse_second_approval(standing: Mapping[Role, Signature], role: Role) -> None:
    if role in standing:
        raise TransitionRefused(
            f"The approval of {role.label} stands already.",
            cure="The other approval is missing.",
            rule="G-SIG-01",
        )


def _accept(order: Order, transition: str, actor: Actor) -> None:
    gates = ask_gates(f"order.{transition}", order, actor=actor)
    refuse_blocked(gates)
    planned = _plan_devices(order, actor)
    event = OrderAccepted(
        order_id=order.pk,
        device_ids=[device.pk for device in planned],
        gates=[result.as_payload() for result in gates],
    )
    move_order(order, transition, event, actor=actor)


def _plan_devices(order: Order, actor: Actor) -> list[Device]:
    """As many units as were ordered, or one lot of as many (K-08).

    A serial is made of the order's number and the device's own, that of a lot too: it is never used twice (K-09).
    """
    if order.master.tracked_as == TrackedAs.LOT:
        return [_plan_device(order, f"L{order.pk:07d}B01", order.quantity, actor)]
    return [
        _plan_device(order, f"L{order.pk:07d}U{number:02d}", 1, actor)
        for number in range(1, order.quantity + 1)
    ]


def _plan_device(order: Order, serial: str, quantity: int, actor: Actor) -> Device:
    device = Device.objects.create(
        order=order,
        master=order.master,
        material=order.material,
        serial=serial,
        tracked_as=order.master.tracked_as,
        quantity=quantity,
        phase=Phase.IMAGING,
        need_by=order.need_by,
    )
    device.evidence_digest = evidence_digest(device)
    device.save(update_fields=["evidence_digest"])
    event = DevicePlanned(device_id=device.pk, order_id=order.pk, serial=device.serial)
    publish(device, event, actor=actor)
    return device


def rejection_content(order: Order, reason: str) -> dict[str, Any]:
    return {**prescription_content(order), "record": "order rejection", "reason": reason.strip()}


@unit_of_work
def reject_order(*, order_id: int, actor: Actor, credentials: Credentials, reason: str) -> Order:
    """Refuse the order for good, by signature (REJECTED) and with a reason."""
    order = locked_order(order_id)
    require(actor, "devices.reject_order", order)
    ORDER.row("reject", order.stage)
    order.reason = _given(reason, "Say why the order is rejected.")
    signature = _sign(order, Meaning.REJECTED, rejection_content(order, reason), actor, credentials)
    event = OrderRejected(order_id=order.pk, signature_id=signature.pk)
    move_order(order, "reject", event, "reason", actor=actor, reason=reason)
    return order


_WHOLE = by_keys(
    lambda: Order.objects.select_related("patient", "prescriber", "master", "material", "prescription")
)


def locked_order(order_id: int) -> Order:
    order = locked_row(_WHOLE, order_id)
    if order is None:
        raise InvalidInput("There is no such order.", cure="Look at the list of orders.")
    return order


def move_order(
    order: Order, transition: str, event: Event, *changed: str, actor: Actor, reason: str = ""
) -> None:
    """Write a locked order's stage along the table and publish the fact."""
    order.stage = OrderStage(ORDER.row(transition, order.stage).target)
    order.save(update_fields=["stage", *changed])
    publish(order, event, actor=actor, reason=reason)


def _sign(
    order: Order, meaning: Meaning, content: Mapping[str, Any], actor: Actor, credentials: Credentials
) -> Signature:
    return sign(subject=order, content=content, meaning=meaning, actor=actor, credentials=credentials)


def _given(reason: str, question: str) -> str:
    if not reason.strip():
        raise InvalidInput(question, rule="P11-10e")
    return reason.strip()
