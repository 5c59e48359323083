"""Every gate of a print refuses with its rule and its cure, and nothing is claimed, started or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from devices.choices import Stage
from devices.models import Design, Device
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.verify import Bad, check_covered, verify
from mes.exceptions import InvalidInput, NotPermitted, Refused, TransitionRefused
from mes.lifecycle import ask_gates
from mes.models import Signature
from mes.services.artefacts import artefact_path
from mes.services.signatures import Credentials
from printing.choices import BuildState, CommandState, JobState, Link, Operation, Run
from printing.models import (
    Container,
    MaterialLot,
    ParameterSet,
    Printer,
    PrinterCommand,
    PrinterContact,
    PrintJob,
)
from printing.selectors.fleet import plates_to_clear
from printing.selectors.jobs import placement
from printing.selectors.qualification import qualification_signatures
from printing.services.builds import cancel_build, create_build, decide_interruption, verify_build
from printing.services.commands import take_command
from printing.services.fleet.lease import take_lease
from printing.services.fleet.words import FLEET
from printing.services.holds import hold_printer
from printing.services.jobs import (
    cancel_job,
    confirm_plate_clear,
    pause_job,
    resume_job,
    start_job,
)
from printing.services.lots import hold_lot
from printing.services.printers import (
    approve_printer_step,
    qualify_printer,
    register_printer,
    require_requalification,
)
from tests.devices.makers import PASSWORD, Staff
from tests.mes.makers import take_back
from tests.printing.makers import (
    KIND,
    Floor,
    container_of,
    frozen_device,
    hear,
    idle,
    in_days,
    make_build,
    make_parameters,
    make_printer,
    make_released_lot,
    qualify,
    refreshed,
    runs,
    send,
)

pytestmark = pytest.mark.django_db


def rules(refusal: pytest.ExceptionInfo[Any]) -> set[str]:
    return {reason.rule for reason in refusal.value.reasons}


def hold(floor: Floor) -> None:
    hold_lot(lot_id=floor.lot.pk, actor=floor.staff[Role.QAR].actor, reason="recall")


def changed(model: Any, **fields: Any) -> Callable[[Floor], None]:
    """Change every row of a model behind the services' back, as time or an accident would."""
    return lambda floor: model.objects.update(**fields)


def hold_the_printer(floor: Floor) -> None:
    hold_printer(printer_id=floor.printer.pk, actor=floor.staff[Role.QAR].actor, reason="noise")


def requalify(floor: Floor) -> None:
    require_requalification(printer_id=floor.printer.pk, actor=floor.staff[Role.QAR].actor, reason="moved")


def empty(floor: Floor) -> None:
    Container.objects.update(remaining=Decimal("0.5"))


def hold_device(floor: Floor) -> None:
    Device.objects.update(held=True, hold_reason="question")


def another_lot(floor: Floor) -> None:
    """A container of another released lot is put on, behind the reservation's back."""
    other = make_released_lot(floor.staff)
    Printer.objects.filter(pk=floor.printer.pk).update(container=container_of(other))


def cut_the_file(floor: Floor) -> None:
    path = artefact_path(floor.build.file_id or "")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-10])


def withdraw(find: Callable[[Floor], Signature | None]) -> Callable[[Floor], None]:
    """Whoever gave a signature takes it back."""

    def spoil(floor: Floor) -> None:
        signature = find(floor)
        assert signature is not None
        take_back(signature, (Actor.person(signature.person_id), Credentials(signature.username, PASSWORD)))

    return spoil


