"""Holds of printers: each placed and released by itself; a printer takes no new work while any of them is open."""

from __future__ import annotations

from typing import Any

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Refused
from mes.holds import Hold, chosen, lifted, open_holds, placed, standing_reason
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from printing.choices import Link
from printing.events import PrinterHeld, PrinterHoldReleased
from printing.live import tell_after_commit
from printing.models import Printer
from printing.services.moves import locked, write

FOREIGN_RUN = "foreign run"
ANOTHER_MACHINE = "another machine"


@unit_of_work
def hold_printer(*, printer_id: int, actor: Actor, reason: str, source: str = "") -> None:
    """Give a printer no new work. A print that runs goes on; end it with `cancel_job`.

    Holds add up; `source` names what placed the hold, if no person did.
    """
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.hold_printer", printer)
    _need(reason)
    place_hold(printer, actor=actor, reason=reason.strip(), source=source)


def place_hold(printer: Printer, *, actor: Actor, reason: str, source: str = "") -> None:
    """Write one more hold on a locked printer, as part of the calling service's unit."""
    _write(printer, placed(printer.holds, reason=reason, actor=actor, source=source))
    event = PrinterHeld(printer_id=printer.pk, hold_id=printer.holds[-1]["id"], source=source)
    publish(printer, event, actor=actor, reason=reason)
    tell_after_commit(printer.pk)


def hold_for_foreign_run(printer: Printer, *, actor: Actor) -> None:
    """Hold a locked printer because somebody started something at its panel: once, for as long as that hold is open."""
    if any(hold["source"] == FOREIGN_RUN for hold in open_holds(printer.holds)):
        return
    reason = "It runs something that was not started from here."
    place_hold(printer, actor=actor, reason=reason, source=FOREIGN_RUN)


def hold_for_another_machine(printer: Printer, text: str, *, actor: Actor) -> None:
    """Hold a locked printer because the machine behind it is not the registered one: once, for as long as that hold is open."""
    if not any(hold["source"] == ANOTHER_MACHINE for hold in open_holds(printer.holds)):
        place_hold(printer, actor=actor, reason=text, source=ANOTHER_MACHINE)


@unit_of_work
def release_printer_hold(
    *, printer_id: int, actor: Actor, credentials: Credentials, reason: str, hold: int | None = None
) -> None:
    """Release one hold by signature: the named one, or the only one. The printer takes work once none is open.

    Raises Refused where none is open, or the machine still runs what the hold is about; InvalidInput where several are
    open and none is named, or the named one is not open.
    """
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.release_printer_hold", printer)
    _need(reason)
    if not printer.held:
        raise Refused(f"{printer.code} is not held.", cure="Nothing to release.")
    ending = chosen(printer.holds, hold)
    _refuse_foreign(printer, ending)
    signature = sign(
        subject=printer,
        content=hold_content(printer, ending["id"], reason),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    _write(printer, lifted(printer.holds, ending["id"], reason=reason.strip(), actor=actor))
    released = PrinterHoldReleased(
        printer_id=printer.pk,
        hold_id=ending["id"],
        source=ending["source"],
        still_open=[other["id"] for other in open_holds(printer.holds)],
        signature_id=signature.pk,
    )
    publish(printer, released, actor=actor, reason=reason)
    tell_after_commit(printer.pk)


def hold_content(printer: Printer, hold: int | None, reason: str) -> dict[str, Any]:
    """What is signed to release one hold of a printer. Raises InvalidInput like `release_printer_hold`."""
    ending = chosen(printer.holds, hold)
    return {
        "record": "release of a printer's hold",
        "printer": printer.code,
        "serial": printer.serial,
        "hold": {name: ending[name] for name in ("id", "reason", "source", "by", "at")},
        "reason": reason,
    }


def _refuse_foreign(printer: Printer, ending: Hold) -> None:
    """What was started at the panel is looked at first; the other holds have nothing to do with it."""
    if ending["source"] == FOREIGN_RUN and printer.foreign_run and printer.link == Link.UP:
        raise Refused(
            f"{printer.code} still runs something that was not started from here.",
            cure="End it at the machine first.",
        )


def _write(printer: Printer, holds: list[Hold]) -> None:
    reason = standing_reason(holds)
    write(printer, holds=holds, held=bool(reason), hold_reason=reason)


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("Say why.", rule="P11-10e")
