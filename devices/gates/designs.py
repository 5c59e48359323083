"""What must be true before a design is frozen and built: the bone, the shape, the side, the signatures, the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devices.choices import DesignStatus, Side
from devices.generators.base import LEFTWARD, MIDLINE, within_envelope
from devices.lifecycle import MAKING_STEPS, PASSED_BEFORE
from devices.models import Design, Device, Plan, Segmentation
from devices.planning.trajectories import SIDES, Trajectories
from devices.selectors.evidence import evidence_digest
from devices.selectors.external import envelope_of, is_external, limits_of
from devices.selectors.history import stages_since_frozen
from devices.selectors.orders import expected_side
from devices.selectors.plans import current_plan, plan_kind_of
from devices.selectors.series import in_series, is_designed, series_facts, series_of
from devices.selectors.sources import is_scan, segmentation_section
from devices.services.designs import against_approval, design_content, thin_walls
from devices.services.equivalence import has_bores, measured_on_file, part_faults, stated_on_file
from devices.services.laterality import picked_side_faults, side_faults
from devices.services.planned import against_plan_of_design
from devices.services.plans import against_plan
from devices.services.prescribed import departures, prescribed_values
from devices.services.segmentations import against_bone_of_design, against_segmentation
from devices.services.tolerances import outside_limits
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import Reason
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.services.artefacts import store
from mes.standing import stands_for

FREEZE = "device.freeze_design"
SIDE_EVIDENCE = (
    "lateral_offset_mm",
    "lateral_low_mm",
    "lateral_high_mm",
    "midline_uncertainty_mm",
    "midline_matched_share",
    "bone_to_left_edge_mm",
    "bone_to_right_edge_mm",
)


@gate("G-SEG-01", "device.request_design")
def segmentation_approved(device: Device, **_: Any) -> Verdict:
    """A clinical reviewer who is not its author approved the segmentation as it is."""
    return _on_bone(device, against_segmentation(device))


@gate("G-SEG-01", "device.review_design", FREEZE, "device.queue", "device.release")
def design_made_from_approved_segmentation(device: Device, **_: Any) -> Verdict:
    """The design was made from the segmentation that is current and approved, by a clinical reviewer who is not its author."""
    return _on_bone(device, against_bone_of_design(device))


def _on_bone(device: Device, against: Reason | None) -> Verdict:
    design, bone = device.current_design, device.current_segmentation
    named = {
        "segmentation": bone.pk if bone else None,
        "design_of": design.segmentation_id if design else None,
    }
    if against is not None:
        return blocked(against.text, cure=against.cure, **named)
    if bone is None or bone.approval is None:
        raise AssertionError("an approved segmentation is signed")
    signed = bone.approval
    return passed(signature=signed.pk, reviewer=signed.person_id, author=bone.author_id, **named)


SCAN_KEPT_MM = 0.001
"""What the measuring of distances is good for."""


@gate("G-MSH-01", "device.approve_segmentation", FREEZE)
def surface_faithful(device: Device, **_: Any) -> Verdict:
    """The bone surface is watertight, unless an open scan is what the master works on, and close to its mask."""
    segmentation = device.current_segmentation
    if segmentation is None:
        return blocked("There is no surface.", cure="Segment the images.")
    limits = segmentation_section(device.master, segmentation.study).get("limits", {})
    if is_scan(segmentation.study):
        return _scan_faithful(segmentation, limits)
    drift = (
        abs(segmentation.surface_volume_ml / segmentation.volume_ml - 1) if segmentation.volume_ml else 1.0
    )
    evidence = {
        "watertight": segmentation.watertight,
        "distance_p95_mm": segmentation.distance_p95_mm,
        "volume_drift": round(drift, 4),
        "limits": limits,
    }
    said = []
    if not segmentation.watertight and not limits.get("open", False):
        said.append("it is not watertight")
    if segmentation.distance_p95_mm > limits.get("maximum_p95_mm", 0.0):
        said.append(f"95 % of it lies within {segmentation.distance_p95_mm:.2f} mm of the mask only")
    if drift > limits.get("maximum_volume_drift", 0.0):
        said.append(f"its volume differs from the mask's by {drift:.1%}")
    if said:
        return blocked(
            f"The bone surface is outside its limits: {'; '.join(said)}.",
            cure="Reject the segmentation; have the master's surface parameters or limits revised.",
            **evidence,
        )
    return passed(**evidence)


def _scan_faithful(segmentation: Segmentation, limits: Mapping[str, Any]) -> Verdict:
    """Nothing was filled or moved, so the surface has no distance to its scan; whether it may be open is the master's to say."""
    evidence = {
        "watertight": segmentation.watertight,
        "distance_max_mm": segmentation.distance_max_mm,
        "limits": limits,
    }
    said = []
    if not segmentation.watertight and not limits.get("open", False):
        said.append("it is not watertight")
    if segmentation.distance_max_mm > SCAN_KEPT_MM:
        said.append(f"it departs from the scan by up to {segmentation.distance_max_mm:.3f} mm")
    if said:
        return blocked(
            f"The surface is outside its limits: {'; '.join(said)}.",
            cure="Reject the segmentation; send in a scan of the whole anatomy.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-DES-01", FREEZE)
