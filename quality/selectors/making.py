"""Post-processing steps, inspections and nonconformances of a device."""

from __future__ import annotations

import json

from django.db.models import Q, QuerySet

from devices.choices import Stage
from devices.events import DeviceStageChanged
from devices.models import Device
from mes.models import EventRecord
from mes.standing import is_withdrawn
from quality.catalog.routing import Routing, Step, read_routing
from quality.choices import ENDED_STAGES, Decision, Outcome
from quality.events import ScanReceived
from quality.models import Inspection, Nonconformance, PostProcessStep

GONE_ON = (Stage.INSPECTED_PASS, Stage.LABELLED, Stage.READY_FOR_REVIEW, Stage.REVIEWED)
"""Where a device stands after its inspection, on the way to its release."""


def latest_steps(device: Device) -> dict[str, PostProcessStep]:
    """The last attempt at each step, which is the one that counts."""
    rows = device.post_process_steps.select_related("signature__withdrawal")
    return {row.step: row for row in rows.order_by("attempt")}


def next_step(device: Device, routing: Routing) -> Step | None:
    """The first step of the routing that nobody signed as done inside its limits; None where every one is."""
    done = latest_steps(device)
    for step in routing.steps:
        row = done.get(step.code)
        if row is None or not row.in_limits or is_withdrawn(row.signature):
            return step
    return None


def routing_done(device: Device) -> bool:
    return next_step(device, read_routing(device.master.routing)) is None


def inspections_of(device: Device) -> QuerySet[Inspection]:
    """Every scan of a device, oldest first, with what it measured and what was decided."""
    return (
        Inspection.objects.filter(device=device)
        .select_related(
            "measurement", "verdict", "scan", "received_by", "verdict__decided_by", "gauge", "calibration"
        )
        .order_by("number")
    )


def passed_inspection(device: Device) -> Inspection | None:
    """The inspection that a person signed as passed, the last where there are several."""
    return inspections_of(device).filter(verdict__decision=Decision.PASSED).last()


def judged_inspection(device: Device, unit: int | None = None) -> Inspection | None:
    """The measurement that a verdict would be about: the last one measured of a unit, while nobody decided on it.

    Of a lot, without a unit: that of the first unit that has one. A scan from before a rework, or before a repeated
    post-processing, shows a part that is no longer there (G-INS-01).
    """
    measured = inspections_of(device).filter(measurement__outcome=Outcome.MEASURED)
    newest = {inspection.unit: inspection for inspection in measured}
    of_part = scans_of_part(device)
    waiting = [newest[key] for key in sorted(newest) if not hasattr(newest[key], "verdict")]
    return next(
        (one for one in waiting if one.pk in of_part and unit in (None, one.unit)),
        None,
    )


def scans_of_part(device: Device) -> frozenset[int]:
    """Keys of the scans that arrived since the part last became ready for its inspection, in the order of the log."""
    facts = EventRecord.objects.filter(stream_type="devices.device", stream_id=str(device.pk))
    ready = facts.filter(
        type=DeviceStageChanged.name, payload__contains=f'"target":"{Stage.AWAITING_INSPECTION}"'
    ).order_by("-version")
    since = ready.values_list("version", flat=True).first() or 0
    scans = facts.filter(type=ScanReceived.name, version__gt=since).values_list("payload", flat=True)
    return frozenset(json.loads(payload)["inspection_id"] for payload in scans)


def unmeasured_scans(device: Device) -> list[Inspection]:
    """Scans that arrived and say nothing yet: the worker still measures them, or could not."""
    return list(inspections_of(device).filter(measurement__isnull=True))


def unanswered(device: Device) -> list[Inspection]:
    """Measurements that nobody has answered, good or bad: neither passed nor failed by signature, nor set aside.

    While the device awaits its inspection, the measurements in tolerance that wait to be signed are none of them: of
    each unit the last one (`judged_inspection`).
    """
    measured = inspections_of(device).filter(measurement__outcome=Outcome.MEASURED)
    taken_back = Q(verdict__decision=Decision.SET_ASIDE, verdict__signature__withdrawal__isnull=False)
    left = list(measured.filter(Q(verdict__isnull=True) | taken_back))
    if device.stage != Stage.AWAITING_INSPECTION:
        return left
    judged = {judged_inspection(device, unit) for unit in {one.unit for one in left}}
    return [one for one in left if one not in judged or not one.measurement.passed]


def open_nonconformances(device: Device) -> QuerySet[Nonconformance]:
    return Nonconformance.objects.filter(device=device).exclude(stage__in=ENDED_STAGES)


def inspections() -> QuerySet[Inspection]:
    """Every inspection, newest first."""
    rows = Inspection.objects.select_related("device", "measurement", "verdict", "gauge", "calibration")
    return rows.order_by("-pk")


def nonconformances() -> QuerySet[Nonconformance]:
    """Every nonconformance, newest first."""
    return Nonconformance.objects.select_related("device", "proposed_by", "approved_by").order_by("-pk")
