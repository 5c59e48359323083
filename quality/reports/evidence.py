"""Which signatures a release stands on, and which tools touched the geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from devices.models import Device
from mes.choices import Meaning
from mes.models import Signature
from mes.selectors import signatures_of
from quality.selectors import builds_of, inspections_of, latest_steps, passed_inspection


@dataclass(frozen=True)
class Required:
    """A signature that must stand: what it is for, which were found, and whether it still covers its content."""

    what: str
    signature_ids: list[int]
    stands: bool


def covers(signature: Signature | None, *digests: str | None) -> bool:
    """Whether a signature is unaltered and its content names every one of these digests (ES-09)."""
    if signature is None or any(digest is None for digest in digests):
        return False
    intact = hashlib.sha256(signature.content.encode()).hexdigest() == signature.content_digest
    return intact and all(digest in signature.content for digest in digests if digest)


def required_signatures(device: Device) -> list[Required]:
    """The signatures of regulatory record 2.3 that a device of this house needs, up to the review."""
    order, segmentation, design = device.order, device.current_segmentation, device.current_design
    mesh = design.mesh_id if design else None
    approvals = list(signatures_of(order, Meaning.APPROVED))
    review = device.record_reviews.order_by("pk").last()
    inspection = passed_inspection(device)
    return [
        _one("prescription", order.prescription),
        Required(
            "two approvals of the order",
            [signature.pk for signature in approvals],
            len({signature.person_id for signature in approvals if covers(signature)}) >= 2,
        ),
        _one(
            "segmentation",
            segmentation.approval if segmentation else None,
            segmentation and segmentation.surface_id,
        ),
        _one("design review", design.review if design else None, mesh),
        _one("design approval by the prescriber", design.approval if design else None, mesh),
        *_build_signatures(device),
        *(
            _one(f"post-processing: {row.title}", row.signature)
            for row in sorted(latest_steps(device).values(), key=lambda row: row.position)
        ),
        _one(
            "inspection",
            inspection.verdict.signature if inspection else None,
            inspection and inspection.scan_id,
            inspection and inspection.measurement.nominal_id,
        ),
        _one("review of the record", review.signature if review else None, review and review.trail_digest),
    ]


def _one(what: str, signature: Signature | None, *digests: Any) -> Required:
    return Required(what, [signature.pk] if signature else [], covers(signature, *digests))


def _build_signatures(device: Device) -> Iterable[Required]:
    for build in builds_of(device).filter(state="completed"):
        yield _one(f"verification of build {build.code}", build.verify_signature, build.plate_digest)


def tools_of(device: Device) -> list[dict[str, Any]]:
    """Every tool that touched the geometry, in order: name, version, validation."""
    found: list[dict[str, Any]] = []
    if segmentation := device.current_segmentation:
        found.append(_tool(segmentation.tool, segmentation.tool_version, segmentation.validation_status))
    if design := device.current_design:
        found.append(_tool(design.generator, design.generator_version, design.validation_status))
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
