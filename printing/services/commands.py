"""Physical commands: written, then sent once. Whether they had an effect is observed, or decided by a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from mes.eventlog.base import Actor, Event
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.permissions import require
from printing.choices import CommandKind, CommandState, JobState
from printing.events import (
    JobSettled,
    JobStartRefused,
    JobUncertain,
    PrinterCommandAcknowledged,
    PrinterCommandConfirmed,
    PrinterCommandReadBack,
    PrinterCommandRefused,
    PrinterCommandRequested,
    PrinterCommandSent,
    PrinterCommandUncertain,
    PrinterCommandWithdrawn,
    PrinterJobChanged,
)
from printing.lifecycle import COMMAND, JOB
from printing.live import tell_after_commit
from printing.models import Build, Container, MaterialLot, Printer, PrinterCommand, PrintJob
from printing.selectors.jobs import open_command, placement
from printing.services.fleet.lease import require_lease
from printing.services.moves import locked, move, write

SEND_WITHIN = timedelta(seconds=60)
"""A command that could not be sent for so long is taken back: nobody expects it any more."""

GOES = {CommandKind.START: "job.start", CommandKind.RESUME: "job.resume"}
"""What makes a machine go, and the move that its gates stand before."""


def locked_job(job_id: int) -> PrintJob:
    """The job with its build and its printer, all locked."""
    job = locked(PrintJob, job_id, what="job")
    job.build = locked(Build, job.build_id, what="build")
    job.printer = locked(Printer, job.printer_id, what="printer")
    return job


def locked_command(command_id: int) -> PrinterCommand:
    """The command with its job, build and printer, all locked."""
    found = PrinterCommand.objects.filter(pk=command_id).values_list("job_id", flat=True).first()
    if found is None:
        raise InvalidInput(f"There is no command {command_id}.")
    job = locked_job(found)
    command = locked(PrinterCommand, command_id, what="command")
    command.job, command.printer = job, job.printer
    return command


def note(job: PrintJob, actor: Actor, command: str = "") -> None:
    """Say on the printer's stream, and after the commit on its screens, that its job or command moved on."""
    changed = PrinterJobChanged(
        printer_id=job.printer_id, job_id=job.pk, job_state=job.state, command=command
    )
    publish(job.printer, changed, actor=actor)
    tell_after_commit(job.printer_id)


def request_command(job: PrintJob, kind: CommandKind, actor: Actor) -> PrinterCommand:
    """Write a command that the fleet will send. Part of the calling unit, which holds the printer's lock."""
    waiting = open_command(job.printer)
    if waiting:
        cure = "Settle it first." if waiting.state == CommandState.UNCERTAIN else "Wait until it is done."
        raise TransitionRefused(
            f"{job.printer.code} has a command that is not over: {waiting.get_kind_display()}, "
            f"{waiting.get_state_display()}.",
            cure=cure,
        )
    command = PrinterCommand.objects.create(printer=job.printer, job=job, kind=kind, requested_by=str(actor))
    fact = PrinterCommandRequested(command_id=command.pk, printer_id=job.printer_id, job_id=job.pk, kind=kind)
    publish(command, fact, actor=actor)
    note(job, actor, f"{kind} requested")
    return command


def asked_to_go(
    kind: CommandKind, job: PrintJob, actor: Actor, command: PrinterCommand | None = None
) -> tuple[GateResult, ...]:
    """Every gate of a start or of a resumption, on what is loaded and what the printer says now. Part of the calling unit,
    which holds the job's locks. `command`: the command itself, where it is requested already."""
    if job.printer.container_id:
        loaded = locked(Container, job.printer.container_id, what="container")
        locked(MaterialLot, loaded.lot_id, what="lot")
    return ask_gates(GOES[kind], placement(job.build, job.printer, job, command), actor=actor)


@unit_of_work
def take_command(*, command_id: int, epoch: int, actor: Actor) -> PrinterCommand | None:
    """Mark a command as sent, before its first byte leaves. None where it must not be sent (any more).

    Between the request of a start or a resumption and its sending an upload or a silence may lie, and a hold: for who
    requested it, every gate is asked once more (G-PRN-01, G-MAT-01). From here on nothing sends it again, whatever becomes of the calling process.
    """
    require(actor, "printing.record_fleet_word")
    require_lease(epoch)
    command = locked_command(command_id)
    if command.state != CommandState.REQUESTED:
        return None
    if timezone.now() - command.requested_at > SEND_WITHIN:
        withdraw(command, actor, "it could not be sent in time")
        return None
    results = _asked_again(command)
    try:
        refuse_blocked(results)
    except TransitionRefused as refusal:
        withdraw(command, actor, str(refusal))
        return None
    move(command, COMMAND, "send", sent_at=timezone.now())
    gates = [result.as_payload() for result in results]
    _say(command, PrinterCommandSent(command_id=command.pk, epoch=epoch, gates=gates), actor)
    return command


def _asked_again(command: PrinterCommand) -> tuple[GateResult, ...]:
    kind = CommandKind(command.kind)
    return asked_to_go(kind, command.job, Actor.parse(command.requested_by), command) if kind in GOES else ()


