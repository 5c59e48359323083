"""Kits: put together, checked, and over."""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.shapes import Gates
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class KitMade(Event, name="devices.kit_made", terminal=True):
    """Devices of one patient belong together from now on: they are checked, released and shipped as one."""

    kit_id: int
    patient_id: int
    device_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class KitMemberAdded(Event, name="devices.kit_member_added", terminal=True):
    """One more device belongs to the kit. The event's reason says why."""

    kit_id: int
    device_id: int


@dataclass(frozen=True, kw_only=True)
class KitMemberTakenOut(Event, name="devices.kit_member_taken_out", terminal=True):
    """A device belongs to the kit no longer. The event's reason says why."""

    kit_id: int
    device_id: int


@dataclass(frozen=True, kw_only=True)
class KitDissolved(Event, name="devices.kit_dissolved", terminal=True):
    """The devices belong together no longer: each goes its own way. The event's reason says why."""

    kit_id: int
    device_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class KitCheckRequested(Event, name="devices.kit_check_requested"):
    """Every member has an approved design: whether they fit each other is to be computed.

    `basis` is the digest of the members' images, anatomy, designs and plans that are compared."""

    kit_id: int
    basis: str


@dataclass(frozen=True, kw_only=True)
class KitChecked(Event, name="devices.kit_checked", terminal=True):
    """The members' images, anatomy and bores were compared: every answer stands here with what was measured."""

    kit_id: int
    basis: str
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class KitReleased(Event, name="devices.kit_released", terminal=True):
    """Every device of the kit was released by one act. `whole` is the digest of the kit that each release is signed over."""

    kit_id: int
    device_ids: list[int]
    signature_ids: list[int]
    whole: str


@dataclass(frozen=True, kw_only=True)
class KitShipped(Event, name="devices.kit_shipped", terminal=True):
    """Every device of the kit left the house by one act."""

    kit_id: int
    device_ids: list[int]
    signature_ids: list[int]
