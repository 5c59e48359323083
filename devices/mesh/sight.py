"""What of a surface an optical scanner can see: the inside of a narrow bore is hidden however the part is turned.

A scanner that triangulates (structured light, laser line) measures a point only where its projector and its camera both
see it, under angles that are not too flat. What no such pair sees is hidden, and no scan is asked to show it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from devices.mesh.distance import Surface

DIRECTIONS = 160
FLATTEST_DEG = 60.0
APART_DEG = (18.0, 45.0)
SKIN_MM = 1e-3
AT_ONCE = 4_000


def observable(
    surface: Surface, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each point (n, 3) mm on the surface, with its unit normal (n, 3), can be measured from outside: two free
    lines of sight, each within FLATTEST_DEG of the normal and APART_DEG from the other."""
    directions = spread_directions(DIRECTIONS)
    cosines = directions @ directions.T
    nearest, widest = np.cos(np.radians(APART_DEG))
    pairs = ((cosines <= nearest) & (cosines >= widest)).astype(np.float32)
    seen = [
        ((free.astype(np.float32) @ pairs > 0.0) & free).any(axis=1)
        for free in _free(surface, points, normals, directions)
    ]
    return np.concatenate(seen) if seen else np.zeros(0, dtype=np.bool_)


def spread_directions(count: int) -> NDArray[np.float64]:
    """Unit vectors (count, 3) spread evenly over the sphere, along a spiral (Gonzalez 2010)."""
    steps = np.arange(count) + 0.5
    height = 1.0 - 2.0 * steps / count
    around = steps * np.pi * (3.0 - np.sqrt(5.0))
    flat = np.sqrt(1.0 - height**2)
    return np.stack([flat * np.cos(around), flat * np.sin(around), height], axis=1)


def _free(
    surface: Surface,
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    directions: NDArray[np.float64],
) -> Iterator[NDArray[np.bool_]]:
    """Which directions (n, k) leave each point without meeting the surface again, some points at a time."""
    steepest = np.cos(np.radians(FLATTEST_DEG))
    for start in range(0, len(points), AT_ONCE):
        normal = normals[start : start + AT_ONCE]
        free = normal @ directions.T >= steepest
        origin, way = np.nonzero(free)
        lifted = points[start : start + AT_ONCE] + SKIN_MM * normal
        free[origin, way] = np.isinf(surface.first_hits(lifted[origin], directions[way]))
        yield free
