"""The unit of work: one transaction holding a change, its events and their deliveries.

Services are decorated with `@unit_of_work`. Inside, they lock domain rows first (in the stated order, by id), change
them and `publish()`; the flush at the end locks the streams last, sorted by type and id, and gives the versions. A
service called by another joins its unit. Serialisation failures and deadlocks retry the whole unit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
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

from mes.eventlog import wake
from mes.eventlog.base import Actor, Event, canonical, digest_of
from mes.eventlog.subscriptions import handlers_of
from mes.exceptions import Conflict, PublishOutsideUnit
from mes.models import EventRecord
from mes.tables import ROOTS, TABLES, Table

P = ParamSpec("P")
R = TypeVar("R")
StreamKey = tuple[str, str]

RETRIED = {"40001", "40P01"}
RETRIES = 5


@dataclass(frozen=True)
class Pending:
    key: StreamKey
    event: Event
    actor: Actor
    reason: str
    occurred_at: datetime
    expected_version: int | None
    uid: UUID = field(default_factory=uuid4)


@dataclass
class Unit:
    pending: list[Pending] = field(default_factory=list)


@dataclass(frozen=True)
class Cause:
    """Why this unit runs: the event that a handler reacts to, or a request from outside."""

    correlation: UUID
    event: UUID | None = None


_unit: ContextVar[Unit | None] = ContextVar("lamina_unit", default=None)
_cause: ContextVar[Cause | None] = ContextVar("lamina_cause", default=None)


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def stream_key(root: Model) -> StreamKey:
    """The stream of a root row. Raises RegistrationError for a table that is no root."""
    declared = TABLES[root._meta.db_table]
    return ROOTS[declared.root].root, str(root.pk)


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
    unit = _unit.get()
    if unit is None:
        raise PublishOutsideUnit(f"{event.name} was published outside a unit of work")
    pending = Pending(stream_key(root), event, actor, reason, occurred_at or timezone.now(), expected_version)
    unit.pending.append(pending)
    return pending.uid


@contextmanager
def open_unit() -> Iterator[Unit]:
    """Join the running unit (in a savepoint), or open one: a transaction that ends with the flush."""
    outer = _unit.get()
    if outer is not None:
        mark = len(outer.pending)
        try:
            with transaction.atomic():
                yield outer
        except BaseException:
            del outer.pending[mark:]
            raise
        return
    unit = Unit()
    token = _unit.set(unit)
    try:
        with transaction.atomic():
            yield unit
            _flush(unit.pending)
    finally:
        _unit.reset(token)


def unit_of_work(service: Callable[P, R]) -> Callable[P, R]:
    """Run a service as one unit. Retried as a whole after a serialisation failure or a deadlock."""

    @wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        attempt = 0
        while True:
            alone = _unit.get() is None and not connection.in_atomic_block
            try:
                with open_unit():
                    return service(*args, **kwargs)
            except OperationalError as failure:
                attempt += 1
                state = getattr(failure.__cause__, "sqlstate", None)
                if not alone or state not in RETRIED or attempt > RETRIES:
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret

    return run


def _flush(pending: list[Pending]) -> None:
    if not pending:
        return
    versions = _take_versions(pending)
    digests = {key: record_digest(key) for key in versions}
    cause = _cause.get() or Cause(uuid4())
    events = []
    for item in pending:
        versions[item.key] += 1
        table = ROOTS[item.key[0]]
        events.append(
            EventRecord(
                uid=item.uid,
                stream_type=item.key[0],
                stream_id=item.key[1],
                version=versions[item.key],
                type=item.event.name,
                schema_version=item.event.schema_version,
                payload=canonical(item.event.payload()),
                actor=str(item.actor),
                reason=item.reason,
                correlation=cause.correlation,
                causation=cause.event,
                occurred_at=item.occurred_at,
                record_schema=table.current_schema,
                record_digest=digests[item.key],
            )
        )
    EventRecord.objects.bulk_create(events)
    _create_deliveries(list(zip(events, pending, strict=True)))
    transaction.on_commit(wake.relays)


def _take_versions(pending: list[Pending]) -> dict[StreamKey, int]:
    """Lock the streams in one order and add the events. Returns each stream's version before them."""
    counts: dict[StreamKey, int] = {}
    for item in pending:
        counts[item.key] = counts.get(item.key, 0) + 1
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


def record_digest(key: StreamKey, schema: int | None = None) -> str:
    """SHA-256 of the stream's root row as the database has it now, over the fields its schema lists.

    Raises LookupError where the row is gone.
    """
    table: Table = ROOTS[key[0]]
    if table.model is None:
        raise LookupError(f"{key[0]} has no model")
    schema = schema or table.current_schema
    names = table.digest_schemas[schema]
    row = table.model._default_manager.filter(pk=key[1]).values(*names).first()
    if row is None:
        raise LookupError(f"{key[0]} {key[1]} has no row")
    return digest_of({"type": key[0], "id": key[1], "schema": schema, **{name: row[name] for name in names}})


def _create_deliveries(events: list[tuple[EventRecord, Pending]]) -> None:
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
            "INSERT INTO mes_lane (handler, stream_type, stream_id) VALUES "  # noqa: S608 - placeholders only
            + ", ".join(["(%s, %s, %s)"] * len(lanes))
            + " ON CONFLICT DO NOTHING",
            [part for lane in lanes for part in lane],
        )
        cursor.execute(
            "INSERT INTO mes_delivery (handler, stream_type, stream_id, version, event_id, "  # noqa: S608
            "status, attempts, run, last_error) VALUES "
            + ", ".join(["(%s, %s, %s, %s, %s, 'pending', 0, 1, '')"] * len(rows)),
            [part for row in rows for part in row],
        )
