"""Gates of post-processing, inspection and nonconformance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils import timezone

from devices.models import Device
from mes.eventlog.base import Actor
from mes.exceptions import Reason
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from printing.choices import LotState, Qualification
from printing.models import MaterialLot, Printer
from quality.catalog.plan import read_plan
from quality.catalog.routing import read_routing
from quality.choices import ENDED_STAGES
from quality.models import Gauge, Inspection, Nonconformance, PostProcessStep
from quality.reports.units import ACCEPTED, OPEN, SCRAPPED, passed_inspections, units_that_are
from quality.selectors.making import (
    GONE_ON,
    judged_inspection,
    latest_steps,
    next_step,
    open_nonconformances,
    unanswered,
    unmeasured_scans,
)
from quality.selectors.people import makers_of
from quality.selectors.record import names_of, supplies_of
from quality.services.gauges import LEAST_RATIO, calibration_faults, gauge_faults
from quality.services.inspection import gauge_content

BARRED_LOTS = (LotState.QUARANTINE, LotState.ON_HOLD, LotState.REJECTED)


@gate("G-PST-01", "device.finish_post_processing", "device.finish_rework", "device.complete_record")
def every_step_is_done(device: Device, **_: Any) -> Verdict:
    """Every post-processing step is recorded, in order and inside its limits."""
    routing = read_routing(device.master.routing)
    if not routing.steps:
        return not_applicable("The device master's routing has no step.")
    done = latest_steps(device)
    evidence = {
        step.code: {"attempt": done[step.code].attempt, "in_limits": done[step.code].in_limits}
        if step.code in done
        else "missing"
        for step in routing.steps
    }
    due = next_step(device, routing)
    if due is None:
        return passed(steps=evidence)
    state = "was carried out outside its limits" if due.code in done else "is not recorded"
    return blocked(
        f"Step {due.position}, {due.title}, {state}.",
        cure="Carry it out and record it; outside its limits, a nonconformance decides.",
        steps=evidence,
    )


@gate("G-PST-01", "device.finish_post_processing", "device.finish_rework", "device.complete_record")
def every_excess_is_answered(device: Device, **_: Any) -> Verdict:
    """Every step outside its limits is answered by a nonconformance that is closed."""
    outside = list(device.post_process_steps.filter(in_limits=False))
    if not outside:
        return passed(outside=[])
    unanswered = [row for row in outside if not _answered(row)]
    listed = [f"{row.step} #{row.attempt}" for row in outside]
    if unanswered:
        return blocked(
            f"{unanswered[0].title}, attempt {unanswered[0].attempt}, lay outside its limits and is not answered.",
            cure="Close its nonconformance.",
            outside=listed,
        )
    return passed(outside=listed)


def _answered(row: PostProcessStep) -> bool:
    return Nonconformance.objects.filter(
        device_id=row.device_id, evidence__post_process_step=row.pk, stage__in=ENDED_STAGES
    ).exists()


@gate("G-INS-01", "device.pass_inspection")
def the_scan_is_within_the_plan(device: Device, **_: Any) -> Verdict:
    """Every characteristic of the inspection plan is measured and within its limit."""
    if device.is_lot:
        return not_applicable("Of a lot, every unit has a verdict of its own.")
    inspection = judged_inspection(device)
    if inspection is None:
        return blocked("No measurement waits for a decision.", cure="Send a scan of the part.")
    measurement = inspection.measurement
    evidence = {"inspection": inspection.number, "characteristics": measurement.characteristics}
    outside = [item["title"] for item in measurement.characteristics if not item["passed"]]
    if outside or not measurement.passed:
        return blocked(
            f"Inspection {inspection.number} is out of tolerance: {', '.join(outside)}.",
            cure="Sign it as failed: a nonconformance opens.",
            **evidence,
        )
    return passed(**evidence)


TO_THE_PATIENT = ("device.pass_inspection", "device.complete_record", "device.review", "device.release")


@gate("G-INS-01", *TO_THE_PATIENT)
def the_gauge_was_fit(device: Device, **_: Any) -> Verdict:
    """What measured is a registered gauge, in calibration on the day of measuring and fine enough for the tolerance."""
    inspections = _standing_inspections(device)
    if not inspections:
        return not_applicable("No measurement waits for a decision, and none was passed.")
    tolerance = read_plan(device.master.inspection).tolerance_mm
    evidence = {
        "measured": [{**(gauge_content(one) or {}), "inspection": one.number} for one in inspections],
        "tolerance_mm": tolerance,
        "least_ratio": str(LEAST_RATIO),
    }
    faults = [fault for one in inspections for fault in _gauge_faults(one, tolerance)]
    if faults:
        return blocked(
            " ".join(fault.text for fault in faults),
            cure=" ".join(dict.fromkeys(fault.cure for fault in faults)),
            **evidence,
        )
    return passed(**evidence)


def _standing_inspections(device: Device) -> list[Inspection]:
    """Of each unit the measurement that is passed, or waits to be: after a rework, the new one takes the old one's place."""
    standing = {inspection.unit: inspection for inspection in passed_inspections(device)}
    judged = judged_inspection(device)
    if judged is not None:
        standing[judged.unit] = judged
    return [standing[unit] for unit in sorted(standing)]


