"""Devices that wait for an inspector, or for somebody who answers."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from devices.choices import Stage
from devices.models import Device
from quality.choices import Outcome
from quality.models import Inspection
from quality.selectors.making import GONE_ON


def devices_at(*stages: Stage) -> QuerySet[Device]:
    """Devices at some stages that nothing holds, most urgent first."""
    return (
        Device.objects.filter(stage__in=stages, held=False)
        .select_related("master", "order")
        .order_by("need_by", "pk")
    )


def devices_to_inspect() -> QuerySet[Any]:
    """Devices that wait for an inspector. `judged`: the last measurement of a unit waits for a verdict; `measuring`: a scan
    is not measured yet."""
    scans = Inspection.objects.filter(device=OuterRef("pk"))
    judged = _measured_of_device().filter(~_overtaken(), verdict__isnull=True)
    return devices_at(Stage.AWAITING_INSPECTION).annotate(
        judged=Exists(judged), measuring=Exists(scans.filter(measurement__isnull=True))
    )


def devices_to_answer_for() -> QuerySet[Any]:
    """Devices with a measurement, good or bad, that only a second person can answer, most urgent first: a later one has
    overtaken it, or the device had gone on when it came."""
    left = _measured_of_device().filter(verdict__isnull=True)
    overtaken = Exists(left.filter(_overtaken()))
    awaiting = Q(stage=Stage.AWAITING_INSPECTION, held=False) & Q(overtaken)
    return (
        Device.objects.filter(awaiting | (Q(stage__in=GONE_ON) & Q(Exists(left))))
        .select_related("master", "order")
        .order_by("need_by", "pk")
    )


def _measured_of_device() -> QuerySet[Inspection]:
    return Inspection.objects.filter(device=OuterRef("pk"), measurement__outcome=Outcome.MEASURED)


def _overtaken() -> Exists:
    """Of a measurement: the same unit was measured again."""
    later = Inspection.objects.filter(device=OuterRef("device"), measurement__outcome=Outcome.MEASURED)
    return Exists(later.filter(unit=OuterRef("unit"), number__gt=OuterRef("number")))
