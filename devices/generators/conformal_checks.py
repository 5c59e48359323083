"""What is measured back on a conformal wall, on the finished mesh and against the scan, and what is refused for it.

Nothing of the fields that made the wall is asked again: the distance to the skin is taken at points of the mesh, and where the part is
put on along a direction, at places further and further out on its way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.conformal import RULE, Amount, Points, Skin
from devices.generators.engraving import Mark, engraved
from devices.generators.lettering import lettering
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, face_areas, face_normals, sample_surface
from devices.mesh.settled import settled
from devices.mesh.solid import mesh_of
from devices.mesh.wall import walls_of
from mes.exceptions import Reason

SAMPLES = 5_000
STEP_MM, WAY_MM = 0.5, 30.0
ALONG = 0.95
"""Cosine between a face and the way to the skin: less, and the face belongs to an edge."""
SHARE = 0.99
RIM_MM = 1.0
STEEP_SHARE = 0.05
"""Of a region that may be steeper than allowed: a nose in it is no reason to refuse the cheek around it."""
TOLERANCE_MM = 0.15
"""Of the thickness, and of the gap to the skin: what 99 % of the wall keeps. A part beyond it is refused."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a wall was asked for. off: the unit way (3,) that it is taken off along; None where it is not put on along one.
    edge_mm: nearer to its outline than this it is an edge. flat: its outer side is a plane, no nearer than the thickness."""

    skin: Skin
    clearance: Amount
    outline: Amount
    thickness_mm: float
    edge_mm: float
    off: Points | None = None
    flat: bool = False

    def on_outer_side(self, points: Points, normals: Points) -> NDArray[np.bool_]:
        """Which points (n, 3) of the wall lie on its outer side, where its code may stand."""
        distance, places = self.skin.nearest(points)
        facing = ((points - places) * normals).sum(axis=1) / np.maximum(np.abs(distance), 1e-9)
        outer = distance - self.clearance(places) > self.thickness_mm / 2.0
        return np.asarray(outer & ((facing > ALONG) | self.flat) & (self.outline(places) > self.edge_mm))


@dataclass(frozen=True, eq=False)
class Sides:
    """Points spread over a wall. gap: from there to the skin, or to what fills its undercuts, less the clearance, mm (n,);
    straight: to the skin itself; outside, inside: which lie on the outer and on the inner side."""

    gap: NDArray[np.float64]
    straight: NDArray[np.float64]
    outside: NDArray[np.bool_]
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class Code:
    """What is engraved on the outer side, mm. place: near where, LPS mm; None takes the flattest place."""

    text: str
    height_mm: float
    depth_mm: float
    place: tuple[float, float, float] | None = None

    @property
    def width_mm(self) -> float:
        return lettering(self.text, self.height_mm).width_mm


def within_scan(skin: Skin, outline: Amount, off: Points | None = None) -> None:
    """Raises DesignRefused where the scan ends, or has a hole, inside the outline; `off`: as in `sampled`."""
    ends = skin.rim[outline(skin.rim) > -RIM_MM] if len(skin.rim) else skin.rim
    if off is not None and len(ends):
        ends = ends[skin.in_sight(ends, off)]
    if len(ends):
        x, y, z = ends[0]
        raise DesignRefused(
            f"The scan ends, or has a hole, under the part, as at {x:.0f}, {y:.0f}, {z:.0f} mm.",
            cure="Choose a place further inside the scan, or scan more of it.",
            rule=RULE,
        )


def refuse_steep(skin: Skin, off: Points, outline: Amount, limit_deg: float) -> None:
    """Raises DesignRefused where too much of the skin inside the outline turns away from the way off."""
    mesh = skin.mesh
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    inside = outline(middles) > 0.0
    inside[inside] = skin.in_sight(middles[inside], off)
    areas = face_areas(mesh)[inside]
    steep = skin.surface.normals[inside] @ off < np.cos(np.deg2rad(limit_deg))
    share = float(areas[steep].sum() / max(float(areas.sum()), 1e-9))
    if share > STEEP_SHARE:
        raise DesignRefused(
            f"{share:.0%} of the region is steeper than {limit_deg:g} degrees to the way that the part is put on.",
            cure="Choose a smaller region, or turn the direction.",
            rule=RULE,
        )


def finished(
    solid: Manifold, asked: Asked, minimum_wall_mm: float, code: Code | None
) -> tuple[Mesh, dict[str, float]]:
    """The part with its code, as its file will have it, and everything measured on it. Raises DesignRefused."""
    measures = measured_wall(mesh_of(solid), asked)
    mark = None
    if code is not None:
        solid, mark = engraved(
            solid,
            code.text,
            height_mm=code.height_mm,
            depth_mm=code.depth_mm,
            wall_mm=minimum_wall_mm,
            place=code.place,
            on=asked.on_outer_side,
            follows=True,
        )
    mesh = settled(solid)
    return mesh, measures | measured_body(mesh, minimum_wall_mm, mark)


def measured_wall(mesh: Mesh, asked: Asked) -> dict[str, float]:
    """Thickness and fit as built, before anything is engraved. Raises DesignRefused where either is off by more than the tolerance."""
    sides = _sides(mesh, asked)
    if not sides.outside.any() or not sides.inside.any():
        raise DesignRefused("Too little is left of the part to measure.", cure="Make it wider.", rule=RULE)
    thickness, fit = sides.gap[sides.outside], np.abs(sides.gap[sides.inside])
    missing = np.clip(asked.thickness_mm - thickness, 0.0, None)
    error = missing if asked.flat else np.abs(thickness - asked.thickness_mm)
    measures = {
        "thickness_minimum_mm": float(thickness.min()),
        "thickness_maximum_mm": float(thickness.max()),
        "thickness_error_p95_mm": float(np.quantile(error, 0.95)),
        "thickness_error_p99_mm": float(np.quantile(error, SHARE)),
        "fit_error_p95_mm": float(np.quantile(fit, 0.95)),
        "fit_error_p99_mm": float(np.quantile(fit, SHARE)),
        "gap_filled_maximum_mm": float(np.clip((sides.straight - sides.gap)[sides.inside], 0.0, None).max()),
    }
    wrong = [
        Reason(
            f"The {what} is off by {measures[name]:.2f} mm in places; {TOLERANCE_MM:g} mm are stated.",
            "Scan the place finer or smoother, choose a smaller region, or turn the insertion.",
            RULE,
        )
        for name, what in (("thickness_error_p99_mm", "thickness"), ("fit_error_p99_mm", "fit to the skin"))
        if measures[name] > TOLERANCE_MM
    ]
    if wrong:
        raise DesignRefused(wrong)
    return measures


def _sides(mesh: Mesh, asked: Asked) -> Sides:
    points, faces = sample_surface(mesh, SAMPLES, np.random.default_rng(0))
    normals = face_normals(mesh)[faces]
    distance, places, away = _least(points, asked)
    gap = distance - asked.clearance(places)
    straight, _ = asked.skin.nearest(points)
    facing = (normals * away).sum(axis=1) / np.maximum(np.linalg.norm(away, axis=1), 1e-9)
    middle = asked.outline(places) > asked.edge_mm + 0.5
    outside = middle & (gap > asked.thickness_mm / 2.0) & ((facing > ALONG) | asked.flat)
    if asked.flat and asked.off is not None:
        outside &= normals @ asked.off > ALONG
    inside = middle & (gap < asked.thickness_mm / 2.0) & (facing < -ALONG)
    return Sides(gap, straight - asked.clearance(places), outside, inside)


def _least(points: Points, asked: Asked) -> tuple[NDArray[np.float64], Points, Points]:
    """The least distance (n,) to the skin on the way off, the place (n, 3) of the skin, and the way from there."""
    best, places = asked.skin.nearest(points)
    away = points - places
    if asked.off is None:
        return best, places, away
    out, still = np.full(len(points), STEP_MM), np.arange(len(points))
    while len(still):
        there = points[still] + out[still, None] * asked.off
        distance, met = asked.skin.nearest(there)
        nearer = distance < best[still]
        found = still[nearer]
        best[found], places[found], away[found] = distance[nearer], met[nearer], (there - met)[nearer]
        # A distance falls no faster than one walks: until it can be the least one again, nothing has to be asked.
        out[still] += np.maximum(distance - best[still], STEP_MM)
        still = still[out[still] <= WAY_MM]
    return best, places, away


def measured_body(mesh: Mesh, minimum_wall_mm: float, mark: Mark | None) -> dict[str, float]:
    """Volume, area and the thinnest wall of the finished part. Raises DesignRefused for one that cannot be built."""
    report = check_mesh(mesh)
    points, normals, walls = walls_of(Surface(mesh))
    if mark is not None:
        walls = walls[~mark.holds(points, normals)]
    thinnest = float(walls.min())
    if thinnest < minimum_wall_mm:
        raise DesignRefused(
            f"The part is only {thinnest:.2f} mm thick in places; {minimum_wall_mm:.2f} mm are needed.",
            cure="Make it thicker, or move openings and edges away from folds of the skin.",
            rule=RULE,
        )
    return {
        "volume_ml": report.volume_ml,
        "area_mm2": report.area_mm2,
        "minimum_wall_mm": thinnest,
        "wall_p01_mm": float(np.quantile(walls[np.isfinite(walls)], 0.01)),
    }
