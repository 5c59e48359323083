"""A kit in the browser: what was measured of it, what its release waits for, and one signature for all of its devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from devices.choices import Stage
from devices.models import Device, Kit
from devices.services.kits import make_kit
from mes.choices import Role
from tests.browser.conftest import Open, aside
from tests.browser.steps import dialog, photographed, seen_to_sign, sign, sound, told
from tests.devices.makers import Staff, given_to
from tests.devices.test_kits import BONE, TWO, designed, moved
from tests.quality.makers import move_through
from tests.quality.test_kits import TO_REVIEWED, only_gates_of_kits

pytestmark = [pytest.mark.browser, pytest.mark.requirement("G-REL-01")]


def test_a_kit_is_looked_at_and_released_by_one_signature(
    open_as: Open, drain: Callable[[], int], tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    only_gates_of_kits(monkeypatch)
    staff = Staff()
    first, second = Device.objects.filter(pk__in=given_to(staff, TWO.name) or []).order_by("pk")

    def make() -> Kit:
        for device, off in ((first, 0.0), (second, 0.12)):
            designed(device, staff, moved(BONE, 0.0, 0.0, off))
            move_through(device, ("queued", "in_build", "built", *TO_REVIEWED))
        return make_kit(device_ids=[first.pk, second.pk], actor=staff[Role.ORD].actor)

    kit = aside(make)
    aside(drain)
    page = open_as(staff[Role.QAX])
    page.goto(f"/kits/{kit.code}/")
    expect(page.locator("[aria-labelledby=match]")).to_contain_text("Designed on the same anatomy · passed")
    expect(page.get_by_role("row").filter(has_text=f"{first.code} on {second.code}")).to_contain_text(
        "0.12 mm"
    )
    expect(page.get_by_text("Every gate of every device passed")).to_be_visible()
    for look in (("dark", 390), ("light", 1280)):
        sound(page, [look])
        photographed(page, f"kit-{look[0]}")
    dialog(page, "Release the kit")
    seen_to_sign(page, kit.code, first.code, second.code)
    sign(page, staff[Role.QAX])
    told(page, "Released: 2 devices")
    assert set(Device.objects.values_list("stage", flat=True)) == {Stage.RELEASED}
