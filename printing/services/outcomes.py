"""What becomes of a job, and with it of its build, its devices, its material and its printer. Parts of other units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import publish
from mes.lifecycle import ask_gates
from printing.choices import BuildState, CommandKind, ConsumptionBasis, JobState, Run
from printing.events import (
    BuildCompleted,
    BuildFailed,
    BuildInterrupted,
    BuildStarted,
    DevicePrintContradicted,
    DevicePrintStarted,
    JobCancelled,
    JobContradicted,
    JobFailed,
    JobFinished,
    JobPaused,
    JobResumed,
    JobStarted,
    JobUncertain,
)
from printing.lifecycle import BUILD, JOB
from printing.models import PrintJob
from printing.services.builds import devices_of, tell_devices_failed, tell_devices_finished
from printing.services.commands import note
from printing.services.consumption import consume
from printing.services.moves import move, write


@dataclass(frozen=True)
class Ending:
    """How a print ended. `layers` and `material_ml` are what the machine reports, None where it does not; `late`: seen only
    afterwards.

    ended_at: by what the machine says, None where it does not say; outage: the entry of the job's `gaps` of a late end.
    """

    state: JobState
    layers: int | None
    material_ml: float | None
    text: str
    late: bool
    ended_at: datetime | None = None
    outage: Mapping[str, Any] | None = None


def run_job(job: PrintJob, file_digest: str, actor: Actor, *, started_at: datetime | None = None) -> None:
    """The machine prints our run. The first time, the build starts and each device is told.

    started_at: by what the machine says. Where it does not say, the print started when its command was sent: what an
    observer saw last may be hours later.
    """
    first = job.started_at is None
    changes: dict[str, Any] = {"started_at": _start_of(job, started_at)} if first else {}
    move(job, JOB, "run", file_digest_seen=file_digest, **changes)
    started = JobStarted(job_id=job.pk, build_id=job.build_id, file_digest=file_digest)
    publish(job, started, actor=actor)
    if first:
        _start_build(job, actor)
    note(job, actor)


def _start_of(job: PrintJob, said: datetime | None) -> datetime:
    """Never before the start was sent, never after now, whatever the machine's clock says."""
    now = timezone.now()
    command = job.commands.filter(kind=CommandKind.START, sent_at__isnull=False).order_by("pk").last()
    sent = command.sent_at if command and command.sent_at else None
    found = said or sent or now
    return min(max(found, sent or found), now)


def _end_of(job: PrintJob, said: datetime | None) -> datetime:
    """Never before the start, never after now, whatever the machine's clock says."""
    now = timezone.now()
    found = said or now
    return min(max(found, job.started_at or found), now)


def _start_build(job: PrintJob, actor: Actor) -> None:
    write(job.printer, clearance_needed=f"{job.code} was started on it")
    move(job.build, BUILD, "start")
    publish(job.build, BuildStarted(build_id=job.build_id, job_id=job.pk), actor=actor)
    for device in devices_of(job.build):
        fact = DevicePrintStarted(device_id=device.pk, build_id=job.build_id, job_id=job.pk)
        publish(device, fact, actor=actor)


def interrupt(
    job: PrintJob, text: str, *, layer: int | None = None, by_machine: bool = True
) -> dict[str, Any]:
    """An entry of `interruptions`: decided where a person asked for it, open where the machine did it."""
    return {
        "since": plain(timezone.now()),
        "until": None,
        "layer": job.layers_done if layer is None else layer,
        "text": text,
        "by_machine": by_machine,
        "decided": not by_machine,
    }


