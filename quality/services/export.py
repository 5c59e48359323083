"""Exports of records: asked for, written one device at a time, stopped, downloaded. Each step is a fact (EV-10)."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from devices.models import Device, Order
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason, Refused
from mes.models import Artefact, EventRecord, Person
from mes.permissions import require
from mes.scope import Viewer, may_know, viewer_of, visible
from mes.services.artefacts import intact_path, require_intact, store_artefact
from mes.signing_seal import signature_key
from printing.models import MaterialLot
from quality.choices import ExportKind, ExportStage
from quality.events import (
    RecordBundleTaken,
    RecordExportCancelled,
    RecordExported,
    RecordExportFailed,
    RecordExportFinished,
    RecordExportRequested,
)
from quality.export import verify_record
from quality.export.content import INSPECTION, Subject
from quality.models import Export, ExportedRecord
from quality.selectors.record import Alone
from quality.services.bundle import Bundle, bundle_of

SYSTEM = Actor.system("quality.export")
MOST_DEVICES = 500
SEALED_WITHIN_S = 60.0
"""How long the worker waits for the sealer, which works every ten seconds."""
ZIP = "application/zip"
VERIFIER = "verify_record.py"


# --- which devices


def records_asked(kind: ExportKind, subject: str, actor: Actor) -> list[Subject]:
    """The devices whose records somebody asks for and may know, by key; or the order or lot itself, where no device came
    of it. `subject`: a public code, or two days `2026-01-01/2026-01-31`.

    Raises InvalidInput where there is no such thing, nothing of it that they may know, or too many devices.
    """
    asked = _ASKED[kind](subject)
    if not asked.exists() and (alone := _alone(kind, subject, actor)) is not None:
        return [alone]
    if actor.person_id is not None:
        asked = visible(asked, _viewer(actor))
    found: list[Subject] = list(asked.order_by("pk")[: MOST_DEVICES + 1])
    if not found:
        raise InvalidInput(
            f"There is no record of any device for {kind.label.lower()}: {subject[:40]}.",
            cure="Check the code or the days.",
        )
    if len(found) > MOST_DEVICES:
        raise InvalidInput(
            f"These are more than {MOST_DEVICES} devices.", cure="Ask for fewer days, or order by order."
        )
    return found


def _alone(kind: str, subject: str, actor: Actor) -> Alone | None:
    """The order or lot itself, for whoever may know it."""
    row: Alone | None = None
    if kind == ExportKind.ORDER:
        row = Order.objects.select_related("patient", "master").get(pk=_key(subject, "O", Order))
    elif kind == ExportKind.LOT:
        row = MaterialLot.objects.select_related("material").get(pk=_key(subject, "L", MaterialLot))
    known = row is None or actor.person_id is None or may_know(_viewer(actor), row)
    return row if known else None


def _viewer(actor: Actor) -> Viewer:
    return viewer_of(by_key(Person, actor.person_id or 0))


def _key(code: str, letter: str, model: Any) -> int:
    digits = code[1:]
    if code[:1].upper() != letter or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise InvalidInput(f"{code[:20]!r} is no such code.", cure=f"It looks like {letter}0000001.")
    if not model._default_manager.filter(pk=int(digits)).exists():
        raise InvalidInput(f"There is no {letter}{int(digits):07d}.", cure="Check the code.")
    return int(digits)


def _of_device(subject: str) -> QuerySet[Device]:
    return Device.objects.filter(pk=_key(subject, "D", Device))


def _of_order(subject: str) -> QuerySet[Device]:
    return Device.objects.filter(order=_key(subject, "O", Order))


def _of_lot(subject: str) -> QuerySet[Device]:
    lot = _key(subject, "L", MaterialLot)
    return Device.objects.filter(build_items__build__jobs__consumptions__lot=lot).distinct()


def days_in(subject: str) -> tuple[date, date]:
    """Two days with a slash between. Raises InvalidInput."""
    try:
        first, last = (date.fromisoformat(text) for text in subject.split("/"))
    except ValueError:
        raise InvalidInput("These are no two days.", cure="Give them as 2026-01-31.") from None
    if first > last or last.year > 9000:
        raise InvalidInput("The first day is after the last.", cure="Give the earlier day first.")
    return first, last


def _of_range(subject: str) -> QuerySet[Device]:
    first, last = days_in(subject)
    since, until = (
        datetime.combine(first, time(), UTC),
        datetime.combine(last, time(), UTC) + timedelta(days=1),
    )
    told = EventRecord.objects.filter(
        stream_type="devices.device", recorded_at__gte=since, recorded_at__lt=until
    )
    keys = told.values_list("stream_id", flat=True).distinct()
    return Device.objects.filter(pk__in=[int(key) for key in keys])


_ASKED: dict[ExportKind, Callable[[str], QuerySet[Device]]] = {
    ExportKind.DEVICE: _of_device,
    ExportKind.ORDER: _of_order,
    ExportKind.LOT: _of_lot,
    ExportKind.RANGE: _of_range,
}


# --- an export's life


@unit_of_work
def request_export(*, kind: ExportKind, subject: str, actor: Actor, reason: str = "") -> Export:
    """Ask for records. A worker writes the bundles one after the other.

    Raises NotPermitted, and InvalidInput where there is nothing to export.
    """
    require(actor, "quality.export_record")
    subject = subject.strip().upper()
    export = Export.objects.create(
        kind=kind,
        subject=subject,
        mode=INSPECTION,
        devices=[one.pk for one in records_asked(kind, subject, actor) if isinstance(one, Device)],
        requested_by=str(actor),
    )
    asked = RecordExportRequested(
        export_id=export.pk, kind=kind, subject=subject, mode=INSPECTION, devices=export.devices
    )
    publish(export, asked, actor=actor, reason=reason)
    return export


def export_next(export_id: int) -> Callable[[], object]:
    """Write the bundle of an export's next device. Computes outside any transaction; the effect keeps it."""
    export = Export.objects.get(pk=export_id)
    subject = next_record(export)
    if subject is None:
        return _nothing
    device_id = subject.pk if isinstance(subject, Device) else None
    try:
        bundle = bundle_of(subject, wait_s=SEALED_WITHIN_S)
        stored = store_bundle(bundle)
    except Refused as refusal:
        reasons = refusal.reasons
        return lambda: fail_export(export_id=export_id, device_id=device_id, reasons=reasons)
    return lambda: keep_bundle(export_id=export_id, device_id=device_id, bundle=bundle, stored=stored)


