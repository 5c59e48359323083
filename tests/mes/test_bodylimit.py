"""The cap on request bodies: declared or not, nothing over it is taken in."""

from collections.abc import Iterable
from typing import Any

import pytest

from mes.bodylimit import BodyLimit, Message, Receive, Send

LIMIT = 10


class Site:
    """An application that reads the whole body and answers with its length."""

    def __init__(self) -> None:
        self.read = 0
        self.hung_up = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            self.hung_up |= message["type"] == "http.disconnect"
            self.read += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(self.read).encode()})


async def _post(site: Site, chunks: Iterable[bytes], declared: bytes | None = None) -> list[Any]:
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
    await BodyLimit(site, limit=LIMIT)({"type": "http", "headers": headers}, receive, send)
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
    assert site.hung_up
    assert site.read == LIMIT
