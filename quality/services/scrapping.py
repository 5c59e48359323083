"""Giving up a device, or units of a lot, as the disposition of a nonconformance says: what can be, and doing it (G-NC-01, K-08)."""

from __future__ import annotations

from collections.abc import Sequence

from devices.choices import Stage
from devices.lifecycle import DEVICE
from devices.models import Device
from devices.services.holds import lift_holds
from devices.services.lifecycle import advance_device
from devices.services.quantities import scrap_units
from mes.eventlog.base import Actor
from mes.exceptions import TransitionRefused
from mes.services.signatures import Credentials
from quality.models import Nonconformance
from quality.reports.units import ACCEPTED, SCRAPPED, unit_states, units_named

SYSTEM = Actor.system("quality.nonconformance")
SPLITTABLE = (
    Stage.POST_PROCESSING,
    Stage.AWAITING_INSPECTION,
    Stage.INSPECTED_PASS,
    Stage.READY_FOR_REVIEW,
    Stage.REVIEWED,
)
"""Where some units of a lot can be given up while the others go on."""


def hold_source(found: Nonconformance) -> str:
    """What the hold that a nonconformance places is marked with; void ends that hold and no other."""
    return f"nonconformance {found.pk}"


def refuse_impossible(device: Device, found: Nonconformance) -> None:
    """What could not be carried out is not proposed."""
    if _leaves_some(device, found):
        _refuse_unsplittable(device)
    elif device.stage not in (Stage.SCRAPPED, Stage.NONCONFORMING):
        _way_out(device)


def _leaves_some(device: Device, found: Nonconformance) -> bool:
    """Whether units of a lot go on when those that a finding names are given up."""
    return device.stage != Stage.SCRAPPED and device.scrapped + len(_going(device, found)) < device.quantity


def _going(device: Device, found: Nonconformance) -> list[int]:
    states = unit_states(device)
    return [unit for unit in units_named(found, device) if states[unit] != SCRAPPED]


def _way_out(device: Device) -> str:
    """The move that takes a device out of the way to its patient."""
    for row in DEVICE.moves_from(device.stage):
        if row.target == Stage.NONCONFORMING:
            return row.name
    raise TransitionRefused(
        f"{device.code} is at '{Stage(device.stage).label}' and cannot be scrapped from there.",
        cure="Void the nonconformance where it was none; else the device stays held until it can be scrapped.",
        rule="K-06",
    )


def scrap_as_disposed(device: Device, found: Nonconformance, actor: Actor, credentials: Credentials) -> None:
    if device.stage == Stage.SCRAPPED:
        return
    if _leaves_some(device, found):
        states, going = unit_states(device), _going(device, found)
        _scrap_some(device, found, going, [unit for unit in going if states[unit] == ACCEPTED], actor)
        return
    if device.stage != Stage.NONCONFORMING:
        advance_device(device_id=device.pk, transition=_way_out(device), actor=SYSTEM, reason=found.code)
    advance_device(
        device_id=device.pk,
        transition="scrap",
        actor=actor,
        credentials=credentials,
        reason=f"{found.code}: {found.justification}",
        content={
            "record": "nonconformance disposition",
            "device": device.code,
            "nonconformance": found.code,
            "scrap": True,
        },
    )


def _scrap_some(
    device: Device, found: Nonconformance, going: Sequence[int], good: Sequence[int], actor: Actor
) -> None:
    """Some units of a lot are given up and the others go on, once nothing else holds the lot (K-08)."""
    reason = f"{found.code}: {found.justification}"
    _refuse_unsplittable(device)
    scrap_units(device, going, good=len(good), actor=actor, reason=reason)
    lift_holds(device_id=device.pk, source=hold_source(found), actor=actor, reason=reason)


def _refuse_unsplittable(device: Device) -> None:
    if device.stage not in SPLITTABLE:
        raise TransitionRefused(
            f"{device.code} is at '{Stage(device.stage).label}': its units cannot be given up one by one.",
            cure="Dispose of the whole, or wait until its inspection.",
            rule="K-08",
        )
