"""A part of another program in the browser: sent by parts, refused, stated, and shown with where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devices.mesh.io import write_stl
from mes.choices import Role
from tests.browser.conftest import Open, aside
from tests.browser.steps import confirm, dialog, photographed, refused, sound, told
from tests.devices.drawing import guide, stated
from tests.devices.makers import Staff
from tests.devices.test_external_designs import ready

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-DES-01")]


def said(page: Page) -> None:
    page.locator("#dialog [name=tool]").fill("FreeCAD")
    page.locator("#dialog [name=tool_version]").fill("1.0.2")
    page.locator("#dialog [name=unit]").select_option("mm")
    page.locator("#dialog [name=axes]").select_option("LPS")


def stating(page: Page) -> None:
    for name, value in stated().items():
        parts = dict(zip("xyz", value, strict=True)) if isinstance(value, tuple) else {"": value}
        for axis, part in parts.items():
            page.locator(f'#dialog [name="{name}{axis and f".{axis}"}"]').fill(str(part))


def test_a_drawn_guide_is_sent_refused_sent_again_and_stated(open_as: Open, tmp_path: Path) -> None:
    staff = Staff()
    device = aside(lambda: ready(staff, tmp_path))
    page = open_as(staff[Role.DSN])
    page.goto(f"/devices/{device.code}/")
    dialog(page, "Send in a design")
    (tmp_path / "Mustermann.stl").write_bytes(write_stl(guide()))
    (tmp_path / "cut.stl").write_bytes(write_stl(guide())[:-50])
    page.locator("#dialog input[type=file]").set_input_files(tmp_path / "cut.stl")
    said(page)
    photographed(page, "send-part")
    confirm(page)
    refused(page, "its end is missing")
    page.locator("#dialog input[type=file]").set_input_files(tmp_path / "Mustermann.stl")
    confirm(page)
    expect(page.locator("#dialog h2")).to_have_text("State what this design is")
    expect(page.locator("#dialog")).to_contain_text("17.4 × 18.0 × 17.5 mm")
    expect(page.locator("#dialog")).not_to_contain_text("Mustermann")
    stating(page)
    sound(page, [("dark", 390)])
    photographed(page, "state-part-dark")
    confirm(page)
    told(page, "Design 1 is being read and measured")
    expect(page.locator("main")).to_contain_text("The part is being read and measured")
    expect(page.get_by_role("button", name="Stop this design")).to_be_visible()
    expect(page.locator("main")).to_contain_text("External CAD, by")
    expect(page.locator("main")).to_contain_text("FreeCAD 1.0.2")
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "drawn-design-dark")
