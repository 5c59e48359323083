"""Sections G to K of a production record: how it was built, of what, on which machine, and what was done afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from devices.models import Device
from mes.models import EventRecord
from printing.models import Build, Consumption, ParameterSet, PrintJob
from quality.catalog.routing import read_routing
from quality.reports.base import NOT_APPLICABLE, NOT_YET, Fact, Grid, Section
from quality.selectors.record import builds_of, jobs_of, lots_of

JOB_EVENTS = frozenset(
    {
        "printing.job_paused",
        "printing.job_resumed",
        "printing.job_failed",
        "printing.job_cancelled",
        "printing.job_contradicted",
        "printing.job_uncertain",
        "printing.job_settled",
        "printing.telemetry_lost",
        "printing.build_interrupted",
    }
)

MACHINE = {
    "name": "name",
    "kind": "model",
    "serial": "serial",
    "firmware": "firmware",
    "qualified_until": "qualified until",
    "calibrated_until": "calibrated until",
    "parameters": "parameter set",
    "combination_until": "combination qualified until",
}
"""Of what was kept with a job, what the record shows, and as what."""


def making_sections(device: Device, events: list[EventRecord]) -> tuple[Section, ...]:
    builds, jobs = list(builds_of(device)), list(jobs_of(device))
    return (
        build_preparation(device, builds),
        material(device, jobs),
        machines(jobs),
        prints(jobs, events),
        post_processing(device),
    )


def build_preparation(device: Device, builds: list[Build]) -> Section:
    if not builds:
        return Section("G", "Build preparation", NOT_YET)
    rows = tuple(
        (
            build.code,
            str(build.state),
            build.prepared_with,
            f"{build.parameters}",
            build.parameters_digest,
            build.layer_count,
            build.material_ml,
            build.print_seconds,
            build.file_id,
            build.plate_digest,
        )
        for build in builds
    )
    columns = (
        "build", "state", "slicer", "parameter set", "parameters digest", "layers", "material estimate (mL)",
        "time estimate (s)", "build file", "digest over all layers",
    )  # fmt: skip
    neighbours = tuple(
        (build.code, item.device.code, item.mesh_sha256, item.transform)
        for build in builds
        for item in build.items.select_related("device").order_by("pk")
    )
    prepared = tuple(
        (build.code, str(build.created_by), str(build.verified_by) if build.verified_by else None)
        for build in builds
    )
    grids = (
        Grid("Builds", columns, rows),
        _parameter_sets(device),
        Grid("Devices on the plate", ("build", "device", "surface", "place (4 x 4, mm)"), neighbours),
        Grid("Prepared and verified", ("build", "prepared by", "verified by"), prepared),
    )
    return Section("G", "Build preparation", grids=grids)


def _parameter_sets(device: Device) -> Grid:
    """The sets themselves, and who approved each by signature: what the builds' digests stand for."""
    sets = ParameterSet.objects.filter(builds__items__device=device).select_related("signature", "material")
    rows = tuple(
        (
            str(one),
            str(one.state),
            one.printer_kind,
            one.material.code,
            one.digest,
            one.values,
            one.signature.printed_name if one.signature else None,
            one.signature.signed_at if one.signature else None,
            one.signature_id,
        )
        for one in sets.distinct().order_by("pk")
    )
    columns = (
        "parameter set", "state", "printer", "material", "digest", "values", "approved by", "approved at", "signature",
    )  # fmt: skip
    return Grid("Parameter sets", columns, rows)


def material(device: Device, jobs: list[PrintJob]) -> Section:
    lots = list(lots_of(device))
    if not lots:
        return Section("H", "Material", NOT_YET)
    rows = tuple(
        (
            lot.code,
            lot.material.code,
            lot.supplier,
            lot.supplier_lot,
            lot.last_day,
            lot.certificate_file_id,
            str(lot.received_by),
            str(lot.released_by) if lot.released_by else None,
        )
        for lot in lots
    )
    columns = (
        "lot", "material", "supplier", "supplier's lot", "last day of use", "certificate", "received by", "released by",
    )  # fmt: skip
    used = Consumption.objects.filter(job__in=jobs).select_related("lot", "container", "job").order_by("pk")
    consumed = tuple(
        (
            row.job.code if row.job else None,
            row.lot.code,
            row.container.label,
            str(row.quantity),
            row.lot.unit,
            row.basis,
        )
        for row in used
    )
    results = tuple(
        (
            lot.code,
            item.get("characteristic"),
            item.get("value"),
            item.get("unit"),
            item.get("minimum"),
            item.get("maximum"),
        )
        for lot in lots
        for item in lot.certificate
    )
    grids = (
        Grid("Lots", columns, rows),
        Grid("Used", ("job", "lot", "container", "quantity", "unit", "basis"), consumed),
        Grid("Certificate of analysis", ("lot", "characteristic", "value", "unit", "min", "max"), results),
    )
    return Section("H", "Material", grids=grids)


