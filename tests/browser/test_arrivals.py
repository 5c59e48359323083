"""Images that came in over the network, in the browser: found among one's work, attached to a device."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from devices.choices import ArrivalStage
from devices.models import Arrival
from mes.choices import Role
from tests.browser.conftest import Open
from tests.browser.steps import dialog, sound, told
from tests.devices.makers import PASSWORD, Staff, make_planned
from tests.mes.dashboard.test_arrivals import arrived

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-ORD-05")]


def test_a_study_that_came_in_is_attached_to_the_device_it_is_for(open_as: Open, tmp_path: Path) -> None:
    staff = Staff()
    device = make_planned(staff)
    page = open_as(staff[Role.IMG])
    page.goto("/arrivals/")
    expect(page.locator("main")).to_contain_text("Nothing waits")
    arrival = arrived(tmp_path / "s", staff)
    page.reload()
    sound(page, [("light", 1280), ("dark", 390)])
    page.get_by_role("link", name=arrival.code).click()
    expect(page.locator("h1")).to_contain_text(arrival.code)
    sound(page, [("light", 1280), ("dark", 390)])
    dialog(page, "Attach to a device")
    page.get_by_label("Device", exact=True).select_option(device.code)
    page.get_by_label("Series").select_option(index=1)
    page.locator("#dialog .dialog-foot button:not([type=button])").click()
    told(page, "It is being read")
    assert Arrival.objects.get().stage == ArrivalStage.ATTACHED


def test_the_administrator_registers_a_sender(open_as: Open) -> None:
    page = open_as(Staff()[Role.SYS])
    page.goto("/senders/")
    dialog(page, "Register a sender")
    page.get_by_label("Application entity title").fill("CT2")
    page.get_by_label("Address").fill("10.0.0.7")
    page.get_by_label("What it is, and where").fill("CT 2, radiology")
    page.get_by_label("Your password").fill(PASSWORD)
    page.locator("#dialog .dialog-foot button:not([type=button])").click()
    expect(page.locator("table")).to_contain_text("10.0.0.7")
    sound(page, [("light", 1280), ("dark", 390)])
