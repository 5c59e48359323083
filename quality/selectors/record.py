"""What the whole record of a device consists of: streams, events, signatures and files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from devices.models import Assignment, Device, Order
from devices.selectors.evidence import bone_of
from devices.selectors.kits import kits_of
from mes.eventlog.base import digest_of
from mes.eventlog.unit import in_unit
from mes.locking import locked_rows
from mes.models import Artefact, EventRecord, HandwrittenSignature, Person, Signature
from mes.reading import once
from mes.selectors import stream_of
from printing.choices import BuildState
from printing.models import Build, MaterialLot, ParameterSet, Printer, PrinterCommand, PrintJob
from quality.models import Report
from quality.selectors.gauges import gauges_of
from quality.selectors.packages import packages_of

M = TypeVar("M", bound=Model)
HEX = frozenset("0123456789abcdef")


def builds_of(device: Device) -> QuerySet[Build]:
    return Build.objects.filter(items__device=device).order_by("pk")


def jobs_of(device: Device) -> QuerySet[PrintJob]:
    return (
        PrintJob.objects.filter(build__items__device=device)
        .select_related("printer", "container", "container__lot", "build")
        .order_by("pk")
    )


def prints_of(device: Device) -> QuerySet[PrintJob]:
    """The prints that the device came of: begun, and of builds that were completed."""
    return jobs_of(device).filter(build__state=BuildState.COMPLETED, started_at__isnull=False)


def lots_of(device: Device) -> QuerySet[MaterialLot]:
    """The lots whose material went into the device's builds."""
    return (
        MaterialLot.objects.filter(consumptions__job__build__items__device=device).distinct().order_by("pk")
    )


def supplies_of(device: Device) -> tuple[list[Printer], list[MaterialLot]]:
    """The printers that made the device and the lots in it, as they are now: within a unit, until it ends. A hold comes
    before or after what is decided on them, never meanwhile. Locked in the order of a start, printers first."""
    printers = prints_of(device).order_by("printer_id").values_list("printer_id", flat=True).distinct()
    return _still(Printer, printers), _still(MaterialLot, lots_of(device).values_list("pk", flat=True))


def _still(model: type[M], keys: Iterable[int]) -> list[M]:
    rows = model._default_manager.order_by("pk")
    return locked_rows(rows, keys) if in_unit() else list(rows.filter(pk__in=list(keys)))


@once
def streams_of(device: Device) -> list[tuple[str, str]]:
    """The streams that tell how the device came to be: its own, its order's, builds', jobs', commands',
    nonconformances', packages' and kits', and of the papers signed by hand about any of them (ES-20)."""
    jobs = list(jobs_of(device))
    rows: list[Model] = [device, device.order, *builds_of(device), *jobs]
    rows += PrinterCommand.objects.filter(job__in=jobs).order_by("pk")
    rows += device.nonconformances.order_by("pk")
    rows += packages_of(device)
    rows += kits_of(device)
    return _with_papers(rows)


@once
def supply_streams_of(device: Device) -> list[tuple[str, str]]:
    """What the device stands on and shares with others: master, material, lots, parameter sets, and the gauges that measured
    it, with the papers signed by hand about them."""
    sets = ParameterSet.objects.filter(builds__items__device=device).distinct().order_by("pk")
    return _with_papers((device.master, device.material, *lots_of(device), *sets, *gauges_of(device)))


Alone = Order | MaterialLot
"""An order or a lot that no device came of is a record too: rejected and cancelled orders, lots never printed with (7.1)."""


@once
def streams_alone(subject: Alone) -> list[tuple[str, str]]:
    """The streams that tell of an order or a lot by itself, with the papers signed by hand about them."""
    if isinstance(subject, Order):
        return _with_papers(
            (subject, *Assignment.objects.filter(order=subject).order_by("pk"), subject.master)
        )
    return _with_papers((subject, *subject.containers.order_by("pk"), subject.material))


@once
def files_alone(subject: Alone) -> dict[str, str]:
    """Every file that an order or a lot names: SHA-256 to where it was first named."""
    named: dict[str, str] = {}
    for event in events_in(streams_alone(subject)):
        for path, digest in digests_in(json.loads(event.payload)):
            named.setdefault(digest, f"{event.type}: {path}")
    for path, digest in _files_in(subject):
        named.setdefault(digest, path)
    return _known(named)


