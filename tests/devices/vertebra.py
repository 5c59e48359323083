"""A vertebra made of simple shapes, about the origin of LPS: body, pedicles, laminae, facets, spinous and transverse processes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from devices.generators.shell import Frame, box_grid, surface_between
from devices.mesh.base import Mesh

Field = NDArray[np.float64]


@cache
def vertebra(spacing_mm: float = 1.0) -> Mesh:
    """Closed, LPS mm. The pedicles run from (17, 12, 2) and (-17, 12, 2), 10 degrees towards the middle, 6 mm thick."""
    grid = box_grid(
        Frame(np.zeros(3), np.eye(3)),
        np.array([-44.0, -44.0, -20.0]),
        np.array([44.0, 42.0, 20.0]),
        spacing_mm,
    )
    x, y, z = (grid.local_points[:, axis] for axis in range(3))
    inside = _body(x, y, z)
    for side in (1.0, -1.0):
        points = [(17.0, 11.0, 2.0), (11.0, -22.0, 2.0)]
        inside = _join(inside, 6.0 - _from_line(side * x, y, z, *points))
        inside = _join(
            inside, 7.5 - np.sqrt((side * x - 16.5) ** 2 + (y - 8.0) ** 2 + ((z - 3.0) / 1.4) ** 2)
        )
        inside = _join(inside, 4.0 - _from_line(side * x, y, z, (18.0, 6.0, 2.0), (38.0, 11.0, 5.0)))
        inside = _join(inside, _lamina(side * x, y, z))
    inside = _join(inside, _spinous(x, y, z))
    return surface_between(grid, inside.reshape(grid.shape))


def _body(x: Field, y: Field, z: Field) -> Field:
    return np.minimum(16.0 * (1.0 - np.hypot(x / 22.0, (y + 24.0) / 16.0)), 14.0 - np.abs(z))


def _lamina(x: Field, y: Field, z: Field) -> Field:
    """A plate from the spinous process to the facet, leaning back towards its lower edge and thicker there."""
    lean = 0.25 * z
    flat = 3.5 - 0.08 * z - _from_line(x, y + lean, 0.0 * z, (0.0, 19.0, 0.0), (16.0, 10.0, 0.0))
    return np.minimum(flat, np.minimum(6.0 - z, z + 14.0))


def _spinous(x: Field, y: Field, z: Field) -> Field:
    along = np.minimum(y - 14.0, 38.0 - y)
    flanks, top = 3.0 + 0.04 * (y - 14.0) - np.abs(x), 4.0 - z - 0.2 * (y - 14.0)
    return np.asarray(np.minimum.reduce([flanks, along, top, z + 14.0]), dtype=np.float64)


def _from_line(x: Field, y: Field, z: Field, one: tuple[float, ...], other: tuple[float, ...]) -> Field:
    start, along = np.array(one), np.array(other) - np.array(one)
    away = np.stack([x, y, z], axis=1) - start
    share = np.clip(away @ along / (along @ along), 0.0, 1.0)
    return np.asarray(np.linalg.norm(away - share[:, None] * along, axis=1), dtype=np.float64)


def _join(one: Field, other: Field) -> Field:
    return np.maximum(one, other)
