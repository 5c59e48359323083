"""Builds: frozen devices on one plate, sliced, verified by another person, scheduled, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devices.models import Device
from mes.choices import Meaning
from mes.compiled import by_key, by_keys
from mes.eventlog.base import Actor, Event, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput
from mes.lifecycle import ask_gates, refuse_blocked
from mes.locking import locked_rows
from mes.models import Signature
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from printing.choices import ENDED_JOBS, ParametersState
from printing.events import (
    BuildCancelled,
    BuildCompleted,
    BuildCreated,
    BuildFailed,
    BuildReopened,
    BuildVerified,
    DeviceBuildCancelled,
    DeviceBuildVerified,
    DevicePrintFailed,
    DevicePrintFinished,
)
from printing.lifecycle import BUILD
from printing.models import Build, BuildItem, ParameterSet, PrintJob
from printing.selectors.builds import build_content, items_content
from printing.services.moves import locked, move, person_of, write

MOST_DEVICES = 100
DISCARDED = "discarded after an interruption"


@unit_of_work
def create_build(*, device_ids: Sequence[int], printer_kind: str, parameters: int, actor: Actor) -> Build:
    """Put frozen devices on one plate (G-DES-02, G-BLD-02). A worker slices it at once.

    parameters: id of an approved parameter set for `printer_kind`; its material is the material of every device.
    """
    require(actor, "printing.create_build")
    chosen = _approved(parameters, printer_kind)
    devices = _locked_devices(device_ids)
    for device in devices:
        require(actor, "printing.create_build", device)
    refuse_blocked(ask_gates("build.create", tuple(devices), parameters=chosen, actor=actor))
    build = Build.objects.create(
        printer_kind=printer_kind,
        parameters=chosen,
        parameters_digest=chosen.digest,
        material_id=chosen.material_id,
        created_by_id=person_of(actor),
        items_digest="",
    )
    for device in devices:
        _add_item(build, device)
    write(build, items_digest=digest_of(items_content(build)))
    publish(build, BuildCreated(build_id=build.pk, device_ids=[d.pk for d in devices]), actor=actor)
    return build


def _approved(parameters: int, printer_kind: str) -> ParameterSet:
    chosen = by_key(ParameterSet, parameters)
    if chosen is None or chosen.printer_kind != printer_kind or chosen.state != ParametersState.APPROVED:
        raise InvalidInput(
            "This is not an approved parameter set for this kind of printer.",
            cure="Choose an approved one, or have it approved.",
            rule="G-BLD-01",
        )
    return chosen


_WHOLE = by_keys(lambda: Device.objects.select_related("order", "master", "material", "current_design"))


def _locked_devices(device_ids: Sequence[int]) -> list[Device]:
    keys = sorted(set(device_ids))
    if not 1 <= len(keys) <= MOST_DEVICES or len(keys) != len(device_ids):
        raise InvalidInput(f"A build holds 1 to {MOST_DEVICES} different devices.", cure="Choose them again.")
    devices = locked_rows(_WHOLE, keys)
    if len(devices) != len(keys):
        raise InvalidInput("Not every device exists.", cure="Look at the list again.")
    return devices


def _add_item(build: Build, device: Device) -> None:
    design = device.current_design
    if design is None or design.mesh_id is None:
        raise InvalidInput(f"{device.code} has no mesh.", cure="Have its design made first.", rule="G-DES-02")
    BuildItem.objects.create(build=build, device=device, design_id=design.pk, mesh_sha256=design.mesh_id)


@unit_of_work
def retry_preparation(*, build_id: int, actor: Actor, reason: str) -> None:
    """Slice a build again that could not be prepared."""
    build = locked(Build, build_id, what="build")
    require(actor, "printing.create_build", build)
    move(build, BUILD, "reopen", problems=[])
    publish(build, BuildReopened(build_id=build.pk), actor=actor, reason=reason)


@unit_of_work
def verify_build(*, build_id: int, actor: Actor, credentials: Credentials) -> Signature:
    """Verify the build file by signature (G-BLD-01, G-BLD-02, G-SOD-01). Its devices are queued by their events."""
    build = locked(Build, build_id, what="build")
    require(actor, "printing.verify_build", build)
    BUILD.row("verify", build.state)
    results = ask_gates("build.verify", build, actor=actor)
    refuse_blocked(results)
    signature = sign(
        subject=build,
        content=build_content(build),
        meaning=Meaning.VERIFIED,
        actor=actor,
        credentials=credentials,
    )
    move(build, BUILD, "verify", verified_by_id=actor.person_id, verify_signature=signature)
    verified = BuildVerified(
        build_id=build.pk, signature_id=signature.pk, gates=[result.as_payload() for result in results]
    )
    publish(build, verified, actor=actor)
    for device in devices_of(build):
        publish(device, DeviceBuildVerified(device_id=device.pk, build_id=build.pk), actor=actor)
    return signature


@unit_of_work
def cancel_build(*, build_id: int, actor: Actor, reason: str) -> None:
    """Give a build up before it is printed. A slicing that runs stops at its next layer."""
    build = locked(Build, build_id, what="build")
    require(actor, "printing.cancel_build", build)
    if not reason.strip():
        raise InvalidInput("Say why the build is given up.", rule="P11-10e")
    give_build_up(build, actor=actor, reason=reason)


def give_build_up(build: Build, *, actor: Actor, reason: str, **changes: Any) -> None:
    """Cancel a locked build and free its devices. Part of the calling unit. Raises TransitionRefused once it is scheduled."""
    devices = devices_of(build)
    move(build, BUILD, "cancel", **changes)
    _free_items(build)
    publish(build, BuildCancelled(build_id=build.pk), actor=actor, reason=reason)
    for device in devices:
        cancelled = DeviceBuildCancelled(device_id=device.pk, build_id=build.pk)
        publish(device, cancelled, actor=actor, reason=reason)


@unit_of_work
def decide_interruption(
    *, build_id: int, accept: bool, actor: Actor, credentials: Credentials, reason: str
) -> None:
    """Say by signature whether an interrupted build is as good as it was verified (G-PRT-01)."""
    build = locked(Build, build_id, what="build")
    require(actor, "printing.decide_interruption", build)
    if not reason.strip():
        raise InvalidInput("Say what was looked at.", rule="G-PRT-01")
    name = "accept" if accept else "discard"
    meaning = Meaning.APPROVED if accept else Meaning.REJECTED
    BUILD.row(name, build.state)
    job = _ended_job(build)
    if accept:
        refuse_blocked(ask_gates("build.accept", job, actor=actor))
    content = interruption_content(build, accept=accept, reason=reason)
    signature = sign(subject=build, content=content, meaning=meaning, actor=actor, credentials=credentials)
    move(build, BUILD, name, decision=reason)
    if accept:
        completed = BuildCompleted(build_id=build.pk, job_id=job.pk, gates=[], signature_id=signature.pk)
        publish(build, completed, actor=actor, reason=reason)
        tell_devices_finished(build, job, actor)
    else:
        failed = BuildFailed(build_id=build.pk, job_id=job.pk, signature_id=signature.pk)
        publish(build, failed, actor=actor, reason=reason)
        tell_devices_failed(build, job, DISCARDED, actor)


def interruption_content(build: Build, *, accept: bool, reason: str) -> dict[str, Any]:
    """What the decision about an interrupted build signs (ES-19): the build, its print, the decision and its reason."""
    return {**build_content(build), "job": _ended_job(build).code, "accept": accept, "reason": reason}


def _ended_job(build: Build) -> PrintJob:
    return PrintJob.objects.filter(build=build, state__in=ENDED_JOBS).latest("pk")


def devices_of(build: Build) -> list[Device]:
    return [item.device for item in build.items.select_related("device").order_by("device_id")]


def tell_devices_finished(build: Build, job: PrintJob, actor: Actor) -> None:
    """One fact for each device, on its own stream. Part of the calling unit."""
    for device in devices_of(build):
        fact: Event = DevicePrintFinished(device_id=device.pk, build_id=build.pk, job_id=job.pk)
        publish(device, fact, actor=actor)


def tell_devices_failed(build: Build, job: PrintJob, text: str, actor: Actor) -> None:
    for device in devices_of(build):
        fact = DevicePrintFailed(device_id=device.pk, build_id=build.pk, job_id=job.pk, text=text)
        publish(device, fact, actor=actor)
    _free_items(build)


def _free_items(build: Build) -> None:
    for item in BuildItem.objects.select_for_update().filter(build=build, active=True).order_by("pk"):
        write(item, active=False)
