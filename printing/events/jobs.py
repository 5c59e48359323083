"""Facts about print jobs and the commands sent to machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event


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
    """An operator asked the machine to start; the gates were asked again. `machine`: what stood about the printer."""

    job_id: int
    machine: dict[str, Any]
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
class JobContradicted(Event, name="printing.job_contradicted", terminal=True):
    """A print stands as finished, and the machine said afterwards that it is not. `run`, `layer`: what it said."""

    job_id: int
    build_id: int
    run: str
    layer: int
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
    """Written before the first byte leaves: from here on the command is never sent again. `gates`: those of a start, asked
    once more."""

    command_id: int
    epoch: int
    gates: list[dict[str, Any]]


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
