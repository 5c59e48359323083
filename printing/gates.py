"""What must be true before material is released or loaded, a printer qualified, a build verified, a print started or accepted.

A gate answers with what it looked at. Where something is missing it blocks (K-14).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from devices.choices import Stage
from devices.models import Design, Device
from devices.services.designs import approval_content
from mes.choices import Role
from mes.eventlog.base import Actor, digest_of
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.models import Artefact, Person
from mes.selectors import roles_of
from mes.services.artefacts import require_intact
from mes.services.signatures import stands_for
from printing.choices import (
    USABLE_LOTS,
    Link,
    Operation,
    ParametersState,
    Qualification,
)
from printing.models import Build, MaterialLot, ParameterSet, Printer, PrintJob
from printing.selectors import (
    STALE_AFTER,
    build_content,
    contact_of,
    is_fresh,
    items_content,
    job_holding,
    lot_content,
)
from printing.services.consumption import in_unit
from printing.services.jobs import Placement
from printing.services.loading import Loading

DISPATCH, START = "job.dispatch", "job.start"
MARGIN = Decimal("1.10")
NO_CONTAINER = "No container is loaded."
LOAD = "Load a container of the right material by its label."


# --- lots


@gate("G-MAT-03", "lot.release")
def certificate_in_spec(lot: MaterialLot, **_: Any) -> Verdict:
    """The certificate is there, complete and within its limits."""
    if not lot.certificate or lot.certificate_file_id is None:
        return blocked(
            "The certificate's values or its file are missing.",
            cure="Ask the supplier for the certificate and receive the lot with it.",
            results=len(lot.certificate),
        )
    outside = [result["characteristic"] for result in lot.certificate if not _within(result)]
    if outside:
        return blocked(
            f"Outside the limits: {', '.join(outside)}.", cure="Reject the lot.", certificate=lot.certificate
        )
    return passed(certificate=lot.certificate, file=lot.certificate_file_id)


def _within(result: dict[str, Any]) -> bool:
    low, high = result["minimum"], result["maximum"]
    return (low is None or result["value"] >= low) and (high is None or result["value"] <= high)


@gate("G-INT-01", "lot.release")
def certificate_file_intact(lot: MaterialLot, **_: Any) -> Verdict:
    """The certificate's file is the one that was received."""
    if lot.certificate_file is None:
        return not_applicable("There is no file.")
    require_intact(lot.certificate_file)
    return passed(file=lot.certificate_file_id)


@gate("G-MAT-02", "lot.release")
def lot_not_expired(lot: MaterialLot, **_: Any) -> Verdict:
    """The lot has not expired."""
    return _expiry(lot, timezone.localdate())


@gate("G-SOD-01", "lot.release")
def releaser_did_not_receive(lot: MaterialLot, *, actor: Actor, **_: Any) -> Verdict:
    """Who releases the lot did not receive it."""
    return _another(actor, lot.received_by_id, "received this lot")


def _another(actor: Actor, first: int | None, did: str) -> Verdict:
    if actor.person_id == first:
        return blocked(f"You {did} yourself.", cure="Somebody else signs.", person=first)
    return passed(person=actor.person_id, other=first)


def _expiry(lot: MaterialLot, needed_until: date) -> Verdict:
    last = lot.last_day
    evidence = {"lot": lot.code, "last_day": str(last), "needed_until": str(needed_until)}
    if last < needed_until:
        return blocked(
            f"{lot.code} may be used until {last:%d %b %Y}.", cure="Use a lot that lasts longer.", **evidence
        )
    return passed(**evidence)


# --- loading


@gate("G-MAT-01", "printer.load")
def loaded_lot_released(loading: Loading, **_: Any) -> Verdict:
    """The container's lot is released."""
    return _released(loading.container.lot)


def _released(lot: MaterialLot) -> Verdict:
    if lot.state not in USABLE_LOTS:
        return blocked(
            f"{lot.code} is {lot.get_state_display()}.",
            cure="Use a released lot, or have this one released.",
            lot=lot.code,
            state=lot.state,
        )
    return passed(lot=lot.code, state=lot.state)


