"""What a check of the record reports, and what becomes of a check that cannot read what it checks."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass

import psycopg
from django.db import InterfaceError, OperationalError, connection, transaction

LOST = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""The server is gone or overloaded: that says nothing about the record."""


@dataclass(frozen=True)
class Bad:
    """The first thing that is not as it was written. `pos` is the position of the event it is about, where there is one."""

    what: str
    where: str
    pos: int | None = None


class Unreadable(Exception):
    """What stands there cannot be read, as a check found that knows where."""

    def __init__(self, bad: Bad) -> None:
        super().__init__(bad.where)
        self.bad = bad


Check = tuple[str, Generator[Bad]]
"""What is checked, and the check."""


def first_bad(*checks: Check) -> Bad | None:
    """The first finding. A check that cannot read its rows gives way to those after it, which may know which row it is; if
    none does, that it could not is the finding.

    Raises what `LOST` lists.
    """
    fault: Bad | None = None
    for what, check in checks:
        try:
            found = _next_of(check)
        except LOST:
            raise
        except Unreadable as told:
            return told.bad
        except Exception as failure:  # noqa: BLE001 - whatever was written there, the verdict says so
            fault = fault or Bad(what, f"unreadable: {fault_of(failure)}")
        else:
            if found is not None:
                return found
    return fault


def _next_of(check: Generator[Bad]) -> Bad | None:
    """In a savepoint where there is a transaction: what the server refuses to read would end it."""
    with transaction.atomic() if connection.in_atomic_block else nullcontext(), closing(check):
        return next(check, None)


def fault_of(failure: BaseException) -> str:
    """Its kind alone: the message may hold what stands in the row."""
    return type(failure).__name__
