"""What every driver offers, whatever the make: one contract, three axes, and evidence instead of promises.

1. That a call returned is not evidence that a print started. Only an observed state with our run's name is.
2. Link, machine and run are three axes. A word of the vendor that is not listed is UNKNOWN, never idle.
3. Commands are absolute ("be paused"), so one that arrives late or twice asks for nothing new.
4. A driver never repeats a command by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from mes.exceptions import Reason
from mes.registry import Registry
from printing.choices import Link, Machine, Operation, Run


class PrinterUnreachable(Exception):
    """The machine cannot be reached, or stopped answering. Says nothing about what it is doing."""


class Outcome(Enum):
    """What the machine answered to a command."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Identity:
    serial: str
    model: str
    firmware: str


@dataclass(frozen=True)
class Capabilities:
    """What the machine can do. `min_poll_s`: it must not be asked more often."""

    formats: frozenset[str]
    can_pause: bool
    can_cancel: bool
    can_clear: bool
    checksum: str
    min_poll_s: float


@dataclass(frozen=True)
class BuildFile:
    """What is to be printed: the run's unique name, the file, and the digest over all of its layers."""

    run: str
    path: Path
    plate_digest: str


@dataclass(frozen=True)
class Receipt:
    """What the machine holds now, as it says itself."""

    run: str
    plate_digest: str


@dataclass(frozen=True)
class Ack:
    """The answer to a command; `text` in the machine's own words."""

    outcome: Outcome
    text: str = ""


@dataclass(frozen=True)
class Temperature:
    name: str
    actual_c: float
    target_c: float | None = None


@dataclass(frozen=True)
class Fault:
    code: str
    text: str


@dataclass(frozen=True)
class RunSeen:
    """A print as the machine tells of it. `run` is the name it was started under, empty where it has none.

    started_at, ended_at: on the wall's clock, by what the machine says; None where it does not say.
    """

    run: str
    state: Run
    plate_digest: str = ""
    layer: int = 0
    layers: int = 0
    material_ml: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """A full reading. `seq` grows with each reading that the machine itself made; `last` is the newest print that ended.

    progress: 0..1 with `basis` "layer", "time" or "bytes".  eta_s, elapsed_s: seconds of wall time.
    """

    observed_at: datetime
    seq: int
    link: Link
    machine: Machine
    current: RunSeen | None = None
    last: RunSeen | None = None
    progress: float | None = None
    basis: str = ""
    eta_s: float | None = None
    elapsed_s: float | None = None
    temperatures: tuple[Temperature, ...] = ()
    resin_ml: float | None = None
    fault: Fault | None = None
    attention: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run_state(self) -> Run:
        return self.current.state if self.current else Run.NONE

    @property
    def operation(self) -> Operation:
        return shown(self.link, self.machine, self.run_state, attention=bool(self.attention))


_RUNS = {
    Run.UNKNOWN: Operation.UNKNOWN,
    Run.NONE: Operation.IDLE,
    Run.PREPARING: Operation.PREPARING,
    Run.PRINTING: Operation.PRINTING,
    Run.PAUSING: Operation.PAUSING,
    Run.PAUSED: Operation.PAUSED,
    Run.CANCELLING: Operation.CANCELLING,
    Run.FINISHED: Operation.FINISHED,
    Run.CANCELLED: Operation.CANCELLED,
    Run.FAILED: Operation.ERROR,
}


def shown(link: Link, machine: Machine, run: Run, *, attention: bool = False) -> Operation:
    """One word for a person, in the order link, machine, attention, run. What is not listed is UNKNOWN."""
    if link == Link.DOWN:
        return Operation.OFFLINE
    if link != Link.UP or machine == Machine.UNKNOWN:
        return Operation.UNKNOWN
    if machine == Machine.FAULT:
        return Operation.ERROR
    if machine == Machine.MAINTENANCE:
        return Operation.MAINTENANCE
    if attention:
        return Operation.ATTENTION
    if machine == Machine.BUSY and run == Run.NONE:
        return Operation.BUSY
    return _RUNS.get(run, Operation.UNKNOWN)


