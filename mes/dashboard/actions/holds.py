"""Asking which of several holds is lifted, and the holds of printers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mes.dashboard.actions.base import Doing, Field, Values, why
from mes.eventlog.base import Actor
from mes.holds import Hold, open_holds
from printing.models import Printer
from printing.services import holds


def held_choices(kept: Sequence[Hold]) -> tuple[Field, ...]:
    """The question, where more than one hold is open."""
    standing = open_holds(kept)
    if len(standing) < 2:
        return ()
    return (
        Field("hold", "Hold", "select", choices=[(str(hold["id"]), hold["reason"]) for hold in standing]),
    )


def hold_printer(doing: Doing) -> str:
    holds.hold_printer(printer_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The printer is on hold."


def free_printer(doing: Doing) -> str:
    holds.release_printer_hold(
        printer_id=doing.subject.pk,
        actor=doing.actor,
        credentials=doing.credentials,
        reason=doing.reason,
        hold=_hold_in(doing.values),
    )
    still = Printer.objects.values_list("hold_reason", flat=True).get(pk=doing.subject.pk)
    return f"The hold is lifted. The printer is still held: {still}" if still else "The hold is lifted."


def _hold_in(values: Values) -> int | None:
    """The hold that was chosen; none where only one is open."""
    named = str(values.get("hold") or "")
    return int(named) if named else None


def which_printer_hold(printer: Printer) -> tuple[Field, ...]:
    return (*held_choices(printer.holds), why())


def printer_hold_signs(printer: Printer, values: Values, actor: Actor) -> dict[str, Any]:
    """The dialog opens before a hold is chosen: it shows the first of them until then."""
    hold = _hold_in(values) or open_holds(printer.holds)[0]["id"]
    return holds.hold_content(printer, hold, str(values.get("reason") or ""))