def design_within_envelope(device: Device, **_: Any) -> Verdict:
    """The design is as prescribed, inside the master's envelope, and its walls can be built."""
    design = device.current_design
    if design is None or not design.mesh_id:
        return blocked("There is no design.", cure="Request one.")
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in design.values.items()
    }
    external = is_external(design)
    envelope = envelope_of(device.master, external=external)
    reasons = [
        *within_envelope(values, envelope),
        *thin_walls(design.measures, device.material),
        *outside_limits(device.master, design.measures, external=external),
        *departures(device.order, values),
    ]
    evidence = {
        "measures": design.measures,
        "envelope": {name: list(limits) for name, limits in envelope.items()},
        **({"limits": limits_of(device.master, external=True)} if external else {}),
        "prescribed": prescribed_values(device.order),
    }
    if reasons:
        return blocked(
            " ".join(reason.text for reason in reasons),
            cure="Request a design within the limits.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-DES-01", "device.request_design")
def plan_approved(device: Device, **_: Any) -> Verdict:
    """The reader named in the clinical plan approved it as it is, where the master asks for a plan."""
    if not plan_kind_of(device.master):
        return not_applicable(f"Designs of {device.master} are made without a plan.")
    plan = current_plan(device)
    return _on_plan(plan, against_plan(device, plan))


@gate("G-DES-01", "device.review_design", FREEZE, "device.queue")
def design_follows_plan(device: Device, **_: Any) -> Verdict:
    """The design was made from the clinical plan that stands, with its values, where the master asks for a plan."""
    if not plan_kind_of(device.master):
        return not_applicable(f"Designs of {device.master} are made without a plan.")
    design = device.current_design
    return _on_plan(design.plan if design else None, against_plan_of_design(device, design))


@gate("G-DES-01", "device.review_design", FREEZE)
def series_complete(device: Device, **_: Any) -> Verdict:
    """Every stage of a series is designed before one is reviewed or approved: each is signed over all of them."""
    if not in_series(device):
        return not_applicable("The device is no stage of a series.")
    missing = [one.code for one in series_of(device) if not is_designed(one)]
    if missing:
        return blocked(
            f"Stages of the series are not designed: {', '.join(missing)}.",
            cure="Request their designs first.",
            missing=missing,
        )
    return passed(**series_facts(device)["series"])


def _on_plan(plan: Plan | None, against: Reason | None) -> Verdict:
    named = {"plan": plan.pk if plan else None}
    if against is not None:
        return blocked(against.text, cure=against.cure, **named)
    if plan is None or plan.approval is None:
        raise AssertionError("an approved plan is signed")
    return passed(signature=plan.approval.pk, reader=plan.reader_id, author=plan.author_id, **named)


