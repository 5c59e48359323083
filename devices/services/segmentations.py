"""Segmentations: started by rule or by a person, recorded by the tool, approved by a clinical reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.choices import SegmentationStatus, Stage, StudyStatus
from devices.events import (
    Reasons,
    SegmentationApproved,
    SegmentationFailed,
    SegmentationIgnored,
    SegmentationRecorded,
    SegmentationRefused,
    SegmentationRejected,
    SegmentationRequested,
    SegmentationSetAside,
)
from devices.models import Device, DeviceMaster, Segmentation, Study
from devices.selectors.history import (
    given_up_before,
    newest_segmentation_request,
    segmentation_recorded_since,
    segmentation_underway,
)
from devices.selectors.sources import is_scan
from devices.services.lifecycle import CHANGEABLE, locked_device, record_progress, refuse_held, refuse_made
from devices.services.voiding import void_design_work
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason, TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.limits import is_number
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.standing import stands_for

SYSTEM = Actor.system("segmentation")
COUNTING = (SegmentationStatus.RECORDED, SegmentationStatus.APPROVED)
"""Stages whose records take a fact about the segmentation; later, the record is as it was built and reviewed."""


@dataclass(frozen=True)
class SegmentationMade:
    """What a segmenter gave: the columns of the row; digests name files that are in the artefact store already."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class NotSegmented:
    """Why no segmentation could be made."""

    reasons: Reasons


@unit_of_work
def start_segmentation(
    *, device_id: int, actor: Actor, parameters: Mapping[str, Any] | None = None
) -> Device:
    """Start it, or start it again after a cure. The person becomes the author of record.

    parameters: those of the segmenter that the master leaves to a person, within its limits; the rest is the master's.
    Raises TransitionRefused with every blocking gate of `device.start_segmentation`, Conflict while one is being computed,
    InvalidInput for parameters that the master does not leave open, or outside its limits.
    """
    device = locked_device(device_id)
    require(actor, "devices.start_segmentation", device)
    study = segmentable(device)
    chosen = chosen_parameters(device.master, parameters or {}, study)
    request_segmentation(device, study, actor.person_id or study.received_by_id, actor, chosen)
    return device


def request_segmentation(
    device: Device, study: Study, author_id: int, actor: Actor, parameters: Mapping[str, Any], **about: Any
) -> None:
    """Ask for a segmentation of the images of a locked device, `segmentable` ones, where every gate passes. about: what the gates look at
    beside it."""
    refuse_held(device, "start_segmentation")
    gates = ask_gates("device.start_segmentation", device, actor=actor, **about)
    refuse_blocked(gates)
    _request(device, study, author_id, gates, actor, parameters)


def start_from_recipe(*, device: Device, steps: list[dict[str, Any]], mask_sha256: str, actor: Actor) -> None:
    """Start the segmentation that a finished draft asks for, in the unit that finishes it. The gates are those of any other.

    The mask that the recipe gave its author is asked for with it: another one is no result.
    """
    require(actor, "devices.start_segmentation", device)
    study = segmentable(device)
    author = actor.person_id or study.received_by_id
    request_segmentation(device, study, author, actor, {"steps": steps, "mask_sha256": mask_sha256})


def chosen_parameters(
    master: DeviceMaster, given: Mapping[str, Any], study: Study | None = None
) -> dict[str, float]:
    """The parameters that a person set, checked against the master's limits. Raises InvalidInput with every fault."""
    envelope = {} if is_scan(study) else master.segmentation.get("envelope", {})
    standing = {**master.segmentation.get("parameters", {}), **given}
    faults = []
    for name, value in given.items():
        low, high = envelope.get(name, (None, None))
        if low is None:
            cure = f"It leaves open: {', '.join(envelope) or 'nothing'}."
            faults.append(Reason(f"The master does not leave '{name[:60]}' open.", cure, "G-SEG-01"))
        elif not (is_number(value) and low <= value <= high and float(value).is_integer()):
            text = f"{name} is no whole number from {low:g} to {high:g}."
            faults.append(Reason(text, "Choose one, or have the master revised.", "G-SEG-01"))
    ends = [standing[name] for name in ("lower_hu", "upper_hu") if name in standing]
    if not faults and len(ends) == 2 and ends[0] >= ends[1]:
        faults.append(Reason("The window is empty.", "Put its upper end above its lower.", "G-SEG-01"))
    if faults:
        raise InvalidInput(faults)
    return {name: float(value) for name, value in given.items()}


@unit_of_work
def start_segmentation_by_rule(*, device_id: int, study_id: int) -> None:
    """Start it because images were accepted. Blocking gates become a fact of the record instead of an exception."""
    device = locked_device(device_id)
    study = device.current_study
    if study is None or study.pk != study_id or device.stage != Stage.PLANNED:
        return
    if _counting(device) is not None or segmentation_underway(device) is not None:
        return
    gates = ask_gates("device.start_segmentation", device, actor=SYSTEM)
    if device.held or not all(result.passed for result in gates):
        event = SegmentationRefused(
            device_id=device.pk, study_id=study.pk, gates=[result.as_payload() for result in gates]
        )
        record_progress(device, event, actor=SYSTEM, reason=device.hold_reason)
        return
    _request(device, study, study.received_by_id, gates, SYSTEM)


