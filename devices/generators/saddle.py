"""The body of a guide that rides on a bone: it rests on chosen places and keeps off everything between them.

The shell of `shell` keeps one distance everywhere; here the distance is a field. Within a place of contact it is the clearance, and
around it rises to the relief, so that the guide touches nothing that was not chosen. The outline is what lies near a line
from tube to tube through the contacts, so the body is of one piece wherever the bone lets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.pad import MAXIMUM_SAMPLES, Tube, body_of, foot_of, loss_warning, opening
from devices.generators.shell import Field, Grid, box_grid, free_way, surface_between
from devices.generators.site import Site
from devices.mesh.base import Mesh
from devices.mesh.distance import middles_of
from devices.mesh.solid import mesh_of

WALL_MARGIN = 1.1
COARSENESS = 0.25
"""The share of the spacing by which a wall may come out thinner than the ball that fits into it."""
TOP_MM = 1.0
PASSES = 6
SAFETY = 0.03
"""The share of the spacing by which the body keeps further off the bone where it was corrected: it is looked at in places."""


@dataclass(frozen=True, eq=False)
class Saddle:
    """What the body is made by, mm. contacts: (n, 3) on the bone, LPS; floor_mm: the local height below which nothing reaches."""

    site: Site
    contacts: NDArray[np.float64]
    contact_radius_mm: float
    floor_mm: float
    clearance_mm: float
    relief_mm: float
    thickness_mm: float
    width_mm: float
    minimum_wall_mm: float
    spacing_mm: float

    def within_contact(self, local: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far local points (..., 3) lie outside the places of contact, seen along the insertion; 0 inside."""
        middles = self.site.frame.to_local(self.contacts)[:, :2]
        away = [np.hypot(local[..., 0] - x, local[..., 1] - y) for x, y in middles]
        outside = np.minimum.reduce(away) - self.contact_radius_mm
        return np.asarray(np.maximum(outside, 0.0), dtype=np.float64)

    def standoff(self, local: NDArray[np.float64]) -> NDArray[np.float64]:
        """The least distance (...) mm from the bone that local points (..., 3) keep."""
        return self.clearance_mm + np.minimum(self.within_contact(local), self.relief_mm - self.clearance_mm)

    def lack(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much LPS points (n, 3) come nearer to the bone than they may (n,) mm; negative where they keep off."""
        return self.standoff(self.site.frame.to_local(points)) - self.distance(points)

    def distance(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """From LPS points (n, 3) to the bone (n,) mm; negative where it lies in their way out."""
        distance = self.site.near.unsigned(points)
        barred = np.isfinite(self.site.near.first_hits(points, self.site.frame.axes[2]))
        return np.where(barred, -distance, distance)


@dataclass(frozen=True, eq=False)
class Body:
    """tube_starts: the height above the entry from which each tube stands free.  lowest: of the body along each tube.  top_mm:
    the local height of the body over its middle, where a mark goes."""

    solid: Manifold
    tube_starts: tuple[float, ...]
    lowest: tuple[float, ...]
    top_mm: float
    warnings: tuple[str, ...]


def saddle_body(saddle: Saddle, tubes: Sequence[Tube]) -> Body:
    """The body with the feet of its tubes. Raises DesignRefused where the bone gives it no hold."""
    grid = _grid(saddle, tubes)
    local = grid.local_points.reshape(*grid.shape, 3)
    columns = local[:, :, :1]
    standoff, outline = saddle.standoff(columns), _outline(saddle, tubes, columns)
    over = (outline > -2.0 * grid.spacing) | _under_tubes(saddle, tubes, columns, 2.0 * grid.spacing)
    way = free_way(grid, saddle.site.near, saddle.site.ceiling, over[..., 0])
    free = way - standoff
    above_floor = local[..., 2] - saddle.floor_mm
    band = np.minimum(free, standoff + saddle.thickness_mm - way)
    field = np.minimum(np.minimum(band, outline), above_floor)
    starts = []
    for tube in tubes:
        foot, start = foot_of(grid, free, tube)
        field = np.maximum(field, np.minimum(foot, above_floor))
        starts.append(start)
    radius = WALL_MARGIN * saddle.minimum_wall_mm / 2.0 + COARSENESS * grid.spacing
    opened, whole_mm3 = opening(grid, _kept_off(grid, saddle, field), radius)
    solid = body_of(grid, _kept_off(grid, saddle, opened))
    corners = mesh_of(solid).vertices
    lowest = tuple(min(0.0, float(tube.frame.to_local(corners)[:, 2].min())) for tube in tubes)
    return Body(solid, tuple(starts), lowest, _top(saddle, tubes, corners), loss_warning(solid, whole_mm3))


def _kept_off(grid: Grid, saddle: Saddle, field: Field) -> Field:
    """The body's field, lowered until the surface between its samples, too, keeps off the bone.

    Between samples the field is taken as straight and the bone is not: on ridges and in creases the surface would come nearer to the
    bone than asked for, by as much as a third of the spacing. Where it does, the samples around are lowered by what lacks.
    """
    for _ in range(PASSES):
        points, lack = _lack_on(saddle, surface_between(grid, field), grid.spacing)
        lack += SAFETY * grid.spacing
        lacking = lack > SAFETY * grid.spacing / 2.0
        if not lacking.any():
            break
        cells = ((grid.frame.to_local(points[lacking]) - grid.corner) / grid.spacing).astype(np.int64)
        lowered = np.zeros(grid.shape)
        for corner in np.ndindex(2, 2, 2):
            np.maximum.at(lowered, tuple((cells + corner).T), lack[lacking])
        field = field - lowered
    return field


def _lack_on(saddle: Saddle, mesh: Mesh, spacing: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a surface is looked at (n, 3), and what lacks there (n,): its corners, and the middles of the edges and faces anywhere near the bone."""
    at_corners = saddle.lack(mesh.vertices)
    faces = mesh.faces[(at_corners > -spacing)[mesh.faces].any(axis=1)]
    middles = middles_of(Mesh(mesh.vertices, faces))
    return np.concatenate([mesh.vertices, middles]), np.concatenate([at_corners, saddle.lack(middles)])


def _outline(saddle: Saddle, tubes: Sequence[Tube], local: NDArray[np.float64]) -> Field:
    """How far inside the outline each sample lies, seen along the insertion; negative outside."""
    inside = saddle.contact_radius_mm - _away_from(saddle.site.frame.to_local(saddle.contacts), local)
    path = _path(saddle, tubes)
    for one, other in pairwise(path):
        inside = np.maximum(inside, saddle.width_mm / 2.0 - _from_segment(one, other, local))
    feet = np.stack([path[0], path[-1]])
    widest = max(tube.outer_radius for tube in tubes)
    return np.maximum(inside, widest - _away_from(feet, local))


def _under_tubes(
    saddle: Saddle, tubes: Sequence[Tube], columns: NDArray[np.float64], margin: float
) -> NDArray[np.bool_]:
    """Which columns hold some of a tube, from the floor of the body to its rim, or lie within the margin of it."""
    found = []
    for tube in tubes:
        low, high = saddle.site.frame.to_local(
            np.stack([tube.position, tube.position - tube.height * tube.axis])
        )
        bottom = low + (high - low) * min((saddle.floor_mm - low[2]) / (high[2] - low[2]), 0.0)
        found.append(_from_segment(bottom, high, columns) <= tube.outer_radius + margin)
    return np.asarray(np.logical_or.reduce(found), dtype=np.bool_)


def _path(saddle: Saddle, tubes: Sequence[Tube]) -> NDArray[np.float64]:
    """From tube to tube through the contacts, in the order in which they lie across: local points (n, 3)."""
    entries = np.array([tube.position for tube in tubes])
    points = saddle.site.frame.to_local(np.concatenate([entries, saddle.contacts]))
    return points[np.argsort(points[:, 0], kind="stable")]


def _away_from(middles: NDArray[np.float64], local: NDArray[np.float64]) -> NDArray[np.float64]:
    away = [np.hypot(local[..., 0] - x, local[..., 1] - y) for x, y in middles[:, :2]]
    return np.asarray(np.minimum.reduce(away), dtype=np.float64)


def _from_segment(
    one: NDArray[np.float64], other: NDArray[np.float64], local: NDArray[np.float64]
) -> NDArray[np.float64]:
    start, along = one[:2], other[:2] - one[:2]
    away = local[..., :2] - start
    share = np.clip(away @ along / max(float(along @ along), 1e-9), 0.0, 1.0)
    return np.asarray(np.linalg.norm(away - share[..., None] * along, axis=-1), dtype=np.float64)


def _grid(saddle: Saddle, tubes: Sequence[Tube]) -> Grid:
    frame = saddle.site.frame
    path = _path(saddle, tubes)
    margin = (
        max(saddle.contact_radius_mm, saddle.width_mm / 2.0, *(tube.outer_radius for tube in tubes)) + 1.0
    )
    low, high = path.min(axis=0) - margin, path.max(axis=0) + margin
    heights = frame.to_local(saddle.site.near.mesh.vertices)
    beside = ((heights[:, :2] >= low[:2]) & (heights[:, :2] <= high[:2])).all(axis=1)
    rise = saddle.relief_mm + saddle.thickness_mm + TOP_MM
    low[2] = saddle.floor_mm
    high[2] = float(heights[beside, 2].max(initial=0.0)) + rise
    spacing = max(saddle.spacing_mm, float(np.cbrt(np.prod(high - low) / MAXIMUM_SAMPLES)))
    return box_grid(frame, low, high, spacing)


def _top(saddle: Saddle, tubes: Sequence[Tube], corners: NDArray[np.float64]) -> float:
    local = saddle.site.frame.to_local(corners)
    middle = _path(saddle, tubes)[:, :2].mean(axis=0)
    over = np.hypot(*(local[:, :2] - middle).T) <= saddle.width_mm
    return float(local[over if over.any() else slice(None), 2].max())
