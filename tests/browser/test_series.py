"""A series in the browser: its stages in three dimensions with a slider, its movements, and one approval for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from devices.selectors.series import stages_of
from mes.choices import Role
from tests.browser.conftest import Open, aside
from tests.browser.steps import dialog, seen_to_sign, sign, sound, told
from tests.devices.dental import reviewed
from tests.devices.makers import Staff

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-DES-02")]


def test_the_prescriber_turns_through_the_stages_and_approves_all_of_them_at_once(
    open_as: Open, tmp_path: Path, settings: Any
) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    staff = Staff()
    order = aside(lambda: reviewed(staff))
    page = open_as(staff[Role.PRE])
    page.goto(f"/orders/{order.code}/")
    read = page.locator("[data-viewer-read]")
    expect(read).to_contain_text("triangles")
    first = read.inner_text()
    page.get_by_label("Stage", exact=True).press("ArrowRight")
    expect(page.locator("[data-stage-said]")).to_have_text("Stage 2 of 2")
    expect(read).not_to_have_text(first)
    page.get_by_text("Every tooth at every stage").click()
    expect(page.get_by_role("row").filter(has_text="41")).not_to_have_count(0)
    sound(page, [("light", 1280), ("dark", 390)])
    dialog(page, "Approve the series")
    seen_to_sign(page, order.code, *(device.code for device in stages_of(order)))
    sign(page, staff[Role.PRE])
    told(page, "The series is approved: 2 stages are frozen")
    assert [device.stage for device in stages_of(order)] == ["design_frozen"] * 2
