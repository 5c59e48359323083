"""Print jobs, as people drive them: a printer is claimed, asked to start, paused, resumed, cancelled, and cleared."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason, TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.permissions import require
from printing.choices import (
    ENDED_JOBS,
    CommandKind,
    CommandState,
    JobState,
    Link,
    Run,
)
from printing.events import (
    BuildScheduled,
    BuildUnscheduled,
    JobCancelled,
    JobCommandAsked,
    JobDispatched,
    JobSettled,
    JobStartRequested,
    PlateCleared,
)
from printing.lifecycle import BUILD, JOB
from printing.live import tell_after_commit
from printing.models import HOLDING, Build, Printer, PrinterCommand, PrintJob
from printing.selectors.fleet import contact_of, is_fresh
from printing.selectors.jobs import job_holding, open_command, placement
from printing.selectors.machines import machine_now
from printing.services.commands import asked_to_go, locked_job, note, request_command, withdraw
from printing.services.moves import locked, move, write
from printing.services.outcomes import Ending, end_job, interrupt, over, run_job

MOVING = frozenset({Run.PREPARING, Run.PRINTING, Run.PAUSING, Run.PAUSED, Run.CANCELLING})
SETTLED = {
    "printing": None,
    "finished": JobState.FINISHED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}


@unit_of_work
def dispatch_build(*, build_id: int, printer_id: int | None = None, actor: Actor) -> PrintJob:
    """Claim a qualified, idle printer with the right material for a verified build; the given one, or the first that can.

    The printer's row is locked while the gates are asked, so that two dispatchers never get the same one; the database
    refuses a second claim as well. Raises TransitionRefused with the reasons of every printer that was looked at.
    """
    build = locked(Build, build_id, what="build")
    require(actor, "printing.dispatch_build", build)
    BUILD.row("schedule", build.state)
    printer, results = _choose(build, printer_id, actor)
    job = _claim(build, printer)
    move(build, BUILD, "schedule")
    gates = [result.as_payload() for result in results]
    dispatched = JobDispatched(
        job_id=job.pk,
        build_id=build.pk,
        printer_id=printer.pk,
        container_id=job.container_id,
        gates=gates,
    )
    publish(job, dispatched, actor=actor)
    publish(build, BuildScheduled(build_id=build.pk, job_id=job.pk, printer_id=printer.pk), actor=actor)
    note(job, actor)
    return job


def _choose(build: Build, printer_id: int | None, actor: Actor) -> tuple[Printer, tuple[GateResult, ...]]:
    if printer_id is not None:
        candidates = [printer_id]
    else:
        of_kind = Printer.objects.filter(kind=build.printer_kind).order_by("pk")
        candidates = list(of_kind.values_list("pk", flat=True))
    reasons: list[Reason] = []
    for key in candidates:
        printer = locked(Printer, key, what="printer")
        results = ask_gates("job.dispatch", placement(build, printer), actor=actor)
        blocking = [result for result in results if not result.passed]
        if not blocking:
            return printer, results
        reasons += [Reason(f"{printer.code}: {r.reason}", r.cure, r.gate) for r in blocking]
    raise TransitionRefused(
        reasons
        or [Reason(f"No printer of kind {build.printer_kind} is registered.", "Register one.", "G-PRN-01")]
    )


def _claim(build: Build, printer: Printer) -> PrintJob:
    if printer.container_id is None:
        raise Conflict(f"Nothing is loaded on {printer.code} any more.", cure="Load it and dispatch again.")
    try:
        with transaction.atomic():
            job = PrintJob.objects.create(build=build, printer=printer, container_id=printer.container_id)
    except IntegrityError:
        raise Conflict(
            f"{printer.code} or {build.code} was claimed meanwhile.", cure="Dispatch again."
        ) from None
    return job


@unit_of_work
def start_job(*, job_id: int, actor: Actor) -> PrinterCommand:
    """Ask the machine to start. Every gate is asked again, on what is loaded and what the printer says now."""
    job = locked_job(job_id)
    require(actor, "printing.operate_printer", job)
    JOB.row("start", job.state)
    results = asked_to_go(CommandKind.START, job, actor)
    refuse_blocked(results)
    machine = machine_now(job)
    move(job, JOB, "start", container_id=job.printer.container_id, reason="", machine=machine)
    gates = [result.as_payload() for result in results]
    publish(job, JobStartRequested(job_id=job.pk, machine=machine, gates=gates), actor=actor)
    return request_command(job, CommandKind.START, actor)


@unit_of_work
def pause_job(*, job_id: int, actor: Actor, reason: str) -> PrinterCommand:
    """Ask the machine to stand still. The job is paused once that was observed."""
    return _ask(job_id, JobState.PRINTING, CommandKind.PAUSE, actor, reason)


@unit_of_work
def resume_job(*, job_id: int, actor: Actor, reason: str) -> PrinterCommand:
    """Ask the machine to go on, where nothing it stands on was held or withdrawn meanwhile. `reason` is kept with the pause that
    stands: it decides about one that a person asked for; where the machine stopped by itself, quality decides (G-PRT-01)."""
    command = _ask(job_id, JobState.PAUSED, CommandKind.RESUME, actor, reason)
    stops = [
        stop if stop["until"] else {**stop, "resumed" if stop["by_machine"] else "decision": reason}
        for stop in command.job.interruptions
    ]
    write(command.job, interruptions=stops)
    return command


def _ask(job_id: int, state: JobState, kind: CommandKind, actor: Actor, reason: str) -> PrinterCommand:
    job = locked_job(job_id)
    require(actor, "printing.operate_printer", job)
    _need(reason)
    if job.state != state:
        raise TransitionRefused(
            f"{job.code} is {job.get_state_display()}.",
            cure=f"It must be {state.label} for this.",
            rule="K-06",
        )
    if kind == CommandKind.RESUME:
        refuse_blocked(asked_to_go(kind, job, actor))
    command = request_command(job, kind, actor)
    publish(job, JobCommandAsked(job_id=job.pk, kind=kind, command_id=command.pk), actor=actor, reason=reason)
    return command


@unit_of_work
def cancel_job(*, job_id: int, actor: Actor, reason: str) -> PrintJob:
    """Give a claim back, or ask the machine to stop. What was begun cannot be continued."""
    job = locked_job(job_id)
    require(actor, "printing.operate_printer", job)
    _need(reason)
    if withdraw_job(job, actor, reason):
        return job
    if job.state in (JobState.PRINTING, JobState.PAUSED):
        command = request_command(job, CommandKind.CANCEL, actor)
        asked = JobCommandAsked(job_id=job.pk, kind=command.kind, command_id=command.pk)
        publish(job, asked, actor=actor, reason=reason)
    else:
        raise TransitionRefused(
            f"{job.code} is {job.get_state_display()}.",
            cure="Wait for the machine's answer, or settle what is uncertain.",
            rule="K-06",
        )
    return job


def withdraw_job(job: PrintJob, actor: Actor, reason: str) -> bool:
    """Give a locked job's claim back where no start was sent. Part of the calling unit; False where the machine may know it."""
    waiting = open_command(job.printer)
    if waiting and waiting.state == CommandState.REQUESTED and waiting.job_id == job.pk:
        waiting.job, waiting.printer = job, job.printer
        withdraw(waiting, actor, "cancelled before it was sent")
    if job.state != JobState.CLAIMED:
        return False
    _give_back(job, actor, reason)
    return True


