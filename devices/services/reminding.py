"""Reminding of designs that wait for a decision: a fact a day on each device's record, as long as nobody decides."""

from __future__ import annotations

from datetime import datetime

from devices.events import DecisionOverdue
from devices.selectors.waiting import overdue_decisions
from devices.services.lifecycle import locked_device
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work

SYSTEM = Actor.system("reminder")


@unit_of_work
def remind_of_decisions(*, now: datetime) -> int:
    """Tell of every design that waits for its review or approval for too long; how many there were."""
    overdue = overdue_decisions(now)
    for waiting in overdue:
        device = locked_device(waiting.pk)
        design = device.current_design
        if (
            design is None
            or design != waiting.current_design
            or design.status != waiting.current_design.status
        ):
            continue  # decided meanwhile
        event = DecisionOverdue(
            device_id=device.pk,
            design_id=design.pk,
            revision=design.revision,
            days=(now - waiting.waits_since).days,
        )
        publish(device, event, actor=SYSTEM)
    return len(overdue)
