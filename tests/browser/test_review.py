"""A design review in a real browser: places marked on the shape, changes asked for, and what the next revision shows of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from manifold3d import Manifold
from playwright.sync_api import Page, expect

from devices.events import DesignComparisonRequested
from devices.imaging.storage import save_mask, save_volume
from devices.mesh.solid import mesh_of
from devices.models import ChangeRequest, Design, Device
from devices.services.comparing import compute_difference, record_difference
from mes.choices import Role
from mes.services.artefacts import store_artefact
from tests.browser.conftest import Open, aside
from tests.browser.steps import become, photographed, sound, told
from tests.devices.makers import (
    Staff,
    make_block,
    make_design,
    make_planned,
    make_segmentation,
    make_study,
    small_skull,
)

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-DES-02")]
MIDDLE = (-30.0, 0.0, 20.0)
PICKED = {
    "landmark_mm": [-30.0, 0.0, 17.0],
    "insertion_direction": [0.0, 0.0, 0.0],
    "tube_axis": [0.0, 0.6, -0.8],
}
TUBE = {"position_mm": [-25.0, 0.0, 17.0], "axis": [0.0, 0.6, -0.8]}
NUMBER = re.compile(r"-?\d+\.\d")
POINT = re.compile(r"^-?\d+\.\d\d, -?\d+\.\d\d, -?\d+\.\d\d$")


def designed(staff: Staff, folder: Path) -> Device:
    """A block that is to be reviewed, in the head that it is for."""
    device = make_planned(staff)
    study = make_study(device, staff)
    skull = small_skull(4.0)
    save_volume(skull, folder / "volume.npz")
    study.volume = store_artefact(folder / "volume.npz", media_type="application/x-npz")
    study.save()
    save_mask((skull.voxels > 500).astype(np.uint8), folder / "mask.npz")
    mask = store_artefact(folder / "mask.npz", media_type="application/x-npz")
    make_segmentation(device, staff, mask=mask)
    make_design(device, staff, make_block((20.0, 15.0, 6.0), centre=MIDDLE), values=PICKED, features=[TUBE])
    return device


def redesigned(device: Device, staff: Staff) -> None:
    """A second revision, a millimetre thicker and measured against the first."""
    older = Design.objects.get(device=device)
    newer = make_design(device, staff, make_block((20.0, 15.0, 8.0), centre=MIDDLE), revision=2)
    asked = DesignComparisonRequested(
        device_id=device.pk, design_id=newer.pk, revision=2, older_id=older.pk, older_revision=1
    )
    record_difference(asked=asked, outcome=compute_difference(newer.pk, older.pk))


def crosshair(page: Page) -> list[float]:
    """Where in the patient the slices meet, LPS mm."""
    return [float(one) for one in NUMBER.findall(page.locator("[data-crosshair]").inner_text())]


def looked_at_in_slices(page: Page) -> None:
    """A click in 3D brings the slices to the surface; the slices, their keys and a click on them move the mark. All show where they
    cut the design."""
    for plane in ("axial", "coronal", "sagittal"):
        expect(page.locator(f"[data-plane={plane}]")).to_have_attribute("data-outline", re.compile("[1-9]"))
    assert crosshair(page) == pytest.approx(MIDDLE), "the slices begin in the middle of the design"
    page.locator(".viewer-stage canvas").click()
    expect(page.locator("[data-crosshair]")).not_to_contain_text(f"y {MIDDLE[1]:.1f}, z {MIDDLE[2]:.1f}")
    x, y, z = crosshair(page)
    beyond = [abs(x - MIDDLE[0]) - 10.0, abs(y - MIDDLE[1]) - 7.5, abs(z - MIDDLE[2]) - 3.0]
    assert max(beyond) == pytest.approx(0.0, abs=0.1), "on the block's surface"
    axial = page.locator("[data-plane=axial]")
    axial.locator("canvas").press("PageDown")
    axial.locator("canvas").press("Shift+PageDown")
    axial.locator("canvas").press("ArrowRight")
    expect(page.locator("[data-crosshair]")).to_contain_text("mm (LPS)")
    moved = crosshair(page)
    assert moved[0] > x
    assert abs(moved[2] - z) > 10.0
    expect(axial).to_have_attribute("data-outline", "0")  # so far away, a slice does not cut the design
    page.get_by_label("Segmentation").uncheck()
    page.locator("[data-plane=coronal] canvas").click(position={"x": 100, "y": 100})
    expect(page.locator("[data-crosshair]")).not_to_contain_text(f"x {moved[0]:.1f}, ")


TILTED = """async ({ geometry, corners }) => {
  const { Geometry } = await import("lamina/panes.js"), { Section } = await import("lamina/sections.js");
  const stack = new Geometry(geometry), section = new Section({ attributes: { position: { array: new Float32Array(corners.flat()) } } }, stack);
  const back = [3, 4, 5], off = (index, axis) => Math.max(...section.pieces(axis, index).flat().map((place) => Math.abs(place[axis] - index)));
  const there = stack.place(stack.patient(back));
  return [...there.map((value, axis) => Math.abs(value - back[axis])), off(2, 0), off(7, 1), off(9, 2)];
}"""


def lies_true_in_a_tilted_stack(page: Page) -> None:
    """Of slices at uneven steps, each further to the back: a voxel is found again, and every crossing lies in its slice."""
    heights = [0.0, 2.0, 5.0, 9.0]
    plane = {"count": 1, "axes": [0, 1, 2]}
    geometry = {
        "positions": [[-10.0, 0.3 * height - 20.0, height + 30.0] for height in heights],
        "row_direction": [1.0, 0.0, 0.0],
        "column_direction": [0.0, 1.0, 0.0],
        "spacing_ij": [0.5, 0.8],
        "planes": {"axial": plane},
    }
    corners = [[-12.0, -25.0, 28.0], [8.0, -5.0, 31.0], [-2.0, -3.0, 41.0]]
    off = page.evaluate(TILTED, {"geometry": geometry, "corners": corners})
    assert off == pytest.approx([0.0] * 6, abs=1e-4)


COARSE = """async () => {
  const [THREE, { coarse }] = await Promise.all([import("three"), import("lamina/turning.js")]);
  const ball = new THREE.SphereGeometry(50, 200, 100), made = coarse(ball);
  made.computeBoundingBox();
  const size = made.boundingBox.getSize(new THREE.Vector3());
  return [ball.index.count / 3, made.index.count / 3, Math.min(size.x, size.y, size.z)];
}"""


def turns_as_a_stand_in_of_its_size(page: Page) -> None:
    whole, coarse, narrowest = page.evaluate(COARSE)
    assert whole > 30_000
    assert 4_000 < coarse <= 12_000
    assert narrowest == pytest.approx(100.0, abs=2.0)


TURNED = """() => {
  const { viewer } = document.querySelector("[data-viewer]");
  const { camera, controls, turning } = viewer, took = [];
  turning.begin();
  for (let n = 0; n < 40; n += 1) {
    camera.position.sub(controls.target).applyAxisAngle(camera.up, 0.05).add(controls.target);
    camera.lookAt(controls.target);
    took.push(turning.frame());
  }
  turning.rest();
  return took.slice(10);
}"""


@pytest.mark.slow
def test_a_shape_of_two_hundred_thousand_triangles_turns_and_says_how(open_as: Open, tmp_path: Path) -> None:
    """Thirty pictures a second without a graphics processor: of a stand-in, which the page says."""
    staff = Staff()
    device = aside(lambda: designed(staff, tmp_path))
    ball = mesh_of(Manifold.sphere(30.0, 640))
    assert len(ball.faces) > 200_000
    aside(lambda: make_design(device, staff, ball, revision=2, values=PICKED, features=[TUBE]))
    page = open_as(staff[Role.PRE])
    page.goto(f"/devices/{device.code}/review/")
    expect(page.locator("[data-viewer-read]")).to_contain_text("coarser while it turns", timeout=30_000)
    took = page.evaluate(TURNED)
    sys.stderr.write(
        f"{len(ball.faces)} triangles: half of {len(took)} turned pictures within {np.median(took):.1f} ms\n"
    )
    assert np.median(took) < 33.0
    photographed(page, "review-turning")


def test_changes_are_asked_for_at_a_place_on_the_shape(open_as: Open, tmp_path: Path) -> None:
    staff = Staff()
    device = aside(lambda: designed(staff, tmp_path))
    page = open_as(staff[Role.PRE])
    page.goto(f"/devices/{device.code}/review/")
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    lies_true_in_a_tilted_stack(page)
    turns_as_a_stand_in_of_its_size(page)
    looked_at_in_slices(page)
    expect(page.locator("[data-viewer]")).to_have_attribute(
        "data-marks", "Landmark on the bone, Axis of the tubes, Tube 1"
    )
    photographed(page, "review-slices")
    page.get_by_role("button", name="Mark places").click()
    page.locator(".viewer-stage canvas").click()
    expect(page.get_by_label("Place 1: x, y, z")).to_have_value(POINT)
    page.get_by_label("Place 1: what is wrong").fill("Too thin here")
    page.get_by_role("button", name="Mark the crosshair").press("Enter")
    expect(page.get_by_label("Place 2: x, y, z")).to_have_value(POINT)
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
    expect(page.locator("[data-viewer-read]")).to_have_text("Section at z = 20.0 mm")
    photographed(page, "review-answered")
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "review-answered-dark")
