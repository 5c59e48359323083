"""A device's page: where it stands, what its next step needs, everything known about it, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from devices.choices import DesignStatus, Phase, PlanStatus, SegmentationStatus, Stage, StudyStatus
from devices.lifecycle import BACKWARD, DEVICE
from devices.models import Device
from devices.selectors.devices import devices
from devices.selectors.history import device_timeline
from devices.selectors.plans import current_plan, plan_kind_of
from devices.selectors.progress import PhaseStep, phase_line, waits_for
from devices.services.lifecycle import check_transition
from mes.api.actors import actor_of, viewer_behind
from mes.compiled import only
from mes.dashboard.actions import offered
from mes.dashboard.board import is_late
from mes.dashboard.files import files_shown, shapes_of
from mes.dashboard.find import number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.panels import panels_of
from mes.permissions import may, require
from mes.scope import visible
from mes.selectors import handwritten_of, signatures_of
from printing.selectors.jobs import decisions_about

EVENTS_SHOWN = 12
EVENTS_PER_PAGE = 100
MOVES = {
    "accept_images": "Accept the images",
    "start_segmentation": "Segment the images",
    "approve_segmentation": "Approve the segmentation",
    "approve_plan": "Approve the clinical plan",
    "request_design": "Make a design",
    "freeze_design": "Approve the design for the patient",
    "queue": "Put the device into a build",
    "start_build": "Start the build",
    "finish_build": "Finish the build",
    "start_post_processing": "Start post-processing",
    "finish_post_processing": "Finish post-processing",
    "pass_inspection": "Pass the inspection",
    "label": "Label the device",
    "complete_record": "Complete the production record",
    "review": "Review the production record",
    "release": "Release the device",
    "ship": "Ship the device",
    "deliver": "Confirm the delivery",
    "start_rework": "Rework the device",
    "finish_rework": "Finish the rework",
}


# Which panel tells about a phase: where the line of stages leads.
PHASE_PANELS = {
    Phase.IMAGING: "devices.images",
    Phase.DESIGN: "devices.design",
    Phase.APPROVAL: "devices.design",
    Phase.SLICING: "printing.builds",
    Phase.QUEUE: "printing.builds",
    Phase.PRINTING: "printing.builds",
    Phase.POST_PROCESSING: "quality.post_processing",
    Phase.INSPECTION: "quality.inspection",
    Phase.REVIEW: "quality.release",
    Phase.RELEASE: "quality.record",
}


@dataclass(frozen=True)
class ShownPanel:
    id: str
    title: str
    html: SafeString

    @property
    def anchor(self) -> str:
        return f"panel-{self.id.replace('.', '-').replace('_', '-')}"


def device_by(request: HttpRequest, code: str) -> Device:
    found = only(visible(devices(), viewer_behind(request)).filter(pk=number_of(code, "D")))
    if found is None:
        raise Http404
    return found


def next_move(device: Device) -> str:
    """The move or gate point that brings a device on from where it stands; empty at an end."""
    if device.stage == Stage.PLANNED:
        return _next_before_freeze(device)
    onward = [row.name for row in DEVICE.moves_from(device.stage) if row.name not in BACKWARD]
    return "complete_record" if "complete_record" in onward else next(iter(onward), "")


def _next_before_freeze(device: Device) -> str:
    study, segmentation, design = device.current_study, device.current_segmentation, device.current_design
    if study is None or study.status != StudyStatus.ACCEPTED:
        return "accept_images"
    if segmentation is None or segmentation.status == SegmentationStatus.REJECTED:
        return "start_segmentation"
    if segmentation.status != SegmentationStatus.APPROVED:
        return "approve_segmentation"
    if plan_kind_of(device.master) and (plan := current_plan(device)) and plan.status == PlanStatus.DRAFTED:
        return "approve_plan"
    if design is None or design.status not in (DesignStatus.GENERATED, DesignStatus.REVIEWED):
        return "request_design"
    return "freeze_design"


def device_page(request: HttpRequest, code: str) -> HttpResponse:
    device = device_by(request, code)
    panels = shown_panels(request, "device", device)
    told_to = may(actor_of(request), "devices.read_history", device)
    records = list(device_timeline(device).order_by("-version")[: EVENTS_SHOWN + 1]) if told_to else []
    context: dict[str, Any] = {
        "device": device,
        "late": is_late(device, timezone.localdate()),
        "line": line_of(device, panels),
        "waits_for": decisions_about([device.pk]).get(device.pk) or waits_for(device),
        "move": MOVES.get(next_move(device), ""),
        "actions": offered(request, "device", device),
        "panels": panels,
        "newest": device.studies.order_by("pk").last(),
        "shapes": shapes_of(device),
        "files": files_shown(request, "device", device),
        "signatures": signatures_of(device),
        "handwritten": handwritten_of(device),
        "events": told(records[:EVENTS_SHOWN]),
        "more_events": len(records) > EVENTS_SHOWN,
    }
    return render(request, "devices/device.html", context)


def line_of(device: Device, panels: Sequence[ShownPanel]) -> list[tuple[PhaseStep, str]]:
    """Every phase with the anchor of the panel that tells about it; empty where none is shown."""
    anchors = {panel.id: panel.anchor for panel in panels}
    return [(step, anchors.get(PHASE_PANELS.get(step.phase, ""), "")) for step in phase_line(device)]


def shown_panels(request: HttpRequest, page: str, subject: Any) -> list[ShownPanel]:
    """The fragments that packages registered for a page, in their order."""
    shown = []
    for panel in panels_of(page):
        content = panel.content(request, subject)
        if content is not None:
            html = render_to_string(content.template, dict(content.context), request)
            shown.append(ShownPanel(panel.id, panel.title, html))
    return shown


def device_gates(request: HttpRequest, code: str) -> HttpResponse:
    """What stands between a device and its next step, asked afresh."""
    device = device_by(request, code)
    move = next_move(device)
    gates = check_transition(device, move, actor_of(request)) if move else ()
    blocked = sum(1 for gate in gates if not gate.passed)
    context = {
        "gates": sorted(gates, key=lambda gate: gate.passed),
        "blocked": blocked,
        "move": MOVES.get(move, ""),
    }
    return render(request, "devices/parts/gates.html", context)


def device_history(request: HttpRequest, code: str) -> HttpResponse:
    """Every event of a device, newest first, page by page. Not for those who administer the system."""
    device = device_by(request, code)
    require(actor_of(request), "devices.read_history", device)
    before = request.GET.get("before", "")
    records = device_timeline(device).order_by("-version")
    if before.isascii() and before.isdigit() and len(before) < 10:
        records = records.filter(version__lt=int(before))
    shown = list(records[: EVENTS_PER_PAGE + 1])
    more = shown[EVENTS_PER_PAGE - 1].version if len(shown) > EVENTS_PER_PAGE else 0
    context = {"device": device, "events": told(shown[:EVENTS_PER_PAGE]), "next": more}
    template = "mes/parts/history.html" if is_fragment(request) else "devices/history.html"
    return render(request, template, context)
