"""Where a guide tube of a printed part lies: its axis, fitted to what the scan shows of its walls.

The outer wall and what can be seen of the bore are cylinders about one axis. Four figures place that axis, a fifth and a
sixth are how much wider each of them is; each point of the scan near a wall says one equation (least squares, Tukey's
weights). Accepted for guides of bone: 0.2 mm for a hole, 1 degree for its direction (8.2 of the regulatory presets).
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
LEAST_BORE_POINTS = 30
LEAST_HEIGHT_MM = 1.0
SECTORS, LEAST_SECTORS = 12, 8


@dataclass(frozen=True)
class Placement:
    """Of a tube, against its place in the design: shift_mm, across its axis where that meets the bone; tilt_degrees.

    wider_mm: how much the diameter of its bore is larger than designed; None where too little of the bore was scanned.
    """

    shift_mm: float
    tilt_degrees: float
    wider_mm: float | None


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
    if not _enough(local[used], LEAST_POINTS) or np.ptp(local[used, 2]) < LEAST_HEIGHT_MM:
        return None
    told = _enough(local[used & bore], LEAST_BORE_POINTS)
    return _fitted(local[used], beside[used], outer[used], told)


def _frame(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows: two directions across the axis, and the axis."""
    across = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(axis, across), axis])


def _enough(local: NDArray[np.float64], least: int) -> bool:
    """Whether there are so many points, and they reach around the axis."""
    angles = np.arctan2(local[:, 1], local[:, 0])
    sectors = np.unique(np.floor(angles * SECTORS / math.tau))
    return len(local) >= least and len(sectors) >= LEAST_SECTORS


def _fitted(
    local: NDArray[np.float64], radius: NDArray[np.float64], outer: NDArray[np.bool_], told: bool
) -> Placement | None:
    """x, y at the bone, their slopes along the axis, and how much wider the outer wall and the bore are, as radii."""
    height, walls = local[:, 2], np.stack([outer, ~outer], axis=1).astype(np.float64)
    away = np.hypot(local[:, 0], local[:, 1]) - radius
    # From the middle of each wall, else the weights would leave a wall out that lies beside its place altogether.
    found = np.array([0.0] * 4 + [float(np.median(away[on])) if on.any() else 0.0 for on in (outer, ~outer)])
    for _ in range(STEPS):
        x = local[:, 0] - found[0] - found[2] * height
        y = local[:, 1] - found[1] - found[3] * height
        beside = np.hypot(x, y)
        residual = beside - radius - walls @ found[4:]
        east, north = x / beside, y / beside
        rows = np.concatenate([np.stack([east, north, east * height, north * height], axis=1), walls], axis=1)
        root = np.sqrt(tukey_weights(residual))
        step = np.linalg.lstsq(rows * root[:, None], residual * root, rcond=1e-10)[0]
        found += step
        if np.abs(step).max() < SETTLED:
            break
    if not np.isfinite(found).all():
        return None
    tilt = math.degrees(math.atan(math.hypot(found[2], found[3])))
    return Placement(math.hypot(found[0], found[1]), tilt, 2.0 * float(found[5]) if told else None)
