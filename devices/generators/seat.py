"""How well a guide knows its place on the bone: whether it would rock, and whether another place would fit as well.

Both are measures of the contact alone. Each small part of it stops the guide from moving along its normal. Summed up, that is
a stiffness against the six ways in which a body can move (Asada and By 1985: kinematic analysis of fixtures); its smallest eigenvalue
over its largest says how much less the guide is held in its weakest way than in its strongest. A flat or round seat, which
fits anywhere, gives 0. Whether it rocks is a matter of where it is pressed: inside the hull of the contact it stands, outside it tips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPoint, Point

LEAST_POINTS = 12


@dataclass(frozen=True)
class Seat:
    """uniqueness: smallest over largest eigenvalue of the contact's stiffness, rotations about its middle scaled by its radius.

    support_mm: from the worst place where the guide is pressed to the edge of the contact's hull, seen along the
    insertion; negative outside.  radius_mm: how far the contact reaches from its middle (root mean square).
    """

    uniqueness: float
    support_mm: float
    radius_mm: float


def score_seat(
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    insertion: NDArray[np.float64],
    pressed: NDArray[np.float64],
) -> Seat:
    """points (n, 3) LPS mm spread evenly over the contact, with unit normals (n, 3); where the guide is pressed (k, 3), and the
    unit vector that it is put on along. Raises ValueError for less contact than can be judged."""
    if len(points) < LEAST_POINTS:
        raise ValueError("a seat needs contact")
    middle = points.mean(axis=0)
    arms = points - middle
    radius = float(np.sqrt((arms**2).sum(axis=1).mean()))
    ways = np.concatenate([normals, np.cross(arms, normals) / radius], axis=1)
    held = np.linalg.eigvalsh(ways.T @ ways / len(points))
    return Seat(
        float(max(held[0], 0.0) / held[-1]),
        _support(arms, pressed - middle, insertion),
        radius,
    )


def _support(
    arms: NDArray[np.float64], pressed: NDArray[np.float64], insertion: NDArray[np.float64]
) -> float:
    first = np.cross(insertion, np.eye(3)[int(np.argmin(np.abs(insertion)))])
    first /= np.linalg.norm(first)
    plane = np.stack([first, np.cross(insertion, first)])
    hull = MultiPoint(arms @ plane.T).convex_hull
    inside = [
        (hull.contains(place), hull.boundary.distance(place)) for place in map(Point, pressed @ plane.T)
    ]
    return float(min(distance if held else -distance for held, distance in inside))
