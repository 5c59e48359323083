"""The units of a lot: which were accepted and which given up. No unit disappears (K-08, ISO 13485 7.5.1).

Of a device that is one unit, the stage says it all (`devices.services.lifecycle`).
"""

from __future__ import annotations

from collections.abc import Sequence

from devices.events import UnitsCounted
from devices.models import Device
from devices.services.lifecycle import record_progress
from mes.eventlog.base import Actor


def accept_unit(device: Device, unit: int, *, actor: Actor) -> None:
    """Count a unit of a locked lot as good. Part of the calling unit of work."""
    device.accepted += 1
    _record(device, "accepted", [unit], actor, "")


def scrap_units(device: Device, units: Sequence[int], *, good: int, actor: Actor, reason: str) -> None:
    """Count units of a locked lot as given up, of which `good` had been accepted. Part of the calling unit of work."""
    device.accepted -= good
    device.scrapped += len(units)
    _record(device, "scrapped", list(units), actor, reason)


def _record(device: Device, outcome: str, units: list[int], actor: Actor, reason: str) -> None:
    fact = UnitsCounted(
        device_id=device.pk,
        outcome=outcome,
        units=units,
        quantity=device.quantity,
        accepted=device.accepted,
        scrapped=device.scrapped,
    )
    record_progress(device, fact, "accepted", "scrapped", actor=actor, reason=reason)
