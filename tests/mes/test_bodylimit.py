"""Request bodies: nothing over the cap is taken in, and nobody's slowness holds a thread of the site."""

import asyncio
import errno
import json
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mes import room
from mes.asgi import THREADS, application
from mes.bodylimit import IN_MEMORY, BodyLimit, Message, Receive, Send, _Spool
from tests.patience import PATIENCE_S

LIMIT = 10


class Site:
    """An application that reads the whole body and answers with its length."""

    def __init__(self) -> None:
        self.read = 0
        self.body = bytearray()
        self.asked = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.asked = True
        while True:
            message = await receive()
            self.body += message.get("body", b"")
            self.read += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(self.read).encode()})


async def _post(
    site: Site,
    chunks: Iterable[bytes],
    declared: bytes | None = None,
    *,
    limit: int = LIMIT,
    folder: Path | None = None,
    path: str = "/sign-in/",
) -> list[Any]:
    parts = list(chunks)
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", declared)] if declared else []
    body_limit = BodyLimit(site, limit=limit, folder=Path("nowhere") if folder is None else folder)
    await body_limit({"type": "http", "path": path, "headers": headers}, receive, send)
    return sent


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    site = Site()
    sent = await _post(site, [b"12345", b"67890"], b"10")
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"10")


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    site = Site()
    sent = await _post(site, [b"x"], b"11")
    assert [message.get("status") for message in sent] == [413, None]
    assert site.read == 0


@pytest.mark.parametrize(("_case", "declared"), [("not declared", None), ("declared too short", b"1")])
async def test_a_body_that_grows_over_the_limit_ends_there(_case: str, declared: bytes | None) -> None:
    site = Site()
    sent = await _post(site, [b"1234567890", b"x", b"never read"], declared)
    assert [message.get("status") for message in sent] == [413, None]
    assert not site.asked


def _told(sent: list[Any]) -> tuple[int, str, bytes]:
    headers = dict(sent[0]["headers"])
    assert int(headers[b"content-length"]) == len(sent[1]["body"])
    return sent[0]["status"], headers[b"content-type"].decode(), sent[1]["body"]


@pytest.mark.parametrize("declared", [None, b"11"])
async def test_too_large_a_body_is_refused_in_the_shape_of_the_api(declared: bytes | None) -> None:
    status, kind, body = _told(await _post(Site(), [b"12345678901"], declared, path="/api/devices/"))
    assert (status, kind) == (413, "application/json")
    assert json.loads(body) == {
        "code": "invalid_input",
        "reasons": [
            {"rule": "", "text": "The request is larger than this site accepts.", "cure": "Send less."}
        ],
    }


async def test_too_large_a_body_for_a_page_is_refused_in_words() -> None:
    status, kind, body = _told(await _post(Site(), [b"x"], b"11", path="/apiary/"))
    assert (status, kind.split(";")[0]) == (413, "text/plain")
    assert body == b"The request is larger than this site accepts. Send less.\n"


@pytest.mark.parametrize(("declared", "free"), [(b"600000", [0]), (None, [10**12, 0])])
async def test_what_the_disk_has_no_room_for_is_answered_with_507(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, declared: bytes | None, free: list[int]
) -> None:
    """By its declared length before a byte is received, else where it comes to that; the rest of it goes by."""
    parts = [b"x" * 200_000 for _ in range(5)]
    monkeypatch.setattr(room, "free_bytes", lambda _: free.pop(0) if free[1:] else free[0])
    site, left = Site(), list(free)
    sent = await _post(site, parts, declared, limit=10**7, folder=tmp_path, path="/api/devices/D1/studies/")
    assert [message.get("status") for message in sent] == [507, None, None]
    assert [message.get("more_body") for message in sent[1:]] == [True, None]
    answer = json.loads(sent[1]["body"])
    assert (answer["code"], answer["reasons"][0]["cure"]) == (room.CODE, room.CURE)
    free[:] = left
    sent = await _post(site, parts, declared, limit=10**7, folder=tmp_path, path="/devices/D1/act/")
    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/html")
    assert b"The disk has no room" in sent[1]["body"]
    assert not site.asked
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_fills_with_the_last_part_is_answered_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_Spool, "_write_out", full)
    sent = await _post(Site(), [b"x" * 600_000], limit=10**7, folder=tmp_path)
    assert [message.get("status") for message in sent] == [507, None]