class Finding(Enum):
    """What a reading means for the run that was expected (printers.md 5.5)."""

    QUIET = "nothing expected, nothing runs"
    RUNNING = "the expected run prints"
    PAUSED = "the expected run stands still"
    FINISHED = "the expected run finished"
    CANCELLED = "the expected run was cancelled"
    FAILED = "the expected run failed"
    VANISHED = "idle, without a trace of the expected run"
    FOREIGN = "something runs that was not started from here"
    UNCLEAR = "the reading says nothing about it"


_OF_RUN = {
    Run.PREPARING: Finding.RUNNING,
    Run.PRINTING: Finding.RUNNING,
    Run.PAUSING: Finding.RUNNING,
    Run.CANCELLING: Finding.RUNNING,
    Run.PAUSED: Finding.PAUSED,
    Run.FINISHED: Finding.FINISHED,
    Run.CANCELLED: Finding.CANCELLED,
    Run.FAILED: Finding.FAILED,
}
_ENDED = frozenset({Run.FINISHED, Run.CANCELLED, Run.FAILED})


def reconcile(snapshot: Snapshot, expected: str | None) -> tuple[Finding, RunSeen | None]:
    """Compare a reading with the run that should be there. Never guesses: no trace is VANISHED, not finished."""
    if snapshot.link != Link.UP or snapshot.machine == Machine.UNKNOWN or snapshot.run_state == Run.UNKNOWN:
        return Finding.UNCLEAR, None
    seen = snapshot.current
    if seen and seen.run != (expected or "") and seen.state not in _ENDED:
        return Finding.FOREIGN, seen
    if expected is None:
        return Finding.QUIET, seen
    for trace in (seen, snapshot.last):
        if trace and trace.run == expected:
            return _OF_RUN.get(trace.state, Finding.UNCLEAR), trace
    return Finding.VANISHED, None


class PrinterDriver(Protocol):
    """One connection to one machine. Every call may raise PrinterUnreachable and must be cancellable."""

    async def connect(self) -> Identity: ...

    async def identify(self) -> Identity:
        """Who the machine is now, read from it afresh. What it cannot tell is empty."""
        ...

    async def capabilities(self) -> Capabilities: ...

    async def upload(self, file: BuildFile) -> Receipt:
        """Give the machine the file under the run's name; the same file again changes nothing."""
        ...

    async def start(self, run: str) -> Ack: ...

    async def pause(self, run: str) -> Ack: ...

    async def resume(self, run: str) -> Ack: ...

    async def cancel(self, run: str) -> Ack: ...

    async def clear(self) -> Ack:
        """Tell the machine that a person took the parts away."""
        ...

    async def snapshot(self) -> Snapshot:
        """Always a full reading, never a difference."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Connection:
    """How to reach a machine. `name` is the printer's public code; `options` what the driver documents."""

    name: str
    serial: str
    model: str
    options: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class NumberOption:
    """A number that a driver takes in its connection, both ends included. Left out, the driver has its own."""

    least: float
    most: float
    help: str

    def fault(self, value: object) -> str:
        # One comparison refuses what is not finite, too.
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
        if right and isinstance(value, (int, float)) and self.least <= value <= self.most:
            return ""
        return f"Give a number from {self.least:g} to {self.most:g}: {self.help}."


@dataclass(frozen=True)
class TextOption:
    """A text that a driver takes in its connection, fully matched by `pattern`."""

    pattern: str
    help: str

    def fault(self, value: object) -> str:
        if isinstance(value, str) and re.fullmatch(self.pattern, value):
            return ""
        return f"Give {self.help}."


Option = NumberOption | TextOption


def option_faults(driver: DriverFactory, given: Mapping[str, Any]) -> list[Reason]:
    """Every option that the driver does not take, or not with this value. Values are not shown: one may be a password."""
    takes = ", ".join(sorted(driver.options)) or "none"
    unknown = [
        Reason(f"The driver has no option '{name:.40}'.", f"It takes: {takes}.")
        for name in map(str, given)
        if name not in driver.options
    ]
    wrong = [
        Reason(f"The option {name} cannot be that.", cure)
        for name, option in driver.options.items()
        if name in given and (cure := option.fault(given[name]))
    ]
    return unknown + wrong


class DriverFactory(Protocol):
    """Makes a driver for one machine. `options`: what its connection may hold, by name; nothing else is accepted."""

    @property
    def options(self) -> Mapping[str, Option]: ...

    def __call__(self, connection: Connection) -> PrinterDriver: ...


DRIVERS: Registry[DriverFactory] = Registry("printer driver")
