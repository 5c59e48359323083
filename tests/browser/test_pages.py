"""Every page in both themes and on a tablet: no complaint of the browser, and what assistive technology needs is there."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mes.choices import Role
from mes.permissions import ADMINISTRATION
from tests.browser.conftest import Open, Theme
from tests.browser.steps import faults_of
from tests.devices.makers import Staff, make_device, make_person

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 820)])
def test_every_page_is_sound(open_as: Open, theme: Theme, width: int) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    everywhere = make_person(*(set(Role) - ADMINISTRATION))
    page = open_as(everywhere, theme=theme, width=width)
    assert page.locator("html").get_attribute("data-bs-theme") == theme
    for path in (
        "/", "/?as=list", "/my-work/", "/orders/", f"/orders/{device.order.code}/", f"/devices/{device.code}/",
        f"/devices/{device.code}/history/", "/builds/", "/fleet/", "/lots/", "/audit-trail/", "/deliveries/", "/find/?code=D999",
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert faults_of(page) == [], path


def test_the_keyboard_is_enough(open_as: Open) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    page = open_as(staff[Role.ORD])
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type(device.code)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(device.code)
    page.locator("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Orders")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_a_chosen_theme_stays(open_as: Open) -> None:
    page = open_as(make_person(Role.ORD))
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
