"""Printers and parameter sets: qualified, calibrated, cleared, heard, and operated by somebody who may."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.lifecycle import Verdict, blocked, gate, passed
from mes.models import Person
from mes.selectors import roles_of
from mes.standing import carries, not_withdrawn, stands
from printing.choices import (
    Link,
    Operation,
    Qualification,
)
from printing.gates.base import (
    DISPATCH,
    RESUME,
    START,
    apart,
    planned_end,
)
from printing.models import ParameterSet, Printer
from printing.selectors.fleet import STALE_AFTER, contact_of, is_fresh
from printing.selectors.jobs import Placement, job_holding, open_command
from printing.selectors.machines import other_machine, standing_triples
from printing.selectors.qualification import STEPS, qualification_signatures


@gate("G-SOD-01", "parameters.approve")
def approver_is_not_author(parameters: ParameterSet, *, actor: Actor, **_: Any) -> Verdict:
    """Who approves the parameter set did not write it."""
    return apart(actor, "printing.approve_parameters", parameters)


@gate("G-SOD-01", "printer.approve_installation", "printer.approve_operation", "printer.qualify")
def qualifier_did_not_register(printer: Printer, *, actor: Actor, **_: Any) -> Verdict:
    """Who approves the qualification did not register the printer."""
    return apart(actor, "printing.qualify_printer", printer)


@gate("G-PRN-01", DISPATCH, START)
def printer_qualified(placement: Placement, **_: Any) -> Verdict:
    """The printer is of the right kind, qualified until the print ends, and not held."""
    printer, end = placement.printer, planned_end(placement.build)
    evidence = {"state": printer.qualification, "until": str(printer.qualified_until), "end": str(end)}
    if printer.kind != placement.build.printer_kind:
        return blocked(
            f"The build is for {placement.build.printer_kind}, this is a {printer.kind}.",
            cure="Choose a printer of that kind.",
            **evidence,
        )
    if printer.held:
        return blocked(
            f"The printer is held: {printer.hold_reason}", cure="Have the hold released.", **evidence
        )
    if printer.qualification != Qualification.QUALIFIED:
        return blocked(
            f"The printer is {printer.get_qualification_display()}.", cure="Have it qualified.", **evidence
        )
    if printer.qualified_until is None or printer.qualified_until < end:
        return blocked("The qualification ends before the print.", cure="Have it renewed.", **evidence)
    return passed(**evidence)


@gate("G-PRN-01", DISPATCH, START)
def machine_is_the_registered_one(placement: Placement, **_: Any) -> Verdict:
    """The machine that answers names the serial and the model that were registered and qualified."""
    printer = placement.printer
    other = other_machine(printer.kind, printer.serial, printer.reported)
    if other:
        return blocked(
            other,
            cure="Connect the registered machine; register another one as a printer of its own and have it qualified.",
            reported=printer.reported,
        )
    return passed(serial=printer.serial, model=printer.kind, reported=printer.reported)


@gate("G-PRN-01", "printer.qualify")
def steps_stand(printer: Printer, **_: Any) -> Verdict:
    """The approvals of the installation and of the operation stand."""
    signed = qualification_signatures(printer)
    gone = [step for step in STEPS if step in signed and not stands(signed[step])]
    if gone:
        return blocked(
            f"No approval stands for the {' and the '.join(gone)} of {printer.code}.",
            cure="Approve that step again.",
            steps=gone,
        )
    return passed(signatures={step: signed[step].pk for step in STEPS if step in signed})


@gate("G-PRN-01", RESUME)
def printer_still_qualified(placement: Placement, **_: Any) -> Verdict:
    """The printer was not held, and lost its qualification to nothing, while its print stood still."""
    printer = placement.printer
    if printer.held or printer.qualification != Qualification.QUALIFIED:
        why = f"held: {printer.hold_reason}" if printer.held else printer.get_qualification_display()
        return blocked(
            f"The printer is {why}.",
            cure="Have the hold released or the printer qualified, or cancel the print.",
            state=printer.qualification,
        )
    return passed(state=printer.qualification)


@gate("G-PRN-01", DISPATCH, START, RESUME)
def qualification_stands(placement: Placement, **_: Any) -> Verdict:
    """Every signature that the printer's qualification rests on stands: installation, operation and performance."""
    printer = placement.printer
    signed = qualification_signatures(printer)
    evidence = {"signatures": {what: signature.pk for what, signature in signed.items()}}
    gone = [what for what, signature in signed.items() if not stands(signature)]
    if gone:
        return blocked(
            f"The signature over the {', '.join(gone)} of {printer.code} does not stand.",
            cure="Require its requalification, and have it qualified again.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-PRN-02", DISPATCH, START)
