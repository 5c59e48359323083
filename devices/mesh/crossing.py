"""Whether a surface passes through itself: where it does, what is inside is a matter of opinion, and each slicer has its own.

Two faces that cross each other cross in an edge of one of them at least, so each edge is followed once from end to end, and every
face that it pierces is one. Faces that only touch, or lie in each other's plane, bound the same volume and are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface

PIERCED_MM = 0.002
"""How far both ends of an edge have to lie beyond a face: a file of 32 bits rounds a part of 100 mm by a tenth of it."""
AT_ONCE = 200_000


@dataclass(frozen=True)
class Crossings:
    """faces: how many faces an edge of the same surface passes through.  place_mm: one such place, LPS."""

    faces: int = 0
    place_mm: tuple[float, float, float] | None = None


def crossings(surface: Surface) -> Crossings:
    """Where a closed surface passes through itself."""
    edges = _edges(surface.mesh)
    pierced, place = set[int](), None
    for begin in range(0, len(edges), AT_ONCE):
        faces, places = _pierced_by(surface, edges[begin : begin + AT_ONCE])
        pierced.update(faces.tolist())
        if place is None and len(places):
            x, y, z = (float(part) for part in places[0])
            place = (x, y, z)
    return Crossings(len(pierced), place)


def _edges(mesh: Mesh) -> NDArray[np.int64]:
    """Each edge (n, 2) once."""
    ends = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), axis=1)
    keys = np.unique(ends[:, 0] * len(mesh.vertices) + ends[:, 1])
    return np.stack(np.divmod(keys, len(mesh.vertices)), axis=1)


def _pierced_by(surface: Surface, edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The faces (k,) that edges pass through, and where (k, 3) mm."""
    mesh = surface.mesh
    starts, ends = mesh.vertices[edges[:, 0]], mesh.vertices[edges[:, 1]]
    rays, faces = surface.every_face(starts, ends - starts)
    corners, first = mesh.faces[faces], edges[rays]
    strangers = ~(corners[:, :, None] == first[:, None, :]).any(axis=(1, 2))
    rays, faces = rays[strangers], faces[strangers]
    origins, normals = mesh.vertices[mesh.faces[faces, 0]], surface.normals[faces]
    before = ((starts[rays] - origins) * normals).sum(axis=1)
    behind = ((ends[rays] - origins) * normals).sum(axis=1)
    through = (before * behind < 0.0) & (np.minimum(abs(before), abs(behind)) > PIERCED_MM)
    share = before[through] / (before - behind)[through]
    hit = rays[through]
    return faces[through], starts[hit] + share[:, None] * (ends - starts)[hit]
