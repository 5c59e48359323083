"""Giving thin walls of an anatomy the thickness that can be built: both sides move outwards, and it is said by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, vertex_areas
from devices.mesh.solid import mesh_of, solid_of
from devices.mesh.wall import walls_behind

PASSES = 6
AIM = 1.05
NEAR_CORNER = 0.8


@dataclass(frozen=True, eq=False)
class Thickened:
    """share: of the surface that was moved; by_mm: the furthest."""

    solid: Manifold
    share: float
    by_mm: float


def thickened(piece: Manifold, minimum_mm: float) -> Thickened:
    """The piece with its walls brought to the minimum where straight through them there was less."""
    first = mesh = mesh_of(piece)
    for _ in range(PASSES):
        surface = Surface(mesh)
        lacking = np.clip(AIM * minimum_mm - _face_walls(surface), 0.0, None) / 2.0
        if lacking.max() <= (AIM - 1.0) * minimum_mm / 4.0:
            break
        moved = mesh.vertices + _outwards(surface, lacking) - first.vertices
        furthest = (
            AIM * minimum_mm / 2.0
        )  # from either side of a wall without any thickness, no more is needed
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        moved *= np.minimum(1.0, furthest / np.maximum(lengths, furthest))
        mesh = Mesh(first.vertices + moved, mesh.faces)
    moved = np.linalg.norm(mesh.vertices - first.vertices, axis=1)
    if not moved.any():
        return Thickened(piece, 0.0, 0.0)
    areas = vertex_areas(first)
    return Thickened(solid_of(mesh), float(areas[moved > 0.0].sum() / areas.sum()), float(moved.max()))


def _face_walls(surface: Surface) -> NDArray[np.float64]:
    """The least wall (m,) mm behind each face: behind its middle, and near each of its corners."""
    corners = surface.mesh.vertices[surface.mesh.faces]
    middles = corners.mean(axis=1)
    looks = [middles, *(middles + NEAR_CORNER * (corners[:, one] - middles) for one in range(3))]
    return np.asarray(np.min([walls_behind(surface, points, surface.normals) for points in looks], axis=0))


def _outwards(surface: Surface, lacking: NDArray[np.float64]) -> NDArray[np.float64]:
    """How each vertex (n, 3) moves: with the face around it that lacks the most, along that face's normal."""
    move = np.zeros_like(surface.mesh.vertices)
    for face in np.argsort(lacking, kind="stable")[np.count_nonzero(lacking <= 0.0) :]:
        move[surface.mesh.faces[face]] = lacking[face] * surface.normals[face]
    return move