def segmentable(device: Device, *, unapproved_stands: bool = True) -> Study:
    """The images of a locked device that may be segmented now. Raises TransitionRefused, Conflict.

    unapproved_stands: whether a segmentation that still waits for its approval is in the way; else it is to be `set_aside`.
    """
    refuse_made(device, "it stands on the segmentation that it has")
    if device.stage != Stage.PLANNED:
        raise TransitionRefused(
            f"{device.code} has a frozen design, which stands on its segmentation.",
            cure="Void the design first.",
            rule="G-DES-02",
        )
    study = device.current_study
    if study is None or study.status != StudyStatus.ACCEPTED:
        raise TransitionRefused(
            f"{device.code} has no accepted images to segment.", cure="Send in images first.", rule="G-IMG-01"
        )
    standing = _counting(device)
    if standing is not None and (unapproved_stands or standing.status == SegmentationStatus.APPROVED):
        raise TransitionRefused(
            f"{device.code} has a segmentation already.",
            cure="Reject it first, with the reason.",
            rule="K-06",
        )
    _refuse_second(device)
    return study


def set_aside(device: Device, actor: Actor, *, reason: str) -> None:
    """Part of a unit that asks for another segmentation of a locked device: the one that waits for its approval waits no longer."""
    standing = _counting(device)
    if standing is None:
        return
    standing.status = SegmentationStatus.SUPERSEDED
    standing.save(update_fields=["status"])
    device.current_segmentation = None
    event = SegmentationSetAside(device_id=device.pk, segmentation_id=standing.pk)
    record_progress(device, event, "current_segmentation", actor=actor, reason=reason)


def _counting(device: Device) -> Segmentation | None:
    """The segmentation that stands: recorded or approved."""
    found = device.current_segmentation
    return found if found is not None and found.status in COUNTING else None


def _refuse_second(device: Device) -> None:
    """Of two that are computed at once the later result would take the place of one that was approved meanwhile."""
    underway = segmentation_underway(device)
    if underway is None:
        return
    stuck = given_up_before(underway)
    raise Conflict(
        f"A segmentation of {device.code} is still being computed.",
        cure=f"It waits behind delivery {stuck.pk}, which was given up: an operator retries or skips that one."
        if stuck
        else "Wait for its result; it can be rejected, and another one started then.",
        rule="G-SEG-01",
    )


