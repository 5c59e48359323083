"""What must be true before an order or a device moves: answers with evidence, never exceptions on purpose.

A gate answers with what it looked at. Where something is missing it blocks (K-14).
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils import timezone

from devices.catalog.base import covers
from devices.choices import DefinitionStatus, DesignStatus, SegmentationStatus, Side, StudyStatus
from devices.generators.base import GENERATORS, within_envelope
from devices.models import Device, Order, Study
from devices.segmentation.base import TOOLS
from devices.selectors import evidence_digest, expected_side
from devices.services.designs import approval_content, design_content, envelope_of, thin_walls
from devices.services.orders import prescription_content, standing_approvals
from devices.services.segmentations import segmentation_content
from devices.services.studies import ImagesRead
from mes.choices import Role
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.selectors import people_with
from mes.services.artefacts import store
from mes.services.signatures import stands_for

FREEZE = "device.freeze_design"
RESEARCH_ONLY = "research_only"


# --- order


@gate("G-ORD-01", "order.accept")
def prescription_signed(order: Order, **_: Any) -> Verdict:
    """The prescription is signed, and the prescriber may prescribe."""
    signature = order.prescription
    if signature is None or not stands_for(signature, prescription_content(order)):
        return blocked(
            "No prescriber's signature stands for this order as it is.", cure="The prescriber signs it."
        )
    if not people_with(Role.PRE).filter(pk=signature.person_id).exists():
        return blocked(
            "Who signed the prescription may no longer prescribe.",
            cure="Another prescriber takes over with a new order.",
            signature=signature.pk,
        )
    return passed(signature=signature.pk)


@gate("G-ORD-02", "order.submit", "order.accept")
def characteristic_given(order: Order, **_: Any) -> Verdict:
    """At least one design characteristic is specific to the patient."""
    named = [row.get("attribute") for row in order.characteristics if row.get("author")]
    if not named:
        return blocked(
            "No design characteristic beyond the images is stated.",
            cure="Write a new order with an attribute, its value and its unit.",
        )
    return passed(characteristics=named)


@gate("G-ORD-03", "order.accept")
def pathway_signed(order: Order, **_: Any) -> Verdict:
    """The regulatory pathway is decided and signed by regulatory affairs."""
    signature = standing_approvals(order).get(Role.RA)
    if not order.master.pathway.strip():
        return blocked("The master states no regulatory pathway.", cure="Have the master revised.")
    if signature is None:
        return blocked("Regulatory affairs has not signed the pathway.", cure="Regulatory affairs approves.")
    return passed(pathway=order.master.pathway, signature=signature.pk)


@gate("G-ORD-04", "order.accept")
def need_by_feasible(order: Order, **_: Any) -> Verdict:
    """The need-by date lies ahead."""
    today = timezone.localdate()
    if order.need_by < today:
        return blocked(
            "The need-by date has passed.",
            cure="Reject the order and write a new one.",
            need_by=str(order.need_by),
        )
    return passed(need_by=str(order.need_by), today=str(today))


@gate("G-MAT-07", "order.accept", FREEZE)
def material_qualified(subject: Order | Device, **_: Any) -> Verdict:
    """The material is specified for the master's process and contact."""
    master, material = subject.master, subject.material
    evidence = {
        "material": material.code,
        "process": material.process,
        "qualified_for": material.contact_category,
        "needed": master.contact_category,
    }
    if material.status != DefinitionStatus.EFFECTIVE:
        return blocked(f"{material.code} is not approved.", cure="Have it approved.", **evidence)
    if material.code not in master.materials or material.process != master.process:
        return blocked(
            f"{master} is not made of {material.code} by {material.process}.",
            cure="Order one of the master's materials.",
            **evidence,
        )
    if not covers(material.contact_category, master.contact_category):
        return blocked(
            f"{material.code} is not qualified for the contact '{master.contact_category}'.",
            cure="Order a material that is, or have it qualified.",
            **evidence,
        )
    return passed(**evidence)


# --- images


@gate("G-ORD-05", "device.accept_images", "device.start_segmentation", FREEZE)
def patient_matches(device: Device, *, outcome: ImagesRead | None = None, **_: Any) -> Verdict:
    """Two identifiers of the images are those of the order's patient."""
    if outcome is None:
        return _matched_before(device)
    match = outcome.match
    if match.differing:
        return blocked(
            f"The images are of somebody else: {', '.join(match.differing)} differ.",
            cure="Check the patient and send in the right images; tell the privacy officer.",
            differing=list(match.differing),
        )
    if match.holds:
        return passed(matched=list(match.matched))
    if not match.present and outcome.volume_sha256:
        return passed(matched=[], linked_by="a person's signature")
    return blocked(
        "Fewer than two identifiers of the images could be compared with the patient.",
        cure="Send images that carry them; if they carry none, confirm by signature whose they are.",
        matched=list(match.matched),
    )


