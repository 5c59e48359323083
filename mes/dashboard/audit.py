"""The audit trail: every event, by person, record, action and time, newest first (21 CFR 11.10(e))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.changes import Changes, changes_of
from mes.dashboard.find import CODE
from mes.dashboard.records import STREAMS, named_stream, names_of_actors, subject_of, told
from mes.dashboard.routes import is_fragment
from mes.dashboard.sheets import taken_as_csv
from mes.eventlog.base import EVENT_TYPES
from mes.eventlog.subscriptions import SlotDue
from mes.models import AuditReview, EventRecord, Patient, Person
from mes.permissions import may, require
from mes.scope import known_people, visible_events
from mes.services.reviews import unreviewed

PER_PAGE = 50
SHEET_LIMIT = 100_000
SHEET_BATCH = 1000
LONG_AGO, FAR_AHEAD = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filters:
    """What the address says. Dates are whole days in UTC; a word that cannot be read filters nothing and is named."""

    person: str
    record: str
    action: str
    since: str
    until: str
    ticks: bool
    faults: tuple[str, ...]

    @property
    def narrows(self) -> bool:
        """Whether anything is left out but the clock's own, which a box brings back."""
        return bool(self.faults or self.asked())

    def asked(self) -> dict[str, str]:
        """What a sheet was narrowed by, for the fact that somebody took it: codes and dates, never free words."""
        words = {
            "person": self.person,
            "record": self.record,
            "action": self.action,
            "since": self.since,
            "until": self.until,
        }
        return {} if self.faults else {name: text for name, text in words.items() if text}

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        asked = {
            name: request.GET.get(name, "").strip()[:60]
            for name in ("person", "record", "action", "since", "until")
        }
        faults = []
        if asked["record"] and not _stream(asked["record"]):
            faults.append(
                f"“{asked['record']}” is no code such as D0000001, no token and no record such as person/12."
            )
        if asked["person"] and _actor(asked["person"]) is None:
            faults.append(f"“{asked['person']}” is no number of a person.")
        if asked["action"] and asked["action"] not in EVENT_TYPES:
            faults.append(f"“{asked['action']}” is no action.")
        faults += [
            f"“{asked[name]}” is no date such as 2026-11-22."
            for name in ("since", "until")
            if asked[name] and _day(asked[name]) is None
        ]
        return cls(**asked, ticks="ticks" in request.GET, faults=tuple(faults))


def _stream(asked: str) -> tuple[str, str] | None:
    """The stream behind a code, a patient's token, or what the trail writes of a record without a code: person/12."""
    found = CODE.match(asked)
    if found is not None:
        return (STREAMS[found[1].upper()], str(int(found[2]))) if found[1].upper() in STREAMS else None
    if kind_and_key := named_stream(asked):
        return kind_and_key
    patient = Patient.objects.filter(token=asked.upper()).first()
    return ("mes.patient", str(patient.pk)) if patient else None


def _actor(asked: str) -> str | None:
    """The actor behind what the filter says: the system's all begin alike."""
    if asked == "system":
        return "system:"
    number = _whole(asked)
    return None if number is None else f"person:{number}"


def _day(text: str) -> datetime | None:
    """Midnight of that day. None where it is no day, or the calendar ends with it and no filter can reach past it."""
    try:
        day = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None
    return day if LONG_AGO <= day <= FAR_AHEAD else None


def events_shown(filters: Filters) -> QuerySet[EventRecord]:
    shown = EventRecord.objects.order_by("-pos")
    actor = _actor(filters.person)
    if actor == "system:":
        shown = shown.filter(actor__startswith=actor)
    elif filters.person:
        shown = shown.filter(actor=actor) if actor else shown.none()
    if filters.record:
        stream = _stream(filters.record)
        shown = shown.filter(stream_type=stream[0], stream_id=stream[1]) if stream else shown.none()
    if filters.action:
        shown = shown.filter(type=filters.action)
    elif not filters.ticks and not filters.record:
        # One a minute for each job of the clock: they would drown what people did.
        shown = shown.exclude(type=SlotDue.name)
    since, until = _day(filters.since), _day(filters.until)
    if since:
        shown = shown.filter(recorded_at__gte=since)
    if until:
        shown = shown.filter(recorded_at__lt=until + timedelta(days=1))
    return shown


