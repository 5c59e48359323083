"""What quality shows on a device's page, and what waits for whom."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from devices.choices import Stage
from devices.models import Device, Kit, KitMember
from devices.selectors.kits import kit_of, others_in
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.panels import PanelContent, page_of, panel, worklist
from mes.permissions import may
from quality.catalog.routing import read_routing
from quality.choices import ENDED_STAGES, NonconformanceStage, PackageStage
from quality.models import Gauge, Nonconformance, Package
from quality.reports.units import unit_states
from quality.selectors.gauges import gauges_to_calibrate
from quality.selectors.kits import (
    against_members,
    devices_to_review_again,
    kits_to_release,
    kits_to_settle,
    kits_to_ship,
)
from quality.selectors.making import inspections_of, latest_steps, nonconformances
from quality.selectors.packages import packages, packages_of
from quality.selectors.record import latest_report
from quality.selectors.waiting import devices_at, devices_to_answer_for, devices_to_inspect
from quality.services.release import release_checklist

NEEDED = Subquery(
    KitMember.objects.filter(kit=OuterRef("pk"), standing=True)
    .order_by("device__need_by")
    .values("device__need_by")[:1]
)
"""The day by which the first device of a kit is needed."""
RELEASING = (Stage.READY_FOR_REVIEW, Stage.REVIEWED)


@panel("quality.kit", page="device", title="What stands against its kit", order=6)
def kit_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    """What became of another device of the kit is this one's concern too."""
    kit = kit_of(device)
    against = list(against_members(others_in(kit, device))) if kit is not None else []
    return PanelContent("quality/panels/kit.html", {"kit": kit, "against": against}) if against else None


@panel("quality.post_processing", page="device", title="Post-processing", order=60)
def post_processing_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    rows = list(device.post_process_steps.select_related("performed_by").order_by("pk"))
    if not rows and device.stage not in (Stage.BUILT, Stage.POST_PROCESSING, Stage.REWORK):
        return None
    done = latest_steps(device)
    open_steps = [step for step in read_routing(device.master.routing).steps if step.code not in done]
    return PanelContent("quality/panels/post_processing.html", {"steps": rows, "open_steps": open_steps})


@panel("quality.inspection", page="device", title="Inspection", order=70)
def inspection_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    found = list(inspections_of(device))
    if not found and device.stage != Stage.AWAITING_INSPECTION:
        return None
    return PanelContent("quality/panels/inspection.html", {"device": device, "inspections": found[::-1]})


@panel("quality.packages", page="device", title="Packages", order=85)
def packages_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    found = packages_of(device)
    return PanelContent("quality/panels/packages.html", {"packages": found}) if found else None


@panel("quality.units", page="device", title="Units of the lot", order=68)
def units_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    """What became of each unit (K-08)."""
    if not device.is_lot:
        return None
    return PanelContent("quality/panels/units.html", {"device": device, "units": unit_states(device)})


@panel("quality.nonconformances", page="device", title="Nonconformances", order=75)
def nonconformance_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    found = list(nonconformances().filter(device=device))
    return PanelContent("quality/panels/nonconformances.html", {"found": found}) if found else None


@panel("quality.release", page="device", title="Release checklist", order=80)
def release_panel(request: HttpRequest, device: Device) -> PanelContent | None:
    """Before the release, every gate asked now for who looks; after it, the checklist that was signed."""
    decision = getattr(device, "release_decision", None)
    if decision is not None:
        context = {"decision": decision, "gates": decision.checklist}
        return PanelContent("quality/panels/release.html", context)
    if device.stage not in RELEASING:
        return None
    person_id = getattr(getattr(request, "user", None), "person_id", None)
    viewer = Actor.person(person_id) if person_id else None
    gates = [result.as_payload() for result in release_checklist(device, viewer)]
    return PanelContent("quality/panels/release.html", {"decision": None, "gates": gates})


@panel("quality.integrity", page="device", title="Integrity of the record", order=95)
def integrity_panel(request: HttpRequest, device: Device) -> PanelContent | None:
    """A button that recomputes the record, for who may ask."""
    person_id = getattr(getattr(request, "user", None), "person_id", None)
    if not person_id or not may(Actor.person(person_id), "quality.verify_integrity"):
        return None
    may_export = may(Actor.person(person_id), "quality.export_record")
    return PanelContent("quality/panels/integrity.html", {"device": device, "may_export": may_export})


