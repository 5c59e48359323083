"""From the frozen design to the release: the second half of the story."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from django.utils import timezone

from devices.choices import Stage
from devices.mesh.io import read_mesh, write_stl
from mes.demo.case import Case
from mes.demo.people import actor, typed
from mes.demo.plant import KIND, a_printer_waits, usable_parameters
from mes.demo.scan import simulate_scan
from mes.demo.teller import Teller
from mes.services.artefacts import intact_path
from printing.choices import BuildState, CommandKind, CommandState, JobState
from printing.models import Build, PrintJob
from printing.services.builds import create_build, verify_build
from printing.services.commands import settle_command
from printing.services.jobs import confirm_plate_clear, dispatch_build, start_job
from quality.catalog.routing import read_routing
from quality.models import Gauge, Inspection, Report
from quality.selectors.making import next_step
from quality.services.inspection import sign_inspection
from quality.services.postprocessing import record_post_process_step
from quality.services.release import release_device, review_record
from quality.services.scans import receive_scan

MEASURED = {
    "wash": {"concentration_percent": 99.0},
    "cure": {"temperature_c": 60.0},
}
LASTED_S = {"wash": 2.0, "cure": 3.0}
"""The training master lets a step of seconds pass, and the demo takes these: its record tells times that were."""
HELD_SHARE = 0.01
FAILED_JOBS = (JobState.FAILED, JobState.CANCELLED)


def slice_build(teller: Teller, case: Case) -> Build:
    """Step 5: the plate is cut into layers by a worker and verified by a second person."""
    parameters = teller.steadily(usable_parameters)
    with teller.timed("slicing"):
        build = teller.once(
            "A build is made of the frozen device.",
            lambda: create_build(
                device_ids=[case.device.pk],
                printer_kind=KIND,
                parameters=parameters.pk,
                actor=actor("builder"),
            ),
            found=lambda: Build.objects.filter(items__device=case.device).first(),
        )
        build = teller.wait(
            "It is cut into layers.",
            lambda: Build.objects.filter(pk=build.pk, state=BuildState.PREPARED).first(),
            broken=lambda: "; ".join(problem["text"] for problem in Build.objects.get(pk=build.pk).problems),
        )
    teller.say(
        f"   {build.layer_count} layers, {build.material_ml:.1f} mL of resin, {(build.print_seconds or 0) / 60:.0f} min on a real machine"
    )
    teller.act(
        "The build is verified by somebody who did not make it.",
        lambda: verify_build(build_id=build.pk, actor=actor("builder2"), credentials=typed("builder2")),
        unless=lambda: Build.objects.get(pk=build.pk).state != BuildState.PREPARED,
    )
    teller.wait("The device is queued.", _at(case, Stage.QUEUED))
    return build


def print_build(teller: Teller, case: Case, build: Build) -> None:
    """Step 7: a qualified idle printer is claimed, prints, and waits until a person has cleared its plate."""
    with teller.timed("printing"):
        teller.wait("A qualified printer is idle.", a_printer_waits)
        job = teller.once(
            "The build is dispatched: a printer is claimed for it.",
            lambda: dispatch_build(build_id=build.pk, actor=actor("operator")),
            found=lambda: PrintJob.objects.select_related("printer").filter(build=build).first(),
        )
        teller.act(
            f"The operator starts the print on {job.printer.name}.",
            lambda: start_job(job_id=job.pk, actor=actor("operator")),
            unless=lambda: PrintJob.objects.get(pk=job.pk).state != JobState.CLAIMED,
        )
        done = teller.wait(
            "The print is finished.",
            lambda: finished(teller, job.pk),
            broken=lambda: (
                PrintJob.objects.filter(pk=job.pk, state__in=FAILED_JOBS)
                .values_list("reason", flat=True)
                .first()
                or ""
            ),
        )
    teller.say(f"   {done.layers_done} layers on {done.printer.name}")
    teller.act(
        "The operator takes the part off and confirms that the plate is clear.",
        lambda: confirm_plate_clear(printer_id=job.printer_id, actor=actor("operator")),
        unless=lambda: PrintJob.objects.get(pk=job.pk).plate_cleared_at,
    )
    teller.wait("The device is built.", _at(case, Stage.BUILT, Stage.POST_PROCESSING))


def finished(teller: Teller, job_id: int) -> PrintJob | None:
    """The job, once its print has ended well. Where a process died while it told the machine to start, the operator decides.

    Lamina never repeats a command by itself: the machine is read back, and a person says whether the start happened.
    """
    job = PrintJob.objects.select_related("printer").get(pk=job_id)
    if job.state == JobState.UNCERTAIN:
        _settle(teller, job)
    elif job.state == JobState.CLAIMED and job.commands.filter(kind=CommandKind.START).exists():
        start_job(job_id=job.pk, actor=actor("operator"))
        teller.say(f"The operator starts the print on {job.printer.name} again.")
    return job if job.state == JobState.FINISHED else None


def _settle(teller: Teller, job: PrintJob) -> None:
    command = job.commands.filter(kind=CommandKind.START, state=CommandState.UNCERTAIN).first()
    if command is None or not command.evidence:
        return
    happened = command.evidence["run"] == str(job.claim)
    seen = "it runs our print" if happened else "it stands idle"
    settle_command(command_id=command.pk, happened=happened, actor=actor("operator"), reason=seen)
    teller.say(f"Whether {job.printer.name} was started is uncertain. The operator looks: {seen}.")


def finish(teller: Teller, case: Case) -> None:
    """Step 8: wash and cure, each with what was measured and the times that it took."""
    teller.wait("Post-processing begins.", _at(case, Stage.POST_PROCESSING))
    for step, values in MEASURED.items():
        started = timezone.now()
        time.sleep(LASTED_S[step])
        ended = timezone.now()
        record = partial(
            record_post_process_step,
            device_id=case.device.pk,
            step=step,
            values=values,
            started_at=started,
            ended_at=ended,
            actor=actor("finisher"),
            credentials=typed("finisher"),
        )
        said = f"{step.capitalize()}: recorded within its limits."
        teller.act(said, record, unless=partial(_recorded, case, step))
    teller.wait("The device waits for its inspection.", _at(case, Stage.AWAITING_INSPECTION))


def _recorded(case: Case, step: str) -> bool:
    device = case.refresh()
    open_step = next_step(device, read_routing(device.master.routing))
    return open_step is None or open_step.code != step


def inspect(teller: Teller, case: Case) -> None:
    """Step 9: a scan of the part is compared with the approved surface, and an inspector signs what was measured."""
    with teller.timed("inspection"):
        inspection = teller.once(
            "A scan of the part is handed in, with the scanner that it came from.",
            lambda: receive_scan(
                device_id=case.device.pk,
                upload=_scan(case),
                gauge_id=Gauge.objects.values_list("pk", flat=True).first(),
                actor=actor("inspector"),
            ),
            found=lambda: case.device.inspections.order_by("-pk").first(),
        )
        measured = teller.wait(
            "The scan is registered to the approved surface and compared.",
            lambda: (
                Inspection.objects.select_related("measurement")
                .filter(pk=inspection.pk, measurement__isnull=False)
                .first()
            ),
        ).measurement
    figures = measured.figures
    teller.say(
        f"   mean {figures['mean_mm']:+.3f}, RMS {figures['rms_mm']:.3f}, 95 % within {figures['p95_mm']:.3f}, "
        f"at most {figures['maximum_mm']:.3f} mm; {figures['share_in_tolerance']:.1%} in tolerance"
    )
    teller.act(
        "The inspector, who did not make it, signs: passed.",
        lambda: sign_inspection(
            inspection_id=inspection.pk, actor=actor("inspector"), credentials=typed("inspector")
        ),
        unless=lambda: hasattr(Inspection.objects.get(pk=inspection.pk), "verdict"),
    )


def _scan(case: Case) -> bytes:
    """What the demo's scanner sends: the printed geometry with known noise and pose (`mes.demo.scan`).

    The holder grips the pad where it is furthest from the tubes, so that what it hides is nothing that is judged by itself.
    """
    design = case.refresh().current_design
    if design is None or design.mesh_id is None:
        raise LookupError("there is no approved mesh")
    mesh = read_mesh(intact_path(design.mesh_id))
    tubes = np.array([feature["position_mm"] for feature in design.features])
    nearest = np.linalg.norm(mesh.vertices[:, None] - tubes[None], axis=2).min(axis=1)
    x, y, z = (float(value) for value in mesh.vertices[np.argmax(nearest)])
    scan = simulate_scan(mesh, seed=case.device.pk, dropout_share=HELD_SHARE, held_at_mm=(x, y, z))
    return write_stl(scan.mesh)


def release(teller: Teller, case: Case) -> Report:
    """Step 10: the record is reviewed, the device released by somebody who took no part in making it, the record written."""
    teller.wait("Nothing is missing: the record is ready for review.", _at(case, Stage.READY_FOR_REVIEW))
    teller.act(
        "The audit trail is read and signed.",
        lambda: review_record(
            device_id=case.device.pk, actor=actor("reviewer"), credentials=typed("reviewer")
        ),
        unless=_at(case, Stage.REVIEWED, Stage.RELEASED),
    )
    teller.act(
        "RELEASED, by a signature over the whole checklist.",
        lambda: release_device(
            device_id=case.device.pk, actor=actor("releaser"), credentials=typed("releaser")
        ),
        unless=_at(case, Stage.RELEASED),
    )
    return teller.wait("The production record is written.", lambda: case.device.reports.first())


def _at(case: Case, *stages: Stage) -> Callable[[], bool]:
    return lambda: case.refresh().stage in stages
