"""Facts about parameter sets and printers."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class ParametersDefined(Event, name="printing.parameters_defined", terminal=True):
    """A parameter set was written down."""

    parameters_id: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class ParametersApproved(Event, name="printing.parameters_approved", terminal=True):
    """A parameter set may be used."""

    parameters_id: int
    digest: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class PrinterRegistered(Event, name="printing.printer_registered", terminal=True):
    """A printer is known."""

    printer_id: int
    kind: str
    serial: str
    driver: str


@dataclass(frozen=True, kw_only=True)
class PrinterQualificationMoved(Event, name="printing.printer_qualification_moved", terminal=True):
    """A step of a printer's qualification was approved, or it was suspended or sent back."""

    printer_id: int
    source: str
    target: str
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class PrinterQualified(Event, name="printing.printer_qualified"):
    """A printer may make devices with these triples of material, printer and parameter set."""

    printer_id: int
    triples: list[int]
    valid_until: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class PrinterCalibrated(Event, name="printing.printer_calibrated", terminal=True):
    """A calibration was recorded."""

    printer_id: int
    valid_until: str


@dataclass(frozen=True, kw_only=True)
class PrinterHeld(Event, name="printing.printer_held"):
    """A printer takes no new work. The event's reason says why; `source` names what placed the hold, if no person did."""

    printer_id: int
    hold_id: int
    source: str


@dataclass(frozen=True, kw_only=True)
class PrinterHoldReleased(Event, name="printing.printer_hold_released"):
    """One hold is over by signature; the printer takes work again where `still_open` names no other."""

    printer_id: int
    hold_id: int
    source: str
    still_open: list[int]
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class PrinterStateChanged(Event, name="printing.printer_state_changed", terminal=True):
    """The fleet heard something new of a printer. `text` is the machine's own word about a fault."""

    printer_id: int
    link: str
    machine: str
    run: str
    operation: str
    text: str


@dataclass(frozen=True, kw_only=True)
class MachineIdentified(Event, name="printing.machine_identified", terminal=True):
    """A machine named itself. `registered`: its serial and model are those of the printer; else the printer is held."""

    printer_id: int
    serial: str
    model: str
    firmware: str
    registered: bool


@dataclass(frozen=True, kw_only=True)
class ForeignRunSeen(Event, name="printing.foreign_run_seen", terminal=True):
    """A printer runs something that Lamina did not start. It is held until a person has looked."""

    printer_id: int
    run: str
    expected_job_id: int | None


@dataclass(frozen=True, kw_only=True)
class TelemetryLost(Event, name="printing.telemetry_lost", terminal=True):
    """A printing machine was not heard for longer than the limit: the build needs a decision (G-PRT-01)."""

    printer_id: int
    job_id: int
    since: str
    until: str | None
