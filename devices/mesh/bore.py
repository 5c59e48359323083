"""Where a bore of a designed part lies, measured on its mesh alone: its axis, its diameter and how deep it reaches.

The walls of a bore are faces that look at its axis. The axis is the direction that all of their normals are square to, and the
diameter follows from the circle that the walls draw when one looks along it. Nothing of how the part was made is asked, so this
tells whether what was made is what was planned (G-BLD-01).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import face_areas, face_normals

SQUARE = 0.05
"""Sine: faces that lean less than 3 degrees to the axis sought are its walls."""
BAND_MM = 0.3
"""How much a wall may differ from the radius sought before it is another bore's."""
SHIFT_MM = 1.5
"""How far beside its place a bore is looked for."""
ROUNDS = 3
LEAST_FACES = 12
SECTORS, LEAST_SECTORS = 12, 10


@dataclass(frozen=True)
class Bore:
    """A measured bore, mm: a point on its axis, the unit axis, its diameter, and its two ends as heights along the axis from the
    point that was asked about."""

    point_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    diameter_mm: float
    ends_mm: tuple[float, float]

    @property
    def length_mm(self) -> float:
        return self.ends_mm[1] - self.ends_mm[0]

    def shift_from(self, point: NDArray[np.float64]) -> float:
        """How far the axis passes by a point, mm."""
        away = point - np.array(self.point_mm)
        return float(np.linalg.norm(away - (away @ np.array(self.axis)) * np.array(self.axis)))

    def tilt_from(self, axis: NDArray[np.float64]) -> float:
        """The angle to a direction, degrees, whichever way either points."""
        across = float(np.linalg.norm(np.cross(np.array(self.axis), axis)))
        return math.degrees(math.atan2(across, abs(float(np.array(self.axis) @ axis))))


def measure_bore(
    mesh: Mesh, point: NDArray[np.float64], axis: NDArray[np.float64], diameter_mm: float
) -> Bore | None:
    """The bore of about this diameter near a point (3,) LPS mm and a unit axis (3,); None where there is none.

    Heights are counted against the axis given: out of the bone where that points into it.
    """
    walls = _Walls.of(mesh)
    at, along, sought = point.astype(np.float64), axis.astype(np.float64), diameter_mm / 2.0
    radius = sought
    reach = SHIFT_MM
    used = np.zeros(0, dtype=np.int64)
    for _ in range(ROUNDS):
        # Always the radius sought: a longer bore on the same axis draws the first fit to its own, but not its middle.
        used = walls.around(at, along, sought, reach)
        if len(used) < LEAST_FACES:
            return None
        along = walls.direction(used, along)
        at, radius = walls.circle(used, point, along)
        reach = BAND_MM
    if abs(radius - sought) > BAND_MM or not walls.all_round(used, at, along):
        return None
    heights = -(mesh.vertices[np.unique(mesh.faces[used])] - point) @ along
    x, y, z = (float(part) for part in at)
    u, v, w = (float(part) for part in along)
    return Bore((x, y, z), (u, v, w), 2.0 * radius, (float(heights.min()), float(heights.max())))


@dataclass(frozen=True, eq=False)
class _Walls:
    """The faces of a mesh: their middles (m, 3), unit normals (m, 3) and areas (m,)."""

    mesh: Mesh
    middles: NDArray[np.float64]
    normals: NDArray[np.float64]
    areas: NDArray[np.float64]

    @classmethod
    def of(cls, mesh: Mesh) -> _Walls:
        return cls(mesh, mesh.vertices[mesh.faces].mean(axis=1), face_normals(mesh), face_areas(mesh))

    def around(
        self, at: NDArray[np.float64], along: NDArray[np.float64], radius: float, reach: float
    ) -> NDArray[np.int64]:
        """Faces that stand upright about the axis, at about its radius, and look at it."""
        away = self.middles - at
        across = away - (away @ along)[:, None] * along
        distance = np.linalg.norm(across, axis=1)
        inward = (across * self.normals).sum(axis=1) < -0.5 * distance
        upright = np.abs(self.normals @ along) < SQUARE
        return np.flatnonzero(upright & inward & (np.abs(distance - radius) < reach) & (distance > 0.0))

    def direction(self, used: NDArray[np.int64], along: NDArray[np.float64]) -> NDArray[np.float64]:
        """The unit vector that the normals are most square to, the same way as `along`."""
        weighted = self.normals[used] * np.sqrt(self.areas[used])[:, None]
        found = np.linalg.svd(weighted, full_matrices=False)[2][-1]
        return np.asarray(found if found @ along > 0 else -found, dtype=np.float64)

    def circle(
        self, used: NDArray[np.int64], point: NDArray[np.float64], along: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """The circle about the axis that the walls' planes touch: every plane says how far it is from the middle."""
        first = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
        first /= np.linalg.norm(first)
        plane = np.stack([first, np.cross(along, first)])
        normals = self.normals[used] @ plane.T
        offsets = ((self.middles[used] - point) * self.normals[used]).sum(axis=1)
        root = np.sqrt(self.areas[used])
        rows = np.concatenate([normals, -np.ones((len(used), 1))], axis=1) * root[:, None]
        x, y, radius = np.linalg.lstsq(rows, offsets * root, rcond=None)[0]
        return point + x * plane[0] + y * plane[1], float(radius)

    def all_round(self, used: NDArray[np.int64], at: NDArray[np.float64], along: NDArray[np.float64]) -> bool:
        """Whether the walls reach around the axis: half a bore is none."""
        first = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
        away = self.middles[used] - at
        angles = np.arctan2(away @ np.cross(along, first), away @ first)
        return len(np.unique(np.floor(angles * SECTORS / math.tau))) >= LEAST_SECTORS
