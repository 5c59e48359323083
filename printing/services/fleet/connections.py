"""Which drivers there are, how a printer is reached, and how a simulated one is made to fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, Reason
from mes.permissions import require
from printing.drivers import simulated
from printing.drivers.base import DRIVERS, Connection, option_faults
from printing.drivers.resin_machine import FAULTS
from printing.models import Printer

SIMULATED = "simulated"


def driver_names() -> tuple[str, ...]:
    return tuple(DRIVERS)


def connection_faults(driver: str, options: Mapping[str, Any]) -> list[Reason]:
    """Everything in a printer's connection that its driver does not take."""
    return option_faults(DRIVERS[driver], options)


def fault_names() -> Mapping[str, str]:
    """Faults of the simulated printer, with what each does."""
    return FAULTS


def connection_of(printer: Printer) -> Connection:
    return connection(printer.code, printer.serial, printer.kind, printer.connection)


def connection(code: str, serial: str, kind: str, options: Mapping[str, Any]) -> Connection:
    return Connection(code, serial, kind, options, Path(settings.VAR_DIR) / SIMULATED)


def simulate_fault(*, printer_id: int, fault: str, actor: Actor) -> None:
    """Make a simulated printer fail in a named way from now on; "" takes every fault away.

    The machine is outside the record, and so is this: only what the fleet then hears of it is recorded.
    """
    require(actor, "printing.simulate_fault")
    printer = Printer.objects.filter(pk=printer_id, driver=SIMULATED).first()
    if printer is None:
        raise InvalidInput("Only a simulated printer fails on demand.", cure="Choose a simulated one.")
    if fault:
        simulated.strike(connection_of(printer), fault)
    else:
        simulated.heal(connection_of(printer))
