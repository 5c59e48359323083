"""The unit of work: one transaction holding a change, its events and their deliveries.

Services are decorated with `@unit_of_work`. Inside, they lock domain rows first (in the stated order, by id), change
them and `publish()`; the flush at the end locks the streams last, sorted by type and id, and gives the versions. A
service called by another joins its unit. Serialisation failures and deadlocks retry the whole unit.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from mes import VERSION
from mes.eventlog import wake
from mes.eventlog.base import Actor, Event, canonical
from mes.eventlog.hearing import Said, words_of
from mes.eventlog.rowdigests import digested, root_rows
from mes.eventlog.statements import run_prepared
from mes.eventlog.subscriptions import handlers_of
from mes.exceptions import Conflict, InvalidInput, PublishOutsideUnit
from mes.registry import RegistrationError
from mes.tables import ROOTS, TABLES

P = ParamSpec("P")
R = TypeVar("R")
StreamKey = tuple[str, str]

RETRIED = {"40001", "40P01"}
RETRIES = 5
UNIQUE_VIOLATION = "23505"

log = logging.getLogger(__name__)


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
    """What was published so far, the cause of whatever nothing else caused, and what people were permitted: (person, action).

    `said`: what people said to the services that doors called; `services`: how many of these are running, each by the one before.
    """

    pending: list[Pending] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    services: int = 0
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    cause: Cause = field(default_factory=lambda: Cause(uuid4()))
    asked: set[tuple[int, str]] = field(default_factory=set)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While one more service runs."""
        self.services += 1
        try:
            yield
        finally:
            self.services -= 1


_unit: ContextVar[Unit | None] = ContextVar("lamina_unit", default=None)
_opened: ContextVar[int] = ContextVar("lamina_units_opened", default=0)
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
    return unit_here() is not None


def units_opened() -> int:
    """How many units were opened here so far: where the number is the same as before, nothing was written meanwhile."""
    return _opened.get()


def unit_here() -> Unit | None:
    """The unit that is open, if one is."""
    return _unit.get()


def afterwards(what: str, act: Callable[[], object]) -> None:
    """Do `act` once the running unit has ended, however it ended: for what must stand though a change was refused,
    such as a wrong secret. It opens a unit of its own. Raises PublishOutsideUnit where no unit is open."""
    running_unit(what).afterwards.append(act)


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
def open_unit(*, savepoint: bool = True) -> Iterator[Unit]:
    """Join the running unit (in a savepoint), or open one: a transaction that ends with the flush.

    Without a `savepoint`, a unit that fails inside a larger transaction takes all of that with it.
    """
    outer = _unit.get()
    if outer is not None:
        with _joined(outer):
            yield outer
        return
    _opened.set(_opened.get() + 1)
    unit = Unit()
    own = not connection.in_atomic_block
    try:
        with transaction.atomic(savepoint=savepoint):
            token = _unit.set(unit)
            try:
                yield unit
                _compare(unit)
            finally:
                # Closed before the commit: whatever runs on commit opens a unit of its own.
                _unit.reset(token)
            _flush(unit.pending, commits=own)
    finally:
        # One that fails keeps none of the others from being done.
        with ExitStack() as rest:
            for act in reversed(unit.afterwards):
                rest.callback(act)


@contextmanager
def _joined(unit: Unit) -> Iterator[None]:
    """A part that fails takes its own events with it, and nobody else's."""
    published, said = len(unit.pending), len(unit.said)
    try:
        with transaction.atomic():
            yield
    except BaseException:
        del unit.pending[published:], unit.said[said:]
        raise


Comparison = Callable[[Sequence[Said], Sequence[StreamKey]], None]
_comparisons: list[Comparison] = []


def words_compared(rule: Comparison) -> Comparison:
    """Register what compares the words of a unit with what its records are about, before it ends. There is one such rule."""
    if _comparisons and _comparisons[0] is not rule:
        raise RegistrationError("the words of a unit are compared twice")
    _comparisons[:] = [rule]
    return rule


def compare_words() -> None:
    """Compare what was said so far, before the running service does what the end of the unit cannot take back, such as a file."""
    _compare(running_unit("Words were compared"))


def _compare(unit: Unit) -> None:
    """What a handler repeats was compared when it was said."""
    cause = _cause.get()
    if unit.said and (cause is None or cause.event is None):
        _comparisons[0](unit.said, sorted({item.key for item in unit.pending}))


def say(*, text: str, actor: Actor) -> None:
    """Words that reach a unit in another way than as a service's own: part of what the running one keeps."""
    if text and actor.person_id is not None:
        running_unit("Something was said").said.append(Said((text,), actor))


def _heard(service: Callable[P, R]) -> Callable[P, R]:
    """The service, given words as `mes.text.read_words` leaves them. What one service says to another is the house's own
    words, or was said to the first one."""
    read = words_of(service)

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        unit = running_unit("A service ran")
        if read is None:
            with unit.running():
                return service(*args, **kwargs)
        call, first = read(*args, **kwargs), unit.services == 0
        if call.said is not None and first:
            unit.said.append(call.said)
        with unit.running():
            done = service(*call.arguments.args, **call.arguments.kwargs)
        if call.reasonless and first:
            raise InvalidInput(
                "A reason is missing.", cure="Say why: it stays in the record.", rule="P11-10e"
            )
        return done

    return run