async def test_small_requests_are_taken_however_full_the_disk_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: 0)
    assert (await _post(Site(), [b"1234567890"], b"10"))[0]["status"] == 200


async def test_what_comes_after_the_limit_is_left_unread() -> None:
    parts = [b"1234567890", b"x", b"more", b"more"]
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await BodyLimit(Site(), limit=LIMIT, folder=Path("nowhere"))(
        {"type": "http", "path": "/", "headers": []}, receive, send
    )
    assert sent[0]["status"] == 413
    assert len(messages) == 2


async def test_after_the_body_the_application_hears_the_client_itself() -> None:
    """So that an answer that is still being written ends when its reader is gone."""
    messages: list[Message] = [{"type": "http.request", "body": b"abc"}, {"type": "http.disconnect"}]
    heard: list[str] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def listening(_scope: Message, receive: Receive, _send: Send) -> None:
        heard.extend([(await receive())["type"] for _ in range(2)])

    async def send(message: Message) -> None:
        raise AssertionError(message)

    limited = BodyLimit(listening, limit=LIMIT, folder=Path("nowhere"))
    await limited({"type": "http", "path": "/", "headers": []}, receive, send)
    assert heard == ["http.request", "http.disconnect"]


async def test_a_large_body_goes_through_a_file_that_only_this_account_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    rewind = _Spool.rewind

    async def looked_at(spool: _Spool) -> None:
        modes.append(os.fstat(spool._file.fileno()).st_mode & 0o777)
        await rewind(spool)

    monkeypatch.setattr(_Spool, "rewind", looked_at)
    folder = tmp_path / "quarantine"
    site = Site()
    parts = [bytes([number]) * IN_MEMORY for number in range(5)]
    sent = await _post(site, parts, limit=10 * IN_MEMORY, folder=folder)
    assert sent[0]["status"] == 200
    assert bytes(site.body) == b"".join(parts)
    assert modes == [0o600]
    assert list(folder.iterdir()) == []


async def test_a_body_that_stops_coming_is_answered_with_408() -> None:
    site = Site()
    sent: list[Any] = []

    async def receive() -> Message:
        if not site.read:
            site.read = 1
            return {"type": "http.request", "body": b"abc", "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    limited = BodyLimit(site, limit=LIMIT, folder=Path("nowhere"), silence=0.05)
    await limited({"type": "http", "path": "/api/lots/", "headers": []}, receive, send)
    status, kind, body = _told(sent)
    assert (status, kind) == (408, "application/json")
    assert [reason["cure"] for reason in json.loads(body)["reasons"]] == ["Send it again."]
    assert not site.asked


async def test_a_client_that_hangs_up_half_way_never_reaches_the_application() -> None:
    site = Site()
    messages: list[Message] = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await BodyLimit(site, limit=LIMIT, folder=Path("nowhere"))(
        {"type": "http", "path": "/", "headers": []}, receive, send
    )
    assert not site.asked


async def test_a_client_that_stops_reading_holds_nobody() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == 2:
            await asyncio.sleep(60)

    async def long_answer(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    limited = BodyLimit(long_answer, limit=LIMIT, folder=Path("nowhere"), silence=0.05)
    async with asyncio.timeout(5):
        await limited({"type": "http", "path": "/", "headers": []}, receive, send)
    assert len(sent) == 2


@pytest.fixture
def port(committed_db: None) -> Iterator[int]:
    """The site as it is served, on a port of its own."""
    config = uvicorn.Config(application, port=0, lifespan="off", log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(timeout=PATIENCE_S)


HALF = (
    b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n"
    b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n\r\nabc"
)


def test_half_sent_requests_do_not_stop_the_site(port: int) -> None:
    with ExitStack() as open_sockets:
        for _ in range(3 * THREADS):
            half = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
            half.sendall(HALF)
        time.sleep(0.5)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