def _matched_before(device: Device) -> Verdict:
    study = _accepted_study(device)
    if study is None:
        return blocked("No accepted images.", cure="Send in images.")
    if len(study.matched) >= 2 or study.link_confirmed:
        return passed(matched=study.matched, link_confirmed=study.link_confirmed)
    return blocked("The images were not matched with the patient.", cure="Send them in again.")


@gate("G-IMG-03", "device.accept_images", "device.start_segmentation")
def images_deidentified(device: Device, *, outcome: ImagesRead | None = None, **_: Any) -> Verdict:
    """What is stored for work is de-identified."""
    if outcome is not None and outcome.volume_sha256 is None:
        return not_applicable("Nothing of these images is stored.")
    study = device.current_study
    report = outcome.deidentification if outcome else study.deidentification if study else {}
    if not report:
        return blocked("The images were not de-identified.", cure="Send them in again.")
    return passed(files=report.get("files"), sha256=report.get("sha256"))


@gate("G-IMG-01", "device.start_segmentation", FREEZE)
def images_within_protocol(device: Device, **_: Any) -> Verdict:
    """Slice spacing, gaps and tilt are within the master's imaging protocol."""
    study = _accepted_study(device)
    if study is None:
        return blocked("No accepted images.", cure="Send in images.")
    limits = device.master.imaging
    spacing, tilt = study.widest_slice_step_mm, study.tilt_degrees
    evidence = {"slice_spacing_mm": spacing, "tilt_degrees": tilt, "limits": limits}
    if spacing is None or tilt is None:
        return blocked("The images' geometry was not measured.", cure="Send them in again.", **evidence)
    said = []
    if spacing > limits["max_slice_spacing_mm"] + 1e-6:
        said.append(
            f"slices are up to {spacing:.2f} mm apart, allowed are {limits['max_slice_spacing_mm']:g} mm"
        )
    if abs(tilt) > limits["max_tilt_degrees"] + 1e-6:
        said.append(f"the gantry is tilted by {abs(tilt):.1f}°, allowed are {limits['max_tilt_degrees']:g}°")
    if said:
        return blocked(
            f"The images are outside the protocol of {device.master}: {'; '.join(said)}.",
            cure="Acquire a series within the protocol, or order under a master that allows these images.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-IMG-02", "device.start_segmentation", FREEZE)
def images_recent(device: Device, **_: Any) -> Verdict:
    """The images will not be too old when the device is used."""
    window = device.master.imaging.get("max_image_age_days")
    if window is None:
        return not_applicable("The master sets no limit on the age of images.")
    study = _accepted_study(device)
    acquired = study.acquired_on if study else None
    if acquired is None:
        return blocked("The images state no date.", cure="Send in images that keep their acquisition date.")
    age = (max(device.need_by, timezone.localdate()) - acquired).days
    evidence = {"acquired_on": str(acquired), "age_at_use_days": age, "limit_days": window}
    if acquired > _tomorrow() or age > window:
        return blocked(
            f"The images are {age} days old at the planned use; {window} are allowed."
            if age >= 0
            else "The images are dated in the future.",
            cure="Acquire a new series.",
            **evidence,
        )
    return passed(**evidence)


def _tomorrow() -> date:
    """A scanner's clock may be a time zone ahead."""
    return date.fromordinal(timezone.localdate().toordinal() + 1)


def _accepted_study(device: Device) -> Study | None:
    study = device.current_study
    return study if study is not None and study.status == StudyStatus.ACCEPTED else None


# --- tools


@gate("G-SW-01", "device.start_segmentation", FREEZE)
def tools_validated(device: Device, **_: Any) -> Verdict:
    """The tools that touch the geometry are validated for the intended use."""
    used = _tools(device)
    if not device.master.clinical:
        return passed(intended_use=device.master.intended_use, tools=used)
    lacking = sorted(name for name, status in used.items() if status not in ("cleared", "validated_in_house"))
    if lacking:
        return blocked(
            f"For clinical use these tools are not validated: {', '.join(lacking)}.",
            cure="Validate them in house for this use, use cleared tools, or order under a training master.",
            intended_use=device.master.intended_use,
            tools=used,
        )
    return passed(intended_use=device.master.intended_use, tools=used)


def _tools(device: Device) -> dict[str, str]:
    """Each tool of the master, and each that was used already, with the worst status that it was seen with."""
    segmenter, generator = device.master.segmentation["segmenter"], device.master.design["generator"]
    found: list[tuple[str, str]] = [
        (f"{segmenter} {TOOLS[segmenter].version}", TOOLS[segmenter].validation_status),
        (f"{generator} {GENERATORS[generator].version}", GENERATORS[generator].validation_status),
    ]
    if (made := device.current_segmentation) is not None:
        found.append((f"{made.tool} {made.tool_version}", made.validation_status))
    if (drawn := device.current_design) is not None:
        found.append((f"{drawn.generator} {drawn.generator_version}", drawn.validation_status))
    return dict(sorted(found, key=lambda tool: tool[1] == RESEARCH_ONLY))