def _gauge_faults(inspection: Inspection, tolerance_mm: float) -> list[Reason]:
    gauge, day = inspection.gauge, inspection.measured_on
    if gauge is None or day is None:
        cure = "Have it set aside, and measure the part with a registered gauge."
        return [Reason(f"Scan {inspection.number} names no gauge.", cure, "G-INS-01")]
    return list(gauge_faults(gauge, day, tolerance_mm))


@gate("G-INS-01", "gauge.put_in_service")
def the_gauge_is_calibrated(gauge: Gauge, **_: Any) -> Verdict:
    """The last calibration of a gauge found it in tolerance, and is not over."""
    faults = calibration_faults(gauge, timezone.localdate())
    last = gauge.calibrations.order_by("calibrated_on", "pk").last()
    evidence = {"calibration": last.number, "due_on": last.due_on.isoformat()} if last else {}
    if faults:
        return blocked(faults[0].text, cure="Record a calibration that found it in tolerance.", **evidence)
    return passed(**evidence)


@gate("G-INS-01", *TO_THE_PATIENT)
def every_unit_is_decided(device: Device, **_: Any) -> Verdict:
    """Every unit of a lot was inspected and accepted, or is scrapped, and the counts say the same."""
    if not device.is_lot:
        return not_applicable("The device is one unit.")
    accepted, scrapped, left = (units_that_are(device, state) for state in (ACCEPTED, SCRAPPED, OPEN))
    evidence = {"quantity": device.quantity, "accepted": accepted, "scrapped": scrapped, "open": left}
    if (len(accepted), len(scrapped)) != (device.accepted, device.scrapped):
        return blocked(
            f"The lot counts {device.accepted} accepted and {device.scrapped} scrapped units; the record says otherwise.",
            cure="Have the log verified; release nothing meanwhile.",
            **evidence,
        )
    if left:
        named = ", ".join(map(str, left))
        return blocked(
            f"Unit {named} is neither accepted nor scrapped.",
            cure="Every unit of a patient-specific device is inspected: scan it and sign.",
            **evidence,
        )
    if not accepted:
        return blocked("No unit is accepted.", cure="Dispose of the whole lot.", **evidence)
    return passed(**evidence)


@gate("G-INS-01", *TO_THE_PATIENT)
def every_scan_is_measured(device: Device, **_: Any) -> Verdict:
    """Every scan that arrived is measured: none is passed over because it takes longer."""
    waiting = [inspection.number for inspection in unmeasured_scans(device)]
    if waiting:
        named = ", ".join(map(str, waiting))
        return blocked(
            f"Scan {named} is not measured yet.",
            cure="Wait for its measurement; where none comes, ask the system's operator to run it again.",
            waiting=waiting,
        )
    return passed(scans=device.inspections.count())


@gate("G-INS-01", *TO_THE_PATIENT)
def no_measurement_is_left_out(device: Device, **_: Any) -> Verdict:
    """Every measurement is answered, accepted or set aside with a reason: nothing was measured until it fitted."""
    left = unanswered(device)
    if left:
        named = "; ".join(
            f"Inspection {one.number} {'was within its limits' if one.measurement.passed else 'failed'} and nobody has "
            "answered for it"
            for one in left
        )
        return blocked(
            f"{named}.",
            cure="A second person sets it aside with a reason, or it is signed as what it is.",
            unanswered=[inspection.number for inspection in left],
        )
    return passed(measured=device.inspections.count())


