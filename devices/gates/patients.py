"""What must be true of a patient's orders before the identity is forgotten, and of the patient before an order goes on."""

from __future__ import annotations

from typing import Any

from devices.choices import OrderStage
from devices.models import Order
from mes.lifecycle import Verdict, blocked, gate, passed
from mes.models import Patient

OVER = (OrderStage.CLOSED, OrderStage.REJECTED, OrderStage.CANCELLED)


@gate("G-PRV-02", "patient.erase")
def no_order_is_under_way(patient: Patient, **_: Any) -> Verdict:
    """No order of the patient is under way: images could not be matched, nor a device handed over."""
    under_way = Order.objects.filter(patient_id=patient.pk).exclude(stage__in=OVER)
    codes = [order.code for order in under_way.order_by("pk")]
    if codes:
        return blocked(
            f"Orders of this patient are under way: {', '.join(codes)}.",
            cure="Close or cancel them first.",
            orders=codes,
        )
    return passed()


@gate("G-PRV-02", "order.submit", "order.accept")
def patient_is_known(order: Order, **_: Any) -> Verdict:
    """The patient's identity was not erased: images could not be matched, nor a device handed over."""
    if order.patient.erased:
        return blocked(
            f"The identity of {order.patient.token} was erased.",
            cure="Register the patient anew, and write a new order.",
        )
    return passed()
