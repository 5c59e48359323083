"""A segmentation of another program in the browser: the file, its segments, the signed link to the patient, and the review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from devices.models import Device, Segmentation
from mes.choices import Role
from mes.models import EventRecord
from tests.browser.conftest import Open, aside
from tests.browser.steps import (
    become,
    confirm,
    dialog,
    photographed,
    refused,
    seen_to_sign,
    sign,
    sound,
    told,
)
from tests.devices.imaging.labelling import write_map
from tests.devices.makers import Staff, make_segmentation, small_skull
from tests.devices.test_external_segmentations import stored

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-ORD-05")]


def test_a_label_map_is_chosen_from_linked_by_signature_and_reviewed(
    open_as: Open, drain: Callable[[], int], tmp_path: Path
) -> None:
    staff, skull = Staff(), small_skull(3.0)
    bone = (skull.voxels > 500).astype(np.int16)
    bone[:, :, : bone.shape[2] // 2] *= 2

    def prepared() -> Device:
        device = stored(staff, skull, tmp_path)
        make_segmentation(device, staff, approved=False)
        return device

    device, segmenter = aside(prepared), staff[Role.SEG]
    page = open_as(segmenter)
    page.goto(f"/devices/{device.code}/")
    dialog(page, "Send in a segmentation")
    (tmp_path / "notes.txt").write_text("no image")
    page.locator("#dialog input[type=file]").set_input_files(tmp_path / "notes.txt")
    confirm(page)
    refused(page, "neither a DICOM Segmentation object")
    page.locator("#dialog input[type=file]").set_input_files(
        write_map(tmp_path / "Mustermann.nii.gz", skull, bone)
    )
    confirm(page)
    expect(page.locator("#dialog h2")).to_have_text("Choose the segments that are the anatomy")
    expect(page.locator("#dialog")).to_contain_text("is set aside, on the record")
    for number in ("1", "2"):
        page.locator(f"#dialog [name=segments][value='{number}']").check()
    sound(page, [("light", 1280), ("dark", 390)])
    photographed(page, "segments-dark")
    confirm(page)
    expect(page.locator("#dialog h2")).to_have_text("Sign: Confirm whose segmentation this is")
    seen_to_sign(page, device.code, device.order.patient.token, "Upload")
    expect(page.locator("#dialog")).to_contain_text("Label 1, 5,070 voxels")
    expect(page.locator("#dialog")).to_contain_text("none: whose it is, your signature says")
    expect(page.locator("#dialog")).not_to_contain_text("Mustermann")
    photographed(page, "link-dark")
    sound(page, [("light", 1280), ("dark", 390), ("light", 1280)])
    photographed(page, "link")
    sign(page, segmenter, password="not the password at all")
    refused(page, "ES-01")
    assert not EventRecord.objects.filter(type="devices.segmentation_requested").exists()
    sign(page, segmenter)
    told(page, "The segmentation is put on the images")
    aside(drain)
    made = Segmentation.objects.get(tool="external")
    assert [one["number"] for one in made.parameters["mask"]["segments"]] == [1, 2]
    reviewer = staff[Role.CLR]
    become(page, reviewer, f"/devices/{device.code}/")
    expect(page.locator("main")).to_contain_text(
        "it names no patient, and a signature says that it is this one's"
    )
    photographed(page, "sent-segmentation")
    dialog(page, "Approve the segmentation")
    sign(page, reviewer)
    told(page, "The segmentation is approved")
