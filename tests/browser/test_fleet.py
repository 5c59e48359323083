"""The fleet screen: a tile follows its printer without a reload, and a screen that lost its connection says so."""

from __future__ import annotations

import re
import threading

import pytest
from playwright.sync_api import WebSocketRoute, expect

from mes.choices import Role
from printing.choices import Run
from printing.models import Printer
from tests.browser.conftest import Open, aside
from tests.printing.makers import Floor, hear, idle, runs

pytestmark = pytest.mark.browser


def test_a_tile_follows_its_printer_until_the_plate_is_clear(open_as: Open) -> None:
    floor = aside(Floor)
    page = open_as(floor.staff[Role.OPR])
    page.goto("/fleet/")
    tile = page.locator(f"[data-printer={floor.printer.code}]")
    expect(page.locator("#live")).to_contain_text("Live")
    expect(tile).to_contain_text("heard")
    # Signing in may take longer than a word from a printer stays fresh.
    aside(lambda: hear(floor.printer, idle()))
    job = aside(floor.start)
    expect(tile.locator("[data-f=state]")).to_have_text("printing")
    expect(tile.locator("[data-f=job]")).to_contain_text(job.code)
    layers = job.build.layer_count or 0
    aside(lambda: hear(floor.printer, runs(job, Run.FINISHED, layer=layers)))
    expect(tile.locator("[data-f=notice]")).to_contain_text("Clear the plate")
    tile.get_by_role("button", name="Plate is clear").click()
    page.locator("#dialog .dialog-foot button:not([type=button])").click()
    expect(page.get_by_role("status").filter(has_text="The plate is clear")).to_be_visible()
    assert not Printer.objects.get().clearance_needed


def test_a_silent_server_makes_the_screen_look_old(open_as: Open) -> None:
    floor, silent = aside(Floor), threading.Event()
    page = open_as(floor.staff[Role.OPR])

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda said: None if silent.is_set() else socket.send(said))

    page.route_web_socket(re.compile("/ws/"), between)
    page.goto("/fleet/")
    expect(page.locator("#live")).to_contain_text("Live")
    silent.set()
    expect(page.locator("#fleet")).to_have_class("fleet is-stale", timeout=15_000)
    expect(page.locator("#live")).to_have_attribute("data-live", "stale")


def test_a_scan_goes_into_the_dialog_that_was_opened_for_it(open_as: Open) -> None:
    """A scanner is a keyboard that types a label and Enter, wherever the page has put the focus."""
    floor = aside(Floor)
    page = open_as(floor.staff[Role.OPR])
    page.goto(f"/printers/{floor.printer.code}/")
    page.get_by_role("button", name="Load material", exact=True).first.click()
    label = page.locator("#dialog[open] [name=label]")
    expect(label).to_be_focused()
    page.keyboard.type("NOSUCHLABEL")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog .refusal-slot .refusal")).to_be_visible()
    expect(label).to_have_value("NOSUCHLABEL")