@gate("G-BLD-01", FREEZE, "device.queue", "device.release")
def part_as_planned(device: Device, **_: Any) -> Verdict:
    """Side, axes, diameters and lengths of every bore, measured afresh on the design's file, are those of the approved plan; of a part
    that was drawn in another program without one, those that its designer states."""
    design = device.current_design
    if not plan_kind_of(device.master):
        return _as_stated(device, design)
    if design is None or design.plan is None:
        return blocked("There is no design from a plan.", cure="Request one.")
    if not has_bores(design.plan):
        return not_applicable("The plan asks for no bore: nothing is measured back on the part.")
    measured = measured_on_file(design)
    faults = part_faults(design.plan, measured)
    evidence = {
        "plan": design.plan_id,
        "mesh": design.mesh_id,
        **{name: round(v, 4) for name, v in measured.items()},
    }
    return _judged(faults, evidence)


def _as_stated(device: Device, design: Design | None) -> Verdict:
    if design is None or not is_external(design) or not design.features:
        return not_applicable(f"Designs of {device.master} are made without a plan.")
    found = stated_on_file(design)
    evidence = {"mesh": design.mesh_id, **{name: round(v, 4) for name, v in found.measures.items()}}
    return _judged(found.faults, evidence)


def _judged(faults: Sequence[Reason], evidence: Mapping[str, Any]) -> Verdict:
    if not faults:
        return passed(**evidence)
    cures = " ".join(dict.fromkeys(fault.cure for fault in faults))
    return blocked(" ".join(fault.text for fault in faults), cure=cures, **evidence)


@gate("G-SIG-01", FREEZE)
def design_reviewed(device: Device, **_: Any) -> Verdict:
    """A second engineer, or the medical physicist whom the master names, signed the design as it is (G-SOD-01)."""
    design, wanted = device.current_design, device.master.reviewer
    who = "second engineer" if wanted == Role.DSN else wanted.label.lower()
    cure = f"Another {wanted.label.lower()} reviews it."
    if design is None or design.status != DesignStatus.REVIEWED or design.review is None:
        return blocked(f"No {who} reviewed the design.", cure=cure)
    if not stands_for(design.review, design_content(device, design)):
        return blocked("The review is not over the design as it is.", cure="Review the design again.")
    if design.review.person_id == design.author_id:
        return blocked("The author reviewed their own design.", cure=cure)
    if wanted.value not in design.review.roles.split():
        return blocked(f"Who reviewed the design was no {wanted.label.lower()}.", cure=cure)
    return passed(
        signature=design.review.pk,
        reviewer=design.review.person_id,
        reviewed_as=wanted.value,
        author=design.author_id,
    )


@gate("G-DES-02", *MAKING_STEPS)
def design_approved(device: Device, **_: Any) -> Verdict:
    """The approval of the prescriber, or of a model's clinical reviewer, stands for the exact design that is built."""
    against, design = against_approval(device), device.current_design
    if against is not None:
        signature = design.approval_id if design else None
        return blocked(against.text, cure=against.cure, signature=signature)
    if design is None or design.approval is None:
        raise AssertionError("an approved design is signed")
    return passed(
        mesh=design.mesh_id,
        signature=design.approval.pk,
        approver=design.approval.person_id,
        approved_as=device.master.approver.value,
    )


@gate("G-DES-02", "device.start_build", "device.finish_build", "device.start_post_processing")
def approved_what_is_made(device: Device, *, actor: Actor | None = None, **_: Any) -> Verdict:
    """The approval of the design stands; what a machine did without it is recorded all the same."""
    found = design_approved(device)
    if found.outcome == "block" and actor is not None and actor.person_id is None:
        return not_applicable("A machine did it: the next step of a person is refused.")
    return found


