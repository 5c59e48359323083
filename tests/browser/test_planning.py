"""Planning in a real browser: points picked on the bone, the rest typed, the plan read and signed by another person."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from devices.models import Plan
from mes.choices import Role
from tests.browser.conftest import Open, aside
from tests.browser.steps import become, dialog, photographed, refused, seen_to_sign, sign, sound, told
from tests.devices.makers import Staff, Who
from tests.devices.planned import CONTENT, SLEEVE, make_ready

pytestmark = pytest.mark.browser
POINT = re.compile(r"^-?\d+\.\d\d, -?\d+\.\d\d, -?\d+\.\d\d$")


def text(point: list[float]) -> str:
    return ", ".join(f"{part:g}" for part in point)


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.requirement("G-SOD-01")
def test_a_plan_is_picked_typed_read_and_signed(open_as: Open) -> None:
    staff = Staff()
    device = aside(lambda: make_ready(staff))
    page = open_as(staff[Role.DSN])
    page.goto(f"/devices/{device.code}/plan/")
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    pick(page, "left-entry")
    fill(page, staff[Role.CLR])
    photographed(page, "plan")
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "plan-dark")
    page.set_viewport_size({"width": 1280, "height": 900})
    refused_and_kept(page)
    page.get_by_role("button", name="Send to the reader").click()
    told(page, "Plan 1 waits for")
    become(page, staff[Role.CLR], f"/devices/{device.code}/")
    approve(page, staff)
    photographed(page, "plan-read")
    plan = Plan.objects.get()
    assert (plan.status, plan.content["level"]) == ("approved", "L3")
    assert plan.content["trajectories"][1]["axis"] == pytest.approx(
        CONTENT["trajectories"][1]["axis"], abs=1e-6
    )


def pick(page: Page, name: str) -> None:
    """The field that asked gets the point under the click, and the drawing asks no more."""
    button = page.locator(f"[data-pick='{name}']")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator(".viewer-stage canvas").click()
    expect(page.locator(f"[name='{name}']")).to_have_value(POINT)
    expect(button).to_have_attribute("aria-pressed", "false")


def fill(page: Page, reader: Who) -> None:
    """By keyboard alone: every field can be typed."""
    typed = {
        "spinous": CONTENT["spinous_mm"],
        "body": CONTENT["body_mm"],
        "spinous-contact": CONTENT["contacts"]["spinous"],
    }
    for row in CONTENT["trajectories"]:
        typed |= {
            f"{row['side']}-entry": row["entry_mm"],
            f"{row['side']}-contact": CONTENT["contacts"][row["side"]],
        }
    for number, row in enumerate(CONTENT["counted"]):
        page.locator(f"[name='count-{number}-level']").select_option(row["level"])
        typed[f"count-{number}-point"] = row["point_mm"]
    for name, point in typed.items():
        page.locator(f"[name='{name}']").fill(text(point))
    for side in ("left", "right"):
        page.locator(f"[data-slides='{side}-medial']").fill("10")
        expect(page.locator(f"[name='{side}-medial']")).to_have_value("10")
        page.locator(f"[name='{side}-depth']").fill("38")
        expect(page.locator(f"[data-slides='{side}-depth']")).to_have_value("38")
    page.get_by_label("Level", exact=True).select_option("L3")
    page.get_by_label("Drill and sleeve").select_option(SLEEVE)
    page.get_by_label("Reader", exact=True).select_option(str(reader.person.pk))


def refused_and_kept(page: Page) -> None:
    """Swapped sides are refused in words, and everything typed stands."""
    entry = page.locator("[name='left-entry']")
    right = text(CONTENT["trajectories"][1]["entry_mm"])
    entry.fill(right)
    page.get_by_role("button", name="Send to the reader").click()
    expect(page.locator(".refusal-slot .refusal")).to_contain_text("to the right of the vertebra's middle")
    expect(entry).to_have_value(right)
    entry.fill(text(CONTENT["trajectories"][0]["entry_mm"]))


def approve(page: Page, staff: Staff) -> None:
    dialog(page, "Approve the plan")
    counted = page.locator("#dialog [name=counted]")
    counted.select_option("L4")
    seen_to_sign(page, "bilateral", SLEEVE)
    sign(page, staff[Role.CLR])
    refused(page, "G-LAT-01")
    counted.select_option("L3")
    sign(page, staff[Role.CLR])
    told(page, "The plan is approved")
