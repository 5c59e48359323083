"""Scans of a part: each names its unit, its gauge and its day, and is a new look at the part (G-INS-01, P11-10h)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone

from devices.choices import Stage
from devices.events import DeviceStageChanged
from devices.imaging.naming import names_person
from devices.models import Device
from devices.services.lifecycle import locked_device
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import IdentityErased, InvalidInput, TransitionRefused
from mes.models import Artefact
from mes.permissions import require
from mes.selectors import events_of
from mes.services.artefacts import is_used, store_artefact
from mes.services.patients import open_identity
from quality.catalog.plan import read_plan
from quality.events import ScanReceived
from quality.models import Inspection
from quality.reports.units import OPEN, every_unit, unit_states
from quality.selectors.making import open_nonconformances
from quality.services.gauges import usable_gauge
from quality.services.scanfile import require_scan_file, texts_of_scan

RULE = "G-INS-01"
SCAN_LIMIT = 512 * 1024 * 1024


@unit_of_work
def receive_scan(
    *,
    device_id: int,
    upload: BinaryIO | bytes | Path,
    gauge_id: int | None,
    actor: Actor,
    measured_on: date | None = None,
    unit: int = 1,
) -> Inspection:
    """Take in a scan of the part, of a lot: of one of its units. Its bytes are stored under their digest and read by a
    worker later.

    `gauge_id` is the scanner; `measured_on` the day of measuring at the site, by default today.

    Raises InvalidInput for an empty or oversized file, for one that is neither STL nor PLY, for one whose text names the patient, and for the bytes of a file
    that a record holds already, a scan or any other: nothing is kept of it.
    Raises TransitionRefused where the device waits for no inspection, and where the gauge is unknown, out of service, was
    out of calibration on that day or is too coarse for the tolerance (P11-10h).
    """
    device = locked_device(device_id)
    require(actor, "quality.receive_scan", device)
    if device.stage != Stage.AWAITING_INSPECTION:
        raise TransitionRefused(
            f"{device.code} is at '{device.stage}' and waits for no inspection.",
            cure="Send the scan once post-processing is complete.",
            rule=RULE,
        )
    _refuse_unit(device, unit)
    day = measured_on or timezone.localdate()
    _refuse_day(device, day)
    gauge, calibration = usable_gauge(gauge_id, day, read_plan(device.master.inspection).tolerance_mm)
    media_type = require_scan_file(upload)
    _refuse_identity(device, upload)
    scan = store_artefact(upload, media_type=media_type, limit=SCAN_LIMIT)
    _refuse_copy(scan)
    inspection = Inspection.objects.create(
        device=device,
        number=device.inspections.count() + 1,
        unit=unit,
        scan=scan,
        gauge=gauge,
        calibration=calibration,
        measured_on=day,
        received_by_id=actor.person_id,
    )
    publish(device, _received(inspection, day), actor=actor)
    return inspection


def _received(inspection: Inspection, day: date) -> ScanReceived:
    return ScanReceived(
        device_id=inspection.device_id,
        inspection_id=inspection.pk,
        number=inspection.number,
        unit=inspection.unit,
        scan_sha256=inspection.scan.sha256,
        size_bytes=inspection.scan.size,
        gauge_id=inspection.gauge_id,
        calibration_id=inspection.calibration_id,
        measured_on=day.isoformat(),
    )


def _refuse_identity(device: Device, upload: BinaryIO | bytes | Path) -> None:
    """The bytes stay for good, and an erasure reaches none of them: no name stands in them from the first (K-13)."""
    try:
        identity = open_identity(device.order.patient)
    except IdentityErased:
        return
    if any(names_person(identity, text) for text in texts_of_scan(upload)):
        raise InvalidInput(
            "The text in this file's header or comments names the patient. Nothing of it was kept.",
            cure="Export the scan under the code of the device, without names, numbers or dates of the patient.",
            rule="K-13",
        )


def _refuse_day(device: Device, day: date) -> None:
    """A part is measured after it was finished and not tomorrow: no other day's calibration counts for it."""
    if day > timezone.localdate():
        raise InvalidInput("The day of measuring lies in the future.", cure="Look at it again.", rule=RULE)
    since = _awaited_since(device)
    if since is not None and day < since:
        raise InvalidInput(
            f"{device.code} waits for its inspection since {since:%d %b %Y}: it was not measured before.",
            cure="Give the day on which the part was measured.",
            rule=RULE,
        )


def _awaited_since(device: Device) -> date | None:
    moves = events_of(device).filter(type=DeviceStageChanged.name)
    came = [
        event.occurred_at
        for event in moves
        if json.loads(event.payload)["target"] == Stage.AWAITING_INSPECTION
    ]
    return timezone.localdate(max(came)) if came else None


def _refuse_copy(scan: Artefact) -> None:
    """A scan is a new look at a part: it is neither a scan sent before nor the file that the part was made from."""
    if Inspection.objects.filter(scan=scan).exists():
        raise InvalidInput(
            "This very file was sent before, as a scan of this or another device.",
            cure="Scan this part, and send what the scanner wrote.",
            rule=RULE,
        )
    if is_used(scan):
        raise InvalidInput(
            "This is a file of a record already, a design for example, and no scan.",
            cure="Scan the part, and send what the scanner wrote.",
            rule=RULE,
        )


def _refuse_unit(device: Device, unit: int) -> None:
    """One scan is of one unit, which must exist and must not be given up."""
    if unit not in every_unit(device):
        raise InvalidInput(
            f"{device.code} has no unit {unit}: it has {device.quantity}.",
            cure="Give the number of the unit that was scanned, from 1.",
            rule="K-08",
        )
    if not device.is_lot:
        return
    for found in open_nonconformances(device):
        if unit in found.units:
            raise TransitionRefused(
                f"Unit {unit} of {device.code} failed: {found.code} is open.",
                cure="Dispose of it first; nothing is measured until it fits.",
                rule=RULE,
            )
    state = unit_states(device)[unit]
    if state != OPEN:
        raise TransitionRefused(
            f"Unit {unit} of {device.code} is {state} already.",
            cure="Scan the units that are left.",
            rule="K-08",
        )
