"""What printing shows on a device's page, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from django.db.models import QuerySet
from django.http import HttpRequest

from devices.models import Device
from mes.choices import Role
from mes.panels import WORKLISTS, PanelContent, Task, panel
from printing.choices import BuildState, CommandState, JobState, LotState
from printing.models import Build
from printing.selectors import (
    builds_at,
    commands,
    device_builds,
    device_lots,
    devices_without_build,
    jobs_at,
    lots_at,
    plates_to_clear,
)


@panel("printing.builds", page="device", title="Printing", order=40)
def builds_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    """The builds of a device with their jobs, and every lot that went into it."""
    builds = list(device_builds(device))
    if not builds:
        return None
    context = {"device": device, "builds": builds, "lots": list(device_lots(device))}
    return PanelContent("printing/panels/builds.html", context)


def _of_builds(builds: QuerySet[Build], title: str, *roles: Role) -> Iterator[Task]:
    for build in builds:
        yield Task(title, build.code, f"/builds/{build.code}/", frozenset(roles), _need_by(build))


def _need_by(build: Build) -> date | None:
    """The most urgent device decides."""
    return min((item.device.need_by for item in build.items.all()), default=None)


@WORKLISTS.register("printing.release_lot")
def lots_to_release() -> Iterator[Task]:
    for lot in lots_at(LotState.QUARANTINE):
        yield Task("Review the certificate", lot.code, f"/lots/{lot.code}/", frozenset({Role.QCM}))


@WORKLISTS.register("printing.create_build")
def devices_to_build() -> Iterator[Task]:
    for device in devices_without_build():
        yield Task(
            "Put it in a build",
            device.code,
            f"/devices/{device.code}/",
            frozenset({Role.BLD}),
            device.need_by,
        )


@WORKLISTS.register("printing.mend_build")
def builds_to_mend() -> Iterator[Task]:
    return _of_builds(builds_at(BuildState.UNPREPARED), "Mend the build", Role.BLD)


@WORKLISTS.register("printing.verify_build")
def builds_to_verify() -> Iterator[Task]:
    return _of_builds(builds_at(BuildState.PREPARED), "Verify the build", Role.BLD, Role.QCM)


@WORKLISTS.register("printing.dispatch_build")
def builds_to_dispatch() -> Iterator[Task]:
    return _of_builds(builds_at(BuildState.VERIFIED), "Dispatch the build", Role.BLD, Role.OPR)


@WORKLISTS.register("printing.decide_interruption")
def builds_to_decide() -> Iterator[Task]:
    return _of_builds(builds_at(BuildState.INTERRUPTED), "Decide about the interruption", Role.QAR)


@WORKLISTS.register("printing.operate")
def jobs_to_operate() -> Iterator[Task]:
    titles = {
        JobState.CLAIMED: "Start the print",
        JobState.PAUSED: "Decide: resume or cancel",
        JobState.UNCERTAIN: "Look at the machine, then settle the print",
    }
    for job in jobs_at(*titles):
        title, url = titles[JobState(job.state)], f"/printers/{job.printer.code}/"
        yield Task(title, job.code, url, frozenset({Role.OPR}), _need_by(job.build))


@WORKLISTS.register("printing.settle_command")
def commands_to_settle() -> Iterator[Task]:
    for command in commands().filter(state=CommandState.UNCERTAIN):
        url = f"/printers/{command.printer.code}/"
        title = f"Say whether the {command.get_kind_display()} happened"
        yield Task(title, command.printer.code, url, frozenset({Role.OPR}))


@WORKLISTS.register("printing.clear_plate")
def plates_waiting() -> Iterator[Task]:
    for printer in plates_to_clear():
        yield Task("Clear the plate", printer.code, f"/printers/{printer.code}/", frozenset({Role.OPR}))
