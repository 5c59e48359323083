"""Request bodies, in front of everything: received whole, without a thread, before the application is asked anything.

The application runs in a few threads. One that waited for a body would belong to whoever sends it slowly; a handful of
half-sent requests would stop the site. The same holds for whoever stops reading the answer.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from django.template.loader import render_to_string

from mes import room

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

IN_MEMORY = 256 * 1024
CHUNK = 256 * 1024
LONGEST_SILENCE_S = 30.0
COPIES = 3
"""Of what is sent, at the most at one time: as it came, as a file of the form, and as what a service takes."""
KEPT_FREE = 128 * 1024 * 1024
"""For the record itself, which goes on when no upload is taken any more."""
API = "/api/"


@dataclass(frozen=True)
class Answer:
    """What is answered before the application is asked. Under /api/ it has the shape of every refusal of the API."""

    status: int
    code: str
    text: str
    cure: str
    page: str = ""

    def written_for(self, path: str) -> tuple[bytes, bytes]:
        """Media type and body."""
        if path.startswith(API):
            reason = {"rule": "", "text": self.text, "cure": self.cure}
            return b"application/json", json.dumps({"code": self.code, "reasons": [reason]}).encode()
        if self.page:
            return b"text/html; charset=utf-8", render_to_string(self.page).encode()
        return b"text/plain; charset=utf-8", f"{self.text} {self.cure}\n".encode()


TOO_LARGE = Answer(413, "invalid_input", "The request is larger than this site accepts.", "Send less.")
NO_ROOM = Answer(room.STATUS, room.CODE, room.TEXT, room.CURE, page="507.html")
TOO_SLOW = Answer(408, "timed_out", "The rest of the request did not arrive.", "Send it again.")


class NoRoom(Exception):
    """The disk takes no more of a body. `more` says whether the rest of it is still to come."""

    def __init__(self, more: bool) -> None:
        self.more = more


class BodyLimit:
    """ASGI middleware: the body is spooled to `folder`, then replayed to the application.

    Over `limit` bytes, by the declared length or counted, is answered with 413 and read no further; `silence` seconds
    without a further part with 408; what the disk has no room for with 507, before it is received. A client that hangs up meanwhile is forgotten: the application never sees half a body.
    """

    def __init__(
        self, application: Application, *, limit: int, folder: Path, silence: float = LONGEST_SILENCE_S
    ) -> None:
        self.application = application
        self.limit = limit
        self.folder = folder
        self.silence = silence

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if _declared_length(scope) > self.limit:
            await _refuse(scope, send, TOO_LARGE)
            return
        with _Spool(self.folder) as spool:
            try:
                whole = await self._received(receive, spool, _declared_length(scope))
            except TimeoutError:
                await _refuse(scope, send, TOO_SLOW)
                return
            except NoRoom as found:
                await _refuse(scope, send, NO_ROOM, self._passing_by(receive) if found.more else None)
                return
            if spool.length > self.limit:
                await _refuse(scope, send, TOO_LARGE)
            elif whole:
                await spool.rewind()
                await self.application(scope, _replay(spool, receive), _until_stalled(send, self.silence))

    async def _passing_by(self, receive: Receive) -> None:
        """Let the rest of a body go by. Who is still sending would not hear an answer over a connection that is closed."""
        passed = 0
        while passed <= self.limit:
            try:
                async with asyncio.timeout(self.silence):
                    message = await receive()
            except TimeoutError:
                return
            passed += len(message.get("body", b""))
            if not message.get("more_body", False):
                return

    async def _received(self, receive: Receive, spool: "_Spool", declared: int) -> bool:
        """Whether the whole body came; it did not where the client hung up or said more than the limit. Raises NoRoom."""
        if declared > IN_MEMORY and not await asyncio.to_thread(spool.has_room_for, declared * COPIES):
            raise NoRoom(more=True)
        while True:
            async with asyncio.timeout(self.silence):
                message = await receive()
            if message["type"] == "http.disconnect":
                return False
            part = message.get("body", b"")
            if spool.length + len(part) > self.limit:
                spool.length += len(part)
                return False
            try:
                await spool.write(part)
            except OSError as fault:
                if fault.errno not in room.FULL:
                    raise
                raise NoRoom(more=message.get("more_body", False)) from fault
            if not message.get("more_body", False):
                return True


class _Spool:
    """A body in memory while it is small, else in a file without a name, readable by this account alone.

    The file is touched in a thread that no client can hold: a slow disk must not stop the event loop.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.length = 0
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY, mode="w+b", dir=str(folder))  # noqa: SIM115 - __exit__

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        # What a full disk did not take is written once more by closing: nobody asks for it any more.
        with suppress(OSError):
            self._file.close()

    def has_room_for(self, length: int) -> bool:
        return room.free_bytes(self.folder) >= length + KEPT_FREE

    async def write(self, part: bytes) -> None:
        self.length += len(part)
        if self.length <= IN_MEMORY:
            self._file.write(part)
        else:
            await asyncio.to_thread(self._write_out, part)

    def _write_out(self, part: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.has_room_for(self.length * (COPIES - 1)):
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._file.write(part)

    async def rewind(self) -> None:
        await asyncio.to_thread(self._file.seek, 0)

    async def read(self) -> bytes:
        if self.length <= IN_MEMORY:
            return self._file.read(CHUNK)
        part: bytes = await asyncio.to_thread(self._file.read, CHUNK)
        return part


def _replay(spool: _Spool, receive: Receive) -> Receive:
    left = spool.length
    ended = False

    async def replayed() -> Message:
        nonlocal left, ended
        if ended:
            return await receive()
        part = await spool.read()
        left -= len(part)
        ended = left <= 0
        return {"type": "http.request", "body": part, "more_body": not ended}

    return replayed


def _until_stalled(send: Send, silence: float) -> Send:
    """A client that stops reading gets nothing more, and the server closes what is left half-answered."""
    stalled = False

    async def sent(message: Message) -> None:
        nonlocal stalled
        if stalled:
            return
        try:
            async with asyncio.timeout(silence):
                await send(message)
        except TimeoutError:
            stalled = True

    return sent


def _declared_length(scope: Message) -> int:
    lengths = [value for name, value in scope.get("headers", []) if name == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)


async def _refuse(scope: Message, send: Send, answer: Answer, rest: Awaitable[None] | None = None) -> None:
    """`rest` is awaited between the answer and its end."""
    media_type, body = answer.written_for(str(scope.get("path", "")))
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": rest is not None})
    if rest is not None:
        await rest
        await send({"type": "http.response.body", "body": b""})
