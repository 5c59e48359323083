"""What the package shows on pages that it does not own, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from devices.choices import OrderStage, StudyStatus
from devices.models import Device, Order, Study
from devices.selectors import (
    approval_signatures,
    devices_awaiting_design,
    devices_awaiting_design_review,
    devices_awaiting_images,
    devices_awaiting_prescriber,
    devices_awaiting_segmentation,
    devices_awaiting_segmentation_approval,
    orders_at,
    refused_segmentation,
)
from devices.services.orders import APPROVERS, standing_approvals
from mes.choices import Role
from mes.panels import WORKLISTS, PanelContent, Task, panel


@panel("devices.request", page="order", title="Request", order=10)
def request_panel(_: HttpRequest, order: Order) -> PanelContent:
    standing = standing_approvals(order)
    approvals = [(role, standing.get(role)) for role in APPROVERS]
    return PanelContent("devices/panels/request.html", {"order": order, "approvals": approvals})


@panel("devices.images", page="device", title="Images", order=10)
def images_panel(_: HttpRequest, device: Device) -> PanelContent:
    context: dict[str, Any] = {
        "device": device,
        "study": device.current_study,
        "refused": _refused_since(device),
    }
    return PanelContent("devices/panels/images.html", context)


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
        "refusals": refused_segmentation(device),
    }
    return PanelContent("devices/panels/segmentation.html", context)


@panel("devices.design", page="device", title="Design", order=30)
def design_panel(_: HttpRequest, device: Device) -> PanelContent | None:
    if device.current_segmentation is None:
        return None
    context = {
        "device": device,
        "design": device.current_design,
        "envelope": device.master.design["envelope"],
    }
    return PanelContent("devices/panels/design.html", context)


def _of_devices(devices: QuerySet[Device], title: str, *roles: Role) -> Iterator[Task]:
    for device in devices:
        yield Task(title, device.code, f"/devices/{device.code}/", frozenset(roles), device.need_by)


def _of_orders(orders: QuerySet[Order], title: str, *roles: Role) -> Iterator[Task]:
    for order in orders:
        yield Task(title, order.code, f"/orders/{order.code}/", frozenset(roles), order.need_by)


@WORKLISTS.register("devices.prescribe")
def orders_to_prescribe() -> Iterator[Task]:
    return _of_orders(orders_at(OrderStage.DRAFT), "Prescribe", Role.PRE)


@WORKLISTS.register("devices.start_review")
def orders_to_review() -> Iterator[Task]:
    return _of_orders(orders_at(OrderStage.SUBMITTED), "Start the review", Role.ORD)


@WORKLISTS.register("devices.supply_info")
def orders_to_complete() -> Iterator[Task]:
    return _of_orders(orders_at(OrderStage.INFO_REQUIRED), "Supply what is missing", Role.ORD, Role.PRE)


@WORKLISTS.register("devices.approve_order")
def orders_to_approve() -> Iterator[Task]:
    """Each order waits for the approvals that do not stand yet."""
    waiting = orders_at(OrderStage.UNDER_REVIEW)
    signatures = approval_signatures(waiting)
    for order in waiting:
        missing = frozenset(APPROVERS) - set(standing_approvals(order, signatures.get(order.pk, ())))
        yield Task("Approve the order", order.code, f"/orders/{order.code}/", missing, order.need_by)


@WORKLISTS.register("devices.send_images")
def images_to_send() -> Iterator[Task]:
    return _of_devices(devices_awaiting_images(), "Send in images", Role.IMG, Role.ORD)


@WORKLISTS.register("devices.start_segmentation")
def segmentations_to_start() -> Iterator[Task]:
    return _of_devices(
        devices_awaiting_segmentation(), "Start the segmentation after its cure", Role.IMG, Role.SEG
    )


@WORKLISTS.register("devices.approve_segmentation")
def segmentations_to_approve() -> Iterator[Task]:
    return _of_devices(devices_awaiting_segmentation_approval(), "Approve the segmentation", Role.CLR)


@WORKLISTS.register("devices.request_design")
def designs_to_request() -> Iterator[Task]:
    return _of_devices(devices_awaiting_design(), "Request a design", Role.DSN)


@WORKLISTS.register("devices.review_design")
def designs_to_review() -> Iterator[Task]:
    return _of_devices(devices_awaiting_design_review(), "Review the design", Role.DSN)


@WORKLISTS.register("devices.approve_design")
def designs_to_approve() -> Iterator[Task]:
    return _of_devices(devices_awaiting_prescriber(), "Approve the design for the patient", Role.PRE)
