"""What a printer says, written as facts. Short transactions; nothing here waits for a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import publish, unit_of_work
from mes.permissions import require
from printing.choices import (
    OPEN_COMMANDS,
    RUNNING_JOBS,
    CommandKind,
    CommandState,
    JobState,
    Link,
    Machine,
    Operation,
    Run,
)
from printing.drivers.base import Finding, RunSeen, Snapshot, reconcile
from printing.events import ForeignRunSeen, PrinterStateChanged, TelemetryLost
from printing.live import tell_after_commit
from printing.models import HOLDING, Printer, PrinterCommand, PrinterContact, PrintJob
from printing.selectors.jobs import open_command, stands_as_finished
from printing.services.commands import confirm, locked_job, note
from printing.services.fleet.board import PrinterView
from printing.services.fleet.lease import require_lease
from printing.services.holds import hold_for_foreign_run
from printing.services.moves import locked, write
from printing.services.outcomes import (
    Ending,
    contradict_job,
    end_job,
    lose_job,
    pause_seen,
    resume_seen,
    run_job,
)

FLEET = Actor.system("fleet")
ENDINGS = {
    Finding.FINISHED: JobState.FINISHED,
    Finding.FAILED: JobState.FAILED,
    Finding.CANCELLED: JobState.CANCELLED,
}
LOST = {
    Finding.VANISHED: "The printer says that it is idle, and knows nothing of this print.",
    Finding.FOREIGN: "The printer runs something else.",
}
EFFECTS: dict[CommandKind, frozenset[Finding]] = {
    CommandKind.START: frozenset({Finding.RUNNING, Finding.PAUSED, *ENDINGS}),
    CommandKind.PAUSE: frozenset({Finding.PAUSED, *ENDINGS}),
    CommandKind.RESUME: frozenset({Finding.RUNNING, *ENDINGS}),
    CommandKind.CANCEL: frozenset(ENDINGS),
}
"""What must be seen for a command to count as done. CLEAR: see `has_effect`."""


@dataclass(frozen=True)
class Word:
    """One thing a printer said, or that it says nothing. `expected`: the run it was compared with.

    contradicts: the print that stands as finished, as the machine tells otherwise of it.
    late: the first thing heard after a silence; outage: that silence as an entry of a job's `gaps`.
    """

    link: Link
    machine: Machine = Machine.UNKNOWN
    run: Run = Run.UNKNOWN
    operation: Operation = Operation.UNKNOWN
    text: str = ""
    finding: Finding = Finding.UNCLEAR
    seen: RunSeen | None = None
    expected: str | None = None
    contradicts: RunSeen | None = None
    late: bool = False
    outage: Mapping[str, Any] | None = None

    @property
    def axes(self) -> tuple[str, str, str, str]:
        return (self.link.value, self.machine.value, self.run.value, self.operation.value)

    @property
    def foreign_run(self) -> str:
        return self.seen.run[:120] if self.finding == Finding.FOREIGN and self.seen else ""


def word_of(
    snapshot: Snapshot,
    expected: str | None,
    *,
    late: bool,
    finished: str | None = None,
    outage: Mapping[str, Any] | None = None,
) -> Word:
    """A reading, compared with the run that should be there."""
    finding, seen = reconcile(snapshot, expected)
    if seen is not None and seen is snapshot.current and seen.started_at is None and snapshot.elapsed_s:
        seen = replace(seen, started_at=snapshot.observed_at - timedelta(seconds=snapshot.elapsed_s))
    text = snapshot.fault.text if snapshot.fault else snapshot.attention
    return Word(
        link=snapshot.link,
        machine=snapshot.machine,
        run=snapshot.run_state,
        operation=snapshot.operation,
        text=text,
        finding=finding,
        seen=seen,
        expected=expected,
        contradicts=_contradiction(snapshot, finished),
        late=late,
        outage=outage,
    )


def _contradiction(snapshot: Snapshot, finished: str | None) -> RunSeen | None:
    """What the machine says of a run that stands as finished, where it says that it is not."""
    if finished is None or snapshot.link != Link.UP:
        return None
    told = (seen for seen in (snapshot.current, snapshot.last) if seen and seen.run == finished)
    return next((seen for seen in told if seen.state not in (Run.FINISHED, Run.NONE, Run.UNKNOWN)), None)


def action_of(state: JobState, finding: Finding, *, start_open: bool) -> Finding | None:
    """The finding, if it moves a job in this state. An uncertain job waits for a person."""
    if state not in (JobState.STARTING, JobState.PRINTING, JobState.PAUSED):
        return None
    if finding in ENDINGS or finding == Finding.FOREIGN:
        return finding
    if finding == Finding.VANISHED:
        # A machine that was only asked to start is idle with good reason; the command's own limit decides.
        return None if state == JobState.STARTING and start_open else finding
    if finding == Finding.RUNNING:
        return finding if state != JobState.PRINTING else None
    if finding == Finding.PAUSED:
        return finding if state != JobState.PAUSED else None
    return None


def has_effect(kind: CommandKind, word: Word) -> bool:
    """Whether what a command asked for is seen."""
    if kind == CommandKind.CLEAR:
        return word.link == Link.UP and word.machine == Machine.OK and word.run == Run.NONE
    return word.finding in EFFECTS[kind]


def says_something_new(view: PrinterView, word: Word) -> bool:
    """Whether the record must change. Asked of every reading, so a change that could not be written is tried again."""
    if word.axes != view.words or word.foreign_run != view.foreign_run:
        return True
    if word.contradicts and word.contradicts.run == view.finished:
        return True
    command = view.command
    sent = command is not None and command.state in (CommandState.SENT, CommandState.ACKNOWLEDGED)
    if command and sent and has_effect(command.kind, word):
        return True
    if view.job_state is None or word.expected != view.expected:
        return False
    start_open = command is not None and command.kind == CommandKind.START
    return action_of(view.job_state, word.finding, start_open=start_open) is not None


@unit_of_work
def record_fleet_word(*, printer_id: int, word: Word, epoch: int, actor: Actor = FLEET) -> None:
    """Write what a printer said: its state, what it means for the job on it, and which command it shows as done.

    Raises LeaseLost for a process that no longer drives the printers.
    """
    require(actor, "printing.record_fleet_word")
    require_lease(epoch)
    job = _concerned(printer_id)
    printer = job.printer if job else locked(Printer, printer_id, what="printer")
    command = open_command(printer)
    _write_state(printer, word, actor)
    if word.foreign_run and word.foreign_run != printer.foreign_run:
        _write_foreign(printer, word, job, actor)
    elif not word.foreign_run and printer.foreign_run and word.finding != Finding.UNCLEAR:
        write(printer, foreign_run="")
        _say_state(printer, word, actor)
    if job and job.state in RUNNING_JOBS and word.expected == str(job.claim):
        _move_job(job, command, word, actor)
    against = word.contradicts
    if job and against and against.run == str(job.claim) and stands_as_finished(job):
        contradict_job(job, against.state, against.layer, actor)
    if job and command and command.job_id == job.pk:
        _confirm_seen(job, command, word, actor)


def _concerned(printer_id: int) -> PrintJob | None:
    """The job that a word may move: the one that holds the printer, or whose last command is still open."""
    holding = PrintJob.objects.filter(HOLDING, printer_id=printer_id)
    commanded = PrintJob.objects.filter(printer_id=printer_id, commands__state__in=OPEN_COMMANDS)
    found = holding.values_list("pk", flat=True).first() or commanded.values_list("pk", flat=True).first()
    return locked_job(found) if found else None


def _write_state(printer: Printer, word: Word, actor: Actor) -> None:
    before = (printer.link, printer.machine, printer.run, printer.operation)
    changes: dict[str, Any] = {}
    if word.axes != before:
        changes = dict(zip(("link", "machine", "run", "operation"), word.axes, strict=True))
        changes["operation_since"] = timezone.now()
    if changes:
        write(printer, **changes)
        _say_state(printer, word, actor)


def _say_state(printer: Printer, word: Word, actor: Actor) -> None:
    changed = PrinterStateChanged(
        printer_id=printer.pk,
        link=printer.link,
        machine=printer.machine,
        run=printer.run,
        operation=printer.operation,
        text=word.text,
    )
    publish(printer, changed, actor=actor)
    tell_after_commit(printer.pk)


def _write_foreign(printer: Printer, word: Word, job: PrintJob | None, actor: Actor) -> None:
    """Recorded and held, never adopted: somebody started it at the panel."""
    expected = job.pk if job and job.state in RUNNING_JOBS else None
    write(printer, foreign_run=word.foreign_run)
    seen = ForeignRunSeen(printer_id=printer.pk, run=word.foreign_run, expected_job_id=expected)
    publish(printer, seen, actor=actor)
    hold_for_foreign_run(printer, actor=actor)
    tell_after_commit(printer.pk)


def _move_job(job: PrintJob, command: PrinterCommand | None, word: Word, actor: Actor) -> None:
    start_open = command is not None and command.kind == CommandKind.START
    action = action_of(JobState(job.state), word.finding, start_open=start_open)
    if action is None:
        return
    seen = word.seen
    layer = seen.layer if seen else job.layers_done
    if action in LOST:
        lose_job(job, LOST[action], actor)
        return
    if job.state == JobState.STARTING:
        digest, began = (seen.plate_digest, seen.started_at) if seen else ("", None)
        run_job(job, digest, actor, started_at=began)
    if action in ENDINGS:
        text = word.text or ("" if action == Finding.FINISHED else f"The printer says: {word.run.label}.")
        used = seen.material_ml if seen else None
        at, outage = (seen.ended_at if seen else None), (word.outage if word.late else None)
        end_job(job, Ending(ENDINGS[action], layer, used, text, word.late, at, outage), actor)
    elif action == Finding.PAUSED:
        asked = command is not None and command.kind == CommandKind.PAUSE
        pause_seen(job, layer, asked=asked, text=word.text or "The print stands still.", actor=actor)
    elif job.state == JobState.PAUSED:
        asked = command is not None and command.kind == CommandKind.RESUME
        resume_seen(job, layer, asked=asked, actor=actor)


def _confirm_seen(job: PrintJob, command: PrinterCommand, word: Word, actor: Actor) -> None:
    command = locked(PrinterCommand, command.pk, what="command")
    command.job, command.printer = job, job.printer
    waiting = command.state in (CommandState.SENT, CommandState.ACKNOWLEDGED)
    ours = command.kind == CommandKind.CLEAR or word.expected == str(job.claim)
    if waiting and ours and has_effect(CommandKind(command.kind), word):
        confirm(command, "seen on the machine", actor)


@unit_of_work
def record_telemetry_gap(
    *, job_id: int, since: datetime, until: datetime | None, epoch: int, actor: Actor = FLEET
) -> None:
    """Write that a printing machine was not heard for longer than the limit (regulatory.md 4.3)."""
    require(actor, "printing.record_fleet_word")
    require_lease(epoch)
    job = locked_job(job_id)
    gap = {"since": plain(since), "until": plain(until)}
    others = [known for known in job.gaps if known["since"] != gap["since"]]
    if gap in job.gaps:
        return
    write(job, gaps=[*others, gap])
    lost = TelemetryLost(
        printer_id=job.printer_id, job_id=job.pk, since=str(gap["since"]), until=plain(until)
    )
    publish(job, lost, actor=actor)
    note(job, actor)


def record_contact(
    *, printer_id: int, heard_at: datetime, epoch: int, counter: int, values: dict[str, Any]
) -> None:
    """Note when a printer was last heard, with what it said. A hint for screens and gates, no part of the record."""
    PrinterContact.objects.filter(printer_id=printer_id, epoch__lte=epoch).update(
        heard_at=heard_at, epoch=epoch, counter=counter, snapshot=values
    )
