"""Measuring equipment: what is in calibration, and what it measured."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from quality.choices import GaugeStage, Source
from quality.models import Calibration, Gauge, Inspection, Nonconformance
from quality.selectors.making import nonconformances

DUE_SOON = timedelta(days=30)
LONGEST_NUMBER = 18


def gauges() -> QuerySet[Any]:
    """Every gauge, newest first. `due`: the last day of its last calibration."""
    last = Calibration.objects.filter(gauge=OuterRef("pk")).order_by("-calibrated_on", "-pk")
    rows = Gauge.objects.annotate(due=Subquery(last.values("due_on")[:1])).order_by("-pk")
    return rows.prefetch_related("calibrations__recorded_by")


def gauges_to_calibrate() -> QuerySet[Any]:
    """Gauges that were never calibrated, or whose calibration is over within a month; none that is out of service."""
    soon = timezone.localdate() + DUE_SOON
    due = Q(due__isnull=True) | Q(due__lte=soon)
    return gauges().exclude(stage=GaugeStage.OUT_OF_SERVICE).filter(due)


def gauge_id_of(code: str) -> int | None:
    """The key behind a gauge's public code, as a person or a scanner sends it; None where no gauge has it."""
    digits = code.strip().upper().removeprefix("G")
    known = digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER
    return Gauge.objects.filter(pk=int(digits)).values_list("pk", flat=True).first() if known else None


def calibration_on(gauge: Gauge, day: date) -> Calibration | None:
    """The last calibration made by a day: whatever came before it counts no longer."""
    made = gauge.calibrations.filter(calibrated_on__lte=day)
    return made.order_by("calibrated_on", "pk").last()


def measured_since(gauge: Gauge, day: date | None) -> QuerySet[Inspection]:
    """What a gauge measured on a day or later; all that it ever measured, where no day is given. What was scrapped or
    cancelled reaches nobody, and is left out."""
    gone = (Stage.SCRAPPED, Stage.CANCELLED)
    found = gauge.inspections.exclude(device__stage__in=gone).order_by("device_id", "pk")
    return found if day is None else found.filter(measured_on__gte=day)


def gauge_findings(gauge: Gauge) -> QuerySet[Nonconformance]:
    """What was opened because this gauge was found out of tolerance: its reach."""
    return nonconformances().filter(source=Source.GAUGE, evidence__gauge=gauge.code)


def gauges_of(device: Device) -> QuerySet[Gauge]:
    """The gauges that measured the device."""
    return Gauge.objects.filter(inspections__device=device).distinct().order_by("pk")
