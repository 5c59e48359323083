"""Missing material shows, wherever it is missing; what no scanner can see is not asked for (G-INS-01)."""

from __future__ import annotations

import numpy as np
import pytest
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.catalog.cranial_guide import DESIGN, INSPECTION
from devices.generators.base import Design
from devices.generators.bone_guide import BoneGuide
from devices.mesh.base import Mesh
from devices.mesh.compare import Deviation, inspect_scan
from devices.mesh.cover import Coverage, Region, covered
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.register import stretches_of
from devices.mesh.sight import observable, spread_directions
from devices.mesh.solid import mesh_of, solid_of
from devices.mesh.tube import placement
from mes.demo.scan import simulate_scan

pytestmark = pytest.mark.requirement("G-INS-01")
HELD_SHARE = 0.01
RESOLUTION_MM = 0.9
WANTED = INSPECTION["minimum_coverage"]


@pytest.fixture(scope="module")
def design() -> Design:
    """A real guide, as the catalogue's cranial guide makes it, on a bone of a skull's size."""
    bone = mesh_of(Manifold.sphere(1.0, 200).scale([72.0, 92.0, 66.0]))
    return BoneGuide().generate(bone, {**DESIGN["defaults"], "landmark_mm": (5.0, 8.0, 65.0)})


def regions(design: Design) -> tuple[Region, ...]:
    return tuple(
        Region(
            f"tube_{number}",
            tube.position_mm,
            (-tube.axis[0], -tube.axis[1], -tube.axis[2]),
            tube.outer_diameter_mm / 2.0,
            tube.height_mm,
            tube.inner_diameter_mm / 2.0,
        )
        for number, tube in enumerate(design.features, start=1)
    )


def along_the_tube(design: Design, number: int, start: float, *, radius: float = 4.0) -> Manifold:
    """Everything around a tube from `start` mm above the bone."""
    tube = design.features[number - 1]
    outward = -np.array(tube.axis)
    side = np.cross(outward, [0.3, 0.9, 0.1])
    side /= np.linalg.norm(side)
    place = np.zeros((3, 4))
    place[:, :3] = np.stack([side, np.cross(outward, side), outward], axis=1)
    place[:, 3] = np.array(tube.position_mm) + start * outward
    return Manifold.cylinder(40.0, radius, radius, 48).transform(place)


