"""Sections L to R of a production record: inspection, nonconformities, labelling, review and release, delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from devices.models import Device
from mes.eventlog.base import Actor
from mes.models import EventRecord, Signature
from quality.choices import Outcome
from quality.models import Inspection
from quality.reports.base import NOT_APPLICABLE, NOT_YET, RECORDED, Fact, Grid, Picture, Section
from quality.reports.evidence import tools_of
from quality.reports.units import ACCEPTED, OPEN, SCRAPPED, units_that_are
from quality.selectors.making import inspections_of, passed_inspection

NO_STERILISATION = (
    "The device master plans no cleaning validation and no sterilisation; delivered non-sterile."
)
NO_PACKAGING = (
    "The device master plans no cleaning validation, packaging or sterilisation; delivered non-sterile."
)


def finishing_sections(
    device: Device, events: list[EventRecord], names: Mapping[int, str]
) -> tuple[Section, ...]:
    return (
        inspection(device),
        nonconformities(device),
        packaging(device, events, names),
        labelling(device, events, names),
        release(device, events, names),
        Section("Q", "Delivery and traceability", NOT_YET),
        Section("R", "Post-production", NOT_YET, "No complaint, correction or removal is recorded."),
    )


def inspection(device: Device) -> Section:
    found = list(inspections_of(device))
    if not found:
        return Section("L", "Inspection and test", NOT_YET)
    signed = passed_inspection(device)
    unit = ("unit",) if device.is_lot else ()
    facts: tuple[Fact, ...] = (
        Fact("sample", "Sample", "100 % of the units"),
        *_units(device),
        Fact("method", "Method", "Surface scan registered to the approved surface by rigid best fit"),
        Fact("measurements", "Scans received, all kept", len(found)),
    )
    columns = ("no.", *unit, "received", "by", "scan", "measured", "gauge", "state", "answer")
    grids = [Grid("Every scan", columns, _scans(device, found)), _gauges(found)]
    pictures: tuple[Picture, ...] = ()
    shown = signed or _last_measured(found)
    if shown is not None:
        facts += _figures(shown)
        grids.append(_characteristics(shown))
        pictures = (Picture(f"Deviation map of scan {shown.number}", str(shown.measurement.picture_id)),)
    return Section("L", "Inspection and test", facts=facts, grids=tuple(grids), pictures=pictures)


def _units(device: Device) -> tuple[Fact, ...]:
    """Of a lot, what became of each unit (K-08)."""
    if not device.is_lot:
        return ()
    states = ((state, units_that_are(device, state)) for state in (ACCEPTED, SCRAPPED, OPEN))
    return tuple(Fact(f"units_{state}", f"Units {state}", units) for state, units in states)


def _scans(device: Device, found: list[Inspection]) -> tuple[tuple[object, ...], ...]:
    return tuple(
        (
            item.number,
            *((item.unit,) if device.is_lot else ()),
            item.received_at,
            str(item.received_by) if item.received_by else None,
            item.scan_id,
            item.measured_on,
            item.gauge.code if item.gauge else None,
            item.status.replace("_", " "),
            _answer(item),
        )
        for item in found
    )


def _gauges(found: list[Inspection]) -> Grid:
    """What measured, with the calibration in force then (21 CFR 820.72)."""
    columns = (
        "gauge", "kind", "maker and model", "serial", "accuracy (mm)", "calibration", "calibrated", "due", "by", "certificate",
    )  # fmt: skip
    used = {item.calibration: item.gauge for item in found if item.gauge and item.calibration}
    rows = tuple(
        (
            gauge.code,
            gauge.get_kind_display(),
            f"{gauge.maker} {gauge.model}",
            gauge.serial,
            gauge.accuracy_mm,
            calibration.number,
            calibration.calibrated_on,
            calibration.due_on,
            calibration.laboratory,
            calibration.certificate_id,
        )
        for calibration, gauge in used.items()
    )
    return Grid("Measuring equipment", columns, rows)


def _answer(item: Inspection) -> str:
    if hasattr(item, "verdict"):
        said = f"{item.verdict.get_decision_display()} by {item.verdict.decided_by}"
        return f"{said}: {item.verdict.justification}" if item.verdict.justification else said
    if hasattr(item, "measurement") and item.measurement.outcome == Outcome.REFUSED:
        return " ".join(reason["text"] for reason in item.measurement.reasons)
    return ""


def _last_measured(found: list[Inspection]) -> Inspection | None:
    measured = [
        item
        for item in found
        if hasattr(item, "measurement") and item.measurement.outcome == Outcome.MEASURED
    ]
    return measured[-1] if measured else None


def _figures(item: Inspection) -> tuple[Fact, ...]:
    """What is missing is shown as missing: a record altered behind the log's back must still be readable (G-INT-01)."""
    figures, tool = item.measurement.figures, item.measurement.tool
    return (
        Fact("mean_mm", "Mean deviation", figures.get("mean_mm"), "mm"),
        Fact("rms_mm", "Root mean square", figures.get("rms_mm"), "mm"),
        Fact("p95_mm", "95th percentile", figures.get("p95_mm"), "mm"),
        Fact("maximum_mm", "Largest deviation", figures.get("maximum_mm"), "mm"),
        Fact("share_in_tolerance", "Share in tolerance", figures.get("share_in_tolerance"), "of 1"),
        Fact("coverage", "Share of the visible surface found", figures.get("coverage"), "of 1"),
        Fact(
            "hidden", "Share of the surface that no scanner sees, not judged", figures.get("hidden"), "of 1"
        ),
        Fact("scale_estimate", "Size of the part over the design's", figures.get("scale_estimate"), "of 1"),
        Fact("points", "Points measured", figures.get("points")),
        Fact("pose", "Pose of the scan on the surface (4 x 4, mm)", item.measurement.pose),
        Fact("nominal_sha256", "Compared with", item.measurement.nominal_id),
        Fact("map_sha256", "Deviation map", item.measurement.deviation_map_id),
        Fact("tool", "Measured by", _named(tool)),
    )


