"""What people say about the units of a lot, and the signature for the whole of it (K-08)."""

from __future__ import annotations

from typing import Any

from devices.choices import Stage
from devices.lifecycle import DEVICE
from devices.models import Device
from devices.services.lifecycle import move_content
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Values
from mes.eventlog.base import Actor
from quality.reports.units import OPEN, SCRAPPED, unit_states, units_that_are
from quality.services.inspection import lot_content, pass_lot


def scanned_unit(device: Device) -> tuple[Field, ...]:
    """Of a lot, which unit a scan is of."""
    if not device.is_lot:
        return ()
    choices = [(str(unit), f"Unit {unit}") for unit in units_that_are(device, OPEN)]
    return (Field("unit", "Which unit of the lot", "select", choices=choices),)


def unit_concerned(device: Device) -> tuple[Field, ...]:
    """Of a lot, which unit it is about, or all of them."""
    if not device.is_lot:
        return ()
    left = [unit for unit, state in unit_states(device).items() if state != SCRAPPED]
    choices = [("0", "The whole lot"), *((str(unit), f"Unit {unit}") for unit in left)]
    return (Field("unit", "What it is about", "select", choices=choices, initial="0"),)


def _lot_decided(device: Device) -> bool:
    """Every unit of the lot is accepted or scrapped, and some are accepted."""
    decided = device.is_lot and not units_that_are(device, OPEN) and device.accepted > 0
    return decided and device.stage == Stage.AWAITING_INSPECTION and not device.held


def _lot_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    return move_content(device, DEVICE.row("pass_inspection", device.stage), lot_content(device))


def _pass_lot(doing: Doing) -> str:
    pass_lot(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The inspection of the lot is signed."


UNIT_ACTIONS = (
    Action(
        "pass-lot", "device", "Sign for the lot", "Sign the inspection of the whole lot", "quality.sign_inspection", "writing-sign",
        _lot_decided, _pass_lot, meaning=Meaning.PERFORMED, content=_lot_signs, main=True,
    ),
)  # fmt: skip