def machines(jobs: list[PrintJob]) -> Section:
    """The printers as they were when each job was started, whatever became of them since; empty of one that never was."""
    if not jobs:
        return Section("I", "Printer and environment", NOT_YET)
    rows = tuple(
        (
            job.code,
            job.printer.code,
            *(job.machine.get(key) for key in MACHINE),
            job.plate_cleared_at,
            str(job.plate_cleared_by) if job.plate_cleared_by else None,
        )
        for job in jobs
    )
    columns = ("job", "printer", *MACHINE.values(), "plate cleared", "cleared by")
    return Section("I", "Printer and environment", grids=(Grid("Printers", columns, rows),))


def prints(jobs: list[PrintJob], events: list[EventRecord]) -> Section:
    if not jobs:
        return Section("J", "Print", NOT_YET)
    rows = tuple(
        (
            job.code,
            str(job.state),
            job.started_at,
            job.ended_at,
            "only afterwards" if job.observed_late else "as it happened" if job.ended_at else None,
            job.build.layer_count,
            job.layers_done,
            job.file_digest_seen,
            bool(job.file_digest_seen) and job.file_digest_seen == job.build.plate_digest,
            job.reason,
        )
        for job in jobs
    )
    columns = (
        "job", "state", "start", "end", "end seen", "layers planned", "layers done", "digest the machine reported",
        "is the verified file", "reason",
    )  # fmt: skip
    happened = tuple(
        (event.occurred_at, event.type, json.loads(event.payload).get("text", ""), event.reason)
        for event in events
        if event.type in JOB_EVENTS
    )
    unheard = _unheard(jobs)
    quiet = not happened and not unheard
    note = "No pause, interruption, alarm or loss of contact beyond the limit was recorded." if quiet else ""
    grids: tuple[Grid, ...] = (Grid("Jobs", columns, rows),)
    if unheard:
        grids += (Grid("Not heard", ("job", "since", "until", "within the limit"), unheard),)
    if happened:
        grids += (Grid("Interruptions", ("at", "what", "machine's word", "reason"), happened),)
    return Section("J", "Print", note=note, grids=grids)


def _unheard(jobs: list[PrintJob]) -> tuple[tuple[object, ...], ...]:
    """When nobody heard the machine: a print may have ended in it, or stood still."""
    return tuple(
        (job.code, gap["since"], gap["until"], gap.get("within_limit", False))
        for job in jobs
        for gap in job.gaps
    )


def post_processing(device: Device) -> Section:
    steps = list(device.post_process_steps.select_related("performed_by", "signature").order_by("pk"))
    routing = read_routing(device.master.routing)
    if not routing.steps:
        return Section("K", "Post-processing", NOT_APPLICABLE, "The device master's routing has no step.")
    if not steps:
        return Section("K", "Post-processing", NOT_YET)
    facts = (Fact("routing", "Routing", [step.title for step in routing.steps]),)
    rows = tuple(
        (
            f"{row.position}. {row.title}",
            row.attempt,
            _titled(value),
            value["value"],
            value["unit"],
            value["minimum"],
            value["maximum"],
            value["in_limits"],
            row.equipment,
            str(row.performed_by),
            row.ended_at or "not given",
            row.signature.signed_at,
        )
        for row in steps
        for value in row.values
        or ({"title": "", "value": None, "unit": "", "minimum": None, "maximum": None, "in_limits": True},)
    )
    columns = (
        "step", "attempt", "parameter", "value", "unit", "min", "max", "in limits", "equipment", "performed by", "ended",
        "signed",
    )  # fmt: skip
    return Section("K", "Post-processing", facts=facts, grids=(Grid("Steps as measured", columns, rows),))


def _titled(value: Mapping[str, Any]) -> str:
    """The parameter's title, and what of the step was derived instead of given."""
    return f"{value['title']} (derived: {value['derived']})" if "derived" in value else str(value["title"])
