"""The pedicle guide: tubes as planned, contact where it was picked and nowhere else, and a reason for whatever cannot be made."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.catalog.base import MASTERS
from devices.generators.base import GENERATORS, Design, DesignRefused
from devices.mesh.base import Mesh
from devices.mesh.bore import Bore, measure_bore
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import solid_of
from devices.planning.base import PLAN_KINDS
from mes.exceptions import Reason
from tests.devices.planned import CONTENT, content, ground
from tests.devices.vertebra import vertebra

GUIDE = GENERATORS["pedicle_guide"]
COARSE: dict[str, Any] = {"detail_mm": 0.9, "clearance_mm": 0.3, "contact_radius_mm": 7.0}
"""Made in a second: for what does not depend on how fine the body is."""


def planned(**changed: Any) -> dict[str, Any]:
    plan = PLAN_KINDS["trajectories"]
    side = changed.get("side", "bilateral")
    return plan.values(plan.canonical(content(**changed), ground(side)))


@cache
def usual() -> Design:
    return GUIDE.generate(vertebra(), {**planned(), **COARSE})


def bores(design: Design) -> dict[str, Bore]:
    stored = read_mesh(write_stl(design.mesh))
    found = {}
    for row in CONTENT["trajectories"]:
        bore = measure_bore(stored, np.array(row["entry_mm"]), np.array(row["axis"]), 4.6)
        if bore is not None:
            found[row["side"]] = bore
    return found


def refusals(**changed: Any) -> str:
    values = {**planned(), **COARSE, **changed}
    with pytest.raises(DesignRefused) as refused:
        GUIDE.generate(vertebra(), {name: value for name, value in values.items() if value is not None})
    assert all(reason.cure for reason in refused.value.reasons)
    return " ".join(reason.text for reason in refused.value.reasons)


def test_the_guide_is_one_sound_solid_and_the_same_every_time() -> None:
    report = check_mesh(usual().mesh)
    assert report.sound, report.problems
    assert usual().measures["minimum_wall_mm"] >= 1.0
    again = GUIDE.generate(vertebra(), dict(usual().values))
    assert again.values == usual().values
    digests = {hashlib.sha256(write_stl(one.mesh)).hexdigest() for one in (usual(), again)}
    assert len(digests) == 1


@pytest.mark.requirement("G-BLD-01")
def test_the_tubes_measured_back_are_the_planned_ones() -> None:
    found = bores(usual())
    assert set(found) == {"left", "right"}
    for row in CONTENT["trajectories"]:
        bore = found[row["side"]]
        assert bore.shift_from(np.array(row["entry_mm"])) < 0.05
        assert bore.tilt_from(np.array(row["axis"])) < 0.1
        assert bore.diameter_mm == pytest.approx(4.6, abs=0.02)
        assert bore.ends_mm == pytest.approx((8.0, 20.0), abs=0.01)
    assert usual().measures["left_drill_stop_mm"] == 38.0 + 8.0 + 12.0


def test_it_rests_where_contact_was_picked_and_keeps_off_the_rest() -> None:
    bone, design = Surface(vertebra()), usual()
    points, _ = sample_surface(design.mesh, 20_000, np.random.default_rng(1))
    gaps = bone.signed(points)
    picked = np.array(list(CONTENT["contacts"].values()))
    away = np.linalg.norm(points[:, None, ::2] - picked[None, :, ::2], axis=2).min(axis=1)
    assert gaps.min() >= 0.3 - 0.05
    assert gaps.min() == pytest.approx(design.measures["bone_clearance_minimum_mm"], abs=0.02)
    assert design.measures["clearance_lack_mm"] <= 0.05
    assert gaps[away > 7.0 + 1.2].min() > 0.9
    assert np.quantile(gaps[(away < 6.0) & (gaps < 0.6)], 0.5) == pytest.approx(0.3, abs=0.1)
    assert design.measures["contact_area_mm2"] > 80.0
    assert design.measures["seat_support_mm"] > 0.0
    assert design.measures["seat_uniqueness"] > 0.02


def test_it_comes_off_along_the_insertion() -> None:
    bone = Surface(vertebra())
    points, _ = sample_surface(usual().mesh, 20_000, np.random.default_rng(2))
    out = np.array([0.0, 1.0, 0.0])
    assert not np.isfinite(bone.first_hits(points, out)).any()


def test_a_guide_for_one_side_has_one_tube() -> None:
    one = planned(
        side="left",
        trajectories=CONTENT["trajectories"][:1],
        contacts={k: CONTENT["contacts"][k] for k in ("left", "spinous")},
    )
    design = GUIDE.generate(vertebra(), {**one, **COARSE})
    assert check_mesh(design.mesh).sound
    assert set(bores(design)) == {"left"}
    assert len(design.features) == 1


@cache
def opened() -> Design:
    """Windows and pins, beside tubes that leave little room, under sleeves that stand so high that the passage is longer than the seat."""
    wide = {"contact_radius_mm": 9.0, "pin_diameter_mm": 1.5, "sleeve_stand_mm": 14.0, "tube_wall_mm": 2.5}
    return GUIDE.generate(vertebra(), {**planned(), **COARSE, **wide})


def test_windows_and_pins_go_through_it_and_leave_walls_around_them() -> None:
    design = opened()
    assert check_mesh(design.mesh).sound
    assert not any("window" in text for text in design.warnings)
    assert design.measures["minimum_wall_mm"] >= 1.0
    assert set(bores(design)) == {"left", "right"}
    tubes, windows, pins = 2, 2, 2
    assert solid_of(design.mesh).genus() == tubes + windows + pins


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(("changed", "said"), [
    ({"left_entry_mm": (17.868, 26.0, 2.0)}, "entry on the left is not on the bone"),
    ({"left_axis": (-0.6, -0.8, 0.0)}, "axis on the left leaves the bone"),
    ({"right_depth_mm": 78.0}, "axis on the right leaves the bone"),
    ({"right_entry_mm": (12.0, 16.924, 2.0), "right_axis": (-0.17364817766693033, -0.984807753012208, 0.0)}, "The tubes come within"),
    ({"left_axis": (-0.45, -0.8930285549745877, 0.0), "right_axis": (0.45, -0.8930285549745877, 0.0)}, "drills come within"),
    ({"left_contact_mm": (15.0, 30.0, -1.5)}, "contact on the left is"),
    ({"insertion_direction": (0.9, -0.4358898943540674, 0.0)}, "leans more than 45 degrees"),
    ({"sleeve_inner_diameter_mm": 3.9}, "The shoulder that the sleeve stands on"),
    ({"tube_wall_mm": 0.9}, "The wall of a tube"),
    ({"window_diameter_mm": 8.0, "contact_radius_mm": 4.0, "pin_diameter_mm": 2.0}, "leave no contact"),
    ({"pin_diameter_mm": 2.0, "contact_radius_mm": 5.0, "window_diameter_mm": 0.0, "tube_wall_mm": 5.0}, "no room for a pin"),
    ({"left_depth_mm": None}, "trajectory on the left is incomplete"),
    ({"left_axis": (0.0, -0.5, 0.0)}, "no unit vector"),
])  # fmt: skip
def test_what_cannot_be_made_is_refused_with_a_reason(changed: dict[str, Any], said: str) -> None:
    assert said in refusals(**changed)


def test_a_wrong_bone_gives_no_guide() -> None:
    other = Mesh(vertebra().vertices + np.array([0.0, 0.0, 30.0]), vertebra().faces)
    with pytest.raises(DesignRefused, match="not on the bone"):
        GUIDE.generate(other, {**planned(), **COARSE})


def within(master: str) -> st.SearchStrategy[dict[str, float]]:
    envelope = MASTERS[master].design["envelope"]
    return st.fixed_dictionaries(
        {name: st.floats(low, high) for name, (low, high) in sorted(envelope.items())}
    )


def turned(values: dict[str, Any], tilt: float, lift: float) -> dict[str, Any]:
    """The planned trajectories, both leaning towards the feet and moved along the spine."""
    found = dict(values)
    for side in ("left", "right"):
        axis = np.array(found[f"{side}_axis"]) + np.array([0.0, 0.0, tilt])
        x, y, z = found[f"{side}_entry_mm"]
        found[f"{side}_axis"] = tuple(float(part) for part in axis / np.linalg.norm(axis))
        found[f"{side}_entry_mm"] = (x, y, z + lift)
    return found


def made(bone: Mesh, values: dict[str, Any]) -> tuple[Design | None, tuple[Reason, ...]]:
    try:
        return GUIDE.generate(bone, values), ()
    except DesignRefused as refusal:
        return None, refusal.reasons


def holds(bone: Mesh, values: dict[str, Any]) -> bool:
    """A sound guide whose tubes are those asked for, or a refusal with reasons; true where one was made."""
    design, reasons = made(bone, values)
    if design is None:
        assert reasons
        assert all(reason.text and reason.cure for reason in reasons)
        return False
    assert check_mesh(design.mesh).sound
    assert design.measures["minimum_wall_mm"] >= 1.0
    assert design.measures["bone_clearance_minimum_mm"] >= values["clearance_mm"] - 0.05
    stored = read_mesh(write_stl(design.mesh))
    for side in ("left", "right"):
        entry, axis = np.array(values[f"{side}_entry_mm"]), np.array(values[f"{side}_axis"])
        bore = measure_bore(stored, entry, axis, values["sleeve_seat_diameter_mm"])
        assert bore is not None
        assert bore.shift_from(entry) <= 0.05
        assert bore.tilt_from(axis) <= 0.1
    return True


ANY = {
    "chosen": within("pedicle_guide_training"),
    "tilt": st.floats(-0.15, 0.15),
    "lift": st.floats(-1.5, 1.5),
}


@given(**ANY)
@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_few_values_in_the_envelope_give_a_sound_guide_or_a_reason(
    chosen: dict[str, float], tilt: float, lift: float
) -> None:
    holds(vertebra(), {**turned(planned(), tilt, lift), **chosen, "detail_mm": 1.0})


@pytest.mark.slow
def test_two_hundred_sets_of_values_give_a_sound_guide_or_a_reason() -> None:
    outcomes: list[bool] = []

    @given(**ANY)
    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def each(chosen: dict[str, float], tilt: float, lift: float) -> None:
        outcomes.append(holds(vertebra(), {**turned(planned(), tilt, lift), **chosen}))

    each()
    assert len(outcomes) >= 200
    assert sum(outcomes) > len(outcomes) // 3, f"{sum(outcomes)} of {len(outcomes)} were made"
