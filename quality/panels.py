"""What quality shows on a device's page, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.http import HttpRequest

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.panels import WORKLISTS, PanelContent, Task, panel
from quality.catalog.routing import read_routing
from quality.choices import NonconformanceStage
from quality.selectors import (
    devices_at,
    inspections_of,
    judged_inspection,
    latest_report,
    latest_steps,
    nonconformances,
    unanswered_failures,
)
from quality.services.release import release_checklist

RELEASING = (Stage.READY_FOR_REVIEW, Stage.REVIEWED)


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


@panel("quality.record", page="device", title="Production record", order=90)
def record_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    if device.stage not in (Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED):
        return None
    context = {"device": device, "report": latest_report(device)}
    return PanelContent("quality/panels/record.html", context)


def _tasks(found: Iterable[Device], title: str, *roles: Role) -> Iterator[Task]:
    for device in found:
        yield Task(title, device.code, f"/devices/{device.code}/", frozenset(roles), device.need_by)


@WORKLISTS.register("quality.post_process")
def steps_to_do() -> Iterator[Task]:
    return _tasks(devices_at(Stage.POST_PROCESSING), "Carry out the next post-processing step", Role.PST)


@WORKLISTS.register("quality.inspect")
def scans_to_send_or_sign() -> Iterator[Task]:
    for device in devices_at(Stage.AWAITING_INSPECTION):
        title = "Sign the inspection" if judged_inspection(device) else "Scan and inspect the part"
        yield from _tasks([device], title, Role.INS)


@WORKLISTS.register("quality.answer_measurements")
def measurements_to_answer() -> Iterator[Task]:
    """A failed measurement that a later one has overtaken needs a second person."""
    for device in devices_at(Stage.AWAITING_INSPECTION):
        judged = judged_inspection(device)
        if any(judged is None or failed.pk != judged.pk for failed in unanswered_failures(device)):
            yield from _tasks([device], "Answer a failed measurement", Role.QCM, Role.QAR)


@WORKLISTS.register("quality.dispose")
def findings_to_dispose() -> Iterator[Task]:
    """Each open nonconformance waits for a proposal, or for its approval by a second person."""
    ended = (NonconformanceStage.CLOSED, NonconformanceStage.VOID)
    for found in nonconformances().exclude(stage__in=ended):
        proposed = found.stage == NonconformanceStage.DISPOSITION_PROPOSED
        title = (
            f"Approve the disposition of {found.code}"
            if proposed
            else f"Propose a disposition for {found.code}"
        )
        yield from _tasks([found.device], title, Role.QAR if proposed else Role.QCM)


@WORKLISTS.register("quality.complete")
def records_to_complete() -> Iterator[Task]:
    """A passed device goes to review by itself; one that stays has a gap."""
    return _tasks(devices_at(Stage.INSPECTED_PASS, Stage.LABELLED), "Close the gaps in the record", Role.QCM)


@WORKLISTS.register("quality.review")
def records_to_review() -> Iterator[Task]:
    return _tasks(devices_at(Stage.READY_FOR_REVIEW), "Review the production record", Role.QAR)


@WORKLISTS.register("quality.release")
def devices_to_release() -> Iterator[Task]:
    return _tasks(devices_at(Stage.REVIEWED), "Release the device", Role.QAX)
