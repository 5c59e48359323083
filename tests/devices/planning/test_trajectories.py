"""A plan of trajectories: the level is counted to, the sides are the vertebra's own, the sleeve sets the bore."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from devices.planning.base import PLAN_KINDS, PlanRefused
from devices.planning.instruments import SLEEVES
from devices.planning.trajectories import lateral_mm
from tests.devices.planned import CONTENT, SLEEVE, content, ground

KIND = PLAN_KINDS["trajectories"]
COUNT = CONTENT["counted"]


def refused(ordered: str = "bilateral", **changed: Any) -> dict[str, str]:
    """Why a changed plan is refused: texts with their rules."""
    with pytest.raises(PlanRefused) as refusal:
        KIND.canonical(content(**changed), ground(ordered))
    return {reason.text: reason.rule for reason in refusal.value.reasons}


def changed_row(number: int, **changed: Any) -> list[Mapping[str, Any]]:
    return [
        {**row, **changed} if place == number else row for place, row in enumerate(CONTENT["trajectories"])
    ]


def test_a_plan_in_its_one_form_stays_as_it_is() -> None:
    once = KIND.canonical(content(), ground())
    again = KIND.canonical({**once, "sleeve": once["sleeve"]["id"]}, ground())
    assert again == once
    assert once["insertion"] == pytest.approx([0.0, -1.0, 0.0])


@pytest.mark.requirement("G-DES-01")
def test_the_sleeve_alone_sets_the_bore() -> None:
    values = KIND.values(KIND.canonical(content(), ground()))
    chosen = SLEEVES[SLEEVE]
    assert values["sleeve_seat_diameter_mm"] == chosen.outer_diameter_mm + chosen.fit_mm
    assert values["sleeve_inner_diameter_mm"] > values["drill_diameter_mm"] == 2.5
    assert values["left_entry_mm"] == (17.868, 16.924, 2.0)
    assert "sleeve is none of the catalogue" in " ".join(refused(sleeve="a bore of 4 mm"))
    assert "is no part of this plan" in " ".join(refused(sleeve_seat_diameter_mm=9.0))


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(("count", "said"), [
    (COUNT[1:], "begins at no level that shows what it is"),
    ([], "begins at no level that shows what it is"),
    ([{**COUNT[0], "point_mm": [0.0, -24.0, -131.0]}, *COUNT[1:]], "The images do not hold S1"),
    (COUNT[:-1], "The count ends at L4; the plan is for L3"),
    ([COUNT[0], COUNT[2], COUNT[3]], "The count goes from S1 to L4"),
    ([*COUNT[:3], COUNT[2], COUNT[3]], "The count goes from L4 to L4"),
    ([*COUNT[:2], {**COUNT[2], "point_mm": [0.0, -24.0, -62.0]}, COUNT[3]], "L5 and L4 were picked 4 mm apart"),
    ([COUNT[0], {**COUNT[1], "point_mm": [0.0, -24.0, -111.0]}, *COUNT[2:]], "L5 was picked on the wrong side of S1"),
    ([{"level": "L9", "point_mm": [0, 0, 0]}], "'L9' is no level of the spine"),
    ("S1", "The count is no list"),
])  # fmt: skip
def test_a_level_that_was_not_counted_to_is_refused(count: Any, said: str) -> None:
    assert said in " ".join(refused(counted=count))


def test_a_sixth_lumbar_vertebra_may_be_counted_and_need_not_be() -> None:
    sixth = [COUNT[0], {"level": "L6", "point_mm": [0.0, -24.0, -82.0]}, *COUNT[1:]]
    assert [row["level"] for row in KIND.canonical(content(counted=sixth), ground())["counted"]][1] == "L6"
    assert KIND.canonical(content(), ground())["counted"][1]["level"] == "L5"


@pytest.mark.requirement("G-LAT-01")
def test_each_trajectory_lies_on_the_side_that_it_is_named_for() -> None:
    swapped = [
        {**row, "side": other} for row, other in zip(CONTENT["trajectories"], ("right", "left"), strict=True)
    ]
    found = refused(trajectories=swapped)
    assert "The entry on the left lies 17.9 mm to the right of the vertebra's middle." in found
    assert set(found.values()) == {"G-LAT-01"}
    near = refused(trajectories=changed_row(0, entry_mm=[1.5, 12.0, 2.0]))
    assert near == {"The entry on the left lies 1.5 mm to the left of the vertebra's middle.": "G-LAT-01"}


@pytest.mark.requirement("G-LAT-01")
def test_what_is_ordered_is_planned_and_nothing_else() -> None:
    assert "The order is for: left; the plan is for: bilateral." in refused("left")
    one = CONTENT["trajectories"][:1]
    assert "needed: left, right" in " ".join(refused(trajectories=one, contacts={"left": [9.0, 14.0, -4.0]}))
    single = content(side="left", trajectories=one, contacts={"left": [9.0, 14.0, -4.0]})
    assert KIND.canonical(single, ground("left"))["side"] == "left"
    assert "needed: a side" in " ".join(refused("none", side="none"))


@pytest.mark.requirement("G-LAT-01")
def test_the_side_of_a_turned_vertebra_is_its_own() -> None:
    """Turned by 40 degrees, the entry on its left lies on the patient's right of the spinous process."""
    turn = math.radians(40.0)
    rotation = np.array(
        [[math.cos(turn), -math.sin(turn), 0.0], [math.sin(turn), math.cos(turn), 0.0], [0, 0, 1.0]]
    )

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(part) for name, part in value.items()}
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], float):
            return [float(part) for part in rotation @ np.array(value)]
        return [turned(part) for part in value] if isinstance(value, list) else value

    plan = KIND.canonical(turned(content()), ground())
    entry = plan["trajectories"][0]["entry_mm"]
    assert plan["trajectories"][0]["side"] == "left"
    assert lateral_mm(plan, entry) == pytest.approx(17.868, abs=1e-3)
    assert entry[0] < 17.0 - 5.0
    swapped = {**plan, "spinous_mm": plan["body_mm"], "body_mm": plan["spinous_mm"], "sleeve": SLEEVE}
    assert "do not lie behind one another" in " ".join(refused(**swapped))


