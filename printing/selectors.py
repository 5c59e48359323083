"""Reading printing: lots and their trace, builds, jobs, and what every printer is doing. Nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from mes.eventlog.base import digest_of
from mes.exceptions import Refused
from mes.models import Stream
from mes.tables import covered_by
from printing.choices import (
    ENDED_JOBS,
    OPEN_COMMANDS,
    BuildState,
    JobState,
    LotState,
    Operation,
    Qualification,
)
from printing.models import (
    HOLDING,
    Build,
    BuildItem,
    Consumption,
    Container,
    FleetLease,
    MaterialLot,
    ParameterSet,
    Printer,
    PrinterCommand,
    PrinterContact,
    PrintJob,
)

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


# Lots


def lots() -> QuerySet[MaterialLot]:
    return MaterialLot.objects.select_related("material", "received_by", "released_by").order_by("-pk")


def containers() -> QuerySet[Container]:
    return Container.objects.select_related("lot__material", "printer").order_by("-pk")


def lots_at(*states: LotState) -> QuerySet[MaterialLot]:
    return lots().filter(state__in=states).order_by("pk")


def lot_content(lot: MaterialLot) -> dict[str, Any]:
    """What a signature about a lot is over: what was received, and its certificate."""
    return {
        "lot": lot.code,
        "material": lot.material.code,
        "supplier": lot.supplier,
        "supplier_lot": lot.supplier_lot,
        "received": f"{lot.received:.3f}",
        "unit": lot.unit,
        "expires_on": lot.expires_on,
        "expires_precision": lot.expires_precision,
        "certificate": lot.certificate,
        "certificate_file": lot.certificate_file_id,
    }


def jobs_of_lot(lot: MaterialLot) -> QuerySet[PrintJob]:
    """Jobs that used the lot, and those that run on it now and have not booked it yet."""
    booked = Q(consumptions__lot=lot)
    running = Q(container__lot=lot, started_at__isnull=False)
    return (
        PrintJob.objects.filter(booked | running).select_related("build", "printer").distinct().order_by("pk")
    )


def devices_made_from(lot: MaterialLot) -> QuerySet[Device]:
    """Every device that contains material of the lot, finished or not."""
    return Device.objects.filter(build_items__build__jobs__in=jobs_of_lot(lot)).distinct().order_by("pk")


def lot_trace(lot: MaterialLot) -> list[dict[str, Any]]:
    """Forward: each job with its build, printer, quantity and devices."""
    quantities: dict[int | None, Consumption] = {
        row.job_id: row for row in lot.consumptions.select_related("container").filter(job__isnull=False)
    }
    jobs = jobs_of_lot(lot).prefetch_related("build__items__device")
    return [
        {
            "job": job,
            "build": job.build,
            "printer": job.printer,
            "consumption": quantities.get(job.pk),
            "devices": [item.device for item in job.build.items.all()],
        }
        for job in jobs
    ]


def device_lots(device: Device) -> QuerySet[MaterialLot]:
    """Back: every lot that material of the device came from."""
    jobs = PrintJob.objects.filter(build__items__device=device, started_at__isnull=False)
    used = Q(consumptions__job__in=jobs) | Q(containers__jobs__in=jobs)
    return MaterialLot.objects.filter(used).select_related("material").distinct().order_by("pk")


def lots_due_to_expire() -> list[MaterialLot]:
    """Lots whose last day is over and that nobody has marked as expired yet."""
    today = timezone.localdate()
    open_states = ("quarantine", "released", "in_use", "on_hold")
    near = MaterialLot.objects.filter(state__in=open_states, expires_on__lt=today).order_by("pk")
    return [lot for lot in near if lot.last_day < today]


# Parameter sets and builds


def parameter_sets() -> QuerySet[ParameterSet]:
    return ParameterSet.objects.select_related("material").order_by("-pk")


def parameters_content(parameters: ParameterSet) -> dict[str, Any]:
    """What the approval of a parameter set is over."""
    return {
        "parameters": parameters.code,
        "name": parameters.name,
        "revision": parameters.revision,
        "printer_kind": parameters.printer_kind,
        "material": parameters.material.code,
        "values": parameters.values,
        "digest": parameters.digest,
    }


def builds() -> QuerySet[Build]:
    related = ("parameters", "material", "created_by", "verified_by", "preparation")
    return Build.objects.select_related(*related).prefetch_related("items__device", "jobs").order_by("-pk")


def items_content(build: Build) -> list[dict[str, Any]]:
    """The devices of a build with what each is made from and where it lies."""
    return [_item_content(item) for item in build.items.order_by("device_id")]


def _item_content(item: BuildItem) -> dict[str, Any]:
    return {
        "device": item.device_id,
        "design": item.design_id,
        "mesh": item.mesh_sha256,
        "transform": item.transform,
    }


@covered_by("printing.build")
def builds_with_other_items() -> Iterator[str]:
    """Ids of the builds whose items are not those of their `items_digest`."""
    content: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in BuildItem.objects.order_by("build_id", "device_id").iterator():
        content[item.build_id].append(_item_content(item))
    for key, written in Build.objects.order_by("pk").values_list("pk", "items_digest"):
        if digest_of(content[key]) != written:
            yield str(key)


def build_content(build: Build) -> dict[str, Any]:
    """What the verification of a build is over."""
    return {
        "build": build.code,
        "devices": [item.device.code for item in build.items.select_related("device").order_by("device_id")],
        "printer_kind": build.printer_kind,
        "parameters": build.parameters_digest,
        "material": build.material.code,
        "items": items_content(build),
        "file": build.file_id,
        "plate_digest": build.plate_digest,
        "layer_count": build.layer_count,
        "print_seconds": build.print_seconds,
        "material_ml": build.material_ml,
    }


def device_builds(device: Device) -> QuerySet[Build]:
    found = Build.objects.filter(items__device=device).select_related("material").order_by("-pk")
    return found.prefetch_related("jobs__printer")


def builds_at(*states: BuildState) -> QuerySet[Build]:
    return builds().filter(state__in=states).order_by("pk")


def devices_without_build() -> QuerySet[Device]:
    """Frozen devices that are in no open build, most urgent first."""
    frozen = Device.objects.filter(stage=Stage.DESIGN_FROZEN, held=False)
    return frozen.exclude(build_items__active=True).order_by("need_by", "pk")


def is_in_build(device_id: int, build_id: int) -> bool:
    """Whether the device is (still) to be made in this build."""
    return BuildItem.objects.filter(device_id=device_id, build_id=build_id, active=True).exists()


def stage_of(device_id: int) -> Stage:
    return Stage(Device.objects.values_list("stage", flat=True).get(pk=device_id))


# Jobs


def jobs() -> QuerySet[PrintJob]:
    related = ("build__parameters", "printer", "container__lot__material")
    return PrintJob.objects.select_related(*related).prefetch_related("build__items__device").order_by("-pk")


def job_holding(printer: Printer) -> PrintJob | None:
    """The job that a printer is claimed for: from the claim until a person has cleared the plate."""
    held = PrintJob.objects.filter(HOLDING, printer=printer)
    return held.select_related("build").first()


def open_command(printer: Printer) -> PrinterCommand | None:
    return PrinterCommand.objects.filter(printer=printer, state__in=OPEN_COMMANDS).first()


def jobs_at(*states: JobState) -> QuerySet[PrintJob]:
    return jobs().filter(state__in=states).order_by("pk")


def commands() -> QuerySet[PrinterCommand]:
    return PrinterCommand.objects.select_related("printer", "job").order_by("-pk")


def device_jobs(device: Device) -> QuerySet[PrintJob]:
    return jobs().filter(build__items__device=device)


# The fleet


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
