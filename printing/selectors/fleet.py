"""What every printer is doing, as gates ask and as the live screens show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from mes.exceptions import Refused
from mes.models import Stream
from printing.choices import (
    ENDED_JOBS,
    OPEN_COMMANDS,
    Operation,
    Qualification,
)
from printing.models import (
    HOLDING,
    Container,
    FleetLease,
    Printer,
    PrinterCommand,
    PrinterContact,
    PrintJob,
)
from printing.selectors.jobs import job_holding

STALE_AFTER = timedelta(seconds=10)
"""A printer that was not heard for longer is unknown, whatever it said last."""

TOLD_WITHOUT_HEARING = frozenset({Operation.OFFLINE, Operation.UNKNOWN})


def by_code(queryset: QuerySet[Any], code: str, prefix: str) -> Any:
    """The row of a public code ("L0000001"). Raises Refused, as for a code nobody has."""
    digits = code[1:]
    known = code[:1] == prefix and digits.isascii() and digits.isdigit() and len(digits) <= 12
    row = queryset.filter(pk=int(digits)).first() if known else None
    if row is None:
        raise Refused(f"There is no {prefix}-number like this.", cure="Look at the list again.")
    return row


def printers() -> QuerySet[Printer]:
    related = ("contact", "container__lot__material", "last_material")
    return Printer.objects.select_related(*related).order_by("pk")


def plates_to_clear() -> QuerySet[Printer]:
    """Printers that wait for a person to clear them: their job is over, or their material was changed."""
    holding = PrintJob.objects.filter(HOLDING, printer=OuterRef("pk"))
    ended = Exists(holding.filter(state__in=ENDED_JOBS))
    changed = ~Q(clearance_needed="") & ~Exists(holding)
    return Printer.objects.filter(ended | changed).order_by("pk")


def contact_of(printer: Printer) -> PrinterContact | None:
    return PrinterContact.objects.filter(printer=printer).first()


def is_fresh(heard_at: datetime | None, now: datetime) -> bool:
    return heard_at is not None and now - heard_at <= STALE_AFTER


def shown_operation(
    printer: Printer, heard_at: datetime | None, now: datetime, *, claimed: bool
) -> Operation:
    """What a person is shown: UNKNOWN where the last word is too old, READY only where everything is."""
    said = Operation(printer.operation)
    if said in TOLD_WITHOUT_HEARING:
        return said
    if not is_fresh(heard_at, now):
        return Operation.UNKNOWN
    may = printer.qualification == Qualification.QUALIFIED and not printer.held
    clear = not printer.clearance_needed and not claimed
    return Operation.READY if said == Operation.IDLE and may and clear else said


def is_ready_for_work(printer: Printer) -> bool:
    """Whether it is heard now, idle, qualified, free, clear and loaded. The gates of a dispatch still decide."""
    contact = contact_of(printer)
    heard_at = contact.heard_at if contact else None
    claimed = job_holding(printer) is not None
    shown = shown_operation(printer, heard_at, timezone.now(), claimed=claimed)
    return shown == Operation.READY and printer.container_id is not None


def printer_versions(keys: Iterable[int] | None = None) -> dict[int, int]:
    """Printer id to the version of its stream, as the database has it now."""
    streams = Stream.objects.filter(type="printing.printer")
    if keys is not None:
        streams = streams.filter(id__in=[str(key) for key in keys])
    return {int(key): version for key, version in streams.values_list("id", "version")}


def fleet_state(keys: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """Each printer as the live screens show it (`consumers.FleetConsumer` documents the shape).

    The versions are read first: a change in between makes the state newer than its version, and is told again.
    """
    versions = printer_versions(keys)
    rows = printers() if keys is None else printers().filter(pk__in=list(keys))
    held = _holding_jobs()
    commands = {row.printer_id: row for row in PrinterCommand.objects.filter(state__in=OPEN_COMMANDS)}
    now = timezone.now()
    return [
        printer_state(row, versions.get(row.pk, 0), held.get(row.pk), commands.get(row.pk), now)
        for row in rows
    ]


def _holding_jobs() -> dict[int, PrintJob]:
    held = PrintJob.objects.filter(HOLDING).select_related("build")
    return {job.printer_id: job for job in held.prefetch_related("build__items__device")}


def printer_state(
    printer: Printer, version: int, job: PrintJob | None, command: PrinterCommand | None, now: datetime
) -> dict[str, Any]:
    contact = getattr(printer, "contact", None)
    heard_at = contact.heard_at if contact else None
    operation = shown_operation(printer, heard_at, now, claimed=job is not None)
    return {
        "code": printer.code,
        "version": version,
        "name": printer.name,
        "kind": printer.kind,
        "operation": operation.value,
        "operation_label": operation.label,
        "link": printer.link,
        "machine": printer.machine,
        "run": printer.run,
        "since": _iso(printer.operation_since),
        "heard_at": _iso(heard_at),
        "qualification": printer.qualification,
        "qualification_label": printer.get_qualification_display(),
        "held": printer.held,
        "hold_reason": printer.hold_reason,
        "clearance_needed": printer.clearance_needed,
        "foreign_run": printer.foreign_run,
        "container": _container_state(printer.container),
        "job": _job_state(job),
        "command": command and {"uid": str(command.uid), "kind": command.kind, "state": command.state},
    }


def _container_state(container: Container | None) -> dict[str, Any] | None:
    if container is None:
        return None
    return {
        "label": container.label,
        "lot": container.lot.code,
        "material": container.lot.material.code,
        "remaining": str(container.remaining),
        "unit": container.lot.unit,
        "lot_state": container.lot.state,
    }


def _job_state(job: PrintJob | None) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "code": job.code,
        "state": job.state,
        "state_label": job.get_state_display(),
        "build": job.build.code,
        "devices": [item.device.code for item in job.build.items.all()],
        "started_at": _iso(job.started_at),
        "ended_at": _iso(job.ended_at),
        "layers_done": job.layers_done,
        "layers": job.build.layer_count,
        "reason": job.reason,
        "plate": "to be cleared" if job.state in ENDED_JOBS else "in use",
    }


def fleet_process(now: datetime) -> Mapping[str, Any]:
    """Whether a fleet process drives the printers now, and its epoch."""
    lease = FleetLease.objects.order_by("-until").first()
    return {"alive": bool(lease and lease.until > now), "epoch": lease.epoch if lease else 0}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
