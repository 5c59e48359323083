"""Whether the rows of a record still say what their events and signatures said when they were written (G-INT-01).

A row of a root stands under the digest on its last event. The rows below are no roots: a scan, a measurement, a
verdict, a step, material used, the places on a plate and the signatures are compared value by value with the facts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from devices.models import Device
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.changecheck import changes_at_fault
from mes.models import Artefact, EventRecord, Signature
from mes.selectors import stream_of
from mes.signing_seal import integrity_of
from mes.standing import is_authentic
from mes.tables import ROOTS, TABLES
from printing.models import Consumption, MaterialLot
from printing.selectors.builds import items_content
from quality.choices import Decision, Outcome
from quality.models import Calibration, Inspection, Measurement, PostProcessStep, Verdict
from quality.selectors.gauges import gauges_of
from quality.selectors.making import inspections_of
from quality.selectors.record import (
    Alone,
    builds_of,
    events_in,
    files_alone,
    files_of,
    jobs_of,
    lots_of,
    signatures_in,
    streams_alone,
    streams_of,
    supply_streams_of,
)

Fact = tuple[EventRecord, dict[str, Any]]
UNIT_LASTS = timedelta(seconds=60)
"""A signature and the fact that cites it are made in one unit of work; no unit runs longer than this."""


def disagreements(device: Device) -> list[str]:
    """Everything that a row says otherwise than its event or its signature. Empty where the record agrees."""
    facts = [
        (event, json.loads(event.payload))
        for event in events_in([*streams_of(device), *supply_streams_of(device)])
    ]
    checks: tuple[Callable[[Device, list[Fact]], Iterator[str]], ...] = (
        _signatures,
        _steps,
        _inspections,
        _calibrations,
        _reviews,
        _material,
        _places,
        _history,
    )
    return [text for check in checks for text in check(device, facts)]


def _signatures(device: Device, facts: list[Fact]) -> Iterator[str]:
    rows = {row.pk: row for row in signatures_in([*streams_of(device), *supply_streams_of(device)])}
    cited: dict[int, EventRecord] = {}
    for event, told in facts:
        if isinstance(number := told.get("signature_id"), int):
            cited.setdefault(number, event)
    for number in sorted(cited.keys() - rows.keys()):
        yield f"signature {number} is missing or about something else"
    for number, row in rows.items():
        yield from (f"{fault} of signature {number} was changed" for fault in _faults(row, cited.get(number)))


def _faults(row: Signature, event: EventRecord | None) -> Iterator[str]:
    # A withdrawal is a lawful act and changes nothing that was written: the release asks whether it stands.
    if not is_authentic(row):
        yield f"the content, the binding or the seal ({integrity_of(row)})"
    signer = Actor.parse(event.actor).person_id if event else None
    if row.account.person_id != row.person_id or signer not in (None, row.person_id):
        yield "the person"
    if event is not None and abs(row.signed_at - event.occurred_at) > UNIT_LASTS:
        yield "the time"


def _by(facts: list[Fact], name: str, key: str) -> dict[Any, Fact]:
    return {fact[1][key]: fact for fact in facts if fact[0].type == name}


def _differences(what: str, row: Mapping[str, Any], told: Mapping[str, Any] | None) -> Iterator[str]:
    """The names of the values in which a row differs from what was told of it, if anything was."""
    if told is None:
        yield f"{what} stands on no event"
        return
    named = [name.replace("_", " ") for name, value in row.items() if told.get(name) != value]
    if named:
        yield f"{what} differs from what was recorded: {', '.join(named)}"


def _told(fact: Fact | None) -> dict[str, Any] | None:
    """What a fact says, with the person who stated it."""
    return None if fact is None else fact[1] | {"person": Actor.parse(fact[0].actor).person_id}


def _signed(signature: Signature) -> dict[str, Any]:
    """What was signed; of a move, its details."""
    content: dict[str, Any] = json.loads(signature.content)
    return content | dict(content.get("details") or {})


def _steps(device: Device, facts: list[Fact]) -> Iterator[str]:
    told = _by(facts, "quality.post_process_step_recorded", "step_id")
    for _, payload in told.values():
        payload |= {name: _moment(payload[name]) for name in ("started_at", "ended_at")}
    rows = {row.pk: row for row in device.post_process_steps.select_related("signature")}
    yield from (f"step {number} is missing" for number in sorted(told.keys() - rows.keys()))
    for number, row in rows.items():
        what = f"{row.title} #{row.attempt}"
        yield from _differences(what, _step_values(row), _told(told.get(number)))
        signed = _signed(row.signature)
        same = {"step": row.step, "attempt": row.attempt, "values": row.values, "equipment": row.equipment}
        yield from _differences(f"the signature of {what}", same, signed)
        if row.performed_by_id != row.signature.person_id:
            yield f"{what} names another person than its signature"


def _moment(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None


def _step_values(row: PostProcessStep) -> dict[str, Any]:
    return {
        "step": row.step,
        "position": row.position,
        "attempt": row.attempt,
        "values": row.values,
        "in_limits": row.in_limits,
        "equipment": row.equipment,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "signature_id": row.signature_id,
        "person": row.performed_by_id,
    }


def _inspections(device: Device, facts: list[Fact]) -> Iterator[str]:
    received = _by(facts, "quality.scan_received", "inspection_id")
    for _, payload in received.values():
        payload.setdefault("unit", 1)
    measured = _by(facts, "quality.inspection_measured", "inspection_id")
    refused = _by(facts, "quality.inspection_refused", "inspection_id")
    signed = _by(facts, "quality.inspection_signed", "inspection_id")
    signed |= _by(facts, "quality.inspection_set_aside", "inspection_id")
    rows = {row.pk: row for row in inspections_of(device)}
    yield from (f"inspection {number} is missing" for number in sorted(received.keys() - rows.keys()))
    for key, row in rows.items():
        what = f"inspection {row.number}"
        yield from _differences(what, _scan_values(row), _told(received.get(key)))
        if key in measured or key in refused or hasattr(row, "measurement"):
            yield from _measurement(what, row, measured.get(key) or refused.get(key))
        if key in signed or hasattr(row, "verdict"):
            yield from _verdict(what, row, signed.get(key))


def _scan_values(row: Inspection) -> dict[str, Any]:
    return {
        "number": row.number,
        "unit": row.unit,
        "scan_sha256": row.scan_id,
        "gauge_id": row.gauge_id,
        "calibration_id": row.calibration_id,
        "measured_on": row.measured_on.isoformat() if row.measured_on else None,
        "person": row.received_by_id,
    }


def _calibrations(device: Device, facts: list[Fact]) -> Iterator[str]:
    """What a calibration says of the gauges that measured the device, against its event."""
    told = _by(facts, "quality.gauge_calibrated", "calibration_id")
    rows = {row.pk: row for row in Calibration.objects.filter(gauge__in=gauges_of(device))}
    yield from (f"calibration {number} is missing" for number in sorted(told.keys() - rows.keys()))
    for key, row in rows.items():
        values = {
            "number": row.number,
            "calibrated_on": row.calibrated_on.isoformat(),
            "due_on": row.due_on.isoformat(),
            "as_found": row.as_found,
            "laboratory": row.laboratory,
            "certificate_sha256": row.certificate_id,
            "signature_id": row.signature_id,
            "person": row.recorded_by_id,
        }
        yield from _differences(f"calibration {row.number}", values, _told(told.get(key)))


def _measurement(what: str, row: Inspection, fact: Fact | None) -> Iterator[str]:
    measurement: Measurement | None = getattr(row, "measurement", None)
    if measurement is None:
        yield f"the measurement of {what} is missing"
        return
    values: dict[str, Any] = {"reasons": measurement.reasons}
    if measurement.outcome == Outcome.MEASURED:
        values = {
            "figures": measurement.figures,
            "limits": measurement.limits,
            "characteristics": measurement.characteristics,
            "passed": measurement.passed,
            "pose": measurement.pose,
            "nominal_sha256": measurement.nominal_id,
            "map_sha256": measurement.deviation_map_id,
            "picture_sha256": measurement.picture_id,
            "tool": measurement.tool,
        }
    yield from _differences(f"the measurement of {what}", values, _told(fact))


def _verdict(what: str, row: Inspection, fact: Fact | None) -> Iterator[str]:
    verdict: Verdict | None = getattr(row, "verdict", None)
    if verdict is None:
        yield f"the decision on {what} is missing"
        return
    values: dict[str, Any] = {"signature_id": verdict.signature_id, "person": verdict.decided_by_id}
    if verdict.decision == Decision.SET_ASIDE:
        values["justification"] = verdict.justification
    else:
        values["decision"] = verdict.decision
    yield from _differences(f"the decision on {what}", values, _told(fact))
    if verdict.decided_by_id != verdict.signature.person_id:
        yield f"the decision on {what} names another person than its signature"
    signed = {"decision": verdict.decision, "scan_sha256": row.scan_id}
    if measurement := getattr(row, "measurement", None):
        signed |= {"figures": measurement.figures, "characteristics": measurement.characteristics}
    yield from _differences(f"the signature on {what}", signed, _signed(verdict.signature))


def _reviews(device: Device, facts: list[Fact]) -> Iterator[str]:
    told = _by(facts, "quality.record_reviewed", "review_id")
    for row in device.record_reviews.all():
        values = {
            "events": row.events,
            "last_pos": row.last_pos,
            "trail_digest": row.trail_digest,
            "findings": row.findings,
            "signature_id": row.signature_id,
            "person": row.reviewed_by_id,
        }
        yield from _differences("the review of the record", values, _told(told.get(row.pk)))


def _material(device: Device, _facts: list[Fact]) -> Iterator[str]:
    jobs = list(jobs_of(device))
    lots = {lot.pk: lot for lot in lots_of(device)} | {
        job.container.lot_id: job.container.lot for job in jobs
    }
    told = _consumed(lots, {job.pk for job in jobs})
    rows = {
        (row.job_id, row.container_id): (row.lot_id, row.quantity, row.basis)
        for row in Consumption.objects.filter(job__in=jobs)
    }
    for job, container in sorted(told.keys() ^ rows.keys() | _unlike(told, rows)):
        yield f"the material that job {job} used from container {container} differs from what was recorded"


def _unlike(told: Mapping[Any, Any], rows: Mapping[Any, Any]) -> set[Any]:
    return {key for key in told.keys() & rows.keys() if told[key] != rows[key]}


def _consumed(lots: Mapping[int, MaterialLot], jobs: set[int]) -> dict[Any, tuple[int, Decimal, str]]:
    events = events_in([stream_of(lot) for lot in lots.values()]).filter(type="printing.material_consumed")
    payloads = [json.loads(event.payload) for event in events]
    return {
        (told["job_id"], told["container_id"]): (told["lot_id"], Decimal(told["quantity"]), told["basis"])
        for told in payloads
        if told["job_id"] in jobs
    }


def _history(device: Device, _facts: list[Fact]) -> Iterator[str]:
    """What an event copied beside somebody's own edit does not explain, of every row and file under the record's streams."""
    yield from _edited([*streams_of(device), *supply_streams_of(device)], files_of(device))


def disagreements_alone(subject: Alone) -> list[str]:
    """The same of an order or a lot that no device came of: its signatures, and edits that no event explains."""
    streams = streams_alone(subject)
    found = [row for row in signatures_in(streams) if not is_authentic(row)]
    sealed = [f"the content, the binding or the seal of signature {row.pk} was changed" for row in found]
    return [*sealed, *_edited(streams, files_alone(subject))]


def _edited(streams: Sequence[tuple[str, str]], files: Iterable[str]) -> Iterator[str]:
    rows = [(ROOTS[kind].name, key) for kind, key in streams]
    rows += [(Signature._meta.db_table, str(row.pk)) for row in signatures_in(streams)]
    rows += [(Artefact._meta.db_table, sha256) for sha256 in files]
    for table in TABLES.values():
        for root, path in table.spoken.items():
            keys = [key for kind, key in streams if kind == root]
            if path and keys and table.model:
                found = table.model._default_manager.filter(**{f"{path}__in": keys})
                rows += [(table.name, str(key)) for key in found.values_list("pk", flat=True)]
    yield from (bad.where for bad in changes_at_fault(rows))


def _places(device: Device, _facts: list[Fact]) -> Iterator[str]:
    for build in builds_of(device):
        if digest_of(items_content(build)) != build.items_digest:
            yield f"what lies where on the plate of {build.code} differs from its digest"
