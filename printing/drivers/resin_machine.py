"""A resin printer as physics: what it does at any moment follows from when it was started and how fast its clock runs.

Nothing here ticks. A machine whose watcher dies prints on, and whoever looks again sees how far it came. Times are POSIX
seconds of the wall; the machine's own seconds are `speed` times as many.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any

AMBIENT_C = 22.0
VAT_C = 30.0
CHAMBER_C = 34.0
HEATING_TAU_S = 90.0
COOLING_TAU_S = 600.0
READY_WITHIN_C = 0.5
FINISHING_S = 20.0
LOW_RESIN_ML = 5.0

FAULTS: Mapping[str, str] = {
    "offline": "cannot be reached",
    "silent": "takes the connection and never answers",
    "thermal_fault": "its heater fails and it stops for good",
    "pause_by_itself": "stands still without being asked",
    "no_finish": "goes idle at the end without saying that it finished",
    "lies_idle": "says that it is idle, whatever it does",
    "foreign_job": "runs a print that was started at its panel",
    "refuses_start": "answers a start with no",
    "lost_ack": "does what it is told, but the answer is lost",
    "lost_command": "neither does what it is told nor answers",
    "resin_low": "stands still because resin runs out",
    "strange_word": "reports a state that no manual lists",
}
HALTING = {"pause_by_itself": "Paused: sensor event 17", "resin_low": "Resin low: refill and resume"}
THERMAL_TEXT = "E-204 vat heater: temperature out of range, heater switched off"


@dataclass
class Halt:
    """A time without progress; `until` is None while it lasts."""

    since: float
    until: float | None
    why: str


@dataclass
class Print:
    """A running print. `layer_s`: the machine's seconds for each layer; `layer_ml`: resin for each."""

    run: str
    plate_digest: str
    started_at: float
    vat_start_c: float
    layer_s: list[float]
    layer_ml: list[float]
    halts: list[Halt] = field(default_factory=list)

    @property
    def halted(self) -> Halt | None:
        return self.halts[-1] if self.halts and self.halts[-1].until is None else None

    @property
    def heating_s(self) -> float:
        missing = VAT_C - self.vat_start_c
        return HEATING_TAU_S * math.log(missing / READY_WITHIN_C) if missing > READY_WITHIN_C else 0.0

    @property
    def total_s(self) -> float:
        return self.heating_s + sum(self.layer_s) + FINISHING_S

    def worked_s(self, now: float, speed: float) -> float:
        """The machine's own seconds of work until `now`, halts left out."""
        halted = sum(
            max(0.0, (now if halt.until is None else min(halt.until, now)) - halt.since)
            for halt in self.halts
            if halt.since < now
        )
        return max(0.0, now - self.started_at - halted) * speed

    def ends_at(self, speed: float) -> float:
        """When it finishes, if nothing more happens; infinite while it stands still."""
        if self.halted:
            return math.inf
        halted = sum((halt.until or halt.since) - halt.since for halt in self.halts)
        return self.started_at + halted + self.total_s / speed

    def layers_done(self, now: float, speed: float) -> int:
        printing_s = self.worked_s(now, speed) - self.heating_s
        return bisect_right(list(accumulate(self.layer_s)), printing_s + 1e-9)


@dataclass
class Ended:
    """The newest print that is over. `word`: "done", "aborted" or "broken"."""

    run: str
    plate_digest: str
    word: str
    layer: int
    layers: int
    material_ml: float
    at: float
    vat_c: float
    started_at: float | None = None


@dataclass
class Upload:
    plate_digest: str
    layer_s: list[float]
    layer_ml: list[float]


@dataclass
class MachineState:
    """Everything the machine remembers across a loss of power. `faults`: name to the moment it struck."""

    serial: str
    model: str
    firmware: str
    speed: float
    resin_ml: float
    uploads: dict[str, Upload] = field(default_factory=dict)
    running: Print | None = None
    last: Ended | None = None
    awaiting_clear: bool = False
    faults: dict[str, float] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MachineState:
        values = dict(data)
        values["uploads"] = {run: Upload(**upload) for run, upload in values["uploads"].items()}
        if values["running"]:
            halts = [Halt(**halt) for halt in values["running"]["halts"]]
            values["running"] = Print(**{**values["running"], "halts": halts})
        if values["last"]:
            values["last"] = Ended(**values["last"])
        return cls(**values)


