"""The human steps of the story, in a real browser: from the order to the frozen design."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from devices.models import Device, Order
from mes.choices import Role
from tests.browser.conftest import Open
from tests.browser.steps import become, confirm, dialog, sign, sign_in, sign_out, told
from tests.devices.makers import (
    GUIDE_VALUES,
    IDENTITY,
    Staff,
    make_master,
    make_upload,
)

pytestmark = pytest.mark.browser


def write_order(page: Page, staff: Staff) -> None:
    page.goto("/orders/")
    dialog(page, "New order")
    page.get_by_label("Device").select_option(index=1)
    page.get_by_label("Side").select_option("right")
    page.get_by_label("Prescriber").select_option(label=str(staff[Role.PRE].person))
    page.get_by_label("Needed by").fill((timezone.localdate() + timedelta(days=20)).isoformat())
    page.get_by_label("Patient's identifier").fill(IDENTITY.patient_id)
    page.get_by_label("Family name").fill(IDENTITY.family_name)
    page.get_by_label("Given name").fill(IDENTITY.given_name)
    page.get_by_label("Born").fill(IDENTITY.birth_date)
    page.get_by_label("Made for this patient: what").fill("drill diameter")
    page.get_by_label("Value").fill("2.4")
    page.get_by_label("Unit").fill("mm")
    confirm(page)
    expect(page).to_have_url(re.compile(r"/orders/O\d{7}/$"))


def test_from_the_order_to_the_frozen_design(open_as: Open, drain: Callable[[], int], tmp_path: Path) -> None:
    staff, second = Staff(), Staff()
    make_master()
    page = open_as(staff[Role.ORD])
    page.goto("/")
    sign_out(page)
    sign_in(page, staff[Role.ORD])
    write_order(page, staff)
    order = Order.objects.get()
    assert IDENTITY.family_name not in page.content()
    accept_order(page, staff, second, f"/orders/{order.code}/")

    device = f"/devices/{Device.objects.get().code}/"
    send_images(page, staff, device, tmp_path)
    drain()
    assign_reviewer(page, staff, f"/orders/{order.code}/")
    become(page, staff[Role.CLR], device)
    expect(page.locator("[data-viewer] canvas")).to_be_visible()
    expect(page.locator("[data-viewer-read]")).to_contain_text("triangles")
    dialog(page, "Approve the segmentation")
    sign(page, staff[Role.CLR])
    told(page, "The segmentation is approved")

    become(page, staff[Role.DSN], device)
    dialog(page, "Make a design")
    fill_design(page)
    confirm(page)
    told(page, "Design 1 is being made")
    drain()
    freeze_design(page, staff, second, device)
    assert Device.objects.get().stage == "design_frozen"


def accept_order(page: Page, staff: Staff, second: Staff, order: str) -> None:
    """Prescribed, then approved by two."""
    become(page, staff[Role.PRE], order)
    dialog(page, "Prescribe")
    expect(page.locator("#dialog")).to_contain_text("I prescribe this device")
    sign(page, staff[Role.PRE], password="not the password at all")
    expect(page.locator("#dialog .refusal")).to_contain_text("ES-01")
    expect(page.get_by_label("Password")).to_have_value("")
    sign(page, staff[Role.PRE])
    told(page, "Prescribed")

    become(page, second[Role.ORD], order)
    dialog(page, "Start the review")
    confirm(page)
    told(page, "The review has begun")
    dialog(page, "Approve as order coordinator")
    sign(page, second[Role.ORD])
    told(page, "the second approval is still needed")
    become(page, staff[Role.RA], order)
    dialog(page, "Approve as regulatory affairs")
    sign(page, staff[Role.RA])
    told(page, "its devices are planned")


def send_images(page: Page, staff: Staff, device: str, folder: Path) -> None:
    become(page, staff[Role.IMG], device)
    expect(page.get_by_text("TRAINING · NOT FOR CLINICAL USE")).to_be_visible()
    dialog(page, "Send in images")
    page.locator("input[type=file]").set_input_files(sorted(make_upload(folder / "series").iterdir()))
    expect(page.locator("[data-files-said]")).to_contain_text("49 files")
    confirm(page)
    told(page, "The images arrived")


def assign_reviewer(page: Page, staff: Staff, order: str) -> None:
    become(page, staff[Role.ORD], order)
    dialog(page, "Assign somebody")
    page.locator("#dialog [name=person]").select_option(f"{staff[Role.CLR].person.pk}:CLR")
    confirm(page)
    told(page, "may know the order now")


def freeze_design(page: Page, staff: Staff, second: Staff, device: str) -> None:
    """Reviewed by a second engineer, then approved by the prescriber."""
    become(page, second[Role.DSN], device)
    dialog(page, "Review the design")
    sign(page, second[Role.DSN])
    told(page, "The design is reviewed")
    become(page, staff[Role.PRE], device)
    expect(page.locator(".nav-count")).to_have_text("1")
    dialog(page, "Approve for my patient")
    expect(page.locator("#dialog")).to_contain_text("I approve this design for my patient")
    sign(page, staff[Role.PRE])
    told(page, "approved and frozen")


def fill_design(page: Page) -> None:
    for name, value in GUIDE_VALUES.items():
        if isinstance(value, (tuple, list)):
            for axis, part in zip("xyz", value, strict=True):
                page.locator(f"#dialog [name='{name}.{axis}']").fill(str(part))
        else:
            page.locator(f"#dialog [name='{name}']").fill(str(value))