BLOCKED: dict[str, tuple[str, Callable[[Floor], None]]] = {
    "lot on hold": ("G-MAT-01", hold),
    "lot expires": ("G-MAT-02", changed(MaterialLot, expires_on=timezone.localdate() - timedelta(days=1))),
    "certificate changed": ("G-MAT-03", changed(MaterialLot, certificate=[])),
    "too little left": ("G-MAT-06", empty),
    "printer held": ("G-PRN-01", hold_the_printer),
    "requalification": ("G-PRN-01", requalify),
    "qualification over": (
        "G-PRN-01",
        changed(Printer, qualified_until=timezone.localdate() - timedelta(days=1)),
    ),
    "calibration over": ("G-PRN-02", changed(Printer, calibrated_until=None)),
    "another serial": ("G-PRN-01", changed(Printer, reported={"serial": "STOLEN-9999"})),
    "another model": ("G-PRN-01", changed(Printer, reported={"model": "FDM 9000", "serial": ""})),
    "firmware": ("G-PRN-05", changed(Printer, firmware="other")),
    "not cleared": ("G-PRN-06", changed(Printer, clearance_needed="something lies on it")),
    "stale": ("G-PRN-07", changed(PrinterContact, heard_at=timezone.now() - timedelta(minutes=1))),
    "never heard": ("G-PRN-07", changed(PrinterContact, heard_at=None)),
    "offline": ("G-PRN-07", changed(Printer, link=Link.DOWN, operation=Operation.OFFLINE)),
    "unknown": ("G-PRN-07", changed(Printer, operation=Operation.UNKNOWN)),
    "busy": ("G-PRN-07", changed(Printer, operation=Operation.PRINTING)),
    "foreign run": ("G-PRN-07", changed(Printer, foreign_run="panel")),
    "device held": ("G-BLD-01", hold_device),
    "file altered": ("G-INT-01", cut_the_file),
    "release of the lot": ("G-MAT-01", withdraw(lambda floor: floor.lot.release_signature)),
    "approval of the parameters": ("G-BLD-01", withdraw(lambda floor: floor.build.parameters.signature)),
    "installation": (
        "G-PRN-01",
        withdraw(lambda floor: qualification_signatures(floor.printer)["installation"]),
    ),
    "triple": ("G-PRN-04", withdraw(lambda floor: floor.printer.triples.get().signature)),
}


@pytest.mark.requirement("G-MAT-01")
@pytest.mark.requirement("G-MAT-02")
@pytest.mark.requirement("G-MAT-03")
@pytest.mark.requirement("G-MAT-06")
@pytest.mark.requirement("G-PRN-01")
@pytest.mark.requirement("G-PRN-02")
@pytest.mark.requirement("G-PRN-05")
@pytest.mark.requirement("G-PRN-06")
@pytest.mark.requirement("G-PRN-07")
@pytest.mark.parametrize("case", BLOCKED)
def test_each_gate_blocks_the_dispatch_the_start_and_its_sending(floor: Floor, case: str) -> None:
    rule, spoil = BLOCKED[case]
    job = floor.dispatch()
    command = start_job(job_id=job.pk, actor=floor.operator)
    spoil(floor)
    assert take_command(command_id=command.pk, epoch=take_lease(UUID(int=1)) or 0, actor=FLEET) is None
    command.refresh_from_db()
    assert (command.state, rule in command.answer) == (CommandState.WITHDRAWN, True)
    assert refreshed(job).state == JobState.CLAIMED
    assert refreshed(job).reason == command.answer
    with pytest.raises(TransitionRefused) as refusal:
        start_job(job_id=job.pk, actor=floor.operator)
    assert rule in rules(refusal)
    assert all(reason.cure for reason in refusal.value.reasons)
    assert "could not be evaluated" not in str(refusal.value)
    assert PrinterCommand.objects.get() == command

    floor.printer.refresh_from_db()
    asked = ask_gates("job.dispatch", placement(floor.build, floor.printer), actor=floor.operator)
    assert rule in {result.gate for result in asked if not result.passed}


def test_all_gates_pass_on_a_good_floor(floor: Floor) -> None:
    job = floor.dispatch()
    results = ask_gates("job.start", placement(job.build, job.printer, job), actor=floor.operator)
    assert [result for result in results if not result.passed] == []
    assert {result.gate for result in results} >= {"G-MAT-08", "G-OPR-02", "G-SIG-01", "G-PRN-04"}


@pytest.mark.requirement("G-MAT-08")
def test_another_lot_than_the_reserved_one_is_not_printed(floor: Floor) -> None:
    job = floor.dispatch()
    another_lot(floor)
    with pytest.raises(TransitionRefused) as refusal:
        start_job(job_id=job.pk, actor=floor.operator)
    assert rules(refusal) == {"G-MAT-08"}
    with pytest.raises(TransitionRefused) as refusal:
        floor.load(make_released_lot(floor.staff))
    assert rules(refusal) == {"G-MAT-08"}


@pytest.mark.requirement("G-PRN-04")
def test_an_unqualified_triple_is_not_printed(floor: Floor) -> None:
    other = make_parameters(floor.staff)
    stranger = make_printer(floor.staff, other)
    floor.load(make_released_lot(floor.staff), stranger)
    hear(stranger, idle())
    with pytest.raises(TransitionRefused) as refusal:
        floor.dispatch(printer=stranger)
    assert "G-PRN-04" in rules(refusal)
    assert not PrintJob.objects.exists()


