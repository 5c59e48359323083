"""The surface of a mask: closed, outward, where the patient is, and measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.imaging.base import Volume
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh, signed_volume_mm3
from devices.mesh.distance import sample_surface
from devices.mesh.surface import NO_SMOOTHING, Smoothing, SurfaceRefused, deviation, surface_of_mask

pytestmark = pytest.mark.requirement("G-MSH-01")
RADIUS = 12.0


def _volume(
    *,
    tilt: float = 0.0,
    steps: list[float] | None = None,
    row: tuple[float, ...] = (1, 0, 0),
    column: tuple[float, ...] | None = None,
) -> Volume:
    heights = np.concatenate([[0.0], np.cumsum(steps or [1.0] * 40)])
    angle = np.radians(tilt)
    down = np.array(column) if column else np.array([0.0, np.cos(angle), np.sin(angle)])
    normal = np.cross(row, down) if column else np.array([0.0, 0.0, 1.0])
    positions = heights[:, None] * normal + np.array([-100.0, 40.0, -700.0])
    return Volume(
        np.zeros((len(heights), 44, 44), np.int16), positions, np.array(row, float), down, (0.8, 0.8)
    )


def _filled(volume: Volume, centre: np.ndarray) -> Volume:
    """A ball whose HU fall off linearly, so that 200 HU is met exactly at its radius."""
    points = volume.to_patient(np.argwhere(np.ones(volume.shape, bool)))
    hu = 200 + 250 * (RADIUS - np.linalg.norm(points - centre, axis=1))
    return replace(volume, voxels=np.clip(np.rint(hu), -1000, 3000).astype(np.int16).reshape(volume.shape))


def _ball(**geometry: object) -> tuple[Volume, np.ndarray, np.ndarray]:
    volume = _volume(**geometry)  # type: ignore[arg-type]
    centre = volume.to_patient([(len(volume.positions) / 2, 21.5, 21.5)])[0]
    volume = _filled(volume, centre)
    return volume, (volume.voxels >= 200).astype(np.uint8), centre


@settings(max_examples=12, deadline=None)
@given(st.floats(-20, 20), st.lists(st.sampled_from([0.8, 1.0, 1.6]), min_size=40, max_size=40))
def test_a_ball_is_where_it_is_however_it_was_scanned(tilt: float, steps: list[float]) -> None:
    volume, mask, centre = _ball(tilt=tilt, steps=steps)
    surface = surface_of_mask(volume, mask, level=199.5, smoothing=NO_SMOOTHING, tolerance_mm=0, samples=2000)
    radii = np.linalg.norm(surface.mesh.vertices - centre, axis=1)
    assert np.abs(radii - RADIUS).max() < 0.12
    assert surface.report.volume_ml == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.01)


@pytest.mark.parametrize("column", [(0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_faces_look_outwards_in_every_orientation(column: tuple[float, ...], sign: int) -> None:
    volume, mask, _ = _ball(row=(sign, 0, 0), column=column)
    report = surface_of_mask(volume, mask, level=199.5, samples=2000).report
    assert report.oriented
    assert report.volume_ml > 0
    assert report.sound


def test_a_marker_stays_on_its_side() -> None:
    volume, mask, centre = _ball()
    kji = np.rint(volume.to_indices([centre + np.array([10.0, 0, 0])])[0]).astype(int)
    mask[kji[0] - 2 : kji[0] + 3, kji[1] - 2 : kji[1] + 3, kji[2] : kji[2] + 8] = 1
    mesh = surface_of_mask(volume, mask, smoothing=NO_SMOOTHING, samples=2000).mesh
    assert mesh.vertices[:, 0].max() - centre[0] > RADIUS + 2
    assert centre[0] - mesh.vertices[:, 0].min() < RADIUS + 1


def test_a_mask_cut_by_every_border_is_closed() -> None:
    volume = _volume()
    mask = np.ones(volume.shape, np.uint8)
    surface = surface_of_mask(volume, mask, smoothing=NO_SMOOTHING, samples=2000)
    assert surface.report.sound
    low, high = np.array(surface.report.bounds_mm)
    assert np.allclose(low, volume.positions[0] - [0.4, 0.4, 0.5], atol=1e-3)
    assert np.allclose(high - low, volume.field_of_view_mm, atol=1e-3)


def test_a_half_level_makes_no_triangle_without_area() -> None:
    volume, mask, _ = _ball()
    surface = surface_of_mask(volume, mask, level=199.5, smoothing=NO_SMOOTHING, tolerance_mm=0, samples=2000)
    assert surface.report.degenerate == 0
    with pytest.raises(SurfaceRefused, match="not between whole numbers"):
        surface_of_mask(volume, mask, level=200)


def test_the_surface_encloses_the_mask_and_nothing_else() -> None:
    """Other bone beside the mask, and a filled cavity inside it, must not show."""
    volume, mask, _ = _ball()
    voxels = volume.voxels.copy()
    voxels[9:12, 7:10, 7:10] = 900
    voxels[18:22, 20:23, 20:23] = -1000
    changed = replace(volume, voxels=voxels)
    one = surface_of_mask(changed, mask, level=199.5, smoothing=NO_SMOOTHING, samples=2000)
    other = surface_of_mask(volume, mask, level=199.5, smoothing=NO_SMOOTHING, samples=2000)
    assert one.report.volume_ml == pytest.approx(other.report.volume_ml, rel=1e-6)


def test_every_step_says_what_it_cost() -> None:
    volume, mask, _ = _ball()
    surface = surface_of_mask(volume, mask, smoothing=Smoothing(30, 0.05), tolerance_mm=0.2, samples=5000)
    first, smoothed, simplified = surface.steps
    assert [step.name for step in surface.steps] == ["isosurface", "smoothing", "simplification"]
    assert first.deviation is None
    assert smoothed.parameters == {"iterations": 30, "pass_band": 0.05}
    assert simplified.parameters == {"tolerance_mm": 0.2}
    assert smoothed.deviation is not None
    assert 0.01 < smoothed.deviation.mean_mm < 0.4
    assert simplified.deviation is not None
    assert 0 < simplified.deviation.max_mm < 0.8
    assert simplified.triangles < 0.6 * first.triangles
    assert 0.01 < surface.distance.mean_mm <= surface.distance.p95_mm <= surface.distance.max_mm < 1.2


def test_without_smoothing_and_simplification_the_mask_is_met_exactly() -> None:
    volume, mask, _ = _ball()
    surface = surface_of_mask(volume, mask, smoothing=NO_SMOOTHING, tolerance_mm=0, samples=5000)
    assert surface.distance.max_mm < 1e-4
    assert len(surface.steps) == 2


@pytest.mark.parametrize(
    ("_case", "mask", "arguments", "reason"),
    [
        ("empty", np.zeros((41, 44, 44), np.uint8), {}, "the mask is empty"),
        ("another shape", np.ones((3, 3, 3), np.uint8), {}, "shape"),
        ("tolerance", np.ones((41, 44, 44), np.uint8), {"tolerance_mm": 5.0}, "0 to 1 mm"),
        ("level", np.ones((41, 44, 44), np.uint8), {"level": float("nan")}, "level"),
    ],
)
def test_what_has_no_surface_is_refused(
    _case: str, mask: np.ndarray, arguments: dict[str, float], reason: str
) -> None:
    with pytest.raises(SurfaceRefused, match=reason):
        surface_of_mask(_volume(), mask, **arguments)  # type: ignore[arg-type]


def test_smoothing_outside_its_limits_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 200"):
        Smoothing(iterations=1000)


def test_a_diagonal_touch_gives_a_sound_mesh_or_a_refusal() -> None:
    volume = _volume()
    mask = np.zeros(volume.shape, np.uint8)
    mask[5:10, 5:10, 5:10] = mask[10:15, 10:15, 5:10] = mask[10:15, 15:20, 10:15] = 1
    assert surface_of_mask(volume, mask, samples=1000).report.sound


def box(size: tuple[float, float, float] = (2.0, 3.0, 4.0)) -> Mesh:
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * np.array(size)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def test_a_box_is_sound_and_counted_right() -> None:
    report = check_mesh(box())
    assert report.sound
    assert report.problems == ()
    assert (report.vertices, report.triangles, report.degenerate) == (8, 12, 0)
    assert report.volume_ml == pytest.approx(0.024)
    assert report.area_mm2 == pytest.approx(52)
    assert report.bounds_mm == ((0, 0, 0), (2, 3, 4))


@pytest.mark.parametrize(
    ("_case", "faces", "wrong"),
    [
        ("open", lambda f: f[:-1], "3 open edges"),
        ("inside out", lambda f: f[:, ::-1], "do not all look outwards"),
        ("one turned", lambda f: np.vstack([f[:-1], f[-1:, ::-1]]), "do not all look outwards"),
        ("crowded", lambda f: np.vstack([f, f[:1]]), "of more than two faces"),
        ("empty", lambda f: f[:0], "the mesh is empty"),
    ],
)
def test_each_fault_is_named(_case: str, faces: object, wrong: str) -> None:
    whole = box()
    report = check_mesh(Mesh(whole.vertices, faces(whole.faces)))  # type: ignore[operator]
    assert not report.sound
    assert any(wrong in problem for problem in report.problems)


def test_nonsense_is_no_mesh() -> None:
    with pytest.raises(ValueError, match="do not exist"):
        check_mesh(Mesh(np.zeros((3, 3)), np.array([[0, 1, 3]])))
    with pytest.raises(ValueError, match="not finite"):
        check_mesh(Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]])))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-500, 500)] * 3),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([1, -1])] * 3),
)
def test_volume_turns_negative_exactly_when_mirrored(
    shift: tuple[float, ...], order: list[int], signs: tuple[int, ...]
) -> None:
    matrix = np.eye(3)[order] * np.array(signs)
    moved = Mesh(box().vertices @ matrix.T + shift, box().faces)
    assert signed_volume_mm3(moved) == pytest.approx(24 * np.linalg.det(matrix), rel=1e-6)


def test_samples_lie_on_the_mesh_and_repeat() -> None:
    points, faces = sample_surface(box(), 500, np.random.default_rng(4))
    assert np.array_equal(points, sample_surface(box(), 500, np.random.default_rng(4))[0])
    on_a_side = np.isclose(points, 0, atol=1e-9) | np.isclose(points, (2, 3, 4), atol=1e-9)
    assert on_a_side.any(axis=1).all()
    assert np.bincount(faces, minlength=12).min() > 0
    with pytest.raises(ValueError, match="without area"):
        sample_surface(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), 5, np.random.default_rng(0))


def test_two_meshes_a_known_way_apart_measure_so() -> None:
    larger = Mesh((box().vertices - [1, 1.5, 2]) * 1.2 + [1, 1.5, 2], box().faces)
    found = deviation(box(), larger, 4000)
    assert found.max_mm == pytest.approx(np.linalg.norm([0.2, 0.3, 0.4]), abs=0.05)
    assert 0.2 < found.mean_mm < 0.4
    assert deviation(box(), box(), 1000).max_mm < 1e-6
