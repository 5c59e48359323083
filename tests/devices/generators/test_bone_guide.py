"""The guide fits, can be put on, is closed, keeps its walls, and its bores are open."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from manifold3d import CrossSection, Manifold
from numpy.typing import NDArray

from devices.generators.base import Design, DesignRefused
from devices.generators.bone_guide import BoneGuide
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.io import write_stl
from devices.mesh.solid import mesh_of, solid_of
from devices.mesh.wall import measure_wall

GUIDE = BoneGuide()
CENTRE = np.array([12.0, -90.0, 710.0])


def ellipsoid_bone() -> Mesh:
    """A skull's size and curvature, where a head lies in a scanner."""
    return mesh_of(Manifold.sphere(1.0, 200).scale([72.0, 92.0, 66.0]).translate(list(CENTRE)))


def rough_bone() -> Mesh:
    """A shell with sutures, a ridge, an orbit, and the roughness that voxels leave."""
    outer = Manifold.sphere(70.0, 256).refine_to_length(1.6)

    def worn(points: NDArray[np.float64]) -> NDArray[np.float64]:
        direction = points / np.linalg.norm(points, axis=1, keepdims=True)
        ripple = 0.18 * np.sin(points @ [3.1, 0.7, 1.9]) + 0.12 * np.sin(points @ [0.9, 4.3, 2.7])
        ridge = 3.0 * np.exp(-(((points[:, 2] - 18.0) / 3.0) ** 2))
        suture = -1.2 * np.exp(-((points[:, 0] / 0.8) ** 2))
        return np.asarray(points + direction * (ripple + ridge + suture)[:, None], dtype=np.float64)

    skull = outer.warp_batch(worn) - Manifold.sphere(64.0, 96)
    orbit = Manifold.cylinder(40.0, 14.0, 18.0, 64).rotate([90.0, 0.0, 0.0]).translate([30.0, -40.0, 0.0])
    return mesh_of((skull - orbit).translate(list(CENTRE)))


@pytest.fixture(scope="module")
def bone() -> Mesh:
    return ellipsoid_bone()


@pytest.fixture(scope="module")
def skull() -> Mesh:
    return rough_bone()


def on_ellipsoid(azimuth: float, elevation: float) -> tuple[float, float, float]:
    flat = math.cos(elevation)
    x, y, z = CENTRE + np.array(
        [72.0 * flat * math.cos(azimuth), 92.0 * flat * math.sin(azimuth), 66.0 * math.sin(elevation)]
    )
    return float(x), float(y), float(z)


def on_skull(skull: Mesh, direction: tuple[float, float, float]) -> tuple[float, float, float]:
    aim = np.array([direction]) / np.linalg.norm(direction)
    reach = Surface(skull).first_hits(CENTRE + 200.0 * aim, -aim)[0]
    x, y, z = (CENTRE + (200.0 - reach) * aim)[0]
    return float(x), float(y), float(z)


def check_guide(design: Design, bone: Mesh, *, clearance: float, wall: float) -> None:
    """Everything a guide promises, looked at from outside the generator."""
    solid = solid_of(design.mesh)
    assert len(solid.decompose()) == 1
    assert design.measures["volume_ml"] == pytest.approx(solid.volume() / 1000.0, rel=1e-6)
    guide, anatomy = Surface(design.mesh), Surface(bone)
    assert measure_wall(guide, seed=77).minimum_mm >= wall
    points, _ = sample_surface(design.mesh, 8_000, np.random.default_rng(5))
    distances = anatomy.signed(np.concatenate([points, design.mesh.vertices]))
    assert distances.min() > 0.0
    assert distances.min() == pytest.approx(design.measures["bone_clearance_minimum_mm"], abs=0.06)
    assert design.measures["bone_clearance_p05_mm"] == pytest.approx(clearance, abs=0.08)
    for tube in design.features:
        axis = np.array(tube.axis)
        start = np.array([tube.position_mm]) - (tube.height_mm + 10.0) * axis
        assert guide.hit_counts(start, axis)[0] == 0
        side = np.cross(axis, [0.3, 0.5, 0.8])
        side /= np.linalg.norm(side)
        middle = (tube.inner_diameter_mm + tube.outer_diameter_mm) / 4.0
        assert guide.hit_counts(start + 0.98 * tube.inner_diameter_mm / 2.0 * side, axis)[0] == 0
        assert guide.hit_counts(start + middle * side, axis)[0] >= 2
        assert guide.hit_counts(start + (tube.outer_diameter_mm / 2.0 + 0.3) * side, -axis)[0] == 0
        rim = (design.mesh.vertices - np.array(tube.position_mm)) @ -axis
        assert rim.max() >= tube.height_mm - 0.02