@pytest.mark.requirement("G-DES-01")
def test_everything_is_picked_on_the_vertebra_that_was_counted() -> None:
    other = refused(trajectories=changed_row(1, entry_mm=[-17.0, 12.0, -85.0]))
    assert "mm from where L3 was counted" in " ".join(other)
    assert "outside the images" in " ".join(refused(spinous_mm=[0.0, 61.0, 0.0]))
    back = refused(trajectories=changed_row(0, axis=[0.0, 1.0, 0.0]))
    assert "does not run into the vertebral body" in " ".join(back)


@pytest.mark.parametrize(("part", "value"), [
    ("spinous_mm", [0.0, float("nan"), 0.0]), ("body_mm", [0, 0]), ("body_mm", "0 0 0"), ("level", "X1"),
    ("trajectories", "both"), ("contacts", {"left": [9.0, 14.0, -4.0]}), ("contacts", None), ("insertion", [0, 0, 0]),
    ("transitional", "x" * 201), ("transitional", "two\nlines"), ("cut_planes", [{"name": "x"}]), ("counted", [1]),
])  # fmt: skip
def test_what_is_no_plan_is_refused_with_a_cure(part: str, value: Any) -> None:
    with pytest.raises(PlanRefused) as refusal:
        KIND.canonical(content(**{part: value}), ground())
    assert all(reason.cure for reason in refusal.value.reasons)


def test_every_fault_is_told_at_once() -> None:
    found = refused(sleeve="none", spinous_mm=None, level="Q", depth=1)
    assert len(found) >= 4
