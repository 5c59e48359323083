"""Who a machine says it is: compared with the one that was registered and qualified, and written down."""

from __future__ import annotations

from dataclasses import asdict

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.permissions import require
from printing.drivers.base import Identity
from printing.events import MachineIdentified
from printing.live import tell_after_commit
from printing.models import Printer
from printing.selectors.machines import other_machine
from printing.services.fleet.lease import require_lease
from printing.services.holds import hold_for_another_machine
from printing.services.moves import locked, write


@unit_of_work
def record_identity(*, printer_id: int, identity: Identity, epoch: int, actor: Actor) -> str:
    """Write what a machine says that it is. Returns why no print may be started on it, "" where it is the registered one
    with the firmware that was known.

    Another serial or model than the registered ones holds the printer (G-PRN-01); another firmware is refused by the
    gates until the printer is qualified with it (G-PRN-05). Raises LeaseLost for a process that no longer drives the
    printers.
    """
    require(actor, "printing.record_fleet_word")
    require_lease(epoch)
    printer = locked(Printer, printer_id, what="printer")
    said, known = asdict(identity), printer.firmware
    other = other_machine(printer.kind, printer.serial, said)
    if said != printer.reported or (identity.firmware and identity.firmware != known):
        write(printer, reported=said, firmware=identity.firmware or known)
        publish(printer, MachineIdentified(printer_id=printer.pk, **said, registered=not other), actor=actor)
        if other:
            hold_for_another_machine(printer, other, actor=actor)
        tell_after_commit(printer.pk)
    if other:
        return f"G-PRN-01: {other}"
    if printer.firmware != known:
        return f"G-PRN-05: It runs the firmware '{printer.firmware}'; '{known}' was known."
    return ""
