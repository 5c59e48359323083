"""What a bundle tells of one device: the record, its signatures and where its material came from.

Everything is read in one snapshot and nothing is left out: superseded designs, failed measurements and voided steps stand
in the events, as they were written. Patients appear by case code alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from django.db.models import Field, Model, Q

from devices.models import Device
from mes.eventlog.base import canonical, plain
from mes.eventlog.changes import changes_under, digest_of_changes
from mes.eventlog.fileowners import disposals_carried_out, disposed_files
from mes.eventlog.leaves import LEAF_FIELDS
from mes.models import Artefact, Disposal, EventRecord, Signature
from mes.selectors import stream_of
from mes.tables import ROOTS
from printing.models import BuildItem, Consumption, Printer
from quality.reports.alone import report_alone
from quality.reports.base import REPORTS
from quality.reports.production_record import signature_block
from quality.selectors.packages import packages_of
from quality.selectors.record import (
    Alone,
    events_in,
    files_alone,
    files_of,
    jobs_of,
    names_of,
    streams_alone,
    streams_of,
    supply_streams_of,
)

SCHEMA = "lamina.device_record/1"
INSPECTION = "inspection"
"""The one mode: pseudonymised. Who the patient is stands in the vault and leaves it in no bundle."""
GIVEN = "mes.signature_given"
DISPOSAL = "mes.disposal"
GENEALOGY = (
    "device", "serial", "order", "build", "job", "printer", "container", "lot", "supplier_lot", "material", "quantity", "unit",
    "basis", "at",
)  # fmt: skip

OPEN_TABLES = ("devices_", "printing_", "quality_", "mes_signature", "mes_handwritten_signature")

StreamKey = tuple[str, str]


Subject = Device | Alone


def record_of(subject: Subject) -> dict[str, Any]:
    """The record of a device, or of an order or a lot that no device came of, as the log has it now. The same log gives the
    same record (21 CFR 11.10(b))."""
    return _device_record(subject) if isinstance(subject, Device) else _record_alone(subject)


def _device_record(device: Device) -> dict[str, Any]:
    whole = [*streams_of(device), *supply_streams_of(device)]
    told = list(events_in(whole))
    report = plain(REPORTS["production_record"].gather(device, told[-1].pos))
    machines = _machines(device, told)
    files = files_of(device)
    gone = disposed_files(files)
    certified = _certified(device, gone)
    report["signatures"] = _with_those_of([*machines, *certified], report["signatures"])
    head = {
        "schema": SCHEMA,
        "device": device.code,
        "serial": device.serial,
        "order": device.order.code,
        "case": device.order.patient.token,
    }
    return _record(head, report, whole, told, [*machines, *certified], _artefacts(files, gone))


def _record_alone(subject: Alone) -> dict[str, Any]:
    whole = streams_alone(subject)
    told = list(events_in(whole))
    kind, key = stream_of(subject)
    schema = next(
        event.record_schema for event in reversed(told) if (event.stream_type, event.stream_id) == (kind, key)
    )
    report = plain(report_alone(subject, told, _content(kind, key, schema, _roots(kind, [key]))))
    files = files_alone(subject)
    gone = disposed_files(files)
    certified = _certified(subject, gone)
    report["signatures"] = _with_those_of(certified, report["signatures"])
    head = {name: report[name] for name in ("schema", "device", "serial", "order", "case")}
    return _record(head, report, whole, told, certified, _artefacts(files, gone))


def _record(
    head: Mapping[str, Any],
    report: Any,
    whole: Sequence[StreamKey],
    told: Sequence[EventRecord],
    others: Sequence[EventRecord],
    artefacts: list[dict[str, Any]],
) -> dict[str, Any]:
    """`others`: what machines told, and the certificates of destruction, which are told whole."""
    given = _given(report["signatures"])
    events = sorted({event.pk: event for event in (*told, *others, *given)}.values(), key=lambda one: one.pos)
    whole = [*whole, *{(one.stream_type, one.stream_id) for one in others if one.stream_type == DISPOSAL}]
    changes = changes_under(event.pos for event in events)
    return {
        **head,
        "mode": INSPECTION,
        "report": report,
        "people": _people(events),
        "streams": _streams(whole, told, others, given),
        "events": [_columns(event, changes) for event in events],
        "changes": [
            {"pos": pos, "lines": lines} for pos, lines in sorted(changes.items()) if _is_open(lines)
        ],
        "rows": _rows(whole, [*told, *others]),
        "artefacts": artefacts,
    }


def _machines(device: Device, told: Sequence[EventRecord]) -> list[EventRecord]:
    """The printers' streams from their beginning until the device's last print was over: what came after has no part in it."""
    jobs = {str(job.pk): job.printer for job in jobs_of(device)}
    until: dict[int, int] = {}
    for event in told:
        if event.stream_type == "printing.job" and event.stream_id in jobs:
            until[jobs[event.stream_id].pk] = event.pos
    wanted = Q(pk__in=[])
    for printer in Printer.objects.filter(pk__in=until):
        kind, key = stream_of(printer)
        wanted |= Q(stream_type=kind, stream_id=key, pos__lte=until[printer.pk])
    return list(EventRecord.objects.filter(wanted).order_by("pos"))


def _certified(subject: Subject, gone: Mapping[str, Disposal]) -> list[EventRecord]:
    """The streams of the certificates of destruction that explain files of a record, and of its own (7.1)."""
    about = stream_of(subject)
    own = {one for one in disposals_carried_out() if (one.record_root, one.record_id) == about}
    certificates = own | set(gone.values())
    return list(events_in(sorted(stream_of(one) for one in certificates)))


def _with_those_of(
    machines: Iterable[EventRecord], shown: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The signatures that the record shows, and those that the printers' events cite: how each was qualified (11.50(b)); and
    those over certificates of destruction."""
    known = {item["id"]: item for item in shown}
    cited = {json.loads(event.payload).get("signature_id") for event in machines} - {None, *known}
    rows = Signature.objects.filter(pk__in=cited).select_related("person", "account")
    known |= {row.pk: plain(signature_block(row)) for row in rows}
    return [item for _, item in sorted(known.items())]