@gate("G-MAT-02", "printer.load")
def loaded_lot_not_expired(loading: Loading, **_: Any) -> Verdict:
    """The container's lot has not expired."""
    return _expiry(loading.container.lot, timezone.localdate())


@gate("G-MAT-06", "printer.load")
def container_not_empty(loading: Loading, **_: Any) -> Verdict:
    """There is something in the container."""
    container = loading.container
    if container.remaining <= 0:
        return blocked(f"{container.label} is empty.", cure="Take another container.", remaining="0")
    return passed(remaining=str(container.remaining))


@gate("G-MAT-08", "printer.load")
def container_free_and_reserved(loading: Loading, **_: Any) -> Verdict:
    """The container is on no other printer, and of the lot that a waiting job reserved."""
    container, printer = loading.container, loading.printer
    elsewhere = Printer.objects.filter(container=container).exclude(pk=printer.pk).first()
    if elsewhere:
        return blocked(
            f"{container.label} is on {elsewhere.code}.",
            cure="Unload it there first.",
            printer=elsewhere.code,
        )
    job = job_holding(printer)
    if job is None:
        return passed(label=container.label)
    if job.started_at is not None and job.ended_at is None:
        return blocked(f"{job.code} is running on {printer.code}.", cure="Wait until it ends.", job=job.code)
    reserved = job.container.lot
    if job.ended_at is None and reserved.pk != container.lot_id:
        return blocked(
            f"{job.code} is reserved for {reserved.code}; this container is of {container.lot.code}.",
            cure=f"Load a container of {reserved.code}, or cancel the job.",
            reserved=reserved.code,
            scanned=container.lot.code,
        )
    return passed(label=container.label, job=job.code)


# --- parameter sets and printers


@gate("G-SOD-01", "parameters.approve")
def approver_is_not_author(parameters: ParameterSet, *, actor: Actor, **_: Any) -> Verdict:
    """Who approves the parameter set did not write it."""
    return _another(actor, parameters.authored_by_id, "wrote this parameter set")


@gate("G-SOD-01", "printer.approve_installation", "printer.approve_operation", "printer.qualify")
def qualifier_did_not_register(printer: Printer, *, actor: Actor, **_: Any) -> Verdict:
    """Who approves the qualification did not register the printer."""
    return _another(actor, printer.registered_by_id, "registered this printer")


# --- builds


@gate("G-DES-02", "build.create")
def designs_approved(devices: Sequence[Device], **_: Any) -> Verdict:
    """Every device is frozen with a prescriber's approval that stands for its design."""
    reasons = [text for device in devices if (text := _not_frozen(device))]
    if reasons:
        return blocked(" ".join(reasons), cure="Leave these devices out, or have their designs approved.")
    return passed(meshes={device.code: _design(device).mesh_id for device in devices})


def _not_frozen(device: Device) -> str:
    design = device.current_design
    if device.stage != Stage.DESIGN_FROZEN or device.held:
        return f"{device.code} is {'held' if device.held else device.get_stage_display()}."
    if design is None or design.approval is None:
        return f"{device.code} has no approved design."
    if not stands_for(design.approval, approval_content(device, design)):
        return f"The approval of {device.code} is for something else than its design is now."
    return ""


def _design(device: Device) -> Design:
    if device.current_design is None:
        raise ValueError(f"{device.code} has no design")
    return device.current_design


@gate("G-MAT-07", "build.create")
def devices_of_this_material(devices: Sequence[Device], *, parameters: ParameterSet, **_: Any) -> Verdict:
    """The parameter set's material is the one of every device, and its master allows it."""
    wrong = [d.code for d in devices if not _allows(d, parameters.material_id)]
    code = parameters.material.code
    if wrong:
        return blocked(
            f"{code} is not what {', '.join(wrong)} are made of.",
            cure="Choose a parameter set of their material.",
            material=code,
        )
    return passed(material=code)


