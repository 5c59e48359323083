"""Every page in both themes and on a tablet: no complaint of the browser, and what assistive technology needs is there."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mes.choices import Role
from mes.permissions import ADMINISTRATION
from tests.browser.conftest import Open, Theme
from tests.browser.steps import faults_of, sound, turn
from tests.devices.makers import Staff, make_device, make_person
from tests.quality.makers import make_gauge

pytestmark = pytest.mark.browser


LOOKS: list[tuple[Theme, int]] = [("dark", 820), ("dark", 390), ("light", 390), ("light", 1280)]


def test_every_page_is_sound(open_as: Open) -> None:
    """Each page is loaded once, in turn the dark one of a tablet and the light one of a desk, and then seen in every look."""
    staff = Staff()
    device = make_device("design_frozen", staff)
    gauge = make_gauge()
    everywhere = make_person(*(set(Role) - ADMINISTRATION))
    looks = LOOKS
    page = open_as(everywhere, theme=looks[0][0], width=looks[0][1])
    for path in (
        "/", "/?as=list", "/my-work/", "/orders/", f"/orders/{device.order.code}/", f"/devices/{device.code}/",
        f"/devices/{device.code}/history/", "/builds/", "/fleet/", "/lots/", "/audit-trail/", "/audit-trail/review/",
        "/deliveries/", "/find/?code=D999", "/packages/", "/gauges/", f"/gauges/{gauge.code}/", "/exports/", "/stations/",
        "/people/", "/roles/", "/why/", "/training/", "/training/documents/", "/training/needed/", "/privacy/", "/retention/",
        "/safekeeping/", "/patients/", "/handwritten/", "/signers/", "/my-signature/", "/account/", "/account/password/",
    ):  # fmt: skip
        page.goto(path)
        expect(page.locator(".htmx-request")).to_have_count(0)
        assert page.locator("html").get_attribute("data-bs-theme") == looks[0][0], path
        sound(page, looks)
        looks = looks[::-1]


COVERED = """() => [...document.querySelectorAll(".top a, .top summary, .top input")].filter((element) => {
  const box = element.getBoundingClientRect();
  if (!box.width || !element.checkVisibility({visibilityProperty: true})) return false;
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return !hit || !element.contains(hit) && !hit.contains(element);
}).map((element) => element.outerHTML.slice(0, 60))"""


def test_nothing_in_the_top_bar_covers_another(open_as: Open) -> None:
    everywhere = set(Role) - ADMINISTRATION
    page = open_as(make_person(*everywhere, name="Wilhelmine Anna-Katharina von Hohenstein"))
    for path in ("/", "/audit-trail/"):
        page.goto(path)
        expect(page.locator(".htmx-request")).to_have_count(0)
        for width in (320, 390, 801, 820, 1181, 1280, 1401):
            turn(page, width=width)
            assert page.evaluate(COVERED) == [], (path, width)
            assert faults_of(page) == [], (path, width)


def test_on_a_phone_the_navigation_opens_over_the_page_and_closes_again(open_as: Open) -> None:
    page = open_as(make_person(*(set(Role) - ADMINISTRATION)), width=390)
    page.goto("/")
    button = page.locator(".nav-fold > summary")
    links = page.get_by_role("navigation", name="Main").get_by_role("link")
    expect(button).to_have_accessible_name("Main menu")
    expect(links).to_have_count(0)
    button.press("Enter")
    for title in ("Board", "My work", "Orders", "Builds", "Fleet", "Material", "Patients", "Audit trail"):
        expect(links.filter(has_text=title)).to_be_in_viewport(ratio=1)
    assert page.evaluate(COVERED) == []
    page.keyboard.press("Escape")
    expect(links).to_have_count(0)
    expect(button).to_be_focused()
    button.click()
    page.mouse.click(195, 800)
    expect(links).to_have_count(0)
    button.click()
    links.filter(has_text="Material").click()
    expect(page.locator("h1")).to_have_text("Material")


def test_what_is_seldom_opened_stands_in_the_menu_of_the_person(open_as: Open) -> None:
    page = open_as(make_person(*(set(Role) - ADMINISTRATION)))
    page.goto("/")
    page.locator(".menu > summary").click()
    links = page.locator(".menu-list").get_by_role("link")
    for width in (1280, 390):
        turn(page, width=width)
        for title in ("Exports", "People", "Training", "Privacy", "Retention", "Safekeeping", "Your account"):
            link = links.filter(has_text=title)
            link.scroll_into_view_if_needed()
            expect(link).to_be_in_viewport(ratio=1)
        assert page.evaluate(COVERED) == []
        assert faults_of(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_have_text("Training")


def test_the_keyboard_is_enough(open_as: Open) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    page = open_as(staff[Role.ORD])
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type(device.code)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(device.code)
    page.wait_for_load_state()  # a page hears of keys once its module has run
    page.locator("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Orders")
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_a_chosen_theme_stays(open_as: Open) -> None:
    page = open_as(make_person(Role.ORD))
    page.goto("/")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"


def test_on_a_phone_a_task_is_opened_without_sliding(open_as: Open) -> None:
    staff = Staff()
    make_device("planned", staff)
    page = open_as(staff[Role.IMG], width=390)
    page.goto("/")
    page.get_by_role("link", name="Send in images").click()
    expect(page.get_by_role("link", name="Open D").first).to_be_in_viewport(ratio=1)


def test_a_file_is_asked_for_in_a_row_of_its_own(open_as: Open) -> None:
    page = open_as(make_person(Role.QAR))
    page.goto("/training/documents/")
    page.get_by_role("button", name="New document").click()
    drop = page.locator("#dialog .drop")
    expect(drop).to_be_visible()
    assert drop.evaluate("drop => getComputedStyle(drop).display") == "grid"
    widths = drop.evaluate("drop => [drop.clientWidth, drop.closest('.fields').clientWidth]")
    assert widths[0] > 0.9 * widths[1]


def test_what_is_decided_in_a_table_stands_on_one_line(open_as: Open) -> None:
    page = open_as(make_person(Role.RA))
    page.goto("/signers/")
    row = page.locator("td form.row-flex").first
    expect(row).to_be_visible()
    middles = row.evaluate(
        "row => [...row.querySelectorAll('input[required], button')].map((one) => one.getBoundingClientRect())"
        ".map((box) => box.y + box.height / 2)"
    )
    assert max(middles) - min(middles) < 4
