"""What the package shows on pages that it does not own, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from devices.choices import OrderStage, PlanStatus, Stage, StudyStatus
from devices.models import Arrival, Design, Device, Kit, Order, Segmentation, Study
from devices.selectors.arrivals import arrivals_waiting
from devices.selectors.changes import changes_asked
from devices.selectors.drafts import readings_of
from devices.selectors.history import exports_of, refused_segmentation, segmentation_underway
from devices.selectors.kits import kit_of, kits, members_of
from devices.selectors.orders import approval_signatures, orders_at
from devices.selectors.plans import current_plan, plan_kind_of
from devices.selectors.series import is_designed, is_serial, stage_rows
from devices.selectors.waiting import (
    devices_awaiting_changes,
    devices_awaiting_design,
    devices_awaiting_images,
    devices_awaiting_model_approval,
    devices_awaiting_physicist,
    devices_awaiting_plan,
    devices_awaiting_plan_approval,
    devices_awaiting_prescriber,
    devices_awaiting_second_engineer,
    devices_awaiting_segmentation,
    devices_awaiting_segmentation_approval,
)
from devices.services.equivalence import Compared, compared
from devices.services.orders import APPROVERS, standing_approvals
from devices.services.plans import against_plan
from mes.api.actors import actor_of
from mes.choices import Role
from mes.panels import PanelContent, panel, worklist
from mes.permissions import may


@panel("devices.request", page="order", title="Request", order=10)
def request_panel(_: HttpRequest, order: Order) -> PanelContent:
    standing = standing_approvals(order)
    approvals = [(role, standing.get(role)) for role in APPROVERS]
    return PanelContent("devices/panels/request.html", {"order": order, "approvals": approvals})


@panel("devices.series", page="order", title="Series", order=20)
def series_panel(_: HttpRequest, order: Order) -> PanelContent | None:
    if not is_serial(order.master):
        return None
    rows = stage_rows(order)
    shapes = [
        {
            "kind": "design",
            "title": f"Stage {row.number} of {len(rows)}",
            "url": reverse("device-file", args=[row.device.code, row.device.current_design.mesh_id]),
            "format": "stl",
            "note": row.device.code,
        }
        for row in rows
        if row.device.current_design is not None and is_designed(row.device)
    ]
    return PanelContent("devices/panels/series.html", {"rows": rows, "shapes": shapes, "slider": True})


@panel("devices.kits", page="order", title="Kits", order=30)
def kits_of_order_panel(_: HttpRequest, order: Order) -> PanelContent | None:
    found = list(kits().filter(members__device__order=order, members__standing=True).distinct())
    return PanelContent("devices/panels/kits.html", {"kits": _with_members(found)}) if found else None


@panel("devices.kit", page="device", title="Kit", order=5)
def kit_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    found = kit_of(device)
    return PanelContent("devices/panels/kits.html", {"kits": _with_members([found])}) if found else None


def _with_members(found: Iterable[Kit]) -> list[tuple[Kit, list[Device]]]:
    return [(kit, members_of(kit)) for kit in found]


@panel("devices.images", page="device", title="Images", order=10)
def images_panel(_: HttpRequest, device: Device) -> PanelContent:
    context: dict[str, Any] = {
        "device": device,
        "study": device.current_study,
        "refused": _refused_since(device),
        **(_of_study(device.current_study) if device.current_study else {}),
    }
    return PanelContent("devices/panels/images.html", context)


BURNED_IN = ("rejected_burned_in", "rejected_secondary_capture")


def _of_study(study: Study) -> dict[str, Any]:
    """What reading found that a person looks for, and the report of the de-identification: names of attributes, never values."""
    codes = {finding["code"] for finding in study.findings}
    report = study.deidentification
    return {
        "tilted": "gantry_tilt" in codes,
        "uneven": "uneven_spacing" in codes,
        "burned_in": sorted(codes.intersection(BURNED_IN)),
        "report": [(title, sorted(report.get(title.lower(), {}).items())) for title in REPORTED]
        if report
        else [],
    }


REPORTED = ("Removed", "Kept", "Mapped")


def _refused_since(device: Device) -> Study | None:
    """The newest upload, where it was refused and older images still stand."""
    newest = device.studies.order_by("pk").last()
    refused = newest is not None and newest.status == StudyStatus.REFUSED
    return newest if refused and newest != device.current_study else None


@panel("devices.segmentation", page="device", title="Segmentation", order=20)
def segmentation_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    if device.current_study is None:
        return None
    context = {
        "device": device,
        "segmentation": device.current_segmentation,
        "rims": _rims_of(device.current_segmentation),
        "readings": readings_of(device.current_segmentation) if device.current_segmentation else [],
        "refusals": refused_segmentation(device),
        "underway": device.stage == Stage.PLANNED and segmentation_underway(device) is not None,
    }
    return PanelContent("devices/panels/segmentation.html", context)


def _rims_of(segmentation: Segmentation | None) -> dict[str, float]:
    """Border and holes of an open scan, as its segmenter found them."""
    steps = segmentation.steps if segmentation else []
    return next((step["parameters"] for step in steps if step["name"] == "find_rims"), {})


@panel("devices.plan", page="device", title="Clinical plan", order=25)
def plan_panel(request: HttpRequest, device: Device) -> PanelContent | None:
    if device.current_segmentation is None or not plan_kind_of(device.master):
        return None
    plan = current_plan(device)
    if plan is not None and "teeth" in plan.content:
        return PanelContent(
            "devices/panels/teeth.html", {"plan": plan, "treatment": plan.content.get("treatment")}
        )
    against = against_plan(device, plan) if plan and plan.status == PlanStatus.APPROVED else None
    context = {
        "device": device,
        "plan": plan,
        "against": against,
        "may_plan": device.stage == Stage.PLANNED and may(actor_of(request), "devices.draft_plan", device),
    }
    return PanelContent("devices/panels/plan.html", context)


@panel("devices.design", page="device", title="Design", order=30)
def design_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    if device.current_segmentation is None:
        return None
    context = {
        "device": device,
        "design": device.current_design,
        "compared": _compared(device.current_design),
        "envelope": device.master.design["envelope"],
        "exports": exports_of(device),
        "asked": changes_asked(device),
    }
    return PanelContent("devices/panels/design.html", context)


def _compared(design: Design | None) -> list[Compared]:
    """The part against its plan, as it was measured when the design was made."""
    return compared(design.plan, design.measures) if design and design.plan else []


@worklist("devices.prescribe", "Prescribe", Role.PRE, need_by="need_by")
def orders_to_prescribe() -> QuerySet[Order]:
    return orders_at(OrderStage.DRAFT)


@worklist("devices.start_review", "Start the review", Role.ORD, need_by="need_by")
def orders_to_review() -> QuerySet[Order]:
    return orders_at(OrderStage.SUBMITTED)


@worklist("devices.supply_info", "Supply what is missing", Role.ORD, Role.PRE, need_by="need_by")
def orders_to_complete() -> QuerySet[Order]:
    return orders_at(OrderStage.INFO_REQUIRED)


def _awaiting_approval(role: Role) -> QuerySet[Order]:
    """Orders for which no approval of this role stands. Only those that were approved at all need a closer look."""
    waiting = orders_at(OrderStage.UNDER_REVIEW)
    signatures = approval_signatures(waiting)
    given = [
        order.pk
        for order in waiting.filter(pk__in=signatures)
        if role in standing_approvals(order, signatures[order.pk])
    ]
    return waiting.exclude(pk__in=given)


@worklist("devices.approve_order_formally", "Approve the order", Role.ORD, need_by="need_by")
def orders_to_approve() -> QuerySet[Order]:
    return _awaiting_approval(Role.ORD)


@worklist("devices.approve_order_regulatory", "Approve the order", Role.RA, need_by="need_by")
def orders_to_approve_as_regulatory_affairs() -> QuerySet[Order]:
    return _awaiting_approval(Role.RA)


@worklist("devices.send_images", "Send in images", Role.IMG, Role.ORD, need_by="need_by")
def images_to_send() -> QuerySet[Device]:
    return devices_awaiting_images()


@worklist("devices.attach_arrival", "Say which device the images that came in are for", Role.IMG, Role.ORD)
def arrivals_to_attach() -> QuerySet[Arrival]:
    return arrivals_waiting()


@worklist(
    "devices.start_segmentation",
    "Start the segmentation after its cure",
    Role.IMG,
    Role.SEG,
    need_by="need_by",
)
def segmentations_to_start() -> QuerySet[Device]:
    return devices_awaiting_segmentation()


@worklist("devices.approve_segmentation", "Approve the segmentation", Role.CLR, need_by="need_by")
def segmentations_to_approve() -> QuerySet[Device]:
    return devices_awaiting_segmentation_approval()


@worklist("devices.draft_plan", "Draft a clinical plan", Role.DSN, need_by="need_by")
def plans_to_draft() -> QuerySet[Device]:
    return devices_awaiting_plan()


@worklist("devices.approve_plan", "Read the clinical plan", Role.CLR, Role.PRE, need_by="need_by")
def plans_to_read() -> QuerySet[Device]:
    return devices_awaiting_plan_approval()


@worklist("devices.request_design", "Request a design", Role.DSN, need_by="need_by")
def designs_to_request() -> QuerySet[Device]:
    return devices_awaiting_design()


def _asked_at(device: Device) -> datetime | None:
    asked = getattr(device.current_design, "change_request", None)
    return asked.asked_at if asked else None


@worklist("devices.change_design", "Change the design as asked", Role.DSN, need_by="need_by", since=_asked_at)
def designs_to_change() -> QuerySet[Device]:
    return devices_awaiting_changes()


def _waits_since(device: Device) -> datetime | None:
    since: datetime | None = getattr(device, "waits_since", None)
    return since


@worklist("devices.review_design", "Review the design", Role.DSN, need_by="need_by", since=_waits_since)
def designs_to_review() -> QuerySet[Device]:
    return devices_awaiting_second_engineer()


@worklist(
    "devices.check_design", "Check the design's dose side", Role.PHY, need_by="need_by", since=_waits_since
)
def designs_to_check() -> QuerySet[Device]:
    return devices_awaiting_physicist()


@worklist(
    "devices.approve_design",
    "Approve the design for the patient",
    Role.PRE,
    need_by="need_by",
    since=_waits_since,
)
def designs_to_approve() -> QuerySet[Device]:
    return devices_awaiting_prescriber()


@worklist(
    "devices.approve_model", "Approve the model's design", Role.CLR, need_by="need_by", since=_waits_since
)
def models_to_approve() -> QuerySet[Device]:
    return devices_awaiting_model_approval()
