"""Shapes that are known, scanned in every way a scanner may, come back where they were and as large as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from devices.imaging.base import Acquisition, Volume
from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.surface import isosurface, simplified
from devices.segmentation.bone import segment
from tests.devices.imaging.making import make_series

pytestmark = [pytest.mark.requirement("G-IMG-01"), pytest.mark.requirement("G-MSH-01")]
TISSUE_HU, BONE_HU, LEVEL = 40, 1240, 640
SIDE_MM = 34.0
Shape = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Signed distances (n,) mm of points (n, 3), above zero inside."""


def sphere(centre: NDArray[np.float64], radius: float) -> Shape:
    return lambda points: radius - np.linalg.norm(points - centre, axis=1)


def cylinder(centre: NDArray[np.float64], axis: NDArray[np.float64], radius: float, half: float) -> Shape:
    def inside(points: NDArray[np.float64]) -> NDArray[np.float64]:
        along = (points - centre) @ axis
        beside = np.linalg.norm(points - centre - along[:, None] * axis, axis=1)
        return np.asarray(np.minimum(radius - beside, half - np.abs(along)))

    return inside


def scan(
    shape: Shape, *, steps: NDArray[np.float64], pixel: tuple[float, float], tilt: float, turn: float
) -> Volume:
    """What a scanner makes of a shape: each voxel's grey by how much of it the shape fills, to first order."""
    heights = np.concatenate(([0.0], np.cumsum(steps)))
    row = np.array([np.cos(turn), np.sin(turn), 0.0])
    beside = np.array([-np.sin(turn), np.cos(turn), 0.0])
    column = np.cos(tilt) * beside + np.array([0.0, 0.0, np.sin(tilt)])
    columns, rows = int(SIDE_MM / pixel[0]), int(SIDE_MM / pixel[1])
    positions = -SIDE_MM / 2 * (row + column) + (heights - heights[-1] / 2)[:, None] * np.array(
        [0.0, 0.0, 1.0]
    )
    empty = np.zeros((len(heights), rows, columns), dtype=np.int16)
    volume = Volume(empty, positions, row, column, pixel, Acquisition("synthetic", modality="CT"))
    points = volume.to_patient(np.indices(empty.shape).reshape(3, -1).T)
    filled = np.clip(0.5 + shape(points) / (1.5 * max(*steps, *pixel)), 0, 1).reshape(empty.shape)
    volume.voxels[...] = np.round(TISSUE_HU + (BONE_HU - TISSUE_HU) * filled)
    return volume


def surface(volume: Volume) -> Mesh:
    return isosurface(volume, segment(volume, {"lower_hu": LEVEL}).mask, LEVEL - 0.5)


def centroid(mesh: Mesh) -> NDArray[np.float64]:
    """Of the volume that a closed surface bounds."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    wedges = np.einsum("ij,ij->i", a, np.cross(b, c))
    return np.asarray(((a + b + c) * wedges[:, None]).sum(axis=0) / (4 * wedges.sum()))


@st.composite
def protocols(draw: st.DrawFn) -> dict[str, object]:
    """Tilt to 25 degrees, pixels and slices of different sizes, slices in one or two runs of steps.

    A voxel is at most a ninth of the radius of what is scanned: flat triangles between coarser ones lose more than a hundredth of a
    sphere, by geometry alone.
    """
    first, second = draw(st.floats(0.5, 1.0)), draw(st.floats(0.5, 1.0))
    steps = np.array([first] * 45 + [second if draw(st.booleans()) else first] * 45)
    steps = steps[: int(np.searchsorted(np.cumsum(steps), SIDE_MM * 1.1))]
    return {
        "steps": steps,
        "pixel": (draw(st.floats(0.5, 1.0)), draw(st.floats(0.5, 1.0))),
        "tilt": np.radians(draw(st.floats(-25.0, 25.0))),
        "turn": draw(st.sampled_from([0.0, 0.3, np.pi / 2, np.pi])),
    }


directions = st.tuples(*(st.floats(-1, 1),) * 3).filter(lambda one: np.linalg.norm(one) > 0.2)
places = st.tuples(*(st.floats(-2, 2),) * 3)


def holds(volume: Volume, shape: Shape, centre: NDArray[np.float64], ml: float, edges_mm: float) -> None:
    """Within a fifth of a voxel in place and a hundredth in volume. edges_mm: how near a sharp edge lies, where grey cannot tell."""
    mesh = surface(volume)
    voxel = max(*volume.slice_spacings_mm, *volume.spacing_ij)
    report = check_mesh(mesh)
    assert report.sound
    assert report.volume_ml == pytest.approx(ml, rel=0.01)
    assert np.linalg.norm(centroid(mesh) - centre) <= 0.2 * voxel
    away = np.abs(shape(mesh.vertices))
    assert np.quantile(away, 1.0 if not edges_mm else 0.9) <= 0.2 * voxel


def check_sphere(protocol: dict[str, object], place: tuple[float, ...], radius: float) -> None:
    centre = np.array(place)
    shape = sphere(centre, radius)
    holds(scan(shape, **protocol), shape, centre, 4 / 3 * np.pi * radius**3 / 1000, 0.0)  # type: ignore[arg-type]  # by name


def check_cylinder(protocol: dict[str, object], place: tuple[float, ...], axis: tuple[float, ...]) -> None:
    centre, along = np.array(place), np.array(axis) / np.linalg.norm(axis)
    shape = cylinder(centre, along, 9.0, 11.0)
    holds(scan(shape, **protocol), shape, centre, np.pi * 9.0**2 * 22.0 / 1000, 1.0)  # type: ignore[arg-type]  # by name


@settings(max_examples=6)
@given(protocols(), places, st.floats(9, 12))
def test_a_sphere_comes_back(protocol: dict[str, object], place: tuple[float, ...], radius: float) -> None:
    check_sphere(protocol, place, radius)


@settings(max_examples=6)
@given(protocols(), places, directions)
def test_a_cylinder_comes_back(
    protocol: dict[str, object], place: tuple[float, ...], axis: tuple[float, ...]
) -> None:
    check_cylinder(protocol, place, axis)


@pytest.mark.slow
@settings(max_examples=200)
@given(protocols(), places, st.floats(9, 12))
def test_two_hundred_spheres_come_back(
    protocol: dict[str, object], place: tuple[float, ...], radius: float
) -> None:
    check_sphere(protocol, place, radius)


@pytest.mark.slow
@settings(max_examples=200)
@given(protocols(), places, directions)
def test_two_hundred_cylinders_come_back(
    protocol: dict[str, object], place: tuple[float, ...], axis: tuple[float, ...]
) -> None:
    check_cylinder(protocol, place, axis)


def test_a_tilted_sphere_comes_back_from_its_files_and_stays_within_the_tolerance_of_simplifying(
    tmp_path: Path,
) -> None:
    centre, shape = np.array([1.0, -2.0, 0.5]), sphere(np.array([1.0, -2.0, 0.5]), 10.0)
    steps = np.full(32, 1.2)
    make_series(tmp_path / "s", scan(shape, steps=steps, pixel=(0.7, 0.9), tilt=np.radians(18.5), turn=0.0))
    volume = read_images(tmp_path / "s").volume
    assert volume.tilt_degrees == pytest.approx(18.5, abs=0.05)
    holds(volume, shape, centre, 4 / 3 * np.pi, 0.0)
    assert np.abs(shape(simplified(surface(volume), 0.05).vertices)).max() <= 0.2 * 1.2
