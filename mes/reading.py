"""What one page or one snapshot asks again and again is asked of the database once.

A page is drawn from many parts, each of which asks whether its reader may do this or that. Inside `reading` they are told
as of one moment, and what is `once` is kept until the reading ends. A unit of work never hears what was kept outside of it:
a decision asks afresh, after its locks. What was kept before a unit is forgotten after it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.utils import timezone

from mes.eventlog.unit import Unit, unit_here, units_opened

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Reading:
    """`unit`: the one that it began in, if any. `opened`: how many units there had been when it was last asked."""

    unit: Unit | None
    opened: int = -1
    moment: datetime = field(default_factory=timezone.now)
    kept: dict[Hashable, Any] = field(default_factory=dict)

    def is_here(self) -> bool:
        return self.unit is unit_here()

    def refresh(self) -> None:
        if self.opened != (opened := units_opened()):
            self.opened, self.moment, self.kept = opened, timezone.now(), {}


_reading: ContextVar[_Reading | None] = ContextVar("lamina_reading", default=None)


@contextmanager
def reading() -> Iterator[None]:
    """Whatever is written inside is written by units of work of their own."""
    token = _reading.set(_Reading(unit_here()))
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def one_reading() -> Iterator[None]:
    """Part of the running reading, or one by itself."""
    if _here() is not None:
        yield
        return
    with reading():
        yield


def _here() -> _Reading | None:
    found = _reading.get()
    if found is None or not found.is_here():
        return None
    found.refresh()
    return found


def is_reading() -> bool:
    return _here() is not None


def present() -> datetime:
    """The moment that the running reading tells of, otherwise now."""
    here = _here()
    return here.moment if here is not None else timezone.now()


def once(question: Callable[P, T]) -> Callable[P, T]:
    """Ask a question with the same (hashable) arguments once in a reading. Nobody may change the answer."""

    @wraps(question)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        here = _here()
        if here is None:
            return question(*args, **kwargs)
        key = (question, args, tuple(sorted(kwargs.items())))
        if key not in here.kept:
            here.kept[key] = question(*args, **kwargs)
        found: T = here.kept[key]
        return found

    return asked
