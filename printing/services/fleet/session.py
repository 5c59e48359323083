"""One printer: connect, read, send what is asked, back off. No other printer waits for this one."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from django.utils import timezone

from mes.eventlog.base import plain
from mes.exceptions import LeaseLost, Refused
from mes.services.artefacts import intact_path
from printing.choices import CommandKind, CommandState, JobState, Link, Operation
from printing.drivers.base import (
    DRIVERS,
    Ack,
    BuildFile,
    Finding,
    Identity,
    Outcome,
    PrinterDriver,
    PrinterUnreachable,
    Snapshot,
)
from printing.selectors.fleet import STALE_AFTER
from printing.services.commands import (
    record_answer,
    record_no_answer,
    record_read_back,
    take_command,
    withdraw_unsent,
)
from printing.services.fleet.board import CommandView, PrinterView
from printing.services.fleet.connections import connection
from printing.services.fleet.identity import record_identity
from printing.services.fleet.words import (
    FLEET,
    Word,
    has_effect,
    record_contact,
    record_fleet_word,
    record_telemetry_gap,
    says_something_new,
    word_of,
)

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How often and how long. `gap`: a print that was not heard for longer needs a decision (G-PRT-01)."""

    poll_s: float = 0.5
    contact_s: float = 1.0
    answer_s: float = 3.0
    command_s: float = 10.0
    upload_s: float = 50.0
    effect_s: float = 10.0
    back_off_s: float = 1.0
    longest_back_off_s: float = 30.0
    stale: timedelta = STALE_AFTER
    gap: timedelta = timedelta(minutes=5)


class Tools(Protocol):
    """What the process lends to each session."""

    pace: Pace
    epoch: int
    connecting: asyncio.Semaphore

    def view(self, printer_id: int) -> PrinterView | None: ...

    async def database(self, call: Callable[[], T]) -> T: ...

    async def tell(self, printer_id: int, values: dict[str, Any]) -> None: ...

    async def refresh(self) -> None: ...


