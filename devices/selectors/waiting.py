"""Which devices wait for which step. Nothing here writes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast

from devices.choices import (
    ROUTES,
    DesignStatus,
    PlanStatus,
    SegmentationStatus,
    Stage,
    StudyStatus,
)
from devices.models import Device
from devices.selectors.devices import devices
from mes.choices import Role
from mes.models import DeliveryStatus, EventRecord

OVERDUE = timedelta(days=2)
"""How long a design may wait for a decision before somebody is reminded of it."""

ASKS_FOR_PLAN = Q(master__design__has_key="plan")

BY_PRESCRIBER = Q(
    master__intended_use__in=[use for use, route in ROUTES.items() if route.prescriber_approves]
) | Q(master__design__contains={"prescriber_approves": True})
"""As `DeviceMaster.prescriber_approves`."""

BY_PHYSICIST = Q(master__design__contains={"reviewer": Role.PHY.value})
"""As `DeviceMaster.reviewer`."""


def devices_awaiting_images() -> QuerySet[Device]:
    return _planned().filter(Q(current_study=None) | Q(current_study__status=StudyStatus.REFUSED))


def devices_awaiting_segmentation() -> QuerySet[Device]:
    """Images accepted, and no segmentation that counts: a gate blocked it, it failed, or it was rejected. Not while one
    is being computed."""
    missing = Q(current_segmentation=None) | Q(current_segmentation__status=SegmentationStatus.REJECTED)
    waiting = _planned().filter(missing, current_study__status=StudyStatus.ACCEPTED)
    return waiting.filter(Q(segmentation_run=None) | Q(segmentation_run=DeliveryStatus.DEAD))


def devices_awaiting_segmentation_approval() -> QuerySet[Device]:
    return _planned().filter(current_segmentation__status=SegmentationStatus.RECORDED)


def devices_awaiting_plan() -> QuerySet[Device]:
    """Bone approved, and the master asks for a plan that nobody has drafted, or whose reader rejected it."""
    missing = Q(plan_status=None) | Q(plan_status=PlanStatus.REJECTED)
    return _on_approved_bone().filter(ASKS_FOR_PLAN, missing)


def devices_awaiting_plan_approval() -> QuerySet[Device]:
    return _on_approved_bone().filter(ASKS_FOR_PLAN, Q(plan_status=PlanStatus.DRAFTED))


def devices_awaiting_design() -> QuerySet[Device]:
    gone = [DesignStatus.FAILED, DesignStatus.VOIDED]
    return _designable().filter(Q(current_design=None) | Q(current_design__status__in=gone))


def devices_awaiting_changes() -> QuerySet[Device]:
    """Somebody asked for changes of the design, and no other was requested since."""
    sent_back = _designable().filter(current_design__status=DesignStatus.REJECTED)
    return sent_back.select_related("current_design__change_request")


def _designable() -> QuerySet[Device]:
    return _on_approved_bone().filter(~ASKS_FOR_PLAN | Q(plan_status=PlanStatus.APPROVED))


def _on_approved_bone() -> QuerySet[Device]:
    return _planned().filter(current_segmentation__status=SegmentationStatus.APPROVED)


def devices_awaiting_design_review() -> QuerySet[Device]:
    return _waiting_since("devices.design_generated", DesignStatus.GENERATED)


def devices_awaiting_second_engineer() -> QuerySet[Device]:
    return devices_awaiting_design_review().exclude(BY_PHYSICIST)


def devices_awaiting_physicist() -> QuerySet[Device]:
    return devices_awaiting_design_review().filter(BY_PHYSICIST)


def devices_awaiting_prescriber() -> QuerySet[Device]:
    return devices_awaiting_approval().filter(BY_PRESCRIBER)


def devices_awaiting_model_approval() -> QuerySet[Device]:
    return devices_awaiting_approval().exclude(BY_PRESCRIBER)


def devices_awaiting_approval() -> QuerySet[Device]:
    """By whoever approves them."""
    return _waiting_since("devices.design_reviewed", DesignStatus.REVIEWED)


def _waiting_since(event: str, status: DesignStatus) -> QuerySet[Device]:
    """With `waits_since`: when the design came to where it is, None where no event says so."""
    stream = {"stream_type": "devices.device", "stream_id": Cast(OuterRef("pk"), CharField())}
    came = EventRecord.objects.filter(type=event, **stream).order_by("-version").values("recorded_at")
    return _planned().filter(current_design__status=status).annotate(waits_since=Subquery(came[:1]))


def overdue_decisions(now: datetime) -> list[Any]:
    """Devices whose design has waited for its review or its approval for longer than `OVERDUE`, with `waits_since`."""
    waiting = (devices_awaiting_design_review(), devices_awaiting_approval())
    late: dict[str, Any] = {"waits_since__lt": now - OVERDUE}
    found = [device for rows in waiting for device in rows.filter(**late)]
    return sorted(found, key=lambda device: device.pk)


def _planned() -> QuerySet[Device]:
    return devices().filter(stage=Stage.PLANNED, held=False)
