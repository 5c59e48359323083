"""Whether neighbouring crowns run into each other, stage by stage: how deep, and between which teeth.

The bodies are closed where no scanner looked, so teeth that touch may overlap a little in the scan already. That is measured too, and
a stage is judged by what it adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.dental.crowns import Tooth, crown_points
from devices.generators.dental.poses import Pose
from devices.planning.base import RULE
from devices.planning.fdi import neighbours
from mes.exceptions import Reason

GRAZE_MM = 0.02
"""Below what the distances of float32 surfaces can tell."""


@dataclass(frozen=True)
class Contact:
    """Two neighbours at one stage: how deep the one stands in the other (mm, negative: the gap between them)."""

    stage: int
    teeth: tuple[int, int]
    depth_mm: float


def contacts(stage: int, teeth: Mapping[int, Tooth], poses: Mapping[int, Pose]) -> tuple[Contact, ...]:
    """Every pair of neighbours as they stand at a stage."""
    points = {number: crown_points(tooth) for number, tooth in teeth.items()}
    return tuple(
        Contact(stage, pair, _depth(pair, teeth, poses, points)) for pair in neighbours(tuple(teeth))
    )


def _depth(
    pair: tuple[int, int],
    teeth: Mapping[int, Tooth],
    poses: Mapping[int, Pose],
    points: Mapping[int, NDArray[np.float64]],
) -> float:
    one, other = pair
    nearest = [
        _nearest(poses[there].back(poses[here].moved(points[here])), teeth[there])
        for here, there in ((one, other), (other, one))
    ]
    return round(-min(nearest), 6)


def _nearest(points: NDArray[np.float64], tooth: Tooth) -> float:
    """The least signed distance of points (n, 3) to a tooth that stands as in the scan, mm; negative inside it."""
    distance = tooth.surface.unsigned(points)
    close = distance <= distance.min() + 1.5
    return float(tooth.surface.signed(points[close]).min())


def overlaps(
    found: Iterable[Contact], start: Mapping[tuple[int, int], float], allowed_mm: float
) -> tuple[Contact, ...]:
    """The contacts that are deeper than allowed, and deeper than the scan had them."""
    return tuple(one for one in found if one.depth_mm > max(allowed_mm, start[one.teeth] + GRAZE_MM))


def collision_reasons(found: Iterable[Contact], allowed_mm: float) -> tuple[Reason, ...]:
    """Each pair once, at the stage where it is worst, and how long it lasts."""
    pairs: dict[tuple[int, int], list[Contact]] = {}
    for one in found:
        pairs.setdefault(one.teeth, []).append(one)
    return tuple(_reason(several, allowed_mm) for _, several in sorted(pairs.items()))


def _reason(several: list[Contact], allowed_mm: float) -> Reason:
    worst = max(several, key=lambda one: one.depth_mm)
    stages = [one.stage for one in several]
    when = f"stage {stages[0]}" if len(stages) == 1 else f"stages {stages[0]} to {stages[-1]}"
    return Reason(
        f"Teeth {worst.teeth[0]} and {worst.teeth[1]} run into each other at {when}: {worst.depth_mm:.2f} mm at stage "
        f"{worst.stage}, {allowed_mm:.2f} mm are allowed.",
        "Move one of them less, reduce the contact, or choose another order of movements.",
        RULE,
    )