@unit_of_work
def withdraw_unsent(*, command_id: int, text: str, actor: Actor) -> None:
    """Take back a command that cannot be sent, e.g. because the machine does not take the file."""
    require(actor, "printing.record_fleet_word")
    command = locked_command(command_id)
    if command.state == CommandState.REQUESTED:
        withdraw(command, actor, text)


def withdraw(command: PrinterCommand, actor: Actor, text: str) -> None:
    """Take a command back that was not sent. Part of the calling unit."""
    move(command, COMMAND, "withdraw", answer=text)
    if command.kind == CommandKind.START and command.job.state == JobState.STARTING:
        _start_refused(command, text, actor)
    _say(command, PrinterCommandWithdrawn(command_id=command.pk), actor, reason=text)


@unit_of_work
def record_answer(*, command_id: int, accepted: bool, text: str, actor: Actor) -> None:
    """What the machine answered: it took the command, or it did not and nothing happened."""
    require(actor, "printing.record_fleet_word")
    command = locked_command(command_id)
    if command.state != CommandState.SENT:
        return
    if accepted:
        move(command, COMMAND, "acknowledge", answer=text)
        _say(command, PrinterCommandAcknowledged(command_id=command.pk, text=text), actor)
    else:
        _refuse(command, "the machine", text, actor)


@unit_of_work
def record_no_answer(*, command_id: int, text: str, actor: Actor) -> None:
    """No answer, or no effect in time: the command is UNCERTAIN and is not repeated. A start takes its job along."""
    require(actor, "printing.record_fleet_word")
    command = locked_command(command_id)
    if command.state not in (CommandState.SENT, CommandState.ACKNOWLEDGED):
        return
    move(command, COMMAND, "lose", answer=text)
    job = command.job
    if command.kind == CommandKind.START and job.state == JobState.STARTING:
        move(job, JOB, "lose", reason=text)
        publish(job, JobUncertain(job_id=job.pk, build_id=job.build_id, text=text), actor=actor)
    _say(command, PrinterCommandUncertain(command_id=command.pk, text=text), actor)


@unit_of_work
def record_read_back(*, command_id: int, evidence: dict[str, Any], actor: Actor) -> None:
    """What the machine says after an uncertain command, for the person who decides. The first reading stays."""
    require(actor, "printing.record_fleet_word")
    command = locked_command(command_id)
    if command.state != CommandState.UNCERTAIN or command.evidence:
        return
    write(command, evidence=evidence)
    _say(command, PrinterCommandReadBack(command_id=command.pk, evidence=evidence), actor)


def confirm(command: PrinterCommand, by: str, actor: Actor) -> None:
    """The effect was seen. Part of the calling unit."""
    move(command, COMMAND, "confirm")
    _say(command, PrinterCommandConfirmed(command_id=command.pk, by=by), actor)


@unit_of_work
def settle_command(*, command_id: int, happened: bool, actor: Actor, reason: str) -> None:
    """Say, after the printer was read back, whether an uncertain command had its effect.

    A start that happened lets the job go on; one that did not gives the claim back, to be started again by a person.
    """
    command = locked_command(command_id)
    require(actor, "printing.operate_printer", command)
    if not reason.strip():
        raise InvalidInput("Say what you saw at the machine.", rule="P11-10e")
    if command.state != CommandState.UNCERTAIN:
        raise TransitionRefused("This command is not uncertain.", cure="Look at the printer again.")
    if not command.evidence:
        raise TransitionRefused(
            f"{command.printer.code} was not read back since.",
            cure="Wait until the printer answers again, then decide.",
        )
    if not happened and command.kind == CommandKind.START and _runs_our_job(command):
        raise TransitionRefused(
            f"{command.printer.code} was read back running this very job.",
            cure="Confirm the start; cancel the job if it must not run.",
        )
    if happened:
        _confirm_settled(command, actor)
    else:
        _refuse(command, str(actor), reason, actor)


def _runs_our_job(command: PrinterCommand) -> bool:
    return bool(command.evidence.get("run") == str(command.job.claim))


def _confirm_settled(command: PrinterCommand, actor: Actor) -> None:
    job = command.job
    if command.kind == CommandKind.START and job.state == JobState.UNCERTAIN:
        # Back to where it was asked: the fleet's next reading says whether it prints, and starts the build.
        move(job, JOB, "await_run")
        settled = JobSettled(job_id=job.pk, outcome=job.state, evidence=command.evidence)
        publish(job, settled, actor=actor)
    confirm(command, str(actor), actor)


def _refuse(command: PrinterCommand, by: str, text: str, actor: Actor) -> None:
    move(command, COMMAND, "refuse", answer=text)
    if command.kind == CommandKind.START and command.job.state in (JobState.STARTING, JobState.UNCERTAIN):
        _start_refused(command, text, actor)
    _say(command, PrinterCommandRefused(command_id=command.pk, by=by, text=text), actor)


def _start_refused(command: PrinterCommand, text: str, actor: Actor) -> None:
    job = command.job
    move(job, JOB, "refuse", reason=text)
    publish(job, JobStartRefused(job_id=job.pk, text=text), actor=actor)


def _say(command: PrinterCommand, fact: Event, actor: Actor, *, reason: str = "") -> None:
    publish(command, fact, actor=actor, reason=reason)
    note(command.job, actor, f"{command.kind} {command.state}")
