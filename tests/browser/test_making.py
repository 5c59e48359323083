"""The human steps of the story, in a real browser: from the frozen design to the production record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from devices.choices import Stage
from devices.mesh.base import Mesh
from devices.mesh.io import write_stl
from devices.models import Device
from devices.services.holds import hold_device, resume_device
from mes.choices import Role
from mes.demo.scan import simulate_scan
from printing.models import Build, Container, MaterialLot, ParameterSet, Printer
from quality.models import PostProcessStep
from tests.browser.conftest import Open, aside
from tests.browser.steps import (
    become,
    confirm,
    dialog,
    fill,
    refused,
    seen_to_sign,
    sign,
    told,
)
from tests.devices.makers import Staff, freeze_design_of, make_person, make_planned
from tests.flows.story import PATIENT
from tests.printing.conftest import Running
from tests.printing.makers import in_days, make_parameters, make_printer
from tests.quality.makers import make_gauge, make_part, move_through

pytestmark = pytest.mark.browser

SPEED = {"speed": 2000.0}


class Shop:
    """A device with a frozen design, a qualified printer, nothing else; and the people who go on from there."""

    def __init__(self) -> None:
        self.staff, others = Staff(), Staff()
        self.device = make_planned(self.staff)
        large = make_part()
        self.part = Mesh(large.vertices * 0.5, large.faces)
        freeze_design_of(self.device, self.staff, self.part)
        move_through(self.device, [Stage.DESIGN_FROZEN])
        self.parameters: ParameterSet = make_parameters(others)
        self.printer: Printer = make_printer(others, self.parameters, connection=SPEED)
        self.verifier = make_person(Role.BLD)
        self.gauge = make_gauge()

    @property
    def page(self) -> str:
        return f"/devices/{self.device.code}/"

    @property
    def stage(self) -> str:
        return str(Device.objects.values_list("stage", flat=True).get(pk=self.device.pk))


@pytest.mark.requirement("ES-01")
@pytest.mark.requirement("ES-19")
def test_from_the_frozen_design_to_the_production_record(
    open_as: Open, drain: Callable[[], int], fleet: Running, tmp_path: Path
) -> None:
    shop = aside(Shop)
    page = open_as(shop.staff[Role.BLD])
    slice_build(page, shop, drain)
    with fleet(PATIENT):
        stock(page, shop)
        print_build(page, shop)
    aside(drain)
    finish(page, shop)
    aside(drain)
    inspect(page, shop, drain, tmp_path)
    release(page, shop)
    aside(drain)
    read_record(page, shop)


def slice_build(page: Page, shop: Shop, drain: Callable[[], int]) -> None:
    page.goto("/builds/")
    dialog(page, "New build")
    expect(page.locator("#dialog [name=devices]")).to_have_value(shop.device.code)
    page.locator("#dialog [name=parameters]").select_option(index=1)
    confirm(page)
    told(page, "is being cut into layers")
    aside(drain)
    build = Build.objects.get()
    page.reload()
    expect(page.locator("img.mask")).to_be_visible()
    become(page, shop.verifier, f"/builds/{build.code}/")
    dialog(page, "Verify")
    seen_to_sign(page, shop.device.code, build.plate_digest[:12])
    sign(page, shop.verifier)
    told(page, "The build is verified")
    aside(drain)
    assert shop.stage == Stage.QUEUED


def stock(page: Page, shop: Shop) -> None:
    """A lot is received into quarantine, is not loaded before it is released, and is then."""
    become(page, shop.staff[Role.MAT], "/lots/")
    dialog(page, "Receive a lot")
    page.locator("#dialog [name=material]").select_option(shop.device.material.code)
    fill(
        page, supplier="Resins & Co", supplier_lot="RC-1", quantity="500", expires_on=in_days(200).isoformat()
    )
    fill(page, certificate="viscosity; 900; mPa s; 800; 1100")
    page.locator("#dialog input[type=file]").set_input_files(
        {"name": "coa.pdf", "mimeType": "application/pdf", "buffer": b"certificate of analysis"}
    )
    confirm(page)
    told(page, "is in quarantine")
    lot, label = MaterialLot.objects.get(), Container.objects.get().label
    expect(page.locator("aside")).to_contain_text(label)

    become(page, shop.staff[Role.OPR], f"/printers/{shop.printer.code}/")
    dialog(page, "Load material")
    fill(page, label=label)
    confirm(page)
    refused(page, "G-MAT-01")
    expect(page.locator("#dialog [name=label]")).to_have_value(label)

    page.get_by_role("button", name="Cancel", exact=True).click()
    become(page, shop.staff[Role.QCM], f"/lots/{lot.code}/")
    dialog(page, "Release")
    seen_to_sign(page, "RC-1", "viscosity")
    sign(page, shop.staff[Role.QCM])
    told(page, "The lot is released")

    become(page, shop.staff[Role.OPR], f"/printers/{shop.printer.code}/")
    dialog(page, "Load material")
    fill(page, label=label)
    confirm(page)
    told(page, f"{label} is on the printer")


def print_build(page: Page, shop: Shop) -> None:
    """Dispatched by the builder; started, watched and cleared at its live tile by the operator."""
    become(page, shop.staff[Role.BLD], f"/builds/{Build.objects.get().code}/")
    dialog(page, "Dispatch")
    page.locator("#dialog [name=printer]").select_option(index=1)
    confirm(page)
    told(page, "waits on")
    become(page, shop.staff[Role.OPR], "/fleet/")
    tile = page.locator(f"[data-printer={shop.printer.code}]")
    expect(page.locator("#live")).to_contain_text("Live")
    tile.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#dialog[open] h2")).to_be_visible()
    confirm(page)
    told(page, "The start was sent")
    page.goto("/fleet/")
    expect(tile.locator("[data-f=notice]")).to_contain_text("Clear the plate", timeout=30_000)
    tile.get_by_role("button", name="Plate is clear").click()
    confirm(page)
    told(page, "The plate is clear")


def finish(page: Page, shop: Shop) -> None:
    """Washed and cured, each with what was measured. A dialog that was opened for another step is refused."""
    who = shop.staff[Role.PST]
    become(page, who, shop.page)
    other = page.context.new_page()
    other.goto(shop.page)
    dialog(other, "Record the next step")
    dialog(page, "Record the next step")
    wash = {"value.duration_s": "0.1", "value.concentration_percent": "99"}
    for window in (other, page):
        fill(window, **wash, equipment="Washer 2")
        seen_to_sign(window, "Washer 2", "99")
    sign(page, who)
    told(page, "Wash in isopropanol is recorded")
    sign(other, who)
    refused(other, "ES-19")
    assert PostProcessStep.objects.count() == 1
    expect(other.get_by_label("Password")).to_have_value("")
    other.close()

    dialog(page, "Record the next step")
    fill(page, **{"value.duration_s": "0.1", "value.temperature_c": "60"}, equipment="Oven 1")
    seen_to_sign(page, "Oven 1", "60")
    sign(page, who)
    told(page, "Post-cure under light is recorded")
    assert shop.stage == Stage.AWAITING_INSPECTION


def inspect(page: Page, shop: Shop, drain: Callable[[], int], folder: Path) -> None:
    who = shop.staff[Role.INS]
    scan = folder / "scan.stl"
    scan.write_bytes(write_stl(simulate_scan(shop.part, seed=7, dropout_share=0.0, resolution_mm=0.8).mesh))
    become(page, who, shop.page)
    dialog(page, "Send in a scan")
    page.locator("#dialog input[type=file]").set_input_files(scan)
    page.locator("#dialog [name=gauge]").select_option(str(shop.gauge.pk))
    expect(page.locator("#dialog [name=measured_on]")).to_have_value(timezone.localdate().isoformat())
    confirm(page)
    told(page, "The scan arrived")
    aside(drain)
    page.reload()
    picture = page.get_by_alt_text("Deviation of scan 1")
    picture.evaluate("image => image.scrollIntoView()")
    expect(picture).to_be_visible()
    dialog(page, "Sign the inspection")
    seen_to_sign(page, "passed")
    sign(page, who)
    told(page, "The inspection is signed: passed")
    aside(drain)
    assert shop.stage == Stage.READY_FOR_REVIEW


def release(page: Page, shop: Shop) -> None:
    """Reviewed by one, released by another; a wrong password is refused and nothing else is lost."""
    reviewer, releaser = shop.staff[Role.QAR], shop.staff[Role.QAX]
    become(page, reviewer, shop.page)
    dialog(page, "Review the record")
    fill(page, findings="Complete and plausible.")
    seen_to_sign(page, "Complete and plausible.")
    before = page.locator("#signed input[name=digest]").input_value()
    aside(lambda: look_twice(shop))
    sign(page, reviewer)
    refused(page, "ES-19")
    expect(page.locator("#signed input[name=digest]")).not_to_have_value(before)
    seen_to_sign(page, "Complete and plausible.")
    sign(page, reviewer)
    told(page, "The record is reviewed")

    become(page, releaser, shop.page)
    dialog(page, "Release")
    sign(page, releaser, password="not the password at all")
    refused(page, "ES-01")
    expect(page.get_by_label("Password")).to_have_value("")
    assert shop.stage == Stage.REVIEWED
    sign(page, releaser)
    told(page, "Released.")
    assert shop.stage == Stage.RELEASED


def look_twice(shop: Shop) -> None:
    """Something that happens to the device while somebody reads its record."""
    who = shop.staff[Role.QCM].actor
    hold_device(device_id=shop.device.pk, actor=who, reason="A second look")
    resume_device(device_id=shop.device.pk, actor=shop.staff[Role.QAR].actor, reason="Looked at")


def read_record(page: Page, shop: Shop) -> None:
    """The record is read on its page, and taken home as PDF and JSON."""
    page.reload()
    files = {}
    for name in ("Production record (PDF)", "JSON"):
        with page.expect_download() as coming:
            page.get_by_role("link", name=name, exact=True).click()
        files[name] = Path(coming.value.path()).read_bytes()
    assert files["Production record (PDF)"].startswith(b"%PDF")
    record = json.loads(files["JSON"])
    assert (record["device"], record["status"]) == (shop.device.code, "released")
