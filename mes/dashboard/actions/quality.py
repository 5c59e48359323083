"""What people do to inspect, review and release a device."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils import timezone

from devices.choices import Stage
from devices.lifecycle import DEVICE
from devices.models import Device
from devices.selectors.kits import kit_of
from devices.services.lifecycle import move_content
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Values, why
from mes.dashboard.actions.devices import at
from mes.dashboard.actions.units import scanned_unit, unit_concerned
from mes.eventlog.base import Actor
from mes.exceptions import Refused
from quality.choices import Disposition, GaugeStage, NonconformanceStage, Severity, Source
from quality.models import Gauge, Inspection, Nonconformance
from quality.selectors.making import GONE_ON, judged_inspection, open_nonconformances, unanswered
from quality.services.inspection import (
    set_aside_content,
    set_aside_inspection,
    sign_inspection,
    verdict_content,
)
from quality.services.nonconformance import (
    dispose_nonconformance,
    disposition_content,
    open_nonconformance,
    proposal_content,
    propose_disposition,
    return_proposal,
    void_content,
    void_nonconformance,
)
from quality.services.release import (
    release_checklist,
    release_content,
    release_device,
    review_content,
    review_record,
    shown_record,
)
from quality.services.scans import receive_scan

APPROVABLE = (NonconformanceStage.DISPOSITION_PROPOSED,)
OPENABLE = (
    Stage.BUILT,
    Stage.POST_PROCESSING,
    Stage.AWAITING_INSPECTION,
    Stage.INSPECTED_PASS,
    Stage.READY_FOR_REVIEW,
)
ANSWERABLE = (Stage.AWAITING_INSPECTION, *GONE_ON)
PROPOSABLE = (NonconformanceStage.OPEN, NonconformanceStage.CONTAINED, NonconformanceStage.UNDER_EVALUATION)


# --- inspection


def _scan_fields(device: Device) -> tuple[Field, ...]:
    usable = Gauge.objects.filter(stage=GaugeStage.IN_SERVICE).order_by("pk")
    return (
        *scanned_unit(device),
        Field("scan", "Scan of the part, STL or PLY", "file", accept=".stl,.ply"),
        Field(
            "gauge", "Measured with", "select",
            choices=[(str(gauge.pk), f"{gauge}, serial {gauge.serial}") for gauge in usable],
            hint="What is in service. Gauges are registered on their own page.",
        ),
        Field("measured_on", "Measured on", "date", initial=timezone.localdate().isoformat()),
    )  # fmt: skip


def _receive_scan(doing: Doing) -> str:
    receive_scan(
        device_id=doing.subject.pk,
        upload=doing.values["scan"][0].file,
        gauge_id=int(doing.values["gauge"]),
        unit=int(doing.values.get("unit") or 1),
        measured_on=doing.values["measured_on"],
        actor=doing.actor,
    )
    return "The scan arrived and is being measured."


def _judged(device: Device) -> Inspection | None:
    return judged_inspection(device) if device.stage == Stage.AWAITING_INSPECTION else None


def _verdict(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    inspection = _judged(device)
    if inspection is None:
        return {}
    content = verdict_content(inspection)
    if device.is_lot:
        return content
    if inspection.measurement.passed:
        return move_content(device, DEVICE.row("pass_inspection", device.stage), content)
    return content | {"device": device.code}


def _sign_inspection(doing: Doing) -> str:
    inspection = _judged(doing.subject)
    if inspection is None:
        raise Refused("No measurement waits for a verdict.", cure="Send a scan first.", rule="G-INS-01")
    sign_inspection(inspection_id=inspection.pk, actor=doing.actor, credentials=doing.credentials)
    return (
        "The inspection is signed: passed."
        if inspection.measurement.passed
        else "The inspection is signed: failed."
    )


def _set_aside_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    inspection = _unanswered(device)
    return set_aside_content(inspection, _reason_in(values)) if inspection else {}


def _reason_in(values: Values) -> str:
    return str(values.get("reason") or "")


def _set_aside(doing: Doing) -> str:
    inspection = _unanswered(doing.subject)
    if inspection is None:
        raise Refused("No measurement waits for a verdict.", rule="G-INS-01")
    set_aside_inspection(
        inspection_id=inspection.pk,
        justification=doing.reason,
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return "The measurement is set aside."


def _unanswered(device: Device) -> Inspection | None:
    """The first measurement that nobody answered: a later one does not take its place."""
    left = unanswered(device) if device.stage in ANSWERABLE else []
    return left[0] if left else None


def _because(device: Any) -> tuple[Field, ...]:
    return (why("Justification"),)


# --- nonconformance


def open_finding(device: Device, *stages: NonconformanceStage) -> Nonconformance | None:
    return open_nonconformances(device).filter(stage__in=stages).first()


def _found_fields(device: Device) -> tuple[Field, ...]:
    return (
        Field("requirement", "What was required", hint="By its id where it has one", maximum=200),
        Field("description", "What was found", "area"),
        Field(
            "severity",
            "Severity",
            "select",
            choices=[(str(key), str(label)) for key, label in Severity.choices],
            initial="major",
        ),
        *unit_concerned(device),
    )


def _open_finding(doing: Doing) -> str:
    found = open_nonconformance(
        device_id=doing.subject.pk,
        source=Source.PERSON,
        requirement=str(doing.values["requirement"]),
        description=str(doing.values["description"]),
        severity=Severity(doing.values["severity"]),
        units=[int(doing.values["unit"])] if doing.values.get("unit", "0") != "0" else [],
        evidence={},
        actor=doing.actor,
    )
    return f"{found.code} is open; the device is held."


def _disposition_fields(device: Device) -> tuple[Field, ...]:
    choices = [(str(key), str(label)) for key, label in Disposition.choices if key]
    return (
        Field("disposition", "What happens to the device", "select", choices=choices),
        why("Justification"),
    )


def _proposal_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    found = open_finding(device, *PROPOSABLE)
    chosen = values.get("disposition")
    return proposal_content(found, Disposition(chosen), _reason_in(values)) if found and chosen else {}


def _disposition_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    found = open_finding(device, *APPROVABLE)
    return disposition_content(found) if found else {}


def _void_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    found = open_finding(device, *PROPOSABLE)
    return void_content(found, _reason_in(values)) if found else {}


def _propose(doing: Doing) -> str:
    found = open_finding(doing.subject, *PROPOSABLE)
    if found is None:
        raise Refused("No nonconformance waits for a proposal.", rule="G-NC-01")
    propose_disposition(
        nonconformance_id=found.pk,
        disposition=Disposition(doing.values["disposition"]),
        justification=doing.reason,
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return f"{found.code}: proposed. A second person approves."


def _return_proposal(doing: Doing) -> str:
    found = open_finding(doing.subject, *APPROVABLE)
    if found is None:
        raise Refused("No proposal waits for approval.", rule="G-NC-01")
    return_proposal(nonconformance_id=found.pk, reason=doing.reason, actor=doing.actor)
    return f"{found.code}: the proposal is returned. It is evaluated again."


def _dispose(doing: Doing) -> str:
    found = open_finding(doing.subject, *APPROVABLE)
    if found is None:
        raise Refused("No proposal waits for approval.", rule="G-NC-01")
    dispose_nonconformance(nonconformance_id=found.pk, actor=doing.actor, credentials=doing.credentials)
    return f"{found.code} is closed: {found.disposition}."


def _void(doing: Doing) -> str:
    found = open_finding(doing.subject, *PROPOSABLE)
    if found is None:
        raise Refused("No nonconformance is open without a proposal.", rule="G-NC-01")
    void_nonconformance(
        nonconformance_id=found.pk,
        justification=doing.reason,
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return f"{found.code} is void."


# --- review and release


def _findings(device: Device) -> tuple[Field, ...]:
    return (Field("findings", "Findings", "area", False, "What the reader of the record should know"),)


def _review_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    content = review_content(device) | {"findings": str(values.get("findings") or "").strip()}
    if device.stage == Stage.REVIEWED:
        return content | {"device": device.code}
    return move_content(device, DEVICE.row("review", device.stage), content)


def _review(doing: Doing) -> str:
    findings = str(doing.values["findings"])
    review_record(
        device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, findings=findings
    )
    return "The record is reviewed."


def _release_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    record = hashlib.sha256(shown_record(device)).hexdigest()
    details = release_content(device, release_checklist(device, actor), record)
    return move_content(device, DEVICE.row("release", device.stage), details)


def _release(doing: Doing) -> str:
    release_device(device_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "Released. The production record is being written."


QUALITY_ACTIONS = (
    Action(
        "receive-scan", "device", "Send in a scan", "Send in a scan of the part", "quality.receive_scan", "upload",
        at(Stage.AWAITING_INSPECTION), _receive_scan, fields=_scan_fields, main=True,
    ),
    Action(
        "sign-inspection", "device", "Sign the inspection", "Sign the inspection", "quality.sign_inspection", "writing-sign",
        lambda device: not device.held and _judged(device) is not None, _sign_inspection, meaning=Meaning.PERFORMED,
        content=_verdict, main=True,
    ),
    Action(
        "set-aside-inspection", "device", "Set the measurement aside", "Set the failed measurement aside",
        "quality.set_aside_inspection", "circle-minus", lambda device: _unanswered(device) is not None, _set_aside, about=_unanswered, fields=_because, meaning=Meaning.REVIEWED,
        content=_set_aside_signs, danger=True,
    ),
    Action(
        "open-nonconformance", "device", "Report a nonconformance", "Report a nonconformance", "quality.open_nonconformance",
        "flag", lambda device: device.stage in OPENABLE, _open_finding, fields=_found_fields, danger=True,
    ),
    Action(
        "propose-disposition", "device", "Propose a disposition", "Propose what happens to the device",
        "quality.propose_disposition", "gavel", lambda device: open_finding(device, *PROPOSABLE) is not None, _propose,
        fields=_disposition_fields, meaning=Meaning.AUTHORED, content=_proposal_signs, main=True,
    ),
    Action(
        "dispose-nonconformance", "device", "Approve the disposition", "Approve the disposition",
        "quality.dispose_nonconformance", "gavel", lambda device: open_finding(device, *APPROVABLE) is not None, _dispose,
        about=lambda device: open_finding(device, *APPROVABLE),
        meaning=Meaning.APPROVED, content=_disposition_signs, main=True,
    ),
    Action(
        "return-proposal", "device", "Return the proposal", "Return the proposed disposition", "quality.move_nonconformance",
        "repeat", lambda device: open_finding(device, *APPROVABLE) is not None, _return_proposal,
        about=lambda device: open_finding(device, *APPROVABLE), fields=lambda device: (why(),),
    ),
    Action(
        "void-nonconformance", "device", "Void the nonconformance", "Void: this was no nonconformance",
        "quality.void_nonconformance", "circle-minus", lambda device: open_finding(device, *PROPOSABLE) is not None, _void,
        about=lambda device: open_finding(device, *PROPOSABLE),
        fields=_because, meaning=Meaning.APPROVED, content=_void_signs, danger=True,
    ),
    Action(
        "review-record", "device", "Review the record", "Review the production record", "quality.review_record", "writing-sign",
        at(Stage.READY_FOR_REVIEW, Stage.REVIEWED), _review, fields=_findings, meaning=Meaning.REVIEWED,
        content=_review_signs, main=True,
    ),
    Action(
        "release-device", "device", "Release", "Release this device", "quality.release_device", "shield-check",
        lambda device: at(Stage.REVIEWED)(device) and kit_of(device) is None, _release, meaning=Meaning.RELEASED, content=_release_signs, main=True,
    ),
)  # fmt: skip
