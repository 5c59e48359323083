"""Closing what is over: a delivered order, and with it the wait for its time of retention (21 CFR 11.10(c), K-15)."""

from __future__ import annotations

from devices.choices import KEPT_FROM
from devices.events import OrderClosed
from devices.models import Device, Order
from devices.services.orders import locked_order, move_order
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.permissions import require
from mes.services.retention import start_clock

CLOCK = Actor.system("devices")


@unit_of_work
def close_order(*, order_id: int, actor: Actor) -> Order:
    """Say that nothing is left to do about a delivered order. Raises Conflict for one that is not delivered."""
    order = locked_order(order_id)
    require(actor, "devices.close_order", order)
    move_order(order, "close", OrderClosed(order_id=order.pk), actor=actor)
    return order


@unit_of_work
def start_clocks_of_device(*, device_id: int, stage: str) -> None:
    """Write down until when a device that ended is kept, and its order, where it was the last one (ISO 13485 4.2.5)."""
    if stage not in KEPT_FROM:
        return
    device = Device.objects.select_related("master", "order__master").get(pk=device_id)
    start_clock(row=device, actor=CLOCK)
    start_clock(row=device.order, actor=CLOCK)


@unit_of_work
def start_clock_of_order(*, order_id: int) -> None:
    start_clock(row=Order.objects.select_related("master").get(pk=order_id), actor=CLOCK)
