"""One change of one row, "why the device waits", saved in four ways. All lock the row first, as a service does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from benchmarks.work.ledger.models import AuditedDevice, Effect, HistoryDevice, PlainDevice
from devices.models import Device
from mes.eventlog.base import Actor, Event, Recorded
from mes.eventlog.subscriptions import on
from mes.eventlog.unit import publish, unit_of_work

WRITER = Actor.system("benchmark")
CHANGED = ["held", "hold_reason", "resume_to"]


@dataclass(frozen=True, kw_only=True)
class BenchmarkHeld(Event, name="benchmark.device_held"):
    """A device waits. Of the benchmark alone, so that nothing but its own handler reacts."""

    device_id: int
    stage: str


@unit_of_work
def recorded(pk: int, number: int) -> None:
    device = _changed(Device, pk, number)
    publish(device, BenchmarkHeld(device_id=pk, stage=device.stage), actor=WRITER, reason=device.hold_reason)


def _saved(model: Any) -> Callable[[int, int], None]:
    @transaction.atomic
    def save(pk: int, number: int) -> None:
        _changed(model, pk, number)

    return save


def _changed(model: Any, pk: int, number: int) -> Any:
    row = model._default_manager.select_for_update().get(pk=pk)
    row.held, row.hold_reason, row.resume_to = True, f"reason {number}", row.stage
    row.save(update_fields=CHANGED)
    return row


CHANGES: dict[str, Callable[[int, int], None]] = {
    "plain save": _saved(PlainDevice),
    "Lamina": recorded,
    "django-simple-history": _saved(HistoryDevice),
    "django-auditlog": _saved(AuditedDevice),
}
MODELS: dict[str, type[models.Model]] = {
    "plain save": PlainDevice, "Lamina": Device, "django-simple-history": HistoryDevice, "django-auditlog": AuditedDevice,
}  # fmt: skip


@on(BenchmarkHeld, id="benchmark.note_hold")
def note_hold(found: Recorded[BenchmarkHeld]) -> None:
    """A quick handler with one effect in the database."""
    Effect._default_manager.update_or_create(
        device_id=found.event.device_id, defaults={"version": found.version}
    )
