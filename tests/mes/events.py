"""Facts that only the kernel's tests state, and a way to declare a handler for the time of a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Event, Recorded
from mes.eventlog.subscriptions import forget_handler, on


@dataclass(frozen=True, kw_only=True)
class Happened(Event, name="test.happened"):
    """Something happened."""

    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Followed(Event, name="test.followed", terminal=True):
    """The effect of a handler."""

    note: str = ""


@contextmanager
def handling(
    react: Callable[[Recorded[Happened]], Any], *, id: str = "test.react", queue: str = ""
) -> Iterator[str]:
    """A handler of `Happened` while the block lasts. Gives its id."""
    on(Happened, id=id, queue=queue)(react)
    try:
        yield id
    finally:
        forget_handler(id)
