"""Measurement: a machine lays a scan on the approved surface and writes down what it shows.

Every scan and every measurement is kept, whenever it arrives: one out of tolerance that comes after the decision stops
the device (G-INS-01, 21 CFR 820.80).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from devices.choices import Stage
from devices.mesh.compare import Deviation, inspect_scan
from devices.mesh.cover import Region
from devices.mesh.io import read_mesh, write_deviation_ply
from devices.mesh.picture import render_deviation_png
from devices.models import Design, Device
from devices.services.holds import hold_device
from devices.services.lifecycle import locked_device
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, Refused
from mes.models import Artefact
from mes.permissions import require
from mes.services.artefacts import intact_path, store_artefact
from quality.catalog.plan import InspectionPlan, bore_code, feature_code, read_plan, shift_code, tilt_code
from quality.choices import Outcome
from quality.events import InspectionMeasured, InspectionRefused
from quality.models import Inspection, Measurement
from quality.selectors.making import GONE_ON

SYSTEM = Actor.system("quality.inspection")
RULE = "G-INS-01"
GONE_ON_OR_OUT = (*GONE_ON, Stage.RELEASED, Stage.SHIPPED)
PICTURE_SIZE = (900, 640)
SEED = 0
SCANNER_FLOOR_MM = 0.001
"""Far below the noise of any optical scanner (4 µm and more), above the rounding of coordinates to 32 bits."""
COPIED_SHARE = 0.5
"""Of a scan with a noise of 2 µm, 38 % of the points lie within the floor; of a copy, nearly all."""


def measure_scan(inspection_id: int) -> Callable[[], Measurement]:
    """Register the scan to the nominal surface and compare. Computes outside any transaction; returns the effect.

    A scan that says nothing about the part is an answer too: the effect then records the refusal with its reasons.
    """
    inspection = Inspection.objects.select_related(
        "device__master", "device__current_design__mesh", "scan"
    ).get(pk=inspection_id)
    plan = read_plan(inspection.device.master.inspection)
    design, nominal = approved(inspection.device)
    surface, received = intact_path(nominal), intact_path(inspection.scan)
    try:
        scan = read_mesh(received)
        deviation = inspect_scan(
            read_mesh(surface),
            scan,
            tolerance_mm=plan.tolerance_mm,
            regions=regions_of(design),
            seed=SEED,
        )
        _refuse_copy(deviation)
    except InvalidInput as refusal:
        reasons = refusal.reasons
        return lambda: record_refusal(inspection_id=inspection_id, reasons=reasons)
    files = _stored_maps(deviation)
    return lambda: record_measurement(
        inspection_id=inspection_id, deviation=deviation, plan=plan, nominal=nominal, files=files
    )


def _refuse_copy(deviation: Deviation) -> None:
    """A surface that agrees with the nominal beyond what any scanner resolves was not scanned."""
    share = float((np.abs(deviation.distances) < SCANNER_FLOOR_MM).mean())
    if share > COPIED_SHARE:
        raise InvalidInput(
            f"{share:.0%} of the scan's points lie within {SCANNER_FLOOR_MM * 1000:g} µm of the design: that is finer than "
            "any scanner, so it is a copy of the design and no scan.",
            cure="Scan the part, and send what the scanner wrote.",
            rule=RULE,
        )


def approved(device: Device) -> tuple[Design, Artefact]:
    """The design that was approved for this patient and printed, and its surface. Raises Refused where there is none."""
    design = device.current_design
    if design is None or design.mesh is None or design.approval_id is None:
        raise Refused(
            f"{device.code} has no approved design to compare with.", cure="Approve a design.", rule=RULE
        )
    return design, design.mesh


def regions_of(design: Design) -> tuple[Region, ...]:
    """What of the part is judged by itself: each guide tube, from the bone to its rim, and each hole (LPS mm, as the surface is)."""
    return tuple(
        Region(
            f"{tube.get('kind', 'tube')}_{number}",
            _point(tube["position_mm"]),
            _point([-part for part in tube["axis"]]),
            float(tube["outer_diameter_mm"]) / 2.0,
            float(tube["height_mm"]),
            float(tube["inner_diameter_mm"]) / 2.0,
        )
        for number, tube in enumerate(design.features, start=1)
    )


def _point(numbers: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in numbers)
    return x, y, z


def _stored_maps(deviation: Deviation) -> tuple[Artefact, Artefact]:
    surface = deviation.surface
    coloured = write_deviation_ply(surface, deviation.distances, deviation.tolerance_mm)
    picture = render_deviation_png(surface, deviation.distances, deviation.tolerance_mm, size=PICTURE_SIZE)
    return (
        store_artefact(coloured, media_type="model/ply"),
        store_artefact(picture, media_type="image/png"),
    )


@unit_of_work
def record_measurement(
    *,
    inspection_id: int,
    deviation: Deviation,
    plan: InspectionPlan,
    nominal: Artefact,
    files: tuple[Artefact, Artefact],
) -> Measurement:
    """Write down what a scan measured, judged against the plan. A late failure holds a device that has gone on."""
    require(SYSTEM, "quality.record_measurement")
    inspection = Inspection.objects.get(pk=inspection_id)
    device = locked_device(inspection.device_id)
    figures = figures_of(deviation)
    characteristics = plan.judged(figures, deviation.region_coverage, deviation.placements)
    row = Measurement.objects.create(
        inspection=inspection,
        outcome=Outcome.MEASURED,
        figures=figures,
        limits=plan.limits,
        characteristics=characteristics,
        passed=all(item["passed"] for item in characteristics),
        pose=[[float(value) for value in line] for line in deviation.pose],
        nominal=nominal,
        deviation_map=files[0],
        picture=files[1],
        tool=tool_used(plan),
    )
    publish(
        device,
        InspectionMeasured(
            device_id=device.pk,
            inspection_id=inspection.pk,
            figures=row.figures,
            limits=row.limits,
            characteristics=row.characteristics,
            passed=row.passed,
            pose=row.pose,
            nominal_sha256=nominal.sha256,
            map_sha256=files[0].sha256,
            picture_sha256=files[1].sha256,
            tool=row.tool,
        ),
        actor=SYSTEM,
    )
    if not row.passed and device.stage in GONE_ON_OR_OUT:
        text = f"Inspection {inspection.number} failed after the device had gone on"
        hold_device(device_id=device.pk, actor=SYSTEM, reason=text)
    return row


@unit_of_work
def record_refusal(*, inspection_id: int, reasons: tuple[Reason, ...]) -> Measurement:
    """Write down why a scan says nothing about the part. The scan stays; another may be sent."""
    require(SYSTEM, "quality.record_measurement")
    inspection = Inspection.objects.get(pk=inspection_id)
    device = locked_device(inspection.device_id)
    listed = [asdict(reason) for reason in reasons]
    row = Measurement.objects.create(inspection=inspection, outcome=Outcome.REFUSED, reasons=listed)
    publish(
        device,
        InspectionRefused(device_id=device.pk, inspection_id=inspection.pk, reasons=listed),
        actor=SYSTEM,
    )
    return row


def figures_of(deviation: Deviation) -> dict[str, float]:
    """The figures as they are recorded: mm and shares (0..1), rounded to a nanometre and a millionth."""
    figures = {
        "mean_mm": deviation.mean_mm,
        "rms_mm": deviation.rms_mm,
        "p95_mm": deviation.p95_mm,
        "maximum_mm": deviation.maximum_mm,
        "share_in_tolerance": deviation.share_in_tolerance,
        "coverage": deviation.coverage,
        "registration_fitness": deviation.registration_fitness,
        "scale_estimate": deviation.scale_estimate,
        "smallest_stretch": deviation.stretches.min(),
        "largest_stretch": deviation.stretches.max(),
        "scale_error": deviation.scale_error,
        "points": float(len(deviation.points)),
        "hidden": deviation.hidden,
    } | {feature_code(name): share for name, share in deviation.region_coverage.items()}
    for name, place in deviation.placements.items():
        if place is not None:
            figures |= {shift_code(name): place.shift_mm, tilt_code(name): place.tilt_degrees}
        if place is not None and place.wider_mm is not None:
            figures[bore_code(name)] = abs(place.wider_mm)
    return {name: round(float(value), 6) for name, value in figures.items()}


def tool_used(plan: InspectionPlan) -> dict[str, Any]:
    """What measured: nobody has qualified it for clinical use yet, and the record says so (G-SW-01)."""
    return {
        "name": "lamina.inspect_scan",
        "version": "4",
        "libraries": {"open3d": _version_of("open3d", "open3d-cpu")},
        "parameters": {"alignment": "rigid best fit", "tolerance_mm": plan.tolerance_mm, "seed": SEED},
        "validation": "research_only",
    }


def _version_of(*names: str) -> str:
    for name in names:
        try:
            return version(name)
        except ModuleNotFoundError:
            continue
    raise LookupError(f"none of {', '.join(names)} is installed")
