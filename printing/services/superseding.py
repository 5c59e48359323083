"""What was planned and may not be printed any more: builds of a voided design (G-BLD-01), claims whose approval was withdrawn, and
starts of what was held before they were sent (G-NC-01)."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from devices.models import Design, Device
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict
from mes.permissions import require
from printing.choices import BuildState, CommandState
from printing.events import DeviceBuildOutdated
from printing.models import Build, PrinterCommand, PrintJob
from printing.services.builds import give_build_up
from printing.services.commands import GOES, locked_command, locked_job, withdraw
from printing.services.jobs import withdraw_job
from printing.services.moves import locked
from printing.services.standing import open_builds_of, open_job_of

BEFORE_CLAIM = (BuildState.DRAFT, BuildState.UNPREPARED, BuildState.PREPARED, BuildState.VERIFIED)
STARTS_OF = {
    "printer": "printer_id",
    "lot": "job__container__lot_id",
    "device": "job__build__items__device_id",
}


@unit_of_work
def supersede_builds(*, device_id: int, design_id: int, actor: Actor) -> None:
    """Give up every open build that holds this design of the device.

    A claim that was not sent to its machine is withdrawn. What the machine may be printing already is only marked, by a
    fact on the device's stream: a nonconformance decides about the part.
    """
    require(actor, "printing.supersede_build")
    for build_id in open_builds_of(device_id, design_id):
        _supersede(build_id, device_id, design_id, actor)


@unit_of_work
def withdraw_claims(*, signature_id: int, actor: Actor) -> None:
    """Free the printers that wait for what a withdrawn signature approved: a design (G-DES-02) or a build (G-SIG-01).

    What the machine may know already goes on: the steps after it are refused.
    """
    require(actor, "printing.supersede_build")
    designs = Design.objects.filter(approval_id=signature_id).values("pk")
    approved = Q(items__design_id__in=designs) | Q(verify_signature_id=signature_id)
    builds = Build.objects.filter(approved, state=BuildState.SCHEDULED).distinct()
    for build_id in builds.order_by("pk").values_list("pk", flat=True):
        build, job = _locked_with_job(build_id)
        if job:
            withdraw_job(job, actor, f"A signature that {build.code} stands on was withdrawn.")


@unit_of_work
def withdraw_starts(*, of: str, key: int, held_at: datetime, reason: str, actor: Actor) -> None:
    """Take back every start and resumption that was requested, and not sent, before its "printer", "lot" or "device" was held
    (G-NC-01). Its job keeps the printer, and a person lets it go once the hold is over."""
    require(actor, "printing.supersede_build")
    starts = PrinterCommand.objects.filter(
        kind__in=GOES,
        state=CommandState.REQUESTED,
        requested_at__lte=held_at,
        **{STARTS_OF[of]: key},
    )
    for command_id in starts.order_by("pk").values_list("pk", flat=True):
        command = locked_command(command_id)
        if command.state == CommandState.REQUESTED:
            withdraw(command, actor, f"The {of} was held before it was sent: {reason}")


def _supersede(build_id: int, device_id: int, design_id: int, actor: Actor) -> None:
    device = Device.objects.get(pk=device_id)
    reason = f"The design of {device.code} that it was made from was voided."
    build, job = _locked_with_job(build_id)
    if job and withdraw_job(job, actor, reason):
        build = job.build
    if build.state in BEFORE_CLAIM:
        cure = "Make a new build once its new design is approved."
        problems = [{"text": reason, "cure": cure, "rule": "G-BLD-01"}]
        give_build_up(build, actor=actor, reason=reason, problems=problems)
    elif build.state in (BuildState.SCHEDULED, BuildState.STARTED, BuildState.INTERRUPTED):
        outdated = DeviceBuildOutdated(device_id=device_id, build_id=build.pk, design_id=design_id)
        publish(device, outdated, actor=actor, reason=reason)


def _locked_with_job(build_id: int) -> tuple[Build, PrintJob | None]:
    """The build and its open job, the job locked first as everywhere. Raises Conflict where it was claimed meanwhile."""
    found = open_job_of(build_id)
    if found is not None:
        job = locked_job(found)
        return job.build, job
    build = locked(Build, build_id, what="build")
    if build.state in (BuildState.SCHEDULED, BuildState.STARTED):
        raise Conflict(f"{build.code} was claimed meanwhile.", cure="It is tried again.")
    return build, None
