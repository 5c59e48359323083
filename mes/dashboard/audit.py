"""The audit trail: every event, by person, record, action and time, newest first (21 CFR 11.10(e))."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.find import CODE
from mes.dashboard.records import STREAMS, names_of_actors, subject_of, told
from mes.dashboard.routes import is_fragment
from mes.dashboard.sheets import as_csv
from mes.eventlog.base import EVENT_TYPES
from mes.models import EventRecord, Person
from mes.permissions import require
from mes.scope import visible_events

PER_PAGE = 50
SHEET_LIMIT = 100_000
LONG_AGO, FAR_AHEAD = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filters:
    """What the address says. Dates are whole days in UTC; a word that cannot be read filters nothing and is named."""

    person: str
    record: str
    action: str
    since: str
    until: str
    faults: tuple[str, ...]

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        asked = {
            name: request.GET.get(name, "").strip()[:60]
            for name in ("person", "record", "action", "since", "until")
        }
        faults = []
        if asked["record"] and not _stream(asked["record"]):
            faults.append(f"“{asked['record']}” is no code such as D0000001.")
        faults += [
            f"“{asked[name]}” is no date such as 2026-11-22."
            for name in ("since", "until")
            if asked[name] and _day(asked[name]) is None
        ]
        return cls(**asked, faults=tuple(faults))


def _stream(code: str) -> tuple[str, str] | None:
    found = CODE.match(code)
    if found is None or found[1].upper() not in STREAMS:
        return None
    return STREAMS[found[1].upper()], str(int(found[2]))


def _day(text: str) -> datetime | None:
    """Midnight of that day. None where it is no day, or the calendar ends with it and no filter can reach past it."""
    try:
        day = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None
    return day if LONG_AGO <= day <= FAR_AHEAD else None


def events_shown(filters: Filters) -> QuerySet[EventRecord]:
    shown = EventRecord.objects.order_by("-pos")
    if filters.person == "system":
        shown = shown.filter(actor__startswith="system:")
    elif filters.person.isascii() and filters.person.isdigit():
        shown = shown.filter(actor=f"person:{int(filters.person)}")
    if filters.record:
        stream = _stream(filters.record)
        shown = shown.filter(stream_type=stream[0], stream_id=stream[1]) if stream else shown.none()
    if filters.action:
        shown = shown.filter(type=filters.action)
    since, until = _day(filters.since), _day(filters.until)
    if since:
        shown = shown.filter(recorded_at__gte=since)
    if until:
        shown = shown.filter(recorded_at__lt=until + timedelta(days=1))
    return shown


def audit_trail(request: HttpRequest) -> HttpResponseBase:
    """Pages by position, so that events arriving meanwhile move nothing."""
    require(actor_of(request), "mes.read_audit_trail")
    filters = Filters.of(request)
    shown = visible_events(events_shown(filters), viewer_behind(request))
    if request.GET.get("as") == "csv":
        return _csv(shown)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        shown = shown.filter(pos__lt=int(before))
    records = list(shown[: PER_PAGE + 1])
    more, records = len(records) > PER_PAGE, records[:PER_PAGE]
    query = request.GET.copy()
    for key in ("before", "as"):
        query.pop(key, None)
    context = {
        "filters": filters,
        "events": told(records),
        "query": query.urlencode(),
        "next": records[-1].pos if more else 0,
        "first_page": not before,
        "people": Person.objects.order_by("full_name"),
        "actions": list(EVENT_TYPES),
    }
    template = "mes/parts/audit_rows.html" if is_fragment(request) else "mes/audit_trail.html"
    return render(request, template, context)


def _csv(shown: QuerySet[EventRecord]) -> HttpResponseBase:
    records = list(shown[:SHEET_LIMIT])
    names = names_of_actors(records)
    head = (
        "position",
        "recorded at",
        "occurred at",
        "record",
        "version",
        "action",
        "actor",
        "name",
        "reason",
        "payload",
        "uid",
    )
    rows = (
        (
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
        )
        for record in records
    )
    return as_csv("audit-trail", head, rows)
