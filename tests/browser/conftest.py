"""A real Chromium against the real site. Any console error, failed request or breach of the content policy fails the test."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol, TypeVar

import pytest
import uvicorn
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from mes.asgi import application
from mes.models import Account
from tests.devices.makers import Who
from tests.patience import PATIENCE_S
from tests.printing.conftest import fleet, machines

__all__ = ["fleet", "machines"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The shell without windows first: it draws the same pages with two thirds of the work.
CHROMIUMS = ("chromium-headless-shell", "chromium")
# A refusal is an answer: the browser logs its status, the page shows its reasons.
EXPECTED = "the server responded with a status of 4"
# Playwright's own five seconds are too few for a busy machine.
expect.set_options(timeout=30_000)
Theme = Literal["light", "dark"]


class Open(Protocol):
    def __call__(self, who: Who, *, theme: Theme = "light", width: int = 1280) -> Page: ...


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with this folder: Playwright keeps an event loop in this thread, which no other test could bear.

    Django would take that for an asynchronous caller, also between two tests, where the next one's database is set.
    """
    found = os.environ.get("LAMINA_TEST_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        try:
            browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        except Exception as failure:  # noqa: BLE001 - Playwright raises its own base class for a missing browser
            pytest.skip(f"no Chromium: {str(failure).splitlines()[0]}")
        yield browser
        browser.close()


T = TypeVar("T")


def aside(work: Callable[[], T]) -> T:
    """Do something in a thread of its own, for services that speak to the channel layer once they have committed."""

    def done() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(done).result()


def come_in(context: BrowserContext, who: Who, site: str) -> None:
    """Sign somebody in as the page for it would, without loading pages for it (`steps.sign_in` does that)."""

    def entered() -> str:
        client = Client()
        client.force_login(Account.objects.get(username=who.username))
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": aside(entered), "url": site}])


@pytest.fixture
def pooled(committed_db: None) -> Iterator[None]:
    """Connections are kept and lent out, as by the web process: a new one for each request would plan every question anew."""
    default = connections.settings["default"]
    connections.close_all()
    default["OPTIONS"] |= {"pool": {"min_size": 1, "max_size": 8, "timeout": PATIENCE_S}}
    yield
    connections.close_all()
    connections["default"].close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it
    del default["OPTIONS"]["pool"]


@pytest.fixture
def site(pooled: None) -> Iterator[str]:
    """The whole site, pages and sockets, on a port of its own. Its database is this test's clone."""
    config = uvicorn.Config(application, port=0, lifespan="off", log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=PATIENCE_S)


@pytest.fixture
def tolerated() -> list[str]:
    """What a console may complain about in this test, for the test itself brings it about."""
    return []


@pytest.fixture
def open_as(site: str, chromium: Browser, tolerated: list[str]) -> Iterator[Open]:
    """An empty window of this person, signed in. Whatever its console complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(one in message.text for one in (EXPECTED, *tolerated)):
            complaints.append(message.text)

    def opened(who: Who, *, theme: Theme = "light", width: int = 1280) -> Page:
        context = chromium.new_context(
            base_url=site,
            color_scheme=theme,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.on("console", complain)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        come_in(context, who, site)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
