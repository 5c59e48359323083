"""The signing dialog in a real browser: nothing is signed by accident, and a series asks for less (ES-02, ES-03, ES-06)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from devices.models import Order
from mes.choices import Role
from mes.models import Signature
from tests.browser.conftest import Open, Theme, aside
from tests.browser.steps import confirm, dialog, refused, seen_to_sign, sign, sound
from tests.devices.makers import PASSWORD, Staff, make_order

pytestmark = pytest.mark.browser


def signatures() -> list[int]:
    rows = Signature.objects.filter(subject_type="devices.order").order_by("pk")
    return aside(lambda: list(rows.values_list("components", flat=True)))


@pytest.mark.requirement("ES-02", "ES-03", "ES-06")
def test_a_series_in_the_browser(open_as: Open) -> None:
    staff = Staff()
    orders: list[Order] = [make_order(staff) for _ in range(2)]
    prescriber = staff[Role.PRE]
    page = open_as(prescriber)
    page.goto(f"/orders/{orders[0].code}/")
    dialog(page, "Prescribe")
    expect(page.locator("#dialog h2")).to_contain_text("Sign: ")
    expect(page.locator("#dialog")).to_contain_text("binds you in law")
    seen_to_sign(page, orders[0].code)
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA", "never the button that signs"
    page.get_by_label("Comment").press("Enter")
    expect(page.locator("#dialog[open]")).to_be_visible()
    assert signatures() == []
    sign(page, prescriber)
    expect(page.locator("#signatures")).to_be_visible()
    page.goto(f"/orders/{orders[1].code}/")
    dialog(page, "Prescribe")
    expect(page.get_by_label("User id")).to_have_value(prescriber.username)
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill("not the one it is")
    confirm(page)
    refused(page, "ES-01")
    page.get_by_label("Password").fill(PASSWORD)
    confirm(page)
    expect(page.locator("#signatures")).to_be_visible()
    assert signatures() == [2, 1]


LOOKS: list[tuple[Theme, int]] = [("light", 390), ("dark", 820), ("light", 1280)]


def test_the_pages_of_signing_at_every_width(open_as: Open) -> None:
    staff = Staff()
    for role, path in (
        (Role.PRE, "/my-signature/"),
        (Role.SEC, "/signers/"),
        (Role.QAR, "/handwritten/"),
        (Role.QCM, "/sign-together/verify-build/"),
    ):
        page = open_as(staff[role])
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        sound(page, LOOKS)