def _allows(device: Device, material_id: int) -> bool:
    return device.material_id == material_id and device.material.code in device.master.materials


@gate("G-BLD-02", "build.create", "build.verify")
def devices_go_together(subject: Sequence[Device] | Build, **_: Any) -> Verdict:
    """Devices of different intended use or process are not on one plate."""
    devices = _devices_of(subject) if isinstance(subject, Build) else list(subject)
    kinds = {(device.master.intended_use, device.master.process) for device in devices}
    patients = {device.order.patient_id for device in devices}
    if len(kinds) != 1:
        return blocked(
            "Training and clinical devices, or different processes, are on one plate.",
            cure="Make a build for each.",
            kinds=sorted(map(list, kinds)),
        )
    return passed(kinds=sorted(map(list, kinds)), patients=len(patients), told_apart_by="place on the plate")


def _devices_of(build: Build) -> list[Device]:
    related = ("device__master", "device__order", "device__material", "device__current_design")
    return [item.device for item in build.items.select_related(*related).order_by("device_id")]


@gate("G-BLD-01", "build.create")
def one_build_each(devices: Sequence[Device], **_: Any) -> Verdict:
    """No device is in another build that is still open."""
    taken = [
        f"{device.code} is in {item.build.code}."
        for device in devices
        for item in device.build_items.filter(active=True).select_related("build")
    ]
    return blocked(" ".join(taken), cure="Give that build up first.") if taken else passed()


@gate("G-BLD-01", "build.verify")
def built_from_frozen_meshes(build: Build, **_: Any) -> Verdict:
    """Every part on the plate is the frozen mesh of its device, placed, under the digest that the build names."""
    wrong = []
    for item in build.items.select_related("device__current_design").order_by("device_id"):
        design = item.device.current_design
        same = design and (design.pk, design.mesh_id) == (item.design_id, item.mesh_sha256)
        if not same or item.device.stage != Stage.DESIGN_FROZEN or item.device.held:
            wrong.append(item.device.code)
        elif item.transform is None:
            wrong.append(f"{item.device.code} (not placed)")
    if wrong or digest_of(items_content(build)) != build.items_digest:
        return blocked(
            f"Not what was frozen: {', '.join(wrong) or 'the list of parts'}.",
            cure="Give the build up and make a new one from the frozen designs.",
            parts=wrong,
        )
    return passed(items_digest=build.items_digest, plate_digest=build.plate_digest)


@gate("G-BLD-01", "build.verify", DISPATCH, START)
def parameters_approved(subject: Build | Placement, **_: Any) -> Verdict:
    """The parameter set is approved and unchanged."""
    build = subject if isinstance(subject, Build) else subject.build
    parameters = build.parameters
    unchanged = digest_of(parameters.values) == parameters.digest == build.parameters_digest
    if parameters.state != ParametersState.APPROVED or not unchanged:
        return blocked(
            f"{parameters} is {parameters.get_state_display()}{'' if unchanged else ' and was changed'}.",
            cure="Make a build with an approved parameter set.",
        )
    return passed(parameters=str(parameters), digest=parameters.digest)


@gate("G-INT-01", "build.verify", DISPATCH, START)
def build_file_intact(subject: Build | Placement, **_: Any) -> Verdict:
    """The build file is the one that slicing made."""
    build = subject if isinstance(subject, Build) else subject.build
    if build.file_id is None:
        return blocked("There is no build file.", cure="Have the build prepared.")
    require_intact(Artefact.objects.get(pk=build.file_id))
    return passed(file=build.file_id)


@gate("G-SOD-01", "build.verify")
def verifier_is_not_author(build: Build, *, actor: Actor, **_: Any) -> Verdict:
    """Who verifies the build did not make it."""
    return _another(actor, build.created_by_id, "made this build")


