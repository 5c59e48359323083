"""Facts about lots and their containers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class LotReceived(Event, name="printing.lot_received", terminal=True):
    """A lot stands in quarantine. `quantity` in `unit`, as decimal text."""

    lot_id: int
    material: str
    supplier_lot: str
    quantity: str
    unit: str
    containers: list[str]


@dataclass(frozen=True, kw_only=True)
class LotReleased(Event, name="printing.lot_released", terminal=True):
    """A lot may be used: its certificate was reviewed and signed for."""

    lot_id: int
    signature_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class LotReturned(Event, name="printing.lot_returned", terminal=True):
    """The release of a lot was withdrawn: it stands in quarantine again, or will once its hold is released."""

    lot_id: int
    signature_id: int
    source: str


@dataclass(frozen=True, kw_only=True)
class LotRejected(Event, name="printing.lot_rejected"):
    """A lot will never be used."""

    lot_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class LotHeld(Event, name="printing.lot_held"):
    """A lot must not be used until the hold is released. `devices` already contain it."""

    lot_id: int
    held_from: str
    devices: list[int]


@dataclass(frozen=True, kw_only=True)
class LotHoldReleased(Event, name="printing.lot_hold_released"):
    """A held lot stands again where it stood."""

    lot_id: int
    state: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class LotExpired(Event, name="printing.lot_expired"):
    """A lot's last day is over."""

    lot_id: int
    last_day: str


@dataclass(frozen=True, kw_only=True)
class LotTakenIntoUse(Event, name="printing.lot_taken_into_use", terminal=True):
    """The first container of a lot was loaded."""

    lot_id: int
    container_id: int


@dataclass(frozen=True, kw_only=True)
class MaterialConsumed(Event, name="printing.material_consumed", terminal=True):
    """A job used material of this lot. `measured` is what the machine or the estimate says, before any limit."""

    lot_id: int
    container_id: int
    job_id: int
    quantity: str
    measured: str
    unit: str
    basis: str


@dataclass(frozen=True, kw_only=True)
class MaterialWithdrawn(Event, name="printing.material_withdrawn", terminal=True):
    """Material left the lot as a sample or as waste."""

    lot_id: int
    container_id: int
    quantity: str
    unit: str
    withdrawal: str


@dataclass(frozen=True, kw_only=True)
class ContainerRegistered(Event, name="printing.container_registered", terminal=True):
    """A container of a lot carries a label."""

    container_id: int
    lot_id: int
    label: str


@dataclass(frozen=True, kw_only=True)
class ContainerOpened(Event, name="printing.container_opened", terminal=True):
    """A container was opened."""

    container_id: int


@dataclass(frozen=True, kw_only=True)
class ContainerDrawn(Event, name="printing.container_drawn", terminal=True):
    """Material left a container."""

    container_id: int
    quantity: str
    remaining: str


@dataclass(frozen=True, kw_only=True)
class ContainerLoaded(Event, name="printing.container_loaded", terminal=True):
    """A container was put on a printer, by the label that was read from it."""

    printer_id: int
    container_id: int
    lot_id: int
    label: str
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ContainerUnloaded(Event, name="printing.container_unloaded", terminal=True):
    """A container was taken from a printer."""

    printer_id: int
    container_id: int
