"""Sections A to F of a production record: what was ordered, from which images, and how it was designed."""

from __future__ import annotations

from typing import Any

from devices.choices import DesignStatus
from devices.models import Design, Device, DeviceMaster, Segmentation, Study
from devices.selectors.evidence import bone_of
from mes.models import EventRecord
from quality.reports.base import NOT_YET, Fact, Grid, Picture, Section
from quality.reports.completeness import quantities_of
from quality.selectors.record import names_of

EXTENTS = frozenset({"width_mm", "depth_mm", "height_mm"})
"""Measures of the box around a design, across, along and above its site."""
UDI_NOTE = "No UDI carrier: a patient-specific device is identified by its serial number and case code."


def origin_sections(device: Device, events: list[EventRecord]) -> tuple[Section, ...]:
    return (
        header(device, events),
        prescription(device),
        imaging(device.current_study),
        segmentation(bone_of(device)),
        mesh(bone_of(device), device.current_design),
        design(device.current_design),
    )


def _identification(master: DeviceMaster) -> str:
    """The device identifier of each level of packaging, or why there is none (21 CFR 820.35(c), 801.30)."""
    levels = master.packaging.get("levels", {}) if isinstance(master.packaging, dict) else {}
    named = [f"{level}: {planned['di']}" for level, planned in levels.items() if planned.get("di")]
    return f"{str(master.packaging['scheme']).upper()} {'; '.join(named)}" if named else UDI_NOTE


def header(device: Device, events: list[EventRecord]) -> Section:
    master = device.master
    facts = (
        Fact("record_id", "Record", device.code),
        Fact("serial", "Lot number" if device.is_lot else "Serial number", device.serial),
        Fact("order", "Order", device.order.code),
        Fact("case_code", "Case code (patient token)", device.order.patient.token),
        Fact("device_type", "Device type", master.title),
        Fact("master", "Device master and revision", str(master)),
        Fact("field", "Field", master.get_field_display()),
        Fact("intended_use", "Intended use", master.get_intended_use_display()),
        Fact("side", "Side", device.order.get_side_display()),
        Fact("pathway", "Regulatory pathway", master.pathway),
        Fact("contact_category", "Body contact", master.contact_category),
        Fact("material", "Material", f"{device.material.code}, {device.material.name}"),
        Fact("udi", "Device identification", _identification(master)),
        Fact("started_at", "First entry", events[0].occurred_at if events else None),
        Fact("last_at", "Last entry of this record", events[-1].occurred_at if events else None),
        Fact("site", "Manufacturing site", NOT_YET),
    )
    counts = quantities_of(device).as_evidence()
    quantities = Grid("Quantities", tuple(counts), (tuple(counts.values()),))
    return Section("A", "Header", facts=facts, grids=(quantities,))


def prescription(device: Device) -> Section:
    order = device.order
    signature = order.prescription
    names = names_of(row["author"] for row in order.characteristics if isinstance(row.get("author"), int))
    rows = tuple(
        (row.get("attribute"), row.get("value"), row.get("unit"), names.get(row.get("author"), NOT_YET))
        for row in order.characteristics
    )
    facts = (
        Fact("prescriber", "Prescriber", str(order.prescriber)),
        Fact("institution", "Institution and licence", NOT_YET),
        Fact(
            "prescription_digest",
            "Digest of the prescription",
            signature.content_digest if signature else None,
        ),
        Fact("prescribed_at", "Prescribed", signature.signed_at if signature else None),
        Fact("need_by", "Needed by", order.need_by),
        Fact(
            "identifiers",
            "Identifiers matched with the images",
            device.current_study.matched if device.current_study else None,
        ),
    )
    grids = (Grid("Specific design characteristics", ("attribute", "value", "unit", "author"), rows),)
    return Section("B", "Order and prescription", facts=facts, grids=grids)


def imaging(study: Study | None) -> Section:
    if study is None:
        return Section("C", "Imaging", NOT_YET)
    spacing = study.spacing_mm or []
    facts = (
        Fact("study", "Study", study.pk),
        Fact("status", "Status", study.get_status_display()),
        Fact("modality", "Modality", study.modality),
        Fact("acquired_on", "Acquired on", study.acquired_on),
        Fact("source_format", "Format", study.source_format),
        Fact("matrix", "Columns, rows, slices", [study.columns, study.rows, study.slices]),
        Fact("spacing_mm", "Spacing: column, row, slice", spacing, "mm"),
        Fact("widest_slice_step_mm", "Widest step between slices", study.widest_slice_step_mm, "mm"),
        Fact("tilt_degrees", "Gantry tilt", study.tilt_degrees, "°"),
        Fact("acquisition", "Acquisition", study.acquisition),
        Fact("deidentification", "De-identification", study.deidentification),
        Fact("source_digest", "Digest of what was sent", study.source_digest),
        Fact("volume_sha256", "Volume", study.volume_id),
        Fact("series_sha256", "De-identified series", study.series_id),
        Fact("declared", "Said of the scan by its sender", study.declared),
        Fact("scan_sha256", "Surface scan", study.surface_id),
    )
    rows = tuple(
        (row.get("severity"), row.get("code"), row.get("message"), row.get("cure")) for row in study.findings
    )
    grids = (Grid("Findings", ("severity", "code", "finding", "cure"), rows),) if rows else ()
    return Section("C", "Imaging", facts=facts, grids=grids)