def off_the_way(design: Design, bone: Mesh) -> int:
    """How many points of the guide would meet bone when it is pulled straight off."""
    points, _ = sample_surface(design.mesh, 5_000, np.random.default_rng(6))
    out = -np.array(design.values["insertion_direction"])
    return int(np.isfinite(Surface(bone).first_hits(points, out)).sum())


@pytest.mark.requirement("G-DES-01")
def test_a_guide_on_an_ellipsoid_is_what_was_ordered(bone: Mesh) -> None:
    design = GUIDE.generate(bone, {"landmark_mm": on_ellipsoid(-1.2, 0.5), "extent_mm": 18.0})
    check_guide(design, bone, clearance=0.2, wall=1.0)
    assert off_the_way(design, bone) == 0
    assert len(design.features) == 2
    first, second = (np.array(tube.position_mm) for tube in design.features)
    across = np.cross(second - first, design.features[0].axis)
    assert np.linalg.norm(across) == pytest.approx(12.0, abs=1e-3)
    assert abs(Surface(bone).signed(np.array([first]))[0]) < 1e-3
    assert design.measures["minimum_wall_mm"] == pytest.approx(1.8, abs=0.02)
    assert design.measures["width_mm"] == pytest.approx(36.0, abs=0.6)
    assert design.warnings == ()


@pytest.mark.parametrize(
    "direction",
    [
        (-0.3, -0.6, 0.8),
        *(pytest.param(way, marks=pytest.mark.slow) for way in ((0.0, 0.3, 1.0), (0.9, 0.2, 0.27))),
    ],
)
def test_a_guide_on_a_rough_skull_is_closed_open_and_free(
    skull: Mesh, direction: tuple[float, float, float]
) -> None:
    design = GUIDE.generate(skull, {"landmark_mm": on_skull(skull, direction), "thickness_mm": 3.0})
    check_guide(design, skull, clearance=0.2, wall=1.0)
    assert off_the_way(design, skull) == 0


ANY = {
    "azimuth": st.floats(-math.pi, math.pi),
    "elevation": st.floats(-1.2, 1.2),
    "clearance": st.floats(0.1, 0.6),
    "thickness": st.floats(2.0, 5.0),
    "extent": st.floats(12.0, 16.0),
    "inner": st.floats(1.0, 4.0),
    "wall": st.floats(0.5, 1.2),
    "count": st.integers(1, 3),
    "angle": st.floats(-180.0, 180.0),
}
SLOW_TO_MAKE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=2, deadline=None, suppress_health_check=SLOW_TO_MAKE)
@given(**ANY)
def test_any_guide_it_makes_keeps_its_promises(bone: Mesh, **values: Any) -> None:
    keeps_its_promises(bone, **values)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW_TO_MAKE)
@given(**ANY)
def test_each_of_a_hundred_guides_keeps_its_promises(bone: Mesh, **values: Any) -> None:
    keeps_its_promises(bone, **values)


def keeps_its_promises(
    bone: Mesh,
    azimuth: float,
    elevation: float,
    clearance: float,
    thickness: float,
    extent: float,
    inner: float,
    wall: float,
    count: int,
    angle: float,
) -> None:
    values = {
        "landmark_mm": on_ellipsoid(azimuth, elevation),
        "clearance_mm": clearance,
        "thickness_mm": thickness,
        "extent_mm": extent,
        "minimum_wall_mm": wall,
        "tube_count": count,
        "tube_spacing_mm": inner + wall + 2.0,
        "tube_row_angle_deg": angle,
        "tube_inner_diameter_mm": inner,
        "tube_outer_diameter_mm": inner + 2.0 * wall + 0.2,
    }
    reach = (count - 1) / 2.0 * (inner + wall + 2.0) + (inner + 2.0 * wall + 0.2) / 2.0
    assume(reach < extent - 1.0)
    check_guide(GUIDE.generate(bone, values), bone, clearance=clearance, wall=wall)


def test_tilted_shifted_tubes_stand_where_they_were_asked(bone: Mesh) -> None:
    landmark = on_ellipsoid(-1.5, 0.9)
    inward = -Surface(bone).closest(np.array([landmark])).normals[0]
    side = np.cross(inward, [1.0, 0.0, 0.0])
    tilted = inward * math.cos(0.35) + side / np.linalg.norm(side) * math.sin(0.35)
    design = GUIDE.generate(
        bone,
        {
            "landmark_mm": landmark,
            "extent_mm": 13.0,
            "tube_count": 1,
            "tube_axis": list(tilted),
            "tube_shift_mm": [4.0, 0.0, 0.0],
        },
    )
    check_guide(design, bone, clearance=0.2, wall=1.0)
    assert np.array(design.features[0].axis) == pytest.approx(tilted, abs=1e-6)
    assert abs(design.features[0].position_mm[0] - landmark[0] - 4.0) < 1.0