# --- segmentation and mesh


@gate("G-SEG-01", "device.request_design", FREEZE)
def segmentation_approved(device: Device, **_: Any) -> Verdict:
    """A clinical reviewer who is not its author approved the segmentation as it is."""
    segmentation = device.current_segmentation
    if segmentation is None or segmentation.status != SegmentationStatus.APPROVED:
        return blocked("The segmentation is not approved.", cure="A clinical reviewer approves it.")
    signature = segmentation.approval
    if signature is None or not stands_for(signature, segmentation_content(device, segmentation)):
        return blocked(
            "The approval is not over the segmentation as it is.",
            cure="A clinical reviewer approves it again.",
        )
    if signature.person_id == segmentation.author_id:
        return blocked("The author approved their own segmentation.", cure="Somebody else approves it.")
    return passed(signature=signature.pk, reviewer=signature.person_id, author=segmentation.author_id)


@gate("G-MSH-01", "device.approve_segmentation", FREEZE)
def surface_faithful(device: Device, **_: Any) -> Verdict:
    """The bone surface is watertight and close to its mask."""
    segmentation = device.current_segmentation
    if segmentation is None:
        return blocked("There is no surface.", cure="Segment the images.")
    limits = device.master.segmentation.get("limits", {})
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
    if not segmentation.watertight:
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


# --- design


@gate("G-DES-01", FREEZE)
def design_within_envelope(device: Device, **_: Any) -> Verdict:
    """The design is inside the master's envelope and its walls can be built."""
    design = device.current_design
    if design is None or not design.mesh_id:
        return blocked("There is no design.", cure="Request one.")
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in design.values.items()
    }
    reasons = [
        *within_envelope(values, envelope_of(device.master)),
        *thin_walls(design.measures, device.material),
    ]
    evidence = {"measures": design.measures, "envelope": device.master.design.get("envelope", {})}
    if reasons:
        return blocked(
            " ".join(reason.text for reason in reasons),
            cure="Request a design within the limits.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-SIG-01", FREEZE)
def design_reviewed(device: Device, **_: Any) -> Verdict:
    """A second engineer signed the design as it is (G-SOD-01)."""
    design = device.current_design
    if design is None or design.status != DesignStatus.REVIEWED or design.review is None:
        return blocked("No second engineer reviewed the design.", cure="Another design engineer reviews it.")
    if not stands_for(design.review, design_content(device, design)):
        return blocked("The review is not over the design as it is.", cure="Review the design again.")
    if design.review.person_id == design.author_id:
        return blocked("The author reviewed their own design.", cure="Another design engineer reviews it.")
    return passed(signature=design.review.pk, reviewer=design.review.person_id, author=design.author_id)


@gate("G-DES-02", "device.queue")
def prescriber_approved(device: Device, **_: Any) -> Verdict:
    """The prescriber's approval stands for the exact design that is to be built."""
    design = device.current_design
    if design is None or design.status != DesignStatus.APPROVED or design.approval is None:
        return blocked("The prescriber has not approved the design.", cure="The prescriber approves it.")
    if not stands_for(design.approval, approval_content(device, design)):
        return blocked(
            "The prescriber approved something else: the design, its master, material or order changed since.",
            cure="Void the design; have it reviewed and approved again.",
            mesh=design.mesh_id,
            signature=design.approval.pk,
        )
    return passed(mesh=design.mesh_id, signature=design.approval.pk, prescriber=design.approval.person_id)


@gate("G-LAT-01", FREEZE, "device.queue", "device.label", "device.release")
def side_consistent(device: Device, **_: Any) -> Verdict:
    """The design lies on the side that the order names."""
    wanted = expected_side(device.order)
    if not wanted:
        return not_applicable(f"The order names no single side ({Side(device.order.side).label.lower()}).")
    design = device.current_design
    offset = design.measures.get("lateral_offset_mm") if design else None
    if offset is None:
        return blocked("The side of the design is not known.", cure="Request a design.")
    lies_on = "left" if offset > 0 else "right" if offset < 0 else "middle"
    evidence = {"ordered": wanted, "designed": lies_on, "lateral_offset_mm": round(offset, 2)}
    if lies_on != wanted:
        return blocked(
            f"The order is for the {wanted} side; the design lies {abs(offset):.1f} mm to the {lies_on} of the bone's middle.",
            cure="Check the side with the prescriber, then request a design on the right side.",
            **evidence,
        )
    return passed(**evidence)


# --- integrity


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
