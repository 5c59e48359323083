"""Facts of printing. Each is published on the stream of the row that it is about; quantities in the unit they name.

`terminal` marks a fact that nothing in the house reacts to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event

# Lots and containers


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
class LotRejected(Event, name="printing.lot_rejected", terminal=True):
    """A lot will never be used."""

    lot_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class LotHeld(Event, name="printing.lot_held", terminal=True):
    """A lot must not be used until the hold is released. `devices` already contain it."""

    lot_id: int
    held_from: str
    devices: list[int]


@dataclass(frozen=True, kw_only=True)
class LotHoldReleased(Event, name="printing.lot_hold_released", terminal=True):
    """A held lot stands again where it stood."""

    lot_id: int
    state: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class LotExpired(Event, name="printing.lot_expired", terminal=True):
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


# Parameter sets and printers


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
class PrinterQualified(Event, name="printing.printer_qualified", terminal=True):
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
class PrinterHeld(Event, name="printing.printer_held", terminal=True):
    """A printer takes no new work."""

    printer_id: int


@dataclass(frozen=True, kw_only=True)
class PrinterHoldReleased(Event, name="printing.printer_hold_released", terminal=True):
    """A printer takes work again."""

    printer_id: int


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


# Builds


@dataclass(frozen=True, kw_only=True)
class BuildCreated(Event, name="printing.build_created"):
    """Devices go on one plate; it waits to be sliced."""

    build_id: int
    device_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class BuildReopened(Event, name="printing.build_reopened"):
    """A build that could not be prepared is tried again."""

    build_id: int


@dataclass(frozen=True, kw_only=True)
class BuildPrepared(Event, name="printing.build_prepared", terminal=True):
    """The plate was cut into layers; the file and the digest over all layers stand on the build."""

    build_id: int
    file: str
    plate_digest: str
    layer_count: int
    material_ml: float
    print_seconds: float


@dataclass(frozen=True, kw_only=True)
class BuildPreparationFailed(Event, name="printing.build_preparation_failed", terminal=True):
    """The plate could not be cut; `problems` say why, each with its cure."""

    build_id: int
    problems: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class BuildVerified(Event, name="printing.build_verified", terminal=True):
    """Another person checked the build file."""

    build_id: int
    signature_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class BuildScheduled(Event, name="printing.build_scheduled", terminal=True):
    """A printer was claimed for the build."""

    build_id: int
    job_id: int
    printer_id: int


@dataclass(frozen=True, kw_only=True)
class BuildUnscheduled(Event, name="printing.build_unscheduled", terminal=True):
    """The claim was given up before anything was printed."""

    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class BuildStarted(Event, name="printing.build_started", terminal=True):
    """The machine prints it."""

    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class BuildInterrupted(Event, name="printing.build_interrupted", terminal=True):
    """The print is over, but something happened on the way that a person must decide about (G-PRT-01)."""

    build_id: int
    job_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class BuildCompleted(Event, name="printing.build_completed", terminal=True):
    """The build was printed as it was verified. `signature_id` where a person decided an interruption."""

    build_id: int
    job_id: int
    gates: list[dict[str, Any]]
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class BuildFailed(Event, name="printing.build_failed", terminal=True):
    """The build did not become what was verified."""

    build_id: int
    job_id: int
    signature_id: int | None


@dataclass(frozen=True, kw_only=True)
class BuildCancelled(Event, name="printing.build_cancelled", terminal=True):
    """The build was given up before it was printed."""

    build_id: int


# Jobs and commands


@dataclass(frozen=True, kw_only=True)
class JobDispatched(Event, name="printing.job_dispatched", terminal=True):
    """A printer is claimed for a build, and for nothing else until its plate is clear."""

    job_id: int
    build_id: int
    printer_id: int
    container_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class JobStartRequested(Event, name="printing.job_start_requested", terminal=True):
    """An operator asked the machine to start; the gates were asked again."""

    job_id: int
    gates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class JobCommandAsked(Event, name="printing.job_command_asked", terminal=True):
    """A person wants a print paused, resumed or cancelled, and says why."""

    job_id: int
    kind: str
    command_id: int


@dataclass(frozen=True, kw_only=True)
class JobStartRefused(Event, name="printing.job_start_refused", terminal=True):
    """The machine said no, so nothing was printed. The claim stands."""

    job_id: int
    text: str


@dataclass(frozen=True, kw_only=True)
class JobStarted(Event, name="printing.job_started", terminal=True):
    """The machine was seen printing this job. `file_digest` is what it says it prints."""

    job_id: int
    build_id: int
    file_digest: str


@dataclass(frozen=True, kw_only=True)
class JobPaused(Event, name="printing.job_paused", terminal=True):
    """The print stands still. `by_machine`: nobody asked for it."""

    job_id: int
    layer: int
    by_machine: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class JobResumed(Event, name="printing.job_resumed", terminal=True):
    """The print goes on. `by_machine`: nobody asked for it."""

    job_id: int
    layer: int
    by_machine: bool


@dataclass(frozen=True, kw_only=True)
class JobFinished(Event, name="printing.job_finished", terminal=True):
    """The machine finished. Whether the parts are good is another question."""

    job_id: int
    build_id: int
    layers: int
    observed_late: bool


@dataclass(frozen=True, kw_only=True)
class JobFailed(Event, name="printing.job_failed", terminal=True):
    """The print failed; `text` is the machine's own word."""

    job_id: int
    build_id: int
    layers: int
    text: str


