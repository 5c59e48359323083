"""What every driver must do, run over all of them; and the simulated machine's physics."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.utils import timezone

from devices.mesh.base import Mesh
from mes.exceptions import InvalidInput, Refused
from printing.choices import Link, Machine, Operation, Run
from printing.drivers import resin_machine as physics
from printing.drivers import simulated
from printing.drivers.base import (
    DRIVERS,
    BuildFile,
    Connection,
    Finding,
    Outcome,
    PrinterDriver,
    PrinterUnreachable,
    RunSeen,
    Snapshot,
    option_faults,
    reconcile,
    shown,
)
from printing.slicing.base import PlateItem, SlicedPlate
from printing.slicing.buildfile import write_build_file
from printing.slicing.layers import slice_plate
from tests.devices.makers import make_block
from tests.patience import PATIENCE_S

RUN, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
SPEED = 500.0


@pytest.fixture(scope="module")
def plate() -> SlicedPlate:
    block = make_block((6.0, 6.0, 3.0))
    mesh = Mesh(block.vertices + np.array([8.0, 8.0, 1.5]), block.faces)
    return slice_plate(
        [PlateItem("D1", mesh, np.eye(4))],
        layer_height_mm=0.5,
        pixel_mm=0.5,
        plate_size_mm=(16.0, 16.0, 16.0),
        exposure_s=5.0,
        bottom_layers=1,
    )


@pytest.fixture
def file(plate: SlicedPlate, tmp_path: Path) -> BuildFile:
    path = tmp_path / "build.zip"
    write_build_file(plate, path)
    return BuildFile(RUN, path, plate.digest)


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    return Connection("M0000001", "SN1", "sim-dlp-1", {"speed": SPEED}, tmp_path / "machines")


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest, connection: Connection) -> PrinterDriver:
    return DRIVERS[request.param](connection)


async def seen(driver: PrinterDriver, run: Run) -> Snapshot:
    async with asyncio.timeout(PATIENCE_S):
        while (snapshot := await driver.snapshot()).run_state != run:
            await asyncio.sleep(0.02)
    return snapshot


def test_every_driver_has_its_section_and_every_fault_its_line() -> None:
    page = (settings.BASE_DIR / "docs" / "printer-drivers.md").read_text()
    for name in DRIVERS:
        assert f"## `{name}`" in page
        assert all(f"| `{option}` |" in page for option in DRIVERS[name].options)
    for fault, text in physics.FAULTS.items():
        assert f"| `{fault}` | {text} |" in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speed": 600, "resin_ml": 0.0, "firmware": "sim-2.1 b"}, []),
        ({"speed": -1}, ["The option speed cannot be that."]),
        ({"speed": 0}, ["The option speed"]),
        ({"speed": "2000"}, ["The option speed"]),
        ({"speed": True}, ["The option speed"]),
        ({"speed": None}, ["The option speed"]),
        ({"speed": float("nan"), "resin_ml": float("inf")}, ["The option speed", "The option resin_ml"]),
        ({"firmware": 7}, ["The option firmware"]),
        ({"firmware": "a\nb"}, ["The option firmware"]),
        ({"speeed": 2.0, "resin_ml": -1}, ["no option 'speeed'", "The option resin_ml"]),
    ],
)
def test_a_connection_holds_what_its_driver_takes_and_nothing_else(
    options: dict[str, Any], words: list[str]
) -> None:
    faults = option_faults(DRIVERS["simulated"], options)
    assert [word in fault.text for word, fault in zip(words, faults, strict=True)] == [True] * len(words)
    assert all(fault.cure for fault in faults)


async def test_a_print_from_upload_to_cleared_plate(driver: PrinterDriver, file: BuildFile) -> None:
    identity = await driver.connect()
    assert identity.firmware
    assert (await driver.snapshot()).operation == Operation.IDLE
    receipt = await driver.upload(file)
    assert (receipt.run, receipt.plate_digest) == (RUN, file.plate_digest)
    assert await driver.upload(file) == receipt
    begun = timezone.now()
    assert (await driver.start(RUN)).outcome == Outcome.ACCEPTED
    first = await driver.snapshot()
    assert reconcile(first, RUN)[0] in (Finding.RUNNING, Finding.FINISHED)
    ended = await seen(driver, Run.FINISHED)
    assert ended.current is not None
    assert (ended.current.layer, ended.current.plate_digest) == (ended.current.layers, file.plate_digest)
    assert ended.current.started_at is not None
    assert ended.current.ended_at is not None
    assert begun <= ended.current.started_at < ended.current.ended_at <= timezone.now()
    assert ended.operation == Operation.FINISHED
    assert (await driver.clear()).outcome == Outcome.ACCEPTED
    assert (await driver.snapshot()).operation == Operation.IDLE
    assert reconcile(await driver.snapshot(), RUN)[0] == Finding.FINISHED
    await driver.close()


async def test_commands_are_absolute_and_guarded_by_the_run(driver: PrinterDriver, file: BuildFile) -> None:
    assert (await driver.start(RUN)).outcome == Outcome.REJECTED
    await driver.upload(file)
    await driver.start(RUN)
    for _ in range(2):
        assert (await driver.pause(RUN)).outcome == Outcome.ACCEPTED
    assert (await driver.snapshot()).run_state == Run.PAUSED
    assert (await driver.start(RUN)).outcome == Outcome.ACCEPTED
    assert (await driver.start(OTHER)).outcome == Outcome.REJECTED
    assert (await driver.pause(OTHER)).outcome == Outcome.REJECTED
    assert (await driver.clear()).outcome == Outcome.REJECTED
    for _ in range(2):
        assert (await driver.resume(RUN)).outcome == Outcome.ACCEPTED
    assert (await driver.cancel(OTHER)).outcome == Outcome.REJECTED
    for _ in range(2):
        assert (await driver.cancel(RUN)).outcome == Outcome.ACCEPTED
    assert (await driver.snapshot()).operation == Operation.CANCELLED


async def test_a_damaged_file_is_not_taken(driver: PrinterDriver, file: BuildFile) -> None:
    file.path.write_bytes(file.path.read_bytes()[:-40])
    with pytest.raises(Refused):
        await driver.upload(file)
    assert (await driver.start(RUN)).outcome == Outcome.REJECTED
    assert (await driver.snapshot()).operation == Operation.IDLE


# --- the table of printers.md 5.3 and 5.5


@pytest.mark.parametrize(
    ("link", "machine", "run", "attention", "word"),
    [
        (Link.DOWN, Machine.FAULT, Run.PRINTING, True, Operation.OFFLINE),
        (Link.UNKNOWN, Machine.OK, Run.NONE, False, Operation.UNKNOWN),
        (Link.UP, Machine.UNKNOWN, Run.NONE, False, Operation.UNKNOWN),
        (Link.UP, Machine.FAULT, Run.PAUSED, True, Operation.ERROR),
        (Link.UP, Machine.MAINTENANCE, Run.NONE, False, Operation.MAINTENANCE),
        (Link.UP, Machine.OK, Run.PAUSED, True, Operation.ATTENTION),
        (Link.UP, Machine.BUSY, Run.NONE, False, Operation.BUSY),
        (Link.UP, Machine.OK, Run.UNKNOWN, False, Operation.UNKNOWN),
        (Link.UP, Machine.OK, Run.NONE, False, Operation.IDLE),
        (Link.UP, Machine.OK, Run.PAUSED, False, Operation.PAUSED),
    ],
)
def test_one_word_of_three_axes(
    link: Link, machine: Machine, run: Run, attention: bool, word: Operation
) -> None:
    assert shown(link, machine, run, attention=attention) == word


def reading(current: RunSeen | None = None, last: RunSeen | None = None, **fields: Any) -> Snapshot:
    values: dict[str, Any] = {"link": Link.UP, "machine": Machine.OK, "seq": 1, "observed_at": None} | fields
    return Snapshot(current=current, last=last, **values)


@pytest.mark.parametrize(
    ("snapshot", "expected", "finding"),
    [
        (reading(), None, Finding.QUIET),
        (reading(), RUN, Finding.VANISHED),
        (reading(RunSeen(RUN, Run.PRINTING)), RUN, Finding.RUNNING),
        (reading(RunSeen(RUN, Run.PAUSED)), RUN, Finding.PAUSED),
        (reading(RunSeen(RUN, Run.FINISHED)), RUN, Finding.FINISHED),
        (reading(None, RunSeen(RUN, Run.CANCELLED)), RUN, Finding.CANCELLED),
        (reading(None, RunSeen(OTHER, Run.FINISHED)), RUN, Finding.VANISHED),
        (reading(RunSeen(OTHER, Run.FINISHED)), RUN, Finding.VANISHED),
        (reading(RunSeen(OTHER, Run.PRINTING)), RUN, Finding.FOREIGN),
        (reading(RunSeen(RUN, Run.PRINTING)), None, Finding.FOREIGN),
        (reading(RunSeen("", Run.UNKNOWN)), RUN, Finding.UNCLEAR),
        (reading(link=Link.DOWN), RUN, Finding.UNCLEAR),
        (reading(machine=Machine.UNKNOWN), RUN, Finding.UNCLEAR),
    ],
)
def test_a_reading_is_compared_and_never_guessed(
    snapshot: Snapshot, expected: str | None, finding: Finding
) -> None:
    assert reconcile(snapshot, expected)[0] == finding


# --- the simulated machine


@pytest.fixture
def printing(connection: Connection, file: BuildFile) -> simulated.SimulatedPrinter:
    driver = simulated.SimulatedPrinter(connection)
    asyncio.run(_started(driver, file))
    return driver


async def _started(driver: simulated.SimulatedPrinter, file: BuildFile) -> None:
    await driver.upload(file)
    await driver.start(RUN)


def state_of(connection: Connection) -> physics.MachineState:
    return physics.MachineState.from_json(
        json.loads((connection.folder / f"{connection.name}.json").read_text())
    )


def test_progress_follows_the_clock_alone(connection: Connection, printing: Any) -> None:
    state = state_of(connection)
    running = state.running
    assert running is not None
    begun = running.started_at
    heating, total = running.heating_s / SPEED, running.total_s / SPEED
    assert physics.word(state, begun + heating * 0.5) == "heating"
    assert physics.word(state, begun + heating + 0.001) == "exposing"
    done = [running.layers_done(begun + total * share, SPEED) for share in np.linspace(0, 1, 20)]
    assert done == sorted(done)
    assert done[-1] == len(running.layer_s)
    warm = [physics.vat_c(state, begun + heating * share) for share in (0.0, 0.5, 1.0)]
    assert warm[0] == pytest.approx(physics.AMBIENT_C)
    assert warm[2] == pytest.approx(physics.VAT_C - physics.READY_WITHIN_C)
    assert physics.advance(state, begun + total + 0.001)
    assert state.last is not None
    assert state.last.word == "done"
    assert physics.vat_c(state, begun + total + 3600 / SPEED) < physics.vat_c(state, begun + total)


def test_a_halt_moves_the_end_by_as_much(connection: Connection, printing: Any) -> None:
    state = state_of(connection)
    assert state.running is not None
    end = state.running.ends_at(SPEED)
    physics.halt(state, RUN, state.running.started_at + 0.1)
    assert state.running.ends_at(SPEED) == float("inf")
    physics.proceed(state, RUN, state.running.started_at + 5.1)
    assert state.running.ends_at(SPEED) == pytest.approx(end + 5.0)


def test_another_process_sees_the_same_machine(connection: Connection, printing: Any) -> None:
    again = simulated.SimulatedPrinter(connection)
    snapshot = asyncio.run(again.snapshot())
    assert snapshot.current is not None
    assert snapshot.current.run == RUN


async def test_each_fault_shows_as_what_it_is(connection: Connection) -> None:
    driver = simulated.SimulatedPrinter(connection)
    simulated.strike(connection, "offline")
    with pytest.raises(PrinterUnreachable):
        await driver.snapshot()
    simulated.heal(connection)
    simulated.strike(connection, "silent")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await driver.snapshot()
    simulated.heal(connection)
    simulated.strike(connection, "strange_word")
    assert (await driver.snapshot()).operation == Operation.UNKNOWN
    simulated.heal(connection)
    simulated.strike(connection, "foreign_job")
    assert reconcile(await driver.snapshot(), None)[0] == Finding.FOREIGN
    simulated.heal(connection)
    simulated.strike(connection, "thermal_fault")
    snapshot = await driver.snapshot()
    assert snapshot.operation == Operation.ERROR
    assert snapshot.fault is not None


def test_an_unknown_fault_is_refused_with_the_known_ones(connection: Connection) -> None:
    with pytest.raises(InvalidInput, match="thermal_fault"):
        simulated.strike(connection, "explode")


def test_no_reader_sees_half_a_file(connection: Connection) -> None:
    simulated.strike(connection, "resin_low")
    path = connection.folder / f"{connection.name}.json"
    ends = time.monotonic() + 0.3
    while time.monotonic() < ends:
        simulated.strike(connection, "resin_low")
        json.loads(path.read_text())
    assert [entry.name for entry in connection.folder.glob(".state-*")] == []
