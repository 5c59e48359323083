"""Rows that stand in the log only through their device's digest are checked by `verify` too (G-INT-01)."""

from __future__ import annotations

from typing import Any

import pytest

from devices.models import Design, Device, Segmentation, Study
from mes.eventlog.verify import Bad, check_covered
from tests.devices.makers import Staff, freeze_design_of, make_planned

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-INT-01")]


@pytest.fixture
def device() -> Device:
    """The second of two devices with images, segmentation and design."""
    staff = Staff()
    for _ in range(2):
        device = make_planned(staff)
        freeze_design_of(device, staff)
    return device


def test_rows_as_they_were_written_are_found_so(device: Device) -> None:
    assert Design.objects.count() == 2
    assert list(check_covered()) == []


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        (Study, {"source_digest": "12" * 32}),
        (Segmentation, {"volume_ml": 1.0}),
        (Design, {"measures": {"minimum_wall_mm": 9.0}}),
    ],
)
def test_a_row_edited_behind_the_back_of_its_device(
    device: Device, model: Any, changed: dict[str, Any]
) -> None:
    model.objects.filter(device=device).update(**changed)
    where = f"devices.device/{device.pk}: the rows under it differ from its digest"
    assert list(check_covered()) == [Bad("covered rows", where)]