@gate("G-INS-01", "device.resume")
def a_late_failure_is_answered(device: Device, **_: Any) -> Verdict:
    """A measurement that failed after the device had gone on is answered before the hold is lifted."""
    if device.stage not in GONE_ON:
        return not_applicable("The device has not gone on from its inspection.")
    return no_measurement_is_left_out(device)


@gate("G-INS-01", "device.pass_inspection", "device.fail_inspection")
def the_inspector_made_nothing_of_it(device: Device, *, actor: Actor | None = None, **_: Any) -> Verdict:
    """The inspector neither printed nor post-processed the device."""
    if actor is None:
        return not_applicable("Asked when an inspector signs.")
    if actor.person_id is None:
        return not_applicable("A rule takes the device out of the way; nobody inspects it.")
    makers = makers_of(device)
    if actor.person_id in makers:
        return blocked(
            "The inspector took part in making this device.",
            cure="An inspector who did not make it signs.",
            facts=makers[actor.person_id],
        )
    return passed(inspector=actor.person_id, makers=sorted(makers))


@gate(
    "G-NC-01",
    "device.complete_record",
    "device.review",
    "device.release",
    "device.ship",
    "device.resume",
)
def no_nonconformance_is_open(device: Device, **_: Any) -> Verdict:
    """No nonconformance of the device is open."""
    found = [nonconformance.code for nonconformance in open_nonconformances(device)]
    if found:
        return blocked(f"{', '.join(found)} is open.", cure="Dispose of it.", open=found)
    return passed(all=[nonconformance.code for nonconformance in device.nonconformances.order_by("pk")])


@gate("G-NC-01", "device.complete_record", "device.release", "device.ship")
def nothing_it_stands_on_is_held(device: Device, **_: Any) -> Verdict:
    """The device, the printers that made it and its lots are not held; printers are qualified."""
    printers, lots = supplies_of(device)
    evidence = {
        "held": device.held,
        "printers": {
            one.code: {"held": one.hold_reason, "qualification": one.qualification} for one in printers
        },
        "lots": {lot.code: str(lot.state) for lot in lots},
    }
    reasons = [*_against_device(device), *_against_printers(printers), *_against_lots(lots)]
    if reasons:
        return blocked(
            " ".join(reason.text for reason in reasons),
            cure=" ".join(dict.fromkeys(reason.cure for reason in reasons)),
            **evidence,
        )
    return passed(**evidence)


def _against_device(device: Device) -> Iterator[Reason]:
    if device.held:
        yield Reason(f"The device is held: {device.hold_reason}", "Lift the hold once its reason is gone.")


def _against_printers(printers: Sequence[Printer]) -> Iterator[Reason]:
    for printer in printers:
        if printer.held:
            yield Reason(
                f"{printer.code}, which printed it, is held: {printer.hold_reason}.",
                "Have the printer's hold released, or dispose of the device by a nonconformance.",
            )
        if printer.qualification != Qualification.QUALIFIED:
            yield Reason(
                f"{printer.code}, which printed it, is {printer.get_qualification_display()}.",
                "Have the printer qualified again, or dispose of the device by a nonconformance.",
            )


def _against_lots(lots: Sequence[MaterialLot]) -> Iterator[Reason]:
    for lot in lots:
        if lot.state in BARRED_LOTS:
            yield Reason(
                f"Lot {lot.code} is {LotState(lot.state).label}.",
                "Decide on the lot, or dispose of the device by a nonconformance.",
            )


@gate("G-SOD-01", "device.review")
def the_reviewer_made_nothing_of_it(device: Device, *, actor: Actor | None = None, **_: Any) -> Verdict:
    """The reviewer of the record neither printed, post-processed nor inspected the device."""
    if actor is None or actor.person_id is None:
        return not_applicable("Asked when a reviewer signs.")
    parts = dict(makers_of(device))
    for inspection in device.inspections.filter(verdict__decision__in=("passed", "failed")):
        parts.setdefault(inspection.verdict.decided_by_id, []).append("quality.inspection_signed")
    if actor.person_id in parts:
        name = names_of([actor.person_id])[actor.person_id]
        return blocked(
            f"{name} made or inspected this device.",
            cure="A reviewer who did neither reads the record.",
            facts=parts[actor.person_id],
        )
    return passed(reviewer=actor.person_id)
