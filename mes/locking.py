"""Rows are locked first and read afterwards, so that what is read is what the last holder of the lock wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

from mes.compiled import Compiled, by_key
from mes.eventlog.statements import ask_prepared
from mes.eventlog.unit import afterwards

M = TypeVar("M", bound=Model)


def locked_rows(rows: QuerySet[M] | Compiled[M], keys: Iterable[int]) -> list[M]:
    """The rows with these keys, locked in the order of their keys for this unit, with what `rows` joins to them.

    One statement that locks and joins would, after a wait, give the locked row as it is and the joined rows as they
    were before the wait. Here the join is a statement of its own, which sees what was committed meanwhile.
    """
    wanted = sorted(set(keys))
    held = ask_prepared(_locking(rows.model), [wanted])
    found = [key for (key,) in held]
    return list(rows(keys=found) if isinstance(rows, Compiled) else rows.filter(pk__in=found).order_by("pk"))


def locked_one(model: type[M], key: int) -> M | None:
    """The one row of a model with this key, locked for this unit. None where there is none."""
    held = ask_prepared(_locking(model), [[key]])
    return by_key(model, key) if held else None


@cache
def _locking(model: type[Model]) -> str:
    table, key = map(connection.ops.quote_name, (model._meta.db_table, str(model._meta.pk.column)))
    return f"SELECT {key} FROM {table} WHERE {key} = ANY(%s) ORDER BY {key} FOR UPDATE"  # noqa: S608 - our own names


def locked_row(rows: QuerySet[M] | Compiled[M], key: int) -> M | None:
    """The one row with this key, as `locked_rows`. None where there is none."""
    return next(iter(locked_rows(rows, [key])), None)


HOLDS = "legal holds"


def nobody_else(about: str) -> None:
    """Wait for everybody who decides about something that has no row yet, and keep them waiting until this unit ends."""
    _advise("pg_advisory_xact_lock", about)


def while_unchanged(*about: str) -> None:
    """Decide beside others, while `nobody_else` waits: what is read from here on stays true until this unit ends."""
    _advise("pg_advisory_xact_lock_shared", *about)


@contextmanager
def in_turn(about: str) -> Iterator[None]:
    """One at a time. The turn of what is refused outlasts the running unit, and ends once everything was done that the
    refusal asked to be done afterwards: who comes next sees it. Raises PublishOutsideUnit where no unit is open."""
    _advise("pg_advisory_lock", about)
    end = partial(_advise, "pg_advisory_unlock", about)
    try:
        yield
    except BaseException:
        afterwards("A turn ended", end)
        raise
    end()


def _advise(function: str, *about: str) -> None:
    take = f"SELECT {function}(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name"  # noqa: S608 - our own names
    ask_prepared(take, [list(about)])
