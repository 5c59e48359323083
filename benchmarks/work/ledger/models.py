"""Copies of the device's table without Lamina's triggers: one saved plainly, one under each peer."""

from __future__ import annotations

from typing import Any

from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords

from devices.models import Device


def _columns() -> dict[str, models.Field[Any, Any]]:
    """The device's columns, type by type. A reference stays a number: none is changed here."""
    found: dict[str, models.Field[Any, Any]] = {}
    for field in Device._meta.concrete_fields:
        if field.primary_key:
            continue
        if field.is_relation:
            found[field.attname] = models.BigIntegerField(null=field.null)
        else:
            found[field.name] = field.clone()
    return found


def _copy(name: str, **more: Any) -> type[models.Model]:
    body = {"__module__": __name__, **_columns(), **more}
    return type(name, (models.Model,), body)


PlainDevice = _copy("PlainDevice")
HistoryDevice = _copy("HistoryDevice", history=HistoricalRecords(app="ledger_benchmark"))
AuditedDevice = _copy("AuditedDevice")
auditlog.register(AuditedDevice)


class Effect(models.Model):
    """What the benchmark's handler writes: the newest version that it saw of a device."""

    device_id = models.BigIntegerField(unique=True)
    version = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.device_id}@{self.version}"
