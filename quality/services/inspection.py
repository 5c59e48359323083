"""Inspection: a scan arrives, a machine measures it, a person who did not make the part signs what it shows.

Every scan and every measurement is kept; a failed one is answered by a nonconformance, or set aside by a second person
with a reason. Nothing is chosen (G-INS-01, 21 CFR 820.80).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from devices.choices import Stage
from devices.mesh.compare import Deviation, inspect_scan
from devices.mesh.io import read_mesh, write_deviation_ply
from devices.mesh.picture import render_deviation_png
from devices.models import Device
from devices.services.lifecycle import locked_device, move_device
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, Refused, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.models import Artefact, Signature
from mes.permissions import require
from mes.services.artefacts import artefact_path, require_intact, store_artefact
from mes.services.signatures import Credentials, sign
from quality.catalog.plan import InspectionPlan, read_plan
from quality.choices import Decision, Outcome, Severity, Source
from quality.events import (
    InspectionMeasured,
    InspectionRefused,
    InspectionSetAside,
    InspectionSigned,
    ScanReceived,
)
from quality.models import Inspection, Measurement, Verdict
from quality.selectors import judged_inspection
from quality.services.nonconformance import open_nonconformance
from quality.services.scanfile import require_scan_file

SYSTEM = Actor.system("quality.inspection")
RULE = "G-INS-01"
SCAN_LIMIT = 512 * 1024 * 1024
PICTURE_SIZE = (900, 640)
SEED = 0


@unit_of_work
def receive_scan(*, device_id: int, upload: BinaryIO | bytes | Path, actor: Actor) -> Inspection:
    """Take in a scan of the part. Its bytes are stored under their digest and read by a worker later.

    Raises InvalidInput for an empty or oversized file and for one that is neither STL nor PLY: nothing is kept of it.
    Raises TransitionRefused where the device waits for no inspection.
    """
    device = locked_device(device_id)
    require(actor, "quality.receive_scan", device)
    if device.stage != Stage.AWAITING_INSPECTION:
        raise TransitionRefused(
            f"{device.code} is at '{device.stage}' and waits for no inspection.",
            cure="Send the scan once post-processing is complete.",
            rule=RULE,
        )
    require_scan_file(upload)
    scan = store_artefact(upload, media_type="application/octet-stream", limit=SCAN_LIMIT)
    number = device.inspections.count() + 1
    inspection = Inspection.objects.create(
        device=device, number=number, scan=scan, received_by_id=actor.person_id
    )
    publish(
        device,
        ScanReceived(
            device_id=device.pk,
            inspection_id=inspection.pk,
            number=number,
            scan_sha256=scan.sha256,
            size_bytes=scan.size,
        ),
        actor=actor,
    )
    return inspection


def measure_scan(inspection_id: int) -> Callable[[], Measurement]:
    """Register the scan to the nominal surface and compare. Computes outside any transaction; returns the effect.

    A scan that says nothing about the part is an answer too: the effect then records the refusal with its reasons.
    """
    inspection = Inspection.objects.select_related(
        "device__master", "device__current_design__mesh", "scan"
    ).get(pk=inspection_id)
    plan = read_plan(inspection.device.master.inspection)
    nominal = nominal_of(inspection.device)
    require_intact(nominal)
    require_intact(inspection.scan)
    try:
        scan = read_mesh(artefact_path(inspection.scan))
        deviation = inspect_scan(
            read_mesh(artefact_path(nominal)), scan, tolerance_mm=plan.tolerance_mm, seed=SEED
        )
    except InvalidInput as refusal:
        reasons = refusal.reasons
        return lambda: record_refusal(inspection_id=inspection_id, reasons=reasons)
    files = _stored_maps(deviation)
    return lambda: record_measurement(
        inspection_id=inspection_id, deviation=deviation, plan=plan, nominal=nominal, files=files
    )


def nominal_of(device: Device) -> Artefact:
    """The surface that was approved for this patient and printed. Raises Refused where there is none."""
    design = device.current_design
    if design is None or design.mesh is None or design.approval_id is None:
        raise Refused(
            f"{device.code} has no approved design to compare with.", cure="Approve a design.", rule=RULE
        )
    return design.mesh


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
    """Write down what a scan measured, judged against the plan."""
    require(SYSTEM, "quality.record_measurement")
    inspection = Inspection.objects.get(pk=inspection_id)
    device = locked_device(inspection.device_id)
    figures = figures_of(deviation)
    characteristics = [item.judged(figures[item.code]) for item in plan.characteristics]
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
        "points": float(len(deviation.points)),
    }
    return {name: round(float(value), 6) for name, value in figures.items()}


def tool_used(plan: InspectionPlan) -> dict[str, Any]:
    """What measured: nobody has qualified it for clinical use yet, and the record says so (G-SW-01)."""
    return {
        "name": "lamina.inspect_scan",
        "version": "1",
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


@unit_of_work
def sign_inspection(*, inspection_id: int, actor: Actor, credentials: Credentials) -> Inspection:
    """An inspector signs the measurement: the device passes, or becomes nonconforming and a nonconformance opens."""
    device = locked_device(_device_of(inspection_id))
    inspection = Inspection.objects.select_related("measurement").get(pk=inspection_id)
    require(actor, "quality.sign_inspection", device)
    _refuse_undecidable(device, inspection)
    content = verdict_content(inspection)
    if inspection.measurement.passed:
        _pass(device, inspection, content, actor, credentials)
    else:
        _fail(device, inspection, content, actor, credentials)
    return inspection


def verdict_content(inspection: Inspection) -> dict[str, Any]:
    """What the inspector sees and signs."""
    measurement = inspection.measurement
    return {
        "record": "inspection",
        "inspection": inspection.number,
        "scan_sha256": inspection.scan_id,
        "nominal_sha256": measurement.nominal_id,
        "map_sha256": measurement.deviation_map_id,
        "figures": measurement.figures,
        "characteristics": measurement.characteristics,
        "decision": str(Decision.PASSED if measurement.passed else Decision.FAILED),
    }


def set_aside_content(inspection: Inspection, justification: str) -> dict[str, Any]:
    """What a second person sees and signs to set a failed measurement aside."""
    return verdict_content(inspection) | {
        "device": inspection.device.code,
        "decision": str(Decision.SET_ASIDE),
        "justification": justification.strip(),
    }


def _device_of(inspection_id: int) -> int:
    device_id = Inspection.objects.filter(pk=inspection_id).values_list("device_id", flat=True).first()
    if device_id is None:
        raise InvalidInput("There is no such inspection.", cure="Look at the list again.")
    return device_id


def _refuse_undecidable(device: Device, inspection: Inspection) -> None:
    judged = judged_inspection(device)
    if judged is None or judged.pk != inspection.pk:
        which = f"Inspection {judged.number} is the one to decide on." if judged else "Send a scan first."
        raise TransitionRefused(
            f"Inspection {inspection.number} of {device.code} is {inspection.status.replace('_', ' ')}, or a later one waits.",
            cure=which,
            rule=RULE,
        )


def _pass(
    device: Device, inspection: Inspection, content: dict[str, Any], actor: Actor, credentials: Credentials
) -> None:
    move = move_device(device, "pass_inspection", actor=actor, credentials=credentials, content=content)
    assert move.signature is not None  # noqa: S101 - the table gives this move a meaning
    _decide(device, inspection, Decision.PASSED, move.signature)


def _fail(
    device: Device, inspection: Inspection, content: dict[str, Any], actor: Actor, credentials: Credentials
) -> None:
    refuse_blocked(ask_gates("device.fail_inspection", device, actor=actor))
    signature = sign(
        subject=device,
        content=content | {"device": device.code},
        meaning=Meaning.PERFORMED,
        actor=actor,
        credentials=credentials,
    )
    _decide(device, inspection, Decision.FAILED, signature)
    move_device(device, "fail_inspection", actor=actor, reason=f"Inspection {inspection.number} failed")
    outside = [item for item in content["characteristics"] if not item["passed"]]
    named = "; ".join(
        f"{item['title']}: {item['value']:g} ({item['comparison']} {item['limit']:g})" for item in outside
    )
    open_nonconformance(
        device_id=device.pk,
        source=Source.INSPECTION,
        requirement=f"{RULE} inspection plan of {device.master}",
        description=f"Inspection {inspection.number} is out of tolerance: {named}.",
        severity=Severity.MAJOR,
        evidence={"inspection": inspection.number, "map_sha256": content["map_sha256"], "outside": outside},
        actor=SYSTEM,
    )


def _decide(
    device: Device, inspection: Inspection, decision: Decision, signature: Signature, justification: str = ""
) -> None:
    Verdict.objects.create(
        inspection=inspection,
        decision=decision,
        justification=justification,
        decided_by=signature.person,
        signature=signature,
    )
    event: InspectionSigned | InspectionSetAside
    if decision == Decision.SET_ASIDE:
        event = InspectionSetAside(
            device_id=device.pk,
            inspection_id=inspection.pk,
            justification=justification,
            signature_id=signature.pk,
        )
    else:
        event = InspectionSigned(
            device_id=device.pk,
            inspection_id=inspection.pk,
            decision=str(decision),
            signature_id=signature.pk,
        )
    publish(device, event, actor=Actor.person(signature.person_id))


@unit_of_work
def set_aside_inspection(
    *, inspection_id: int, justification: str, actor: Actor, credentials: Credentials
) -> Inspection:
    """A second person signs why a failed measurement says nothing about the part, a blurred scan for example.

    The measurement stays in the record with its justification; another scan must then be measured.
    """
    device = locked_device(_device_of(inspection_id))
    inspection = Inspection.objects.select_related("measurement").get(pk=inspection_id)
    require(actor, "quality.set_aside_inspection", inspection)
    _refuse_set_aside(device, inspection, justification)
    signature = sign(
        subject=device,
        content=set_aside_content(inspection, justification),
        meaning=Meaning.REVIEWED,
        actor=actor,
        credentials=credentials,
    )
    _decide(device, inspection, Decision.SET_ASIDE, signature, justification.strip())
    return inspection


def _refuse_set_aside(device: Device, inspection: Inspection, justification: str) -> None:
    if not justification.strip():
        raise InvalidInput("Say why this measurement says nothing.", cure="Write the reason.", rule=RULE)
    measured = getattr(inspection, "measurement", None)
    if device.stage != Stage.AWAITING_INSPECTION or inspection.status != Outcome.MEASURED or measured is None:
        raise TransitionRefused(
            f"Inspection {inspection.number} is {inspection.status.replace('_', ' ')}.",
            cure="Only a measurement that nobody decided on can be set aside.",
            rule=RULE,
        )
    if measured.passed:
        raise TransitionRefused(
            "A measurement within its limits needs no justification.", cure="Sign it.", rule=RULE
        )
