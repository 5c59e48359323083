"""Measuring equipment: registered, calibrated against a certificate, put into service, and found out (21 CFR 820.72).

A calibration that found its gauge out of tolerance reaches back: every device measured since the last good one gets a
nonconformance and a hold, in the same unit that records the calibration (ISO 13485 7.6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from django.utils import timezone

from devices.services.lifecycle import locked_device
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.locking import locked_row
from mes.models import Artefact
from mes.permissions import require
from mes.services.artefacts import is_used, require_intact, store_artefact
from mes.services.signatures import Credentials, sign
from mes.standing import carries, not_withdrawn
from printing.services.certificates import MEDIA_TYPES, read_certificate
from quality.choices import AsFound, GaugeKind, GaugeStage, Source
from quality.events import GaugeCalibrated, GaugeFoundOut, GaugeRegistered, GaugeStageChanged
from quality.lifecycle import GAUGE
from quality.models import Calibration, Gauge, Inspection
from quality.selectors.gauges import calibration_on, measured_since
from quality.services.nonconformance import open_nonconformance
from quality.services.scrapping import SYSTEM as NONCONFORMANCE

RULE = "G-INS-01"
SYSTEM = Actor.system("quality.gauges")
LEAST_RATIO = Decimal(4)
"""A tolerance is at least four times the gauge's accuracy: the test accuracy ratio of 4:1 (ANSI/NCSL Z540.3, ISO 14253-1)."""
LARGEST_ACCURACY_MM = Decimal(10)


@dataclass(frozen=True)
class Certified:
    """What a calibration certificate says."""

    calibrated_on: date
    due_on: date
    as_found: AsFound
    laboratory: str


@unit_of_work
def register_gauge(
    *,
    kind: GaugeKind,
    maker: str,
    model: str,
    serial: str,
    accuracy_mm: Decimal,
    location: str,
    actor: Actor,
) -> Gauge:
    """Make a piece of measuring equipment known. It is used once it is calibrated and put into service."""
    require(actor, "quality.register_gauge")
    texts = {
        "maker": maker.strip(),
        "model": model.strip(),
        "serial": serial.strip(),
        "location": location.strip(),
    }
    _refuse_words(texts, accuracy_mm)
    gauge = Gauge.objects.create(
        kind=kind, accuracy_mm=accuracy_mm, registered_by_id=actor.person_id, **texts
    )
    gauge.refresh_from_db()
    publish(
        gauge,
        GaugeRegistered(gauge_id=gauge.pk, kind=str(kind), accuracy_mm=str(gauge.accuracy_mm), **texts),
        actor=actor,
    )
    return gauge


@unit_of_work
def store_calibration_certificate(*, file: BinaryIO | bytes | Path, actor: Actor) -> Artefact:
    """Take a certificate in, so that its digest can be shown and signed with the calibration. PDF, PNG, JPEG or text."""
    require(actor, "quality.calibrate_gauge")
    content, media_type = read_certificate(file)
    return store_artefact(content, media_type=media_type)


@unit_of_work
def calibrate_gauge(
    *, gauge_id: int, certified: Certified, certificate: str, actor: Actor, credentials: Credentials
) -> Calibration:
    """Record a calibration by signature. `certificate` is the digest of a file taken in for it.

    Found out of tolerance, the gauge goes out of service and what it measured since its last good calibration is held, each
    device with a nonconformance of its own. Raises InvalidInput for days that cannot be, and for a file that is none.
    """
    gauge = _locked_with_devices(gauge_id)
    require(actor, "quality.calibrate_gauge", gauge)
    _refuse_days(gauge, certified)
    signature = sign(
        subject=gauge,
        content=calibration_content(gauge, certified, _certificate(certificate).sha256),
        meaning=Meaning.PERFORMED,
        actor=actor,
        credentials=credentials,
    )
    good = _last_good(gauge)
    row = Calibration.objects.create(
        gauge=gauge,
        number=gauge.calibrations.count() + 1,
        calibrated_on=certified.calibrated_on,
        due_on=certified.due_on,
        as_found=certified.as_found,
        laboratory=certified.laboratory.strip(),
        certificate_id=certificate,
        recorded_by=signature.person,
        signature=signature,
    )
    publish(gauge, _calibrated(row), actor=actor)
    if row.as_found == AsFound.OUT_OF_TOLERANCE:
        _reach_back(gauge, row, good)
    return row


@unit_of_work
def put_gauge_in_service(*, gauge_id: int, actor: Actor) -> Gauge:
    """A gauge may measure from now on, where its last calibration is good and not over (G-INS-01)."""
    gauge = _locked(gauge_id)
    require(actor, "quality.move_gauge", gauge)
    row = GAUGE.row("put_in_service", gauge.stage)
    gates = ask_gates("gauge.put_in_service", gauge, actor=actor)
    refuse_blocked(gates)
    _move(gauge, GaugeStage(row.target), actor, "", gates)
    return gauge