class Session:
    """Runs until it is cancelled. `wake` is set when a command waits."""

    def __init__(self, printer_id: int, tools: Tools) -> None:
        self.wake = asyncio.Event()
        self._id = printer_id
        self._tools = tools
        self._pace = tools.pace
        self._heard: datetime | None = None
        self._written: datetime | None = None
        self._gap_since: datetime | None = None
        self._mine: set[int] = set()
        self._vanished = 0
        self._counter = 0
        self._late = True

    async def run(self) -> None:
        pause = self._pace.back_off_s
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._watch()
            except (PrinterUnreachable, TimeoutError) as failure:
                await self._unheard(failure)
            except LeaseLost:
                raise
            except Exception:
                # Whatever it is, it concerns this printer alone; the others go on.
                log.exception("printer %s: the session failed and begins again", self._id)
            if asyncio.get_running_loop().time() - started > self._pace.longest_back_off_s:
                pause = self._pace.back_off_s
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, self._pace.longest_back_off_s)

    async def _watch(self) -> None:
        view = self._tools.view(self._id)
        if view is None:
            return
        driver = DRIVERS[view.driver](connection(view.code, view.serial, view.kind, view.options))
        try:
            # `asyncio.timeout`, never `wait_for`: that one may lose a cancellation that comes with the result.
            async with self._tools.connecting, asyncio.timeout(self._pace.answer_s):
                identity = await driver.connect()
            self._late, self._vanished = True, 0
            await self._identified(identity)
            while view := self._tools.view(self._id):
                await self.look(driver, view)
                await self._rest()
        finally:
            await driver.close()

    async def _identified(self, identity: Identity) -> str:
        """Have it written who the machine says it is; why nothing is started on it, else ""."""
        record = partial(
            record_identity,
            printer_id=self._id,
            identity=identity,
            epoch=self._tools.epoch,
            actor=FLEET,
        )
        return await self._tools.database(record)

    async def _rest(self) -> None:
        self.wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll_s):
                await self.wake.wait()

    async def look(self, driver: PrinterDriver, view: PrinterView) -> None:
        """One round: read, write what is new, tell the screens, send what is asked."""
        word = await self._read(driver, view)
        if view.command:
            await self._command(driver, view, view.command, word)

    async def _read(self, driver: PrinterDriver, view: PrinterView) -> Word:
        async with asyncio.timeout(self._pace.answer_s):
            snapshot = await driver.snapshot()
        now = timezone.now()
        outage = self._outage(view, now)
        await self._close_gap(view, now)
        self._heard = now
        word = self._word(snapshot, view, outage)
        if says_something_new(view, word):
            await self._record(word)
        self._late = False
        await self._tell(snapshot, view, now)
        return word

    def _outage(self, view: PrinterView, now: datetime) -> dict[str, Any] | None:
        """The silence that this reading ends, as a job's `gaps` have it; None where there was none."""
        heard = self._gap_since or self._heard or view.heard_at
        if not self._late or heard is None:
            return None
        return {"since": plain(heard), "until": plain(now), "within_limit": now - heard <= self._pace.gap}

    def _word(self, snapshot: Snapshot, view: PrinterView, outage: dict[str, Any] | None) -> Word:
        word = word_of(snapshot, view.expected, late=self._late, finished=view.finished, outage=outage)
        self._vanished = self._vanished + 1 if word.finding == Finding.VANISHED else 0
        # One reading without a trace may be a reading in between; two are not.
        return _unclear(word) if self._vanished == 1 else word

    async def _record(self, word: Word) -> None:
        record = partial(record_fleet_word, printer_id=self._id, word=word, epoch=self._tools.epoch)
        await self._tools.database(record)
        await self._tools.refresh()

    async def _tell(self, snapshot: Snapshot, view: PrinterView, now: datetime) -> None:
        self._counter += 1
        values = telemetry(snapshot, view.code, now, self._tools.epoch, self._counter)
        if self._written is None or (now - self._written).total_seconds() >= self._pace.contact_s:
            self._written = now
            await self._tools.database(
                partial(
                    record_contact,
                    printer_id=self._id,
                    heard_at=now,
                    epoch=self._tools.epoch,
                    counter=self._counter,
                    values=values,
                )
            )
        await self._tools.tell(self._id, values)

    async def _unheard(self, failure: BaseException) -> None:
        """Not reachable is known at once; silence counts once it has lasted."""
        view = self._tools.view(self._id)
        if view is None:
            return
        now = timezone.now()
        heard = self._heard or view.heard_at
        if isinstance(failure, PrinterUnreachable):
            word = Word(Link.DOWN, operation=Operation.OFFLINE, text=str(failure))
        elif heard is None or now - heard > self._pace.stale:
            word = Word(Link.UNKNOWN, text="It does not answer.")
        else:
            return
        if word.axes != view.words:
            await self._record(word)
        await self._open_gap(view, heard, now)

    async def _open_gap(self, view: PrinterView, heard: datetime | None, now: datetime) -> None:
        if heard is None or self._gap_since or now - heard <= self._pace.gap:
            return
        if view.job_state in (JobState.PRINTING, JobState.PAUSED):
            self._gap_since = heard
            await self._record_gap(view, heard, None)

    async def _close_gap(self, view: PrinterView, now: datetime) -> None:
        heard = self._gap_since or self._heard or view.heard_at
        self._gap_since = None
        if heard is None or now - heard <= self._pace.gap:
            return
        if view.job_state in (JobState.PRINTING, JobState.PAUSED):
            await self._record_gap(view, heard, now)

    async def _record_gap(self, view: PrinterView, since: datetime, until: datetime | None) -> None:
        if view.job_id is None:
            return
        await self._tools.database(
            partial(
                record_telemetry_gap,
                job_id=view.job_id,
                since=since,
                until=until,
                epoch=self._tools.epoch,
            )
        )

    async def _command(
        self, driver: PrinterDriver, view: PrinterView, command: CommandView, word: Word
    ) -> None:
        """At most one step with the printer's open command. Sending is the only step that touches the machine."""
        if command.state == CommandState.REQUESTED:
            if await self._ready(driver, view, command):
                await self._send(driver, command)
                await self._tools.refresh()
        elif command.state == CommandState.UNCERTAIN:
            if not command.read_back and word.finding != Finding.UNCLEAR:
                await self._read_back(command, word)
        elif not has_effect(command.kind, word):
            await self._wait_for_effect(command)

    async def _ready(self, driver: PrinterDriver, view: PrinterView, command: CommandView) -> bool:
        """For a start: the machine is the registered one, holds our file, says so with our digest, and how it is now: the
        gates are asked again on what it says after an upload, which may take long."""
        if command.kind != CommandKind.START:
            return True
        async with asyncio.timeout(self._pace.answer_s):
            identity = await driver.identify()
        if against := await self._identified(identity):
            await self._withdraw(command, against)
            return False
        try:
            # Hashing a large file takes seconds: in a thread, as every call that waits.
            path = await self._tools.database(partial(intact_path, command.file))
            file = BuildFile(command.run, path, command.plate_digest)
            async with asyncio.timeout(self._pace.upload_s):
                receipt = await driver.upload(file)
        except Refused as refusal:
            await self._withdraw(command, str(refusal))
            return False
        if receipt.plate_digest != command.plate_digest:
            await self._withdraw(command, "The machine holds another file than the verified one.")
            return False
        await self._read(driver, self._tools.view(self._id) or view)
        return True

    async def _withdraw(self, command: CommandView, text: str) -> None:
        await self._tools.database(partial(withdraw_unsent, command_id=command.id, text=text, actor=FLEET))
        await self._tools.refresh()

    async def _send(self, driver: PrinterDriver, command: CommandView) -> None:
        take = partial(take_command, command_id=command.id, epoch=self._tools.epoch, actor=FLEET)
        if await self._tools.database(take) is None:
            return
        self._mine.add(command.id)
        try:
            async with asyncio.timeout(self._pace.command_s):
                ack = await _call(driver, command)
        except (PrinterUnreachable, TimeoutError) as failure:
            await self._uncertain(command, f"No answer: {str(failure) or 'time ran out'}.")
            return
        if ack.outcome == Outcome.UNKNOWN:
            await self._uncertain(command, ack.text or "The machine's answer was not understood.")
            return
        accepted = ack.outcome == Outcome.ACCEPTED
        answer = partial(record_answer, command_id=command.id, accepted=accepted, text=ack.text, actor=FLEET)
        await self._tools.database(answer)

    async def _wait_for_effect(self, command: CommandView) -> None:
        if command.state == CommandState.SENT and command.id not in self._mine:
            await self._uncertain(command, "The fleet process ended before the answer came.")
            return
        age = (timezone.now() - command.sent_at).total_seconds() if command.sent_at else 0.0
        if age > self._pace.effect_s:
            await self._uncertain(
                command,
                f"The machine took the command, but no effect was seen in {self._pace.effect_s:.0f} s.",
            )

    async def _uncertain(self, command: CommandView, text: str) -> None:
        lost = partial(record_no_answer, command_id=command.id, text=text, actor=FLEET)
        await self._tools.database(lost)
        await self._tools.refresh()

    async def _read_back(self, command: CommandView, word: Word) -> None:
        seen = word.seen
        evidence = {
            "at": timezone.now().isoformat(),
            "operation": word.operation.value,
            "run": seen.run if seen else "",
            "run_state": seen.state.value if seen else word.run.value,
            "layer": seen.layer if seen else 0,
        }
        read = partial(record_read_back, command_id=command.id, evidence=evidence, actor=FLEET)
        await self._tools.database(read)
        await self._tools.refresh()


