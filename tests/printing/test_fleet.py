"""The fleet drives simulated machines: what it hears, sends, and makes of each fault."""

from __future__ import annotations

import asyncio
import fcntl
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from mes.eventlog.base import Actor, plain
from mes.exceptions import LeaseLost, TransitionRefused
from mes.selectors import events_of
from mes.services.artefacts import artefact_path
from printing.choices import BuildState, CommandState, JobState, Operation
from printing.drivers.base import BuildFile, Identity, Receipt
from printing.drivers.simulated import SimulatedPrinter
from printing.models import FleetLease, Printer, PrinterCommand, PrinterContact, PrintJob
from printing.services.commands import settle_command, take_command
from printing.services.fleet.connections import connection_of, simulate_fault
from printing.services.fleet.identity import record_identity
from printing.services.fleet.lease import renew_lease, take_lease
from printing.services.fleet.words import FLEET, record_fleet_word, record_telemetry_gap
from printing.services.jobs import (
    cancel_job,
    confirm_plate_clear,
    pause_job,
    resume_job,
    settle_job,
    start_job,
)
from tests.printing.conftest import HASTY, QUICK, SHORT, Running, until
from tests.printing.makers import Floor, idle, make_printer, refreshed

TESTER = Actor.system("test")
FAST = 400.0
"""Machine seconds for each second of the wall: heating takes 250, the print about 100."""
STEADY = 150.0
"""Slow enough that a fault meets a running print on a busy machine, too."""
UNHURRIED = 50.0
"""Slow enough that a fleet comes and goes while it prints."""


@pytest.fixture
def floor(committed_db: None, floor: Floor) -> Floor:
    run_at(floor.printer, FAST)
    return floor


def run_at(printer: Printer, speed: float) -> None:
    printer.connection = {"speed": speed}
    printer.save(update_fields=["connection"])


def strike(printer: Printer, fault: str) -> None:
    simulate_fault(printer_id=printer.pk, fault=fault, actor=TESTER)


def is_now(job: PrintJob, state: JobState) -> None:
    until(lambda: refreshed(job).state == state)


def has_begun(job: PrintJob) -> None:
    until(lambda: refreshed(job).started_at is not None)


def shows(printer: Printer, operation: Operation) -> None:
    until(lambda: Printer.objects.get(pk=printer.pk).operation == operation)


def commands_done(machines: Path, printer: Printer) -> list[str]:
    """What the machine itself was told, as it remembers."""
    state = json.loads((machines / f"{printer.code}.json").read_text())
    return [line.split()[0] for line in state["commands"]]


def started(floor: Floor) -> PrintJob:
    """A fast print may be over before a busy machine looks at it."""
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    has_begun(job)
    return refreshed(job)


def heard_a_minute_ago() -> None:
    PrinterContact.objects.update(heard_at=timezone.now() - timedelta(minutes=1))
    connection.close()


