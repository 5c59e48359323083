"""Jobs, and the commands that printers were given for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from devices.models import Device
from printing.choices import (
    ENDED_JOBS,
    OPEN_COMMANDS,
    BuildState,
    JobState,
)
from printing.models import (
    HOLDING,
    Build,
    Container,
    Printer,
    PrinterCommand,
    PrintJob,
)

DECIDED_BY_PEOPLE = {
    JobState.PAUSED: "A decision: its print stands still",
    JobState.UNCERTAIN: "Somebody looks at the printer: nobody knows how its print ended",
}


@dataclass(frozen=True)
class Placement:
    """What the gates of "job.dispatch" and "job.start" look at: this build on this printer with what is loaded.

    command: the start that waits to be sent, where they are asked again before it is.
    """

    build: Build
    printer: Printer
    container: Container | None
    job: PrintJob | None
    command: PrinterCommand | None = None


def placement(
    build: Build, printer: Printer, job: PrintJob | None = None, command: PrinterCommand | None = None
) -> Placement:
    """Read what is loaded now, for the gates."""
    loaded = Container.objects.select_related("lot__material").filter(printer=printer)
    return Placement(build, printer, loaded.first(), job, command)


def jobs() -> QuerySet[PrintJob]:
    related = ("build__parameters", "printer", "container__lot__material")
    return PrintJob.objects.select_related(*related).prefetch_related("build__items__device").order_by("-pk")


def job_holding(printer: Printer) -> PrintJob | None:
    """The job that a printer is claimed for: from the claim until a person has cleared the plate."""
    held = PrintJob.objects.filter(HOLDING, printer=printer)
    return held.select_related("build").first()


def open_command(printer: Printer) -> PrinterCommand | None:
    return PrinterCommand.objects.filter(printer=printer, state__in=OPEN_COMMANDS).first()


def stands_as_finished(job: PrintJob) -> bool:
    """Whether a print counts as finished and its machine was not heard to say otherwise since (G-PRT-01)."""
    return job.state == JobState.FINISHED and not any(stop.get("afterwards") for stop in job.interruptions)


def jobs_at(*states: JobState) -> QuerySet[PrintJob]:
    return jobs().filter(state__in=states).order_by("pk")


def commands() -> QuerySet[PrinterCommand]:
    return PrinterCommand.objects.select_related("printer", "job").order_by("-pk")


def device_jobs(device: Device) -> QuerySet[PrintJob]:
    return jobs().filter(build__items__device=device)


def decisions_about(devices: Iterable[int]) -> dict[int, str]:
    """What a person has to decide about the prints of these devices, in words, by device. Printers decide nothing."""
    waiting = Q(build__state=BuildState.INTERRUPTED, state__in=ENDED_JOBS) | Q(state__in=DECIDED_BY_PEOPLE)
    found = PrintJob.objects.filter(waiting, build__items__device__in=list(devices)).order_by("pk")
    return {
        device: DECIDED_BY_PEOPLE.get(JobState(state), "A decision about its interrupted print")
        for device, state in found.values_list("build__items__device", "state")
    }