def _unclear(word: Word) -> Word:
    return Word(
        **{**{name: getattr(word, name) for name in word.__dataclass_fields__}, "finding": Finding.UNCLEAR}
    )


def _call(driver: PrinterDriver, command: CommandView) -> Awaitable[Ack]:
    calls: dict[CommandKind, Callable[[], Awaitable[Ack]]] = {
        CommandKind.START: lambda: driver.start(command.run),
        CommandKind.PAUSE: lambda: driver.pause(command.run),
        CommandKind.RESUME: lambda: driver.resume(command.run),
        CommandKind.CANCEL: lambda: driver.cancel(command.run),
        CommandKind.CLEAR: driver.clear,
    }
    return calls[command.kind]()


def telemetry(snapshot: Snapshot, code: str, heard_at: datetime, epoch: int, counter: int) -> dict[str, Any]:
    """A reading as the screens get it (`consumers.FleetConsumer` documents the shape)."""
    current = snapshot.current
    return {
        "code": code,
        "epoch": epoch,
        "counter": counter,
        "heard_at": heard_at.isoformat(),
        "operation": snapshot.operation.value,
        "layer": current.layer if current else None,
        "layers": current.layers if current else None,
        "progress": snapshot.progress,
        "basis": snapshot.basis,
        "eta_s": snapshot.eta_s,
        "elapsed_s": snapshot.elapsed_s,
        "temperatures": [asdict(reading) for reading in snapshot.temperatures],
        "resin_ml": snapshot.resin_ml,
        "fault": snapshot.fault.text if snapshot.fault else "",
        "attention": snapshot.attention,
    }
