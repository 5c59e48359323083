"""What people do with an order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from devices.choices import DefinitionStatus, OrderStage, Side
from devices.models import DeviceMaster, Order
from devices.selectors.orders import assignments_of
from devices.services.assignments import assign_person, end_assignment
from devices.services.closing import close_order
from devices.services.orders import (
    approval_content,
    approve_order,
    create_order,
    prescription_content,
    reject_order,
    rejection_content,
    request_order_info,
    start_order_review,
    submit_order,
    supply_order_info,
)
from devices.services.prescribed import prescribable
from mes.choices import Meaning, Role
from mes.dashboard.actions.base import Action, Doing, Done, Field, Values, why
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.models import Person, RoleGrant
from mes.permissions import ADMINISTRATION
from mes.selectors import people_with, standing
from mes.services.patients import Identity, register_patient
from mes.standing import not_withdrawn


def _at(*stages: OrderStage) -> Any:
    return lambda order: order.stage in stages


def _submit(doing: Doing) -> str:
    submit_order(order_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "Prescribed. The order waits for its review."


def _review(doing: Doing) -> str:
    start_order_review(order_id=doing.subject.pk, actor=doing.actor)
    return "The review has begun."


def _ask(doing: Doing) -> str:
    request_order_info(order_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The question is with the prescriber."


def _answer(doing: Doing) -> str:
    supply_order_info(order_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "Answered. The review goes on."


def _approve_as(role: Role) -> Any:
    def approve(doing: Doing) -> str:
        order = approve_order(
            order_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, role=role
        )
        return (
            "Accepted; its devices are planned."
            if order.stage != OrderStage.UNDER_REVIEW
            else "Approved; the second approval is still needed."
        )

    return approve


def _approved_as(role: Role) -> Callable[[Order, Values, Actor], Mapping[str, Any]]:
    return lambda order, values, actor: approval_content(order, role)


def _reject(doing: Doing) -> str:
    reject_order(
        order_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, reason=doing.reason
    )
    return "The order is rejected."


def _why(order: Any) -> tuple[Field, ...]:
    return (why(),)


def _order_fields(_: None) -> tuple[Field, ...]:
    masters = not_withdrawn(
        DeviceMaster.objects.filter(status=DefinitionStatus.EFFECTIVE), "approval"
    ).order_by("title")
    prescribers = people_with(Role.PRE).order_by("full_name").distinct()
    return (
        Field(
            "master",
            "Device",
            "select",
            choices=[(one.code, f"{one.title} · {one.get_intended_use_display()}") for one in masters],
        ),
        Field("side", "Side", "select", choices=[(str(key), str(text)) for key, text in Side.choices]),
        Field("prescriber", "Prescriber", "select", choices=[(str(one.pk), str(one)) for one in prescribers]),
        Field("need_by", "Needed by", "date"),
        Field("quantity", "Quantity", "whole", initial=1, limits=(1, 20)),
        Field(
            "patient_id",
            "Patient's identifier",
            maximum=64,
            hint="Kept apart from the record; the order shows a token",
        ),
        Field("family_name", "Family name", maximum=120),
        Field("given_name", "Given name", required=False, maximum=120),
        Field("birth_date", "Born", "date"),
        Field("attribute", "Made for this patient: what", maximum=200, hint=_bound(masters)),
        Field("value", "Value", maximum=200),
        Field("unit", "Unit", required=False, maximum=20),
    )


def _bound(masters: Iterable[DeviceMaster]) -> str:
    return (
        f"A design keeps to these by itself: {', '.join(prescribable(masters)) or 'none'}. "
        "Anything else, such as a resection margin, is checked by people."
    )


def _create(doing: Doing) -> Done:
    """One unit: a refused order leaves no patient behind."""
    typed = doing.values
    identity = Identity(
        patient_id=typed["patient_id"],
        family_name=typed["family_name"],
        given_name=typed["given_name"],
        birth_date=typed["birth_date"].isoformat(),
    )
    with open_unit():
        order = create_order(
            patient=register_patient(identity=identity, actor=doing.actor),
            prescriber=Person.objects.get(pk=int(typed["prescriber"])),
            master_code=typed["master"],
            side=typed["side"],
            need_by=typed["need_by"],
            quantity=typed["quantity"],
            characteristics=[{name: typed[name] for name in ("attribute", "value", "unit")}],
            actor=doing.actor,
        )
    return Done(f"{order.code} is written. The prescriber signs it next.", "order", order.code)


def _assignable(order: Any) -> tuple[Field, ...]:
    grants = RoleGrant.objects.filter(standing(), person__active=True).exclude(role__in=ADMINISTRATION)
    rows = grants.select_related("person").order_by("person__full_name", "role")
    choices = [(f"{row.person_id}:{row.role}", f"{row.person} · {Role(row.role).label}") for row in rows]
    return (Field("person", "Who, in which role", "select", choices=choices), why(required=False))


def _assign(doing: Doing) -> str:
    person, _, role = str(doing.values["person"]).partition(":")
    made = assign_person(
        order_id=doing.subject.pk,
        person_id=int(person),
        role=Role(role),
        actor=doing.actor,
        reason=doing.reason,
    )
    return f"{made.person} may know the order now."


def _assigned(order: Any) -> tuple[Field, ...]:
    rows = assignments_of(order)
    choices = [(str(row.pk), f"{row.person} · {Role(row.role).label}") for row in rows]
    return (Field("assignment", "Whose", "select", choices=choices), why())


def _unassign(doing: Doing) -> str:
    ended = end_assignment(
        assignment_id=int(doing.values["assignment"]), actor=doing.actor, reason=doing.reason
    )
    return f"{ended.person} is no longer assigned."


ENDED = (OrderStage.CLOSED, OrderStage.REJECTED, OrderStage.CANCELLED, OrderStage.DELIVERED)


def _close(doing: Doing) -> str:
    close_order(order_id=doing.subject.pk, actor=doing.actor)
    return "The order is closed."


ORDER_ACTIONS = (
    Action(
        "assign-person", "order", "Assign somebody", "Assign somebody to this order", "devices.assign_person",
        "user-plus", lambda order: order.stage not in ENDED, _assign, fields=_assignable,
        help="Clinical reviewers, and people of other companies, know an order only once they are assigned to it.",
    ),
    Action(
        "end-assignment", "order", "End an assignment", "End an assignment", "devices.assign_person", "user-minus",
        lambda order: assignments_of(order).exists(), _unassign, fields=_assigned,
    ),
    Action(
        "create-order", "orders", "New order", "Write an order", "mes.register_patient", "clipboard-list",
        lambda _: True, _create, fields=_order_fields, main=True,
    ),
    Action(
        "submit-order", "order", "Prescribe", "Prescribe this device", "devices.submit_order", "writing-sign",
        _at(OrderStage.DRAFT), _submit, meaning=Meaning.PRESCRIBED,
        content=lambda order, values, actor: prescription_content(order), main=True,
    ),
    Action(
        "start-order-review", "order", "Start the review", "Start the review", "devices.start_order_review", "eye",
        _at(OrderStage.SUBMITTED), _review, main=True,
    ),
    *(
        Action(
            f"approve-order-{role.value.lower()}", "order", f"Approve as {str(role.label).lower()}",
            f"Approve this order as {str(role.label).lower()}", f"devices.approve_order:{role.value}", "writing-sign",
            _at(OrderStage.UNDER_REVIEW), _approve_as(role), meaning=Meaning.APPROVED,
            content=_approved_as(role), main=True,
        )
        for role in (Role.ORD, Role.RA)
    ),
    Action(
        "request-order-info", "order", "Ask for information", "Ask for missing information", "devices.request_order_info",
        "help-circle", _at(OrderStage.UNDER_REVIEW), _ask, fields=_why,
    ),
    Action(
        "supply-order-info", "order", "Answer", "Supply what is missing", "devices.supply_order_info", "send",
        _at(OrderStage.INFO_REQUIRED), _answer, fields=_why, main=True,
    ),
    Action(
        "reject-order", "order", "Reject", "Reject this order", "devices.reject_order", "circle-x",
        _at(OrderStage.UNDER_REVIEW), _reject, fields=_why, meaning=Meaning.REJECTED,
        content=lambda order, values, actor: rejection_content(order, str(values.get("reason", ""))), danger=True,
    ),
    Action(
        "close-order", "order", "Close", "Close this order", "devices.close_order", "circle-check",
        _at(OrderStage.DELIVERED), _close, main=True,
        help="Nothing is left to do about it. Its record is kept from now on for as long as its rules ask.",
    ),
)  # fmt: skip