def _given(signatures: Iterable[Mapping[str, Any]]) -> list[EventRecord]:
    """The events that hold the hash of each signature; they stand on the signers' streams."""
    uids = {item["uid"] for item in signatures if "uid" in item}
    if not uids:
        return []
    wanted = Q(pk__in=[])
    for uid in sorted(uids):
        wanted |= Q(payload__contains=uid)
    return list(EventRecord.objects.filter(wanted, type=GIVEN).order_by("pos"))


def _people(events: Iterable[EventRecord]) -> list[dict[str, Any]]:
    actors = {event.actor for event in events}
    names = names_of(int(actor.partition(":")[2]) for actor in actors if actor.startswith("person:"))
    return [{"id": key, "name": name} for key, name in sorted(names.items())]


def _columns(event: EventRecord, changes: Mapping[int, str]) -> dict[str, Any]:
    """Every column of an event, and the digest of the field changes with it, as its leaf covers them."""
    columns = {name: plain(getattr(event, name)) for name in LEAF_FIELDS}
    lines = changes.get(event.pos)
    return columns if lines is None else {**columns, "changes": digest_of_changes(lines)}


def _is_open(lines: str) -> bool:
    """Whether field changes are of the making of devices alone. People, accounts and patients leave with no bundle: of those
    the digest stands in the leaf."""
    return all(json.loads(line)[3].startswith(OPEN_TABLES) for line in lines.split("\n"))


def _streams(
    whole: Iterable[StreamKey],
    told: Sequence[EventRecord],
    machines: Sequence[EventRecord],
    given: Sequence[EventRecord],
) -> list[dict[str, Any]]:
    """What is told of each stream: `whole`, its `beginning` up to a version, or an `extract` of some."""
    last: dict[StreamKey, int] = {}
    for event in (*told, *machines):
        last[event.stream_type, event.stream_id] = event.version
    kept = set(whole)
    found = [
        {"type": kind, "id": key, "part": "whole" if (kind, key) in kept else "beginning", "last": version}
        for (kind, key), version in sorted(last.items())
    ]
    extracts: dict[StreamKey, list[int]] = {}
    for event in given:
        extracts.setdefault((event.stream_type, event.stream_id), []).append(event.version)
    return found + [
        {"type": kind, "id": key, "part": "extract", "versions": sorted(versions)}
        for (kind, key), versions in sorted(extracts.items())
    ]