def printer_calibrated(placement: Placement, **_: Any) -> Verdict:
    """The printer's calibration holds until the print ends."""
    until, end = placement.printer.calibrated_until, planned_end(placement.build)
    if until is None or until < end:
        return blocked("The calibration is missing or out of date.", cure="Calibrate it.", until=str(until))
    return passed(until=str(until))


@gate("G-PRN-04", DISPATCH, START)
def triple_qualified(placement: Placement, **_: Any) -> Verdict:
    """The printer's newest qualification covers this material with this parameter set."""
    build, end = placement.build, planned_end(placement.build)
    triple = (
        not_withdrawn(standing_triples(placement.printer), "signature")
        .filter(
            material_id=build.material_id,
            parameters_id=build.parameters_id,
            parameters_digest=build.parameters_digest,
            valid_until__gte=end,
        )
        .first()
    )
    if triple is None or not carries(triple, "signature"):
        return blocked(
            f"{build.material.code} with {build.parameters} is not qualified on this printer until {end}.",
            cure="Have this combination qualified, or choose another printer.",
        )
    return passed(triple=triple.pk, valid_until=str(triple.valid_until))


@gate("G-PRN-05", DISPATCH, START)
def firmware_qualified(placement: Placement, **_: Any) -> Verdict:
    """The printer runs the firmware that was qualified."""
    printer, build = placement.printer, placement.build
    triples = not_withdrawn(standing_triples(printer), "signature")
    triple = triples.filter(parameters_id=build.parameters_id).first()
    if triple is None or triple.firmware != printer.firmware:
        return blocked(
            f"Firmware '{printer.firmware}' is not the qualified '{triple.firmware if triple else 'none'}'.",
            cure="Have the printer requalified.",
        )
    return passed(firmware=printer.firmware)


@gate("G-PRN-06", DISPATCH, START)
def line_cleared(placement: Placement, **_: Any) -> Verdict:
    """A person has cleared the plate since the last job or change of material, and no other job holds the printer."""
    printer = placement.printer
    holding = job_holding(printer)
    if holding and (placement.job is None or holding.pk != placement.job.pk):
        return blocked(
            f"{holding.code} ({holding.get_state_display()}) holds this printer.",
            cure="Wait until it ends and its plate is cleared.",
            job=holding.code,
        )
    if printer.clearance_needed:
        return blocked(
            f"The plate was not cleared: {printer.clearance_needed}.", cure="Clear it and confirm."
        )
    return passed(clear=True)


@gate("G-PRN-07", DISPATCH, START)
def printer_heard_and_idle(placement: Placement, **_: Any) -> Verdict:
    """The printer is heard now, and says that it is idle. Unknown and stale are not idle."""
    printer = placement.printer
    contact = contact_of(printer)
    heard_at = contact.heard_at if contact else None
    evidence = {"operation": printer.operation, "link": printer.link, "heard_at": str(heard_at)}
    if printer.link != Link.UP or not is_fresh(heard_at, timezone.now()):
        return blocked(
            f"The printer was not heard in the last {STALE_AFTER.seconds} s.",
            cure="See to its connection, and that the fleet process runs.",
            **evidence,
        )
    if printer.operation != Operation.IDLE or printer.foreign_run:
        return blocked(
            f"The printer is {printer.get_operation_display()}.", cure="Wait until it is idle.", **evidence
        )
    command = open_command(printer)
    if command and command != placement.command:
        return blocked(
            f"The printer has a command that is not over: {command.get_kind_display()}.",
            cure="Wait until it is done.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-OPR-02", START)
def operator_may(placement: Placement, *, actor: Actor, **_: Any) -> Verdict:
    """Who starts the print is an active machine operator."""
    person = Person.objects.filter(pk=actor.person_id or 0, active=True).first()
    if person is None or Role.OPR not in roles_of(person):
        return blocked("Only an active machine operator starts a print.", cure="Ask an operator.")
    return passed(person=person.pk)