@dataclass(frozen=True, kw_only=True)
class JobCancelled(Event, name="printing.job_cancelled", terminal=True):
    """The print was stopped on request, or given up before it began."""

    job_id: int
    build_id: int
    layers: int


@dataclass(frozen=True, kw_only=True)
class JobUncertain(Event, name="printing.job_uncertain", terminal=True):
    """Nobody can say from here what became of the print: a person reads the machine and decides."""

    job_id: int
    build_id: int
    text: str


@dataclass(frozen=True, kw_only=True)
class JobSettled(Event, name="printing.job_settled", terminal=True):
    """A person read the machine and said what became of an uncertain print."""

    job_id: int
    outcome: str
    evidence: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlateCleared(Event, name="printing.plate_cleared", terminal=True):
    """A person saw the plate clear and the line clean (G-PRN-06)."""

    printer_id: int
    job_id: int | None


@dataclass(frozen=True, kw_only=True)
class PrinterCommandRequested(Event, name="printing.printer_command_requested", terminal=True):
    """A physical command waits to be sent, once."""

    command_id: int
    printer_id: int
    job_id: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class PrinterCommandSent(Event, name="printing.printer_command_sent", terminal=True):
    """Written before the first byte leaves: from here on the command is never sent again."""

    command_id: int
    epoch: int


@dataclass(frozen=True, kw_only=True)
class PrinterCommandAcknowledged(Event, name="printing.printer_command_acknowledged", terminal=True):
    """The machine said that it took the command."""

    command_id: int
    text: str


@dataclass(frozen=True, kw_only=True)
class PrinterCommandConfirmed(Event, name="printing.printer_command_confirmed", terminal=True):
    """The effect was observed on the machine, or a person saw it."""

    command_id: int
    by: str


@dataclass(frozen=True, kw_only=True)
class PrinterCommandRefused(Event, name="printing.printer_command_refused", terminal=True):
    """The command had no effect: the machine refused it, or a person saw that nothing happened."""

    command_id: int
    by: str
    text: str


@dataclass(frozen=True, kw_only=True)
class PrinterCommandUncertain(Event, name="printing.printer_command_uncertain", terminal=True):
    """No answer, or no effect in time. It is not repeated; a person decides after the printer was read back."""

    command_id: int
    text: str


@dataclass(frozen=True, kw_only=True)
class PrinterCommandReadBack(Event, name="printing.printer_command_read_back", terminal=True):
    """What the machine says after an uncertain command."""

    command_id: int
    evidence: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PrinterCommandWithdrawn(Event, name="printing.printer_command_withdrawn", terminal=True):
    """The command was taken back before it was sent."""

    command_id: int


@dataclass(frozen=True, kw_only=True)
class PrinterJobChanged(Event, name="printing.printer_job_changed", terminal=True):
    """What a printer is claimed for, or a command to it, moved on. On the printer's stream, for its screens."""

    printer_id: int
    job_id: int
    job_state: str
    command: str


# On the stream of each device: one fact, and so one delivery, for each


@dataclass(frozen=True, kw_only=True)
class DeviceBuildVerified(Event, name="printing.device_build_verified"):
    """The build with this device may be printed."""

    device_id: int
    build_id: int


@dataclass(frozen=True, kw_only=True)
class DeviceBuildCancelled(Event, name="printing.device_build_cancelled"):
    """The build with this device was given up; the device waits for another."""

    device_id: int
    build_id: int


@dataclass(frozen=True, kw_only=True)
class DevicePrintStarted(Event, name="printing.device_print_started"):
    """The machine prints this device."""

    device_id: int
    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class DevicePrintFinished(Event, name="printing.device_print_finished"):
    """This device was printed as verified."""

    device_id: int
    build_id: int
    job_id: int


@dataclass(frozen=True, kw_only=True)
class DevicePrintFailed(Event, name="printing.device_print_failed"):
    """The print of this device failed."""

    device_id: int
    build_id: int
    job_id: int
    text: str
