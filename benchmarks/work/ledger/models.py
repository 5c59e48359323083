"""Copies of the device's table without Lamina's triggers: one saved plainly, one under each peer.

Columns, references, indexes and constraints are the device's own, so that what differs is the record alone."""

from __future__ import annotations

from typing import Any

from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords

from devices.models import Device


def _columns() -> dict[str, models.Field[Any, Any]]:
    """The device's columns as they are, references and their indexes included."""
    return {field.name: _again(field) for field in Device._meta.concrete_fields if not field.primary_key}


def _again(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    if field.remote_field is None:
        return field.clone()
    return models.ForeignKey(field.remote_field.model, models.PROTECT, null=field.null, related_name="+")


def _copy(name: str, **more: Any) -> type[models.Model]:
    meta = type("Meta", (), {kind: _named_anew(name, kind) for kind in ("indexes", "constraints")})
    body = {"__module__": __name__, "Meta": meta, **_columns(), **more}
    return type(name, (models.Model,), body)


def _named_anew(name: str, kind: str) -> list[Any]:
    """The device's indexes or constraints for another table: no two in a database bear one name."""
    again = [own.clone() for own in getattr(Device._meta, kind)]
    for number, own in enumerate(again):
        own.name = f"{name}_{kind}_{number}".lower()[:30]
    return again


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