def _give_back(job: PrintJob, actor: Actor, reason: str) -> None:
    """The printer is free at once where nothing was ever sent to it for this job; else a person looks first (G-PRN-06)."""
    now = timezone.now()
    untouched = not job.commands.filter(sent_at__isnull=False).exists()
    move(job, JOB, "withdraw", reason=reason, ended_at=now, withdrawn_at=now if untouched else None)
    if not untouched:
        write(job.printer, clearance_needed=f"{job.code} was sent to it")
    move(job.build, BUILD, "unschedule")
    cancelled = JobCancelled(job_id=job.pk, build_id=job.build_id, layers=0)
    publish(job, cancelled, actor=actor, reason=reason)
    publish(job.build, BuildUnscheduled(build_id=job.build_id, job_id=job.pk), actor=actor, reason=reason)
    note(job, actor)


@unit_of_work
def settle_job(*, job_id: int, outcome: str, actor: Actor, reason: str) -> PrintJob:
    """Say what became of an uncertain print, after looking at the machine: printing, finished, failed or cancelled."""
    job = locked_job(job_id)
    require(actor, "printing.operate_printer", job)
    _need(reason)
    if outcome not in SETTLED:
        raise InvalidInput(f"'{outcome[:20]}' is no outcome.", cure=f"Choose one of: {', '.join(SETTLED)}.")
    if job.state != JobState.UNCERTAIN:
        raise TransitionRefused(f"{job.code} is {job.get_state_display()}.", cure="Nothing to settle.")
    waiting = open_command(job.printer)
    if waiting and waiting.kind == CommandKind.START:
        raise TransitionRefused(
            f"Whether {job.code} was started at all is uncertain.", cure="Settle the start command first."
        )
    _refuse_running(job, outcome)
    uncertain = interrupt(job, f"uncertain, then {outcome}: {reason}")
    write(job, interruptions=over([*job.interruptions, uncertain]))
    settled = JobSettled(job_id=job.pk, outcome=outcome, evidence={"run": job.printer.run})
    publish(job, settled, actor=actor, reason=reason)
    ended = SETTLED[outcome]
    if ended is None:
        run_job(job, job.file_digest_seen, actor)
    else:
        end_job(job, Ending(ended, None, None, reason, late=True), actor)
    return job


