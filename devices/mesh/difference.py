"""How one revision of a design differs from an older one: signed distances at every point, and the largest either way.

Distances from the newer surface alone would not show a piece that is gone: the older surface is measured against the newer
one as well, and what it says counts for the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.colours import SATURATION, deviation_colours
from devices.mesh.distance import Surface, vertex_areas
from devices.mesh.io import write_ply
from devices.mesh.maps import divided

CHANGED_MM = 0.05
"""Surfaces nearer than this are called the same: the tolerance that designs are simplified to."""
SCALES_MM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True, eq=False)
class Difference:
    """added (n,): mm at each vertex of the newer surface, positive where it lies outside the older one.  removed (m,): mm at
    points (m, 3) of the older surface, positive where these lie outside the newer one."""

    newer: Mesh
    added: NDArray[np.float64]
    older_points: NDArray[np.float64]
    removed: NDArray[np.float64]

    @property
    def largest_mm(self) -> float:
        return float(max(np.abs(self.added).max(), np.abs(self.removed).max()))

    @property
    def limit_mm(self) -> float:
        """The ends of the colour scale: a round number that no point of it exceeds, up to the last."""
        return next((scale for scale in SCALES_MM if scale >= self.largest_mm), SCALES_MM[-1])

    def as_facts(self) -> dict[str, Any]:
        """Figures, mm. share_changed: of the newer surface's area.  largest_at_mm: where the difference is largest, LPS."""
        areas, points = vertex_areas(self.newer), np.concatenate([self.newer.vertices, self.older_points])
        sizes = np.abs(np.concatenate([self.added, self.removed]))
        return {
            "limit_mm": self.limit_mm,
            "largest_mm": self.largest_mm,
            "largest_at_mm": [round(float(part), 3) for part in points[int(sizes.argmax())]],
            "added_mm": max(0.0, float(self.added.max()), float(-self.removed.min())),
            "removed_mm": max(0.0, float(self.removed.max()), float(-self.added.min())),
            "share_changed": float(areas[np.abs(self.added) > CHANGED_MM].sum() / areas.sum()),
        }

    def as_ply(self) -> bytes:
        """The newer surface: red where there is more than before, blue where there is less."""
        return write_ply(self.newer, colours=deviation_colours(self.added, self.limit_mm / SATURATION))


def difference(older: Mesh, newer: Mesh) -> Difference:
    """Both closed, in the same frame. Raises NotASolid."""
    fine_older, fine_newer = divided(older), divided(newer)
    return Difference(
        fine_newer,
        Surface(older).signed(fine_newer.vertices),
        fine_older.vertices,
        Surface(newer).signed(fine_older.vertices),
    )
