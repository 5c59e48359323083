"""The fleet drives simulated machines: what it hears, sends, and makes of each fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mes.eventlog.base import Actor
from mes.selectors import events_of
from printing.choices import BuildState, CommandState, JobState, Operation
from printing.models import Printer, PrinterCommand, PrintJob
from printing.services.commands import settle_command
from printing.services.fleet.connections import simulate_fault
from printing.services.jobs import (
    cancel_job,
    confirm_plate_clear,
    pause_job,
    resume_job,
    settle_job,
    start_job,
)
from tests.printing.conftest import Running, until
from tests.printing.makers import Floor, make_printer, refreshed

TESTER = Actor.system("test")
FAST = 400.0
"""Machine seconds for each second of the wall: heating takes 250, the print about 100."""


@pytest.fixture
def floor(committed_db: None) -> Floor:
    floor = Floor()
    floor.printer.connection = {"speed": FAST}
    floor.printer.save(update_fields=["connection"])
    return floor


def strike(printer: Printer, fault: str) -> None:
    simulate_fault(printer_id=printer.pk, fault=fault, actor=TESTER)


def is_now(job: PrintJob, state: JobState) -> None:
    until(lambda: refreshed(job).state == state)


def shows(printer: Printer, operation: Operation) -> None:
    until(lambda: Printer.objects.get(pk=printer.pk).operation == operation)


def commands_done(machines: Path, printer: Printer) -> list[str]:
    """What the machine itself was told, as it remembers."""
    state = json.loads((machines / f"{printer.code}.json").read_text())
    return [line.split()[0] for line in state["commands"]]


def started(floor: Floor) -> PrintJob:
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    is_now(job, JobState.PRINTING)
    return refreshed(job)


def test_a_print_runs_to_its_end_and_the_plate_is_cleared(
    floor: Floor, fleet: Running, machines: Path
) -> None:
    with fleet():
        job = started(floor)
        is_now(job, JobState.FINISHED)
        ended = refreshed(job)
        assert ended.build.state == BuildState.COMPLETED
        assert ended.layers_done == ended.build.layer_count
        assert ended.file_digest_seen == ended.build.plate_digest
        shows(floor.printer, Operation.FINISHED)
        confirm_plate_clear(printer_id=floor.printer.pk, actor=floor.operator)
        shows(floor.printer, Operation.IDLE)
        until(lambda: not PrinterCommand.objects.exclude(state=CommandState.CONFIRMED).exists())
    assert commands_done(machines, floor.printer) == ["start", "clear"]


def test_pause_resume_and_cancel_are_observed(floor: Floor, fleet: Running) -> None:
    floor.printer.connection = {"speed": 20.0}
    floor.printer.save(update_fields=["connection"])
    with fleet():
        job = started(floor)
        pause_job(job_id=job.pk, actor=floor.operator, reason="look")
        is_now(job, JobState.PAUSED)
        until(lambda: PrinterCommand.objects.filter(kind="pause", state="confirmed").exists())
        resume_job(job_id=job.pk, actor=floor.operator, reason="fine")
        is_now(job, JobState.PRINTING)
        until(lambda: PrinterCommand.objects.filter(kind="resume", state="confirmed").exists())
        cancel_job(job_id=job.pk, actor=floor.operator, reason="wrong vat")
        is_now(job, JobState.CANCELLED)
    assert refreshed(job).build.state == BuildState.FAILED


def test_a_fleet_that_dies_only_hears_late(floor: Floor, fleet: Running) -> None:
    with fleet():
        job = started(floor)
    until(lambda: refreshed(job).state == JobState.PRINTING)
    with fleet():
        is_now(job, JobState.FINISHED)
    assert refreshed(job).observed_late or refreshed(job).layers_done == job.build.layer_count


def test_lost_ack_is_uncertain_and_never_sent_again(floor: Floor, fleet: Running, machines: Path) -> None:
    strike(floor.printer, "lost_ack")
    with fleet():
        job = floor.dispatch()
        command = start_job(job_id=job.pk, actor=floor.operator)
        is_now(job, JobState.UNCERTAIN)
        until(lambda: bool(PrinterCommand.objects.get(pk=command.pk).evidence))
        assert PrinterCommand.objects.get(pk=command.pk).state == CommandState.UNCERTAIN
        simulate_fault(printer_id=floor.printer.pk, fault="", actor=TESTER)
    with fleet():
        settle_command(command_id=command.pk, happened=True, actor=floor.operator, reason="it prints")
        is_now(job, JobState.FINISHED)
    assert commands_done(machines, floor.printer) == ["start"]
    names = list(events_of(command).values_list("type", flat=True))
    assert [name.removeprefix("printing.printer_command_") for name in names] == [
        "requested",
        "sent",
        "uncertain",
        "read_back",
        "confirmed",
    ]


def test_lost_command_is_given_back_by_a_person(floor: Floor, fleet: Running, machines: Path) -> None:
    strike(floor.printer, "lost_command")
    with fleet():
        job = floor.dispatch()
        command = start_job(job_id=job.pk, actor=floor.operator)
        is_now(job, JobState.UNCERTAIN)
        until(lambda: bool(PrinterCommand.objects.get(pk=command.pk).evidence))
        simulate_fault(printer_id=floor.printer.pk, fault="", actor=TESTER)
        settle_command(command_id=command.pk, happened=False, actor=floor.operator, reason="it stands idle")
        assert refreshed(job).state == JobState.CLAIMED
        start_job(job_id=job.pk, actor=floor.operator)
        is_now(job, JobState.FINISHED)
    assert commands_done(machines, floor.printer) == ["start"]


def test_refused_start_gives_the_claim_back(floor: Floor, fleet: Running) -> None:
    strike(floor.printer, "refuses_start")
    with fleet():
        job = floor.dispatch()
        command = start_job(job_id=job.pk, actor=floor.operator)
        until(lambda: PrinterCommand.objects.get(pk=command.pk).state == CommandState.REFUSED)
    assert refreshed(job).state == JobState.CLAIMED
    assert "lid is open" in refreshed(job).reason
    assert refreshed(job).build.state == BuildState.SCHEDULED


def test_lies_idle_makes_a_print_uncertain(floor: Floor, fleet: Running) -> None:
    with fleet():
        job = started(floor)
        strike(floor.printer, "lies_idle")
        is_now(job, JobState.UNCERTAIN)
        settle_job(job_id=job.pk, outcome="failed", actor=floor.operator, reason="stopped it by hand")
    assert refreshed(job).build.state == BuildState.FAILED


def test_no_finish_is_uncertain_not_finished(floor: Floor, fleet: Running) -> None:
    strike(floor.printer, "no_finish")
    with fleet():
        job = started(floor)
        is_now(job, JobState.UNCERTAIN)
    assert refreshed(job).build.state == BuildState.STARTED


def test_thermal_fault_fails_the_print_in_the_machines_words(floor: Floor, fleet: Running) -> None:
    with fleet():
        job = started(floor)
        strike(floor.printer, "thermal_fault")
        is_now(job, JobState.FAILED)
        shows(floor.printer, Operation.ERROR)
    assert "E-204" in refreshed(job).reason


@pytest.mark.parametrize(
    ("fault", "operation"),
    [("pause_by_itself", Operation.PAUSED), ("resin_low", Operation.ATTENTION)],
)
def test_a_pause_nobody_asked_for_needs_a_decision(
    floor: Floor, fleet: Running, fault: str, operation: Operation
) -> None:
    with fleet():
        job = started(floor)
        strike(floor.printer, fault)
        is_now(job, JobState.PAUSED)
        shows(floor.printer, operation)
        assert refreshed(job).interruptions[0]["decided"] is False
        resume_job(job_id=job.pk, actor=floor.operator, reason="refilled")
        is_now(job, JobState.FINISHED)
    ended = refreshed(job)
    assert ended.interruptions[0]["decided"] is True
    assert ended.build.state == BuildState.COMPLETED


def test_foreign_job_is_recorded_and_holds_the_printer(floor: Floor, fleet: Running) -> None:
    strike(floor.printer, "foreign_job")
    with fleet():
        until(lambda: Printer.objects.get(pk=floor.printer.pk).held)
    printer = Printer.objects.get(pk=floor.printer.pk)
    assert printer.foreign_run == "panel: calibration_boat"
    assert events_of(printer).filter(type="printing.foreign_run_seen").count() == 1


@pytest.mark.parametrize(
    ("fault", "operation"),
    [
        ("offline", Operation.OFFLINE),
        ("silent", Operation.UNKNOWN),
        ("strange_word", Operation.UNKNOWN),
    ],
)
def test_what_is_not_heard_is_never_idle(
    floor: Floor, fleet: Running, fault: str, operation: Operation
) -> None:
    with fleet():
        shows(floor.printer, Operation.IDLE)
        strike(floor.printer, fault)
        shows(floor.printer, operation)


def test_a_dead_printer_slows_nobody(floor: Floor, fleet: Running) -> None:
    for _ in range(5):
        strike(make_printer(floor.staff), "silent")
    with fleet():
        job = started(floor)
        is_now(job, JobState.FINISHED)


def test_two_fleets_do_not_both_drive(floor: Floor, fleet: Running) -> None:
    with fleet() as first:
        second = first.__class__(first.pace)
        assert second.epoch == 0
        shows(floor.printer, Operation.IDLE)
