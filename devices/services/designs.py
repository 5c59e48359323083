"""Designs: requested with checked values, generated, reviewed by a second engineer or a physicist, approved by the prescriber or, for a model, by a clinical reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.choices import DesignStatus, IntendedUse, SegmentationStatus, Stage
from devices.events import (
    DesignApproved,
    DesignFailed,
    DesignGenerated,
    DesignRequested,
    DesignReviewed,
    Reasons,
)
from devices.generators.base import (
    GENERATORS,
    DesignGenerator,
    Value,
    check_values,
    design_parameters,
    within_envelope,
)
from devices.lifecycle import DEVICE
from devices.models import Design, Device, Material, Plan, Segmentation
from devices.selectors.changes import changes_before
from devices.selectors.definitions import next_design_revision
from devices.selectors.external import envelope_of
from devices.selectors.series import in_series, series_facts
from devices.services.authors import author_of
from devices.services.lifecycle import (
    locked_device,
    move_content,
    move_device,
    record_progress,
    refuse_held,
    refuse_made,
)
from devices.services.planned import approved_plan, refuse_typed, values_of_plan
from devices.services.plans import plan_content
from devices.services.prescribed import departures, prescribed_values
from devices.services.recorded import recorded_values
from devices.services.voiding import void_design_work
from mes.choices import Meaning, Role
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, Reason, TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.standing import is_withdrawn, stands, stands_for

SYSTEM = Actor.system("design")
WALL = "minimum_wall_mm"


@dataclass(frozen=True)
class DesignMade:
    """What a generator gave: the columns of the row; `mesh_id` names a file that is in the artefact store already."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class NotDesigned:
    """Why no design could be made from these values."""

    reasons: Reasons


@unit_of_work
def request_design(*, device_id: int, values: Mapping[str, Any], actor: Actor) -> Design:
    """Ask for the next revision of a design. What stands so far is voided, and an approved one takes the device back.

    values: the generator's parameters; what is left out is the master's default.
    Raises InvalidInput with every value that is unknown or outside the limits of the generator, the master's envelope or
    the material (G-DES-01), TransitionRefused where a gate of `device.request_design` blocks.
    """
    device = locked_device(device_id)
    require(actor, "devices.request_design", device)
    gates = ask_designable(device, actor)
    generator = GENERATORS[device.master.design["generator"]]
    plan = approved_plan(device)
    return begin_design(
        device,
        gates,
        actor,
        plan=plan,
        generator=generator.id,
        generator_version=generator.version,
        validation_status=generator.validation_status,
        values=plain(checked_values(generator, device, values, plan)),
    )


def ask_designable(device: Device, actor: Actor) -> tuple[GateResult, ...]:
    """The gates of `device.request_design`, all passed. Raises TransitionRefused where no design may be asked for now."""
    refuse_held(device, "request_design")
    _designable(device)
    gates = ask_gates("device.request_design", device, actor=actor)
    refuse_blocked(gates)
    return gates


def begin_design(device: Device, gates: tuple[GateResult, ...], actor: Actor, **facts: Any) -> Design:
    """Write the next revision down as requested, on the approved segmentation of a locked device. What stands so far is voided."""
    if device.current_design is not None:
        void_design_work(device, device.current_design, actor=actor, reason="A new design was requested.")
    design = Design.objects.create(
        device=device,
        segmentation=_designable(device),
        revision=next_design_revision(device),
        author_id=author_of(actor),
        **facts,
    )
    device.current_design = design
    event = DesignRequested(
        device_id=device.pk,
        design_id=design.pk,
        revision=design.revision,
        values=design.values,
        gates=[result.as_payload() for result in gates],
        origin=design.origin,
    )
    record_progress(device, event, "current_design", actor=actor)
    return design


def _designable(device: Device) -> Segmentation:
    segmentation = device.current_segmentation
    refuse_made(device, "its design stands")
    if segmentation is None or segmentation.status != SegmentationStatus.APPROVED:
        raise TransitionRefused(
            f"{device.code} has no approved segmentation.",
            cure="A clinical reviewer who is not its author approves it first.",
            rule="G-SEG-01",
        )
    return segmentation


def checked_values(
    generator: DesignGenerator, device: Device, given: Mapping[str, Any], plan: Plan | None = None
) -> dict[str, Value]:
    """The values a design is made with, or InvalidInput with every one that is wrong (G-DES-01).

    What is left out is what the order prescribes, else the master's default. What is the plan's is the plan's.
    """
    refuse_typed(generator, given)
    master, material = device.master, device.material
    start = {**master.design.get("defaults", {}), **prescribed_values(device.order)}
    if any(parameter.name == WALL for parameter in generator.parameters):
        start.setdefault(WALL, material.minimum_wall_mm)
    planned = values_of_plan(plan, generator)
    values = check_values(
        design_parameters(generator),
        {**start, **given, **planned, **recorded_values(generator, device, given)},
    )
    problems = [
        *within_envelope(values, envelope_of(master)),
        *thin_walls(values, material),
        *departures(device.order, values),
    ]
    if problems:
        raise InvalidInput(problems)
    return values


