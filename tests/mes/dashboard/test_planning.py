"""The planning page: who may plan, what it shows of the last plan, and what a form that is no plan is answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.test import Client

from devices.models import Device, Plan
from devices.planning.trajectories import angles_of, axis_at
from mes.choices import Role
from tests.devices.makers import Staff, Who, make_person, make_planned
from tests.devices.planned import CONTENT, SLEEVE, approve, draft, make_ready
from tests.mes.dashboard.conftest import Visit

pytestmark = pytest.mark.django_db


def text(point: list[float]) -> str:
    return ", ".join(str(part) for part in point)


def form(named: Who, **changed: Any) -> dict[str, Any]:
    """The plan of `CONTENT` as it is typed."""
    rows = {
        f"count-{number}-{name}": row["level"] if name == "level" else text(row["point_mm"])
        for number, row in enumerate(CONTENT["counted"])
        for name in ("level", "point")
    }
    sides = {
        f"{row['side']}-{name}": value
        for row in CONTENT["trajectories"]
        for name, value in (
            ("entry", text(row["entry_mm"])),
            ("contact", text(CONTENT["contacts"][row["side"]])),
            ("medial", "10"),
            ("caudal", "0"),
            ("depth", "38"),
        )
    }
    middle = {"spinous": text(CONTENT["spinous_mm"]), "body": text(CONTENT["body_mm"])}
    chosen = {"level": "L3", "sleeve": SLEEVE, "reader": str(named.person.pk), "spinous-contact": "0 30 1"}
    return {**rows, **sides, **middle, **chosen, **changed}


def page_of(device: Device) -> str:
    return f"/devices/{device.code}/plan/"


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(("medial", "caudal"), [(0.0, 0.0), (10.0, 0.0), (25.0, -15.0), (-8.0, 30.0)])
def test_angles_and_axes_are_each_others_inverse(medial: float, caudal: float) -> None:
    middle = {"spinous_mm": [3.0, 38.0, -2.0], "body_mm": [-4.0, -24.0, 5.0]}
    for side in ("left", "right"):
        axis = axis_at(middle["spinous_mm"], middle["body_mm"], side, medial, caudal)
        assert np.linalg.norm(axis) == pytest.approx(1.0)
        assert angles_of(middle, {"side": side, "axis": axis}) == pytest.approx((medial, caudal))
    assert axis_at([0, 38, 0], [0, -24, 0], "left", 90.0, 0.0) == pytest.approx([-1.0, 0.0, 0.0])


def test_a_plan_is_typed_sent_and_shown_again(staff: Staff, as_: Visit) -> None:
    device, engineer = make_ready(staff), as_(staff[Role.DSN])
    shown = engineer.get(page_of(device)).content.decode()
    assert "Count" in shown
    assert str(staff[Role.CLR].person) in shown
    assert "Mustermann" not in shown
    answer = engineer.post(page_of(device), form(staff[Role.CLR]))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/devices/{device.code}/")
    plan = Plan.objects.get()
    for made, wanted in zip(plan.content["trajectories"], CONTENT["trajectories"], strict=True):
        assert (made["side"], made["depth_mm"], made["entry_mm"]) == (
            wanted["side"],
            38.0,
            wanted["entry_mm"],
        )
        assert made["axis"] == pytest.approx(wanted["axis"], abs=1e-6)
    again = engineer.get(page_of(device)).content.decode()
    for said in ("17.868, 16.924, 2", 'value="38.0"', "0, -24, -99", "revision 1"):
        assert said in again, said


@pytest.mark.requirement("G-DES-01")
def test_a_form_that_is_no_plan_says_everything_that_is_wrong_and_keeps_nothing(
    staff: Staff, as_: Visit
) -> None:
    device, engineer = make_ready(staff), as_(staff[Role.DSN])
    wrong = form(
        staff[Role.CLR],
        **{"left-entry": "17.8, here, 2", "count-0-level": "", "sleeve": "x", "right-depth": "1e9"},
    )
    answer = engineer.post(page_of(device), wrong, headers={"HX-Request": "true"})
    said = answer.content.decode()
    assert answer.status_code in (409, 422)
    for words in (
        "The entry on the left is no point",
        "is no level of the spine",
        "The drill sleeve is none",
        "The depth on the right",
    ):
        assert words in said, words
    for reader in ("", "x", "99999999999", str(staff[Role.DSN].person.pk)):
        refused = engineer.post(page_of(device), form(staff[Role.CLR], reader=reader))
        assert refused.status_code in (409, 422), reader
    assert not Plan.objects.exists()


@pytest.mark.requirement("P11-10g")
def test_only_who_may_plan_comes_to_the_page(staff: Staff, as_: Visit) -> None:
    device = make_ready(staff)
    assert as_(staff[Role.OPR]).get(page_of(device)).status_code == 403
    assert as_(make_person(Role.PRE)).get(page_of(device)).status_code == 404
    assert as_(staff[Role.PRE]).get(page_of(device)).status_code == 200
    other = make_planned(Staff(), side="left")
    answer = as_(staff[Role.DSN]).get(page_of(other))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/devices/{other.code}/")


def test_the_device_page_shows_the_plan_and_leads_to_it(staff: Staff, as_: Visit) -> None:
    device, engineer = make_ready(staff), as_(staff[Role.DSN])
    address = f"/devices/{device.code}/"
    empty: str = engineer.get(address).content.decode()
    assert "Write the plan" in empty
    assert page_of(device) in empty
    assert page_of(device) not in as_(staff[Role.OPR]).get(address).content.decode()
    draft(device, staff)
    assert "Approve the plan" in _page(as_(staff[Role.CLR]), address)
    approve(device, staff[Role.CLR])
    shown = _page(engineer, address)
    asked = _page(engineer, f"/act/device/{device.code}/request-design/")
    assert 'data-slides="clearance_mm"' in asked
    assert "left_entry_mm" not in asked
    for said in ("S1 → L5 → L4 → L3", "Sleeve for a drill of 2.5 mm", "Make a design", "Plan again"):
        assert said in shown, said


def _page(client: Client, address: str) -> str:
    return str(client.get(address).content.decode())
