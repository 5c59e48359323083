"""The inspection finds what is there and nothing else: imaging figures 19 and 20."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.compare import Deviation, ScanRefused, inspect_scan
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.solid import NotASolid, mesh_of
from mes.demo.scan import SimulatedScan, simulate_scan

TOLERANCE_MM = 0.2
RESOLUTION_MM = 1.2
"""Between the points of a scan: fine enough for 8,000 of them."""


@cache
def make_guide() -> Mesh:
    """A curved pad with one tube beside its middle: a shape without any symmetry."""
    shell = Manifold.sphere(60.0, 256) - Manifold.sphere(57.0, 256)
    pad = shell ^ Manifold.cube([34.0, 24.0, 40.0]).translate([-15.0, -10.0, 40.0])
    tube = Manifold.cylinder(14.0, 4.0, 4.0, 48).translate([7.0, 3.0, 57.0])
    bore = Manifold.cylinder(60.0, 1.5, 1.5, 48).translate([7.0, 3.0, 30.0])
    return mesh_of((pad + tube - bore).refine_to_length(1.5))


def turned(
    mesh: Mesh, degrees: float, travel: tuple[float, float, float]
) -> tuple[Mesh, NDArray[np.float64]]:
    axis = np.array([0.48, -0.6, 0.64])
    angle = math.radians(degrees)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    pose = np.eye(4)
    pose[:3, :3] = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    pose[:3, 3] = travel
    return Mesh(mesh.vertices @ pose[:3, :3].T + pose[:3, 3], mesh.faces), pose


def left_over(mesh: Mesh, found: NDArray[np.float64], given: NDArray[np.float64]) -> float:
    """How far the recovered pose leaves the worst point of the part from where it was, mm."""
    pose = found @ given
    moved = mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
    return float(np.linalg.norm(moved - mesh.vertices, axis=1).max())


@pytest.fixture(scope="module")
def guide() -> Mesh:
    return make_guide()


@cache
def far_away() -> tuple[Deviation, NDArray[np.float64]]:
    """What is found of the guide far from where it was designed, and the pose that took it there."""
    scan, pose = turned(make_guide(), 70.0, (50.0, -40.0, 45.0))
    return inspect_scan(make_guide(), scan, tolerance_mm=TOLERANCE_MM), pose


@cache
def noisy(seed: int) -> tuple[Deviation, SimulatedScan]:
    scan = simulate_scan(
        make_guide(), seed=seed, noise_mm=0.03, dropout_share=0.15, resolution_mm=RESOLUTION_MM
    )
    return inspect_scan(make_guide(), scan.mesh, tolerance_mm=TOLERANCE_MM, seed=seed), scan


@pytest.mark.requirement("G-INS-01")
def test_a_pose_70_degrees_and_78_mm_off_is_recovered(guide: Mesh) -> None:
    deviation, pose = far_away()
    assert left_over(guide, deviation.pose, pose) < 0.005
    assert deviation.maximum_mm < 0.005
    assert deviation.share_in_tolerance == 1.0
    assert deviation.coverage > 0.99


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_a_scan_with_noise_and_a_blind_spot_gives_the_noise_back(guide: Mesh, seed: int) -> None:
    deviation, scan = noisy(seed)
    assert left_over(guide, deviation.pose, scan.pose) < 0.02
    assert abs(deviation.mean_mm) < 0.005
    assert deviation.rms_mm == pytest.approx(0.03, abs=0.004)
    assert deviation.p95_mm == pytest.approx(0.06, abs=0.008)
    assert deviation.coverage < 0.99
    assert np.allclose(deviation.pose[:3, :3] @ deviation.pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(deviation.pose[:3, :3]) == pytest.approx(1.0)


def test_a_bump_of_0_30_mm_is_measured_as_0_30_and_the_rest_as_nothing(guide: Mesh) -> None:
    outward = guide.vertices / np.linalg.norm(guide.vertices, axis=1, keepdims=True)
    on_top = np.abs(np.linalg.norm(guide.vertices, axis=1) - 60.0) < 0.01
    beside = np.linalg.norm(guide.vertices[:, :2] - [-8.0, 0.0], axis=1)
    bump = on_top & (beside < 4.0)
    scan, _ = turned(
        Mesh(guide.vertices + 0.30 * bump[:, None] * outward, guide.faces), 25.0, (9.0, 3.0, -6.0)
    )
    deviation = inspect_scan(guide, scan, tolerance_mm=TOLERANCE_MM)
    assert bump.sum() > 20
    assert deviation.distances[bump].mean() == pytest.approx(0.30, abs=0.01)
    assert abs(deviation.distances[beside > 6.0].mean()) < 0.005
    assert deviation.maximum_mm == pytest.approx(0.30, abs=0.015)
    assert deviation.share_in_tolerance < 1.0


def test_a_shrink_of_half_a_percent_shows_and_is_never_absorbed(guide: Mesh) -> None:
    centre = guide.vertices.mean(axis=0)
    small = Mesh((guide.vertices - centre) * 0.995 + centre, guide.faces)
    scan, _ = turned(small, 40.0, (5.0, 5.0, 5.0))
    deviation = inspect_scan(guide, scan, tolerance_mm=TOLERANCE_MM)
    assert deviation.scale_estimate == pytest.approx(0.995, abs=5e-4)
    assert deviation.rms_mm > 0.015
    assert deviation.maximum_mm > 0.05


def test_the_figures_without_best_fit_are_told_where_they_mean_something(guide: Mesh) -> None:
    shifted = Mesh(guide.vertices + np.array([0.4, 0.0, 0.0]), guide.faces)
    deviation = inspect_scan(guide, shifted, tolerance_mm=TOLERANCE_MM)
    assert deviation.maximum_mm < 0.005
    assert deviation.unregistered is not None
    assert deviation.unregistered.maximum_mm == pytest.approx(0.4, abs=0.02)
    assert far_away()[0].unregistered is None


def test_the_same_seed_gives_the_same_answer_to_the_last_bit(guide: Mesh) -> None:
    first, scan = noisy(1)
    again = inspect_scan(guide, scan.mesh, tolerance_mm=TOLERANCE_MM, seed=1)
    assert first.pose.tobytes() == again.pose.tobytes()
    assert first.distances.tobytes() == again.distances.tobytes()
    assert (first.p95_mm, first.coverage) == (again.p95_mm, again.coverage)


@pytest.mark.requirement("G-INS-01")
@pytest.mark.parametrize(
    ("_case", "scan", "words"),
    [
        ("another part", mesh_of(Manifold.cube([30.0, 20.0, 12.0]).refine_to_length(2.0)), "lies within"),
        ("metres", Mesh(make_guide().vertices / 1000.0, make_guide().faces), "unit"),
        ("no surface", Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]], dtype=np.int32)), "no surface"),
        ("no faces", Mesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int32)), "no surface"),
        ("NaN", Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]], dtype=np.int32)), "no surface"),
    ],
)
def test_what_is_no_scan_of_this_part_is_refused(guide: Mesh, _case: str, scan: Mesh, words: str) -> None:
    with pytest.raises(ScanRefused, match=words) as refusal:
        inspect_scan(guide, scan, tolerance_mm=TOLERANCE_MM)
    assert all(reason.cure for reason in refusal.value.reasons)


@pytest.mark.requirement("G-INS-01")
def test_a_mirrored_part_is_another_part(guide: Mesh) -> None:
    reflection = Mesh(guide.vertices * [-1.0, 1.0, 1.0], guide.faces[:, ::-1])
    mirrored = simulate_scan(reflection, seed=2, resolution_mm=RESOLUTION_MM)
    try:
        deviation = inspect_scan(guide, mirrored.mesh, tolerance_mm=TOLERANCE_MM)
    except ScanRefused:
        return
    assert np.linalg.det(deviation.pose[:3, :3]) == pytest.approx(1.0)
    assert deviation.coverage < 0.8
    assert deviation.maximum_mm > 1.0


@pytest.mark.requirement("G-INS-01")
def test_a_scan_of_one_corner_is_too_little(guide: Mesh) -> None:
    centres = guide.vertices[guide.faces].mean(axis=1)
    corner = Mesh(guide.vertices, guide.faces[centres[:, 0] < -3.0])
    with pytest.raises(ScanRefused, match="shows only"):
        inspect_scan(guide, corner, tolerance_mm=TOLERANCE_MM)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan, math.inf])
def test_a_tolerance_must_be_a_positive_number(guide: Mesh, tolerance: float) -> None:
    with pytest.raises(ScanRefused, match="tolerance"):
        inspect_scan(guide, guide, tolerance_mm=tolerance)


def test_an_open_nominal_has_no_inside(guide: Mesh) -> None:
    with pytest.raises(NotASolid):
        inspect_scan(Mesh(guide.vertices, guide.faces[:-5]), guide, tolerance_mm=TOLERANCE_MM)


def test_distance_is_to_the_face_and_not_to_the_nearest_vertex() -> None:
    cube = mesh_of(Manifold.cube([20.0, 20.0, 20.0], True))
    inside_out = np.array([[0.0, 0.0, 10.5], [0.0, 0.0, 9.0], [3.0, -4.0, -10.25]])
    assert Surface(cube).signed(inside_out) == pytest.approx([0.5, -1.0, 0.25], abs=1e-5)


def test_samples_spread_evenly_over_the_area() -> None:
    box = mesh_of(Manifold.cube([20.0, 10.0, 1.0]))
    points, _ = sample_surface(box, 9200, np.random.default_rng(0))
    assert (points[:, 2] == 0.0).sum() == pytest.approx(4000, rel=0.02)