def advance(state: MachineState, now: float) -> bool:
    """Let everything happen that happened until `now`. True where the machine remembers something new."""
    running = state.running
    if running is None:
        return False
    changed = _strike(state, running)
    broke_at = state.faults.get("thermal_fault")
    if broke_at is not None and broke_at <= now and broke_at < running.ends_at(state.speed):
        _end(state, running, "broken", max(broke_at, running.started_at))
        return True
    if running.ends_at(state.speed) <= now:
        _end(state, running, "done", running.ends_at(state.speed))
        return True
    return changed


def _strike(state: MachineState, running: Print) -> bool:
    """Begin the halts that faults ask for, at the moment they struck; each strikes once."""
    changed = False
    for name, text in HALTING.items():
        struck = state.faults.get(name)
        if struck is None or running.halted or struck >= running.ends_at(state.speed):
            continue
        if any(halt.why == text for halt in running.halts):
            continue
        running.halts.append(Halt(max(struck, running.started_at), None, text))
        changed = True
    return changed


def _end(state: MachineState, running: Print, word: str, at: float) -> None:
    layer = running.layers_done(at, state.speed)
    used = sum(running.layer_ml[:layer])
    ended = Ended(
        running.run,
        running.plate_digest,
        word,
        layer,
        len(running.layer_s),
        round(used, 3),
        at,
        vat_c(state, at),
        running.started_at,
    )
    state.running = None
    state.last = None if word == "done" and "no_finish" in state.faults else ended
    state.awaiting_clear = state.last is not None
    state.resin_ml = max(0.0, state.resin_ml - used)


def vat_c(state: MachineState, now: float) -> float:
    """Vat temperature: first order towards its target while printing, towards the room afterwards."""
    if state.running:
        heated_s = max(0.0, now - state.running.started_at) * state.speed
        return VAT_C - (VAT_C - state.running.vat_start_c) * math.exp(-heated_s / HEATING_TAU_S)
    if state.last:
        cooled_s = max(0.0, now - state.last.at) * state.speed
        return AMBIENT_C + (state.last.vat_c - AMBIENT_C) * math.exp(-cooled_s / COOLING_TAU_S)
    return AMBIENT_C


def chamber_c(state: MachineState, now: float) -> float:
    """The chamber follows the vat, half as warm above the room again."""
    return AMBIENT_C + (vat_c(state, now) - AMBIENT_C) * (CHAMBER_C - AMBIENT_C) / (VAT_C - AMBIENT_C)


def word(state: MachineState, now: float) -> str:
    """The machine's own word for what it does."""
    if "strange_word" in state.faults:
        return "DEFROSTING"
    if "lies_idle" in state.faults:
        return "standby"
    if "thermal_fault" in state.faults:
        return "fault"
    if state.running is None:
        return state.last.word if state.last and state.awaiting_clear else "standby"
    if state.running.halted:
        return "halted"
    if state.running.worked_s(now, state.speed) < state.running.heating_s:
        return "heating"
    done = state.running.layers_done(now, state.speed) >= len(state.running.layer_s)
    return "raising" if done else "exposing"


def begin(state: MachineState, run: str, now: float) -> str:
    """Start an uploaded print. Returns why not, empty where it began or already runs."""
    if state.running:
        return "" if state.running.run == run else "BUSY: another print runs"
    if "thermal_fault" in state.faults:
        return THERMAL_TEXT
    if state.awaiting_clear:
        return "BUSY: the plate was not cleared"
    upload = state.uploads.get(run)
    if upload is None:
        return "NOFILE: no such print"
    state.running = Print(
        run, upload.plate_digest, now, vat_c(state, now), list(upload.layer_s), list(upload.layer_ml)
    )
    state.uploads = {}
    return ""


def halt(state: MachineState, run: str, now: float) -> str:
    if state.running is None or state.running.run != run:
        return "NOJOB: that print does not run"
    if not state.running.halted:
        state.running.halts.append(Halt(now, None, "asked"))
    return ""


def proceed(state: MachineState, run: str, now: float) -> str:
    if state.running is None or state.running.run != run:
        return "NOJOB: that print does not run"
    if state.running.halted:
        state.running.halted.until = now
    return ""


def abort(state: MachineState, run: str, now: float) -> str:
    if state.running is None or state.running.run != run:
        return "" if state.last and state.last.run == run and state.last.word == "aborted" else "NOJOB"
    _end(state, state.running, "aborted", now)
    return ""


def clear(state: MachineState) -> str:
    if state.running:
        return "BUSY: a print runs"
    state.awaiting_clear = False
    return ""