def _refuse_running(job: PrintJob, outcome: str) -> None:
    """A print is not over while its machine is heard and says that it goes on (G-PRT-01)."""
    printer, contact = job.printer, contact_of(job.printer)
    heard = printer.link == Link.UP and is_fresh(contact.heard_at if contact else None, timezone.now())
    if SETTLED[outcome] and heard and printer.run in MOVING and not printer.foreign_run:
        raise TransitionRefused(
            f"{printer.code} says that it is {printer.get_run_display()}: {job.code} is not over.",
            cure="Settle it as printing; wait until it ends, or cancel it.",
            rule="G-PRT-01",
        )


@unit_of_work
def confirm_plate_clear(*, printer_id: int, actor: Actor) -> None:
    """Confirm that the parts are off, the plate is clear and the line is clean (G-PRN-06). Frees the printer."""
    held = PrintJob.objects.filter(HOLDING, printer_id=printer_id).first()
    job = locked_job(held.pk) if held else None
    printer = job.printer if job else locked(Printer, printer_id, what="printer")
    require(actor, "printing.clear_plate", job or printer)
    if job is None and (holding := job_holding(printer)):
        raise Conflict(f"{holding.code} claimed {printer.code} meanwhile.", cure="Look at the printer again.")
    _refuse_unclear(printer, job)
    write(printer, clearance_needed="")
    cleared = PlateCleared(printer_id=printer.pk, job_id=job.pk if job else None)
    if job is None:
        publish(printer, cleared, actor=actor)
        tell_after_commit(printer.pk)
        return
    write(job, plate_cleared_at=timezone.now(), plate_cleared_by_id=actor.person_id)
    publish(job, cleared, actor=actor)
    if printer.run in (Run.FINISHED, Run.CANCELLED, Run.FAILED):
        request_command(job, CommandKind.CLEAR, actor)
    else:
        note(job, actor)


def _refuse_unclear(printer: Printer, job: PrintJob | None) -> None:
    if job is None and not printer.clearance_needed:
        raise TransitionRefused(f"{printer.code} is clear already.", cure="Nothing to confirm.")
    if job and job.state not in ENDED_JOBS:
        raise TransitionRefused(
            f"{job.code} is {job.get_state_display()}.",
            cure="Wait until it ends, or cancel it.",
            rule="G-PRN-06",
        )
    if printer.run in MOVING:
        raise TransitionRefused(
            f"{printer.code} says that it is {printer.get_run_display()}.",
            cure="Stop it at the machine first.",
            rule="G-PRN-06",
        )
    if command := open_command(printer):
        raise TransitionRefused(
            f"A command to {printer.code} is {command.get_state_display()}.",
            cure="Settle it, or wait until it is done.",
            rule="G-PRN-06",
        )


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("Say why.", rule="P11-10e")