@gate("G-BLD-01", DISPATCH)
def no_device_held(placement: Placement, **_: Any) -> Verdict:
    """No device of the build is held or was taken out of the queue."""
    return _devices_at(placement.build, Stage.DESIGN_FROZEN, Stage.QUEUED)


@gate("G-BLD-01", START)
def devices_queued(placement: Placement, **_: Any) -> Verdict:
    """Every device of the build is queued, and none is held."""
    return _devices_at(placement.build, Stage.QUEUED)


def _devices_at(build: Build, *stages: Stage) -> Verdict:
    wrong = [
        f"{device.code} is {'held' if device.held else device.get_stage_display().lower()}."
        for device in _devices_of(build)
        if device.held or device.stage not in stages
    ]
    if wrong:
        return blocked(" ".join(wrong), cure="Wait until every device is queued; have holds lifted.")
    return passed(stages=[stage.value for stage in stages])


@gate("G-SIG-01", DISPATCH, START)
def verification_stands(placement: Placement, **_: Any) -> Verdict:
    """The verification was signed over the build as it is."""
    build = placement.build
    signature = build.verify_signature
    if signature is None or not stands_for(signature, build_content(build)):
        return blocked("No verification stands for this build.", cure="Have the build verified.")
    return passed(signature=signature.pk)


# --- material at the print


@gate("G-MAT-01", DISPATCH, START)
def material_released(placement: Placement, **_: Any) -> Verdict:
    """The loaded lot is released."""
    if placement.container is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    return _released(placement.container.lot)


@gate("G-MAT-02", DISPATCH, START)
def material_lasts(placement: Placement, **_: Any) -> Verdict:
    """The loaded lot does not expire before the print ends."""
    if placement.container is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    return _expiry(placement.container.lot, _planned_end(placement.build))


def _planned_end(build: Build) -> date:
    return timezone.localdate(timezone.now() + timedelta(seconds=build.print_seconds or 0.0))


@gate("G-MAT-03", DISPATCH, START)
def certificate_was_reviewed(placement: Placement, **_: Any) -> Verdict:
    """The release of the loaded lot was signed over its certificate as it is."""
    if placement.container is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    lot = placement.container.lot
    if lot.release_signature is None or not stands_for(lot.release_signature, lot_content(lot)):
        return blocked(
            f"No release stands for {lot.code}.", cure="Have the lot released again.", lot=lot.code
        )
    return passed(lot=lot.code, signature=lot.release_signature_id)


@gate("G-MAT-06", DISPATCH, START)
def material_enough(placement: Placement, **_: Any) -> Verdict:
    """The container holds what the print needs and a margin."""
    container, need_ml = placement.container, placement.build.material_ml
    if container is None or need_ml is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    needed = (in_unit(container.lot, need_ml) * MARGIN).quantize(Decimal("0.001"))
    evidence = {"needed": str(needed), "remaining": str(container.remaining), "unit": container.lot.unit}
    if container.remaining < needed:
        return blocked(
            f"{container.label} holds {container.remaining} {container.lot.get_unit_display()}; the print "
            f"needs {needed} with its margin.",
            cure="Load a fuller container.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-MAT-07", DISPATCH, START)
def material_is_the_builds(placement: Placement, **_: Any) -> Verdict:
    """The loaded material is the one of the build, and every device's master allows it."""
    if placement.container is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    material, build = placement.container.lot.material, placement.build
    wrong = [d.code for d in _devices_of(build) if not _allows(d, material.pk)]
    if material.pk != build.material_id or wrong:
        return blocked(
            f"{material.code} is loaded; the build is of {build.material.code}.",
            cure=f"Load a container of {build.material.code}.",
            loaded=material.code,
            needed=build.material.code,
        )
    return passed(material=material.code)