@unit_of_work
def take_gauge_out_of_service(*, gauge_id: int, reason: str, actor: Actor) -> Gauge:
    """A gauge measures nothing from now on: damaged, lost, sent away. What it measured stands."""
    gauge = _locked(gauge_id)
    require(actor, "quality.move_gauge", gauge)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    row = GAUGE.row("take_out_of_service", gauge.stage)
    _move(gauge, GaugeStage(row.target), actor, reason.strip())
    return gauge


def calibration_content(gauge: Gauge, certified: Certified, certificate_sha256: str) -> dict[str, Any]:
    """What is shown and signed of a calibration."""
    return {
        "record": "calibration",
        "gauge": gauge.code,
        "serial": gauge.serial,
        "number": gauge.calibrations.count() + 1,
        "calibrated_on": certified.calibrated_on.isoformat(),
        "due_on": certified.due_on.isoformat(),
        "as_found": str(certified.as_found),
        "laboratory": certified.laboratory.strip(),
        "certificate_sha256": certificate_sha256,
    }


def usable_gauge(gauge_id: int | None, day: date, tolerance_mm: float) -> tuple[Gauge, Calibration]:
    """The gauge that measured on a day, locked, with its calibration then. Raises TransitionRefused with every reason."""
    gauge = locked_row(Gauge.objects.all(), gauge_id) if gauge_id is not None else None
    if gauge is None:
        raise TransitionRefused(
            "No registered gauge is named: nobody can tell what measured.",
            cure="Name the gauge by its code; one that is not registered yet is registered under Gauges first.",
            rule=RULE,
        )
    faults = [*_not_in_service(gauge), *gauge_faults(gauge, day, tolerance_mm)]
    calibration = calibration_on(gauge, day)
    if faults or calibration is None:
        raise TransitionRefused(faults)
    return gauge, calibration


def _not_in_service(gauge: Gauge) -> Iterator[Reason]:
    if gauge.stage != GaugeStage.IN_SERVICE:
        yield Reason(
            f"{gauge.code} is {gauge.get_stage_display().lower()}.",
            "Measure with one that is in service, or have this one calibrated and put into service.",
            RULE,
        )


def gauge_faults(gauge: Gauge, day: date, tolerance_mm: float) -> list[Reason]:
    """Why a gauge could not measure to a tolerance (mm) on a day: its calibration then, and its accuracy."""
    return [*calibration_faults(gauge, day), *_too_coarse(gauge, tolerance_mm)]


def calibration_faults(gauge: Gauge, day: date) -> list[Reason]:
    """Why a gauge was not in calibration on a day. The last day of a calibration still counts, at the site's midnight."""
    made = calibration_on(gauge, day)
    cure = "Measure with a gauge that is in calibration, and have this one calibrated."
    if made is None:
        return [Reason(f"{gauge.code} was not calibrated by {day:%d %b %Y}.", cure, RULE)]
    if made.as_found != AsFound.IN_TOLERANCE:
        text = f"{gauge.code} was found out of tolerance on {made.calibrated_on:%d %b %Y}."
        return [Reason(text, "Have it adjusted and calibrated again.", RULE)]
    if not carries(made, "signature"):
        return [Reason(f"No signature stands for calibration {made.number} of {gauge.code}.", cure, RULE)]
    if made.due_on < day:
        return [Reason(f"The calibration of {gauge.code} was over on {made.due_on:%d %b %Y}.", cure, RULE)]
    return []


def _too_coarse(gauge: Gauge, tolerance_mm: float) -> Iterator[Reason]:
    if Decimal(str(tolerance_mm)) < LEAST_RATIO * gauge.accuracy_mm:
        yield Reason(
            f"{gauge.code} measures to {gauge.accuracy_mm.normalize():f} mm: too coarse for a tolerance of {tolerance_mm:g} mm.",
            f"Measure with one that is {LEAST_RATIO}:1 finer than the tolerance: {tolerance_mm / 4:g} mm or better.",
            RULE,
        )


def _refuse_words(texts: Mapping[str, str], accuracy_mm: Decimal) -> None:
    missing = [name for name, text in texts.items() if not text]
    if missing:
        raise InvalidInput(f"Missing: {', '.join(missing)}.", cure="Fill it in.", rule="P11-10h")
    if not accuracy_mm.is_finite() or not 0 < accuracy_mm <= LARGEST_ACCURACY_MM:
        raise InvalidInput(
            f"The accuracy is no length between 0 and {LARGEST_ACCURACY_MM} mm.",
            cure="Give the largest error that the maker states, in mm.",
            rule="P11-10h",
        )


