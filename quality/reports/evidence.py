"""Which signatures a release stands on, and which tools touched the geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.models import Device
from devices.selectors.evidence import bone_of
from devices.services.designs import approval_content, design_content
from devices.services.orders import APPROVERS, prescription_content, standing_approvals
from devices.services.segmentations import segmentation_content
from mes.models import Signature
from mes.standing import stands, stands_for
from printing.choices import BuildState
from quality.reports.units import ACCEPTED, passed_inspections, units_that_are
from quality.selectors.making import inspections_of, latest_steps
from quality.selectors.record import builds_of


@dataclass(frozen=True)
class Required:
    """A signature that must stand: what it is for, which were found, and whether it still covers its content."""

    what: str
    signature_ids: list[int]
    stands: bool


def covers(signature: Signature | None, *digests: str | None) -> bool:
    """Whether a signature stands and what it signed names every one of these digests."""
    if signature is None or not all(digests):
        return False
    return stands(signature) and all(str(digest) in signature.content for digest in digests)


def required_signatures(device: Device) -> list[Required]:
    """The signatures of regulatory record 2.3 that a device of this house needs, up to the review."""
    return [
        *_order_signatures(device),
        *_design_signatures(device),
        *_build_signatures(device),
        *_quality_signatures(device),
    ]


def _order_signatures(device: Device) -> list[Required]:
    order = device.order
    approvals = standing_approvals(order)
    found = [_exact("prescription", order.prescription, prescription_content(order))]
    for role in APPROVERS:
        signature = approvals.get(role)
        found.append(
            Required(
                f"approval of the order by {role.label.lower()}",
                [signature.pk] if signature else [],
                signature is not None,
            )
        )
    if len({signature.person_id for signature in approvals.values()}) < len(approvals):
        found.append(Required("two different people approving the order", [], False))
    return found


def _design_signatures(device: Device) -> list[Required]:
    segmentation, design = bone_of(device), device.current_design
    if segmentation is None or design is None:
        return [Required("segmentation and design", [], False)]
    return [
        _exact("segmentation", segmentation.approval, segmentation_content(device, segmentation)),
        _exact("design review", design.review, design_content(device, design)),
        _exact("design approval by the prescriber", design.approval, approval_content(device, design)),
    ]


def _exact(what: str, signature: Signature | None, content: Mapping[str, Any]) -> Required:
    """A signature that must cover exactly what its service would have signed today."""
    stands = signature is not None and stands_for(signature, content)
    return Required(what, [signature.pk] if signature else [], stands)


def _build_signatures(device: Device) -> list[Required]:
    return [
        _one(f"verification of build {build.code}", build.verify_signature, build.plate_digest)
        for build in builds_of(device).filter(state=BuildState.COMPLETED)
    ]


def _quality_signatures(device: Device) -> list[Required]:
    review = device.record_reviews.order_by("pk").last()
    steps = sorted(latest_steps(device).values(), key=lambda row: row.position)
    found = [
        Required(f"post-processing: {row.title}", [row.signature_id], stands(row.signature)) for row in steps
    ]
    found += _inspection_signatures(device)
    found.append(
        _one(
            "review of the record",
            review.signature if review else None,
            review.trail_digest if review else None,
        )
    )
    return found


def _inspection_signatures(device: Device) -> list[Required]:
    """Of a lot, one for each accepted unit (K-08)."""
    accepted = set(units_that_are(device, ACCEPTED)) if device.is_lot else {1}
    found = {item.unit: item for item in passed_inspections(device) if item.unit in accepted}
    return [
        _one(
            f"inspection of unit {unit}" if device.is_lot else "inspection",
            found[unit].verdict.signature if unit in found else None,
            found[unit].scan_id if unit in found else None,
            found[unit].measurement.nominal_id if unit in found else None,
        )
        for unit in sorted(accepted)
    ]


def _one(what: str, signature: Signature | None, *digests: str | None) -> Required:
    return Required(what, [signature.pk] if signature else [], covers(signature, *digests))


def tools_of(device: Device) -> list[dict[str, Any]]:
    """Every tool that touched the geometry, in order: name, version, validation."""
    found: list[dict[str, Any]] = []
    if segmentation := bone_of(device):
        found.append(_tool(segmentation.tool, segmentation.tool_version, segmentation.validation_status))
    if design := device.current_design:
        found.append(_tool(*design.tool, design.validation_status))
    found += [
        _tool(build.prepared_with, "", "research_only") for build in builds_of(device) if build.prepared_with
    ]
    for inspection in inspections_of(device):
        if hasattr(inspection, "measurement") and inspection.measurement.tool:
            tool = inspection.measurement.tool
            found.append(_tool(tool["name"], tool["version"], tool["validation"]))
    return [dict(pair) for pair in dict.fromkeys(tuple(tool.items()) for tool in found)]


def _tool(name: str, version: str, validation: str) -> dict[str, Any]:
    return {"name": name, "version": version, "validation": validation}