@gate("G-MAT-08", START)
def material_is_reserved(placement: Placement, **_: Any) -> Verdict:
    """The loaded container is of the lot that was reserved at dispatch."""
    container, job = placement.container, placement.job
    if container is None or job is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    reserved = job.container.lot
    if container.lot_id != reserved.pk:
        return blocked(
            f"{container.lot.code} is loaded; {reserved.code} is reserved.",
            cure=f"Load a container of {reserved.code}.",
            loaded=container.lot.code,
            reserved=reserved.code,
        )
    return passed(lot=reserved.code, label=container.label)


# --- the printer at the print


@gate("G-PRN-01", DISPATCH, START)
def printer_qualified(placement: Placement, **_: Any) -> Verdict:
    """The printer is of the right kind, qualified until the print ends, and not held."""
    printer, end = placement.printer, _planned_end(placement.build)
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


@gate("G-PRN-02", DISPATCH, START)
def printer_calibrated(placement: Placement, **_: Any) -> Verdict:
    """The printer's calibration holds until the print ends."""
    until, end = placement.printer.calibrated_until, _planned_end(placement.build)
    if until is None or until < end:
        return blocked("The calibration is missing or out of date.", cure="Calibrate it.", until=str(until))
    return passed(until=str(until))


@gate("G-PRN-04", DISPATCH, START)
def triple_qualified(placement: Placement, **_: Any) -> Verdict:
    """This material was qualified on this printer with this parameter set."""
    build, end = placement.build, _planned_end(placement.build)
    triple = (
        placement.printer.triples.filter(
            material_id=build.material_id,
            parameters_id=build.parameters_id,
            parameters_digest=build.parameters_digest,
            valid_until__gte=end,
        )
        .order_by("-pk")
        .first()
    )
    if triple is None:
        return blocked(
            f"{build.material.code} with {build.parameters} is not qualified on this printer until {end}.",
            cure="Have this combination qualified, or choose another printer.",
        )
    return passed(triple=triple.pk, valid_until=str(triple.valid_until))


@gate("G-PRN-05", DISPATCH, START)
def firmware_qualified(placement: Placement, **_: Any) -> Verdict:
    """The printer runs the firmware that was qualified."""
    printer, build = placement.printer, placement.build
    triple = printer.triples.filter(parameters_id=build.parameters_id).order_by("-pk").first()
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
    return passed(**evidence)


@gate("G-OPR-02", START)
def operator_may(placement: Placement, *, actor: Actor, **_: Any) -> Verdict:
    """Who starts the print is an active machine operator."""
    person = Person.objects.filter(pk=actor.person_id or 0, active=True).first()
    if person is None or Role.OPR not in roles_of(person):
        return blocked("Only an active machine operator starts a print.", cure="Ask an operator.")
    return passed(person=person.pk)


# --- the end of a build


@gate("G-PRT-01", "build.complete")
def printed_what_was_verified(job: PrintJob, **_: Any) -> Verdict:
    """The machine printed the verified file, all of it."""
    build = job.build
    evidence = {
        "digest_seen": job.file_digest_seen,
        "digest": build.plate_digest,
        "layers": job.layers_done,
        "planned": build.layer_count,
    }
    if job.file_digest_seen != build.plate_digest:
        return blocked(
            "The machine did not report the digest of the verified build.",
            cure="Quality decides about the parts.",
            **evidence,
        )
    if job.layers_done != build.layer_count:
        return blocked(
            f"{job.layers_done} of {build.layer_count} layers were seen.",
            cure="Quality decides about the parts.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-PRT-01", "build.complete")
def interruptions_decided(job: PrintJob, **_: Any) -> Verdict:
    """Every interruption was decided by a person, and the printer was heard all the time."""
    open_ones = [stop["text"] for stop in job.interruptions if not stop["decided"]]
    if open_ones:
        return blocked(
            f"Nobody decided about: {', '.join(open_ones)}.",
            cure="Quality decides about the parts.",
            interruptions=job.interruptions,
        )
    if job.gaps:
        return blocked(
            "The printer was not heard for a while.",
            cure="Quality decides about the parts.",
            gaps=job.gaps,
        )
    return passed(interruptions=job.interruptions)
