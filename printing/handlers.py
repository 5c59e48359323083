"""What follows from facts of printing: builds are sliced, devices move with their build, lots expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from devices.choices import Stage
from devices.events import DesignVoided, DeviceHeld, DeviceStageChanged
from devices.services.designs import against_approval
from devices.services.lifecycle import advance_device, locked_device
from devices.services.segmentations import against_bone_of_design
from mes.eventlog.base import Actor, Recorded
from mes.eventlog.subscriptions import SlotDue, every, on
from mes.events import SignatureWithdrawn
from printing.events import (
    BuildCreated,
    BuildReopened,
    DeviceBuildCancelled,
    DeviceBuildVerified,
    DevicePrintFailed,
    DevicePrintFinished,
    DevicePrintStarted,
    LotExpired,
    LotHeld,
    LotRejected,
    PrinterHeld,
)
from printing.selectors.builds import is_in_build, stage_of
from printing.selectors.material import lots_due_to_expire
from printing.services.keeping import start_clock_of_lot, start_clocks_of_plates
from printing.services.lots import expire_lot, return_lot
from printing.services.preparation import prepare_build
from printing.services.standing import stands_in_build, verified_elsewhere
from printing.services.superseding import supersede_builds, withdraw_claims, withdraw_starts

PRINTING = Actor.system("printing")
SOURCES = {
    "queue": Stage.DESIGN_FROZEN,
    "start_build": Stage.QUEUED,
    "finish_build": Stage.IN_BUILD,
    "fail_build": Stage.IN_BUILD,
}
BEFORE_BUILD = (Stage.PLANNED, Stage.DESIGN_FROZEN, Stage.QUEUED)


@on(BuildCreated, id="printing.slice_build", queue="slicing")
def slice_build(recorded: Recorded[BuildCreated]) -> Callable[[], object]:
    return prepare_build(recorded.event.build_id)


@on(BuildReopened, id="printing.slice_reopened_build", queue="slicing")
def slice_reopened_build(recorded: Recorded[BuildReopened]) -> Callable[[], object]:
    return prepare_build(recorded.event.build_id)


@on(DeviceBuildVerified, id="printing.queue_device")
def queue_device(recorded: Recorded[DeviceBuildVerified]) -> None:
    """A build that was cancelled meanwhile, or whose design of the device was voided or stands on an approval that was
    withdrawn, queues nobody."""
    event = recorded.event
    device = locked_device(event.device_id)
    approved = against_approval(device) is None and against_bone_of_design(device) is None
    here = is_in_build(event.device_id, event.build_id) and stands_in_build(event.device_id, event.build_id)
    if approved and here:
        _carry(event.device_id, "queue")


@on(DeviceBuildCancelled, id="printing.unqueue_device")
def unqueue_device(recorded: Recorded[DeviceBuildCancelled]) -> None:
    """A build that was given up before its verification never queued its devices."""
    event = recorded.event
    if stage_of(event.device_id) == Stage.QUEUED and not verified_elsewhere(event.device_id, event.build_id):
        _advance(event.device_id, "unqueue")


@on(DesignVoided, id="printing.supersede_builds")
def supersede_builds_of(recorded: Recorded[DesignVoided]) -> None:
    """No build of a voided design goes on."""
    event = recorded.event
    supersede_builds(device_id=event.device_id, design_id=event.design_id, actor=PRINTING)


@on(SignatureWithdrawn, id="printing.withdraw_claims")
def withdraw_claims_of(recorded: Recorded[SignatureWithdrawn]) -> None:
    """No printer waits for a build whose design, or whose own verification, is approved no longer."""
    withdraw_claims(signature_id=recorded.event.withdrawn_id, actor=PRINTING)


@on(SignatureWithdrawn, id="printing.return_lot")
def return_lot_of(recorded: Recorded[SignatureWithdrawn]) -> None:
    """A lot whose release was withdrawn is looked at again, and released or rejected."""
    return_lot(signature_id=recorded.event.withdrawn_id, actor=PRINTING)


@on(PrinterHeld, id="printing.withdraw_starts_of_printer")
def withdraw_starts_of_printer(recorded: Recorded[PrinterHeld]) -> None:
    """What a held printer was not told yet, it is not told."""
    _withdraw_starts("printer", recorded.event.printer_id, recorded)


@on(LotHeld, id="printing.withdraw_starts_of_lot")
def withdraw_starts_of_lot(recorded: Recorded[LotHeld]) -> None:
    """Nothing is started with a held lot."""
    _withdraw_starts("lot", recorded.event.lot_id, recorded)


@on(DeviceHeld, id="printing.withdraw_starts_of_device")
def withdraw_starts_of_device(recorded: Recorded[DeviceHeld]) -> None:
    """No build of a held device is started."""
    _withdraw_starts("device", recorded.event.device_id, recorded)


def _withdraw_starts(of: str, key: int, recorded: Recorded[Any]) -> None:
    withdraw_starts(of=of, key=key, held_at=recorded.recorded_at, reason=recorded.reason, actor=PRINTING)


@on(DevicePrintStarted, id="printing.start_device_build")
def start_device_build(recorded: Recorded[DevicePrintStarted]) -> None:
    _carry_in(recorded.event, "queue", "start_build")


@on(DevicePrintFinished, id="printing.finish_device_build")
def finish_device_build(recorded: Recorded[DevicePrintFinished]) -> None:
    _carry_in(recorded.event, "queue", "start_build", "finish_build")


@on(DevicePrintFailed, id="printing.fail_device_build")
def fail_device_build(recorded: Recorded[DevicePrintFailed]) -> None:
    _carry_in(recorded.event, "queue", "start_build", "fail_build", reason=recorded.event.text)


@every(timedelta(hours=1), id="printing.expire_lots")
def expire_lots(_recorded: Recorded[SlotDue]) -> None:
    for lot in lots_due_to_expire():
        expire_lot(lot_id=lot.pk, actor=PRINTING)


def _carry_in(
    event: DevicePrintStarted | DevicePrintFinished | DevicePrintFailed, *moves: str, reason: str = ""
) -> None:
    """A device goes on with a build of its approved design. Made of another, its part is for a nonconformance."""
    if stands_in_build(event.device_id, event.build_id):
        _carry(event.device_id, *moves, reason=reason)


def _carry(device_id: int, *moves: str, reason: str = "") -> None:
    """Make those of the moves that are still ahead of the device.

    Order is kept per handler, not between handlers: the end of a short print may be heard here before its start.
    """
    for name in moves:
        if stage_of(device_id) == SOURCES[name]:
            _advance(device_id, name, reason=reason)
    if stage_of(device_id) in BEFORE_BUILD and moves[-1] != "queue":
        _advance(device_id, moves[-1], reason=reason)


def _advance(device_id: int, transition: str, *, reason: str = "") -> None:
    advance_device(device_id=device_id, transition=transition, actor=PRINTING, reason=reason)


@on(DeviceStageChanged, id="printing.start_clocks")
def start_clocks(recorded: Recorded[DeviceStageChanged]) -> None:
    """A plate is kept as long as the last device on it, and a lot as long as the last one made of it."""
    start_clocks_of_plates(device_id=recorded.event.device_id, stage=recorded.event.target)


@on(LotExpired, id="printing.start_clock_of_expired_lot")
def start_clock_of_expired_lot(recorded: Recorded[LotExpired]) -> None:
    start_clock_of_lot(lot_id=recorded.event.lot_id)


@on(LotRejected, id="printing.start_clock_of_rejected_lot")
def start_clock_of_rejected_lot(recorded: Recorded[LotRejected]) -> None:
    start_clock_of_lot(lot_id=recorded.event.lot_id)