@pytest.mark.requirement("G-MAT-07")
def test_another_material_is_not_printed(floor: Floor) -> None:
    Printer.objects.update(container=None)
    with pytest.raises(TransitionRefused) as refusal:
        floor.dispatch()
    assert {"G-MAT-01", "G-MAT-07"} <= rules(refusal)


@pytest.mark.requirement("G-OPR-02")
def test_only_an_operator_starts(floor: Floor) -> None:
    job = floor.dispatch()
    with pytest.raises(NotPermitted):
        start_job(job_id=job.pk, actor=floor.staff[Role.BLD].actor)
    assert refreshed(job).state == JobState.CLAIMED


def test_without_any_printer_of_the_kind_the_reason_is_said() -> None:
    staff = Staff()
    build = make_build(staff)
    verify_build(build_id=build.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())
    floor = Floor.__new__(Floor)
    floor.staff = staff
    with pytest.raises(TransitionRefused, match="No printer of kind"):
        floor.dispatch(build)


# --- builds


@pytest.mark.requirement("G-SOD-01")
def test_who_made_a_build_does_not_verify_it() -> None:
    staff = Staff()
    build = make_build(staff)
    who = staff[Role.BLD]
    with pytest.raises(NotPermitted) as refusal:
        verify_build(build_id=build.pk, actor=who.actor, credentials=who.typed())
    assert rules(refusal) == {"G-SOD-01"}


@pytest.mark.requirement("G-BLD-01")
def test_a_build_of_another_mesh_than_the_frozen_one_is_not_verified() -> None:
    staff = Staff()
    build = make_build(staff)
    build.items.update(mesh_sha256="0" * 64)
    with pytest.raises(TransitionRefused) as refusal:
        verify_build(build_id=build.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())
    assert rules(refusal) == {"G-BLD-01"}
    build.refresh_from_db()
    assert build.state == BuildState.PREPARED


@pytest.mark.requirement("G-BLD-01")
def test_a_changed_parameter_set_is_not_verified() -> None:
    staff = Staff()
    build = make_build(staff)
    ParameterSet.objects.update(values={**build.parameters.values, "exposure_s": 9.0})
    with pytest.raises(TransitionRefused) as refusal:
        verify_build(build_id=build.pk, actor=staff[Role.QCM].actor, credentials=staff[Role.QCM].typed())
    assert rules(refusal) == {"G-BLD-01"}


@pytest.mark.requirement("G-DES-02")
def test_only_frozen_devices_with_a_standing_approval_go_on_a_plate() -> None:
    staff = Staff()
    parameters, device = make_parameters(staff), frozen_device(staff)
    Device.objects.filter(pk=device.pk).update(serial="ANOTHER1")
    for change in ({"held": True, "hold_reason": "question"}, {"held": False, "stage": Stage.PLANNED}):
        Device.objects.filter(pk=device.pk).update(**change)
        with pytest.raises(TransitionRefused) as refusal:
            _create(staff, parameters, device)
        assert "G-DES-02" in rules(refusal)


@pytest.mark.requirement("G-BLD-01")
def test_a_device_is_in_one_build_at_a_time_and_free_after_a_cancel() -> None:
    staff = Staff()
    build = make_build(staff)
    device = build.items.get().device
    with pytest.raises(TransitionRefused) as refusal:
        _create(staff, build.parameters, device)
    assert "G-BLD-01" in rules(refusal)
    cancel_build(build_id=build.pk, actor=staff[Role.BLD].actor, reason="changed plans")
    _create(staff, build.parameters, device)


def test_unapproved_parameters_and_strange_devices_are_refused() -> None:
    staff = Staff()
    draft, device = make_parameters(staff, approved=False), frozen_device(staff)
    with pytest.raises(InvalidInput):
        _create(staff, draft, device)
    good = make_parameters(staff)
    for keys in ([], [device.pk, device.pk], [999_999]):
        with pytest.raises(InvalidInput):
            create_build(device_ids=keys, printer_kind=KIND, parameters=good.pk, actor=staff[Role.BLD].actor)


def _create(staff: Staff, parameters: ParameterSet, device: Device) -> None:
    create_build(
        device_ids=[device.pk],
        printer_kind=KIND,
        parameters=parameters.pk,
        actor=staff[Role.BLD].actor,
    )


# --- printers