@gate("G-LAT-01", FREEZE, "device.queue", "device.label", "device.release")
def side_consistent(device: Device, **_: Any) -> Verdict:
    """The whole design lies on the side of the patient that the order names, or its bores do where a plan places them."""
    if plan_kind_of(device.master) == Trajectories.id:
        return _planned_side(device)
    wanted = expected_side(device.order)
    if not wanted:
        return not_applicable(f"The order names no single side ({Side(device.order.side).label.lower()}).")
    design = device.current_design
    if design is None:
        return blocked("The side of the design is not known.", cure="Request a design.")
    if is_scan(design.segmentation.study):
        return _picked_side(wanted, design)
    given = design.values.get(MIDLINE.name)
    faults = side_faults(wanted, design.measures, given is not None)
    measured = {name: round(design.measures[name], 2) for name in SIDE_EVIDENCE if name in design.measures}
    evidence = {"ordered": wanted, "midline": "found by symmetry" if given is None else given, **measured}
    if faults:
        return blocked(
            " ".join(fault.text for fault in faults),
            cure=" ".join(dict.fromkeys(fault.cure for fault in faults)),
            **evidence,
        )
    if given is not None and (
        design.review is None or not stands_for(design.review, design_content(device, design))
    ):
        return blocked(
            "The patient's middle was given by the author, and nobody confirmed it.",
            cure="Another design engineer reviews the design.",
            **evidence,
        )
    return passed(**evidence)


def _picked_side(wanted: str, design: Design) -> Verdict:
    """A scan knows no patient's middle: the side is that of the picks on it, which reviewer and approver sign among the values."""
    faults = picked_side_faults(wanted, design.measures)
    evidence = {"ordered": wanted, LEFTWARD: design.measures.get(LEFTWARD)}
    if faults:
        return blocked(
            " ".join(fault.text for fault in faults),
            cure=" ".join(fault.cure for fault in faults),
            **evidence,
        )
    return passed(**evidence)


def _planned_side(device: Device) -> Verdict:
    """The order, the plan that its reader signed, and the bores of the part name the same sides."""
    design = device.current_design
    plan = design.plan if design else None
    if design is None or plan is None:
        return blocked("The side of the design is not known.", cure="Request a design from a plan.")
    across = {side: design.measures.get(f"{side}_lateral_mm") for side in ("left", "right")}
    evidence = {"ordered": device.order.side, "planned": plan.content["side"], **across}
    wanted = SIDES.get(device.order.side, ())
    there = [side for side, away in across.items() if away is not None]
    right = all((across[side] or 0.0) * (1 if side == "left" else -1) > 0.0 for side in wanted)
    if plan.content["side"] != device.order.side or there != list(wanted) or not right:
        return blocked(
            f"The order is for: {device.order.side}; the plan for: {plan.content['side']}; bores lie on: "
            f"{', '.join(there) or 'no side'}.",
            cure="Check the side with the prescriber; plan again what is ordered.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-INT-01", FREEZE, "device.queue", "device.release")
def evidence_intact(device: Device, **_: Any) -> Verdict:
    """The images, segmentations and designs are those that the log knows, and the design's file is intact."""
    now = evidence_digest(device)
    if now != device.evidence_digest:
        return blocked(
            "A study, segmentation or design was changed behind the record's back.",
            cure="Do not use the record; run verify and restore from a backup.",
        )
    design = device.current_design
    if design is not None and design.mesh_id and not store().verify(design.mesh_id):
        return blocked(
            "The file of the design is missing or altered.",
            cure="Restore it from a backup; do not build from it meanwhile.",
            mesh=design.mesh_id,
        )
    return passed(evidence_digest=now, mesh=design.mesh_id if design else None)


# --- rework


@gate("G-PRT-01", "device.start_rework")
def part_was_built(device: Device, **_: Any) -> Verdict:
    """There is a part to rework: a failed build left none."""
    return _passed_before(device, "start_rework", cure="Scrap the device and plan it again.")


@gate("G-PST-01", "device.finish_rework")
def post_processing_was_finished(device: Device, **_: Any) -> Verdict:
    """The part went through all of its post-processing before."""
    return _passed_before(device, "finish_rework", cure="Repeat the post-processing.")


def _passed_before(device: Device, move: str, *, cure: str) -> Verdict:
    wanted = PASSED_BEFORE[move]
    seen = stages_since_frozen(device)
    if wanted not in seen:
        return blocked(
            f"The device was never '{wanted.label}' since its design was frozen.", cure=cure, seen=seen
        )
    return passed(seen=seen)
