"""Making a design in a real browser: places picked on the scan beside the dialog, sliders, and the part that comes of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from devices.choices import Side
from devices.mesh.io import write_stl
from devices.models import Design, Device
from mes.choices import Role
from mes.services.artefacts import store_artefact
from tests.browser.conftest import Open, aside
from tests.browser.steps import dialog, photographed, sound, told
from tests.devices.generators.bodies import cap
from tests.devices.makers import Staff, make_master, make_planned, make_segmentation, make_study

pytestmark = pytest.mark.browser
SCANNED = {"unit": "mm", "axes": "own", "scanned_on": None}


def ready(staff: Staff) -> Device:
    """A bolus to be designed on the approved scan of a ball."""
    device = make_planned(staff, master=make_master("bolus_training"), side=Side.NONE)
    make_study(device, staff, declared=SCANNED)
    surface = store_artefact(write_stl(cap(80.0, 48.0)), media_type="model/stl")
    make_segmentation(device, staff, surface=surface, watertight=False)
    return device


@pytest.mark.requirement("G-DES-01")
def test_places_of_a_design_are_picked_on_the_scan(open_as: Open) -> None:
    staff = Staff()
    device = aside(lambda: ready(staff))
    page = open_as(staff[Role.DSN])
    page.goto(f"/devices/{device.code}/")
    page.locator("[data-viewer]").scroll_into_view_if_needed()
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    dialog(page, "Make a design")
    pick(page, "centre_mm")
    photographed(page, "picking")
    thickness = page.locator("#dialog [name=thickness_mm]")
    page.locator("#dialog [data-slides=thickness_mm]").fill("7")
    expect(thickness).to_have_value("7")
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "picking-dark")
    page.set_viewport_size({"width": 1280, "height": 900})
    leave_and_return(page)
    pick(page, "centre_mm")
    page.locator("#dialog [name=letters_mm]").fill("3")
    page.locator("#dialog .btn-primary").click()
    told(page, "Design 1 is being made")
    x, y, z = Design.objects.get().values["centre_mm"]
    assert (x * x + y * y + z * z) ** 0.5 == pytest.approx(80.0, abs=0.3), "a place of the ball"


def pick(page: Page, name: str) -> None:
    """The button that asked gets the place under the click, in three fields, and asks no more."""
    button = page.locator(f"#dialog [data-pick={name}]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-viewer-read]")).to_contain_text("Click the shape")
    page.locator(".viewer-stage canvas").click()
    for axis in "xyz":
        expect(page.locator(f"#dialog [name='{name}.{axis}']")).not_to_have_value("")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-viewer-read]")).to_contain_text("Picked: ")
    expect(button).to_be_focused()


def leave_and_return(page: Page) -> None:
    """Escape closes the dialog, though the page beside it stays in reach; a click on the shape then fills nothing."""
    page.locator("#dialog [data-pick=corner_1_mm]").click()
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).not_to_be_visible()
    expect(page.locator("[data-viewer][data-picking]")).to_have_count(0)
    dialog(page, "Make a design")
