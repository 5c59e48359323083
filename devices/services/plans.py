"""Clinical plans: drafted on the approved bone, read again and approved by a person who did not write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from devices.choices import PlanStatus
from devices.events import PlanApproved, PlanDrafted, PlanRejected
from devices.imaging.base import Volume
from devices.imaging.storage import StoredFileRefused, load_geometry
from devices.models import Device, Plan, Segmentation, Study
from devices.planning.base import PLAN_KINDS, Ground, PlanKind, Points
from devices.selectors.plans import OPEN, current_plan, next_plan_revision, plan_kind_of, possible_readers
from devices.selectors.sources import is_scan
from devices.services.authors import author_of
from devices.services.lifecycle import locked_device, record_progress, refuse_held, refuse_made
from devices.services.segmentations import against_segmentation
from devices.services.voiding import void_design_work
from mes.choices import Meaning
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import say, unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, Reason, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.permissions import require
from mes.services.artefacts import intact_path
from mes.services.signatures import Credentials, sign
from mes.standing import stands_for

RULE = "G-DES-01"
NEW_PLAN = "The plan that it was made from was replaced."
REJECTED = "The plan that it was made from was rejected."


@unit_of_work
def draft_plan(*, device_id: int, content: Mapping[str, Any], reader_id: int, actor: Actor) -> Plan:
    """Write the next revision of a device's plan, and name who reads it. It takes the place of the one before, and a design
    made from that one is voided.

    content: as the master's kind of plan takes it (`devices.planning`).
    Raises InvalidInput with everything that is wrong with it, TransitionRefused where there is nothing to plan on.
    """
    device = locked_device(device_id)
    require(actor, "devices.draft_plan", device)
    refuse_held(device, "draft_plan")
    segmentation = _ground_of(device)
    author = author_of(actor)
    reader = _reader(device, reader_id, author)
    canonical = kind_for(device).canonical(
        content, Ground(device.order.side, partial(_inside, segmentation.study), _teeth_of(segmentation))
    )
    for text in _texts_in(canonical):
        say(text=text, actor=actor)
    _supersede(device, actor)
    plan = Plan.objects.create(
        device=device,
        segmentation=segmentation,
        revision=next_plan_revision(device),
        kind=plan_kind_of(device.master),
        content=plain(canonical),
        author_id=author,
        reader_id=reader,
    )
    event = PlanDrafted(
        device_id=device.pk, plan_id=plan.pk, revision=plan.revision, kind=plan.kind, reader_id=reader
    )
    record_progress(device, event, actor=actor)
    return plan


def _texts_in(content: object) -> Iterator[str]:
    """Every text that a plan holds, at whatever depth: a kind of plan need not say which of its parts somebody types."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        yield from _texts_in(list(content.values()))
    elif isinstance(content, Sequence):
        for part in content:
            yield from _texts_in(part)


def kind_for(device: Device) -> PlanKind:
    """The kind of plan that a device's master asks for. Raises TransitionRefused where it asks for none."""
    name = plan_kind_of(device.master)
    if not name:
        raise TransitionRefused(
            f"Designs of {device.master} are made without a plan.", cure="Request the design.", rule="K-06"
        )
    return PLAN_KINDS[name]


def _ground_of(device: Device) -> Segmentation:
    refuse_made(device, "its plan stands")
    kind_for(device)
    against = against_segmentation(device)
    if against is not None or device.current_segmentation is None:
        raise TransitionRefused(
            [against] if against else [Reason("There is no bone.", "Segment the images.", RULE)]
        )
    return device.current_segmentation


def _reader(device: Device, reader_id: int, author: int) -> int:
    """Raises InvalidInput for somebody who cannot read this plan, its author among them (G-SOD-01)."""
    if reader_id == author:
        raise InvalidInput(
            "The author of a plan does not read it.", cure="Name another person.", rule="G-SOD-01"
        )
    if not possible_readers(device).filter(pk=reader_id).exists():
        raise InvalidInput(
            "This person cannot read the plan.",
            cure="Name the order's prescriber, or a clinical reviewer who is assigned to it.",
            rule="G-OPR-02",
        )
    return reader_id


def _teeth_of(segmentation: Segmentation) -> dict[str, str] | None:
    """The labels that were approved with the surface."""
    if segmentation.labels_id is None:
        return None
    labels: dict[str, str] = json.loads(intact_path(segmentation.labels_id).read_bytes())
    return labels


def _inside(study: Study, points: Points) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the points the images hold, a voxel's half around the outermost centres included."""
    if is_scan(study):
        raise TransitionRefused(
            "This kind of plan is read on images, and the case begins with a surface scan.",
            cure="Send in images.",
            rule=RULE,
        )
    volume = _geometry(study)
    indices, last = volume.to_indices(points), np.array(volume.shape) - 0.5
    return np.asarray(((indices >= -0.5) & (indices <= last)).all(axis=1), dtype=np.bool_)


