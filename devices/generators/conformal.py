"""A wall of one thickness over the scan of a body surface, as fields on a grid and the solid between their surfaces.

The gap is the distance to the skin less the clearance that is asked for there, negative below the skin. The wall is what lies where it
is between nothing and the thickness. Inside and outside are drawn as surfaces of their own and subtracted: each is a smooth field where
it is crossed, so that the wall keeps its thickness however coarse the samples are. Where the wall ends is asked of the nearest place
on the skin, and not of the sample: its edge then stands upright on the skin.

A scan is open, so what is below it is told by its normals, between them smoothly; nothing is told beyond its rim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.shell import OUTSIDE, Frame, Grid, box_grid, surface_between
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, face_areas
from devices.mesh.rims import rims
from devices.mesh.solid import solid_of
from devices.mesh.thickness import vertex_normals
from mes.exceptions import Reason

Samples = NDArray[np.floating[Any]]
Points = NDArray[np.float64]
Amount = Callable[[Points], NDArray[np.float64]]
"""Points (n, 3) of the skin, LPS mm, to a number each."""

RULE = "G-DES-01"
MOST_SAMPLES = 12_000_000
BLOCK = 6
FAR = 1e3
SIGHT_MM = 0.05


def even(amount_mm: float) -> Amount:
    """The same everywhere."""
    return lambda points: np.full(len(points), amount_mm)


class Skin:
    """The scan of a body surface, its faces turned outwards. Raises DesignRefused for one that is inside out."""

    def __init__(self, scan: Mesh) -> None:
        self.mesh = scan
        self.surface = Surface(scan)
        self._normals = vertex_normals(scan)
        if not _bulges(self.surface):
            raise DesignRefused(
                "The faces of the scan look into the body, or it is hollow towards its outside.",
                cure="Export the scan with its faces turned outwards, and with enough around the place to show its shape.",
                rule=RULE,
            )

    def nearest(self, points: Points) -> tuple[NDArray[np.float64], Points]:
        """Signed distance (n,) mm, negative below the skin, and the nearest place (n, 3) of the skin."""
        found = self.surface.closest(points)
        away = points - found.points
        normals = self._smooth(found.points, found.faces)
        distance = np.linalg.norm(away, axis=1)
        return np.where((away * normals).sum(axis=1) < 0.0, -distance, distance), found.points

    def place(self, picked: tuple[float, float, float], what: str, within_mm: float = 5.0) -> Points:
        """The place (3,) of the skin nearest to one that was picked. Raises DesignRefused where that is too far away."""
        found = self.surface.closest(np.array([picked])).points[0]
        away = float(np.linalg.norm(found - np.array(picked)))
        if away > within_mm:
            raise DesignRefused(
                f"The {what} is {away:.1f} mm from the scan; {within_mm:g} mm are allowed.",
                cure="Pick it on the scan.",
                rule=RULE,
            )
        return np.asarray(found)

    def outward(self, about: Points, radius_mm: float) -> Points:
        """The mean outward normal (3,) of the skin around a place."""
        near = np.linalg.norm(self.mesh.vertices - about, axis=1) <= radius_mm
        if not near.any():
            near = np.linalg.norm(self.mesh.vertices - about, axis=1) <= 2.0 * radius_mm
        mean = self._normals[near].sum(axis=0) if near.any() else self.surface.closest(about[None]).normals[0]
        length = float(np.linalg.norm(mean))
        if length < 1e-9:
            raise DesignRefused(
                "The skin looks every way at once there.", cure="Pick another place.", rule=RULE
            )
        return np.asarray(mean / length)

    @cached_property
    def rim(self) -> Points:
        """Where the scan ends (n, 3): its border and the edges of its holes."""
        walks = rims(self.mesh.faces)
        ends = np.concatenate(walks) if walks else np.zeros(0, dtype=np.int32)
        return self.mesh.vertices[ends]

    def in_sight(self, points: Points, way: Points) -> NDArray[np.bool_]:
        """Which points (n, 3) of the skin have nothing of it before them, along a way (3,)."""
        start = points + SIGHT_MM * way
        return np.isinf(self.surface.first_hits(start, np.broadcast_to(way, start.shape)))

    def _smooth(self, points: Points, faces: NDArray[np.int64]) -> Points:
        """Normals at points of faces, between those of their corners: across an edge nothing jumps."""
        a, b, c = (self.mesh.vertices[self.mesh.faces[faces, corner]] for corner in range(3))
        shares = np.stack(
            [np.linalg.norm(np.cross(q - points, r - points), axis=1) for q, r in ((b, c), (c, a), (a, b))],
            axis=1,
        )
        corners = self._normals[self.mesh.faces[faces]]
        return np.asarray(np.einsum("ij,ijk->ik", shares + 1e-12, corners))


def _bulges(surface: Surface) -> bool:
    """Whether the faces look away from the middle of the surface, more than towards it."""
    areas = face_areas(surface.mesh)
    middles = surface.mesh.vertices[surface.mesh.faces].mean(axis=1)
    away = middles - np.average(middles, axis=0, weights=areas)
    return float(areas @ (away * surface.normals).sum(axis=1)) > 0.0


@dataclass(frozen=True, eq=False)
class Sampled:
    """On the samples of a grid (nu, nv, nw): the gap, mm, and how far inside the wall's outline the nearest place of the skin is, mm.

    Far from the skin the gap is FAR or lies below nothing, and the outline is not asked for.
    """

    grid: Grid
    gap: Samples
    inside: Samples


def sampled(
    skin: Skin,
    frame: Frame,
    *,
    reach_mm: float,
    spacing_mm: float,
    clearance: Amount,
    outline: Amount,
    off: Points | None = None,
) -> Sampled:
    """The fields around the part of the skin within its outline, as far from it as `reach_mm`.

    off: the way (3,) that the part is taken off along; what the skin hides from there, such as the far side of a limb, is left out.
    """
    wanted = outline(skin.mesh.vertices) > -2.0 * spacing_mm
    if off is not None:
        wanted[wanted] = skin.in_sight(skin.mesh.vertices[wanted], off)
    if not wanted.any():
        raise DesignRefused("The scan does not reach the place.", cure="Pick it on the scan.", rule=RULE)
    local = frame.to_local(skin.mesh.vertices[wanted])
    edge = reach_mm + 2.0 * spacing_mm
    low, high = local.min(axis=0) - edge, local.max(axis=0) + edge
    spacing = max(spacing_mm, float(np.cbrt(np.prod(high - low) / MOST_SAMPLES)))
    grid = box_grid(frame, low, high, spacing)
    gap = np.full(grid.shape, FAR, dtype=np.float32)
    inside = np.full(grid.shape, OUTSIDE, dtype=np.float32)
    for some in _near(grid, skin.surface, reach_mm + 2.0 * spacing):
        distance, places = skin.nearest(_points_of(grid, some))
        gap.ravel()[some] = distance - clearance(places)
        inside.ravel()[some] = outline(places)
    return Sampled(grid, gap, inside)


AT_ONCE = 400_000


def _near(grid: Grid, surface: Surface, reach: float) -> list[NDArray[np.int64]]:
    """The samples, in blocks, that may lie within `reach` of the surface: asked of the middles of blocks, not of each sample."""
    counts = [-(-n // BLOCK) for n in grid.shape]
    blocks = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, 3)
    middles = grid.corner + grid.spacing * (blocks * BLOCK + (BLOCK - 1) / 2.0)
    room = reach + grid.spacing * BLOCK * np.sqrt(3.0) / 2.0
    close = blocks[surface.unsigned(grid.frame.to_patient(middles)) <= room]
    steps = np.stack(np.meshgrid(*[np.arange(BLOCK)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found = []
    for start in range(0, len(close), AT_ONCE // BLOCK**3):
        index = (close[start : start + AT_ONCE // BLOCK**3, None] * BLOCK + steps).reshape(-1, 3)
        index = index[(index < np.array(grid.shape)).all(axis=1)]
        found.append(np.ravel_multi_index(tuple(index.T), grid.shape))
    return found


def _points_of(grid: Grid, some: NDArray[np.int64]) -> Points:
    index = np.stack(np.unravel_index(some, grid.shape), axis=1)
    return grid.frame.to_patient(grid.corner + grid.spacing * index)


def off_along_w(fields: Sampled) -> Sampled:
    """The fields of what can be put on and taken off along w: the least gap that a sample ever has on its way out, and the outline
    of the skin that leaves it. What lies under an overhang is filled, and the wall keeps its thickness over the filling."""
    gap, inside = fields.gap.copy(), fields.inside.copy()
    for below in range(gap.shape[2] - 2, -1, -1):
        barred = gap[:, :, below + 1] < gap[:, :, below]
        gap[:, :, below] = np.where(barred, gap[:, :, below + 1], gap[:, :, below])
        inside[:, :, below] = np.where(barred, inside[:, :, below + 1], inside[:, :, below])
    return Sampled(fields.grid, gap, inside)


def rounded(one: Samples, other: Samples, radius: float) -> Samples:
    """What is inside both fields, its edge rounded by a radius; 0 leaves it sharp."""
    if radius <= 0.0:
        return np.minimum(one, other)
    first, second = radius - one, radius - other
    outside = np.hypot(np.maximum(first, 0.0), np.maximum(second, 0.0))
    return np.asarray(radius - outside - np.minimum(np.maximum(first, second), 0.0), dtype=np.float32)


def wall(fields: Sampled, thickness_mm: float, *, outer_edge_mm: float, inner_edge_mm: float) -> Manifold:
    """The solid between the skin's clearance and the thickness, within the outline; both edges rounded."""
    spare = 2.0 * fields.grid.spacing
    gap, rest = fields.gap, thickness_mm - fields.gap
    # A sharp inner edge is left to the solids: one that is drawn through samples is ragged.
    within = rounded(gap, fields.inside, inner_edge_mm) if inner_edge_mm > 0.0 else gap
    inner = np.minimum(within, rest + spare)
    outer = np.minimum(rounded(rest, fields.inside, outer_edge_mm), gap + spare)
    return between(fields.grid, inner, outer)


def between(grid: Grid, inner: Samples, outer: Samples) -> Manifold:
    """What is inside both fields, each drawn by itself. Raises DesignRefused where that is nothing."""
    halves = [surface_between(grid, field.astype(np.float64)) for field in (inner, outer)]
    if not all(len(half.faces) for half in halves):
        raise DesignRefused("Nothing is left of the part.", cure="Widen or thicken it.", rule=RULE)
    return solid_of(halves[0]) ^ solid_of(halves[1])


def one_piece(solid: Manifold, pieces: int = 1, *, crumb_share: float = 0.01) -> Manifold:
    """The body without crumbs. Raises DesignRefused where it falls into more or fewer pieces."""
    found = sorted(solid.decompose(), key=lambda piece: -piece.volume())
    whole = sum(piece.volume() for piece in found)
    kept = [piece for piece in found if piece.volume() > crumb_share * whole]
    if len(kept) != pieces:
        raise DesignRefused([
            Reason(
                f"The part falls into {len(kept)} pieces; {pieces} {'is' if pieces == 1 else 'are'} wanted.",
                "Make openings smaller or move them apart; keep the part on the scanned skin.",
                RULE,
            )
        ])  # fmt: skip
    return Manifold.compose(kept) if pieces > 1 else kept[0]
