"""Maps of a surface: how thick the wall is behind each point, and how wide the gap before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.colours import limit_colours
from devices.mesh.distance import Surface, vertex_areas
from devices.mesh.io import write_ply
from devices.mesh.solid import mesh_of, solid_of
from devices.mesh.thickness import gap_at_vertices, wall_at_vertices

FINEST_EDGE_MM, MOST_VERTICES = 1.0, 400_000
GAP_MM = 0.5
"""A gap that is narrower may close with resin: a starting value, to be replaced by the site's own validation."""


@dataclass(frozen=True, eq=False)
class Map:
    """A value (n,) mm at each vertex of a surface, inf where there is none, and the limit it is held against, mm."""

    mesh: Mesh
    values: NDArray[np.float64]
    limit_mm: float

    def as_facts(self) -> dict[str, float]:
        """Figures over the area. `share_below`: of the whole surface.  Nothing is said of a surface without a value."""
        areas, known = vertex_areas(self.mesh), np.isfinite(self.values)
        facts = {
            "limit_mm": self.limit_mm,
            "share_below": float(areas[self.values < self.limit_mm].sum() / areas.sum()),
        }
        if known.any():
            order = np.argsort(self.values[known])
            reached = np.cumsum(areas[known][order]) / areas[known].sum()
            facts |= {
                "minimum_mm": float(self.values.min()),
                "p01_mm": float(self.values[known][order][np.searchsorted(reached, 0.01)]),
                "p50_mm": float(self.values[known][order][np.searchsorted(reached, 0.5)]),
            }
        return facts

    def as_ply(self) -> bytes:
        return write_ply(self.mesh, colours=limit_colours(self.values, self.limit_mm))


def wall_map(mesh: Mesh, minimum_mm: float) -> Map:
    """The wall behind each point, held against what the material can build."""
    return _map(mesh, wall_at_vertices, minimum_mm)


def gap_map(mesh: Mesh, minimum_mm: float = GAP_MM) -> Map:
    """The gap before each point, held against what stays open."""
    return _map(mesh, gap_at_vertices, minimum_mm)


def divided(mesh: Mesh) -> Mesh:
    """The same surface with its large triangles divided, so that a wide flat wall is looked at in its middle, too."""
    if len(mesh.vertices) >= MOST_VERTICES / 8:
        return mesh
    fine = mesh_of(solid_of(mesh).refine_to_length(FINEST_EDGE_MM))
    return fine if len(fine.vertices) <= MOST_VERTICES else mesh


def _map(mesh: Mesh, measure: Callable[[Surface], NDArray[np.float64]], limit: float) -> Map:
    chosen = divided(mesh)
    return Map(chosen, measure(Surface(chosen)), limit)
