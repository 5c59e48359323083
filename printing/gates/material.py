"""Material: released against its certificate, loaded by its label, enough and fresh for the print."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from django.utils import timezone

from mes.eventlog.base import Actor
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.services.artefacts import require_intact
from mes.standing import stands_for
from printing.choices import JobState
from printing.gates.base import (
    DISPATCH,
    LOAD,
    MARGIN,
    NO_CONTAINER,
    RESUME,
    START,
    allows_material,
    apart,
    devices_on,
    is_released,
    lasts_until,
    planned_end,
)
from printing.models import MaterialLot, Printer
from printing.selectors.jobs import Placement, job_holding
from printing.selectors.material import lot_content
from printing.services.consumption import in_unit
from printing.services.loading import Loading


@gate("G-MAT-03", "lot.release")
def certificate_in_spec(lot: MaterialLot, **_: Any) -> Verdict:
    """The certificate is there, complete and within its limits."""
    if not lot.certificate or lot.certificate_file_id is None:
        return blocked(
            "The certificate's values or its file are missing.",
            cure="Ask the supplier for the certificate and receive the lot with it.",
            results=len(lot.certificate),
        )
    faults = _unusable(lot.certificate)
    if faults:
        return blocked(
            " ".join(faults),
            cure="Ask the supplier for a certificate with each characteristic once and its limits, and receive the lot with it.",
            certificate=lot.certificate,
        )
    outside = [result["characteristic"] for result in lot.certificate if not _within(result)]
    if outside:
        return blocked(
            f"Outside the limits: {', '.join(outside)}.", cure="Reject the lot.", certificate=lot.certificate
        )
    return passed(certificate=lot.certificate, file=lot.certificate_file_id)


@gate("G-MAT-03", "lot.release")
def certificate_has_what_is_required(lot: MaterialLot, **_: Any) -> Verdict:
    """The certificate carries every result that the material requires, in its unit and within its limits."""
    required = lot.material.required_results
    if not required:
        return not_applicable(f"{lot.material.code} requires no result.")
    given = {row["characteristic"].casefold(): row for row in lot.certificate}
    faults = [fault for wanted in required if (fault := _unmet(wanted, given))]
    if faults:
        return blocked(
            " ".join(faults),
            cure="Ask the supplier for a certificate with these results, or reject the lot.",
            required=required,
            certificate=lot.certificate,
        )
    return passed(required=required, certificate=lot.certificate)


def _unmet(wanted: dict[str, Any], given: dict[str, dict[str, Any]]) -> str:
    """Why a required result is not met, or "". The material's own limits count, whatever the supplier's are."""
    name, unit = wanted["characteristic"], wanted["unit"]
    found = given.get(name.casefold())
    if found is None:
        return f"{name} ({unit}) is required and not on the certificate."
    if _unit(found["unit"]) != _unit(unit):
        return f"{name} is given in '{found['unit']}', required in {unit}."
    if not _within({**wanted, "value": found["value"]}):
        limits = " to ".join(
            "…" if limit is None else f"{limit:g}" for limit in (wanted["minimum"], wanted["maximum"])
        )
        return f"{name} is {found['value']:g} {unit}; the material requires {limits}."
    return ""


def _unit(written: str) -> str:
    """A unit without what joins its parts: suppliers write mPa·s, mPa.s and mPa s."""
    return "".join(letter for letter in written if letter not in " .·⋅*")


def _unusable(certificate: list[dict[str, Any]]) -> list[str]:
    """Why a certificate proves nothing: a value without a limit, limits that exclude each other, a result given twice."""
    unlimited = [
        row["characteristic"] for row in certificate if row["minimum"] is None and row["maximum"] is None
    ]
    crossed = [
        row["characteristic"]
        for row in certificate
        if None not in (row["minimum"], row["maximum"]) and row["minimum"] > row["maximum"]
    ]
    names = Counter(row["characteristic"].casefold() for row in certificate)
    doubled = [name for name, count in names.items() if count > 1]
    said = (
        ("No limit is given for", unlimited),
        ("The limits exclude each other for", crossed),
        ("Given more than once:", doubled),
    )
    return [f"{text} {', '.join(found)}." for text, found in said if found]


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
    return lasts_until(lot, timezone.localdate())


@gate("G-SOD-01", "lot.release")
def releaser_did_not_receive(lot: MaterialLot, *, actor: Actor, **_: Any) -> Verdict:
    """Who releases the lot did not receive it."""
    return apart(actor, "printing.release_lot", lot)


@gate("G-MAT-01", "printer.load")
def loaded_lot_released(loading: Loading, **_: Any) -> Verdict:
    """The container's lot is released."""
    return is_released(loading.container.lot)


@gate("G-MAT-02", "printer.load")
def loaded_lot_not_expired(loading: Loading, **_: Any) -> Verdict:
    """The container's lot has not expired."""
    return lasts_until(loading.container.lot, timezone.localdate())


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
    if job.ended_at is None and job.state != JobState.CLAIMED:
        return blocked(
            f"{job.code} is {job.get_state_display().lower()} on {printer.code} with {job.container.label}.",
            cure="Wait until it ends; the machine prints from the container that it was started with.",
            job=job.code,
            started_with=job.container.label,
        )
    reserved = job.container.lot
    if job.ended_at is None and reserved.pk != container.lot_id:
        return blocked(
            f"{job.code} is reserved for {reserved.code}; this container is of {container.lot.code}.",
            cure=f"Load a container of {reserved.code}, or cancel the job.",
            reserved=reserved.code,
            scanned=container.lot.code,
        )
    return passed(label=container.label, job=job.code)


@gate("G-MAT-01", DISPATCH, START, RESUME)
def material_released(placement: Placement, **_: Any) -> Verdict:
    """The loaded lot is released."""
    if placement.container is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    return is_released(placement.container.lot)


@gate("G-MAT-02", DISPATCH, START)
def material_lasts(placement: Placement, **_: Any) -> Verdict:
    """The loaded lot does not expire before the print ends."""
    if placement.container is None:
        return blocked(NO_CONTAINER, cure=LOAD)
    return lasts_until(placement.container.lot, planned_end(placement.build))


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
    if not need_ml > 0:
        return blocked(
            f"The print says that it needs {need_ml:g} mL: nothing would be made.",
            cure="Give the build up and make a new one.",
            **evidence,
        )
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
    wrong = [d.code for d in devices_on(build) if not allows_material(d, material.pk)]
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
