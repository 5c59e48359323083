"""Who reacts to what: `@on(EventType, id=…)` for facts, `@every(…)` for the clock.

Handler ids are permanent: they stand on delivery rows. Renaming one strands its deliveries, so an unknown id with
undelivered rows refuses to start (`relay.refuse_unknown_handlers`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from mes.eventlog.base import Event, Recorded
from mes.registry import Registry

E = TypeVar("E", bound=Event)
Effect = Callable[[], object]
QUEUES = ("default", "imaging", "slicing", "reports")


@dataclass(frozen=True)
class Handler:
    """`react` writes its effect (quick), or computes outside a transaction and returns the effect (with a queue)."""

    id: str
    routing_key: str
    react: Callable[[Recorded[Any]], Effect | None]
    queue: str = ""


@dataclass(frozen=True, kw_only=True)
class SlotDue(Event, name="mes.slot_due"):
    """A job's due time has come. `due_at` is the slot, not the moment it was noticed."""

    job: str
    due_at: str

    @property
    def routing_key(self) -> str:
        return f"{self.name}:{self.job}"


HANDLERS: Registry[Handler] = Registry("handler")
JOBS: Registry[timedelta] = Registry("scheduled job")
_by_key: dict[str, list[Handler]] = defaultdict(list)


def _add(handler: Handler) -> None:
    HANDLERS.add(handler.id, handler)
    _by_key[handler.routing_key].append(handler)


def on(
    event_type: type[E], *, id: str, queue: str = ""
) -> Callable[[Callable[[Recorded[E]], Any]], Callable[[Recorded[E]], Any]]:
    """Declare a handler: after commit, at least once, in version order of the stream, its effect exactly once.

    Without a queue the function runs in the relay, inside the transaction that marks it done: write and return None.
    With a queue it runs in a worker outside any transaction: compute, then return the effect, a callable without
    arguments that writes and publishes.
    """
    if queue and queue not in QUEUES:
        raise ValueError(f"no queue '{queue}'; known: {', '.join(QUEUES)}")

    def declare(react: Callable[[Recorded[E]], Any]) -> Callable[[Recorded[E]], Any]:
        _add(Handler(id, event_type.name, react, queue))
        return react

    return declare


def every(
    period: timedelta, *, id: str
) -> Callable[[Callable[[Recorded[SlotDue]], Any]], Callable[[Recorded[SlotDue]], Any]]:
    """Declare a job that the clock starts: one slot each period, however many tickers run."""

    def declare(react: Callable[[Recorded[SlotDue]], Any]) -> Callable[[Recorded[SlotDue]], Any]:
        JOBS.add(id, period)
        _add(Handler(id, f"{SlotDue.name}:{id}", react))
        return react

    return declare


def handlers_of(event: Event) -> list[Handler]:
    return _by_key.get(event.routing_key, [])


def forget_handler(id: str) -> None:
    """Take a handler out again. For tests, which declare their own."""
    handler = HANDLERS._things.pop(id)
    _by_key[handler.routing_key].remove(handler)
