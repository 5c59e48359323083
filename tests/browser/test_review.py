"""A design review in a real browser: places marked on the shape, changes asked for, and what the next revision shows of them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from devices.events import DesignComparisonRequested
from devices.models import ChangeRequest, Design, Device
from devices.services.comparing import compute_difference, record_difference
from mes.choices import Role
from tests.browser.conftest import Open, aside
from tests.browser.steps import become, photographed, sound, told
from tests.devices.makers import Staff, make_block, make_design, make_planned, make_segmentation, make_study

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-DES-02")]
POINT = re.compile(r"^-?\d+\.\d\d, -?\d+\.\d\d, -?\d+\.\d\d$")


def designed(staff: Staff) -> Device:
    device = make_planned(staff)
    make_study(device, staff)
    make_segmentation(device, staff)
    make_design(device, staff)
    return device


def redesigned(device: Device, staff: Staff) -> None:
    """A second revision, a millimetre thicker and measured against the first."""
    older = Design.objects.get(device=device)
    newer = make_design(device, staff, make_block((20.0, 15.0, 7.0), centre=(-60.0, 0.0, 40.0)), revision=2)
    asked = DesignComparisonRequested(
        device_id=device.pk, design_id=newer.pk, revision=2, older_id=older.pk, older_revision=1
    )
    record_difference(asked=asked, outcome=compute_difference(newer.pk, older.pk))


def test_changes_are_asked_for_at_a_place_on_the_shape(open_as: Open) -> None:
    staff = Staff()
    device = aside(lambda: designed(staff))
    page = open_as(staff[Role.PRE])
    page.goto(f"/devices/{device.code}/review/")
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    page.get_by_role("button", name="Mark places on the shape").click()
    page.locator(".viewer-stage canvas").click()
    expect(page.get_by_label("Place 1: x, y, z")).to_have_value(POINT)
    page.get_by_label("Place 1: what is wrong").fill("Too thin here")
    page.get_by_role("button", name="Type one").press("Enter")
    page.get_by_label("Place 2: x, y, z").fill("1, 2")
    page.get_by_label("What to change").fill("Two more tubes, please")
    photographed(page, "review")
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "review-dark")
    page.set_viewport_size({"width": 1280, "height": 900})
    send = page.get_by_role("button", name="Send revision 1 back")
    send.click()
    expect(page.locator(".refusal-slot .refusal")).to_contain_text("Place 2 is no point")
    page.get_by_role("button", name="Remove place 2").click()
    send.click()
    told(page, "Revision 1 is sent back to its designer")
    asked = ChangeRequest.objects.get()
    assert [place["note"] for place in asked.places] == ["Too thin here"]
    aside(lambda: redesigned(device, staff))
    become(page, staff[Role.QAR], "/decisions/")
    expect(page.get_by_role("row").filter(has_text=device.code)).to_contain_text(str(Role.DSN.label))
    photographed(page, "decisions")
    sound(page, [("light", 1280), ("dark", 390)])
    become(page, staff[Role.DSN], f"/devices/{device.code}/review/")
    expect(page.get_by_text("Two more tubes, please")).to_be_visible()
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    page.get_by_role("button", name="Show place 1.1").press("Enter")
    expect(page.locator("[data-viewer-read]")).to_contain_text(
        f"Looking at {asked.places[0]['at_mm'][0]:.1f}"
    )
    expect(page.get_by_role("region", name="Against revision 1")).to_contain_text(
        "The largest difference is 1.00 mm"
    )
    page.get_by_role("button", name="Difference", exact=True).click()
    expect(page.get_by_label("Difference in millimetres")).to_be_visible()
    expect(page.locator("[data-viewer-said]")).to_be_hidden()
    page.get_by_label("Section through the shape").select_option("Axial section")
    page.get_by_label("Where the section is").press("ArrowLeft")
    expect(page.locator("[data-viewer-read]")).to_have_text("Section at z = 40.0 mm")
    photographed(page, "review-answered")
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "review-answered-dark")