def over(stops: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Interruptions none of which lasts any more."""
    return [{**stop, "until": stop["until"] or plain(timezone.now())} for stop in stops]


def pause_seen(job: PrintJob, layer: int, *, asked: bool, text: str, actor: Actor) -> None:
    stop = interrupt(job, text, layer=layer, by_machine=not asked)
    move(job, JOB, "pause", layers_done=layer, interruptions=[*job.interruptions, stop])
    publish(job, JobPaused(job_id=job.pk, layer=layer, by_machine=not asked, text=text), actor=actor)
    note(job, actor)


def resume_seen(job: PrintJob, layer: int, *, asked: bool, actor: Actor) -> None:
    move(job, JOB, "resume", layers_done=layer, interruptions=over(job.interruptions))
    publish(job, JobResumed(job_id=job.pk, layer=layer, by_machine=not asked), actor=actor)
    note(job, actor)


def lose_job(job: PrintJob, text: str, actor: Actor) -> None:
    """Nobody can say from here what became of it. It stays so until a person has looked."""
    move(job, JOB, "lose", reason=text)
    publish(job, JobUncertain(job_id=job.pk, build_id=job.build_id, text=text), actor=actor)
    note(job, actor)


def end_job(job: PrintJob, ending: Ending, actor: Actor) -> None:
    """The print is over: material is booked, the plate waits for a person, and the build completes, waits or fails."""
    name = {JobState.FINISHED: "finish", JobState.FAILED: "fail", JobState.CANCELLED: "cancel"}[ending.state]
    finished = ending.state == JobState.FINISHED
    move(
        job,
        JOB,
        name,
        layers_done=job.layers_done if ending.layers is None else ending.layers,
        ended_at=_end_of(job, ending.ended_at),
        reason=ending.text,
        observed_late=ending.late,
        gaps=_with_outage(job, ending.outage),
    )
    _publish_ending(job, ending, actor)
    if job.started_at is not None:
        _book_material(job, ending, actor)
        write(job.printer, clearance_needed=f"{job.code} ended on it")
    if job.build.state == BuildState.STARTED:
        _end_build(job, ending, finished, actor)
    note(job, actor)


def contradict_job(job: PrintJob, run: Run, layer: int, actor: Actor) -> None:
    """A machine says of a print that stands as finished that it is not. What it said is kept with the job, once, and each
    device is told: its part is for quality, whatever was decided about it (G-PRT-01)."""
    text = f"the machine said afterwards that the print is {run.label}, at layer {layer}"
    stop = interrupt(job, text, layer=layer) | {"afterwards": True}
    write(job, interruptions=over([*job.interruptions, stop]))
    contradicted = JobContradicted(
        job_id=job.pk, build_id=job.build_id, run=run.value, layer=layer, text=text
    )
    publish(job, contradicted, actor=actor)
    for device in devices_of(job.build):
        fact = DevicePrintContradicted(device_id=device.pk, build_id=job.build_id, job_id=job.pk, text=text)
        publish(device, fact, actor=actor)
    note(job, actor)


def _with_outage(job: PrintJob, outage: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = job.gaps
    if outage is None or any(gap["since"] == outage["since"] for gap in known):
        return known
    return [*known, dict(outage)]


def _publish_ending(job: PrintJob, ending: Ending, actor: Actor) -> None:
    facts = {"job_id": job.pk, "build_id": job.build_id, "layers": job.layers_done}
    if ending.state == JobState.FINISHED:
        publish(job, JobFinished(**facts, observed_late=ending.late), actor=actor)
    elif ending.state == JobState.FAILED:
        publish(job, JobFailed(**facts, text=ending.text), actor=actor)
    else:
        publish(job, JobCancelled(**facts), actor=actor, reason=ending.text)


def _book_material(job: PrintJob, ending: Ending, actor: Actor) -> None:
    """What the machine says it used; else the share of the estimate that the layers have by area, all of them where it
    finished and nobody counted."""
    if ending.material_ml:
        consume(job=job, millilitres=ending.material_ml, basis=ConsumptionBasis.REPORTED, actor=actor)
        return
    areas = job.build.areas_mm2
    uncounted = ending.state == JobState.FINISHED and not ending.layers
    share = 1.0 if uncounted or not sum(areas) > 0 else sum(areas[: job.layers_done]) / sum(areas)
    estimate = (job.build.material_ml or 0.0) * share
    consume(job=job, millilitres=estimate, basis=ConsumptionBasis.ESTIMATED, actor=actor)


def _end_build(job: PrintJob, ending: Ending, finished: bool, actor: Actor) -> None:
    build = job.build
    if not finished:
        move(build, BUILD, "fail")
        failed = BuildFailed(build_id=build.pk, job_id=job.pk, signature_id=None)
        publish(build, failed, actor=actor, reason=ending.text)
        tell_devices_failed(build, job, ending.text, actor)
        return
    results = ask_gates("build.complete", job)
    gates = [result.as_payload() for result in results]
    if all(result.passed for result in results):
        move(build, BUILD, "complete")
        completed = BuildCompleted(build_id=build.pk, job_id=job.pk, gates=gates, signature_id=None)
        publish(build, completed, actor=actor)
        tell_devices_finished(build, job, actor)
    else:
        move(build, BUILD, "interrupt")
        publish(build, BuildInterrupted(build_id=build.pk, job_id=job.pk, gates=gates), actor=actor)
