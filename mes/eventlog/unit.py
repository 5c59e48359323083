"""The unit of work: one transaction holding a change, its events and their deliveries.

Services are decorated with `@unit_of_work`. Inside, they lock domain rows first (in the stated order, by id), change
them and `publish()`; the flush at the end locks the streams last, sorted by type and id, and gives the versions. A
service called by another joins its unit. Serialisation failures and deadlocks retry the whole unit.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

from django.db import OperationalError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from mes import VERSION
from mes.eventlog import wake
from mes.eventlog.base import Actor, Event, canonical, digest_of
from mes.eventlog.subscriptions import handlers_of
from mes.exceptions import Conflict, PublishOutsideUnit
from mes.models import EventRecord
from mes.tables import ROOTS, TABLES

P = ParamSpec("P")
R = TypeVar("R")
StreamKey = tuple[str, str]

RETRIED = {"40001", "40P01"}
RETRIES = 5


@dataclass(frozen=True)
class Cause:
    """Why something runs: the event that a handler reacts to, or a request from outside."""

    correlation: UUID
    event: UUID | None = None


@dataclass(frozen=True)
class Pending:
    key: StreamKey
    event: Event
    actor: Actor
    reason: str
    occurred_at: datetime
    expected_version: int | None
    cause: Cause
    uid: UUID = field(default_factory=uuid4)


@dataclass
class Unit:
    """What was published so far, and the cause of whatever nothing else caused."""

    pending: list[Pending] = field(default_factory=list)
    cause: Cause = field(default_factory=lambda: Cause(uuid4()))


_unit: ContextVar[Unit | None] = ContextVar("lamina_unit", default=None)
_cause: ContextVar[Cause | None] = ContextVar("lamina_cause", default=None)


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    """What is published inside points back at the cause."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def stream_key(root: Model) -> StreamKey:
    """The stream of a root row. Raises RegistrationError for a table that is no root, ValueError for an unsaved row."""
    if root.pk is None:
        raise ValueError(f"{type(root).__name__} has no row yet")
    return ROOTS[TABLES[root._meta.db_table].root].root, str(root.pk)


def running_unit(what: str) -> Unit:
    """The unit that `what` becomes part of. Raises PublishOutsideUnit where none is open."""
    unit = _unit.get()
    if unit is None:
        raise PublishOutsideUnit(f"{what} outside a unit of work")
    return unit


def in_unit() -> bool:
    """Whether a unit is open that a fact could become part of."""
    return _unit.get() is not None


def publish(
    root: Model,
    event: Event,
    *,
    actor: Actor,
    reason: str = "",
    occurred_at: datetime | None = None,
    expected_version: int | None = None,
) -> UUID:
    """State a fact about a root. It is written when the unit ends, or not at all. Returns the event's uid."""
    unit = running_unit(f"{event.name} was published")
    pending = Pending(
        stream_key(root),
        event,
        actor,
        reason,
        occurred_at or timezone.now(),
        expected_version,
        _cause.get() or unit.cause,
    )
    unit.pending.append(pending)
    return pending.uid


@contextmanager
def open_unit() -> Iterator[Unit]:
    """Join the running unit (in a savepoint), or open one: a transaction that ends with the flush."""
    outer = _unit.get()
    if outer is not None:
        with _joined(outer):
            yield outer
        return
    unit = Unit()
    with transaction.atomic():
        token = _unit.set(unit)
        try:
            yield unit
        finally:
            # Closed before the commit: whatever runs on commit opens a unit of its own.
            _unit.reset(token)
        _flush(unit.pending)


@contextmanager
def _joined(unit: Unit) -> Iterator[None]:
    """A part that fails takes its own events with it, and nobody else's."""
    mark = len(unit.pending)
    try:
        with transaction.atomic():
            yield
    except BaseException:
        del unit.pending[mark:]
        raise


def unit_of_work(service: Callable[P, R]) -> Callable[P, R]:
    """Run a service as one unit. Retried as a whole after a serialisation failure or a deadlock."""

    @wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _unit.get() is not None or connection.in_atomic_block:
            with open_unit():
                return service(*args, **kwargs)
        for attempt in range(1, RETRIES + 1):
            try:
                with open_unit():
                    return service(*args, **kwargs)
            except OperationalError as failure:
                if getattr(failure.__cause__, "sqlstate", None) not in RETRIED:
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        with open_unit():
            return service(*args, **kwargs)

    return run