def segmentation(found: Segmentation | None) -> Section:
    if found is None:
        return Section("D", "Segmentation", NOT_YET)
    facts = (
        Fact("segmentation", "Segmentation", found.pk),
        Fact("status", "Status", found.get_status_display()),
        Fact("tool", "Tool", f"{found.tool} {found.tool_version}"),
        Fact("validation", "Validation of the tool", found.validation_status.replace("_", " ")),
        Fact("parameters", "Parameters", found.parameters),
        Fact("author", "Author", str(found.author)),
        Fact("reviewer", "Clinical reviewer", str(found.reviewer) if found.reviewer else None),
        Fact("volume_ml", "Volume", found.volume_ml, "mL"),
        Fact("components", "Connected parts", found.components),
        Fact("mask_sha256", "Mask", found.mask_id),
        Fact("labels_sha256", "Labels of its vertices", found.labels_id),
    )
    pictures = tuple(
        Picture(f"{plane.capitalize()} overlay", digest)
        for plane, digest in sorted(found.overlays.items())
        if isinstance(digest, str)
    )
    return Section("D", "Segmentation", facts=facts, pictures=pictures)


def mesh(found: Segmentation | None, made: Design | None) -> Section:
    if found is None:
        return Section("E", "Mesh processing", NOT_YET)
    facts = (
        Fact("surface_sha256", "Surface of the anatomy", found.surface_id),
        Fact("triangles", "Triangles", found.triangles),
        Fact("watertight", "Watertight", found.watertight),
        Fact("surface_volume_ml", "Volume", found.surface_volume_ml, "mL"),
        Fact("distance_mean_mm", "Distance to the mask's surface, mean", found.distance_mean_mm, "mm"),
        Fact("distance_p95_mm", "95th percentile", found.distance_p95_mm, "mm"),
        Fact("distance_max_mm", "Largest", found.distance_max_mm, "mm"),
        Fact("bounds_mm", "Bounds, LPS", found.bounds_mm, "mm"),
        Fact("design_sha256", "Surface of the design", made.mesh_id if made else None),
    )
    columns = tuple(dict.fromkeys(key for step in found.steps for key in step))
    rows = tuple(tuple(step.get(key) for key in columns) for step in found.steps)
    grids = (Grid("Operations, in order", columns, rows),) if rows else ()
    return Section("E", "Mesh processing", facts=facts, grids=grids)


def design(made: Design | None) -> Section:
    if made is None:
        return Section("F", "Design", NOT_YET)
    facts = (
        Fact("revision", "Revision", made.revision),
        Fact("made_from", "Made from segmentation", made.segmentation_id),
        Fact("status", "Status", made.get_status_display()),
        *_made_by(made),
        Fact("validation", "Validation of the tool", made.validation_status.replace("_", " ")),
        Fact("author", "Author", str(made.author)),
        Fact("reviewer", "Reviewer", str(made.reviewer) if made.reviewer else None),
        Fact("mesh_sha256", "Approved surface", made.mesh_id),
        Fact(
            "approved",
            "Approved by the prescriber over this surface",
            made.status == DesignStatus.APPROVED,
        ),
        Fact("warnings", "Warnings", made.warnings),
    )
    grids = (
        _mapping("Parameters", made.values),
        _mapping("Measured on the surface", _measures(made.measures)),
        _features(made.features),
    )
    return Section("F", "Design", facts=facts, grids=grids)


def _made_by(made: Design) -> tuple[Fact, ...]:
    """Its generator; or the program that drew it as its designer states it, and the file that they sent."""
    if made.origin is None:
        return (Fact("generator", "Generator", " ".join(made.tool)),)
    origin = made.origin
    return (
        Fact("origin", "Origin", "external CAD"),
        Fact("drawn_with", "Drawn with, as its designer states", " ".join(made.tool)),
        Fact("source_format", "Format of its file", origin.get("source_format")),
        Fact("source_sha256", "File as it was sent", made.source_id or origin["sha256"]),
        Fact("unit", "Unit of the file", origin["unit"] or None),
        Fact("unit_stated_by", "Unit stated by", _sender(origin.get("unit_stated_by"))),
        Fact("axes", "Axes of the file", origin["axes"]),
        Fact("transform", "From the file to LPS mm", origin.get("transform")),
    )


def _sender(stated_by: str | None) -> str | None:
    return "designer" if stated_by == "sender" else stated_by


def _measures(measured: dict[str, Any]) -> dict[str, Any]:
    """The part's own extents by names of their own: a `depth_mm` that was asked for is another depth."""
    return {f"overall_{name}" if name in EXTENTS else name: value for name, value in measured.items()}


def _mapping(title: str, values: dict[str, Any]) -> Grid:
    return Grid(title, ("name", "value"), tuple(sorted((str(key), value) for key, value in values.items())))


def _features(features: Any) -> Grid:
    listed = [feature for feature in features if isinstance(feature, dict)]
    columns = tuple(dict.fromkeys(key for feature in listed for key in feature))
    return Grid("Features", columns, tuple(tuple(item.get(key) for key in columns) for item in listed))