@pytest.mark.requirement("G-PRN-01")
def test_a_printer_is_qualified_step_by_step_by_somebody_else() -> None:
    staff = Staff()
    parameters, printer = make_parameters(staff), make_printer(staff)
    who = staff[Role.QAR]
    with pytest.raises(TransitionRefused):
        qualify_printer(
            printer_id=printer.pk,
            parameters=[parameters.pk],
            valid_until=in_days(9),
            actor=who.actor,
            credentials=who.typed(),
        )
    with pytest.raises(TransitionRefused):
        approve_printer_step(
            printer_id=printer.pk, step="operation", actor=who.actor, credentials=who.typed()
        )
    qualify(printer, parameters, staff)
    printer.refresh_from_db()
    assert printer.qualification == "qualified"
    assert printer.triples.count() == 1


def test_unknown_drivers_and_doubles_are_not_registered() -> None:
    staff = Staff()
    printer = make_printer(staff)
    changes: list[dict[str, Any]] = [{"driver": "acme"}, {"name": ""}, {"name": printer.name}]
    for fields in (*changes, {"serial": printer.serial}):
        with pytest.raises(Refused):
            make_printer(staff, **fields)
    assert Printer.objects.count() == 1
    with pytest.raises(NotPermitted):
        register_printer(name="x", kind="k", serial="s", driver="simulated", actor=staff[Role.OPR].actor)


# --- the end of a print


@pytest.mark.requirement("G-PRT-01")
@pytest.mark.parametrize("fields", [{"digest": "f" * 64}, {"layer": 3}])
def test_another_digest_or_missing_layers_wait_for_quality(floor: Floor, fields: dict[str, Any]) -> None:
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    send(floor.printer)
    layers = floor.build.layer_count or 0
    hear(floor.printer, runs(job, Run.PRINTING, **fields))
    hear(floor.printer, runs(job, Run.FINISHED, **{"layer": layers, **fields}))
    ended = refreshed(job)
    assert (ended.state, ended.build.state) == (JobState.FINISHED, BuildState.INTERRUPTED)
    who = floor.staff[Role.QAR]
    decide_interruption(
        build_id=floor.build.pk,
        accept=False,
        actor=who.actor,
        credentials=who.typed(),
        reason="not what was verified",
    )
    assert refreshed(job).build.state == BuildState.FAILED


@pytest.mark.requirement("G-PRT-01")
def test_a_pause_that_nobody_decided_waits_for_quality(floor: Floor) -> None:
    job = floor.start()
    hear(floor.printer, runs(job, Run.PAUSED))
    resume_job(job_id=job.pk, actor=floor.operator, reason="went on")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.PRINTING))
    ended = floor.finish(job)
    assert [(stop["decided"], stop["resumed"]) for stop in ended.interruptions] == [(False, "went on")]
    assert ended.build.state == BuildState.INTERRUPTED
    who = floor.staff[Role.QAR]
    decide_interruption(
        build_id=floor.build.pk, accept=True, actor=who.actor, credentials=who.typed(), reason="looked at it"
    )
    assert refreshed(job).build.state == BuildState.COMPLETED


def test_a_pause_on_request_needs_no_decision(floor: Floor) -> None:
    job = floor.start()
    pause_job(job_id=job.pk, actor=floor.operator, reason="a noise")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.PAUSED))
    resume_job(job_id=job.pk, actor=floor.operator, reason="nothing")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.PRINTING))
    assert floor.finish(job).build.state == BuildState.COMPLETED
    assert set(PrinterCommand.objects.values_list("state", flat=True)) == {"confirmed"}


@pytest.mark.requirement("G-PRN-01", "G-MAT-01", "G-NC-01", "G-DES-02")
def test_a_print_is_not_resumed_while_something_it_stands_on_is_held_or_withdrawn(floor: Floor) -> None:
    job = floor.start()
    pause_job(job_id=job.pk, actor=floor.operator, reason="a noise")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.PAUSED))
    asked = resume_job(job_id=job.pk, actor=floor.operator, reason="nothing")
    hold_the_printer(floor)
    assert take_command(command_id=asked.pk, epoch=take_lease(UUID(int=1)) or 0, actor=FLEET) is None
    asked.refresh_from_db()
    assert (asked.state, "noise" in asked.answer) == (CommandState.WITHDRAWN, True)
    hold(floor)
    hold_device(floor)
    withdraw(lambda floor: Design.objects.get(device__build_items__build=floor.build).approval)(floor)
    with pytest.raises(TransitionRefused) as refusal:
        resume_job(job_id=job.pk, actor=floor.operator, reason="nothing")
    assert rules(refusal) == {"G-PRN-01", "G-MAT-01", "G-NC-01", "G-DES-02"}
    assert refreshed(job).state == JobState.PAUSED
    cancel_job(job_id=job.pk, actor=floor.operator, reason="not on a held printer")