def audit_trail(request: HttpRequest) -> HttpResponseBase:
    """Every event, page by page."""
    require(actor_of(request), "mes.read_audit_trail")
    filters = Filters.of(request)
    return _shown(request, "mes/audit_trail.html", filters, events_shown(filters))


def audit_review(request: HttpRequest) -> HttpResponseBase:
    """What was sealed since the reader's last review, to be read and signed. It ends at a seal, so it stands still."""
    actor = actor_of(request)
    require(actor, "mes.review_audit_trail")
    span = unreviewed(actor.person_id, _whole(request.GET.get("up_to", "")))
    filters = Filters.of(request)
    shown = events_shown(filters).filter(leaf__index__gte=span.first_leaf, leaf__index__lt=span.tree_size)
    last = AuditReview.objects.filter(reviewer=actor.person_id).order_by("-tree_size").first()
    return _shown(request, "mes/audit_review.html", filters, shown, {"span": span, "last": last})


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _shown(
    request: HttpRequest,
    template: str,
    filters: Filters,
    shown: QuerySet[EventRecord],
    more: dict[str, Any] | None = None,
) -> HttpResponseBase:
    """Pages by position, so that events arriving meanwhile move nothing."""
    shown = visible_events(shown, viewer_behind(request))
    if request.GET.get("as") == "csv":
        return taken_as_csv(
            "audit-trail", HEAD, _lines(shown), actor=actor_of(request), asked=filters.asked()
        )
    before = _whole(request.GET.get("before", ""))
    page = shown if before is None else shown.filter(pos__lt=before)
    records = list(page[: PER_PAGE + 1])
    query = request.GET.copy()
    for key in ("before", "as"):
        query.pop(key, None)
    if more:
        # Older pages of a review end at the same seal as its first one.
        query["up_to"] = str(more["span"].tree_size)
    context = {
        "filters": filters,
        "events": told(records[:PER_PAGE]),
        "query": query.urlencode(),
        "next": records[PER_PAGE - 1].pos if len(records) > PER_PAGE else 0,
        "first_page": before is None,
        "people": known_people(Person.objects.order_by("full_name"), viewer_behind(request)),
        "actions": list(EVENT_TYPES),
        "may_review": may(actor_of(request), "mes.review_audit_trail"),
        **(more or {}),
    }
    return render(request, "mes/parts/audit_rows.html" if is_fragment(request) else template, context)


HEAD = (
    "position", "recorded at", "occurred at", "record", "version", "action", "actor", "name", "reason", "payload", "uid",
    "changes",
)  # fmt: skip


def _lines(shown: QuerySet[EventRecord]) -> Iterator[Sequence[Any]]:
    """Every event, a batch at a time: the sheet of a long trail needs no more memory than that of a short one."""
    left, batch = SHEET_LIMIT, list(shown[:SHEET_BATCH])
    while batch:
        names, changes = names_of_actors(batch), changes_of(batch)
        yield from (_line(record, names, changes.get(record.pos, Changes())) for record in batch[:left])
        left -= len(batch)
        batch = list(shown.filter(pos__lt=batch[-1].pos)[:SHEET_BATCH]) if left > 0 else []


def _line(record: EventRecord, names: dict[str, str], changes: Changes) -> Sequence[Any]:
    return (
        record.pos,
        record.recorded_at.isoformat(),
        record.occurred_at.isoformat(),
        subject_of(record.stream_type, record.stream_id).text,
        record.version,
        record.type,
        record.actor,
        names.get(record.actor, ""),
        record.reason,
        record.payload,
        record.uid,
        "\n".join(_change_lines(changes)),
    )


def _change_lines(changes: Changes) -> Iterator[str]:
    for row in changes.rows:
        for field in row.fields:
            old = "" if row.written else f"{field.old} → "
            yield f"{row.title}: {field.label}: {old}{field.new}"
    if changes.more:
        yield "…"
