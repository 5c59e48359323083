"""The board and its list, filters and CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from mes.dashboard.sheets import escaped
from tests.devices.makers import Staff, make_planned


@pytest.fixture
def late(staff: Staff) -> Device:
    device = make_planned(staff)
    device.need_by = timezone.localdate() - timedelta(days=2)
    device.save()
    return device


def test_late_devices_come_first_and_are_counted(staff: Staff, coordinator: Client, late: Device) -> None:
    on_time = make_planned(staff)
    page = coordinator.get("/").content.decode()
    assert page.index(late.code) < page.index(on_time.code)
    assert "1 late" in page
    assert "2 d late" in page


@pytest.mark.parametrize(
    ("_case", "query", "late_shown", "other_shown"),
    [
        ("late only", "late=on", True, False),
        ("held only", "held=on", False, False),
        ("by code", "q={code}", True, False),
        ("another type", "master=none", False, False),
        ("everything", "", True, True),
    ],
)
def test_filters_stand_in_the_address(
    staff: Staff,
    coordinator: Client,
    late: Device,
    _case: str,
    query: str,
    late_shown: bool,
    other_shown: bool,
) -> None:
    other = make_planned(staff)
    for shape in ("", "&as=list"):
        page = coordinator.get(f"/?{query.format(code=late.code)}{shape}").content.decode()
        assert (f"/devices/{late.code}/" in page, f"/devices/{other.code}/" in page) == (
            late_shown,
            other_shown,
        )


def test_an_empty_board_says_what_to_do(coordinator: Client) -> None:
    assert "No device is on its way" in coordinator.get("/").content.decode()
    assert "No device matches these filters" in coordinator.get("/?held=on").content.decode()


def test_the_number_of_queries_does_not_grow_with_the_devices(staff: Staff, coordinator: Client) -> None:
    counts = []
    for more in (1, 4):
        for _ in range(more):
            make_planned(staff)
        for path in ("/", "/?as=list"):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert coordinator.get(path).status_code == 200
            counts.append(len(queries))
    assert counts[0] == counts[2]
    assert counts[1] == counts[3]
    assert max(counts) <= 20


def test_the_sheet_holds_every_device(staff: Staff, coordinator: Client) -> None:
    device = make_planned(staff)
    answer = coordinator.get("/?as=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="devices.csv"'
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert [row["device"] for row in rows] == [device.code]
    assert rows[0]["waits for"] == "Images"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_never_a_formula(cell: str) -> None:
    assert escaped(cell) == f"'{cell}"


def test_a_filter_change_brings_only_the_devices(coordinator: Client) -> None:
    fragment = coordinator.get("/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "No device" in fragment
