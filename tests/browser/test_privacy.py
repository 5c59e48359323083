"""Patients and privacy in a real browser: nothing is kept in it, and the pages hold together on every screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mes.choices import Role
from mes.models import EmergencyAccess
from mes.services.emergency import break_glass, end_emergency_access
from mes.services.erasure import request_erasure
from mes.services.viewing import view_identity
from tests.browser.conftest import Open, Theme
from tests.browser.steps import turn
from tests.devices.makers import IDENTITY, Staff, make_order

pytestmark = pytest.mark.browser
KEPT = """async () => JSON.stringify([
    {...localStorage}, {...sessionStorage}, document.cookie, document.title, location.href, document.referrer,
    history.state, (await caches.keys()), (await indexedDB.databases()),
    performance.getEntriesByType('resource').map(entry => entry.name),
])"""
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
VALUES = (IDENTITY.family_name, IDENTITY.given_name, IDENTITY.patient_id, IDENTITY.birth_date)
LOOKS: list[tuple[Theme, int]] = [
    *(("light", width) for width in (390, 820, 1280)),
    *(("dark", width) for width in (1280, 820, 390)),
]
REASON = "The surgeon waits, the label is torn"


def nothing_kept(page: Page) -> None:
    kept = page.evaluate(KEPT)
    assert not [value for value in VALUES if value.casefold() in kept.casefold()]


@pytest.mark.requirement("K-13")
def test_a_browser_keeps_nothing_of_an_identity(open_as: Open) -> None:
    staff = Staff()
    order = make_order(staff)
    page = open_as(staff[Role.ORD])
    page.goto("/patients/")
    page.get_by_label("Patient's identifier").fill(IDENTITY.patient_id)
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.locator("h1")).to_contain_text(order.patient.token)
    nothing_kept(page)
    page.get_by_role("button", name="Who is it?").click()
    page.get_by_label("Why do you need to know?").fill("The clinic called")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text(IDENTITY.family_name)).to_be_visible()
    nothing_kept(page)
    page.get_by_role("button", name="Close", exact=True).last.click()
    page.goto("/patients/")
    page.go_back()
    expect(page.locator("h1")).to_contain_text(order.patient.token)
    expect(page.get_by_text(IDENTITY.family_name)).to_have_count(0)
    page.goto("/patients/")
    assert page.get_by_label("Patient's identifier").input_value() == ""
    nothing_kept(page)


def test_an_emergency_by_hand(open_as: Open) -> None:
    staff = Staff()
    order = make_order(staff)
    page = open_as(staff[Role.OPR], width=390)
    page.goto(f"/orders/{order.code}/")
    page.get_by_role("link", name="Emergency access").click()
    page.get_by_label("What is the emergency?").fill("short")
    page.get_by_label("What is the emergency?").fill(REASON)
    page.get_by_role("button", name="Take access").click()
    expect(page.get_by_role("alert")).to_contain_text("Emergency access")
    page.get_by_role("button", name="Who is it?").click()
    page.get_by_label("Why do you need to know?").fill("read the label")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text(IDENTITY.family_name)).to_be_visible()
    assert EmergencyAccess.objects.get().views.count() == 1


def test_the_pages_fit_every_screen(open_as: Open) -> None:
    """Empty, full, and in an emergency; LAMINA_TEST_PICTURES keeps the pictures."""
    staff = Staff()
    order = make_order(staff)
    token, officer = order.patient.token, staff[Role.PRV]
    page, asking = open_as(officer), open_as(staff[Role.OPR])
    shown(asking, "empty", "/emergency/")
    shown(page, "empty", "/privacy/", f"/patients/{token}/")
    access = break_glass(patient=order.patient, actor=staff[Role.OPR].actor, reason=REASON)
    view_identity(patient=order.patient, actor=staff[Role.OPR].actor, reason="read the label")
    end_emergency_access(access_id=access.pk, actor=staff[Role.OPR].actor)
    asked = request_erasure(patient=order.patient, reason="The patient asks by letter", actor=officer.actor)
    break_glass(patient=order.patient, actor=staff[Role.INS].actor, reason=REASON)
    shown(
        page, "full", "/privacy/", f"/patients/{token}/", f"/emergencies/{access.code}/",
        f"/erasures/{asked.code}/", "/patients/", "/my-work/",
    )  # fmt: skip
    shown(asking, "full", f"/emergency/?about={order.code}", f"/emergencies/{access.code}/")


def shown(page: Page, state: str, *paths: str) -> None:
    pictures = os.environ.get("LAMINA_TEST_PICTURES")
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        for theme, width in LOOKS:
            turn(page, theme=theme, width=width)
            assert page.evaluate(WIDE) <= 0, (path, theme, width)
            if pictures:
                name = f"{path.strip('/').replace('/', '-')[:24]}-{state}-{theme}-{width}.png"
                page.screenshot(path=Path(pictures, name), full_page=True)