def _nothing() -> None:
    """The export is over."""


def next_record(export: Export) -> Subject | None:
    """What comes next in an export that still runs: its next device, or what it is of where there is none."""
    if export.is_open and not export.devices and not export.done:
        return _alone(export.kind, export.subject, SYSTEM)
    written = set(export.records.values_list("device_id", flat=True))
    left = [key for key in export.devices if key not in written]
    if not export.is_open or not left:
        return None
    return Device.objects.select_related("order__patient", "master", "material", "current_design").get(
        pk=left[0]
    )


def store_bundle(bundle: Bundle) -> Artefact:
    with tempfile.TemporaryFile() as file:
        bundle.write(file)
        file.seek(0)
        return store_artefact(file, media_type=ZIP)


@unit_of_work
def keep_bundle(
    *, export_id: int, device_id: int | None, bundle: Bundle, stored: Artefact
) -> ExportedRecord | None:
    """Put a written bundle with its export. None where somebody stopped it meanwhile."""
    export = _locked(export_id)
    if not export.is_open:
        return None
    row = ExportedRecord.objects.create(
        export=export,
        device_id=device_id,
        bundle=stored,
        record_sha256=bundle.record_sha256,
        name=bundle.name,
        events=bundle.events,
    )
    export.done += 1
    finished = export.done == export.total
    export.stage = ExportStage.FINISHED if finished else ExportStage.RUNNING
    export.save()
    told = RecordExported(
        export_id=export.pk,
        device_id=device_id,
        bundle_sha256=stored.sha256,
        record_sha256=bundle.record_sha256,
        events=bundle.events,
    )
    publish(export, told, actor=SYSTEM)
    if finished:
        publish(export, RecordExportFinished(export_id=export.pk, bundles=export.done), actor=SYSTEM)
    return row


@unit_of_work
def fail_export(*, export_id: int, device_id: int | None, reasons: tuple[Reason, ...]) -> None:
    """An export ends with its reasons."""
    export = _locked(export_id)
    if not export.is_open:
        return
    export.stage = ExportStage.FAILED
    export.refusal = [{"rule": one.rule, "text": one.text, "cure": one.cure} for one in reasons]
    export.save()
    failed = RecordExportFailed(export_id=export.pk, device_id=device_id, reasons=export.refusal)
    publish(export, failed, actor=SYSTEM)


