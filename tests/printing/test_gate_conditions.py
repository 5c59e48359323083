"""Each single condition of a gate of printing blocks by itself: with everything else as it should be."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from devices.choices import Stage
from devices.models import Design, Device
from mes.choices import Role
from mes.eventlog.base import Actor, digest_of
from mes.exceptions import TransitionRefused
from mes.lifecycle import ask_gates
from mes.models import Person
from mes.services.artefacts import artefact_path
from printing.choices import BuildState, CommandKind, JobState, Link, Run
from printing.models import (
    Build,
    Container,
    MaterialLot,
    ParameterSet,
    Printer,
    PrinterCommand,
    PrintJob,
)
from printing.selectors.builds import items_content
from printing.selectors.jobs import decisions_about, placement
from printing.services.jobs import confirm_plate_clear
from printing.services.loading import Loading, load_container
from tests.devices.makers import CLINICAL, Staff, make_master, make_material, make_segmentation
from tests.printing.makers import (
    VALUES,
    Floor,
    container_of,
    frozen_device,
    in_days,
    make_build,
    make_lot,
    make_parameters,
    make_printer,
    make_released_lot,
)

pytestmark = pytest.mark.django_db


def blocking(asked: str, subject: Any, actor: Actor) -> set[str]:
    return {result.gate for result in ask_gates(asked, subject, actor=actor) if not result.passed}


def at_start(floor: Floor, job: PrintJob, actor: Actor | None = None) -> set[str]:
    build, printer = Build.objects.get(pk=job.build_id), Printer.objects.get(pk=job.printer_id)
    job = PrintJob.objects.get(pk=job.pk)
    return blocking("job.start", placement(build, printer, job), actor or floor.operator)


def changed(model: Any, **fields: Any) -> Callable[[Floor], None]:
    return lambda floor: model.objects.update(**fields)


def a_print_of_three_days(floor: Floor) -> None:
    """The lot, and everything else, is good today."""
    Build.objects.update(print_seconds=3 * 86400.0)
    MaterialLot.objects.update(expires_on=in_days(1))


def no_margin(floor: Floor) -> None:
    Container.objects.update(remaining=floor.build.material_ml)


def another_material(floor: Floor) -> None:
    MaterialLot.objects.update(material=make_material("resin-guide-01", code="resin-other"))


def retired(floor: Floor) -> None:
    ParameterSet.objects.update(state="retired")


def open_command(floor: Floor) -> None:
    PrinterCommand.objects.create(
        printer=floor.printer, job=PrintJob.objects.get(), kind=CommandKind.PAUSE, requested_by="test"
    )


CONDITIONS: dict[str, tuple[str, Callable[[Floor], None]]] = {
    "expires before the print ends": ("G-MAT-02", a_print_of_three_days),
    "no margin": ("G-MAT-06", no_margin),
    "no material at all": ("G-MAT-06", changed(Build, material_ml=0.0)),
    "another material": ("G-MAT-07", another_material),
    "another kind of printer": ("G-PRN-01", changed(Printer, kind="other")),
    "calibration over": ("G-PRN-02", changed(Printer, calibrated_until=in_days(-1))),
    "qualified with other values": ("G-PRN-04", changed(Build, parameters_digest="0" * 64)),
    "qualified for less than the print takes": ("G-PRN-04", changed(Build, print_seconds=200 * 86400.0)),
    "link down": ("G-PRN-07", changed(Printer, link=Link.DOWN)),
    "a command is open": ("G-PRN-07", open_command),
    "parameters retired": ("G-BLD-01", retired),
    "device elsewhere": ("G-BLD-01", changed(Device, stage=Stage.IN_BUILD)),
    "build changed after its verification": ("G-SIG-01", changed(Build, layer_count=1)),
}


@pytest.mark.requirement("G-MAT-02", "G-MAT-06", "G-MAT-07")
@pytest.mark.requirement("G-PRN-01", "G-PRN-02", "G-PRN-04", "G-PRN-07")
@pytest.mark.requirement("G-BLD-01", "G-SIG-01")
@pytest.mark.parametrize("case", CONDITIONS)
def test_one_condition_that_fails_keeps_the_print_from_starting(floor: Floor, case: str) -> None:
    rule, spoil = CONDITIONS[case]
    job = floor.dispatch()
    assert at_start(floor, job) == set()
    spoil(floor)
    assert rule in at_start(floor, job)


@pytest.mark.requirement("G-OPR-02")
def test_only_an_active_operator_starts_a_print(floor: Floor) -> None:
    job = floor.dispatch()
    assert at_start(floor, job, floor.staff[Role.BLD].actor) == {"G-OPR-02"}
    Person.objects.filter(pk=floor.staff[Role.OPR].person.pk).update(active=False)
    assert at_start(floor, job) == {"G-OPR-02"}


# --- builds


@pytest.mark.requirement("G-SOD-01")
def test_nobody_approves_what_they_wrote_or_registered() -> None:
    staff = Staff()
    parameters, printer = make_parameters(staff, approved=False), make_printer(staff)
    author, registrar, other = (staff[role].actor for role in (Role.BLD, Role.CAL, Role.QAR))
    assert blocking("parameters.approve", parameters, author) == {"G-SOD-01"}
    assert blocking("parameters.approve", parameters, other) == set()
    for step in ("approve_installation", "approve_operation", "qualify"):
        assert "G-SOD-01" in blocking(f"printer.{step}", printer, registrar)
        assert "G-SOD-01" not in blocking(f"printer.{step}", printer, other)


def creating(staff: Staff, parameters: ParameterSet, *devices: Device) -> set[str]:
    found = ask_gates("build.create", list(devices), actor=staff[Role.BLD].actor, parameters=parameters)
    return {result.gate for result in found if not result.passed}


@pytest.mark.requirement("G-BLD-02", "G-MAT-07", "G-DES-02")
def test_what_goes_on_one_plate_is_of_one_use_one_material_and_as_approved() -> None:
    staff = Staff()
    parameters, one, two = make_parameters(staff), frozen_device(staff), frozen_device(staff)
    assert creating(staff, parameters, one, two) == set()
    for name, value in (("held", True), ("stage", Stage.PLANNED), ("current_design", None)):
        odd = Device.objects.get(pk=two.pk)
        setattr(odd, name, value)
        assert creating(staff, parameters, one, odd) == {"G-DES-02"}
    two.material = make_material("resin-guide-01", code="resin-other")
    assert "G-MAT-07" in creating(staff, parameters, one, two)
    two.refresh_from_db()
    two.master = make_master(CLINICAL)
    assert "G-BLD-02" in creating(staff, parameters, one, two)
    Design.objects.filter(device=one).update(values={"thickness_mm": 2.0})
    assert creating(staff, parameters, Device.objects.get(pk=one.pk)) == {"G-DES-02"}
    two.refresh_from_db()
    make_segmentation(two, staff)
    assert creating(staff, parameters, two) == {"G-SEG-01"}


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.parametrize(
    "case", ["moved", "not placed", "parameters retired", "another mesh", "another bone"]
)
def test_a_plate_that_is_not_what_was_frozen_is_not_verified(case: str) -> None:
    build = make_build(staff := Staff())
    assert blocking("build.verify", build, staff[Role.QCM].actor) == set()
    if case == "another bone":
        make_segmentation(Device.objects.get(), staff)
        assert blocking("build.verify", build, staff[Role.QCM].actor) == {"G-SEG-01"}
        return
    if case == "moved":
        build.items.update(transform=[[2.0]])
    elif case == "parameters retired":
        ParameterSet.objects.update(state="retired")
    else:
        fields: dict[str, Any] = {"transform": None} if case == "not placed" else {"mesh_sha256": "0" * 64}
        build.items.update(**fields)
        Build.objects.filter(pk=build.pk).update(items_digest=digest_of(items_content(build)))
    fresh = Build.objects.get(pk=build.pk)
    assert blocking("build.verify", fresh, staff[Role.QCM].actor) == {"G-BLD-01"}


@pytest.mark.requirement("G-BLD-01")
def test_a_build_that_is_not_the_whole_of_its_parts_is_not_verified() -> None:
    """As one that was prepared before the slicer looked: each figure by itself, with everything else as it should be."""
    build, who = make_build(staff := Staff()), staff[Role.QCM].actor
    sound = {name: getattr(build, name) for name in ("areas_mm2", "layer_count", "volume_ml", "material_ml")}
    spoilt: dict[str, dict[str, Any]] = {
        "The layers hold 0.000 mL; the parts are 1.500": {"areas_mm2": [0.0], "layer_count": 1},
        "The layers hold 1.350 mL": {"areas_mm2": [300.0] * 9, "layer_count": 9},
        "Not each of the 11 layers": {"areas_mm2": [300.0] * 5 + [0.0] + [300.0] * 5, "layer_count": 11},
        "volume_ml is 0.0": {"volume_ml": 0.0},
        "material_ml is 0.0": {"material_ml": 0.0},
        "a problem": {"problems": [{"text": "a problem", "cure": "mend it", "rule": ""}]},
    }
    for words, fields in spoilt.items():
        Build.objects.filter(pk=build.pk).update(**{**sound, "problems": [], **fields})
        found = ask_gates("build.verify", Build.objects.get(pk=build.pk), actor=who)
        wrong = [result for result in found if not result.passed]
        assert {(result.gate, words in result.reason) for result in wrong} == {("G-BLD-01", True)}, words
        assert all(result.cure for result in wrong)
    Build.objects.filter(pk=build.pk).update(**sound, problems=[])
    Design.objects.update(features=[{"inner_diameter_mm": 0.4}])
    (coarse,) = [r for r in ask_gates("build.verify", build, actor=who) if not r.passed]
    assert "bore 1 of the design of 0.40 mm spans fewer than 2 layers of 0.5 mm" in coarse.reason


@pytest.mark.requirement("G-BLD-01")
def test_a_bore_finer_than_two_pixels_is_a_problem_of_the_build() -> None:
    staff = Staff()
    parameters = make_parameters(staff, values=VALUES | {"layer_height_mm": 0.05, "pixel_mm": 1.0})
    build = make_build(staff, parameters=parameters)
    assert (build.state, build.file_id, build.material_ml) == (BuildState.UNPREPARED, None, None)
    (problem,) = build.problems
    assert problem["text"].endswith("the thinnest wall of 1.50 mm spans fewer than 2 pixels of 1 mm.")
    assert (problem["cure"], problem["rule"]) == ("Take pixels of 0.750 mm or less.", "G-BLD-01")
    assert problem["text"].startswith(build.items.get().device.code)


# --- loading and clearing


@pytest.mark.requirement("G-MAT-08")
def test_nothing_is_loaded_while_a_print_runs(floor: Floor) -> None:
    job = floor.start()
    assert job.state == JobState.PRINTING
    with pytest.raises(TransitionRefused, match="is printing on"):
        load_container(
            printer_id=floor.printer.pk,
            scanned_code=container_of(make_released_lot(floor.staff)).label,
            actor=floor.operator,
        )


@pytest.mark.requirement("G-MAT-06")
def test_an_empty_container_is_not_loaded() -> None:
    staff = Staff()
    container, printer = container_of(make_released_lot(staff)), make_printer(staff)
    assert blocking("printer.load", Loading(printer, container), staff[Role.OPR].actor) == set()
    container.remaining = Decimal(0)
    assert blocking("printer.load", Loading(printer, container), staff[Role.OPR].actor) == {"G-MAT-06"}


@pytest.mark.requirement("G-INT-01")
def test_a_lot_whose_certificate_was_altered_is_not_released() -> None:
    lot = make_lot(staff := Staff(), certificate_file=b"a certificate of its own")
    path = artefact_path(lot.certificate_file_id or "")
    path.chmod(0o600)
    path.write_bytes(b"another certificate")
    assert blocking("lot.release", lot, staff[Role.QCM].actor) == {"G-INT-01"}


@pytest.mark.requirement("G-PRT-01")
def test_a_print_that_was_not_heard_for_a_while_waits_for_quality(floor: Floor) -> None:
    job = floor.start()
    PrintJob.objects.filter(pk=job.pk).update(gaps=[{"since": "then", "until": "now"}])
    assert floor.finish(job).build.state == BuildState.INTERRUPTED


@pytest.mark.requirement("G-PRN-06")
@pytest.mark.parametrize("case", ["moving", "command"])
def test_a_plate_is_not_clear_while_something_moves_or_may(floor: Floor, case: str) -> None:
    job = floor.finish(floor.start())
    if case == "moving":
        Printer.objects.filter(pk=floor.printer.pk).update(run=Run.PRINTING)
    else:
        open_command(floor)
    with pytest.raises(TransitionRefused) as refusal:
        confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)
    assert {reason.rule for reason in refusal.value.reasons} == {"G-PRN-06"}
    assert PrintJob.objects.get(pk=job.pk).plate_cleared_at is None


@pytest.mark.requirement("G-PRN-06")
def test_the_plate_of_a_job_that_has_not_ended_is_not_clear(floor: Floor) -> None:
    """Though the machine stands still and has no command."""
    floor.dispatch()
    with pytest.raises(TransitionRefused, match="Wait until it ends"):
        confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)


def test_what_a_person_decides_about_a_print_is_not_left_to_the_printer(floor: Floor) -> None:
    job = floor.start()
    device = job.build.items.get().device
    assert decisions_about([device.pk]) == {}
    PrintJob.objects.filter(pk=job.pk).update(state=JobState.PAUSED)
    assert decisions_about([device.pk]) == {device.pk: "A decision: its print stands still"}
    PrintJob.objects.filter(pk=job.pk).update(state=JobState.UNCERTAIN)
    assert "Somebody looks at the printer" in decisions_about([device.pk])[device.pk]
