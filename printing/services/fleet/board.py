"""What the database expects of every printer, read at once so that many printers cost a few queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from printing.choices import OPEN_COMMANDS, RUNNING_JOBS, CommandKind, CommandState, JobState
from printing.models import HOLDING, Printer, PrinterCommand, PrintJob
from printing.selectors.jobs import stands_as_finished


@dataclass(frozen=True)
class CommandView:
    """An open command. `run`: the name of its job's print on the machine."""

    id: int
    kind: CommandKind
    state: CommandState
    run: str
    file: str
    plate_digest: str
    sent_at: datetime | None
    read_back: bool


@dataclass(frozen=True)
class PrinterView:
    """A printer as the record has it. `expected`: the run that should be on it, None where none should. `finished`: the run
    that stands as finished on it, until the plate is cleared or the machine was heard to say otherwise."""

    id: int
    code: str
    serial: str
    kind: str
    driver: str
    reported: Mapping[str, Any]
    options: Mapping[str, Any] = field(compare=False)
    words: tuple[str, str, str, str] = ("unknown", "unknown", "unknown", "unknown")
    foreign_run: str = ""
    heard_at: datetime | None = None
    job_id: int | None = None
    job_state: JobState | None = None
    expected: str | None = None
    finished: str | None = None
    command: CommandView | None = None


def read_board() -> dict[int, PrinterView]:
    """Every printer that is not retired."""
    jobs = {job.printer_id: job for job in PrintJob.objects.filter(HOLDING)}
    waiting = PrinterCommand.objects.filter(state__in=OPEN_COMMANDS).select_related("job__build")
    commands = {command.printer_id: _command(command) for command in waiting}
    rows = Printer.objects.exclude(qualification="retired").select_related("contact")
    return {row.pk: _view(row, jobs.get(row.pk), commands.get(row.pk)) for row in rows}


def _command(command: PrinterCommand) -> CommandView:
    return CommandView(
        id=command.pk,
        kind=CommandKind(command.kind),
        state=CommandState(command.state),
        run=str(command.job.claim),
        file=command.job.build.file_id or "",
        plate_digest=command.job.build.plate_digest,
        sent_at=command.sent_at,
        read_back=bool(command.evidence),
    )


def _view(printer: Printer, job: PrintJob | None, command: CommandView | None) -> PrinterView:
    contact = getattr(printer, "contact", None)
    return PrinterView(
        id=printer.pk,
        code=printer.code,
        serial=printer.serial,
        kind=printer.kind,
        driver=printer.driver,
        reported=printer.reported,
        options=printer.connection,
        words=(printer.link, printer.machine, printer.run, printer.operation),
        foreign_run=printer.foreign_run,
        heard_at=contact.heard_at if contact else None,
        job_id=job.pk if job else None,
        job_state=JobState(job.state) if job else None,
        expected=str(job.claim) if job and job.state in RUNNING_JOBS else None,
        finished=str(job.claim) if job and stands_as_finished(job) else None,
        command=command,
    )
