"""Jobs, and the commands that printers were given for them."""

from __future__ import annotations

from django.db.models import QuerySet

from devices.models import Device
from printing.choices import (
    OPEN_COMMANDS,
    JobState,
)
from printing.models import (
    HOLDING,
    Printer,
    PrinterCommand,
    PrintJob,
)


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
