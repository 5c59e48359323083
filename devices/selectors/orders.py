"""Orders and their approvals. Nothing here writes."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast

from devices.choices import (
    OrderStage,
    Side,
)
from devices.models import Assignment, Device, Order
from devices.selectors.devices import devices
from mes.choices import Meaning
from mes.exceptions import InvalidInput
from mes.models import Signature
from mes.tables import TABLES


def orders() -> QuerySet[Order]:
    """Every order with what a list shows, most urgent first."""
    return Order.objects.select_related("patient", "prescriber", "master", "material").order_by(
        "need_by", "pk"
    )


def order_id_of(code: str) -> int:
    """The key behind a public code. Raises InvalidInput where it is none."""
    digits = code[1:]
    if code[:1].upper() != "O" or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise InvalidInput(f"'{code[:20]}' is no order code.", cure="An order code looks like O0000001.")
    return int(digits)


def order_devices(order: Order) -> QuerySet[Device]:
    return devices().filter(order=order)


def orders_at(*stages: OrderStage) -> QuerySet[Order]:
    return orders().filter(stage__in=stages)


def approval_signatures(found: QuerySet[Order]) -> dict[int, list[Signature]]:
    """The approvals of many orders, by order, in one query."""
    keys = found.order_by().annotate(text=Cast("pk", CharField())).values("text")
    by_order: dict[int, list[Signature]] = defaultdict(list)
    kind = TABLES[Order._meta.db_table].root
    signatures = Signature.objects.filter(
        subject_type=kind, subject_id__in=keys, meaning=Meaning.APPROVED
    ).select_related("withdrawal")
    for signature in signatures.order_by("pk"):
        by_order[int(signature.subject_id)].append(signature)
    return by_order


def expected_side(order: Order) -> str:
    """The side a design must lie on, or "" where the order names none or both (G-LAT-01)."""
    return str(order.side) if order.side in (Side.LEFT, Side.RIGHT) else ""


def assignments_of(order: Order) -> QuerySet[Assignment]:
    """Who is assigned to an order now."""
    return order.assignments.filter(ended=False).select_related("person").order_by("pk")
