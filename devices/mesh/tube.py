"""Where a guide tube of a printed part lies: its axis, fitted to what the scan shows of its walls.

The outer wall and what can be seen of the bore are cylinders about one axis. Four figures place that axis, a fifth lets the
material be thicker or thinner alike; each point of the scan near a wall says one equation (least squares, Tukey's weights).
Accepted for guides of bone: 0.2 mm for a hole, 1 degree for its direction (8.2 of the regulatory presets).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.cover import Region
from devices.mesh.distance import Surface
from devices.mesh.register import tukey_weights

NEAR_MM = 1.5
WALL_MM = 0.1
UPRIGHT = 0.1
STEPS = 20
SETTLED = 1e-6
LEAST_POINTS = 60
LEAST_HEIGHT_MM = 1.0
SECTORS, LEAST_SECTORS = 12, 8


@dataclass(frozen=True)
class Placement:
    """Of a tube, against its place in the design: shift_mm, across its axis where that meets the bone; tilt_degrees."""

    shift_mm: float
    tilt_degrees: float


def placement(nominal: Surface, points: NDArray[np.float64], region: Region) -> Placement | None:
    """points (n, 3): the scan in the nominal frame, mm. None where too little of the walls was scanned to tell."""
    frame = _frame(np.array(region.axis))
    local = (points - np.array(region.base_mm)) @ frame.T
    near = (np.hypot(local[:, 0], local[:, 1]) <= region.radius_mm + NEAR_MM) & (
        (local[:, 2] >= 0.0) & (local[:, 2] <= region.height_mm + NEAR_MM)
    )
    local = local[near]
    closest = nominal.closest(points[near])
    wall = (closest.points - np.array(region.base_mm)) @ frame.T
    upright = np.abs(closest.normals @ frame[2]) <= UPRIGHT
    beside = np.hypot(wall[:, 0], wall[:, 1])
    outer = upright & (np.abs(beside - region.radius_mm) <= WALL_MM)
    bore = upright & (np.abs(beside - region.bore_mm) <= WALL_MM)
    used = (outer | bore) & (wall[:, 2] <= region.height_mm + WALL_MM)
    if not _enough(local[used]):
        return None
    return _fitted(local[used], beside[used], outer[used])


def _frame(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows: two directions across the axis, and the axis."""
    across = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(axis, across), axis])


def _enough(local: NDArray[np.float64]) -> bool:
    """Whether the points reach around the axis and along it."""
    if len(local) < LEAST_POINTS or np.ptp(local[:, 2]) < LEAST_HEIGHT_MM:
        return False
    angles = np.arctan2(local[:, 1], local[:, 0])
    return len(np.unique(np.floor(angles * SECTORS / math.tau))) >= LEAST_SECTORS


def _fitted(
    local: NDArray[np.float64], radius: NDArray[np.float64], outer: NDArray[np.bool_]
) -> Placement | None:
    """x, y at the bone, their slopes along the axis, and how much thicker the material is."""
    thicker = np.where(outer, 1.0, -1.0)
    height = local[:, 2]
    found = np.zeros(5)
    for _ in range(STEPS):
        x = local[:, 0] - found[0] - found[2] * height
        y = local[:, 1] - found[1] - found[3] * height
        beside = np.hypot(x, y)
        residual = beside - radius - thicker * found[4]
        east, north = x / beside, y / beside
        rows = np.stack([east, north, east * height, north * height, thicker], axis=1)
        root = np.sqrt(tukey_weights(residual))
        step = np.linalg.lstsq(rows * root[:, None], residual * root, rcond=1e-10)[0]
        found += step
        if np.abs(step).max() < SETTLED:
            break
    if not np.isfinite(found).all():
        return None
    tilt = math.degrees(math.atan(math.hypot(found[2], found[3])))
    return Placement(math.hypot(found[0], found[1]), tilt)