def _named(tool: dict[str, str]) -> str:
    if not tool.keys() >= {"name", "version", "validation"}:
        return "unknown"
    return f"{tool['name']} {tool['version']}, {tool['validation'].replace('_', ' ')}"


def _characteristics(item: Inspection) -> Grid:
    columns = ("characteristic", "value", "limit", "unit", "passed", "reason")
    rows = tuple(
        (
            row["title"],
            row["value"],
            f"{row['comparison']} {row['limit']:g}",
            row["unit"],
            row["passed"],
            row.get("reason", ""),
        )
        for row in item.measurement.characteristics
    )
    return Grid(f"Characteristics of scan {item.number}", columns, rows)


def nonconformities(device: Device) -> Section:
    found = list(device.nonconformances.select_related("proposed_by", "approved_by").order_by("pk"))
    title = "Nonconformities, deviations, concessions, rework"
    if not found:
        return Section("M", title, note="None.")
    columns = (
        "no.",
        "opened",
        "requirement",
        "finding",
        "stage",
        "disposition",
        "justification",
        "proposed by",
        "approved by",
    )
    rows = tuple(
        (
            item.code,
            item.opened_at,
            item.requirement,
            item.description,
            item.get_stage_display(),
            item.get_disposition_display(),
            item.justification,
            str(item.proposed_by) if item.proposed_by else None,
            str(item.approved_by) if item.approved_by else None,
        )
        for item in found
    )
    return Section("M", title, grids=(Grid("Nonconformities", columns, rows),))


def _told(
    events: list[EventRecord], names: Mapping[int, str], *types: str
) -> Iterator[tuple[EventRecord, dict[str, Any], str]]:
    """The facts of some types about packages, each with its payload and who stated it."""
    for event in events:
        if event.type in types:
            person_id = Actor.parse(event.actor).person_id
            yield event, json.loads(event.payload), names.get(person_id, "") if person_id else ""


