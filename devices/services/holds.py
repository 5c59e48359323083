"""Holds of devices: each placed and lifted by itself; a device is held while any of them is open (G-NC-01)."""

from __future__ import annotations

from devices.choices import Stage
from devices.events import DeviceHeld, DeviceHoldLifted, DeviceResumed
from devices.models import Device
from devices.selectors.devices import FINAL_STAGES
from devices.services.lifecycle import locked_device, record_progress
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, TransitionRefused
from mes.holds import Hold, chosen, lifted, open_holds, placed, standing_reason
from mes.lifecycle import ask_gates, refuse_blocked
from mes.permissions import require

COLUMNS = ("holds", "held", "hold_reason", "resume_to")


@unit_of_work
def hold_device(*, device_id: int, actor: Actor, reason: str, source: str = "") -> Device:
    """Stop a device where it stands. Holds add up; `source` names what places the hold and lifts it, if no person does."""
    device = locked_device(device_id)
    require(actor, "devices.hold_device", device)
    if not reason.strip():
        raise InvalidInput("Say why the device must wait.", rule="P11-10e")
    if device.stage in FINAL_STAGES:
        raise TransitionRefused(
            f"{device.code} is {Stage(device.stage).label.lower()}: there is nothing left to hold.",
            rule="K-06",
        )
    if not device.held:
        device.resume_to = device.stage
    device.holds = placed(
        device.holds, reason=reason.strip(), actor=actor, source=source, stage=str(device.stage)
    )
    _project(device)
    event = DeviceHeld(device_id=device.pk, stage=device.stage, hold_id=device.holds[-1]["id"], source=source)
    record_progress(device, event, *COLUMNS, actor=actor, reason=reason)
    return device


@unit_of_work
def resume_device(*, device_id: int, actor: Actor, reason: str, hold: int | None = None) -> Device:
    """Lift one hold: the named one, or the only one. The device goes on once none is open.

    Raises TransitionRefused where there is none, or the gates of `device.resume` block: they are asked for the last hold,
    and for one that something else than a person placed. InvalidInput where several are open and none is named.
    """
    device = locked_device(device_id)
    require(actor, "devices.resume_device", device)
    if not reason.strip():
        raise InvalidInput("Say why the device may go on.", rule="P11-10e")
    if not device.held:
        raise TransitionRefused(f"{device.code} is not on hold.", rule="K-06")
    ending = chosen(device.holds, hold)
    if ending["source"] or len(open_holds(device.holds)) == 1:
        refuse_blocked(ask_gates("device.resume", device, actor=actor))
    _lift(device, ending, actor, reason)
    return device


@unit_of_work
def lift_holds(*, device_id: int, source: str, actor: Actor, reason: str) -> Device:
    """Lift the holds that this source placed, and no other, because what it held for is over."""
    device = locked_device(device_id)
    require(actor, "devices.resume_device", device)
    for ending in open_holds(device.holds):
        if source and ending["source"] == source:
            _lift(device, ending, actor, reason)
    return device


def _lift(device: Device, ending: Hold, actor: Actor, reason: str) -> None:
    device.holds = lifted(device.holds, ending["id"], reason=reason.strip(), actor=actor)
    _project(device)
    gone = DeviceHoldLifted(device_id=device.pk, hold_id=ending["id"], source=ending["source"])
    record_progress(device, gone, *COLUMNS, actor=actor, reason=reason)
    if not device.held:
        publish(device, DeviceResumed(device_id=device.pk, stage=device.stage), actor=actor, reason=reason)


def _project(device: Device) -> None:
    device.hold_reason = standing_reason(device.holds)
    device.held = bool(device.hold_reason)
    if not device.held:
        device.resume_to = ""