@panel("quality.record", page="device", title="Production record", order=90)
def record_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    if device.stage not in (Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED):
        return None
    context = {"device": device, "report": latest_report(device)}
    return PanelContent("quality/panels/record.html", context)


def _of_its_device(found: Nonconformance) -> tuple[str, str]:
    return page_of(found.device)


@worklist("quality.post_process", "Carry out the next post-processing step", Role.PST, need_by="need_by")
def steps_to_do() -> QuerySet[Device]:
    return devices_at(Stage.POST_PROCESSING)


def _inspecting(device: Any) -> str:
    if device.measuring:
        return "Wait for the measurement of the scan"
    return "Sign the inspection" if device.judged else "Scan and inspect the part"


@worklist("quality.inspect", _inspecting, Role.INS, need_by="need_by")
def scans_to_send_or_sign() -> QuerySet[Device]:
    return devices_to_inspect()


@worklist("quality.answer_measurements", "Answer a measurement", Role.QCM, Role.QAR, need_by="need_by")
def measurements_to_answer() -> QuerySet[Device]:
    """A measurement that a later one has overtaken, or that came after the decision, needs a second person."""
    return devices_to_answer_for()


@worklist(
    "quality.propose_disposition",
    lambda found: f"Propose a disposition for {found.code}",
    Role.QCM,
    need_by="device__need_by",
    shown=_of_its_device,
)
def findings_to_dispose() -> QuerySet[Nonconformance]:
    proposed = NonconformanceStage.DISPOSITION_PROPOSED
    return nonconformances().exclude(stage__in=(*ENDED_STAGES, proposed))


@worklist(
    "quality.approve_disposition",
    lambda found: f"Approve the disposition of {found.code}",
    Role.QAR,
    need_by="device__need_by",
    shown=_of_its_device,
)
def dispositions_to_approve() -> QuerySet[Nonconformance]:
    return nonconformances().filter(stage=NonconformanceStage.DISPOSITION_PROPOSED)


@worklist("quality.complete", "Close the gaps in the record", Role.QCM, need_by="need_by")
def records_to_complete() -> QuerySet[Device]:
    """A passed device goes to review by itself; one that stays has a gap."""
    return devices_at(Stage.INSPECTED_PASS, Stage.LABELLED)


@worklist("quality.review", "Review the production record", Role.QAR, need_by="need_by")
def records_to_review() -> QuerySet[Device]:
    return devices_at(Stage.READY_FOR_REVIEW)


@worklist("quality.release", "Release the device", Role.QAX, need_by="need_by")
def devices_to_release() -> QuerySet[Device]:
    """A device of a kit waits for all of it, and is released with it."""
    return devices_at(Stage.REVIEWED).exclude(memberships__standing=True)


@worklist("quality.review_again", "Review the record again: its kit changed", Role.QAR, need_by="need_by")
def records_to_review_again() -> QuerySet[Device]:
    return devices_to_review_again()


@worklist("quality.release_kit", "Release the kit", Role.QAX, need_by=NEEDED)
def kits_waiting_for_release() -> QuerySet[Kit]:
    return kits_to_release()


@worklist("quality.ship_kit", "Ship the kit", Role.LBL, need_by=NEEDED)
def kits_waiting_for_shipment() -> QuerySet[Kit]:
    return kits_to_ship()


@worklist("quality.settle_kit", "Decide what becomes of the kit", Role.ORD, Role.QAR, need_by=NEEDED)
def kits_waiting_for_a_decision() -> QuerySet[Kit]:
    """A device of it came to nothing, or its devices do not fit each other."""
    return kits_to_settle()


def _calibrating(gauge: Any) -> str:
    return "Calibrate the gauge before its day" if gauge.due else "Calibrate the new gauge"


@worklist("quality.calibrate", _calibrating, Role.CAL, need_by="due")
def gauges_due() -> QuerySet[Gauge]:
    """What is due within a month, or overdue. An overdue gauge is not only listed: what it measures is refused."""
    return gauges_to_calibrate()


@worklist(
    "quality.finish_package",
    lambda package: f"Label {package.code}" if not package.applied else f"Verify and close {package.code}",
    Role.LBL,
    Role.QCM,
    need_by="order__need_by",
)
def packages_to_finish() -> QuerySet[Package]:
    """An open package stands at a station that nobody else can use meanwhile."""
    return packages().filter(stage=PackageStage.PACKING)
