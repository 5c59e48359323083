"""Says what is right and wrong with a mesh. Counts, never repairs: an empty or repaired mesh is an error (G-MSH-01)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.mesh.base import Mesh
from devices.mesh.distance import face_areas

DEGENERATE_MM2 = 1e-12


@dataclass(frozen=True)
class MeshReport:
    """watertight: every edge belongs to exactly two faces.  manifold: no edge to more than two, and no index out of range.
    oriented: each edge is used once in each direction and the volume is positive.  bounds_mm: ((x, y, z) low, high)."""

    watertight: bool
    manifold: bool
    oriented: bool
    vertices: int
    triangles: int
    boundary_edges: int
    nonmanifold_edges: int
    degenerate: int
    volume_ml: float
    area_mm2: float
    bounds_mm: tuple[tuple[float, float, float], tuple[float, float, float]]

    @property
    def sound(self) -> bool:
        return self.watertight and self.manifold and self.oriented

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words; empty for a sound mesh."""
        said = (
            (not self.triangles, "the mesh is empty"),
            (self.boundary_edges, f"{self.boundary_edges} open edges"),
            (self.nonmanifold_edges, f"{self.nonmanifold_edges} edges of more than two faces"),
            (self.triangles and not self.oriented, "the faces do not all look outwards"),
        )
        return tuple(text for wrong, text in said if wrong)


def check_mesh(mesh: Mesh) -> MeshReport:
    """Count edges, orientation, volume and area. Raises ValueError for coordinates or indices that are no mesh at all."""
    _refuse_nonsense(mesh)
    boundary, crowded, paired = _edges(mesh)
    volume = signed_volume_mm3(mesh) / 1000
    areas = face_areas(mesh)
    return MeshReport(
        watertight=bool(len(mesh.faces)) and boundary == 0 and crowded == 0,
        manifold=bool(len(mesh.faces)) and crowded == 0,
        oriented=paired and volume > 0,
        vertices=len(mesh.vertices),
        triangles=len(mesh.faces),
        boundary_edges=boundary,
        nonmanifold_edges=crowded,
        degenerate=int(np.count_nonzero(areas <= DEGENERATE_MM2)),
        volume_ml=volume,
        area_mm2=float(areas.sum()),
        bounds_mm=_bounds(mesh),
    )


def _refuse_nonsense(mesh: Mesh) -> None:
    if not np.isfinite(mesh.vertices).all():
        raise ValueError("the mesh has coordinates that are not finite")
    if len(mesh.faces) and (mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices)):
        raise ValueError("the mesh has faces of vertices that do not exist")


def _edges(mesh: Mesh) -> tuple[int, int, bool]:
    """(edges of one face, edges of more than two, whether each direction is used exactly once)."""
    start = mesh.faces.T.astype(np.int64).ravel()
    end = mesh.faces.T[[1, 2, 0]].astype(np.int64).ravel()
    keys = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    keys = np.sort(keys * 2 + (start > end))
    starts = np.flatnonzero(np.diff(keys >> 1, prepend=-1))
    counts = np.diff(np.append(starts, len(keys)))
    paired = bool((counts == 2).all() and (np.diff(keys) > 0).all())
    return int(np.count_nonzero(counts == 1)), int(np.count_nonzero(counts > 2)), paired


def _bounds(mesh: Mesh) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    if not len(mesh.faces):
        return (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def signed_volume_mm3(mesh: Mesh) -> float:
    """Positive where faces look outwards (divergence theorem), computed about the centre to keep the digits."""
    if not len(mesh.faces):
        return 0.0
    x, y, z = np.ascontiguousarray((mesh.vertices - mesh.vertices.mean(axis=0)).T)
    a, b, c = np.ascontiguousarray(mesh.faces.T)
    in_plane = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
    return float((z[a] + z[b] + z[c]) @ in_plane / 6)