def packaging(device: Device, events: list[EventRecord], names: Mapping[int, str]) -> Section:
    """Told from the events, so that a record written before a package was opened does not know of it (K-12)."""
    title = "Cleaning, packaging, sterilisation"
    if not device.master.packaging:
        return Section("N", title, NOT_APPLICABLE, NO_PACKAGING)
    opened = tuple(
        (
            f"K{told['package_id']:07d}",
            told["level"],
            told["sterile_barrier"],
            told["di"],
            told["station"],
            event.occurred_at,
            who,
        )
        for event, told, who in _told(events, names, "quality.package_opened")
    )
    contents = tuple(
        (
            f"K{told['package_id']:07d}",
            f"D{told['device_id']:07d}",
            told["quantity"],
            event.reason,
            event.occurred_at,
            who,
        )
        for event, told, who in _told(events, names, "quality.package_content_changed")
    )
    moved = tuple(
        (
            f"K{told['package_id']:07d}",
            event.type.partition(".")[2].replace("_", " "),
            f"K{told['parent_id']:07d}" if told.get("parent_id") else None,
            event.reason,
            event.occurred_at,
            who,
        )
        for event, told, who in _told(
            events,
            names,
            "quality.package_moved",
            "quality.package_closed",
            "quality.package_reopened",
            "quality.package_voided",
        )
    )
    grids = (
        Grid("Packages", ("package", "level", "sterile barrier", "identifier", "station, found clear", "begun", "by"), opened),
        Grid("Contents", ("package", "device", "units in it then", "reason", "at", "by"), contents),
        Grid("Closed, moved and opened again", ("package", "what", "into", "reason", "at", "by"), moved),
    )  # fmt: skip
    return Section("N", title, RECORDED if opened else NOT_YET, NO_STERILISATION, grids=grids)


def _labels(events: list[EventRecord], names: Mapping[int, str]) -> Grid:
    """Labels issued, applied and destroyed, in their order (820.45)."""
    types = ("quality.labels_issued", "quality.labels_applied", "quality.labels_destroyed")
    rows = tuple(
        (
            f"K{told['package_id']:07d}", event.type.rpartition("_")[2], told["quantity"], event.reason,
            told["label"]["readable"] if "label" in told else told.get("scanned"),
            ", ".join(told.get("examined", ())), event.occurred_at, who,
        )
        for event, told, who in _told(events, names, *types)
    )  # fmt: skip
    columns = ("package", "what", "labels", "reason", "symbol or its text", "examined", "at", "by")
    return Grid("Labels", columns, rows)


def labelling(device: Device, events: list[EventRecord], names: Mapping[int, str]) -> Section:
    label = device.master.label if isinstance(device.master.label, dict) else {}
    facts = tuple(
        Fact(key, key.replace("_", " ").capitalize(), value) for key, value in sorted(label.items())
    )
    labels = _labels(events, names)
    state = RECORDED if labels.rows else NOT_YET
    grids = (labels,) if labels.rows else ()
    return Section(
        "O", "Labelling and documents", state, "The label's text by the device master:", facts, grids
    )


def release(device: Device, events: list[EventRecord], names: Mapping[int, str]) -> Section:
    """Told from the events, so that a record made before the release does not know of it."""
    facts: list[Fact] = []
    grids: list[Grid] = []
    for event in events:
        payload = json.loads(event.payload)
        who = names.get(int(event.actor.partition(":")[2])) if event.actor.startswith("person:") else None
        if event.type == "quality.record_reviewed":
            facts += [
                Fact("reviewed_by", "Audit trail reviewed by", who),
                Fact("review_events", "Events read", payload["events"]),
                Fact("trail_digest", "Digest of their list", payload["trail_digest"]),
                Fact("findings", "Findings", payload["findings"] or "none"),
            ]
        elif event.type == "quality.device_released":
            facts += [
                Fact("decision", "Decision", "Released"),
                Fact("released_by", "Released by", who),
                Fact("released_at", "Released", _signed_at(payload, event)),
                Fact("signed_record_sha256", "Record as signed", payload["record_sha256"]),
                Fact("conditions", "Conditions", "none"),
            ]
            grids.append(_checklist(payload["checklist"]))
    tools = tools_of(device)
    grids.append(
        Grid(
            "Tools that touched the geometry",
            ("tool", "version", "validation"),
            tuple((tool["name"], tool["version"], tool["validation"].replace("_", " ")) for tool in tools),
        )
    )
    return Section(
        "P", "Review and release", "recorded" if facts else NOT_YET, facts=tuple(facts), grids=tuple(grids)
    )


def _signed_at(payload: Mapping[str, Any], event: EventRecord) -> datetime:
    """A device is released when it is signed for: the event is written down a moment later."""
    signed = Signature.objects.filter(pk=payload["signature_id"]).values_list("signed_at", flat=True).first()
    return signed or event.occurred_at


def _checklist(checklist: list[dict[str, object]]) -> Grid:
    rows = tuple((item["gate"], item["title"], item["outcome"], item["reason"]) for item in checklist)
    return Grid("Checklist of the release", ("gate", "requirement", "outcome", "reason"), rows)
