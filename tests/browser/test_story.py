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
from tests.browser.steps import confirm, dialog, sign, sign_in, sign_out, told
from tests.devices.makers import (
    GUIDE_VALUES,
    IDENTITY,
    Staff,
    make_master,
    make_person,
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
    staff = Staff()
    make_master()
    prescribing = staff[Role.PRE]
    coordinator = open_as(staff[Role.ORD])
    coordinator.goto("/")
    sign_out(coordinator)
    sign_in(coordinator, staff[Role.ORD])
    write_order(coordinator, staff)
    order = Order.objects.get()
    assert IDENTITY.family_name not in coordinator.content()

    prescriber = open_as(prescribing)
    prescriber.goto(f"/orders/{order.code}/")
    dialog(prescriber, "Prescribe")
    expect(prescriber.locator("#dialog")).to_contain_text("I prescribe this device")
    sign(prescriber, staff[Role.PRE], password="not the password at all")
    expect(prescriber.locator("#dialog .refusal")).to_contain_text("ES-01")
    expect(prescriber.get_by_label("Password")).to_have_value("")
    sign(prescriber, staff[Role.PRE])
    told(prescriber, "Prescribed")

    second = make_person(Role.ORD)
    approver = open_as(second)
    approver.goto(f"/orders/{order.code}/")
    dialog(approver, "Start the review")
    confirm(approver)
    told(approver, "The review has begun")
    dialog(approver, "Approve as order coordinator")
    sign(approver, second)
    told(approver, "the second approval is still needed")
    affairs = open_as(staff[Role.RA])
    affairs.goto(f"/orders/{order.code}/")
    dialog(affairs, "Approve as regulatory affairs")
    sign(affairs, staff[Role.RA])
    told(affairs, "its devices are planned")

    device = Device.objects.get()
    images = open_as(staff[Role.IMG])
    images.goto(f"/devices/{device.code}/")
    expect(images.get_by_text("TRAINING · NOT FOR CLINICAL USE")).to_be_visible()
    dialog(images, "Send in images")
    images.locator("input[type=file]").set_input_files(sorted(make_upload(tmp_path / "series").iterdir()))
    expect(images.locator("[data-files-said]")).to_contain_text("49 files")
    confirm(images)
    told(images, "The images arrived")
    drain()

    chosen = f"{staff[Role.CLR].person.pk}:CLR"
    coordinator.goto(f"/orders/{order.code}/")
    dialog(coordinator, "Assign somebody")
    coordinator.locator("#dialog [name=person]").select_option(chosen)
    confirm(coordinator)
    told(coordinator, "may know the order now")

    reviewer = open_as(staff[Role.CLR])
    reviewer.goto(f"/devices/{device.code}/")
    expect(reviewer.locator("[data-viewer] canvas")).to_be_visible()
    expect(reviewer.locator("[data-viewer-read]")).to_contain_text("triangles")
    dialog(reviewer, "Approve the segmentation")
    sign(reviewer, staff[Role.CLR])
    told(reviewer, "The segmentation is approved")

    engineer = open_as(staff[Role.DSN])
    engineer.goto(f"/devices/{device.code}/")
    dialog(engineer, "Make a design")
    fill_design(engineer)
    confirm(engineer)
    told(engineer, "Design 1 is being made")
    drain()

    second = make_person(Role.DSN)
    other = open_as(second)
    other.goto(f"/devices/{device.code}/")
    dialog(other, "Review the design")
    sign(other, second)
    told(other, "The design is reviewed")

    prescriber.goto(f"/devices/{device.code}/")
    expect(prescriber.locator(".nav-count")).to_have_text("1")
    dialog(prescriber, "Approve for my patient")
    expect(prescriber.locator("#dialog")).to_contain_text("I approve this design for my patient")
    sign(prescriber, staff[Role.PRE])
    told(prescriber, "approved and frozen")
    assert Device.objects.get().stage == "design_frozen"


def fill_design(page: Page) -> None:
    for name, value in GUIDE_VALUES.items():
        if isinstance(value, (tuple, list)):
            for axis, part in zip("xyz", value, strict=True):
                page.locator(f"#dialog [name='{name}.{axis}']").fill(str(part))
        else:
            page.locator(f"#dialog [name='{name}']").fill(str(value))