@unit_of_work
def cancel_export(*, export_id: int, actor: Actor) -> Export:
    """Stop an export before its next bundle. Raises Conflict where it is over."""
    require(actor, "quality.export_record")
    export = _locked(export_id)
    if not export.is_open:
        raise Conflict("This export is over.", cure="Look at what it wrote.")
    export.stage = ExportStage.CANCELLED
    export.save()
    publish(export, RecordExportCancelled(export_id=export.pk, bundles=export.done), actor=actor)
    return export


def _locked(export_id: int) -> Export:
    return Export.objects.select_for_update().get(pk=export_id)


@unit_of_work
def take_bundle(*, export: Export, sha256: str, actor: Actor) -> ExportedRecord:
    """A bundle for download, checked against its digest; that it was taken is a fact. Raises NotPermitted."""
    require(actor, "quality.export_record")
    row = export.records.select_related("bundle", "device").filter(bundle=sha256).first()
    if row is None or not _may_have(row, actor):
        raise InvalidInput("This export has no such bundle.", cure="Choose one of its list.")
    require_intact(row.bundle)
    publish(export, RecordBundleTaken(export_id=export.pk, bundle_sha256=sha256), actor=actor)
    return row


def _may_have(row: ExportedRecord, actor: Actor) -> bool:
    if row.device is not None:
        return may_know(_viewer(actor), row.device)
    return _alone(row.export.kind, row.export.subject, actor) is not None


# --- into a folder


@dataclass(frozen=True)
class Stored:
    """A bundle in the store, before anybody has it."""

    device_id: int | None
    bundle: Bundle
    artefact: Artefact


def export_to_folder(
    *, kind: ExportKind, subject: str, folder: Path, actor: Actor, reason: str = "", wait_s: float = 0.0
) -> list[Path]:
    """Write the bundles into a folder, all of them whole or none, and beside them the program that checks one. Returns the bundles' paths.

    Raises Refused as `bundle_of` and `request_export` do; then there is nothing in the folder and nobody has a copy.
    """
    require(actor, "quality.export_record")
    subject = subject.strip().upper()
    _refuse_no_folder(folder)
    written = _all_stored(kind, subject, actor, reason, wait_s)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".incoming-") as name:
        for one in written:
            shutil.copyfile(intact_path(one.artefact), Path(name, one.bundle.name))
        shutil.copyfile(verify_record.__file__, Path(name, VERIFIER))
        record_export(kind=kind, subject=subject, written=written, actor=actor, reason=reason)
        Path(name, VERIFIER).rename(folder / VERIFIER)
        return [Path(name, one.bundle.name).rename(folder / one.bundle.name) for one in written]


def _refuse_no_folder(folder: Path) -> None:
    """Before anything is written: what is there already has to be a folder."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        raise InvalidInput(f"{there} is no folder.", cure="Name a folder, or a new one.", rule="P11-10b")


def _all_stored(kind: ExportKind, subject: str, actor: Actor, reason: str, wait_s: float) -> list[Stored]:
    found = []
    for one in records_asked(kind, subject, actor):
        device_id = one.pk if isinstance(one, Device) else None
        try:
            bundle = bundle_of(one, wait_s=wait_s)
            found.append(Stored(device_id, bundle, store_bundle(bundle)))
        except Refused as refusal:
            _refused(
                kind=kind, subject=subject, actor=actor, device_id=device_id, refusal=refusal, reason=reason
            )
            raise
    return found


@unit_of_work
def _refused(
    *, kind: ExportKind, subject: str, actor: Actor, device_id: int | None, refusal: Refused, reason: str = ""
) -> None:
    """A copy that somebody asked for and did not get is a fact too (EV-10)."""
    export = request_export(kind=kind, subject=subject, actor=actor, reason=reason)
    fail_export(export_id=export.pk, device_id=device_id, reasons=refusal.reasons)


@unit_of_work
def record_export(
    *, kind: ExportKind, subject: str, written: Sequence[Stored], actor: Actor, reason: str = ""
) -> Export:
    """An export that was written at once, with every bundle, as facts. Its handlers find nothing left to do."""
    export = request_export(kind=kind, subject=subject, actor=actor, reason=reason)
    if export.devices != [one.device_id for one in written if one.device_id is not None]:
        raise Conflict("Another device came in meanwhile.", cure="Export again.")
    for one in written:
        keep_bundle(export_id=export.pk, device_id=one.device_id, bundle=one.bundle, stored=one.artefact)
    return export


def signing_fingerprint() -> str:
    """SHA-256 of the public key that signs bundles: what a manufacturer publishes, and a verifier compares."""
    return hashlib.sha256(signature_key().private.public_key().public_bytes_raw()).hexdigest()
