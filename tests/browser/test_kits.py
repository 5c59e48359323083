"""A kit in the browser: put together on the page of an order, compared, and released by one signature."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from devices.choices import Stage
from devices.mesh.base import Mesh
from devices.models import Device
from mes.choices import Role
from tests.browser.conftest import Open, aside
from tests.browser.steps import become, confirm, dialog, photographed, seen_to_sign, sign, sound, told
from tests.devices.makers import Staff, given_to
from tests.devices.test_kits import BONE, TWO, designed, moved
from tests.quality.makers import move_through
from tests.quality.test_kits import TO_REVIEWED, only_gates_of_kits

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-REL-01")]


def test_devices_of_two_orders_are_put_together_compared_and_released_at_once(
    open_as: Open, drain: Callable[[], int], tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    only_gates_of_kits(monkeypatch)
    staff = Staff()
    first, second = Device.objects.filter(pk__in=given_to(staff, TWO.name) or []).order_by("pk")
    page = open_as(staff[Role.ORD])
    page.goto(f"/orders/{first.order.code}/")
    dialog(page, "Make a kit")
    photographed(page, "kit-make")
    confirm(page)
    told(page, "C0000001 is put together")
    expect(page.get_by_text("Not compared yet")).to_be_visible()

    def make(device: Device, bone: Mesh = BONE) -> None:
        designed(device, staff, bone)
        move_through(device, ("queued", "in_build", "built", *TO_REVIEWED))

    aside(partial(make, first))
    aside(partial(make, second, moved(BONE, 0.0, 0.0, 0.12)))
    aside(drain)
    become(page, staff[Role.QAX], "/kits/C0000001/")
    expect(page.locator("[aria-labelledby=match]")).to_contain_text("Designed on the same anatomy · passed")
    expect(page.get_by_role("row").filter(has_text=f"{first.code} on {second.code}")).to_contain_text(
        "0.12 mm"
    )
    expect(page.get_by_text("Every gate of every device passed")).to_be_visible()
    for look in (("dark", 390), ("light", 1280)):
        sound(page, [look])
        photographed(page, f"kit-{look[0]}")
    dialog(page, "Release the kit")
    seen_to_sign(page, "C0000001", first.code, second.code)
    sign(page, staff[Role.QAX])
    told(page, "Released: 2 devices")
    assert set(Device.objects.values_list("stage", flat=True)) == {Stage.RELEASED}
