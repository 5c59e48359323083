"""Making a design in a real browser: places picked on the scan beside the dialog, sliders, and the part that comes of it."""

from __future__ import annotations

import math

import pytest
from playwright.sync_api import Page, expect

from devices.choices import Side
from devices.mesh.io import write_stl
from devices.models import Design, Device
from mes.choices import Role
from mes.services.artefacts import store_artefact
from tests.browser.conftest import Open, aside
from tests.browser.steps import dialog, photographed, refused, sound, told
from tests.devices.generators.bodies import cap
from tests.devices.makers import Staff, make_master, make_planned, make_segmentation, make_study

pytestmark = pytest.mark.browser
MADE = (
    ("bolus_training", Side.NONE),
    ("bone_plate_training", Side.RIGHT),
    ("stent_lattice_training", Side.NONE),
)
SCANNED = {"unit": "mm", "axes": "own", "scanned_on": None}


def ready(staff: Staff, master: str, side: Side) -> Device:
    """A design to be made on the approved scan of a ball."""
    device = make_planned(staff, master=make_master(master), side=side)
    make_study(device, staff, declared=SCANNED)
    surface = store_artefact(write_stl(cap(80.0, 48.0)), media_type="model/stl")
    make_segmentation(device, staff, surface=surface, watertight=False)
    return device


@pytest.mark.requirement("G-DES-01")
def test_places_of_a_design_are_picked_on_the_scan(open_as: Open) -> None:
    staff = Staff()
    device, plate, stent = aside(lambda: [ready(staff, *one) for one in MADE])
    page = open_as(staff[Role.DSN])
    page.goto(f"/devices/{device.code}/")
    page.locator("[data-viewer]").scroll_into_view_if_needed()
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    dialog(page, "Make a design")
    pick(page, "centre_mm")
    expect(page.locator("[data-viewer]")).to_have_attribute("data-marks", "Middle of the region")
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
    assert on_the_ball(Design.objects.get().values["centre_mm"])
    line = "Place 1 of the plate, Place 2 of the plate, Place 3 of the plate, line"
    picked_and_drawn(page, plate, ("path_1_mm", "path_2_mm", "path_3_mm"), line)
    picked_and_drawn(page, stent, ("start_mm", "end_mm"), "Start of the stent, End of the vessel")


def on_the_ball(place: list[float]) -> bool:
    return abs(math.hypot(*place) - 80.0) < 0.3


def picked_and_drawn(page: Page, device: Device, names: tuple[str, ...], drawn: str) -> None:
    """Places in a row, each drawn on the shape with its name as it is picked; one with a part missing is refused."""
    page.goto(f"/devices/{device.code}/")
    dialog(page, "Make a design")
    for number, name in enumerate(names):
        pick(page, name, aside_px=60 * number - 60)
    expect(page.locator("[data-viewer]")).to_have_attribute("data-marks", drawn)
    photographed(page, f"picking-{names[0]}")
    page.locator(f"#dialog [name='{names[0]}.x']").fill("")
    page.locator("#dialog form").evaluate("form => (form.noValidate = true)")
    page.locator("#dialog .btn-primary").click()
    refused(page, "is missing, or a part of it")
    pick(page, names[0], aside_px=-60)
    page.locator("#dialog .btn-primary").click()
    told(page, "Design 1 is being made")
    values = Design.objects.get(device=device).values
    assert all(on_the_ball(values[name]) for name in names)


def pick(page: Page, name: str, aside_px: int = 0) -> None:
    """The button that asked gets the place under the click, in three fields, and asks no more."""
    button = page.locator(f"#dialog [data-pick={name}]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-viewer-read]")).to_contain_text("Click the shape")
    box = page.locator(".viewer-stage canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2 + aside_px, box["y"] + box["height"] / 2)
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