@pytest.mark.requirement("G-PRN-06")
def test_the_next_job_waits_until_the_plate_is_clear(floor: Floor) -> None:
    job = floor.start()
    with pytest.raises(TransitionRefused) as refusal:
        confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)
    assert "G-PRN-06" in rules(refusal)
    floor.finish(job)
    hear(floor.printer, idle())
    floor.lot.refresh_from_db()
    results = ask_gates("job.dispatch", placement(floor.build, Printer.objects.get()), actor=floor.operator)
    assert "G-PRN-06" in {result.gate for result in results if not result.passed}
    confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)
    results = ask_gates("job.dispatch", placement(floor.build, Printer.objects.get()), actor=floor.operator)
    assert "G-PRN-06" not in {result.gate for result in results if not result.passed}
    with pytest.raises(TransitionRefused, match="clear already"):
        confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)


def test_a_claim_is_given_back(floor: Floor) -> None:
    job = floor.dispatch()
    cancel_job(job_id=job.pk, actor=floor.operator, reason="another first")
    assert (refreshed(job).state, refreshed(job).build.state) == (JobState.CANCELLED, BuildState.VERIFIED)


def test_a_build_whose_start_was_not_sent_is_cancelled(floor: Floor) -> None:
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    cancel_job(job_id=job.pk, actor=floor.operator, reason="wait")
    assert refreshed(job).state == JobState.CANCELLED
    assert PrinterCommand.objects.get().state == "withdrawn"


@pytest.mark.requirement("G-PRN-06")
@pytest.mark.parametrize("asked", [False, True])
def test_a_claim_withdrawn_before_the_start_needs_no_clear_plate(floor: Floor, asked: bool) -> None:
    """Nothing was sent: the plate is as clear as it was, and the next job may have the printer at once."""
    job = floor.dispatch()
    if asked:
        start_job(job_id=job.pk, actor=floor.operator)
    cancel_job(job_id=job.pk, actor=floor.operator, reason="another first")
    printer = Printer.objects.get()
    assert (printer.clearance_needed, list(plates_to_clear())) == ("", [])
    assert refreshed(job).plate_cleared_at is None
    with pytest.raises(TransitionRefused, match="clear already"):
        confirm_plate_clear(printer_id=printer.pk, actor=floor.operator)
    again = floor.dispatch()
    assert (again.pk != job.pk, again.printer_id) == (True, printer.pk)


@pytest.mark.requirement("G-PRN-06")
def test_a_claim_withdrawn_after_the_start_was_sent_needs_a_clear_plate(floor: Floor) -> None:
    """The machine says that it refused; whether it moved is for a person to see."""
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    send(floor.printer, accepted=False, text="the lid is open")
    cancel_job(job_id=job.pk, actor=floor.operator, reason="another first")
    assert refreshed(job).state == JobState.CANCELLED
    assert Printer.objects.get().clearance_needed == f"{job.code} was sent to it"
    assert [printer.pk for printer in plates_to_clear()] == [floor.printer.pk]
    with pytest.raises(TransitionRefused) as refusal:
        floor.dispatch()
    assert rules(refusal) == {"G-PRN-06"}
    confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)
    assert list(plates_to_clear()) == []
    assert floor.dispatch().printer_id == floor.printer.pk


@pytest.mark.requirement("G-PRN-06")
def test_a_print_cancelled_after_it_began_needs_a_clear_plate(floor: Floor) -> None:
    job = floor.start()
    cancel_job(job_id=job.pk, actor=floor.operator, reason="wrong resin")
    send(floor.printer)
    hear(floor.printer, runs(job, Run.CANCELLED))
    hear(floor.printer, idle())
    assert refreshed(job).state == JobState.CANCELLED
    assert Printer.objects.get().clearance_needed
    assert [printer.pk for printer in plates_to_clear()] == [floor.printer.pk]


@pytest.mark.requirement("G-INT-01")
def test_an_item_edited_behind_the_back_of_its_build_is_found_by_verify() -> None:
    build = make_build()
    assert list(check_covered()) == []
    build.items.update(mesh_sha256="0" * 64)
    where = f"printing.build/{build.pk}: the rows under it differ from its digest"
    assert list(check_covered()) == [Bad("covered rows", where)]
    assert verify(keys={}, witness=None).first_bad == asdict(Bad("covered rows", where))
