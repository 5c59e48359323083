"""Sending images by parts in the browser: the connection breaks, the page is loaded again, and every byte arrives once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from devices.choices import UploadStage
from devices.imaging import parcels
from devices.models import Device, Study, Upload
from devices.services.studies import upload_digest
from mes.choices import Role
from tests.browser.conftest import Open
from tests.browser.steps import dialog, sound, told
from tests.devices.makers import Staff, make_planned

pytestmark = pytest.mark.browser
PIECE = 64 * 1024
ONE = "**/api/uploads/*"


@pytest.fixture(autouse=True)
def torn_connections(tolerated: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # It is the order of the parts that is looked at, and not their size.
    monkeypatch.setattr(parcels, "PIECE_BYTES", PIECE)
    tolerated += ["net::ERR_CONNECTION_RESET", "net::ERR_FAILED"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(os.urandom(2 * PIECE + 1000))
    return path


def choose(page: Page, device: Device, image: Path) -> None:
    page.goto(f"/devices/{device.code}/")
    dialog(page, "Send in images")
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(image)
    page.locator("#dialog .dialog-foot button:not([type=button])").click()


def test_a_broken_connection_is_waited_for(open_as: Open, image: Path) -> None:
    staff = Staff()
    device, page, parts = make_planned(staff), open_as(staff[Role.IMG]), [0]

    def torn(route: Route) -> None:
        parts[0] += route.request.method == "PATCH"
        if route.request.method == "PATCH" and parts[0] == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(ONE, torn)
    choose(page, device, image)
    expect(page.locator("[data-progress-said]")).to_contain_text("The connection broke")
    sound(page, [("light", 1280), ("dark", 390)])
    told(page, "The images arrived")
    assert parts[0] == 4
    assert Study.objects.get().source_digest == upload_digest(image)
    assert Upload.objects.get().stage == UploadStage.TAKEN


def test_a_page_that_was_loaded_again_goes_on_where_it_was(open_as: Open, image: Path) -> None:
    staff = Staff()
    device, page = make_planned(staff), open_as(staff[Role.IMG])
    sent: list[int] = []

    def away_after_one(route: Route) -> None:
        if route.request.method == "PATCH" and sent:
            route.abort("connectionreset")
            return
        sent.extend([1] * (route.request.method == "PATCH"))
        route.continue_()

    page.route(ONE, away_after_one)
    choose(page, device, image)
    expect(page.locator("[data-progress-said]")).to_contain_text("The connection broke")
    page.unroute(ONE)
    offsets: list[str] = []
    page.on(
        "request", lambda one: offsets.append(one.headers["upload-offset"]) if one.method == "PATCH" else None
    )
    choose(page, device, image)
    told(page, "The images arrived")
    assert offsets == [str(PIECE), str(2 * PIECE)]
    assert Study.objects.get().source_digest == upload_digest(image)
    assert Upload.objects.count() == 1


def test_a_transfer_is_stopped_and_nothing_is_left(open_as: Open, image: Path) -> None:
    staff = Staff()
    device, page = make_planned(staff), open_as(staff[Role.IMG])
    page.route(ONE, lambda route: route.abort() if route.request.method == "PATCH" else route.continue_())
    choose(page, device, image)
    expect(page.locator("[data-progress-said]")).to_contain_text("The connection broke")
    page.get_by_role("button", name="Stop sending").click()
    expect(page.locator("[data-progress-said]")).to_contain_text("Stopped")
    assert not Study.objects.exists()
    assert Upload.objects.get().stage == UploadStage.CANCELLED
