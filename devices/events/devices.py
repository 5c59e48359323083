"""Devices: planned, moved, held, counted."""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.shapes import Gates
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class UnitsCounted(Event, name="devices.units_counted", terminal=True):
    """Some units of a lot were accepted or scrapped: which ones, and how the whole lot stands since (K-08).

    `units` are their numbers in the lot, from 1; `outcome` is accepted or scrapped.
    """

    device_id: int
    outcome: str
    units: list[int]
    quantity: int
    accepted: int
    scrapped: int


@dataclass(frozen=True, kw_only=True)
class DevicePlanned(Event, name="devices.device_planned", terminal=True):
    """A device has a number and waits for its images."""

    device_id: int
    order_id: int
    serial: str


@dataclass(frozen=True, kw_only=True)
class DeviceStageChanged(Event, name="devices.device_stage_changed"):
    """A device moved. Every gate that was asked stands here with the evidence it looked at."""

    device_id: int
    transition: str
    source: str
    target: str
    gates: Gates
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class DeviceHeld(Event, name="devices.device_held"):
    """A hold blocks every forward move. The event's reason says why; `source` names what placed it, if no person did."""

    device_id: int
    stage: str
    hold_id: int
    source: str


@dataclass(frozen=True, kw_only=True)
class DeviceHoldLifted(Event, name="devices.device_hold_lifted", terminal=True):
    """One hold is over; others may still be open."""

    device_id: int
    hold_id: int
    source: str


@dataclass(frozen=True, kw_only=True)
class DeviceResumed(Event, name="devices.device_resumed", terminal=True):
    """No hold is open any more; the device goes on from where it stood."""

    device_id: int
    stage: str
