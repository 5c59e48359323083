"""What people do with material, builds and printers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from devices.choices import DefinitionStatus, Stage
from devices.models import Device, Material
from mes.choices import Meaning
from mes.dashboard.actions.base import LARGEST, Action, Doing, Done, Field, Values, why
from mes.dashboard.actions.holds import free_printer, hold_printer, printer_hold_signs, which_printer_hold
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, Refused
from mes.standing import not_withdrawn
from printing.choices import BuildState, JobState, LotState, ParametersState, Unit
from printing.models import Build, MaterialLot, ParameterSet, Printer, PrintJob
from printing.selectors.builds import build_content
from printing.selectors.jobs import job_holding
from printing.selectors.material import lot_content
from printing.services.builds import (
    cancel_build,
    create_build,
    decide_interruption,
    interruption_content,
    retry_preparation,
    verify_build,
)
from printing.services.certificates import LIMIT, MEDIA_TYPES
from printing.services.jobs import (
    cancel_job,
    confirm_plate_clear,
    dispatch_build,
    pause_job,
    resume_job,
    settle_job,
    start_job,
)
from printing.services.loading import load_container, unload_container
from printing.services.lots import hold_lot, receive_lot, reject_lot, release_lot, release_lot_hold


def _because(subject: Any) -> tuple[Field, ...]:
    return (why(),)


# --- lots


def _lot_at(*states: LotState) -> Callable[[MaterialLot], bool]:
    return lambda lot: lot.state in states


def _lot_fields(_: None) -> tuple[Field, ...]:
    materials = (
        not_withdrawn(Material.objects.filter(status=DefinitionStatus.EFFECTIVE), "approval")
        .order_by("name")
        .values_list("code", "name")
    )
    return (
        Field("material", "Material", "select", choices=list(materials)),
        Field("supplier", "Supplier", maximum=120),
        Field("supplier_lot", "Supplier's lot number", maximum=60),
        Field("quantity", "Quantity", "decimal", limits=(0.001, None)),
        Field("unit", "Unit", "select", choices=[(str(key), str(label)) for key, label in Unit.choices], initial="ml"),
        Field("expires_on", "Use until", "date"),
        Field("containers", "Quantity in each container", required=False, hint="Separated by spaces; empty: one container"),
        Field(
            "certificate", "Results of the certificate", "area", False,
            "One a line: characteristic; value; unit; at least; at most",
        ),
        Field(
            "certificate_file", "Certificate: PDF, PNG, JPEG or text", "file", False,
            f"{LIMIT / 1e6:.0f} MB at most. A lot without it cannot be released.", accept=",".join(MEDIA_TYPES),
        ),
    )  # fmt: skip


def certificate_lines(text: str) -> list[dict[str, Any]]:
    """`viscosity; 820; mPa.s; 700; 950` a line. Raises InvalidInput, naming the line."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split(";")] + ["", "", ""]
        if len(parts) < 5 or not parts[0] or not parts[1]:
            raise InvalidInput(
                f"Line {number} of the certificate is incomplete.", cure="Write: characteristic; value; unit."
            )
        low, high = (_number(part, number) if part else None for part in parts[3:5])
        rows.append(
            {
                "characteristic": parts[0],
                "value": _number(parts[1], number),
                "unit": parts[2],
                "minimum": low,
                "maximum": high,
            }
        )
    return rows


def _number(text: str, line: int) -> float:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number.copy_abs() > LARGEST:
        raise InvalidInput(
            f"Line {line} of the certificate: “{text[:20]}” is no number that can be measured."
        )
    return float(number)


def _quantities(text: str) -> list[Decimal]:
    try:
        return [Decimal(part) for part in text.split()]
    except InvalidOperation:
        raise InvalidInput("The containers' quantities are not numbers.", cure="Write: 500 500.") from None


