"""Asking which of several holds is lifted."""

from __future__ import annotations

from collections.abc import Sequence

from mes.dashboard.actions.base import Field
from mes.holds import Hold, open_holds


def held_choices(holds: Sequence[Hold]) -> tuple[Field, ...]:
    """The question, where more than one hold is open."""
    standing = open_holds(holds)
    if len(standing) < 2:
        return ()
    return (
        Field("hold", "Hold", "select", choices=[(str(hold["id"]), hold["reason"]) for hold in standing]),
    )
