"""A wall of one thickness around a lumen: its outside is everywhere as far from the lumen as the wall is thick.

The border is found on a grid and then measured against the lumen. Where a facet of the grid comes nearer than the wall, the whole
border is moved outwards until none does; the lumen itself is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.hollow import DISTANCE_ERROR_MM, depths
from devices.generators.shell import Field, Grid, surface_between
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, middles_of
from devices.mesh.solid import mesh_of, solid_of

TRIES = 4
TOLERANCE_MM = 0.1
"""How much thicker than asked for the wall may be on all but a twentieth of its outside: the creases between vessels keep a fillet."""


@dataclass(frozen=True, eq=False)
class Jacket:
    """solid: the lumen with its wall, as one body without a cavity; what was measured on it, mm: the least wall, the one that
    a twentieth of the outside exceeds, and the greatest."""

    solid: Manifold
    least_mm: float
    p95_mm: float
    most_mm: float


def jacketed(lumen: Surface, wall_mm: float) -> Jacket:
    """The body around a closed lumen. Raises DesignRefused where the wall cannot be kept within its tolerance."""
    field, grid = depths(lumen, -wall_mm)
    level = -wall_mm - DISTANCE_ERROR_MM
    for _ in range(TRIES):
        solid = _filled(grid, field, level)
        walls = _walls(lumen, mesh_of(solid))
        least, usual = float(walls.min()), float(np.quantile(walls, 0.95))
        if least >= wall_mm:
            break
        level -= wall_mm - least + DISTANCE_ERROR_MM / 10.0
    if least < wall_mm or usual > wall_mm + TOLERANCE_MM:
        raise DesignRefused(
            f"A wall of {wall_mm:.2f} mm comes out as {least:.2f} to {usual:.2f} mm around this lumen.",
            cure="Smooth the segmentation, crop it to the vessels that are wanted, or choose a thicker wall.",
            rule="G-DES-01",
        )
    return Jacket(solid, least, usual, float(walls.max()))


def _filled(grid: Grid, field: Field, level: float) -> Manifold:
    """Every piece within the border, without the voids that walls of neighbouring vessels close off between them."""
    pieces = solid_of(surface_between(grid, field, level)).decompose()
    return Manifold.compose([piece for piece in pieces if piece.volume() > 0.0])


def _walls(lumen: Surface, outside: Mesh) -> NDArray[np.float64]:
    """The distances (n,) mm from the outside to the lumen: at its corners, and in the middles of edges and faces."""
    return lumen.unsigned(np.concatenate([outside.vertices, middles_of(outside)]))
