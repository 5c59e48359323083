"""The fleet process: every printer's session in one event loop, under one lease."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import redis
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from mes.exceptions import LeaseLost
from printing.live import Telemetry
from printing.services.fleet.board import PrinterView, read_board
from printing.services.fleet.lease import LEASE, give_up_lease, renew_lease, take_lease
from printing.services.fleet.session import Pace, Session

log = logging.getLogger(__name__)
T = TypeVar("T")

BOARD_S = 0.25
RETRY_S = 1.0
THREADS = 4
CONNECTING_AT_ONCE = 8


class Fleet:
    """Drives every printer until told to stop. Database calls run in threads; no transaction waits for a printer."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self.epoch = 0
        self.connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._holder = uuid4()
        self._board: dict[int, PrinterView] = {}
        self._sessions: dict[int, tuple[Session, asyncio.Task[None]]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fleet-db")
        self._telemetry = Telemetry()
        self._reading = asyncio.Lock()

    def view(self, printer_id: int) -> PrinterView | None:
        return self._board.get(printer_id)

    async def database(self, call: Callable[[], T]) -> T:
        """Run a database call in a thread. A connection that broke is dropped, so that the next call gets a new one."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(_run, call))

    async def tell(self, printer_id: int, values: dict[str, Any]) -> None:
        """Telemetry may be lost: a broker that is away delays no printer."""
        try:
            await self._telemetry.put(printer_id, values)
        except (OSError, redis.RedisError) as failure:
            log.debug("telemetry is not told: %s", type(failure).__name__)

    async def refresh(self) -> None:
        """Read the board again, so that the next round sees what this one wrote."""
        async with self._reading:
            self._board = await self.database(read_board)

    async def run(self, stop: threading.Event) -> None:
        """Take the lease, drive, and give it up at the end. A lost lease or database is waited for."""
        try:
            while not stop.is_set():
                try:
                    await self._hold_and_drive(stop)
                except (DatabaseError, InterfaceError) as failure:
                    log.warning("the fleet waits for the database: %s", type(failure).__name__)
                except LeaseLost:
                    log.warning("the fleet lost its lease and asks for it again")
                await self._end_sessions()
                await _wait(stop, RETRY_S)
        finally:
            await self._close()

    async def _hold_and_drive(self, stop: threading.Event) -> None:
        epoch = await self.database(partial(take_lease, self._holder))
        if epoch is None:
            return
        self.epoch = epoch
        log.info("fleet: epoch %s", epoch)
        renewed = asyncio.get_running_loop().time()
        while not stop.is_set():
            if asyncio.get_running_loop().time() - renewed > LEASE.total_seconds() / 3:
                renewed = asyncio.get_running_loop().time()
                if not await self.database(partial(renew_lease, self._holder, epoch)):
                    raise LeaseLost(f"fleet epoch {epoch}")
            await self.refresh()
            self._keep_sessions()
            await asyncio.sleep(BOARD_S)

    def _keep_sessions(self) -> None:
        for printer_id, view in self._board.items():
            session, task = self._sessions.get(printer_id, (None, None))
            if task is not None and task.done():
                _raise_lost_lease(task)
                session = None
            if session is None:
                session = Session(printer_id, self)
                name = f"printer-{view.code}"
                self._sessions[printer_id] = (session, asyncio.create_task(session.run(), name=name))
            elif view.command and view.command.state == "requested":
                session.wake.set()

    async def _end_sessions(self) -> None:
        tasks = [task for _, task in self._sessions.values()]
        while waiting := [task for task in tasks if not task.done()]:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=1.0)
        self._sessions.clear()

    async def _close(self) -> None:
        await self._end_sessions()
        try:
            await self.database(partial(give_up_lease, self._holder, self.epoch))
        except (DatabaseError, InterfaceError):
            log.info("the lease ends by itself")
        await self._telemetry.close()
        meet = threading.Barrier(THREADS)
        for _ in range(THREADS):
            self._threads.submit(_close_connection, meet)
        self._threads.shutdown()


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except (OperationalError, InterfaceError):
        connection.close()
        raise


def _close_connection(meet: threading.Barrier) -> None:
    """Each thread closes its own: all wait for each other, so that none is served twice."""
    meet.wait(5.0)
    connection.close()


def _raise_lost_lease(task: asyncio.Task[None]) -> None:
    failure = None if task.cancelled() else task.exception()
    if isinstance(failure, LeaseLost):
        raise failure


async def _wait(stop: threading.Event, seconds: float) -> None:
    """Until told to stop, at most so long."""
    ends = asyncio.get_running_loop().time() + seconds
    while not stop.is_set() and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(0.05)
