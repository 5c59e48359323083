"""What follows from facts of printing: builds are sliced, devices move with their build, lots expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from devices.services.lifecycle import advance_device
from mes.eventlog.base import Actor, Recorded
from mes.eventlog.subscriptions import SlotDue, every, on
from printing.events import (
    BuildCreated,
    BuildReopened,
    DeviceBuildCancelled,
    DeviceBuildVerified,
    DevicePrintFailed,
    DevicePrintFinished,
    DevicePrintStarted,
)
from printing.selectors import device_is_queued, lots_due_to_expire
from printing.services.lots import expire_lot
from printing.services.preparation import prepare_build

PRINTING = Actor.system("printing")


@on(BuildCreated, id="printing.slice_build", queue="slicing")
def slice_build(recorded: Recorded[BuildCreated]) -> Callable[[], object]:
    return prepare_build(recorded.event.build_id)


@on(BuildReopened, id="printing.slice_reopened_build", queue="slicing")
def slice_reopened_build(recorded: Recorded[BuildReopened]) -> Callable[[], object]:
    return prepare_build(recorded.event.build_id)


@on(DeviceBuildVerified, id="printing.queue_device")
def queue_device(recorded: Recorded[DeviceBuildVerified]) -> None:
    _advance(recorded.event.device_id, "queue")


@on(DeviceBuildCancelled, id="printing.unqueue_device")
def unqueue_device(recorded: Recorded[DeviceBuildCancelled]) -> None:
    """A build that was given up before its verification never queued its devices."""
    if device_is_queued(recorded.event.device_id):
        _advance(recorded.event.device_id, "unqueue")


@on(DevicePrintStarted, id="printing.start_device_build")
def start_device_build(recorded: Recorded[DevicePrintStarted]) -> None:
    _advance(recorded.event.device_id, "start_build")


@on(DevicePrintFinished, id="printing.finish_device_build")
def finish_device_build(recorded: Recorded[DevicePrintFinished]) -> None:
    _advance(recorded.event.device_id, "finish_build")


@on(DevicePrintFailed, id="printing.fail_device_build")
def fail_device_build(recorded: Recorded[DevicePrintFailed]) -> None:
    _advance(recorded.event.device_id, "fail_build", reason=recorded.event.text)


@every(timedelta(hours=1), id="printing.expire_lots")
def expire_lots(_recorded: Recorded[SlotDue]) -> None:
    for lot in lots_due_to_expire():
        expire_lot(lot_id=lot.pk, actor=PRINTING)


def _advance(device_id: int, transition: str, *, reason: str = "") -> None:
    advance_device(device_id=device_id, transition=transition, actor=PRINTING, reason=reason)
