"""Inspection: a scan arrives, a machine measures it, a person who did not make the part signs what it shows.

Every scan and every measurement is kept; the last one of a part is signed, a failed one is answered by a nonconformance,
and any other is set aside by a second person with a reason. Nothing is chosen (G-INS-01, 21 CFR 820.80).
"""

from __future__ import annotations

from typing import Any

from devices.choices import Stage
from devices.models import Device
from devices.services.lifecycle import Move, locked_device, move_device
from devices.services.quantities import accept_unit
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.models import Signature
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from quality.choices import Decision, Outcome, Severity, Source
from quality.events import InspectionSetAside, InspectionSigned
from quality.models import Inspection, Verdict
from quality.reports.units import ACCEPTED, SCRAPPED, passed_inspections, units_that_are
from quality.selectors.making import judged_inspection, unmeasured_scans
from quality.services.measurement import SYSTEM
from quality.services.nonconformance import open_nonconformance

RULE = "G-INS-01"
SETTLED = (Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED, Stage.SCRAPPED, Stage.CANCELLED)


@unit_of_work
def sign_inspection(*, inspection_id: int, actor: Actor, credentials: Credentials) -> Inspection:
    """An inspector signs the measurement: the device passes, or becomes nonconforming and a nonconformance opens."""
    device = locked_device(_device_of(inspection_id))
    inspection = Inspection.objects.select_related("measurement").get(pk=inspection_id)
    require(actor, "quality.sign_inspection", device)
    _refuse_undecidable(device, inspection)
    content = verdict_content(inspection)
    if device.is_lot:
        _judge_unit(device, inspection, content, actor, credentials)
    elif inspection.measurement.passed:
        _pass(device, inspection, content, actor, credentials)
    else:
        _fail(device, inspection, content, actor, credentials)
    return inspection


def verdict_content(inspection: Inspection) -> dict[str, Any]:
    """What the inspector sees and signs."""
    measurement, device = inspection.measurement, inspection.device
    return {
        "record": "inspection",
        "inspection": inspection.number,
        **({"device": device.code, "unit": inspection.unit} if device.is_lot else {}),
        "scan_sha256": inspection.scan_id,
        "measured_with": gauge_content(inspection),
        "nominal_sha256": measurement.nominal_id,
        "map_sha256": measurement.deviation_map_id,
        "figures": measurement.figures,
        "characteristics": measurement.characteristics,
        "decision": str(Decision.PASSED if measurement.passed else Decision.FAILED),
    }


def gauge_content(inspection: Inspection) -> dict[str, Any] | None:
    """What measured, as it is signed: the gauge, its calibration then, and the day. None where no gauge is named."""
    gauge, calibration, day = inspection.gauge, inspection.calibration, inspection.measured_on
    if gauge is None or calibration is None or day is None:
        return None
    return {
        "gauge": gauge.code,
        "serial": gauge.serial,
        "accuracy_mm": str(gauge.accuracy_mm),
        "calibration": calibration.number,
        "due_on": calibration.due_on.isoformat(),
        "certificate_sha256": calibration.certificate_id,
        "measured_on": day.isoformat(),
    }


def set_aside_content(inspection: Inspection, justification: str) -> dict[str, Any]:
    """What a second person sees and signs to set a measurement aside."""
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
    waiting = [row.number for row in unmeasured_scans(device)]
    if waiting:
        raise TransitionRefused(
            f"Scan {', '.join(map(str, waiting))} of {device.code} is not measured yet.",
            cure="Wait for its measurement; where none comes, ask the system's operator to run it again.",
            rule=RULE,
        )
    judged = judged_inspection(device, inspection.unit)
    if judged is None or judged.pk != inspection.pk:
        which = (
            f"Inspection {judged.number} (id {judged.pk}) is the one to decide on."
            if judged
            else "Send a scan first."
        )
        raise TransitionRefused(
            f"Inspection {inspection.number} (id {inspection.pk}) of {device.code} is {inspection.status.replace('_', ' ')}, or a later one waits.",
            cure=which,
            rule=RULE,
        )


def _pass(
    device: Device, inspection: Inspection, content: dict[str, Any], actor: Actor, credentials: Credentials
) -> None:
    move = move_device(device, "pass_inspection", actor=actor, credentials=credentials, content=content)
    _decide(device, inspection, Decision.PASSED, move.signed)


def _judge_unit(
    device: Device, inspection: Inspection, content: dict[str, Any], actor: Actor, credentials: Credentials
) -> None:
    """Of a lot every unit has a verdict of its own; the lot goes on when somebody signs for the whole (`pass_lot`)."""
    if not inspection.measurement.passed:
        _fail(device, inspection, content, actor, credentials)
        return
    signature = sign(
        subject=device, content=content, meaning=Meaning.PERFORMED, actor=actor, credentials=credentials
    )
    _decide(device, inspection, Decision.PASSED, signature)
    accept_unit(device, inspection.unit, actor=actor)


def lot_content(device: Device) -> dict[str, Any]:
    """What the inspector sees and signs for a lot: how many it began as, and what became of each unit."""
    return {
        "record": "inspection of a lot",
        "lot": device.serial,
        "quantity": device.quantity,
        "accepted": units_that_are(device, ACCEPTED),
        "scrapped": units_that_are(device, SCRAPPED),
        "scans": {str(item.unit): item.scan_id for item in passed_inspections(device)},
    }


@unit_of_work
def pass_lot(*, device_id: int, actor: Actor, credentials: Credentials) -> Move:
    """An inspector signs that every unit of a lot was inspected, and what became of it; the accepted ones go on (K-08).

    Raises TransitionRefused while a unit is neither accepted nor scrapped, or none is accepted.
    """
    device = locked_device(device_id)
    require(actor, "quality.sign_inspection", device)
    content = lot_content(device)
    return move_device(device, "pass_inspection", actor=actor, credentials=credentials, content=content)


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
    if not device.is_lot:
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
        units=[inspection.unit] if device.is_lot else [],
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
    """A second person signs why a measurement says nothing about the part, a blurred scan for example, or why another one
    took its place.

    The measurement stays in the record with its justification; while the device awaits its inspection, another scan must
    then be measured. Possible until the device is released, for a measurement may arrive late.
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
    if device.stage in SETTLED:
        raise TransitionRefused(
            f"{device.code} is {Stage(device.stage).label.lower()}: its measurements stand.",
            cure="Report a nonconformance.",
            rule=RULE,
        )
    if inspection.status != Outcome.MEASURED or measured is None:
        raise TransitionRefused(
            f"Inspection {inspection.number} is {inspection.status.replace('_', ' ')}.",
            cure="Only a measurement that nobody decided on can be set aside.",
            rule=RULE,
        )
    if measured.passed and judged_inspection(device, inspection.unit) == inspection:
        raise TransitionRefused(
            "A measurement within its limits that is the one to decide on needs no justification.",
            cure="Sign it.",
            rule=RULE,
        )