def _refuse_days(gauge: Gauge, certified: Certified) -> None:
    if not certified.laboratory.strip():
        raise InvalidInput("Say who calibrated.", cure="Name the laboratory or the person.", rule="P11-10h")
    if certified.calibrated_on > timezone.localdate():
        raise InvalidInput("A calibration lies in the future.", cure="Look at the day again.", rule="P11-10h")
    if certified.due_on <= certified.calibrated_on:
        raise InvalidInput(
            "A calibration is due after the day it was made.", cure="Look at both days again.", rule="P11-10h"
        )
    newest = gauge.calibrations.order_by("calibrated_on", "pk").last()
    if newest is not None and certified.calibrated_on < newest.calibrated_on:
        raise InvalidInput(
            f"A calibration of {newest.calibrated_on:%d %b %Y} is recorded already, and none is put in before it.",
            cure="Record the newest certificate.",
            rule="P11-10e",
        )


def _certificate(sha256: str) -> Artefact:
    found = Artefact.objects.filter(pk=sha256, media_type__in=MEDIA_TYPES).first()
    if found is None or is_used(found):
        raise InvalidInput(
            "This is not the certificate of this calibration: it is not here, or another record has it.",
            cure="Send the certificate's file again.",
            rule="P11-10h",
        )
    require_intact(found)
    return found


def _calibrated(row: Calibration) -> GaugeCalibrated:
    return GaugeCalibrated(
        gauge_id=row.gauge_id,
        calibration_id=row.pk,
        number=row.number,
        calibrated_on=row.calibrated_on.isoformat(),
        due_on=row.due_on.isoformat(),
        as_found=str(row.as_found),
        laboratory=row.laboratory,
        certificate_sha256=row.certificate_id,
        signature_id=row.signature_id,
    )


def _last_good(gauge: Gauge) -> Calibration | None:
    good = not_withdrawn(gauge.calibrations.filter(as_found=AsFound.IN_TOLERANCE), "signature")
    return good.order_by("calibrated_on", "pk").last()


def _reach_back(gauge: Gauge, row: Calibration, good: Calibration | None) -> None:
    """Every device measured since the last good calibration, in the order of their keys."""
    since = good.calibrated_on if good else None
    if gauge.stage != GaugeStage.OUT_OF_SERVICE:
        _move(gauge, GaugeStage.OUT_OF_SERVICE, SYSTEM, f"Calibration {row.number} found it out of tolerance")
    grouped = groupby(measured_since(gauge, since), key=lambda inspection: inspection.device_id)
    reached = [(device_id, list(inspections)) for device_id, inspections in grouped]
    for device_id, inspections in reached:
        open_nonconformance(
            device_id=device_id,
            source=Source.GAUGE,
            requirement=f"{RULE} measured with a gauge within its tolerance",
            description=_found(gauge, row, since, inspections),
            evidence={
                "gauge": gauge.code,
                "calibration": row.number,
                "certificate_sha256": row.certificate_id,
                "inspections": [inspection.number for inspection in inspections],
            },
            actor=NONCONFORMANCE,
        )
    found = GaugeFoundOut(
        gauge_id=gauge.pk,
        calibration_id=row.pk,
        since=since.isoformat() if since else None,
        devices=len(reached),
    )
    publish(gauge, found, actor=SYSTEM)


def _found(gauge: Gauge, row: Calibration, since: date | None, inspections: list[Inspection]) -> str:
    numbers = ", ".join(str(inspection.number) for inspection in inspections)
    last = f"its last good calibration on {since:%d %b %Y}" if since else "it was registered"
    return (
        f"{gauge.code} (serial {gauge.serial}) was found out of tolerance on {row.calibrated_on:%d %b %Y}. "
        f"Inspection {numbers} was measured with it since {last}."
    )


def _locked_with_devices(gauge_id: int) -> Gauge:
    """The gauge, with every device that it measured locked before it: who sends a scan locks in the same order."""
    measured = Inspection.objects.filter(gauge_id=gauge_id).order_by("device_id")
    for device_id in measured.values_list("device_id", flat=True).distinct():
        locked_device(device_id)
    return _locked(gauge_id)


def _locked(gauge_id: int) -> Gauge:
    gauge = locked_row(Gauge.objects.all(), gauge_id)
    if gauge is None:
        raise InvalidInput("There is no such gauge.", cure="Look at the list again.")
    return gauge


def _move(
    gauge: Gauge, target: GaugeStage, actor: Actor, reason: str, gates: tuple[GateResult, ...] = ()
) -> None:
    source = gauge.stage
    gauge.stage = target
    gauge.save(update_fields=["stage"])
    moved = GaugeStageChanged(
        gauge_id=gauge.pk,
        source=str(source),
        target=str(target),
        gates=[gate.as_payload() for gate in gates],
    )
    publish(gauge, moved, actor=actor, reason=reason)
