"""Clinical plans of devices. Nothing here writes."""

from __future__ import annotations

from django.db.models import Max, QuerySet

from devices.choices import PlanStatus
from devices.models import Assignment, Device, DeviceMaster, Plan
from mes.choices import Role
from mes.models import Person
from mes.selectors import people_with

READERS = (Role.CLR, Role.PRE)
OPEN = (PlanStatus.DRAFTED, PlanStatus.APPROVED)


def plan_kind_of(master: DeviceMaster) -> str:
    """The kind of plan that the designs of a master are made from; empty where they need none."""
    return str(master.design.get("plan", ""))


def current_plan(device: Device) -> Plan | None:
    """The newest revision of a device's plan, whatever became of it."""
    return (
        device.plans.select_related("segmentation", "approval", "author", "reader")
        .order_by("revision")
        .last()
    )


def next_plan_revision(device: Device) -> int:
    newest = device.plans.aggregate(newest=Max("revision"))["newest"]
    return int(newest or 0) + 1


def possible_readers(device: Device) -> QuerySet[Person]:
    """Who may be named to read a plan: the order's prescriber, and those assigned to it who read images."""
    order = device.order
    assigned = Assignment.objects.filter(order=order, role__in=READERS, ended=False).values("person")
    named = people_with(*READERS).filter(pk__in=[order.prescriber_id]) | people_with(*READERS).filter(
        pk__in=assigned
    )
    return named.distinct().order_by("full_name", "pk")