def _geometry(study: Study) -> Volume:
    try:
        return load_geometry(
            intact_path(str(study.volume_id)), (study.slices or 0, study.rows or 0, study.columns or 0)
        )
    except StoredFileRefused as refusal:
        raise TransitionRefused(
            f"The stored images cannot be read: {refusal}.", cure="Send the images in again.", rule="G-INT-01"
        ) from refusal


def _supersede(device: Device, actor: Actor) -> None:
    older = current_plan(device)
    if older is None or older.status not in OPEN:
        return
    older.status = PlanStatus.SUPERSEDED
    older.save(update_fields=["status"])
    _void_designs_of(device, actor, NEW_PLAN)


def _void_designs_of(device: Device, actor: Actor, reason: str) -> None:
    if device.current_design is not None:
        void_design_work(device, device.current_design, actor=actor, reason=reason)


def plan_content(device: Device, plan: Plan) -> dict[str, Any]:
    """What the approval of a plan signs: all of it, the bone it was picked on, and what it is for."""
    order = device.order
    return {
        "record": "plan",
        "device": device.code,
        "patient": order.patient.token,
        "side": order.side,
        "characteristics": order.characteristics,
        "master": str(device.master),
        "revision": plan.revision,
        "kind": plan.kind,
        "surface": plan.segmentation.surface_id,
        "author": plan.author_id,
        "content": plan.content,
    }


def against_plan(device: Device, plan: Plan | None) -> Reason | None:
    """Why a plan is no ground for a design of the device; None where its reader's approval stands for it as it is."""
    if plan is None or plan.status != PlanStatus.APPROVED or plan.approval is None:
        return Reason("No plan is approved.", "Draft a plan; the reader that it names approves it.", RULE)
    if plan.segmentation_id != device.current_segmentation_id:
        return Reason(
            "The plan was picked on another segmentation than the current one.",
            "Draft it again on this one.",
            RULE,
        )
    if not stands_for(plan.approval, plan_content(device, plan)):
        return Reason(
            "The approval is not over the plan as it is.", "Draft the plan again and have it read.", RULE
        )
    if plan.approval.person_id == plan.author_id:
        return Reason(
            "The author approved their own plan.", "Draft it again; somebody else reads it.", "G-SOD-01"
        )
    return None


@unit_of_work
def approve_plan(*, device_id: int, counted: str, actor: Actor, credentials: Credentials) -> Plan:
    """The reader named in the plan signs it (APPROVED), having counted the level again. Not its author (G-SOD-01).

    counted: the level that the reader came to. Raises TransitionRefused where it is another one than the plan's (G-LAT-01).
    """
    device = locked_device(device_id)
    require(actor, "devices.approve_plan", device)
    refuse_held(device, "approve_plan")
    plan = _current(device, PlanStatus.DRAFTED)
    _refuse_reader(plan, actor, counted)
    gates = ask_gates("device.approve_plan", device, actor=actor)
    refuse_blocked(gates)
    signature = sign(
        subject=device,
        content=plan_content(device, plan),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    plan.status, plan.approval = PlanStatus.APPROVED, signature
    plan.save(update_fields=["status", "approval"])
    event = PlanApproved(
        device_id=device.pk,
        plan_id=plan.pk,
        signature_id=signature.pk,
        counted=str(plan.content.get("level", "")),
        gates=[result.as_payload() for result in gates],
    )
    record_progress(device, event, actor=actor)
    return plan


def _refuse_reader(plan: Plan, actor: Actor, counted: str) -> None:
    if plan.reader_id != actor.person_id:
        raise NotPermitted(
            "Another reader is named in the plan.", cure="The named reader decides.", rule="G-SIG-01"
        )
    level = str(plan.content.get("level", ""))
    if counted.strip().upper() != level:
        raise TransitionRefused(
            f"You counted {counted.strip()[:10] or 'no level'}; the plan says {level or 'none'}.",
            cure="Count together on the images. Reject the plan where it is wrong.",
            rule="G-LAT-01",
        )


@unit_of_work
def reject_plan(*, device_id: int, actor: Actor, reason: str) -> Plan:
    """Say why the plan may not be used, before or after its approval; a design made from it is voided."""
    device = locked_device(device_id)
    require(actor, "devices.reject_plan", device)
    if not reason.strip():
        raise InvalidInput("Say what is wrong with the plan.", rule="P11-10e")
    refuse_made(device, "its plan stands")
    plan = _current(device, *OPEN)
    _void_designs_of(device, actor, REJECTED)
    plan.status, plan.reason = PlanStatus.REJECTED, reason.strip()
    plan.save(update_fields=["status", "reason"])
    record_progress(device, PlanRejected(device_id=device.pk, plan_id=plan.pk), actor=actor, reason=reason)
    return plan


def _current(device: Device, *statuses: PlanStatus) -> Plan:
    plan = current_plan(device)
    if plan is None or plan.status not in statuses:
        wanted = " or ".join(str(status.label).lower() for status in statuses)
        raise TransitionRefused(
            f"{device.code} has no plan that is {wanted}.", cure="Look at the device again.", rule="K-06"
        )
    return plan