def thin_walls(values: Mapping[str, Any], material: Material) -> tuple[Reason, ...]:
    """The minimum wall, asked for or measured, against what the material's process can build."""
    wall = values.get(WALL)
    if wall is None or wall >= material.minimum_wall_mm:
        return ()
    text = f"The wall is {wall:g} mm; {material.code} needs at least {material.minimum_wall_mm:g} mm."
    return (Reason(text, "Make the walls thicker, or order another material.", "G-DES-01"),)


@unit_of_work
def record_design(*, design_id: int, outcome: DesignMade | NotDesigned) -> Design:
    """Write what the generator gave. A result for a design that was voided meanwhile is dropped."""
    device = locked_device(Design.objects.values_list("device_id", flat=True).get(pk=design_id))
    design = Design.objects.get(pk=design_id)
    if design.status != DesignStatus.REQUESTED:
        return design
    if isinstance(outcome, NotDesigned):
        design.status, design.reasons = DesignStatus.FAILED, outcome.reasons
        design.save(update_fields=["status", "reasons"])
        failed = DesignFailed(device_id=device.pk, design_id=design.pk, reasons=outcome.reasons)
        return _recorded(device, design, failed)
    for name, value in outcome.facts.items():
        setattr(design, name, value)
    design.status = DesignStatus.GENERATED
    design.save(update_fields=["status", *outcome.facts])
    event = DesignGenerated(
        device_id=device.pk,
        design_id=design.pk,
        revision=design.revision,
        mesh_sha256=str(design.mesh_id),
        measures=design.measures,
    )
    return _recorded(device, design, event)


def _recorded(device: Device, design: Design, event: DesignFailed | DesignGenerated) -> Design:
    device.current_design = design
    record_progress(device, event, actor=SYSTEM)
    return design


def design_content(device: Device, design: Design) -> dict[str, Any]:
    """What the review and the approval of a design sign: the exact mesh, and everything it was made from and for."""
    order = device.order
    return {
        "record": "design",
        "device": device.code,
        "serial": device.serial,
        "patient": order.patient.token,
        "side": order.side,
        "characteristics": order.characteristics,
        "master": str(device.master),
        "intended_use": device.master.intended_use,
        "material": device.material.code,
        "revision": design.revision,
        "mesh": design.mesh_id,
        "bone": design.segmentation.surface_id,
        "generator": f"{' '.join(design.tool)} ({design.validation_status})",
        **({"external_cad": design.origin, "source": design.source_id} if design.origin else {}),
        "values": design.values,
        "measures": design.measures,
        "warnings": design.warnings,
        **({"plan": plan_content(device, design.plan)} if design.plan else {}),
        **({"changes_asked": asked} if (asked := changes_before(design)) else {}),
        **series_facts(device),
    }


def approval_content(device: Device, design: Design) -> dict[str, Any]:
    """What the prescriber, or a model's clinical reviewer, signs: freezing this design, with its content."""
    return move_content(device, DEVICE.row("freeze_design", Stage.PLANNED), design_content(device, design))


def against_approval(device: Device) -> Reason | None:
    """Why nothing may be made of the device's design; None where the approval of the prescriber, or of a model's clinical
    reviewer, stands for it (G-DES-02), and the prescription that it answers to (G-ORD-01)."""
    design, prescription = device.current_design, device.order.prescription
    who = f"The {device.master.approver.label.lower()}"
    if design is None or design.status != DesignStatus.APPROVED or design.approval is None:
        return Reason(f"{who} has not approved the design.", f"{who} approves it.", "G-DES-02")
    if is_withdrawn(design.approval):
        return Reason(
            f"{who}'s approval of the design was withdrawn.",
            "Give its build up and have a new design approved; a part that was made is for a nonconformance.",
            "G-DES-02",
        )
    if not stands_for(design.approval, approval_content(device, design)):
        return Reason(
            f"{who} approved something else: the design, its master, material or order changed since.",
            "Void the design; have it reviewed and approved again.",
            "G-DES-02",
        )
    if prescription is None or not stands(prescription):
        return Reason(
            "No prescription stands for the order any more.",
            "Give its build up and write a new order; a part that was made is for a nonconformance.",
            "G-ORD-01",
        )
    return None


