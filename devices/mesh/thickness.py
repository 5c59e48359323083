"""The wall behind, and the gap before, every vertex of a surface: straight along its normal to the next face.

Faces that meet at `SHARPEST_EDGE_DEG` or more are an edge and not a wall, and likewise a corner and not a gap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.wall import FACING, SKIN_MM


def vertex_normals(mesh: Mesh) -> NDArray[np.float64]:
    """Unit normals (n, 3), the faces around each vertex weighed by their area; zero where there are none."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    weighed = np.cross(b - a, c - a)
    corners = mesh.faces.ravel()
    sums = np.stack(
        [
            np.bincount(corners, weights=np.repeat(weighed[:, axis], 3), minlength=len(mesh.vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(
        np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0.0), dtype=np.float64
    )


def wall_at_vertices(surface: Surface) -> NDArray[np.float64]:
    """How much material lies behind each vertex (n,), mm; inf where no face looks the other way."""
    return _reach(surface, inward=True)


def gap_at_vertices(surface: Surface) -> NDArray[np.float64]:
    """How much room lies before each vertex (n,), mm, up to a face that looks back at it; inf where it is open."""
    return _reach(surface, inward=False)


def _reach(surface: Surface, *, inward: bool) -> NDArray[np.float64]:
    normals = vertex_normals(surface.mesh)
    ways = -normals if inward else normals
    reach, met = surface.first_faces(surface.mesh.vertices + SKIN_MM * ways, ways)
    facing = (normals * met).sum(axis=1) < FACING
    return np.asarray(np.where(facing, reach + SKIN_MM, np.inf), dtype=np.float64)