def _receive_lot(doing: Doing) -> Done:
    typed = doing.values
    files = typed["certificate_file"]
    lot = receive_lot(
        material=typed["material"],
        supplier=typed["supplier"],
        supplier_lot=typed["supplier_lot"],
        quantity=typed["quantity"],
        unit=typed["unit"],
        expires_on=typed["expires_on"],
        certificate=certificate_lines(typed["certificate"]),
        certificate_file=files[0].file if files else None,
        containers=_quantities(typed["containers"]),
        actor=doing.actor,
    )
    return Done(f"{lot.code} is in quarantine.", "lot", lot.code)


def _release_lot(doing: Doing) -> str:
    release_lot(lot_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The lot is released."


def _reject_lot(doing: Doing) -> str:
    reject_lot(lot_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, reason=doing.reason)
    return "The lot is rejected."


def _hold_lot(doing: Doing) -> str:
    hold_lot(lot_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The lot is on hold."


def _free_lot(doing: Doing) -> str:
    release_lot_hold(
        lot_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials, reason=doing.reason
    )
    return "The hold is lifted."


def _lot_signs(lot: MaterialLot, values: Values, actor: Actor) -> dict[str, Any]:
    return lot_content(lot)


def _lot_signs_why(lot: MaterialLot, values: Values, actor: Actor) -> dict[str, Any]:
    return {**lot_content(lot), "reason": str(values.get("reason") or "")}


# --- builds


def _build_at(*states: BuildState) -> Callable[[Build], bool]:
    return lambda build: build.state in states


def _build_fields(_: None) -> tuple[Field, ...]:
    ready = (
        Device.objects.filter(stage=Stage.DESIGN_FROZEN, held=False)
        .select_related("master")
        .order_by("need_by")[:200]
    )
    sets = (
        ParameterSet.objects.filter(state=ParametersState.APPROVED)
        .select_related("material")
        .order_by("name")
    )
    codes = " ".join(device.code for device in ready)
    return (
        Field(
            "devices",
            "Devices",
            "area",
            hint="Codes, separated by spaces. These wait with a frozen design.",
            initial=codes,
        ),
        Field(
            "parameters",
            "Parameter set",
            "select",
            choices=[(str(row.pk), f"{row} · {row.printer_kind} · {row.material.name}") for row in sets],
        ),
    )


def _create_build(doing: Doing) -> Done:
    chosen = ParameterSet.objects.get(pk=int(doing.values["parameters"]))
    words = str(doing.values["devices"]).split()
    if not all(word[:1].upper() == "D" and word[1:].isascii() and word[1:].isdigit() for word in words):
        raise InvalidInput("One of these is no device code.", cure="A device code looks like D0000001.")
    keys = [int(word[1:]) for word in words]
    build = create_build(
        device_ids=keys, printer_kind=chosen.printer_kind, parameters=chosen.pk, actor=doing.actor
    )
    return Done(f"{build.code} is being cut into layers.", "build", build.code)


def _verify(doing: Doing) -> str:
    verify_build(build_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The build is verified; its devices are queued."


def _build_signs(build: Build, values: Values, actor: Actor) -> dict[str, Any]:
    return build_content(build)


def _printer_fields(build: Build) -> tuple[Field, ...]:
    fitting = Printer.objects.filter(kind=build.printer_kind).order_by("name")
    choices = [
        ("first", "The first idle one that fits"),
        *((str(p.pk), f"{p.name} ({p.code})") for p in fitting),
    ]
    return (Field("printer", "Printer", "select", choices=choices, initial="first"),)


def _dispatch(doing: Doing) -> str:
    chosen = str(doing.values["printer"])
    job = dispatch_build(
        build_id=doing.subject.pk, printer_id=None if chosen == "first" else int(chosen), actor=doing.actor
    )
    return f"{job.code} waits on {job.printer.name} for its start."


def _retry(doing: Doing) -> str:
    retry_preparation(build_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The build is being cut into layers again."


def _cancel_build(doing: Doing) -> str:
    cancel_build(build_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The build is given up."


def _decide(accept: bool) -> Callable[[Doing], str]:
    def decide(doing: Doing) -> str:
        decide_interruption(
            build_id=doing.subject.pk,
            accept=accept,
            actor=doing.actor,
            credentials=doing.credentials,
            reason=doing.reason,
        )
        return "Accepted." if accept else "Discarded."

    return decide


def _decision_signs(accept: bool) -> Callable[[Build, Values, Actor], dict[str, Any]]:
    return lambda build, values, actor: interruption_content(
        build, accept=accept, reason=str(values.get("reason") or "")
    )


# --- printers and their jobs


def held_job(printer: Printer, *states: JobState) -> PrintJob | None:
    job = job_holding(printer)
    return job if job is not None and (not states or job.state in states) else None


def _job_at(*states: JobState) -> Callable[[Printer], bool]:
    return lambda printer: held_job(printer, *states) is not None


def _job_of(doing: Doing) -> PrintJob:
    job = held_job(doing.subject)
    if job is None:
        raise Refused("The printer has no job now.", cure="Look at the fleet again.", rule="K-06")
    return job


def _start(doing: Doing) -> str:
    start_job(job_id=_job_of(doing).pk, actor=doing.actor)
    return "The start was sent to the printer."


def _pause(doing: Doing) -> str:
    pause_job(job_id=_job_of(doing).pk, actor=doing.actor, reason=doing.reason)
    return "The printer is asked to pause."


def _resume(doing: Doing) -> str:
    resume_job(job_id=_job_of(doing).pk, actor=doing.actor, reason=doing.reason)
    return "The printer is asked to go on."


def _cancel(doing: Doing) -> str:
    cancel_job(job_id=_job_of(doing).pk, actor=doing.actor, reason=doing.reason)
    return "The printer is asked to stop."


def _settle_fields(printer: Printer) -> tuple[Field, ...]:
    outcomes = [
        ("printing", "It prints"),
        ("finished", "It finished"),
        ("failed", "It failed"),
        ("cancelled", "It was stopped"),
    ]
    return (
        Field("outcome", "What became of it", "select", choices=outcomes),
        why("What you saw at the machine"),
    )


def _settle(doing: Doing) -> str:
    settle_job(
        job_id=_job_of(doing).pk, outcome=str(doing.values["outcome"]), actor=doing.actor, reason=doing.reason
    )
    return "Settled."


def _clear(doing: Doing) -> str:
    confirm_plate_clear(printer_id=doing.subject.pk, actor=doing.actor)
    return "The plate is clear; the printer may take the next job."


def _load_fields(printer: Printer) -> tuple[Field, ...]:
    return (Field("label", "Label of the container", hint="Scan it, or type it", maximum=60),)


def _load(doing: Doing) -> str:
    container = load_container(
        printer_id=doing.subject.pk, scanned_code=str(doing.values["label"]), actor=doing.actor
    )
    return f"{container.label} is on the printer."


def _unload(doing: Doing) -> str:
    unload_container(printer_id=doing.subject.pk, actor=doing.actor)
    return "The container is off the printer."


UNPRINTED = (BuildState.DRAFT, BuildState.UNPREPARED, BuildState.PREPARED, BuildState.VERIFIED)
ON_HOLDABLE = (LotState.QUARANTINE, LotState.RELEASED, LotState.IN_USE)

PRINTING_ACTIONS = (
    Action("receive-lot", "lots", "Receive a lot", "Receive a lot of material", "printing.receive_lot", "bottle", lambda _: True, _receive_lot, fields=_lot_fields, main=True),
    Action("release-lot", "lot", "Release", "Release this lot", "printing.release_lot", "writing-sign", _lot_at(LotState.QUARANTINE), _release_lot, meaning=Meaning.APPROVED, content=_lot_signs, main=True),
    Action("reject-lot", "lot", "Reject", "Reject this lot", "printing.reject_lot", "circle-x", _lot_at(LotState.QUARANTINE, LotState.ON_HOLD), _reject_lot, fields=_because, meaning=Meaning.REJECTED, content=_lot_signs_why, danger=True),
    Action("hold-lot", "lot", "Hold", "Hold this lot", "printing.hold_lot", "hand-stop", _lot_at(*ON_HOLDABLE), _hold_lot, fields=_because, danger=True),
    Action("release-lot-hold", "lot", "Lift the hold", "Lift the hold", "printing.release_lot_hold", "player-play", _lot_at(LotState.ON_HOLD), _free_lot, fields=_because, meaning=Meaning.APPROVED, content=_lot_signs_why, main=True),
    Action("create-build", "builds", "New build", "Put devices on a plate", "printing.create_build", "stack-2", lambda _: True, _create_build, fields=_build_fields, main=True),
    Action("verify-build", "build", "Verify", "Verify this build", "printing.verify_build", "writing-sign", _build_at(BuildState.PREPARED), _verify, meaning=Meaning.VERIFIED, content=_build_signs, main=True),
    Action("dispatch-build", "build", "Dispatch", "Dispatch to a printer", "printing.dispatch_build", "send", _build_at(BuildState.VERIFIED), _dispatch, fields=_printer_fields, main=True),
    Action("retry-preparation", "build", "Slice again", "Cut into layers again", "printing.create_build", "refresh", _build_at(BuildState.UNPREPARED), _retry, fields=_because, main=True),
    Action("accept-interruption", "build", "Accept", "Accept the interrupted build", "printing.decide_interruption", "writing-sign", _build_at(BuildState.INTERRUPTED), _decide(True), fields=_because, meaning=Meaning.APPROVED, content=_decision_signs(True), main=True),
    Action("discard-interruption", "build", "Discard", "Discard the interrupted build", "printing.decide_interruption", "circle-x", _build_at(BuildState.INTERRUPTED), _decide(False), fields=_because, meaning=Meaning.REJECTED, content=_decision_signs(False), danger=True),
    Action("cancel-build", "build", "Give up", "Give this build up", "printing.cancel_build", "circle-x", _build_at(*UNPRINTED), _cancel_build, fields=_because, danger=True),
    Action("clear-plate", "printer", "Plate is clear", "Confirm that the plate is clear", "printing.clear_plate", "layers-subtract", lambda printer: bool(printer.clearance_needed), _clear, main=True, help="Look at the machine: the plate is empty, clean and in place."),
    Action("start-job", "printer", "Start", "Start the print", "printing.operate_printer", "player-play", _job_at(JobState.CLAIMED), _start, main=True),
    Action("pause-job", "printer", "Pause", "Pause the print", "printing.operate_printer", "player-pause", _job_at(JobState.PRINTING), _pause, fields=_because),
    Action("resume-job", "printer", "Resume", "Go on with the print", "printing.operate_printer", "player-play", _job_at(JobState.PAUSED), _resume, fields=_because, main=True),
    Action("cancel-job", "printer", "Cancel", "Cancel the print", "printing.operate_printer", "player-stop", _job_at(JobState.CLAIMED, JobState.PRINTING, JobState.PAUSED), _cancel, fields=_because, danger=True),
    Action("settle-job", "printer", "Settle", "Say what became of the print", "printing.operate_printer", "gavel", _job_at(JobState.UNCERTAIN), _settle, fields=_settle_fields, main=True),
    Action("load-container", "printer", "Load material", "Load a container", "printing.load_container", "bottle", lambda printer: held_job(printer) is None, _load, fields=_load_fields),
    Action("unload-container", "printer", "Unload material", "Take the container off", "printing.load_container", "bottle", lambda printer: printer.container_id is not None and held_job(printer) is None, _unload),
    Action("hold-printer", "printer", "Hold", "Hold this printer", "printing.hold_printer", "hand-stop", lambda printer: True, hold_printer, fields=_because, danger=True),
    Action("release-printer-hold", "printer", "Lift the hold", "Lift the hold", "printing.release_printer_hold", "lock-open", lambda printer: printer.held, free_printer, fields=which_printer_hold, meaning=Meaning.APPROVED, content=printer_hold_signs, main=True),
)  # fmt: skip
