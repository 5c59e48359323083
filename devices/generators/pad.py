"""The pad of a guide: the shell over the bone, freed of everything too thin to build, with feet for its tubes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.shell import (
    OUTSIDE,
    Field,
    Frame,
    Grid,
    box_grid,
    distance_around,
    frame_on,
    free_way,
    surface_between,
)
from devices.generators.site import Site
from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of, solid_of

FINEST_MM, USUAL_MM = 0.3, 0.5
MAXIMUM_SAMPLES = 3_000_000
WALL_MARGIN = 1.1
FOOT_INSET_MM = 0.1
FOOT_RISE_MM = 0.8
TUBE_OVERLAP_MM = 0.3
NOTABLE_LOSS = 0.05


@dataclass(frozen=True, eq=False)
class Tube:
    """A tube to build: where its axis meets the bone (LPS mm), the unit axis into it, radii and height in mm."""

    position: NDArray[np.float64]
    axis: NDArray[np.float64]
    inner_radius: float
    outer_radius: float
    height: float

    @cached_property
    def frame(self) -> Frame:
        """Its own frame: origin at the bone, w towards the rim."""
        return frame_on(self.position, -self.axis)

    def ring(self, radius: float, height: float) -> NDArray[np.float64]:
        """Eight points (8, 3) LPS mm around the axis, `height` above the bone."""
        angles = np.arange(8) * np.pi / 4.0
        local = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(8, height)], axis=1)
        return self.frame.to_patient(local)


@dataclass(frozen=True, eq=False)
class Pad:
    """The pad's solid; from what height above the bone each tube may stand free; how low the pad reaches along each tube,
    mm, negative below the bone."""

    solid: Manifold
    tube_starts: tuple[float, ...]
    lowest: tuple[float, ...]
    warnings: tuple[str, ...]


def fitted_pad(
    site: Site,
    tubes: Sequence[Tube],
    *,
    clearance_mm: float,
    thickness_mm: float,
    extent_mm: float,
    depth_mm: float,
    minimum_wall_mm: float,
) -> Pad:
    """The pad with the feet of its tubes. Raises DesignRefused when the bone gives it no hold."""
    radius = WALL_MARGIN * minimum_wall_mm / 2.0
    grid = _grid(site, clearance_mm + thickness_mm, extent_mm, depth_mm, thickness_mm - 2.0 * radius)
    way = free_way(grid, site.near, site.ceiling)
    local = grid.local_points.reshape(*grid.shape, 3)
    across = np.hypot(local[..., 0], local[..., 1])
    field = np.minimum(way - clearance_mm, clearance_mm + thickness_mm - way)
    field = np.minimum(field, np.minimum(extent_mm - across, local[..., 2] + depth_mm))
    starts = []
    for tube in tubes:
        foot, start = foot_of(grid, way - clearance_mm, tube)
        field = np.maximum(field, np.minimum(foot, local[..., 2] + depth_mm))
        starts.append(start)
    solid, warnings = without_thin_parts(grid, field, radius)
    corners = mesh_of(solid).vertices
    lowest = tuple(min(0.0, float(tube.frame.to_local(corners)[:, 2].min())) for tube in tubes)
    return Pad(solid, tuple(starts), lowest, warnings)


def _grid(site: Site, rise: float, extent: float, depth: float, core: float) -> Grid:
    """As fine as the core that must survive the thinning needs, and no finer than memory bears."""
    heights = site.frame.to_local(site.near.mesh.vertices)
    beside = np.hypot(heights[:, 0], heights[:, 1]) <= extent + rise
    top = float(heights[beside, 2].max(initial=0.0)) if beside.any() else 0.0
    low = np.array([-extent, -extent, -depth])
    high = np.array([extent, extent, min(top, 2.0 * extent) + rise])
    spacing = float(np.clip(core / 2.5, FINEST_MM, USUAL_MM))
    spacing = max(spacing, float(np.cbrt(np.prod(high - low) / MAXIMUM_SAMPLES)))
    return box_grid(site.frame, low, high, spacing)


def foot_of(grid: Grid, free: Field, tube: Tube) -> tuple[Field, float]:
    """What joins a tube to the bone's shape: a field, and the height above which the tube's full round stands free."""
    local = tube.frame.to_local(grid.points).reshape(*grid.shape, 3)
    across, up = np.hypot(local[..., 0], local[..., 1]), local[..., 2]
    under = (across <= tube.outer_radius + grid.spacing) & (free < 0.0)
    start = float(up[under].max(initial=0.0)) + TUBE_OVERLAP_MM + grid.spacing / 2.0
    if start + FOOT_RISE_MM + 1.0 > tube.height:
        raise DesignRefused(
            f"The bone rises {start:.1f} mm beside a tube that is {tube.height:.1f} mm high.",
            cure="Make the tube higher or move it.",
            rule="G-DES-01",
        )
    foot = np.minimum(tube.outer_radius - FOOT_INSET_MM - across, start + FOOT_RISE_MM - up)
    return np.minimum(foot, free), start


def without_thin_parts(grid: Grid, field: Field, radius: float) -> tuple[Manifold, tuple[str, ...]]:
    """A morphological opening with a ball: what no ball of `radius` fits into goes, and everything else stays."""
    opened, whole_mm3 = opening(grid, field, radius)
    solid = body_of(grid, opened)
    return solid, loss_warning(solid, whole_mm3)


def opening(grid: Grid, field: Field, radius: float) -> tuple[Field, float]:
    """The field of `without_thin_parts`, and the volume (mm³) of the body before anything was taken away."""
    whole = body_of(grid, field)
    depth_in = distance_around(grid, Surface(mesh_of(whole)), field > 0.0)
    depth_in = np.where(field > 0.0, depth_in, np.maximum(-depth_in, OUTSIDE))
    core = body_of(grid, depth_in, radius)
    reach = distance_around(grid, Surface(mesh_of(core)), field > 0.0)
    grown = np.where(depth_in > radius, radius + reach, np.maximum(radius - reach, OUTSIDE))
    return np.minimum(grown, field), whole.volume()


def loss_warning(solid: Manifold, whole_mm3: float) -> tuple[str, ...]:
    lost = 1.0 - solid.volume() / whole_mm3
    text = f"{lost:.0%} of the part was too thin to build, or loose, and was left out."
    return (text,) if lost > NOTABLE_LOSS else ()


def body_of(grid: Grid, field: Field, level: float = 0.0) -> Manifold:
    """The largest piece, without what floats beside it and without voids inside it."""
    mesh = surface_between(grid, field, level)
    pieces = solid_of(mesh).decompose() if len(mesh.faces) else []
    if not pieces:
        raise DesignRefused(
            "The surface gives no hold: nothing thick enough is left.",
            cure="Widen or thicken the part, or move it.",
            rule="G-DES-01",
        )
    return max(pieces, key=lambda piece: piece.volume())