def test_a_print_runs_to_its_end_and_the_plate_is_cleared(
    floor: Floor, fleet: Running, machines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its upload lasts a minute, in which nothing is heard: the machine is heard again before the start is sent (G-PRN-07)."""
    upload = SimulatedPrinter.upload

    async def slow(driver: SimulatedPrinter, file: BuildFile) -> Receipt:
        await sync_to_async(heard_a_minute_ago)()
        return await upload(driver, file)

    monkeypatch.setattr(SimulatedPrinter, "upload", slow)
    with fleet(replace(QUICK, contact_s=0.0)):
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


@pytest.mark.requirement("G-INT-01")
def test_a_file_that_was_altered_after_the_start_was_asked_for_reaches_no_machine(
    floor: Floor, fleet: Running, machines: Path
) -> None:
    job = floor.dispatch()
    start_job(job_id=job.pk, actor=floor.operator)
    path = artefact_path(floor.build.file_id or "")
    path.chmod(0o600)
    whole = path.read_bytes()
    try:
        path.write_bytes(whole + b" ")
        with fleet():
            until(lambda: not PrinterCommand.objects.filter(state=CommandState.REQUESTED).exists())
    finally:
        path.write_bytes(whole)
    assert "G-INT-01" in PrinterCommand.objects.get().answer
    assert commands_done(machines, floor.printer) == []


def test_pause_resume_and_cancel_are_observed(floor: Floor, fleet: Running) -> None:
    run_at(floor.printer, 20.0)
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
    run_at(floor.printer, UNHURRIED)
    with fleet():
        job = started(floor)
    assert refreshed(job).state == JobState.PRINTING
    with fleet():
        is_now(job, JobState.FINISHED)
    assert refreshed(job).observed_late or refreshed(job).layers_done == job.build.layer_count


def test_lost_ack_is_uncertain_and_never_sent_again(floor: Floor, fleet: Running, machines: Path) -> None:
    strike(floor.printer, "lost_ack")
    with fleet(SHORT):
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
    with fleet(SHORT):
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


@pytest.mark.parametrize("arrived", [True, False])
def test_a_command_of_a_dead_fleet_is_read_back_and_never_sent_again(
    floor: Floor, fleet: Running, machines: Path, arrived: bool
) -> None:
    """The process died between "sent" and the answer: seen on the machine it is confirmed, else a person decides."""
    job = floor.dispatch()
    command = start_job(job_id=job.pk, actor=floor.operator)
    assert take_command(command_id=command.pk, epoch=take_lease(UUID(int=1)) or 0, actor=FLEET)
    if arrived:
        asyncio.run(_start_on_the_machine(floor, job))
    with fleet():
        if arrived:
            is_now(job, JobState.FINISHED)
        else:
            is_now(job, JobState.UNCERTAIN)
    expected = CommandState.CONFIRMED if arrived else CommandState.UNCERTAIN
    assert PrinterCommand.objects.get(pk=command.pk).state == expected
    assert commands_done(machines, floor.printer) == (["start"] if arrived else [])


async def _start_on_the_machine(floor: Floor, job: PrintJob) -> None:
    driver = SimulatedPrinter(connection_of(floor.printer))
    path = artefact_path(floor.build.file_id or "")
    await driver.upload(BuildFile(str(job.claim), path, floor.build.plate_digest))
    await driver.start(str(job.claim))


def test_each_fault_of_a_print_becomes_what_it_is(floor: Floor, fleet: Running) -> None:
    """Five printers fail at once, each in its own way; each job becomes what its fault says, and no other."""
    run_at(floor.printer, STEADY)
    hall = [(floor.printer, floor.build), *(floor.another() for _ in range(4))]
    faults = ["thermal_fault", "lies_idle", "no_finish", "pause_by_itself", "resin_low"]
    becomes = [
        JobState.FAILED,
        JobState.UNCERTAIN,
        JobState.UNCERTAIN,
        JobState.PAUSED,
        JobState.PAUSED,
    ]
    with fleet():
        jobs = [floor.dispatch(build, printer) for printer, build in hall]
        for job in jobs:
            start_job(job_id=job.pk, actor=floor.operator)
        for job, (printer, _), fault in zip(jobs, hall, faults, strict=True):
            has_begun(job)
            strike(printer, fault)
        for job, state in zip(jobs, becomes, strict=True):
            is_now(job, state)
        shows(hall[0][0], Operation.ERROR)
        shows(hall[3][0], Operation.PAUSED)
        shows(hall[4][0], Operation.ATTENTION)
        assert "E-204" in refreshed(jobs[0]).reason
        assert refreshed(jobs[2]).build.state == BuildState.STARTED

        settle_job(job_id=jobs[1].pk, outcome="failed", actor=floor.operator, reason="stopped it by hand")
        assert refreshed(jobs[1]).build.state == BuildState.FAILED
        for job in jobs[3:]:
            assert refreshed(job).interruptions[0]["decided"] is False
            resume_job(job_id=job.pk, actor=floor.operator, reason="refilled")
        for job in jobs[3:]:
            is_now(job, JobState.FINISHED)
            assert refreshed(job).build.state == BuildState.INTERRUPTED


def test_each_fault_of_a_machine_at_rest_becomes_what_it_is(floor: Floor, fleet: Running) -> None:
    """What is not heard, not understood or not ours is never idle; a refused start gives the claim back."""
    others = [make_printer(floor.staff) for _ in range(4)]
    with fleet(HASTY):
        for printer in others:
            shows(printer, Operation.IDLE)
        for printer, fault in zip(others, ["offline", "silent", "strange_word", "foreign_job"], strict=True):
            strike(printer, fault)
        strike(floor.printer, "refuses_start")
        job = floor.dispatch()
        command = start_job(job_id=job.pk, actor=floor.operator)
        until(lambda: PrinterCommand.objects.get(pk=command.pk).state == CommandState.REFUSED)
        shows(others[0], Operation.OFFLINE)
        shows(others[1], Operation.UNKNOWN)
        shows(others[2], Operation.UNKNOWN)
        until(lambda: Printer.objects.get(pk=others[3].pk).held)
    assert refreshed(job).state == JobState.CLAIMED
    assert "lid is open" in refreshed(job).reason
    assert refreshed(job).build.state == BuildState.SCHEDULED
    foreign = Printer.objects.get(pk=others[3].pk)
    assert foreign.foreign_run == "panel: calibration_boat"
    assert events_of(foreign).filter(type="printing.foreign_run_seen").count() == 1


def test_a_dead_printer_slows_nobody(floor: Floor, fleet: Running) -> None:
    for _ in range(5):
        strike(make_printer(floor.staff), "silent")
    with fleet(HASTY):
        job = started(floor)
        is_now(job, JobState.FINISHED)


def test_two_fleets_do_not_both_drive(committed_db: None) -> None:
    first, second = uuid4(), uuid4()
    epoch = take_lease(first)
    assert epoch == 1
    assert take_lease(second) is None
    FleetLease.objects.update(until=timezone.now())
    assert take_lease(second) == 2
    assert not renew_lease(first, epoch)
    printer = make_printer()
    with pytest.raises(LeaseLost):
        record_fleet_word(printer_id=printer.pk, word=idle(), epoch=epoch)
    printer.refresh_from_db()
    assert printer.operation == Operation.UNKNOWN


def test_a_gap_in_the_telemetry_of_a_print_needs_a_decision(floor: Floor) -> None:
    job = floor.start()
    now = timezone.now()
    epoch = take_lease(UUID(int=1)) or 0
    since = now - timedelta(minutes=7)
    for until_moment in (None, now, now):
        record_telemetry_gap(job_id=job.pk, since=since, until=until_moment, epoch=epoch)
    assert [gap["until"] for gap in refreshed(job).gaps] == [plain(now)]
    assert events_of(job).filter(type="printing.telemetry_lost").count() == 2
    assert floor.finish(job).build.state == BuildState.INTERRUPTED


def reports(machines: Path, printer: Printer, **said: str) -> None:
    """Another machine stands where this one stood, or its software was exchanged."""
    file = machines / f"{printer.code}.json"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file.write_text(json.dumps(json.loads(file.read_text()) | said))


@pytest.mark.requirement("G-PRN-01")
@pytest.mark.requirement("G-PRN-05")
def test_a_start_goes_to_the_registered_machine_with_its_firmware_alone(
    floor: Floor, fleet: Running, machines: Path
) -> None:
    def asked_and_withdrawn() -> str:
        asked = start_job(job_id=job.pk, actor=floor.operator)
        until(lambda: PrinterCommand.objects.get(pk=asked.pk).state == CommandState.WITHDRAWN)
        return PrinterCommand.objects.get(pk=asked.pk).answer

    with fleet():
        until(lambda: bool(Printer.objects.get(pk=floor.printer.pk).reported))
        job = floor.dispatch()
        reports(machines, floor.printer, firmware="sim-9.9-beta")
        assert "G-PRN-05" in asked_and_withdrawn()
        printer = Printer.objects.get(pk=floor.printer.pk)
        assert (printer.firmware, printer.held) == ("sim-9.9-beta", False)
        reports(machines, floor.printer, firmware="sim-1.0")
        record_identity(
            printer_id=printer.pk,
            identity=Identity(printer.serial, printer.kind, "sim-1.0"),
            epoch=FleetLease.objects.get().epoch,
            actor=FLEET,
        )
        reports(machines, floor.printer, serial="STOLEN-9999", model="FDM 9000")
        assert "STOLEN-9999" in asked_and_withdrawn()
        with pytest.raises(TransitionRefused, match="STOLEN-9999"):
            start_job(job_id=job.pk, actor=floor.operator)
    printer.refresh_from_db()
    assert [hold["source"] for hold in printer.holds] == ["another machine"]
    assert refreshed(job).state == JobState.CLAIMED
    assert refreshed(job).machine["reported"]["serial"] == printer.serial
    assert commands_done(machines, floor.printer) == []
