"""What people do with an order."""

from __future__ import annotations

from typing import Any

from devices.choices import OrderStage
from devices.services.orders import (
    approval_content,
    approve_order,
    prescription_content,
    reject_order,
    rejection_content,
    request_order_info,
    start_order_review,
    submit_order,
    supply_order_info,
)
from mes.choices import Meaning, Role
from mes.dashboard.actions.base import Action, Doing, Field, why


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
        order = approve_order(order_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, role=role)
        return "Accepted; its devices are planned." if order.stage != OrderStage.UNDER_REVIEW else "Approved; the second approval is still needed."

    return approve


def _reject(doing: Doing) -> str:
    reject_order(order_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, reason=doing.reason)
    return "The order is rejected."


def _why(order: Any) -> tuple[Field, ...]:
    return (why(),)


ORDER_ACTIONS = (
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
            content=lambda order, values, actor, role=role: approval_content(order, role), main=True,
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
)  # fmt: skip
