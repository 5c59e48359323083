"""Holds: each an entry of its own, and what they stop is held while any of them is open.

A row keeps its holds, open and lifted, in a JSON column: a list of {"id": 1, 2, …, "reason", "source", "by", "at",
"stage", "lifted"}. `source` names what placed the hold and alone ends it ("nonconformance 7"), and is empty where a
person did. `lifted` is null while the hold is open, then {"by", "at", "reason"}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from mes.eventlog.base import Actor, plain
from mes.exceptions import InvalidInput

Hold = dict[str, Any]


def open_holds(holds: Sequence[Hold]) -> list[Hold]:
    return [hold for hold in holds if hold["lifted"] is None]


def standing_reason(holds: Sequence[Hold]) -> str:
    """The reasons of the open holds in one text; empty where nothing is held."""
    return "; ".join(str(hold["reason"]) for hold in open_holds(holds))


def placed(
    holds: Sequence[Hold], *, reason: str, actor: Actor, source: str = "", stage: str = ""
) -> list[Hold]:
    """The holds with one more, whose id is the last one's."""
    hold = {
        "id": len(holds) + 1,
        "reason": reason,
        "source": source,
        "by": str(actor),
        "at": plain(timezone.now()),
        "stage": stage,
        "lifted": None,
    }
    return [*holds, hold]


def lifted(holds: Sequence[Hold], number: int, *, reason: str, actor: Actor) -> list[Hold]:
    """The holds with this open one lifted and every other as it was."""
    end = {"by": str(actor), "at": plain(timezone.now()), "reason": reason}
    return [{**hold, "lifted": end} if hold["id"] == number else hold for hold in holds]


def chosen(holds: Sequence[Hold], number: int | None) -> Hold:
    """The open hold with this id, or the only one. Raises InvalidInput where it must be named, or is not open."""
    standing = open_holds(holds)
    if number is None and len(standing) == 1:
        return standing[0]
    listed = "; ".join(f"{hold['id']}: {hold['reason']}" for hold in standing)
    if number is None:
        raise InvalidInput(
            f"{len(standing)} holds are open ({listed}).", cure="Say which one is lifted.", rule="G-NC-01"
        )
    for hold in standing:
        if hold["id"] == number:
            return hold
    raise InvalidInput(f"Hold {number} is not open.", cure=f"Open are: {listed}.", rule="G-NC-01")
