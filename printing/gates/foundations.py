"""What a part stands on from its build to its print: every signature stands at every step after them (G-SIG-01)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from devices.lifecycle import MAKING_STEPS
from devices.models import Device
from devices.services.foundations import CURE, foundations_of_design
from mes.compiled import by_key
from mes.foundations import Foundation, standing_on
from mes.lifecycle import Verdict, gate
from printing.choices import BuildState
from printing.gates.base import DISPATCH, RESUME, START, devices_on
from printing.models import Build, MaterialLot, PrintJob, QualifiedTriple
from printing.selectors.jobs import Placement
from printing.selectors.qualification import qualification_signatures

GIVEN_UP = (BuildState.FAILED, BuildState.CANCELLED)


@gate("G-SIG-01", "build.create", "build.verify", DISPATCH, START, RESUME)
def parts_stand(subject: Sequence[Device] | Build | Placement, **_: Any) -> Verdict:
    """Everything that was signed for the parts on the plate, from their orders to their designs, stands."""
    build = subject.build if isinstance(subject, Placement) else subject
    devices = devices_on(build) if isinstance(build, Build) else build
    laid = [
        Foundation(f"{device.code}: {one.what}", one.signature_id)
        for device in devices
        for one in foundations_of_design(device)
    ]
    return standing_on(laid, cure=CURE)


@gate("G-SIG-01", *MAKING_STEPS, "device.release")
def print_stands(device: Device, **_: Any) -> Verdict:
    """The plate's verification, the parameter set, the printer's qualification and the lots of its prints all stand."""
    return standing_on(
        foundations_of_print(device), cure="A part that was made is for a nonconformance; print it again."
    )


def foundations_of_print(device: Device) -> Iterator[Foundation]:
    """What was signed for the builds that made the device, as it was when they were printed."""
    builds = Build.objects.filter(items__device=device, verify_signature__isnull=False)
    for build in builds.exclude(state__in=GIVEN_UP).select_related("parameters").order_by("pk"):
        yield Foundation(f"verification of {build.code}", build.verify_signature_id)
        yield Foundation(f"approval of {build.parameters}", build.parameters.signature_id)
        for job in build.jobs.exclude(machine={}).select_related("printer").order_by("pk"):
            yield from _of_machine(job)
    lots = MaterialLot.objects.filter(consumptions__job__build__items__device=device).distinct()
    for lot in lots.order_by("pk"):
        yield Foundation(f"release of {lot.code}", lot.release_signature_id)


def _of_machine(job: PrintJob) -> Iterator[Foundation]:
    """The qualification that the job was started on, with the steps that came before it."""
    triple = by_key(QualifiedTriple, job.machine["qualification"])
    yield Foundation(f"qualification of {job.printer.code}", triple.signature_id if triple else None)
    if triple is not None:
        for step, signature in qualification_signatures(job.printer, until=triple.signature_id).items():
            yield Foundation(f"{step} of {job.printer.code}", signature.pk)