def test_the_same_values_make_the_same_bytes_and_stored_ones_too(skull: Mesh) -> None:
    landmark = on_skull(skull, (-0.3, -0.6, 0.8))
    values = {"landmark_mm": landmark, "tube_row_angle_deg": 33.0, "tube_spacing_mm": 8.0, "extent_mm": 9.0}
    first = GUIDE.generate(skull, values)
    digests = {
        hashlib.sha256(write_stl(design.mesh)).hexdigest()
        for design in (first, GUIDE.generate(skull, values), GUIDE.generate(skull, first.values))
    }
    assert len(digests) == 1


def test_the_guide_stays_with_its_patient_wherever_he_lies(bone: Mesh) -> None:
    away = np.array([-300.0, 512.5, -1250.0])
    here = GUIDE.generate(bone, {"landmark_mm": on_ellipsoid(0.4, 0.6), "extent_mm": 13.0})
    moved = Mesh(bone.vertices + away, bone.faces)
    x, y, z = np.array(on_ellipsoid(0.4, 0.6)) + away
    there = GUIDE.generate(moved, {"landmark_mm": (float(x), float(y), float(z)), "extent_mm": 13.0})
    assert there.measures["volume_ml"] == pytest.approx(here.measures["volume_ml"], rel=2e-3)
    assert there.mesh.vertices.mean(axis=0) - here.mesh.vertices.mean(axis=0) == pytest.approx(away, abs=0.2)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("The landmark is 20.0 mm from the bone", {"landmark_mm": (12.0, -90.0, 710.0 + 66.0 + 20.0)}),
        ("landmark_mm is missing", {}),
        ("bars the way", {"landmark_mm": on_ellipsoid(0.0, 1.4), "insertion_direction": (0.0, 0.0, 1.0)}),
        ("has no length", {"landmark_mm": on_ellipsoid(0.0, 1.4), "insertion_direction": (0.0, 0.0, 1e-9)}),
        ("lean 90 degrees", {"landmark_mm": (12.0, -90.0, 776.0), "tube_axis": (1.0, 0.0, 0.0)}),
        ("tube's wall is 0.50 mm", {"landmark_mm": (12.0, -90.0, 776.0), "tube_outer_diameter_mm": 3.4}),
        ("ends inside the pad", {"landmark_mm": (12.0, -90.0, 776.0), "tube_height_mm": 3.5}),
        ("cannot keep a wall", {"landmark_mm": (12.0, -90.0, 776.0), "thickness_mm": 1.2}),
        ("The tubes reach", {"landmark_mm": (12.0, -90.0, 776.0), "tube_spacing_mm": 40.0}),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_cure(
    bone: Mesh, words: str, values: dict[str, object]
) -> None:
    with pytest.raises(DesignRefused, match=words) as refusal:
        GUIDE.generate(bone, values)
    assert all(reason.cure for reason in refusal.value.reasons)


def test_contradictions_come_all_at_once(bone: Mesh) -> None:
    with pytest.raises(DesignRefused) as refusal:
        GUIDE.generate(
            bone,
            {
                "landmark_mm": (12.0, -90.0, 776.0),
                "thickness_mm": 1.5,
                "clearance_mm": 1.0,
                "tube_outer_diameter_mm": 3.4,
                "tube_height_mm": 3.0,
                "tube_spacing_mm": 3.0,
                "tube_count": 6,
                "extent_mm": 7.0,
            },
        )
    assert len(refusal.value.reasons) == 5


def test_a_landmark_on_the_inner_table_is_refused(skull: Mesh) -> None:
    inside = CENTRE + np.array([0.0, 0.0, 64.0])
    with pytest.raises(DesignRefused, match="bars the way"):
        GUIDE.generate(skull, {"landmark_mm": list(inside)})


def test_a_tube_over_a_hole_in_the_bone_is_refused(skull: Mesh) -> None:
    edge = on_skull(skull, (0.05, -1.0, 0.05))
    with pytest.raises(DesignRefused):
        GUIDE.generate(
            skull,
            {
                "landmark_mm": edge,
                "insertion_direction": (0.0, 1.0, 0.0),
                "tube_shift_mm": (25.0, 0.0, -3.0),
                "extent_mm": 40.0,
            },
        )


def test_a_wall_is_measured_and_a_wedge_is_not_forgiven() -> None:
    tube = Manifold.cylinder(20.0, 5.0, 5.0, 256) - Manifold.cylinder(20.0, 4.2, 4.2, 256)
    assert measure_wall(Surface(mesh_of(tube))).minimum_mm == pytest.approx(0.8, abs=0.005)
    block = mesh_of(Manifold.cube([9.0, 7.0, 3.0]))
    assert measure_wall(Surface(block)).minimum_mm == pytest.approx(3.0, abs=0.005)
    triangle = CrossSection([np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 3.0]])])
    wedge = Manifold.extrude(triangle, 10.0)
    assert measure_wall(Surface(mesh_of(wedge))).minimum_mm < 0.3
