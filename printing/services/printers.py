"""Printers: registered, qualified in steps by signature, calibrated. What they do is told by the fleet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.utils import timezone

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput
from mes.lifecycle import ask_gates, refuse_blocked
from mes.limits import day_fault, refuse
from mes.models import Signature
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.standing import carries, stands
from mes.text import names_read
from printing.choices import ParametersState, Qualification
from printing.events import (
    PrinterCalibrated,
    PrinterQualificationMoved,
    PrinterQualified,
    PrinterRegistered,
)
from printing.lifecycle import PRINTER
from printing.live import tell_after_commit
from printing.models import ParameterSet, Printer, PrinterContact, QualifiedTriple
from printing.selectors.qualification import STEPS, qualification_signatures
from printing.services.fleet.connections import connection_faults, driver_names
from printing.services.moves import locked, move, write

OPTIONS_LIMIT = 4000
YEARS_QUALIFIED = 10


@unit_of_work
def register_printer(
    *,
    name: str,
    kind: str,
    serial: str,
    driver: str,
    actor: Actor,
    connection: Mapping[str, Any] | None = None,
    firmware: str = "",
) -> Printer:
    """Make a printer known. It may not print anything before it is qualified.

    `connection`: what its driver needs to reach it (docs/printer-drivers.md), without secrets.
    """
    require(actor, "printing.register_printer")
    words = {"The name": name, "The kind": kind, "The serial number": serial, "The driver": driver}
    names_read(words, longest=60)
    if driver not in driver_names():
        raise InvalidInput(
            f"No driver is called '{driver}'.", cure=f"Choose one of: {', '.join(driver_names())}."
        )
    options = dict(connection or {})
    if len(json.dumps(options, default=str)) > OPTIONS_LIMIT:
        raise InvalidInput("The connection's options are longer than any driver needs.", cure="Shorten them.")
    refuse(*connection_faults(driver, options))
    if Printer.objects.filter(name=name.strip()).exists():
        raise InvalidInput("This name is taken.", cure="Choose another.")
    if Printer.objects.filter(kind=kind.strip(), serial=serial.strip()).exists():
        raise InvalidInput("This machine is registered already.", cure="Look it up by its serial number.")
    printer = Printer.objects.create(
        name=name.strip(),
        kind=kind.strip(),
        serial=serial.strip(),
        driver=driver,
        connection=options,
        firmware=firmware,
        registered_by_id=actor.person_id,
    )
    PrinterContact.objects.create(printer=printer)
    registered = PrinterRegistered(
        printer_id=printer.pk, kind=printer.kind, serial=printer.serial, driver=driver
    )
    publish(printer, registered, actor=actor)
    tell_after_commit(printer.pk)
    return printer


@unit_of_work
def approve_printer_step(*, printer_id: int, step: str, actor: Actor, credentials: Credentials) -> Signature:
    """Approve the "installation" (IQ), then the "operation" (OQ) of a printer by signature.

    Again, where the approval was withdrawn and the printer waits for its requalification.
    """
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.qualify_printer", printer)
    if step not in STEPS:
        raise InvalidInput(f"No step '{step[:20]}'.", cure=f"Choose one of: {', '.join(STEPS)}.")
    again = _is_to_approve_again(printer, step)
    if not again:
        PRINTER.row(STEPS[step], printer.qualification)
    refuse_blocked(ask_gates(f"printer.{STEPS[step]}", printer, actor=actor))
    content = {"printer": printer.code, "kind": printer.kind, "serial": printer.serial, "step": step}
    signature = sign(
        subject=printer, content=content, meaning=Meaning.APPROVED, actor=actor, credentials=credentials
    )
    if again:
        _tell_moved(printer, printer.qualification, actor, signature_id=signature.pk)
    else:
        _move(printer, STEPS[step], actor, signature_id=signature.pk)
    return signature


def _is_to_approve_again(printer: Printer, step: str) -> bool:
    if printer.qualification != Qualification.REQUAL_REQUIRED:
        return False
    signed = qualification_signatures(printer).get(step)
    return signed is not None and not stands(signed)


@unit_of_work
def qualify_printer(
    *,
    printer_id: int,
    parameters: Sequence[int],
    valid_until: date,
    actor: Actor,
    credentials: Credentials,
) -> list[QualifiedTriple]:
    """Qualify a printer with parameter sets, each with its material, until a date (G-PRN-01, G-PRN-04). It takes the place of
    every qualification before it: what is not in it was not shown to work after the repair.

    Raises TransitionRefused unless installation and operation were approved.
    """
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.qualify_printer", printer)
    PRINTER.row("qualify", printer.qualification)
    refuse_blocked(ask_gates("printer.qualify", printer, actor=actor))
    if valid_until <= timezone.localdate():
        raise InvalidInput("The qualification would be over already.", cure="Give a later date.")
    refuse(day_fault("Valid until", valid_until, years_back=0, years_ahead=YEARS_QUALIFIED, rule="G-PRN-01"))
    sets = _approved_for(printer, parameters)
    content = {
        "printer": printer.code,
        "serial": printer.serial,
        "firmware": printer.firmware,
        "parameters": [chosen.digest for chosen in sets],
        "valid_until": valid_until,
    }
    signature = sign(
        subject=printer, content=content, meaning=Meaning.APPROVED, actor=actor, credentials=credentials
    )
    move(printer, PRINTER, "qualify", column="qualification", qualified_until=valid_until)
    triples = [_triple(printer, chosen, valid_until, signature) for chosen in sets]
    qualified = PrinterQualified(
        printer_id=printer.pk,
        triples=[triple.pk for triple in triples],
        valid_until=valid_until.isoformat(),
        signature_id=signature.pk,
    )
    publish(printer, qualified, actor=actor)
    tell_after_commit(printer.pk)
    return triples


def _approved_for(printer: Printer, keys: Sequence[int]) -> list[ParameterSet]:
    found = list(ParameterSet.objects.filter(pk__in=keys).order_by("pk"))
    wrong = [
        row
        for row in found
        if row.state != ParametersState.APPROVED
        or row.printer_kind != printer.kind
        or not carries(row, "signature")
    ]
    if not found or len(found) != len(set(keys)) or wrong:
        raise InvalidInput(
            "Only approved parameter sets for this kind of printer can be qualified.",
            cure="Have them approved first.",
            rule="G-PRN-04",
        )
    return found


def _triple(
    printer: Printer, chosen: ParameterSet, valid_until: date, signature: Signature
) -> QualifiedTriple:
    return QualifiedTriple.objects.create(
        printer=printer,
        material_id=chosen.material_id,
        parameters=chosen,
        parameters_digest=chosen.digest,
        firmware=printer.firmware,
        valid_until=valid_until,
        signature=signature,
    )


@unit_of_work
def require_requalification(*, printer_id: int, actor: Actor, reason: str) -> None:
    """After a move, a repair or a change: nothing is printed until it is qualified again."""
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.suspend_printer", printer)
    _need(reason)
    _move(printer, "require_requalification", actor, reason=reason)


@unit_of_work
def suspend_printer(*, printer_id: int, actor: Actor, reason: str) -> None:
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.suspend_printer", printer)
    _need(reason)
    _move(printer, "suspend", actor, reason=reason)


def _move(
    printer: Printer, name: str, actor: Actor, *, signature_id: int | None = None, reason: str = ""
) -> None:
    source = move(printer, PRINTER, name, column="qualification")
    _tell_moved(printer, source, actor, signature_id=signature_id, reason=reason)


def _tell_moved(
    printer: Printer, source: str, actor: Actor, *, signature_id: int | None = None, reason: str = ""
) -> None:
    moved = PrinterQualificationMoved(
        printer_id=printer.pk, source=source, target=printer.qualification, signature_id=signature_id
    )
    publish(printer, moved, actor=actor, reason=reason)
    tell_after_commit(printer.pk)


@unit_of_work
def record_calibration(*, printer_id: int, valid_until: date, actor: Actor, reason: str = "") -> None:
    """Record that a printer was calibrated, and until when that holds (G-PRN-02)."""
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.calibrate_printer", printer)
    if valid_until <= timezone.localdate():
        raise InvalidInput("The calibration would be over already.", cure="Give a later date.")
    refuse(day_fault("Valid until", valid_until, years_back=0, years_ahead=YEARS_QUALIFIED, rule="G-PRN-02"))
    write(printer, calibrated_until=valid_until)
    done = PrinterCalibrated(printer_id=printer.pk, valid_until=valid_until.isoformat())
    publish(printer, done, actor=actor, reason=reason)
    tell_after_commit(printer.pk)


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("Say why.", rule="P11-10e")
