"""The thinnest wall of a solid, measured on its surface."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.distance import Surface, face_areas, sample_surface

SHARPEST_EDGE_DEG = 30.0
FACING = -math.cos(math.radians(SHARPEST_EDGE_DEG))
SKIN_MM = 1e-3
SAMPLES_PER_MM2 = 6.0
SAMPLES = (5_000, 60_000)


@dataclass(frozen=True)
class Wall:
    """minimum_mm, where it is (LPS mm), and the first percentile over the area."""

    minimum_mm: float
    place_mm: tuple[float, float, float]
    p01_mm: float


def measure_wall(surface: Surface, *, seed: int = 0) -> Wall:
    """The thinnest of `walls_of`, and where it is."""
    points, _, walls = walls_of(surface, seed=seed)
    thinnest = int(np.argmin(walls))
    x, y, z = (float(v) for v in points[thinnest])
    finite = walls[np.isfinite(walls)]
    return Wall(
        float(walls[thinnest]), (x, y, z), float(np.quantile(finite, 0.01)) if len(finite) else np.inf
    )


def walls_of(
    surface: Surface, *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Points (n, 3) mm spread evenly over the surface, their outward normals (n, 3), and the wall (n,) mm behind each.

    Straight through the material to the first face that looks the other way; inf where none does. Faces that meet at
    SHARPEST_EDGE_DEG or more are an edge and not a wall; a sharper wedge counts, however thin it gets.
    """
    area = float(face_areas(surface.mesh).sum())
    count = int(np.clip(area * SAMPLES_PER_MM2, *SAMPLES))
    points, faces = sample_surface(surface.mesh, count, np.random.default_rng(seed))
    normals = surface.normals[faces]
    return points, normals, walls_behind(surface, points, normals)


def walls_behind(
    surface: Surface, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The wall (n,) mm behind points (n, 3) of the surface whose outward normals (n, 3) are given; inf where there is none."""
    reach, met = surface.first_faces(points - SKIN_MM * normals, -normals)
    walls = np.where((normals * met).sum(axis=1) < FACING, reach + SKIN_MM, np.inf)
    return np.asarray(walls, dtype=np.float64)
