"""Slices that scroll, and a segmentation made step by step, in the browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from devices.imaging.base import Volume
from devices.imaging.storage import save_volume
from devices.models import Device, SegmentationDraft
from mes.choices import Role
from mes.services.artefacts import store_artefact
from tests.browser.conftest import Open, Theme, aside
from tests.browser.steps import sound
from tests.devices.makers import Staff, make_planned, make_study, small_skull

pytestmark = pytest.mark.browser
STEADY_MS = 100.0
"""A slice that comes later than this after it was asked for is a pause that a person sees."""
LOOKS: tuple[tuple[Theme, int], ...] = (("light", 1280), ("dark", 390))


def shown_with(volume: Volume, staff: Staff, folder: Path) -> Device:
    """A planned device whose accepted images are this volume."""
    device = make_planned(staff)
    study = make_study(device, staff)
    save_volume(volume, folder / "volume.npz")
    study.volume = store_artefact(folder / "volume.npz", media_type="application/x-npz")
    study.save()
    return device


def opened(page: Page, device: Device) -> None:
    page.goto(f"/devices/{device.code}/segment/")
    expect(page.locator("[data-plane=sagittal][data-shown]")).to_be_visible()


def scrolled(page: Page, plane: str, notches: int, pause_ms: int = 30) -> list[float]:
    """Turn the wheel over a plane. How long the picture lay behind the wheel each time, until the slice that was asked for last stood
    on the canvas, ms."""
    box = page.locator(f"[data-plane={plane}] canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return measured(page, plane, lambda: page.mouse.wheel(0, 100), notches, pause_ms)


def keyed(page: Page, plane: str, presses: int, pause_ms: int = 30) -> list[float]:
    """Page Up as often, as `scrolled` measures it: from the key to the painted slice."""
    canvas = page.locator(f"[data-plane={plane}] canvas")
    return measured(page, plane, lambda: canvas.press("PageUp"), presses, pause_ms)


def measured(page: Page, plane: str, step: Callable[[], None], times: int, pause_ms: int) -> list[float]:
    page.evaluate("performance.clearMeasures('lamina-slice')")
    for _ in range(times):
        step()
        page.wait_for_timeout(pause_ms)
    page.wait_for_timeout(300)
    found = page.evaluate(
        "plane => performance.getEntriesByName('lamina-slice').filter((one) => one.detail.startsWith(plane)).map((one) => one.duration)",
        plane,
    )
    return [float(one) for one in found]


def test_a_person_scrolls_picks_and_segments_with_the_keyboard_and_the_pointer(
    open_as: Open, drain: Callable[[], int], tmp_path: Path
) -> None:
    staff = Staff()
    device = shown_with(small_skull(4.0), staff, tmp_path)
    page = open_as(staff[Role.SEG])
    opened(page, device)
    # A picture that is asked for twice at once is shown once, and nothing is wrong with that.
    page.locator("[name=level]").evaluate(
        "level => [1, 2].forEach(() => level.dispatchEvent(new Event('input')))"
    )
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator("#toasts")).to_be_empty()
    sound(page, LOOKS[:1])

    # The keyboard: a slider moves its plane, and the crosshair of the others.
    slider = page.get_by_label("axial", exact=False).and_(page.locator("input"))
    before = int(slider.input_value())
    slider.press("ArrowRight")
    expect(page.locator("[data-plane=axial]")).to_have_attribute("data-shown", str(before + 1))
    # The pointer: a click moves the crosshair, and says where in the patient it is.
    canvas = page.locator("[data-plane=axial] canvas")
    canvas.click(position={"x": 150, "y": 150})
    expect(page.locator("[data-crosshair]")).to_contain_text("mm (LPS)")

    page.get_by_role("button", name="Begin a segmentation").click()
    expect(page.get_by_role("heading", name="Your draft")).to_be_visible()
    page.get_by_text("Threshold", exact=True).click()
    page.locator("#p-threshold-lower_hu").fill("100")
    form = page.locator("details.tool[open] form")
    form.evaluate("form => (form.noValidate = true)")
    form.get_by_role("button", name="Apply").click()
    expect(page.locator("#refused")).to_contain_text("the master allows 150 to 3000")
    page.locator("#p-threshold-lower_hu").fill("300")
    form.get_by_role("button", name="Apply").click()
    expect(page.locator("#draft .draft-steps li")).to_have_count(1)
    expect(page.locator("#refused")).to_be_empty()
    aside(drain)
    expect(page.locator("#draft .draft-steps")).to_contain_text("mL")
    expect(page.locator("[data-overlay] option").first).to_have_text("This draft")

    # Points come from the crosshair, or from clicks while they are picked.
    page.get_by_text("Paint or erase", exact=True).click()
    stroke = page.locator("#p-paint-stroke_mm")
    paint = page.locator("details.tool[open] form").filter(has=stroke)
    paint.get_by_role("button", name="Take the crosshair").click()
    expect(stroke).not_to_have_value("")
    paint.get_by_role("button", name="Pick on the slices").click()
    canvas.click(position={"x": 180, "y": 160})
    assert len(stroke.input_value().splitlines()) == 2
    paint.get_by_role("button", name="Apply").click()
    expect(page.locator("#draft .draft-steps li")).to_have_count(2)
    aside(drain)
    expect(page.get_by_text("Being computed")).to_have_count(0)
    draft = SegmentationDraft.objects.get()
    assert len(draft.steps[1]["parameters"]["stroke_mm"]) == 2
    sound(page, LOOKS)
    if folder := os.environ.get("LAMINA_TEST_PICTURES"):
        page.screenshot(path=f"{folder}/segment-390-dark.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.screenshot(path=f"{folder}/segment-1280-light.png", full_page=True)

    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#draft .draft-steps li")).to_have_count(1)
    page.get_by_role("button", name="Finish", exact=True).click()
    page.wait_for_url(f"**/devices/{device.code}/")
    aside(drain)
    page.reload()
    panel = page.locator("#panel-devices-segmentation")
    expect(panel).to_contain_text("recipe", ignore_case=True)
    device.refresh_from_db()
    assert device.current_segmentation is not None
    assert device.current_segmentation.mask_id == draft.masks[0]


def test_slices_follow_the_wheel(open_as: Open, tmp_path: Path) -> None:
    staff = Staff()
    page = open_as(staff[Role.IMG])
    opened(page, shown_with(small_skull(2.0), staff, tmp_path))
    # How soon they come is measured alone: beside other tests a machine's load would be what is measured.
    assert scrolled(page, "axial", 12)
    expect(page.locator("[data-plane=axial]")).to_have_attribute("data-shown", "36")


def test_a_device_without_images_says_so(open_as: Open) -> None:
    staff = Staff()
    device = make_planned(staff)
    page = open_as(staff[Role.IMG])
    page.goto(f"/devices/{device.code}/segment/")
    expect(page.get_by_text("There are no images to look at")).to_be_visible()
    sound(page, LOOKS)


def chest_sized() -> Volume:
    """275 × 512 × 512 of noise about tissue, which no compression makes smaller."""
    chance = np.random.default_rng(1)
    voxels = chance.integers(-200, 400, (275, 512, 512), dtype=np.int16)
    heights = np.arange(275.0)
    positions = np.stack([np.full(275, -200.0), np.full(275, -200.0), heights], axis=1)
    return replace(small_skull(4.0), voxels=voxels, positions=positions, spacing_ij=(0.78125, 0.78125))


def report(plane: str, took: list[float]) -> None:
    half, most = np.percentile(took, [50, 95])
    sys.stderr.write(f"{plane}: {len(took)} slices, half within {half:.1f} ms, 95 % within {most:.1f} ms\n")


@pytest.mark.slow
def test_a_volume_of_275_slices_of_512_scrolls_without_a_pause(open_as: Open, tmp_path: Path) -> None:
    staff = Staff()
    page = open_as(staff[Role.IMG])
    asked: list[Any] = []
    page.on("response", lambda answer: asked.append(answer) if "/slices/" in answer.url else None)
    opened(page, shown_with(chest_sized(), staff, tmp_path))
    for plane in ("axial", "coronal", "sagittal"):
        took = scrolled(page, plane, 100)
        report(plane, took)
        assert np.percentile(took, 95) < STEADY_MS, plane
        took = keyed(page, plane, 40)
        report(f"{plane}, by keys", took)
        assert np.percentile(took, 95) < STEADY_MS, plane
    assert all(int(answer.headers["content-length"]) < 600_000 for answer in asked if answer.status == 200)