def _rows(whole: Iterable[StreamKey], told: Sequence[EventRecord]) -> list[dict[str, Any]]:
    """The canonical text of each root as it stands, whose digest is on the last event of its stream."""
    schema = {(event.stream_type, event.stream_id): event.record_schema for event in told}
    shown = sorted(stream for stream in set(whole) if stream in schema)
    rows = {kind: _roots(kind, [key for _, key in keys]) for kind, keys in groupby(shown, itemgetter(0))}
    return [
        {"stream": f"{kind}/{key}", "content": _content(kind, key, schema[kind, key], rows[kind])}
        for kind, key in shown
    ]


def _roots(kind: str, keys: Iterable[str]) -> dict[str, Model]:
    """The rows of a root, by their keys as streams have them; one query."""
    model = ROOTS[kind].model
    found = model._default_manager.filter(pk__in=list(keys)) if model else ()
    return {str(row.pk): row for row in found}


def _content(kind: str, key: str, schema: int, rows: Mapping[str, Model]) -> str:
    if key not in rows:
        raise LookupError(f"{kind}/{key} has no row")
    row = rows[key]
    values = {
        name: getattr(row, cast("Field[Any, Any]", row._meta.get_field(name)).attname)
        for name in ROOTS[kind].digest_schemas[schema]
    }
    return canonical({"type": kind, "id": key, "schema": schema, **values})


def _artefacts(named: Mapping[str, str], gone: Mapping[str, Disposal]) -> list[dict[str, Any]]:
    """`disposed`: the certificate under which a file was destroyed; such a file is in no bundle."""
    known = Artefact.objects.in_bulk(list(named))
    return [
        {
            "sha256": key,
            "size": row.size,
            "media_type": row.media_type,
            "named_by": named[key],
            **({"disposed": gone[key].code} if key in gone else {}),
        }
        for key, row in sorted(known.items())
    ]


def signatures_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Every column of every signature that the record shows."""
    rows = Signature.objects.filter(pk__in=[item["id"] for item in record["report"]["signatures"]]).order_by(
        "pk"
    )
    fields = [field.attname for field in Signature._meta.concrete_fields]
    return {"signatures": [{name: plain(getattr(row, name)) for name in fields} for row in rows]}


def genealogy_of(subject: Subject) -> dict[str, Any]:
    """Of an order or a lot without a device: nothing was made of it, and the tables are empty."""
    if isinstance(subject, Device):
        return _genealogy(subject)
    return {"device": subject.code, "columns": list(GENEALOGY), "links": [], "packages": [], "plates": []}


def _genealogy(device: Device) -> dict[str, Any]:
    """Which material, out of which container and lot, went through which build into the device, and what lay beside it."""
    jobs = list(jobs_of(device))
    used = Consumption.objects.filter(job__in=jobs).select_related(
        "container", "lot", "lot__material", "job", "job__build", "job__printer"
    )
    beside = BuildItem.objects.filter(build__in=[job.build_id for job in jobs]).select_related(
        "device", "build"
    )
    return {
        "device": device.code,
        "columns": list(GENEALOGY),
        "links": [_link(device, one) for one in used.order_by("pk")],
        "packages": [
            {
                "package": package.code,
                "level": package.level,
                "in": package.parent.code if package.parent else None,
                "units": sum(row.quantity for row in package.contents.filter(device=device)),
            }
            for package in packages_of(device)
        ],
        "plates": sorted({(item.build.code, item.device.code) for item in beside}),
    }


def _link(device: Device, used: Consumption) -> dict[str, Any]:
    job = used.job
    if job is None:
        raise LookupError(f"consumption {used.pk} has no job")
    values = (
        device.code, device.serial, device.order.code, job.build.code, job.code, job.printer.code, used.container.label,
        used.lot.code, used.lot.supplier_lot, used.lot.material.name, used.quantity, used.lot.unit, used.basis, used.at,
    )  # fmt: skip
    return {name: plain(value) for name, value in zip(GENEALOGY, values, strict=True)}


def newest_moment(record: Mapping[str, Any]) -> str:
    """When the newest fact of a record happened: a bundle carries no other time."""
    return str(max(event["occurred_at"] for event in record["events"]))
