"""Rows are locked first and read afterwards, so that what is read is what the last holder of the lock wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def locked_rows(rows: QuerySet[M], keys: Iterable[int]) -> list[M]:
    """The rows with these keys, locked in the order of their keys for this unit, with what `rows` joins to them.

    One statement that locks and joins would, after a wait, give the locked row as it is and the joined rows as they
    were before the wait. Here the join is a statement of its own, which sees what was committed meanwhile.
    """
    wanted = sorted(set(keys))
    held = rows.model._default_manager.select_for_update().filter(pk__in=wanted).order_by("pk")
    found = list(held.values_list("pk", flat=True))
    return list(rows.filter(pk__in=found).order_by("pk"))


def locked_row(rows: QuerySet[M], key: int) -> M | None:
    """The one row with this key, as `locked_rows`. None where there is none."""
    return next(iter(locked_rows(rows, [key])), None)
