"""The simulated resin printer: a machine that lives in a file and goes on printing while nobody watches.

Options: `speed` (its seconds per second of the wall, 1 by default), `resin_ml` (a full vat at first start).
Faults on demand, by name: `resin_machine.FAULTS`; `strike` and `heal` set and take them.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from django.utils import timezone

from mes.exceptions import InvalidInput
from printing.choices import Link, Machine, Run
from printing.drivers import resin_machine as physics
from printing.drivers.base import (
    DRIVERS,
    Ack,
    BuildFile,
    Capabilities,
    Connection,
    Fault,
    Identity,
    NumberOption,
    Option,
    Outcome,
    PrinterUnreachable,
    Receipt,
    RunSeen,
    Snapshot,
    Temperature,
    TextOption,
)
from printing.drivers.resin_machine import MachineState, Upload
from printing.slicing.buildfile import read_build_file

NEVER_S = 3600.0
FIRMWARE = "sim-1.0"
DEFAULT_RESIN_ML = 1000.0

# The machine's words, each with what it means for the machine and for the print. What is missing here is UNKNOWN.
WORDS: dict[str, tuple[Machine, Run]] = {
    "standby": (Machine.OK, Run.NONE),
    "heating": (Machine.OK, Run.PREPARING),
    "exposing": (Machine.OK, Run.PRINTING),
    "raising": (Machine.OK, Run.PRINTING),
    "halted": (Machine.OK, Run.PAUSED),
    "done": (Machine.OK, Run.FINISHED),
    "aborted": (Machine.OK, Run.CANCELLED),
    "broken": (Machine.OK, Run.FAILED),
    "fault": (Machine.FAULT, Run.FAILED),
}


class StateFile:
    """The machine's memory: read and replaced whole, under a lock, so that no reader ever sees half of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._path = connection.folder / f"{connection.name}.json"

    @contextmanager
    def changing(self) -> Iterator[MachineState]:
        """The state now. What the block changed is written when it ends without an exception."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._read()
            state = MachineState.from_json(before.as_json())
            physics.advance(state, time.time())
            yield state
            if state != before or not self._path.exists():
                self._write(state)

    def _read(self) -> MachineState:
        if self._path.exists():
            return MachineState.from_json(json.loads(self._path.read_text()))
        options = self._connection.options
        return MachineState(
            serial=self._connection.serial,
            model=self._connection.model,
            firmware=str(options.get("firmware", FIRMWARE)),
            speed=float(options.get("speed", 1.0)),
            resin_ml=float(options.get("resin_ml", DEFAULT_RESIN_ML)),
        )

    def _write(self, state: MachineState) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".state-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(state.as_json(), file)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@DRIVERS.register("simulated")
class SimulatedPrinter:
    """Speaks to the machine in the state file as a driver speaks to a machine on the network."""

    options: ClassVar[Mapping[str, Option]] = {
        "speed": NumberOption(0.01, 100_000.0, "its seconds for each second of the wall"),
        "resin_ml": NumberOption(0.0, 100_000.0, "what its vat holds at first, in mL"),
        "firmware": TextOption(
            r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}", "what it reports, up to 60 letters, digits and . _ + -"
        ),
    }

    def __init__(self, connection: Connection) -> None:
        self._file = StateFile(connection)

    async def connect(self) -> Identity:
        return await self.identify()

    async def identify(self) -> Identity:
        state = await self._state()
        return Identity(state.serial, state.model, state.firmware)

    async def capabilities(self) -> Capabilities:
        return Capabilities(frozenset({"lamina-build/1"}), True, True, True, "sha256", 0.1)

    async def upload(self, file: BuildFile) -> Receipt:
        """Take the file only if every digest in it is right. Raises BuildFileRefused."""
        await self._state()
        digest, upload = await asyncio.to_thread(_read_upload, file.path)

        def keep(state: MachineState) -> str:
            state.uploads[file.run] = upload
            return ""

        await asyncio.to_thread(self._apply, keep)
        return Receipt(file.run, digest)

    async def start(self, run: str) -> Ack:
        return await self._command(f"start {run}", lambda state: _start(state, run))

    async def pause(self, run: str) -> Ack:
        return await self._command(f"pause {run}", lambda state: physics.halt(state, run, time.time()))

    async def resume(self, run: str) -> Ack:
        return await self._command(f"resume {run}", lambda state: physics.proceed(state, run, time.time()))

    async def cancel(self, run: str) -> Ack:
        return await self._command(f"cancel {run}", lambda state: physics.abort(state, run, time.time()))

    async def clear(self) -> Ack:
        return await self._command("clear", physics.clear)

    async def snapshot(self) -> Snapshot:
        return read(await self._state(), time.time())

    async def close(self) -> None:
        """Nothing is held open."""

    async def _state(self) -> MachineState:
        state = await asyncio.to_thread(self._load)
        if "offline" in state.faults:
            raise PrinterUnreachable("connection refused")
        if "silent" in state.faults:
            await asyncio.sleep(NEVER_S)
        return state

    async def _command(self, name: str, act: Callable[[MachineState], str]) -> Ack:
        state = await self._state()
        if "lost_command" not in state.faults:
            refusal = await asyncio.to_thread(self._apply, act, name)
        if {"lost_command", "lost_ack"} & set(state.faults):
            raise PrinterUnreachable("the answer did not come")
        return Ack(Outcome.REJECTED, refusal) if refusal else Ack(Outcome.ACCEPTED)

    def _load(self) -> MachineState:
        with self._file.changing() as state:
            return state

    def _apply(self, act: Callable[[MachineState], str], name: str = "") -> str:
        with self._file.changing() as state:
            if name:
                state.commands.append(name)
            return act(state)


def strike(connection: Connection, fault: str) -> None:
    """Make the machine fail in a named way from now on. Raises InvalidInput for a name nobody knows."""
    if fault not in physics.FAULTS:
        raise InvalidInput(
            f"No fault is called '{fault}'.", cure=f"Choose one of: {', '.join(physics.FAULTS)}."
        )
    with StateFile(connection).changing() as state:
        state.faults[fault] = time.time()


def heal(connection: Connection) -> None:
    """Take every fault away. What a fault has done stays done."""
    with StateFile(connection).changing() as state:
        state.faults.clear()


def _start(state: MachineState, run: str) -> str:
    if "refuses_start" in state.faults:
        return "E-031 the lid is open"
    return physics.begin(state, run, time.time())


def _read_upload(path: Path) -> tuple[str, Upload]:
    plate = read_build_file(path)
    settings = plate.settings
    layer_s = [settings.exposure_of(layer.index) + settings.lift_s for layer in plate.layers]
    # What clings to the part and is lost is spread over the layers by their area.
    ml_per_mm2 = settings.layer_height_mm / 1000.0 * (plate.material_ml / plate.volume_ml)
    return plate.digest, Upload(
        plate.digest, layer_s, [layer.area_mm2 * ml_per_mm2 for layer in plate.layers]
    )


def read(state: MachineState, now: float) -> Snapshot:
    """A full reading of the machine at `now`."""
    said = physics.word(state, now)
    machine, run = WORDS.get(said, (Machine.UNKNOWN, Run.UNKNOWN))
    if said == "fault" and state.running is None and state.last is None:
        run = Run.NONE
    running = state.running if run not in (Run.NONE, Run.UNKNOWN) else None
    current = _current(state, run, now)
    attention = ""
    if running and running.halted and running.halted.why == physics.HALTING["resin_low"]:
        attention = running.halted.why
    broken = said == "fault"
    return Snapshot(
        observed_at=timezone.now(),
        seq=int(now * 10),
        link=Link.UP,
        machine=machine,
        current=current,
        last=None if said == "standby" and "lies_idle" in state.faults else _ended(state),
        progress=current.layer / current.layers if current and current.layers else None,
        basis="layer" if current else "",
        eta_s=_eta(state, now) if running else None,
        elapsed_s=now - running.started_at if running else None,
        temperatures=_temperatures(state, now),
        resin_ml=min(state.resin_ml, physics.LOW_RESIN_ML) if attention else state.resin_ml,
        fault=Fault("E-204", physics.THERMAL_TEXT) if broken else None,
        attention=attention,
        raw={"word": said},
    )


def _current(state: MachineState, run: Run, now: float) -> RunSeen | None:
    if "foreign_job" in state.faults:
        return RunSeen("panel: calibration_boat", Run.PRINTING, "", 7, 120)
    if run == Run.UNKNOWN:
        return RunSeen("", Run.UNKNOWN)
    if run == Run.NONE:
        return None
    running = state.running
    if running is None:
        return _ended(state)
    layer = running.layers_done(now, state.speed)
    return RunSeen(
        running.run,
        run,
        running.plate_digest,
        layer,
        len(running.layer_s),
        round(sum(running.layer_ml[:layer]), 3),
        _moment(running.started_at),
    )


def _ended(state: MachineState) -> RunSeen | None:
    last = state.last
    if last is None:
        return None
    return RunSeen(
        last.run,
        WORDS[last.word][1],
        last.plate_digest,
        last.layer,
        last.layers,
        last.material_ml,
        None if last.started_at is None else _moment(last.started_at),
        _moment(last.at),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _eta(state: MachineState, now: float) -> float | None:
    ends = state.running.ends_at(state.speed) if state.running else now
    return None if ends == float("inf") else max(0.0, ends - now)


def _temperatures(state: MachineState, now: float) -> tuple[Temperature, ...]:
    target = physics.VAT_C if state.running else None
    chamber = physics.CHAMBER_C if state.running else None
    return (
        Temperature("vat", round(physics.vat_c(state, now), 2), target),
        Temperature("chamber", round(physics.chamber_c(state, now), 2), chamber),
    )
