"""Images without identifiers in the browser: sent first, then shown with their digest, then signed for."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from devices.imaging.nifti import write_nifti
from devices.models import Study
from mes.choices import Role
from tests.browser.conftest import Open
from tests.browser.steps import dialog, refused, seen_to_sign, sign, sound, told
from tests.devices.makers import Staff, make_planned, small_skull
from tests.devices.scanning import laid
from tests.devices.test_scans import dental

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-ORD-05")]


def test_the_digest_of_what_was_sent_stands_in_the_dialog_before_it_is_signed(
    open_as: Open, tmp_path: Path
) -> None:
    staff = Staff()
    device = make_planned(staff)
    write_nifti(small_skull(), tmp_path / "head.nii.gz")
    page = open_as(staff[Role.IMG], width=390)
    page.goto(f"/devices/{device.code}/")
    dialog(page, "Send in images")
    expect(page.locator("#dialog input[type=password]")).to_have_count(0)
    page.locator("input[type=file]").set_input_files(tmp_path / "head.nii.gz")
    page.get_by_label("These images carry no identifiers").check()
    page.locator("#dialog .dialog-foot button:not([type=button])").click()
    expect(page.locator("#dialog h2")).to_have_text("Sign: Confirm whose images these are")
    expect(page.locator("#dialog")).to_contain_text("NIfTI, 49 slices of 49 × 49")
    seen_to_sign(page, device.code, device.order.patient.token, "Upload")
    sound(page, [("light", 1280), ("dark", 390)])
    assert not Study.objects.exists()
    sign(page, staff[Role.IMG], password="not the password at all")
    refused(page, "ES-01")
    sign(page, staff[Role.IMG])
    told(page, "The images arrived")
    assert Study.objects.get().link_confirmed


def test_a_surface_scan_is_shown_in_millimetres_before_it_is_signed(open_as: Open, tmp_path: Path) -> None:
    staff = Staff()
    device = dental(staff)
    page = open_as(staff[Role.IMG], width=390)
    page.goto(f"/devices/{device.code}/")
    dialog(page, "Send in a scan")
    page.locator("input[type=file]").set_input_files(laid(tmp_path))
    page.get_by_label("Unit of the file").select_option("mm")
    page.get_by_label("How its axes lie in the patient").select_option("own")
    page.locator("#dialog .dialog-foot button:not([type=button])").click()
    expect(page.locator("#dialog h2")).to_have_text("Sign: Confirm whose images these are")
    expect(page.locator("#dialog")).to_contain_text("44.8 × 21.6 × 12.0 mm")
    seen_to_sign(page, device.code, device.order.patient.token, "Upload")
    sound(page, [("light", 1280), ("dark", 390)])
    sign(page, staff[Role.IMG])
    told(page, "The images arrived")
    assert Study.objects.get().declared == {"unit": "mm", "axes": "own", "scanned_on": None}