def _request(
    device: Device,
    study: Study,
    author_id: int,
    gates: tuple[GateResult, ...],
    actor: Actor,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    event = SegmentationRequested(
        device_id=device.pk,
        study_id=study.pk,
        author_id=author_id,
        gates=[result.as_payload() for result in gates],
        parameters=dict(parameters or {}),
    )
    record_progress(device, event, actor=actor)


@unit_of_work
def record_segmentation(
    *, device_id: int, study_id: int, author_id: int, request: int, outcome: SegmentationMade | NotSegmented
) -> Segmentation | None:
    """Write what the segmenter gave for a request, named by its version in the device's stream.

    It counts only where it answers the newest request and the device still waits for it. Any other result, late or
    delivered once more, takes nothing's place: it is ignored, and the record says why (G-SEG-01).
    """
    device = locked_device(device_id)
    if why := _unwanted(device, study_id, request):
        if device.stage in CHANGEABLE:
            ignored = SegmentationIgnored(device_id=device.pk, study_id=study_id, request=request)
            record_progress(device, ignored, actor=SYSTEM, reason=why)
        return None
    if isinstance(outcome, NotSegmented):
        failed = SegmentationFailed(device_id=device.pk, study_id=study_id, reasons=outcome.reasons)
        record_progress(device, failed, actor=SYSTEM)
        return None
    segmentation = Segmentation.objects.create(
        device=device, study_id=study_id, author_id=author_id, **outcome.facts
    )
    device.current_segmentation = segmentation
    event = SegmentationRecorded(
        device_id=device.pk,
        segmentation_id=segmentation.pk,
        author_id=author_id,
        mask_sha256=segmentation.mask_id or "",
        surface_sha256=segmentation.surface_id,
        volume_ml=segmentation.volume_ml,
        watertight=segmentation.watertight,
    )
    record_progress(device, event, "current_segmentation", actor=SYSTEM)
    return segmentation


def _unwanted(device: Device, study_id: int, request: int) -> str:
    """Why nothing waits for the result of a request; empty where something does."""
    if device.current_study_id != study_id:
        return "Its images were replaced."
    if device.stage != Stage.PLANNED:
        return f"The device is at '{Stage(device.stage).label}'."
    if (standing := _counting(device)) is not None:
        return f"Segmentation {standing.pk} is {standing.get_status_display().lower()}."
    newest = newest_segmentation_request(device)
    if newest is None or newest.version != request:
        return "It is not the one that was asked for last."
    return "Its request was answered before." if segmentation_recorded_since(device, request) else ""


def segmentation_content(device: Device, segmentation: Segmentation) -> dict[str, Any]:
    """What the approval of a segmentation signs: the files, the tool and what was measured."""
    study = segmentation.study
    scanned = {"scan": study.surface_id, "labels": segmentation.labels_id} if is_scan(study) else {}
    return {
        **scanned,
        "record": "segmentation",
        "device": device.code,
        "volume": study.volume_id,
        "mask": segmentation.mask_id,
        "surface": segmentation.surface_id,
        "tool": f"{segmentation.tool} {segmentation.tool_version} ({segmentation.validation_status})",
        "parameters": segmentation.parameters,
        "volume_ml": segmentation.volume_ml,
        "distance_p95_mm": segmentation.distance_p95_mm,
        "watertight": segmentation.watertight,
    }


def against_segmentation(device: Device) -> Reason | None:
    """Why the device's segmentation is no ground for a design; None where a clinical reviewer's approval stands for it."""
    segmentation = device.current_segmentation
    if segmentation is None or segmentation.status != SegmentationStatus.APPROVED:
        return Reason("The segmentation is not approved.", "A clinical reviewer approves it.", "G-SEG-01")
    signature = segmentation.approval
    if signature is None or not stands_for(signature, segmentation_content(device, segmentation)):
        return Reason(
            "The approval is not over the segmentation as it is.",
            "A clinical reviewer approves it again.",
            "G-SEG-01",
        )
    if signature.person_id == segmentation.author_id:
        return Reason("The author approved their own segmentation.", "Somebody else approves it.", "G-SEG-01")
    return None


def against_bone_of_design(device: Device) -> Reason | None:
    """Why the bone that the device's design was made from is not the one that is approved now; None where it is."""
    design = device.current_design
    if design is None:
        return Reason("There is no design.", "Request one.", "G-SEG-01")
    if design.segmentation_id != device.current_segmentation_id:
        return Reason(
            f"Design {design.revision} of {device.code} was made from segmentation {design.segmentation_id}, "
            f"and its segmentation now is {device.current_segmentation_id or 'none'}.",
            "Void the design; request a new one, which is made from the approved segmentation.",
            "G-SEG-01",
        )
    return against_segmentation(device)


@unit_of_work
def approve_segmentation(*, device_id: int, actor: Actor, credentials: Credentials) -> Segmentation:
    """A clinical reviewer who is not the author signs (APPROVED). G-SEG-01, G-SOD-01."""
    device = locked_device(device_id)
    require(actor, "devices.approve_segmentation", device)
    refuse_held(device, "approve_segmentation")
    segmentation = _current(device, SegmentationStatus.RECORDED)
    gates = ask_gates("device.approve_segmentation", device, actor=actor)
    refuse_blocked(gates)
    signature = sign(
        subject=device,
        content=segmentation_content(device, segmentation),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    segmentation.status, segmentation.approval = SegmentationStatus.APPROVED, signature
    segmentation.reviewer_id = actor.person_id
    segmentation.save(update_fields=["status", "approval", "reviewer"])
    event = SegmentationApproved(
        device_id=device.pk,
        segmentation_id=segmentation.pk,
        signature_id=signature.pk,
        gates=[result.as_payload() for result in gates],
    )
    record_progress(device, event, actor=actor)
    return segmentation


@unit_of_work
def reject_segmentation(*, device_id: int, actor: Actor, reason: str) -> Segmentation:
    """Say why the segmentation may not be used, before or after its approval; a design made on it is voided."""
    device = locked_device(device_id)
    require(actor, "devices.reject_segmentation", device)
    if not reason.strip():
        raise InvalidInput("Say what is wrong with the segmentation.", rule="P11-10e")
    refuse_made(device, "its segmentation stands")
    segmentation = _current(device, *COUNTING)
    if device.current_design is not None:
        void_design_work(device, device.current_design, actor=actor, reason="Its segmentation was rejected.")
    segmentation.status = SegmentationStatus.REJECTED
    segmentation.reviewer_id, segmentation.reason = actor.person_id, reason.strip()
    segmentation.save(update_fields=["status", "reviewer", "reason"])
    event = SegmentationRejected(device_id=device.pk, segmentation_id=segmentation.pk)
    record_progress(device, event, actor=actor, reason=reason)
    return segmentation


def _current(device: Device, *statuses: SegmentationStatus) -> Segmentation:
    segmentation = device.current_segmentation
    if segmentation is None or segmentation.status not in statuses:
        wanted = " or ".join(str(status.label).lower() for status in statuses)
        raise TransitionRefused(
            f"{device.code} has no segmentation that is {wanted}.",
            cure="Look at the device again.",
            rule="K-06",
        )
    return segmentation