def _flush(pending: list[Pending]) -> None:
    if not pending:
        return
    versions = _take_versions(pending)
    digests = record_digests(versions)
    events = []
    for item in pending:
        versions[item.key] += 1
        events.append(_row(item, versions[item.key], digests[item.key]))
    EventRecord.objects.bulk_create(events)
    _create_deliveries(zip(events, pending, strict=True))


def _row(item: Pending, version: int, digest: str) -> EventRecord:
    return EventRecord(
        uid=item.uid,
        stream_type=item.key[0],
        stream_id=item.key[1],
        version=version,
        type=item.event.name,
        schema_version=item.event.schema_version,
        payload=canonical(item.event.payload()),
        actor=str(item.actor),
        reason=item.reason,
        correlation=item.cause.correlation,
        causation=item.cause.event,
        occurred_at=item.occurred_at,
        software=VERSION,
        record_schema=ROOTS[item.key[0]].current_schema,
        record_digest=digest,
    )


def _take_versions(pending: list[Pending]) -> dict[StreamKey, int]:
    """Lock the streams in one order and add the events. Returns each stream's version before them."""
    counts = Counter(item.key for item in pending)
    keys = sorted(counts)
    rows = ", ".join(["(%s, %s, %s)"] * len(keys))
    values = [part for key in keys for part in (*key, counts[key])]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO mes_stream (type, id, version) VALUES {rows} "  # noqa: S608 - placeholders only
            "ON CONFLICT (type, id) DO UPDATE SET version = mes_stream.version + EXCLUDED.version "
            "RETURNING type, id, version",
            values,
        )
        before = {(kind, key): version - counts[(kind, key)] for kind, key, version in cursor.fetchall()}
    for item in pending:
        if item.expected_version is not None and item.expected_version != before[item.key]:
            raise Conflict(
                f"{item.key[0]} {item.key[1]} is at version {before[item.key]}, not {item.expected_version}.",
                cure="Read it again and repeat the change.",
            )
    return before


def record_digests(keys: Iterable[StreamKey]) -> dict[StreamKey, str]:
    """SHA-256 of each stream's root row as the database has it now. Raises LookupError where a row is gone."""
    found: dict[StreamKey, str] = {}
    by_type: dict[str, list[str]] = {}
    for kind, key in keys:
        by_type.setdefault(kind, []).append(key)
    for kind, ids in by_type.items():
        digests = digests_of(kind, ids, ROOTS[kind].current_schema)
        if missing := sorted(set(ids) - set(digests)):
            raise LookupError(f"{kind} {', '.join(missing)} has no row")
        found |= {(kind, key): digest for key, digest in digests.items()}
    return found


def digests_of(kind: str, ids: Iterable[str], schema: int) -> dict[str, str]:
    """Digest by stream id, over the fields that a schema lists. A row that is gone has none."""
    table = ROOTS[kind]
    if table.model is None:
        raise LookupError(f"{kind} has no model")
    names = table.digest_schemas[schema]
    rows = table.model._default_manager.filter(pk__in=list(ids)).values_list("pk", *names)
    return {
        str(pk): digest_of(
            {"type": kind, "id": str(pk), "schema": schema, **dict(zip(names, values, strict=True))}
        )
        for pk, *values in rows
    }


def _create_deliveries(events: Iterable[tuple[EventRecord, Pending]]) -> None:
    """One delivery for each handler of each event, and the lanes they travel in, in one round trip."""
    rows: list[tuple[Any, ...]] = [
        (handler.id, record.stream_type, record.stream_id, record.version, record.pos)
        for record, item in events
        for handler in handlers_of(item.event)
    ]
    if not rows:
        return
    lanes = sorted({row[:3] for row in rows})
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH lanes AS (INSERT INTO mes_lane (handler, stream_type, stream_id) VALUES "  # noqa: S608
            + ", ".join(["(%s, %s, %s)"] * len(lanes))
            + " ON CONFLICT DO NOTHING) "
            "INSERT INTO mes_delivery (handler, stream_type, stream_id, version, event_id, "
            "status, attempts, run, last_error) VALUES "
            + ", ".join(["(%s, %s, %s, %s, %s, 'pending', 0, 1, '')"] * len(rows)),
            [part for row in (*lanes, *rows) for part in row],
        )
    transaction.on_commit(wake.relays)
