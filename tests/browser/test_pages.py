"""Every page in both themes and on a tablet: no complaint of the browser, and what assistive technology needs is there."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mes.choices import Role
from tests.browser.conftest import Open, Theme
from tests.devices.makers import Staff, make_device, make_person

pytestmark = pytest.mark.browser

FAULTS = """() => {
  const faults = [];
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!field.labels?.length && !field.getAttribute("aria-label")) faults.push(`no label: ${field.name}`);
  for (const button of document.querySelectorAll("button, a"))
    if (!button.textContent.trim() && !button.getAttribute("aria-label")) faults.push(`no name: ${button.outerHTML.slice(0, 80)}`);
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) faults.push(`no alt: ${image.src}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  for (const style of document.querySelectorAll("[style]")) if (style.closest("main") && style.tagName !== "CANVAS") faults.push(`style: ${style.outerHTML.slice(0, 80)}`);
  if (document.documentElement.scrollWidth > window.innerWidth + 1) faults.push("wider than the window");
  return faults;
}"""


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 820)])
def test_every_page_is_sound(open_as: Open, theme: Theme, width: int) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    everywhere = make_person(*Role)
    page = open_as(everywhere, theme=theme, width=width)
    assert page.locator("html").get_attribute("data-bs-theme") == theme
    for path in (
        "/", "/?as=list", "/my-work/", "/orders/", f"/orders/{device.order.code}/", f"/devices/{device.code}/",
        f"/devices/{device.code}/history/", "/builds/", "/fleet/", "/lots/", "/audit-trail/", "/deliveries/", "/find/?code=D999",
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(FAULTS) == [], path


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
