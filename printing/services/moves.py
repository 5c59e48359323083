"""Moving a row along its table."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted, Refused
from mes.lifecycle import Lifecycle
from mes.locking import locked_one

M = TypeVar("M", bound=Model)


def person_of(actor: Actor) -> int:
    """The person who acts. Raises NotPermitted for a part of the system."""
    if actor.person_id is None:
        raise NotPermitted("Only a person may do this.", cure="Sign in and do it.", rule="P11-10g")
    return actor.person_id


def locked(model: type[M], key: int, *, what: str) -> M:
    """The row, locked for this unit. Raises Refused where there is none."""
    row = locked_one(model, key)
    if row is None:
        raise Refused(f"There is no {what} {key}.", cure="Look at the list again.")
    return row


def move(row: Model, table: Lifecycle, name: str, *, column: str = "state", **changes: Any) -> str:
    """Write the stage that the table gives for this move, with other changes of the same row. Returns the old stage.

    Raises TransitionRefused where the table has no such move (K-06).
    """
    source = str(getattr(row, column))
    changes[column] = table.row(name, source).target
    write(row, **changes)
    return source


def write(row: Model, **changes: Any) -> None:
    for field, value in changes.items():
        setattr(row, field, value)
    row.save(update_fields=list(changes))
