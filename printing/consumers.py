"""The socket of the fleet screen."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from importlib import import_module
from typing import Any

import redis
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone

from mes.models import Account
from mes.scope import viewer_of
from mes.selectors import session_stands
from printing.live import GROUP, Telemetry
from printing.selectors.fleet import fleet_process, fleet_state, printer_versions

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
COALESCE_S = 0.1
RECHECK_S = 3.0
MESSAGES_PER_S = 20
SLOWEST_SEND_S = 10.0

CODE = re.compile(r"M[0-9]{1,12}")

CLOSE_RIGHTS = 4403
CLOSE_NOT_TEXT = 1003
CLOSE_TOO_FAST = 1008
CLOSE_TOO_SLOW = 1013


class FleetConsumer(AsyncJsonWebsocketConsumer):
    """`/ws/fleet/`: what every printer does, live. JSON text frames.

    An anonymous client is refused before the handshake (HTTP 403). After it the client speaks first.

    Client to server
        {"t": "subscribe"}                     every printer; answered by a snapshot, then deltas follow
        {"t": "subscribe", "printers": [CODE]} these printers only, for a page of one printer
        {"t": "resync"}                        a new snapshot, e.g. after 5 s without a heartbeat or a version gap

    Server to client
        {"t": "snapshot", "at": ISO, "printers": [STATE…], "telemetry": [TELEMETRY…], "fleet": FLEET}
        {"t": "state", "at": ISO, "printer": STATE}           take it if its version is above the one you have
        {"t": "telemetry", "printer": TELEMETRY}              take it if (epoch, counter) is above the one you have
        {"t": "heartbeat", "at": ISO, "versions": {CODE: N}, "fleet": FLEET}      every 2 s, read from the database
        {"t": "error", "text": …}                             the client's message was not understood

    STATE: code, version (of the printer's stream), name, kind, operation, operation_label, link, machine, run, since,
        heard_at, qualification, qualification_label, held, hold_reason, clearance_needed (why the plate must be
        cleared, or ""), foreign_run, container {label, lot, material, remaining, unit, lot_state} or null,
        job {code, state, state_label, build, devices [CODE], started_at, ended_at, layers_done, layers, reason, plate}
        or null, command {uid, kind, state} or null.
    TELEMETRY: code, epoch, counter, heard_at, operation, layer, layers, progress (0..1 or null), basis, eta_s, elapsed_s,
        temperatures [{name, actual_c, target_c}], resin_ml, fault (text or ""), attention (text or ""). Gaps are allowed.
    FLEET: {"alive": bool, "epoch": N}: whether a fleet process holds the printers now.

    Rules for the client: a state whose `heard_at` is over 10 s old is shown as unknown, whatever it says; a heartbeat with
    a version above the one shown means a lost message (the server sends that state by itself at the next heartbeat;
    `resync` asks at once); no heartbeat for 5 s means grey tiles and `resync`, then a new connection after 0.5 to 30 s
    with full jitter. `since`, `heard_at` and `at` are ISO 8601 in UTC; count ages from `at`, not from the client's clock.

    Each connection keeps one slot for each printer: while a message is on its way, newer ones replace each other. A client
    that takes longer than 10 s for a message is closed with 1013, one that sends more than 20 messages a second
    with 1008, one that sends a binary frame with 1003, one who signed out or whose account was closed with 4403, within
    some seconds.
    """

    async def connect(self) -> None:
        self._wanted: set[int] | None = None
        self._subscribed = False
        self._sent: dict[int, int] = {}
        self._moved: set[int] = set()
        self._measured: set[int] = set()
        self._work = asyncio.Event()
        self._resync = False
        self._tasks: list[asyncio.Task[None]] = []
        self._arrivals: list[float] = []
        self._telemetry = Telemetry()
        if not await self._may_look():
            await self.close()
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        self._tasks = [asyncio.create_task(self._send_changes()), asyncio.create_task(self._beat())]

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        await self._telemetry.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        if text_data is None:
            await self.close(CLOSE_NOT_TEXT)
            return
        await self.receive_json(await self.decode_json(text_data))

    async def receive_json(self, content: Any, **_: Any) -> None:
        if not self._within_rate():
            await self.close(CLOSE_TOO_FAST)
            return
        kind = content.get("t") if isinstance(content, dict) else None
        if kind == "subscribe":
            self._wanted = _keys(content.get("printers"))
            self._subscribed = True
        elif kind != "resync" or not self._subscribed:
            await self.send_json(
                {"t": "error", "text": "Say {'t': 'subscribe'}, then {'t': 'resync'} if needed."}
            )
            return
        self._resync = True
        self._work.set()

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """What is not JSON is answered like any other message that is not understood."""
        try:
            return await super().decode_json(text_data)
        except (ValueError, RecursionError):
            return None

    async def printer_moved(self, message: dict[str, Any]) -> None:
        """From the channel layer: this printer's stream is at this version."""
        if message["version"] > self._sent.get(message["printer"], 0):
            self._take(self._moved, message["printer"])

    async def printer_telemetry(self, message: dict[str, Any]) -> None:
        """From the channel layer: there are newer values of this printer."""
        self._take(self._measured, message["printer"])

    def _take(self, slots: set[int], key: int) -> None:
        if self._subscribed and (self._wanted is None or key in self._wanted):
            slots.add(key)
            self._work.set()

    async def _send_changes(self) -> None:
        """The only sender of states: what arrives while it is busy waits in one slot for each printer."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                async with asyncio.timeout(SLOWEST_SEND_S):
                    await self._flush()
            except TimeoutError:
                await self.close(CLOSE_TOO_SLOW)
                return
            except DatabaseError as failure:
                log.warning("no states: %s; a snapshot follows", type(failure).__name__)
                self._resync = True
                self._work.set()
                await asyncio.sleep(HEARTBEAT_S)
            await asyncio.sleep(COALESCE_S)

    async def _flush(self) -> None:
        if self._resync:
            self._resync = False
            self._moved.clear()
            self._measured.clear()
            await self._send_snapshot()
            return
        moved, self._moved = self._moved, set()
        measured, self._measured = self._measured, set()
        if moved:
            for state in await database_sync_to_async(fleet_state)(moved):
                await self._send_state(state)
        for key, values in (await self._values(measured)).items():
            if key in measured:
                await self.send_json({"t": "telemetry", "printer": values})

    async def _send_snapshot(self) -> None:
        states = await database_sync_to_async(fleet_state)(self._wanted)
        keys = [_key(state["code"]) for state in states]
        values = await self._values(keys)
        fleet = await database_sync_to_async(fleet_process)(timezone.now())
        self._sent = {_key(state["code"]): state["version"] for state in states}
        snapshot = {"t": "snapshot", "at": _now(), "printers": states}
        await self.send_json({**snapshot, "telemetry": list(values.values()), "fleet": fleet})

    async def _send_state(self, state: dict[str, Any]) -> None:
        self._sent[_key(state["code"])] = state["version"]
        await self.send_json({"t": "state", "at": _now(), "printer": state})

    async def _values(self, keys: Any) -> dict[int, dict[str, Any]]:
        try:
            return await self._telemetry.get(keys)
        except (OSError, redis.RedisError):
            log.info("no telemetry: the broker does not answer")
            return {}

    async def _beat(self) -> None:
        """Current versions from the database, so that even a lost last message is noticed, and repaired here."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                if time.monotonic() - checked > RECHECK_S:
                    if not await self._may_look():
                        await self.close(CLOSE_RIGHTS)
                        return
                    checked = time.monotonic()
                if self._subscribed:
                    await self._send_heartbeat()
            except DatabaseError as failure:
                log.warning("no heartbeat: %s", type(failure).__name__)

    async def _send_heartbeat(self) -> None:
        versions = await database_sync_to_async(printer_versions)(self._wanted)
        fleet = await database_sync_to_async(fleet_process)(timezone.now())
        told = {f"M{key:07d}": version for key, version in sorted(versions.items())}
        await self.send_json({"t": "heartbeat", "at": _now(), "versions": told, "fleet": fleet})
        for key, version in versions.items():
            if version > self._sent.get(key, 0):
                self._take(self._moved, key)

    async def _may_look(self) -> bool:
        """Asked of the database each time: the session that opened the socket still stands for a person who may know."""
        session = self.scope.get("session")
        if session is None or not session.session_key:
            return False
        return await database_sync_to_async(_stands)(session.session_key)

    def _within_rate(self) -> bool:
        now = time.monotonic()
        self._arrivals = [moment for moment in self._arrivals if now - moment < 1.0] + [now]
        return len(self._arrivals) <= MESSAGES_PER_S


def _stands(session_key: str) -> bool:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    account = get_user(request)
    return (
        isinstance(account, Account)
        and session_stands(str(request.session.get("lamina_session", "")), account)
        and viewer_of(account.person).every_order
    )


def _keys(codes: Any) -> set[int] | None:
    if not isinstance(codes, list):
        return None
    return {_key(code) for code in codes[:500] if isinstance(code, str) and CODE.fullmatch(code)}


def _key(code: str) -> int:
    return int(code[1:13])


def _now() -> str:
    return timezone.now().isoformat()