def _with_papers(rows: Iterable[Model]) -> list[tuple[str, str]]:
    streams = [stream_of(row) for row in rows]
    return [*streams, *(stream_of(paper) for paper in papers_about(streams))]


def papers_about(streams: Iterable[tuple[str, str]]) -> QuerySet[HandwrittenSignature]:
    """Papers signed by hand about the roots of some streams, oldest first."""
    return HandwrittenSignature.objects.filter(_about(streams)).order_by("pk")


def _about(streams: Iterable[tuple[str, str]]) -> Q:
    wanted = Q(pk__in=[])
    for kind, key in streams:
        wanted |= Q(subject_type=kind, subject_id=key)
    return wanted


def events_in(streams: Iterable[tuple[str, str]], last_pos: int | None = None) -> QuerySet[EventRecord]:
    """The events of some streams in the order of the log, up to a position."""
    wanted = Q(pk__in=[])
    for kind, key in streams:
        wanted |= Q(stream_type=kind, stream_id=key)
    events = EventRecord.objects.filter(wanted).order_by("pos")
    return events if last_pos is None else events.filter(pos__lte=last_pos)


@dataclass(frozen=True)
class Trail:
    """The audit trail as a reviewer sees it: how many events, up to where, and the digest of their list."""

    events: int
    last_pos: int
    digest: str


def trail_of(device: Device, last_pos: int | None = None) -> Trail:
    """The digest covers position, uid, type, actor, time and payload of each event, in order."""
    rows = list(
        events_in(streams_of(device), last_pos).values_list(
            "pos", "uid", "stream_type", "stream_id", "version", "type", "actor", "reason", "payload"
        )
    )
    return Trail(len(rows), rows[-1][0] if rows else 0, digest_of(rows))


def signatures_in(streams: Iterable[tuple[str, str]]) -> QuerySet[Signature]:
    """Signatures over the roots of some streams, oldest first."""
    return (
        Signature.objects.filter(_about(streams))
        .select_related("person", "account", "withdrawal")
        .order_by("pk")
    )


def names_of(person_ids: Iterable[int]) -> dict[int, str]:
    return {person.pk: str(person) for person in Person.objects.filter(pk__in=list(person_ids))}


@once
def files_of(device: Device, last_pos: int | None = None) -> dict[str, str]:
    """Every file that the record names: SHA-256 to where it was first named (event and field)."""
    named: dict[str, str] = {}
    streams = [*streams_of(device), *supply_streams_of(device)]
    for event in events_in(streams, last_pos):
        for path, digest in digests_in(json.loads(event.payload)):
            named.setdefault(digest, f"{event.type}: {path}")
    for path, digest in _files_of_rows(device):
        named.setdefault(digest, path)
    return _known(named)


def _known(named: dict[str, str]) -> dict[str, str]:
    """What is a file of the store, or is named like one. A label's digest is that of its canonical object, and no file has it."""
    known = set(Artefact.objects.filter(pk__in=list(named)).values_list("pk", flat=True))
    return {
        digest: path
        for digest, path in named.items()
        if digest in known or (path.endswith("sha256") and not path.endswith("label_sha256"))
    }


def _files_of_rows(device: Device) -> Iterator[tuple[str, str]]:
    """Files that stand on rows of the record and on no event."""
    bone = bone_of(device)
    rows: list[Model] = [
        row for row in (device.current_study, bone, device.current_design) if row is not None
    ]
    rows += [*builds_of(device), *lots_of(device)]
    for row in rows:
        yield from _files_in(row)
    if bone:
        for path, digest in digests_in(bone.overlays):
            yield f"devices.segmentation: overlays {path}", digest


def _files_in(row: Model) -> Iterator[tuple[str, str]]:
    for field in row._meta.concrete_fields:
        if field.related_model is Artefact and (digest := field.value_from_object(row)):
            yield f"{row._meta.label_lower}: {field.name}", str(digest)


def digests_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Everything in a payload that has the form of a SHA-256, with the path of fields to it."""
    if isinstance(value, str):
        if len(value) == 64 and HEX.issuperset(value):
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from digests_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from digests_in(item, f"{path}[{index}]")


def latest_report(device: Device, name: str = "production_record") -> Report | None:
    return device.reports.filter(name=name).select_related("json", "pdf").order_by("pk").last()
