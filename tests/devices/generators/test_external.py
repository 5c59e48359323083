"""What is measured of a part that somebody drew, and what makes it none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from devices.generators.base import Design, DesignRefused
from devices.generators.external import MEASURED, Line, read_back
from devices.mesh.base import Mesh
from tests.devices.drawing import HEIGHT_MM, INNER_MM, ball, guide, joined, stated
from tests.devices.makers import make_block

pytestmark = pytest.mark.requirement("G-DES-01")
BLOCK = make_block((20.0, 15.0, 5.0))


def read(part: Mesh, values: Mapping[str, Any] | None = None) -> Design:
    design, misdrawn = read_back(part, ball(), values or {}, least_mm=1.0)
    assert not misdrawn
    return design


def faults(part: Mesh, values: Mapping[str, Any] | None = None) -> str:
    """Of a part that is none, or of its bores."""
    try:
        _, found = read_back(part, ball(), values or {}, least_mm=1.0)
    except DesignRefused as refused:
        found = list(refused.reasons)
    return " ".join(f"{one.rule} {one.text}" for one in found)


@pytest.mark.requirement("G-BLD-01")
def test_a_guide_is_measured_to_what_was_drawn() -> None:
    design = read(guide(), stated())
    found = design.measures
    assert found.keys() >= MEASURED
    assert (found["solids"], found["inside_anatomy_mm"]) == (1.0, 0.0)
    assert 0.25 < found["nearest_to_anatomy_mm"] <= 0.3
    # The tube's wall, half of 6 mm less 2.4 mm, between polygons of 96 sides.
    assert found["minimum_wall_mm"] == pytest.approx(1.8, abs=0.01)
    assert max(value for name, value in found.items() if name.startswith("bore_1_")) < 1e-4
    assert (found["unspoken_bores"], found["openings"]) == (0.0, 1.0)
    assert not any("neither planned" in said for said in design.warnings)
    (tube,) = design.features
    assert (tube.inner_diameter_mm, tube.height_mm) == (INNER_MM, HEIGHT_MM)


def unspoken(planned: Line) -> float:
    return read_back(guide(), ball(), {}, least_mm=1.0, planned=[planned])[0].measures["unspoken_bores"]


@pytest.mark.requirement("G-BLD-01")
def test_a_bore_that_nobody_spoke_of_is_named_with_its_place() -> None:
    """As the tube's bore is where nothing is stated of it; a plan's line or its designer's word answers for it."""
    (said,) = [one for one in read(guide()).warnings if "neither planned nor stated" in one]
    assert said.startswith("A bore of 2.40 mm at (")
    where = stated()
    line = np.array(where["bore_1_entry_mm"]), np.array(where["bore_1_axis"])
    assert unspoken(line) == 0.0
    beside = line[0] + 0.7 * np.array([0.0, 1.0, 0.0]), line[1]
    assert unspoken(beside) == 1.0


@pytest.mark.requirement("G-BLD-01")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tube_inner_diameter_mm": 2.5}, "diameter error of 0.100"),
        ({"tube_height_mm": 11.5}, "height error of 0.500"),
        ({"bore_1_entry_mm": (-25.0, 0.0, 30.64)}, "shift of 0.5"),
        ({"bore_1_axis": (0.65, 0.0, -0.76)}, "tilt of 0.5"),
        ({"bore_1_axis": (0.0, 0.0, -1.0)}, "No bore of 2.4 mm is found"),
        ({"tube_count": 2}, "the place of 1"),
        ({"bore_1_axis": None}, "no entry or no axis"),
        ({"bore_1_entry_mm": None}, "no entry or no axis"),
        ({"bore_1_axis": (0.0, 0.0, 0.0)}, "no entry or no axis"),
    ],
)
def test_a_bore_that_is_not_as_stated_is_refused(changed: Mapping[str, Any], said: str) -> None:
    assert said in faults(guide(), {name: one for name, one in stated(**changed).items() if one is not None})


@pytest.mark.requirement("G-BLD-01")
def test_one_bore_does_not_pass_for_two() -> None:
    """Neither at the same place nor further along, nor from its other end."""
    once = stated()
    entry, axis = np.array(once["bore_1_entry_mm"]), np.array(once["bore_1_axis"])
    for again, along in ((entry, axis), (entry + 5.0 * axis, -axis)):
        twice = {"tube_count": 2, "bore_2_entry_mm": tuple(again), "bore_2_axis": tuple(along)}
        assert "G-BLD-01 Bore 2 is stated on the line of another one" in faults(guide(), once | twice)


@pytest.mark.requirement("G-MSH-01")
def test_what_is_no_closed_solid_is_refused_with_its_reason_and_nothing_is_mended() -> None:
    inside_out = Mesh(BLOCK.vertices, BLOCK.faces[:, ::-1])
    inner = make_block((4.0, 3.0, 2.0))
    void = joined(BLOCK, Mesh(inner.vertices, inner.faces[:, ::-1]))
    across = joined(BLOCK, make_block((4.0, 4.0, 20.0)))
    crumbs = joined(*(make_block((1.0, 1.0, 1.0), (3.0 * n, 0.0, 0.0)) for n in range(65)))
    twice = Mesh(BLOCK.vertices, np.concatenate([BLOCK.faces, BLOCK.faces]))
    assert "open edges" in faults(Mesh(BLOCK.vertices, BLOCK.faces[:-1]))
    assert "do not all look outwards" in faults(inside_out)
    assert "edges of more than two faces" in faults(twice)
    assert "1 closed void" in faults(void)
    assert "within another" in faults(joined(BLOCK, inner))
    assert "passes through itself" in faults(across)
    assert "65 pieces" in faults(crumbs)
    assert read(joined(BLOCK, make_block((4.0, 4.0, 4.0), (20.0, 0.0, 0.0)))).measures["solids"] == 2.0


def test_a_part_says_how_it_lies_to_the_anatomy() -> None:
    deep = read(make_block((10.0, 10.0, 10.0), (0.0, 0.0, 38.0))).measures
    assert deep["inside_anatomy_mm"] == pytest.approx(7.0, abs=0.1)
    opened = Mesh(ball().vertices, ball().faces[:-1])
    assert "inside_anatomy_mm" not in read_back(BLOCK, opened, {}, least_mm=1.0)[0].measures


def test_a_model_of_the_anatomy_lies_on_it() -> None:
    same = read(ball()).measures
    assert (same["on_anatomy_share"], same["beyond_anatomy_mm"]) == (1.0, 0.0)
    assert same["deviation_max_mm"] < 1e-3
