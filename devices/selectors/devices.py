"""Devices, found by code and listed, also for the board. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Cast

from devices.choices import (
    Stage,
)
from devices.models import Device, KitMember, Plan
from devices.selectors.history import SEGMENTING
from mes.exceptions import InvalidInput
from mes.models import Delivery, EventRecord, SignatureWithdrawal
from mes.models.eventlog import OPEN_STATUSES

FINAL_STAGES = (Stage.DELIVERED, Stage.SCRAPPED, Stage.CANCELLED)


def device_id_of(code: str) -> int:
    """The key behind a public code. Raises InvalidInput where it is none."""
    digits = code[1:]
    if code[:1].upper() != "D" or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise InvalidInput(f"'{code[:20]}' is no device code.", cure="A device code looks like D0000001.")
    return int(digits)


ANSWERS = (
    "devices.segmentation_refused", "devices.segmentation_requested", "devices.segmentation_failed",
)  # fmt: skip


def devices() -> QuerySet[Device]:
    """Every device with what a list shows, most urgent first. `segmentation_asked`: how the gates last answered;
    `segmentation_run`: where the computation that comes next stands, none where all are over; `approval_withdrawn`: the
    prescriber took the approval of the design back; `plan_status`: where the newest revision of its plan stands; `kit_waits`:
    another device of its kit is not as far as it."""
    stream = {"stream_type": "devices.device", "stream_id": Cast(OuterRef("pk"), CharField())}
    asked = EventRecord.objects.filter(type__in=ANSWERS, **stream).order_by("-version")
    run = Delivery.objects.filter(handler=SEGMENTING, status__in=OPEN_STATUSES, **stream).order_by("version")
    plan = Plan.objects.filter(device=OuterRef("pk")).order_by("-revision")
    withdrawn = SignatureWithdrawal.objects.filter(withdrawn=OuterRef("current_design__approval"))
    return (
        Device.objects.annotate(
            approval_withdrawn=Exists(withdrawn),
            segmentation_asked=_while_planned(asked.values("payload")),
            segmentation_run=_while_planned(run.values("status")),
            plan_status=_while_planned(plan.values("status")),
            kit_waits=_before_kit_moves(),
        )
        .select_related(
            "order__patient",
            "order__prescriber",
            "master",
            "material",
            "current_study",
            "current_segmentation",
            "current_design",
        )
        .order_by("need_by", "pk")
    )


def _while_planned(found: QuerySet[Any, Any]) -> Case:
    return Case(When(stage=Stage.PLANNED, then=Subquery(found[:1])))


def _before_kit_moves() -> Case:
    """Asked where a device is to be released or shipped with others alone."""
    others = KitMember.objects.filter(
        standing=True, kit__members__device=OuterRef("pk"), kit__members__standing=True
    ).exclude(device=OuterRef("pk"))
    behind = Exists(others.exclude(device__stage=OuterRef("stage")))
    return Case(When(stage__in=(Stage.REVIEWED, Stage.RELEASED), then=behind), default=False)


@dataclass(frozen=True, kw_only=True)
class BoardFilters:
    """What the board shows. Empty means everything that is still on its way."""

    phase: str = ""
    stage: str = ""
    held: bool | None = None
    late_on: date | None = None
    master: str = ""
    text: str = ""
    finished: bool = False


def devices_on_board(filters: BoardFilters | None = None) -> QuerySet[Device]:
    """Devices for the board, late ones first. `text` matches a device's, order's or patient's code, or a serial."""
    filters = filters or BoardFilters()
    found = devices()
    if not filters.finished:
        found = found.exclude(stage__in=FINAL_STAGES)
    exact = {
        "phase": filters.phase,
        "stage": filters.stage,
        "held": filters.held,
        "master__code": filters.master,
    }
    found = found.filter(**{name: value for name, value in exact.items() if value not in ("", None)})
    if filters.late_on:
        found = found.filter(need_by__lt=filters.late_on)
    return found.filter(_matching(filters.text)) if filters.text.strip() else found


def _matching(text: str) -> Q:
    word = text.strip().upper()
    matches = Q(serial__icontains=word) | Q(order__patient__token__icontains=word)
    if word[1:].isascii() and word[1:].isdigit() and len(word) < 19:
        matches |= {"D": Q(pk=int(word[1:])), "O": Q(order_id=int(word[1:]))}.get(word[0], Q())
    return matches
