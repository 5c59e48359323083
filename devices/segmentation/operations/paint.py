"""Strokes of a round brush, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, Point, choice, number, operation, points
from devices.segmentation.space import Mask, slice_points

MOST_POINTS = 2000
Vector = NDArray[np.float64]


@operation("paint", version="1.0", title="Paint or erase", group="edit", invents=True)
@dataclass(frozen=True)
class Paint(Operation):
    """A ball is drawn along a line of points, and what it passes is added or erased."""

    stroke_mm: tuple[Point, ...] = points(1, MOST_POINTS, label="Stroke")
    radius_mm: float = number(2.0, 0.1, 50.0, unit="mm", label="Radius")
    what: str = choice("add", "erase", label="What it does")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        result = mask.copy()
        stroke = np.array(self.stroke_mm)
        for start, end in pairwise(stroke) if len(stroke) > 1 else ((stroke[0], stroke[0]),):
            for k, rows, columns, inside in _passed(volume, start, end, self.radius_mm):
                part = result[k, rows, columns]
                if self.what == "add":
                    part[inside] = 1
                else:
                    part[inside] = 0
        return result


def _passed(
    volume: Volume, start: Vector, end: Vector, radius_mm: float
) -> Iterator[tuple[int, slice, slice, NDArray[np.bool_]]]:
    """By slice, the voxels no further than the radius from the line between two points."""
    along = np.sort([start @ volume.normal, end @ volume.normal])
    heights = volume.heights_mm
    near = (heights >= along[0] - radius_mm) & (heights <= along[1] + radius_mm)
    for k in (int(index) for index in np.flatnonzero(near)):
        rows = _span(volume, k, start, end, radius_mm, axis=1)
        columns = _span(volume, k, start, end, radius_mm, axis=0)
        if rows.start < rows.stop and columns.start < columns.stop:
            yield (
                int(k),
                rows,
                columns,
                _within(slice_points(volume, k, rows, columns), start, end, radius_mm),
            )


def _span(volume: Volume, k: int, start: Vector, end: Vector, radius_mm: float, *, axis: int) -> slice:
    """Which rows (axis 1) or columns (axis 0) of a slice the ball can touch."""
    direction = (volume.row_direction, volume.column_direction)[axis]
    low, high = np.sort([(point - volume.positions[k]) @ direction for point in (start, end)])
    step, size = volume.spacing_ij[axis], volume.shape[2 - axis]
    first, last = np.floor((low - radius_mm) / step), np.ceil((high + radius_mm) / step)
    return slice(int(np.clip(first, 0, size)), int(np.clip(last + 1, 0, size)))


def _within(xyz: tuple[Vector, ...], start: Vector, end: Vector, radius_mm: float) -> NDArray[np.bool_]:
    line = end - start
    length = float(line @ line)
    share = sum((xyz[axis] - start[axis]) * line[axis] for axis in range(3)) / (length or 1.0)
    nearest = np.clip(share, 0.0, 1.0)
    squared = sum((xyz[axis] - start[axis] - nearest * line[axis]) ** 2 for axis in range(3))
    return np.asarray(squared <= radius_mm**2 * (1 + 1e-9))