def scanned(design: Design, part: Manifold, seed: int = 3) -> Deviation:
    """The comparison with a noisy scan of `part`, held at its edge."""
    corner = design.mesh.vertices[
        np.argmax(np.linalg.norm(design.mesh.vertices - design.features[0].position_mm, axis=1))
    ]
    x, y, z = (float(value) for value in corner)
    scan = simulate_scan(
        mesh_of(part),
        seed=seed,
        dropout_share=HELD_SHARE,
        resolution_mm=RESOLUTION_MM,
        held_at_mm=(x, y, z),
    )
    return inspect_scan(
        design.mesh, scan.mesh, tolerance_mm=INSPECTION["tolerance_mm"], regions=regions(design)
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_noisy_scan_of_a_whole_guide_is_found_covered(design: Design, seed: int) -> None:
    deviation = scanned(design, solid_of(design.mesh), seed)
    assert deviation.coverage > WANTED
    assert set(deviation.region_coverage) == {"tube_1", "tube_2"}
    assert min(deviation.region_coverage.values()) > INSPECTION["minimum_feature_coverage"]
    assert deviation.maximum_mm < INSPECTION["maximum_mm"]
    assert deviation.scale_error < INSPECTION["maximum_scale_error"] / 10.0
    for place in deviation.placements.values():
        assert place is not None
        assert place.shift_mm < INSPECTION["maximum_tube_shift_mm"] / 4.0
        assert place.tilt_degrees < INSPECTION["maximum_tube_tilt_degrees"] / 4.0
        assert place.wider_mm is not None
        assert abs(place.wider_mm) < INSPECTION["maximum_bore_error_mm"] / 4.0


def turned(
    points: NDArray[np.float64], region: Region, shift_mm: float, degrees: float
) -> NDArray[np.float64]:
    """Points of a tube moved across its axis, and turned about where that meets the bone."""
    axis = np.array(region.axis)
    side = np.cross(axis, [0.3, 0.9, 0.1])
    side /= np.linalg.norm(side)
    angle = np.radians(degrees)
    away: NDArray[np.float64] = points - np.array(region.base_mm)
    along, beside = away @ axis, away @ side
    away = away + np.outer(along * (np.cos(angle) - 1.0) - beside * np.sin(angle), axis)
    away = away + np.outer(along * np.sin(angle) + beside * (np.cos(angle) - 1.0) + shift_mm, side)
    return np.asarray(away + np.array(region.base_mm), dtype=np.float64)


def widened(points: NDArray[np.float64], region: Region, wider_mm: float) -> NDArray[np.float64]:
    """Points of a tube, with those of its bore further from its axis: by half of what the diameter is wider."""
    axis = np.array(region.axis)
    away = points - np.array(region.base_mm)
    across = away - np.outer(away @ axis, axis)
    beside = np.linalg.norm(across, axis=1)
    bore = np.abs(beside - region.bore_mm) < 0.05
    return np.asarray(points + across / beside[:, None] * np.where(bore, wider_mm / 2.0, 0.0)[:, None])


@pytest.mark.parametrize(
    ("shift_mm", "degrees", "wider_mm"), [(0.0, 0.0, 0.6), (0.4, 0.0, -0.4), (0.0, 2.0, 0.0), (0.3, 3.0, 0.3)]
)
def test_where_a_tube_lies_and_points_and_how_wide_its_bore_is_are_measured(
    design: Design, shift_mm: float, degrees: float, wider_mm: float
) -> None:
    surface, region = Surface(design.mesh), regions(design)[0]
    rng = np.random.default_rng(5)
    points, _ = sample_surface(design.mesh, 30_000, rng)
    tube = region.holds(points)
    points[tube] = widened(points[tube], region, wider_mm)
    points[tube] = turned(points[tube], region, shift_mm, degrees)
    found = placement(surface, points + rng.normal(0.0, 0.03, points.shape), region)
    assert found is not None
    assert found.shift_mm == pytest.approx(shift_mm, abs=0.03)
    assert found.tilt_degrees == pytest.approx(degrees, abs=0.2)
    assert found.wider_mm == pytest.approx(wider_mm, abs=0.03)


@pytest.mark.parametrize("along", [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.5, -0.3, 0.8)])
@pytest.mark.parametrize(("share", "grown_mm"), [(0.03, 0.0), (-0.02, 0.0), (0.02, 0.1), (0.0, 0.1)])
def test_a_part_that_is_stretched_one_way_shows_by_how_much_and_one_that_is_thicker_does_not(
    design: Design, along: tuple[float, float, float], share: float, grown_mm: float
) -> None:
    surface, rng = Surface(design.mesh), np.random.default_rng(5)
    corners = design.mesh.vertices[design.mesh.faces]
    way = np.array(along) / np.linalg.norm(along)
    moved = corners + grown_mm * surface.normals[:, None] + rng.normal(0.0, 0.03, corners.shape)
    moved += share * ((corners - surface.centre) @ way)[:, :, None] * way
    apart = np.arange(moved.size // 3, dtype=np.int32).reshape(-1, 3)
    found = stretches_of(surface, Mesh(moved.reshape(-1, 3), apart), reach_mm=1.2) - 1.0
    most = int(np.argmax(np.abs(found)))
    assert found[most] == pytest.approx(share, abs=0.002)
    assert np.abs(np.delete(found, most)).max() < 0.002


def test_a_part_of_which_the_ends_alone_are_off_is_too_long() -> None:
    bar = mesh_of(Manifold.cube([60.0, 6.0, 5.0], True))
    longer = Mesh(bar.vertices * [1.02, 1.0, 1.0], bar.faces)
    assert stretches_of(Surface(bar), longer, reach_mm=1.2)[0] == pytest.approx(1.02, abs=2e-3)


def test_a_bore_that_was_not_scanned_has_no_width(design: Design) -> None:
    surface, region = Surface(design.mesh), regions(design)[0]
    points, _ = sample_surface(design.mesh, 30_000, np.random.default_rng(5))
    away = points - np.array(region.base_mm)
    outside = np.linalg.norm(away - np.outer(away @ np.array(region.axis), region.axis), axis=1) > 2.0
    found = placement(surface, points[outside], region)
    assert found is not None
    assert found.wider_mm is None


def test_a_tube_of_which_too_little_was_scanned_is_not_placed(design: Design) -> None:
    surface, region = Surface(design.mesh), regions(design)[0]
    points, _ = sample_surface(design.mesh, 30_000, np.random.default_rng(5))
    away = points - np.array(region.base_mm)
    one_side = away @ np.cross(region.axis, [0.3, 0.9, 0.1]) > 0.0
    low = away @ np.array(region.axis) < 0.8
    for seen in (one_side, low, np.zeros(len(points), dtype=bool)):
        assert placement(surface, points[seen], region) is None


@pytest.mark.parametrize(
    "above_bone_mm", [11.0, *(pytest.param(above, marks=pytest.mark.slow) for above in (5.0, 8.0))]
)
def test_a_tube_that_is_cut_off_is_missed(design: Design, above_bone_mm: float) -> None:
    broken = solid_of(design.mesh) - along_the_tube(design, 2, above_bone_mm)
    deviation = scanned(design, broken)
    assert deviation.share_in_tolerance > INSPECTION["minimum_share"]
    assert deviation.p95_mm < INSPECTION["maximum_p95_mm"]
    assert deviation.region_coverage["tube_2"] < 0.9
    assert deviation.region_coverage["tube_1"] > INSPECTION["minimum_feature_coverage"]


def test_half_a_guide_is_missed(design: Design) -> None:
    middle = (design.mesh.vertices.min(axis=0) + design.mesh.vertices.max(axis=0)) / 2.0
    half = solid_of(design.mesh).trim_by_plane([1.0, 0.0, 0.0], float(middle[0]))
    assert scanned(design, half).coverage < 0.8


def test_a_bore_that_is_closed_shows_in_the_largest_deviation(design: Design) -> None:
    plug = along_the_tube(design, 1, 2.0, radius=1.25) - along_the_tube(design, 1, 11.0, radius=2.0)
    assert scanned(design, solid_of(design.mesh) + plug).maximum_mm > INSPECTION["maximum_mm"]


def test_only_the_depth_of_the_bores_is_hidden(design: Design) -> None:
    surface = Surface(design.mesh)
    points, faces = sample_surface(design.mesh, 5_000, np.random.default_rng(1))
    seen = observable(surface, points, surface.normals[faces])
    bores = np.zeros(len(points), dtype=bool)
    for tube in design.features:
        away = points - np.array(tube.position_mm)
        along = away @ np.array(tube.axis)
        beside = np.linalg.norm(away - along[:, None] * np.array(tube.axis), axis=1)
        bores |= beside < tube.inner_diameter_mm / 2.0 + 0.1
    assert 0.2 < seen[bores].mean() < 0.6
    assert seen[~bores].mean() > 0.98


def test_a_convex_part_hides_nothing_and_a_closed_hollow_everything() -> None:
    cube = Manifold.cube([20.0, 20.0, 20.0], True)
    hollow = mesh_of(cube - Manifold.cube([10.0, 10.0, 10.0], True))
    surface = Surface(hollow)
    points, faces = sample_surface(hollow, 3_000, np.random.default_rng(0))
    outside = np.abs(points).max(axis=1) > 9.0
    seen = observable(surface, points, surface.normals[faces])
    assert (seen == outside).all()
    assert observable(surface, np.zeros((0, 3)), np.zeros((0, 3))).shape == (0,)


def test_a_region_that_is_hidden_has_nothing_found() -> None:
    hollow = mesh_of(
        Manifold.cube([20.0, 24.0, 28.0]) - Manifold.cube([8.0, 8.0, 8.0]).translate([6.0, 6.0, 6.0])
    )
    scan = simulate_scan(hollow, seed=1, dropout_share=0.0, resolution_mm=RESOLUTION_MM)
    inner = Region("inside", (10.0, 10.0, 5.0), (0.0, 0.0, 1.0), 5.9, 9.5)
    deviation = inspect_scan(hollow, scan.mesh, tolerance_mm=0.3, regions=[inner])
    assert deviation.region_coverage == {"inside": 0.0}
    assert deviation.hidden == pytest.approx(384.0 / (384.0 + 3424.0), abs=0.01)


def test_the_directions_are_spread_over_the_sphere() -> None:
    directions = spread_directions(160)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1.0)
    cosines = directions @ directions.T - 2.0 * np.eye(160)
    assert np.degrees(np.arccos(cosines.max(axis=1))).max() < 18.0
    assert np.abs(directions.mean(axis=0)).max() < 0.01


def test_what_is_kept_of_a_part_is_of_that_part_and_place_alone(design: Design) -> None:
    """The same scan gives the same figures again, of another region others, and on another part others."""
    first, second = regions(design)
    scan = simulate_scan(solid_less_a_tube(design), seed=1, dropout_share=0.0, resolution_mm=RESOLUTION_MM)
    placed = Mesh((scan.mesh.vertices - scan.pose[:3, 3]) @ scan.pose[:3, :3], scan.mesh.faces)
    moved = Surface(Mesh(design.mesh.vertices + 1.0, design.mesh.faces))

    def found(part: Surface, region: Region) -> Coverage:
        return covered(part, placed, tolerance_mm=0.3, reach_mm=1.0, regions=[region])

    once = found(Surface(design.mesh), first)
    assert found(Surface(design.mesh), first) == once
    assert found(Surface(design.mesh), second).regions["tube_2"] < 0.9
    assert found(moved, first).found < once.found - 0.1
    assert once.regions["tube_1"] > 0.9


def solid_less_a_tube(design: Design) -> Mesh:
    return mesh_of(solid_of(design.mesh) - along_the_tube(design, 2, 5.0))
