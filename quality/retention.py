"""How long what quality writes is kept: with the device that it is about (R-AUD, 21 CFR 11.10(e))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import BigIntegerField, Case, QuerySet, When
from django.db.models.functions import Cast, Substr

from devices.retention import device_facts, order_facts, order_tags
from mes.models import Patient
from mes.retention import (
    LEADING_TO_PATIENTS,
    Facts,
    Tag,
    copied_in,
    kept_with,
    reached_by,
    retained,
    retained_for_good,
)
from quality.choices import ExportKind
from quality.models import ExportedRecord, Nonconformance, Package

for _table in ("inspection", "post_process_step", "record_review", "release_decision", "report"):
    kept_with("devices.device", f"quality_{_table}", by="device_id")
retained_for_good("quality.export", "R-AUD", because="it shows who took which record out of the house")
kept_with("quality.export", "quality_exported_record", by="export_id")
retained_for_good("quality.gauge", "R-AUD", because="measurements of every device rest on it")


@copied_in("devices.device", "quality_exported_record", column="bundle_id", by="device_id")
def _bundles_of_devices() -> QuerySet[Any]:
    """A bundle holds every file of its record: it goes with them. That it was written and taken stays."""
    return ExportedRecord.objects.filter(device__isnull=False)


@copied_in("devices.order", "quality_exported_record", column="bundle_id", by="alone")
def _bundles_of_orders() -> QuerySet[Any]:
    return _bundles_alone(ExportKind.ORDER)


@copied_in("printing.lot", "quality_exported_record", column="bundle_id", by="alone")
def _bundles_of_lots() -> QuerySet[Any]:
    return _bundles_alone(ExportKind.LOT)


def _bundles_alone(kind: ExportKind) -> QuerySet[Any]:
    """Of orders or lots that no device came of. `alone`: the key in the code that was asked for, such as L0000001."""
    key = Cast(Substr("export__subject", 2), BigIntegerField())
    rows = ExportedRecord.objects.filter(device__isnull=True, export__kind=kind)
    return rows.annotate(alone=Case(When(export__kind=kind, then=key)))


kept_with("quality.gauge", "quality_calibration", by="gauge_id")
for _table in ("measurement", "verdict"):
    kept_with("devices.device", f"quality_{_table}", by="inspection__device_id")


@retained("quality.nonconformance", "R-AUD", "R-13485")
def _nonconformance_facts(found: Nonconformance) -> Facts:
    return device_facts(found.device)


@reached_by("quality.nonconformances", "quality.nonconformance")
def _nonconformance_tags(found: Nonconformance) -> Iterator[Tag]:
    yield from order_tags(found.device.order)


kept_with("quality.package", "quality_package_content", by="package_id")


@retained("quality.package", "R-AUD", "R-13485", "R-830")
def _package_facts(package: Package) -> Facts:
    """A package is kept with the order whose devices lay in it: its label is what a complaint names (820.45, 830.360)."""
    return order_facts(package.order)


@reached_by("quality.packages", "quality.package")
def _package_tags(package: Package) -> Iterator[Tag]:
    yield from order_tags(package.order)


def _leading_to(patient: Patient) -> Iterator[QuerySet[Any]]:
    yield Nonconformance.objects.filter(device__order__patient=patient)
    yield Package.objects.filter(order__patient=patient)


LEADING_TO_PATIENTS.add("quality", _leading_to)
