"""How the demo does a step: again after a lost database, never twice, and always saying what it waits for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")
LOST = (OperationalError, InterfaceError)
PATIENCE_S = 180.0


class StoryBroken(RuntimeError):
    """A step did not come about. The message says which, and what stood in its way."""


class Teller:
    """Acts, waits and takes the time. A restarted server only delays it."""

    def __init__(self, out: Any = sys.stdout) -> None:
        self.seconds: dict[str, float] = {}
        self.ended: Callable[[], bool] = lambda: False
        self._out = out
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        self._out.write(f"{self.elapsed_s:6.1f} s  {text}\n")
        self._out.flush()

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def steadily(self, do: Callable[[], T]) -> T:
        """The answer of something that may be repeated as a whole: again after a lost connection."""
        while True:
            try:
                return do()
            except LOST as failure:
                self._wait_for_database(failure)

    def act(self, text: str, do: Callable[[], object], *, unless: Callable[[], object]) -> None:
        """Do something once. After a lost connection it looks first whether it happened."""
        self.steadily(lambda: unless() or do())
        self.say(text)

    def once(self, text: str, do: Callable[[], T], *, found: Callable[[], T | None]) -> T:
        """As `act`, for a step that makes something: what was found or made is returned."""
        made = self.steadily(lambda: found() or do())
        self.say(text)
        return made

    def wait(
        self,
        text: str,
        until: Callable[[], T | None],
        *,
        broken: Callable[[], str] = lambda: "",
        patience_s: float = PATIENCE_S,
    ) -> T:
        """Wait for what a handler, a worker or a printer does. Raises StoryBroken with the reason, or after its patience."""
        deadline = time.monotonic() + patience_s
        told = time.monotonic()
        while time.monotonic() < deadline:
            try:
                if found := until():
                    self.say(text)
                    return found
                if reason := broken():
                    raise StoryBroken(f"{text}: {reason}")
            except LOST as failure:
                self._wait_for_database(failure)
            if time.monotonic() - told > 5:
                self.say(f"… waiting: {text}")
                told = time.monotonic()
            time.sleep(0.05)
        raise StoryBroken(f"{text}: not within {patience_s:.0f} s")

    def _wait_for_database(self, failure: Exception) -> None:
        if self.ended():
            raise StoryBroken("Lamina ended before the story was told; var/log/up.log says why.") from failure
        self.say(f"the database is away ({type(failure).__name__}); waiting for it")
        connection.close()
        time.sleep(0.5)