def unit_of_work(service: Callable[P, R]) -> Callable[P, R]:
    """Run a service as one unit. Retried as a whole after a serialisation failure or a deadlock.

    Raises Conflict where the row is there already: somebody wrote it between our look and our writing. Raises InvalidInput for words
    that cannot be kept (`mes.text.WORDS`).
    """
    heard = _heard(service)

    @wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if _unit.get() is not None:
            with open_unit():
                return heard(*args, **kwargs)
        with _first_come():
            return alone(*args, **kwargs)

    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            with open_unit():
                return heard(*args, **kwargs)
        for attempt in range(1, RETRIES + 1):
            try:
                with open_unit():
                    return heard(*args, **kwargs)
            except OperationalError as failure:
                if getattr(failure.__cause__, "sqlstate", None) not in RETRIED:
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        with open_unit():
            return heard(*args, **kwargs)

    return run


@contextmanager
def _first_come() -> Iterator[None]:
    """Of several who write the same at once one does, and the others are told."""
    try:
        yield
    except IntegrityError as failure:
        if getattr(failure.__cause__, "sqlstate", None) != UNIQUE_VIOLATION:
            raise
        diagnostics = getattr(failure.__cause__, "diag", None)
        log.warning("refused a second row: %s", getattr(diagnostics, "constraint_name", "unknown"))
        raise Conflict(
            "Somebody wrote one with the same name or number at the same moment.",
            cure="Look at the list again; give yours another name or number if it is another one.",
        ) from None


# Locks the streams in the order of the rows and adds the events; each root's row is read after its stream is locked.
TAKE_VERSIONS = """
    INSERT INTO mes_stream (type, id, version) VALUES {streams}
    ON CONFLICT (type, id) DO UPDATE SET version = mes_stream.version + EXCLUDED.version
    RETURNING type, id, version
"""
WRITE_EVENTS = """
    INSERT INTO mes_event (uid, stream_type, stream_id, version, type, schema_version, payload, actor, reason,
        correlation, causation, occurred_at, software, record_schema, record_digest) VALUES {events}
"""
# With one delivery for each handler.
WRITE_DELIVERIES = """
    WITH event AS ({write_events} RETURNING pos, uid, stream_type, stream_id, version)
    INSERT INTO mes_delivery (handler, stream_type, stream_id, version, event_id, status, attempts, run, last_error)
    SELECT handler, stream_type, stream_id, version, pos, 'pending', 0, 1, ''
    FROM (VALUES {due}) AS due(handler, uid) JOIN event USING (uid) ORDER BY pos, handler
"""
EVENT_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


def _flush(pending: list[Pending], *, commits: bool) -> None:
    """Write the events and their deliveries. `commits`: nothing comes after them, so the commit travels with them."""
    if not pending:
        return
    versions, digests = _lock_streams(pending)
    events = []
    for item in pending:
        versions[item.key] += 1
        events.append(_columns(item, versions[item.key], digests[item.key]))
    due = [part for item in pending for handler in handlers_of(item.event) for part in (handler.id, item.uid)]
    write_events = WRITE_EVENTS.format(events=", ".join([EVENT_ROW] * len(events)))
    values = [part for event in events for part in event]
    if not due:
        run_prepared((write_events, values), commits=commits)
        return
    rows = ", ".join(["(%s, %s::uuid)"] * (len(due) // 2))
    transaction.on_commit(wake.relays)
    run_prepared(
        (WRITE_DELIVERIES.format(write_events=write_events, due=rows), [*values, *due]), commits=commits
    )


def _columns(item: Pending, version: int, digest: str) -> tuple[Any, ...]:
    """The event's row, in the order of WRITE_EVENTS."""
    return (
        item.uid, *item.key, version, item.event.name, item.event.schema_version, canonical(item.event.payload()),
        str(item.actor), item.reason, item.cause.correlation, item.cause.event, item.occurred_at, VERSION,
        ROOTS[item.key[0]].current_schema, digest,
    )  # fmt: skip


def _lock_streams(pending: list[Pending]) -> tuple[dict[StreamKey, int], dict[StreamKey, str]]:
    """Lock the streams in one order and add the events. Returns each stream's version before them and its row's digest.

    Raises Conflict where a stream is not at the expected version, LookupError where a root's row is gone.
    """
    counts = Counter(item.key for item in pending)
    keys = sorted(counts)
    kinds = {
        kind: [key for found, key in keys if found == kind] for kind in sorted({kind for kind, _ in keys})
    }
    take = TAKE_VERSIONS.format(streams=", ".join(["(%s, %s, %s)"] * len(keys)))
    taken, *live = run_prepared(
        (take, [part for key in keys for part in (*key, counts[key])]),
        *(root_rows(kind, ids, ROOTS[kind].current_schema) for kind, ids in kinds.items()),
    )
    before = {(kind, key): version - counts[(kind, key)] for kind, key, version in taken}
    _expect_versions(pending, before)
    digests = {
        (kind, key): digest
        for kind, rows in zip(kinds, live, strict=True)
        for key, digest in digested(kind, ROOTS[kind].current_schema, rows)
    }
    if missing := sorted(set(keys) - set(digests)):
        raise LookupError("; ".join(f"{kind} {key} has no row" for kind, key in missing))
    return before, digests


def _expect_versions(pending: list[Pending], before: dict[StreamKey, int]) -> None:
    for item in pending:
        if item.expected_version is not None and item.expected_version != before[item.key]:
            raise Conflict(
                f"{item.key[0]} {item.key[1]} is at version {before[item.key]}, not {item.expected_version}.",
                cure="Read it again and repeat the change.",
            )
