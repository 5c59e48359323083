"""A model is the anatomy at its own size, closed, no thinner than was stated, and marked with its code."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifold3d import Manifold

from devices.generators.anatomical_model import AnatomicalModel
from devices.generators.base import Design, DesignRefused
from devices.generators.hollow import Drains, hollowed
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of, solid_of
from tests.devices.generators.anatomy import CENTRE, vertebra
from tests.devices.generators.attempts import holds_or_says_why, two_hundred

MODEL = AnatomicalModel()
CODE = "D0000815"
LEVEL_CUT = {"cut_1_point_mm": tuple(CENTRE), "cut_1_normal": (0.0, 0.0, 1.0)}


@pytest.fixture(scope="module")
def bone() -> Mesh:
    return vertebra()


def made(bone: Mesh, **values: Any) -> Design:
    return MODEL.generate(bone, {"case_code": CODE, "letter_height_mm": 3.0, **values})


def check_model(design: Design) -> None:
    """What every model promises, looked at in the file that is kept."""
    report = check_mesh(read_mesh(write_stl(design.mesh)))
    assert report.sound, report.problems
    pieces = solid_of(design.mesh).decompose()
    assert len(pieces) == design.measures["parts"]
    assert min(piece.volume() for piece in pieces) > 0.0
    assert report.volume_ml == pytest.approx(design.measures["volume_ml"], rel=1e-3)
    assert design.measures["minimum_wall_mm"] >= design.values["minimum_wall_mm"]  # type: ignore[operator]  # a number
    if design.measures["cavities"]:
        assert design.measures["hollow_wall_mm"] >= design.values["wall_mm"]  # type: ignore[operator]  # a number
        assert design.measures["drains"] >= design.measures["cavities"]


@pytest.fixture(scope="module")
def solid(bone: Mesh) -> Design:
    return made(bone)


@pytest.mark.requirement("G-MSH-01")
def test_a_solid_model_is_the_anatomy_in_its_place_and_size(bone: Mesh, solid: Design) -> None:
    check_model(solid)
    assert np.ptp(solid.mesh.vertices, axis=0) == pytest.approx(np.ptp(bone.vertices, axis=0), abs=0.02)
    assert solid.mesh.vertices.min(axis=0) == pytest.approx(bone.vertices.min(axis=0), abs=0.02)
    assert solid.measures["scale"] == 1.0
    assert solid.measures["deviation_p95_mm"] < 0.02
    assert solid.measures["deviation_max_mm"] <= 0.6 + 0.02
    points, _ = sample_surface(bone, 4_000, np.random.default_rng(3))
    own = Surface(solid.mesh).unsigned(points)
    assert own.max() == pytest.approx(solid.measures["deviation_max_mm"], abs=0.15)


def test_the_same_values_make_the_same_bytes(bone: Mesh, solid: Design) -> None:
    assert write_stl(made(bone).mesh) == write_stl(solid.mesh)


def test_the_code_is_as_deep_everywhere_as_was_asked(bone: Mesh, solid: Design) -> None:
    """Straight at where each point of the anatomy was: there is still the surface, or the floor of a letter."""
    anatomy = Surface(bone)
    points, faces = sample_surface(bone, 60_000, np.random.default_rng(1))
    normals = anatomy.normals[faces]
    depths = Surface(solid.mesh).first_hits(points + 1.5 * normals, -normals) - 1.5
    letters = depths > 0.1
    assert 0.0005 < letters.mean() < 0.02
    assert np.median(depths[letters]) == pytest.approx(0.6, abs=0.01)
    assert np.quantile(np.abs(depths[letters] - 0.6), 0.9) < 0.03


def test_the_code_stands_where_it_was_picked(bone: Mesh) -> None:
    picked = CENTRE + np.array([0.0, -22.0, 13.2])
    design = made(bone, letter_place_mm=tuple(picked))
    points, _ = sample_surface(bone, 60_000, np.random.default_rng(1))
    gone = points[Surface(design.mesh).unsigned(points) > 0.05]
    assert np.linalg.norm(gone.mean(axis=0) - picked) < 2.0


@pytest.mark.requirement("G-DES-01")
def test_a_hollow_ball_keeps_exactly_its_wall() -> None:
    """On a fine ball without slivers, where every distance can be told from the radius alone."""
    radius, wall = 12.0, 2.4
    ball = Manifold.sphere(radius, 128).translate(list(CENTRE))
    found = hollowed(ball, wall, Drains(2, 3.0, 1.0))
    assert (found.cavities, found.drains) == (1, 2)
    depth = radius - np.linalg.norm(mesh_of(found.solid).vertices - CENTRE, axis=1)
    inner = depth[depth > wall / 2.0]
    assert inner.min() >= wall
    assert np.median(inner) == pytest.approx(wall + 0.03, abs=0.05)
    assert wall <= found.wall_mm <= wall + 0.05
    full = 4.0 / 3.0 * math.pi * (radius - wall) ** 3 / 1000.0
    assert found.removed_ml == pytest.approx(full, rel=0.04)
    assert len(found.solid.decompose()) == 1


def test_drains_lead_from_the_cavity_into_the_open(bone: Mesh) -> None:
    design = made(bone, wall_mm=2.0, drain_count=3, drain_diameter_mm=3.0)
    check_model(design)
    assert design.measures["drains"] == 3.0
    assert design.measures["hollowed_ml"] > 15.0
    assert solid_of(design.mesh).genus() >= solid_of(bone).genus() + 2


@pytest.mark.requirement("G-DES-01")
def test_cut_parts_go_together_again(bone: Mesh) -> None:
    values = {"pin_diameter_mm": 3.0, "pin_length_mm": 4.0, "pin_clearance_mm": 0.25}
    design = made(bone, **LEVEL_CUT, **values)
    check_model(design)
    assert (design.measures["parts"], design.measures["pins"]) == (2.0, 2.0)
    first, second = sorted(solid_of(design.mesh).decompose(), key=lambda part: part.bounding_box()[0])
    assert second.bounding_box()[0] - first.bounding_box()[3] >= 5.0 - 0.02
    second = second.translate((-design.measures["part_2_shift_x_mm"], 0.0, 0.0))
    assert (first ^ second).volume() < 0.5
    socket = math.pi * (1.75**2 * 4.25 - 1.5**2 * 4.0 + 0.3 * 1.5**2 * 0.2)
    assert solid_of(bone).volume() - (first + second).volume() == pytest.approx(2.0 * socket, abs=2.0 * 30.0)
    for turn in (0.05, -0.05):  # pins hold: turned by three degrees about the cut's middle, the parts collide
        centre = [float(v) for v in CENTRE]
        turned = (
            second.translate([-v for v in centre]).rotate((0.0, 0.0, math.degrees(turn))).translate(centre)
        )
        assert (first ^ turned).volume() > 1.0


def test_a_base_carries_the_model_upright(bone: Mesh) -> None:
    design = made(bone, base_thickness_mm=4.0, base_gap_mm=8.0, post_diameter_mm=5.0)
    check_model(design)
    assert design.measures["parts"] == 1.0
    floor = design.mesh.vertices[:, 2].min()
    assert floor == pytest.approx(bone.vertices[:, 2].min() - 12.0, abs=0.01)
    foot = solid_of(design.mesh).translate((0.0, 0.0, -float(floor))).slice(2.0)
    left, low, right, high = foot.bounds()
    x, y, _ = bone.vertices.mean(axis=0)
    assert left < x < right
    assert low < y < high


@pytest.mark.requirement("G-DES-01")
def test_walls_too_thin_to_build_are_thickened_and_said_or_refused() -> None:
    box = Manifold.cube((40.0, 40.0, 12.0), True) - Manifold.cube((38.6, 30.0, 20.0), True)
    thin = mesh_of(box.refine_to_length(1.0).translate(list(CENTRE)))
    with pytest.raises(DesignRefused, match=r"thinner than 1\.00 mm"):
        made(thin, thicken=0)
    design = made(thin)
    check_model(design)
    assert design.measures["thickened_by_mm"] == pytest.approx((1.05 - 0.7) / 2.0, abs=0.1)
    assert 0.2 < design.measures["thickened_area_share"] < 0.8
    assert any("moved outwards" in warning for warning in design.warnings)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"wall_mm": 0.8}, "thinner than the minimum"),
        ({"cut_1_point_mm": (0.0, 0.0, 0.0), "cut_1_normal": (0.0, 0.0, 1.0)}, "Cut 1 misses"),
        ({**LEVEL_CUT, "pin_diameter_mm": 12.0, "pin_length_mm": 14.0}, "no room for a pin"),
        ({"base_thickness_mm": 1.2}, "cannot carry letters"),
        ({"letter_height_mm": 15.0}, "does not fit anywhere"),
        ({"letter_place_mm": tuple(CENTRE + 60.0)}, "from the model"),
        ({"minimum_part_ml": 49.0}, "No piece of the anatomy"),
        ({"case_code": "Erika Mustermann"}, "cannot be engraved"),
        ({"scale": 0.5}, "'scale' is no parameter"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_cure(bone: Mesh, values: dict[str, Any], said: str) -> None:
    with pytest.raises(DesignRefused, match=said) as refusal:
        made(bone, **values)
    assert all(reason.cure and reason.rule == "G-DES-01" for reason in refusal.value.reasons)


def test_loose_pieces_and_closed_voids_are_said(bone: Mesh) -> None:
    crumb = Manifold.sphere(2.0, 24).translate([float(v) for v in CENTRE + np.array([0.0, 0.0, 30.0])])
    void = Manifold.sphere(4.0, 24).translate([float(v) for v in CENTRE + np.array([0.0, -22.0, 0.0])])
    design = made(mesh_of(solid_of(bone) - void + crumb))
    assert design.measures["left_out_ml"] == pytest.approx(0.032, abs=0.003)
    assert design.measures["filled_ml"] == pytest.approx(0.26, abs=0.02)
    assert [text.split()[0] for text in design.warnings[:2]] == ["Loose", "Closed"]
    assert design.measures["parts"] == 1.0


def directions() -> st.SearchStrategy[tuple[float, float, float]]:
    return st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda way: math.hypot(*way) > 0.1)


def places() -> st.SearchStrategy[tuple[float, float, float]]:
    reach = (12.0, 12.0, 5.0)
    axes = [st.floats(float(c - r), float(c + r)) for c, r in zip(CENTRE, reach, strict=True)]
    return st.tuples(*axes)


def cuts() -> st.SearchStrategy[dict[str, Any]]:
    """None, one or two planes through the model."""
    one = {"cut_1_point_mm": places(), "cut_1_normal": directions()}
    two = {**one, "cut_2_point_mm": places(), "cut_2_normal": directions()}
    return st.one_of(st.just({}), st.fixed_dictionaries(one), st.fixed_dictionaries(two))


IN_ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "wall_mm": st.one_of(st.just(0.0), st.floats(1.0, 5.0)),
        "drain_count": st.integers(1, 4),
        "drain_diameter_mm": st.floats(2.0, 8.0),
        "minimum_wall_mm": st.floats(0.5, 1.0),
        "thicken": st.integers(0, 1),
        "pin_count": st.integers(0, 4),
        "pin_diameter_mm": st.one_of(st.floats(2.0, 3.0), st.floats(2.0, 8.0)),
        "pin_length_mm": st.one_of(st.floats(2.0, 4.0), st.floats(2.0, 10.0)),
        "pin_clearance_mm": st.floats(0.1, 0.5),
        "base_thickness_mm": st.one_of(st.just(0.0), st.floats(2.0, 8.0)),
        "base_direction": directions(),
        "base_gap_mm": st.floats(5.0, 30.0),
        "post_diameter_mm": st.floats(3.0, 10.0),
        "letter_height_mm": st.one_of(st.just(3.0), st.floats(3.0, 6.0)),
        "letter_depth_mm": st.floats(0.3, 1.0),
    },
).flatmap(lambda values: cuts().map(lambda planes: {**values, **planes}))


def attempt(bone: Mesh, values: dict[str, Any]) -> bool:
    return holds_or_says_why(lambda: MODEL.generate(bone, {"case_code": CODE, **values}), check_model)


@pytest.mark.requirement("G-DES-01")
@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(values=IN_ENVELOPE)
def test_any_values_make_a_closed_model_or_a_reason(bone: Mesh, values: dict[str, Any]) -> None:
    attempt(bone, values)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
def test_two_hundred_sets_of_values_make_closed_models_or_reasons(bone: Mesh) -> None:
    two_hundred(IN_ENVELOPE, partial(attempt, bone), least=30)
