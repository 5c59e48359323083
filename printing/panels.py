"""What printing shows on a device's page, and what waits for whom."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from devices.models import Device
from mes.choices import Role
from mes.panels import PanelContent, panel, worklist
from printing.choices import BuildState, CommandState, JobState, LotState
from printing.models import Build, BuildItem, MaterialLot, Printer, PrinterCommand, PrintJob
from printing.selectors.builds import builds_at, device_builds, devices_without_build
from printing.selectors.fleet import plates_to_clear
from printing.selectors.jobs import commands, jobs_at
from printing.selectors.material import device_lots, lots_at


@panel("printing.builds", page="device", title="Printing", order=40)
def builds_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    """The builds of a device with their jobs, and every lot that went into it."""
    builds = list(device_builds(device))
    if not builds:
        return None
    context = {"device": device, "builds": builds, "lots": list(device_lots(device))}
    return PanelContent("printing/panels/builds.html", context)


def _most_urgent(build: str) -> Subquery:
    """The most urgent device of a build decides."""
    items = BuildItem.objects.filter(build=OuterRef(build)).order_by("device__need_by")
    return Subquery(items.values("device__need_by")[:1])


def _of_its_printer(row: PrintJob | PrinterCommand) -> tuple[str, str]:
    code = row.code if isinstance(row, PrintJob) else row.printer.code
    return code, f"/printers/{row.printer.code}/"


@worklist("printing.release_lot", "Review the certificate", Role.QCM)
def lots_to_release() -> QuerySet[MaterialLot]:
    return lots_at(LotState.QUARANTINE)


@worklist("printing.create_build", "Put it in a build", Role.BLD, need_by="need_by")
def devices_to_build() -> QuerySet[Device]:
    return devices_without_build()


@worklist("printing.mend_build", "Mend the build", Role.BLD, need_by=_most_urgent("pk"))
def builds_to_mend() -> QuerySet[Build]:
    return builds_at(BuildState.UNPREPARED)


@worklist("printing.verify_build", "Verify the build", Role.BLD, Role.QCM, need_by=_most_urgent("pk"))
def builds_to_verify() -> QuerySet[Build]:
    return builds_at(BuildState.PREPARED)


@worklist("printing.dispatch_build", "Dispatch the build", Role.BLD, Role.OPR, need_by=_most_urgent("pk"))
def builds_to_dispatch() -> QuerySet[Build]:
    return builds_at(BuildState.VERIFIED)


@worklist(
    "printing.decide_interruption", "Decide about the interruption", Role.QAR, need_by=_most_urgent("pk")
)
def builds_to_decide() -> QuerySet[Build]:
    return builds_at(BuildState.INTERRUPTED)


TO_OPERATE = {
    JobState.CLAIMED: "Start the print",
    JobState.PAUSED: "Decide: resume or cancel",
    JobState.UNCERTAIN: "Look at the machine, then settle the print",
}


@worklist(
    "printing.operate",
    lambda job: TO_OPERATE[JobState(job.state)],
    Role.OPR,
    need_by=_most_urgent("build"),
    shown=_of_its_printer,
)
def jobs_to_operate() -> QuerySet[PrintJob]:
    return jobs_at(*TO_OPERATE)


@worklist(
    "printing.settle_command",
    lambda command: f"Say whether the {command.get_kind_display()} happened",
    Role.OPR,
    shown=_of_its_printer,
)
def commands_to_settle() -> QuerySet[PrinterCommand]:
    return commands().filter(state=CommandState.UNCERTAIN)


@worklist("printing.clear_plate", "Clear the plate", Role.OPR)
def plates_waiting() -> QuerySet[Printer]:
    return plates_to_clear()
