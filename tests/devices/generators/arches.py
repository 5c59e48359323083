"""An analytic arch: superquadric crowns on a parabola, in a ridge of gum. What each vertex is, is known by its equation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from devices.generators.dental.teeth import LabelledScan
from devices.generators.shell import Frame, box_grid, surface_between
from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.rims import largest_piece, submesh
from devices.planning.fdi import ARCHES, Arch

WIDTHS = {1: 8.0, 2: 6.5, 3: 7.5, 4: 7.0, 5: 6.8, 6: 10.0, 7: 9.5, 8: 8.5}
"""Mesio-distal, mm."""
DEPTHS = {1: 6.5, 2: 6.0, 3: 7.5, 4: 8.5, 5: 8.5, 6: 10.0, 7: 10.0, 8: 9.5}
HEIGHT_MM, GUM_HALF_MM = 7.0, 6.5
CURVE = 1.0 / 28.0
"""Of the parabola v = -CURVE u², mm."""


def places(
    numbers: tuple[int, ...], gap_mm: float
) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The middle (2,) of each tooth on the parabola, and the direction of the row there, u growing along the row."""
    found = {}
    row = list(numbers)
    along = np.cumsum([WIDTHS[one % 10] + gap_mm for one in row])
    middles = along - np.array([WIDTHS[one % 10] + gap_mm for one in row]) / 2.0
    # The parabola is walked by its arc length from its vertex, the middle of the row.
    u = np.linspace(-60.0, 60.0, 4001)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(u), np.diff(-CURVE * u * u)))])
    arc -= np.interp(0.0, u, arc)
    for number, at in zip(row, middles - along[-1] / 2.0, strict=True):
        x = float(np.interp(at, arc, u))
        slope = np.array([1.0, -2.0 * CURVE * x])
        found[number] = np.array([x, -CURVE * x * x]), slope / np.linalg.norm(slope)
    return found


def analytic_arch(
    numbers: tuple[int, ...] | None = None,
    *,
    arch: Arch = "lower",
    gap_mm: float = 0.3,
    spacing_mm: float = 0.5,
) -> LabelledScan:
    """An open scan of these teeth in LPS: a lower arch looks up, an upper one down; the front is anterior."""
    chosen = ARCHES[arch][1:-1] if numbers is None else numbers
    row = tuple(number for number in ARCHES[arch] if number in chosen)
    frame = _frame(arch)
    seats = places(row if arch == "upper" else row[::-1], gap_mm)
    middles = np.stack([middle for middle, _ in seats.values()])
    low = np.array([*(middles.min(axis=0) - 12.0), -9.0])
    high = np.array([*(middles.max(axis=0) + 12.0), HEIGHT_MM + 1.5])
    grid = box_grid(frame, low, high, spacing_mm)
    points = grid.local_points
    crowns = {number: _crown(points, number, *seat) for number, seat in seats.items()}
    field = np.maximum(
        _ridge(points, np.stack([middle for middle, _ in seats.values()])),
        np.max(list(crowns.values()), axis=0),
    )
    closed = surface_between(grid, field.reshape(grid.shape))
    local = frame.to_local(closed.vertices)
    kept = np.asarray((local[closed.faces][:, :, 2] > -5.0).all(axis=1))
    scan, _ = submesh(closed, kept)
    scan, _ = submesh(scan, largest_piece(scan.faces))
    return LabelledScan(scan, _labels(frame.to_local(scan.vertices), seats))


def _frame(arch: Arch) -> Frame:
    up = np.array([0.0, 0.0, 1.0 if arch == "lower" else -1.0])
    front = np.array([0.0, -1.0, 0.0])
    return Frame(np.array([3.0, -40.0, 12.0]), np.stack([np.cross(front, up), front, up]))


def _crown(
    points: NDArray[np.float64], number: int, middle: NDArray[np.float64], along: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Above 0 inside, about a distance in mm near the surface."""
    flat = points[:, :2] - middle
    across = np.array([-along[1], along[0]])
    half = np.array([WIDTHS[number % 10] / 2.0, DEPTHS[number % 10] / 2.0, HEIGHT_MM])
    scaled = np.abs(np.stack([flat @ along, flat @ across, points[:, 2]], axis=1) / half)
    return np.asarray((1.0 - (scaled**3.0).sum(axis=1) ** (1.0 / 3.0)) * half.min())


def _ridge(points: NDArray[np.float64], middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gum: everything near the row and below a rounded crest just above 0."""
    ends = middles[[0, -1]] + (middles[[0, -1]] - middles[[1, -2]]) / 2.0
    line = np.concatenate([ends[:1], middles, ends[1:]])
    nearest = np.full(len(points), np.inf)
    for start, end in pairwise(line):
        way = end - start
        part = np.clip(((points[:, :2] - start) @ way) / (way @ way), 0.0, 1.0)
        nearest = np.minimum(nearest, np.linalg.norm(points[:, :2] - start - part[:, None] * way, axis=1))
    # The crest falls off to the sides and widens below, as gum does towards the vestibule.
    return np.asarray(
        np.minimum(
            GUM_HALF_MM + np.maximum(0.0, -points[:, 2] - 3.0) - nearest,
            1.2 - points[:, 2] - nearest**2 / 14.0,
        )
    )


def _labels(
    local: NDArray[np.float64], seats: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> NDArray[np.int16]:
    ridge = _ridge(local, np.stack([middle for middle, _ in seats.values()]))
    crowns = np.stack([_crown(local, number, *seat) for number, seat in seats.items()])
    numbers = np.array(list(seats), dtype=np.int16)
    best = crowns.argmax(axis=0)
    return np.where(crowns.max(axis=0) > ridge, numbers[best], 0).astype(np.int16)


def mirrored(scan: LabelledScan) -> LabelledScan:
    """The scan as a careless export has it: left and right exchanged, labels as they were."""
    return LabelledScan(
        Mesh(scan.mesh.vertices * (-1.0, 1.0, 1.0), scan.mesh.faces[:, ::-1].astype(np.int32)), scan.labels
    )


def as_stored(scan: LabelledScan) -> tuple[bytes, LabelledScan]:
    """The scan as an STL file, and as it is read from it: in another order of vertices, with the same labels."""
    data = write_stl(scan.mesh)
    mesh = read_mesh(data)
    known = {
        tuple(place): label
        for place, label in zip(scan.mesh.vertices.astype(np.float32).tolist(), scan.labels, strict=True)
    }
    labels = np.array(
        [known[tuple(place)] for place in mesh.vertices.astype(np.float32).tolist()], dtype=np.int16
    )
    return data, LabelledScan(mesh, labels)
