"""Which vertebra it is: counted, one by one, from a level that shows by itself what it is.

A vertebra of the spine's middle looks like its neighbours, and the wrong level is the commonest wrong-site operation of
the spine. So a plan does not name a level; it counts to it, and every vertebra on the way is picked on the images. Where
the images hold no level that shows what it is, there is nothing to count from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from devices.planning.base import Ground, Reading

LANDMARKS = {"C2": "the dens", "T1": "the first rib", "S1": "the sacrum"}
"""Levels that show what they are, and by what."""
RARE = frozenset({"T13", "L6"})
"""Counted where a spine has them; passed over where it has not."""
LEVELS = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 14)),
    *(f"L{n}" for n in range(1, 7)),
    "S1",
)
CLOSEST_MM, FURTHEST_MM = 8.0, 70.0
"""From the middle of a vertebra to its neighbour's."""
MOST = 26


def read_count(reading: Reading, given: object, level: str, ground: Ground) -> list[dict[str, Any]]:
    """The way from a landmark level to `level`: [{level, point_mm}], each the neighbour of the one before."""
    rows = reading.rows("The count", given, MOST)
    counted = []
    for row in rows:
        reading.known("a counted level", row, ("level", "point_mm"))
        name = str(row.get("level", ""))
        if name not in LEVELS:
            reading.fault(
                f"'{name[:10]}' is no level of the spine.", f"Choose from {LEVELS[0]} to {LEVELS[-1]}."
            )
            continue
        counted.append({"level": name, "point_mm": reading.point(f"Where {name} lies", row.get("point_mm"))})
    if len(counted) == len(rows) and not reading.faults:
        _check(reading, counted, level, ground)
    return counted


def _check(reading: Reading, counted: Sequence[Mapping[str, Any]], level: str, ground: Ground) -> None:
    names = [row["level"] for row in counted]
    points = np.array([row["point_mm"] for row in counted]).reshape(-1, 3)
    seen = ", ".join(f"{name} ({by})" for name, by in LANDMARKS.items())
    if not names or names[0] not in LANDMARKS:
        reading.fault(
            f"The count to {level} begins at no level that shows what it is.",
            f"Begin at one of: {seen}. Where the images hold none of them, send in images that do.",
        )
        return
    outside = [name for name, held in zip(names, ground.inside(points), strict=True) if not held]
    if outside:
        reading.fault(
            f"The images do not hold {', '.join(outside)}: the count cannot be made on them.",
            f"Send in images that reach from {level} to one of: {seen}.",
        )
    if names[-1] != level:
        reading.fault(
            f"The count ends at {names[-1]}; the plan is for {level}.", "Count to the planned level."
        )
    _check_steps(reading, names, points)


def _check_steps(reading: Reading, names: Sequence[str], points: Any) -> None:
    places = [LEVELS.index(name) for name in names]
    for (one, other), (low, high) in zip(pairwise(names), pairwise(places), strict=True):
        between = set(LEVELS[min(low, high) + 1 : max(low, high)])
        if low == high or not between <= RARE:
            reading.fault(f"The count goes from {one} to {other}.", "Count every vertebra on the way, once.")
    if len(set(np.sign(np.diff(places)))) > 1:
        reading.fault("The count turns back.", "Count in one direction.")
    for (one, other), step, rise in zip(
        pairwise(names), np.linalg.norm(np.diff(points, axis=0), axis=1), np.diff(points[:, 2]), strict=True
    ):
        if not CLOSEST_MM <= step <= FURTHEST_MM:
            reading.fault(
                f"{one} and {other} were picked {step:.0f} mm apart.",
                f"Neighbours lie {CLOSEST_MM:g} to {FURTHEST_MM:g} mm apart: pick the middle of each vertebra.",
            )
        if (rise > 0) != (LEVELS.index(other) < LEVELS.index(one)):
            reading.fault(
                f"{other} was picked on the wrong side of {one}.", "Towards the head, the levels count down."
            )