@unit_of_work
def review_design(*, device_id: int, actor: Actor, credentials: Credentials) -> Design:
    """A second engineer signs the design (REVIEWED). Not its author (G-SOD-01).

    Raises TransitionRefused where the design is made from another bone than the approved one (G-SEG-01), or where its master names
    another reviewer (G-SIG-01).
    """
    device = locked_device(device_id)
    require(actor, "devices.review_design", device)
    return _reviewed(device, Role.DSN, actor, credentials)


@unit_of_work
def check_design(*, device_id: int, actor: Actor, credentials: Credentials) -> Design:
    """As `review_design`, by a medical physicist, for a master that names one: a bolus is a matter of dose."""
    device = locked_device(device_id)
    require(actor, "devices.check_design", device)
    return _reviewed(device, Role.PHY, actor, credentials)


def _reviewed(device: Device, role: Role, actor: Actor, credentials: Credentials) -> Design:
    refuse_held(device, "review_design")
    wanted = device.master.reviewer
    if wanted != role:
        raise TransitionRefused(
            f"Designs of {device.master} are not reviewed by a {role.label.lower()}.",
            cure=f"A {wanted.label.lower()} reviews them.",
            rule="G-SIG-01",
        )
    design = standing_design(device, DesignStatus.GENERATED)
    gates = ask_gates("device.review_design", device, actor=actor)
    refuse_blocked(gates)
    signature = sign(
        subject=device,
        content=design_content(device, design),
        meaning=Meaning.REVIEWED,
        actor=actor,
        credentials=credentials,
    )
    design.status, design.review, design.reviewer_id = DesignStatus.REVIEWED, signature, actor.person_id
    design.save(update_fields=["status", "review", "reviewer"])
    event = DesignReviewed(
        device_id=device.pk,
        design_id=design.pk,
        signature_id=signature.pk,
        gates=[result.as_payload() for result in gates],
    )
    record_progress(device, event, actor=actor)
    return design


def _refuse_single_stage(device: Device, credentials: Credentials) -> None:
    if in_series(device) and credentials.together is None:
        raise TransitionRefused(
            f"{device.code} is one of a series: it is approved with all of it.",
            cure="Approve the series on the page of the order.",
            rule="G-DES-02",
        )


@unit_of_work
def approve_design(*, device_id: int, actor: Actor, credentials: Credentials) -> Design:
    """The prescriber named on the order signs exactly this mesh (DESIGN_APPROVED), and the design is frozen.

    Raises TransitionRefused with every blocking gate of `device.freeze_design`, SignatureRefused where the content is no
    longer the one that was shown.
    """
    device = locked_device(device_id)
    _refuse_single_stage(device, credentials)
    require(actor, "devices.approve_design", device)
    _refuse_other_approver(device, Role.PRE)
    if device.order.prescriber_id != actor.person_id:
        raise NotPermitted(
            "Another prescriber is named on the order.", cure="The named prescriber decides.", rule="G-DES-02"
        )
    return _approved(device, actor, credentials)


@unit_of_work
def approve_model(*, device_id: int, actor: Actor, credentials: Credentials) -> Design:
    """As `approve_design`, for a model that needs no prescriber: a clinical reviewer of the order signs."""
    device = locked_device(device_id)
    require(actor, "devices.approve_model", device)
    _refuse_other_approver(device, Role.CLR)
    return _approved(device, actor, credentials)


def _refuse_other_approver(device: Device, role: Role) -> None:
    wanted = device.master.approver
    if wanted != role:
        raise TransitionRefused(
            f"{device.master} is {IntendedUse(device.master.intended_use).label.lower()}.",
            cure=f"The {wanted.label.lower()} approves its design.",
            rule="G-DES-02",
        )


def _approved(device: Device, actor: Actor, credentials: Credentials) -> Design:
    design = standing_design(device, DesignStatus.REVIEWED)
    move = move_device(
        device,
        "freeze_design",
        actor=actor,
        credentials=credentials,
        content=design_content(device, design),
    )
    if move.signature is None:
        raise AssertionError("the table asks for no signature on freeze_design")
    design.status, design.approval = DesignStatus.APPROVED, move.signature
    design.save(update_fields=["status", "approval"])
    event = DesignApproved(
        device_id=device.pk,
        design_id=design.pk,
        mesh_sha256=str(design.mesh_id),
        signature_id=move.signature.pk,
    )
    record_progress(device, event, actor=actor)
    return design


def standing_design(device: Device, *statuses: DesignStatus) -> Design:
    """The current design, where it is at one of these. Raises TransitionRefused."""
    design = device.current_design
    if design is None or design.status not in statuses:
        wanted = " or ".join(str(status.label).lower() for status in statuses)
        raise TransitionRefused(
            f"{device.code} has no design that is {wanted}.", cure="Look at the device again.", rule="K-06"
        )
    return design
