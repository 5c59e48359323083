"""The centreline of a vessel between two picked places, and how wide its lumen is along it.

A way is found through the lumen's samples that keeps to its middle: a front that runs the faster, the deeper a sample lies (fast marching,
Sethian 1996), followed back from one end to the other. That way is as coarse as the samples are. It is then put right on the
surface itself: across each place the lumen is looked at all round, the place moves to the middle of that section, and the direction
follows, until they agree. Area and widths are those of the last sections, so they owe nothing to the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.hollow import depths
from devices.generators.shell import Field, Grid
from devices.mesh.distance import Surface
from mes.lazy import lazily

SITK: Any = lazily("SimpleITK")

Points = NDArray[np.float64]

RULE = "G-DES-01"
PICK_REACH_MM = 5.0
STEP_MM = 0.5
AROUND = 96
ROUNDS = 6
WINDOW_SHARE = 0.8
"""How far to either side, in radii of the lumen, the curve is fitted that says the direction of a place."""
LEAST_WINDOW_MM = 1.5
LEAD_MM, SPAN, DEEP_SHARE = 2.5, 12, 0.6
"""How far beyond the picks the curve is followed, over how many places its direction is taken there, and how deep it stays in the
lumen, as a share of the depth beside the pick."""
SIDE_BRANCH = 1.5
"""A look that reaches further than so many times the usual one goes into a branch, and is taken for the usual one's."""
CLIMB_MM, TOUCHES = 0.25, 0.9
"""In what steps the middle beside a pick is looked for, and how deep each has to lie, as a share of its distance to the pick."""
PROFILE_LEVEL_MM = 1.6


@dataclass(frozen=True, eq=False)
class Centreline:
    """Places along a vessel, evenly apart. points (n, 3) LPS mm; along (n,) mm from the first; tangents (n, 3), and across (n, 3) a unit
    vector square to each that turns no more than the curve makes it; diameters_mm (n,) of circles as wide as the lumen's sections,
    narrowest_mm and widest_mm (n,) the least and greatest width of each section through its middle; curvature (n,) 1/mm."""

    points: Points
    along: Points
    tangents: Points
    across: Points
    diameters_mm: Points
    narrowest_mm: Points
    widest_mm: Points
    curvature: Points

    @property
    def length_mm(self) -> float:
        return float(self.along[-1])

    def at(self, values: Points, along: Points) -> Points:
        """Values of the places, (n,) or (n, 3), at distances along the curve of any shape."""
        if values.ndim == 1:
            return np.asarray(np.interp(along, self.along, values))
        return np.stack([np.interp(along, self.along, column) for column in values.T], axis=-1)


def centreline(lumen: Surface, start: Points, end: Points) -> Centreline:
    """The centreline from the section at one pick (3,) LPS mm to the section at another. Raises DesignRefused."""
    found = [_snapped(lumen, pick, which) for pick, which in ((start, "start"), (end, "end"))]
    field, grid = depths(lumen, PROFILE_LEVEL_MM)
    middles = [_middle_beside(lumen, pick, normal) for pick, normal in found]
    places = _evenly(_way(field, grid, middles), STEP_MM)
    places = _straightened(lumen, places)
    radius = np.full(len(places), float(np.median(lumen.unsigned(places))))
    for _ in range(ROUNDS):
        tangents, _ = _directions(places, radius)
        reach = _looks(lumen, places, tangents)
        places = places + _middles(reach, tangents)
        places, radius = _evenly(places, STEP_MM, radius=np.sqrt((reach**2).mean(axis=1)))
    return _between(_measured(lumen, places, radius), [pick for pick, _ in found])


def _snapped(lumen: Surface, pick: Points, which: str) -> tuple[Points, Points]:
    """The nearest place of the wall, and its outward normal."""
    found = lumen.closest(pick[None])
    away = float(np.linalg.norm(found.points[0] - pick))
    if away > PICK_REACH_MM:
        raise DesignRefused(
            f"The {which} of the centreline is {away:.1f} mm from the lumen; {PICK_REACH_MM:g} mm are allowed.",
            cure="Pick it on the lumen's surface.",
            rule=RULE,
        )
    return found.points[0], found.normals[0]


def _way(field: Field, grid: Grid, ends: list[Points]) -> Points:
    """Sample by sample (n, 3) LPS mm from one place in the lumen to another."""
    first, last = (np.round((end - grid.corner) / grid.spacing).astype(np.int64) for end in ends)
    deepest = float(field.max())
    speed = np.where(field > 0.0, np.maximum(field / deepest, 1e-3) ** 2, 0.0)
    image = SITK.GetImageFromArray(speed.transpose(2, 1, 0))
    front = SITK.FastMarching(image, trialPoints=[tuple(int(part) for part in last)], normalizationFactor=1.0)
    arrival = SITK.GetArrayFromImage(front).transpose(2, 1, 0)
    arrival = np.where(field > 0.0, arrival, np.inf)
    steps = np.array([step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)]) - 1
    way = [first]
    while (way[-1] != last).any():
        around = way[-1] + steps
        best = around[np.argmin(arrival[tuple(around.T)])]
        if arrival[tuple(best)] >= arrival[tuple(way[-1])] or arrival[tuple(best)] > 1e100:
            raise DesignRefused(
                "No lumen leads from the start of the centreline to its end.",
                cure="Pick both on one vessel, or approve a segmentation that joins what lies between them.",
                rule=RULE,
            )
        way.append(best)
    return grid.corner + grid.spacing * np.array(way, dtype=np.float64)


def _middle_beside(lumen: Surface, pick: Points, normal: Points) -> Points:
    """The middle (3,) of the largest ball in the lumen that touches the wall at a pick, whose outward normal is given."""
    longest = float(np.ptp(lumen.mesh.vertices, axis=0).max())
    inward = np.arange(CLIMB_MM, longest, CLIMB_MM)
    depth = lumen.unsigned(pick - inward[:, None] * normal)
    touching = np.append(depth >= TOUCHES * inward, False)
    return np.asarray(pick - inward[max(int(np.argmin(touching)) - 1, 0)] * normal, dtype=np.float64)


def _evenly(places: Points, step: float, *, radius: Points | None = None) -> Any:
    """The places evenly apart along their curve; with a radius (n,) of each, that too."""
    gaps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    kept = np.concatenate([[True], gaps > 1e-6])
    places, along = places[kept], np.concatenate([[0.0], np.cumsum(gaps[gaps > 1e-6])])
    if along[-1] < 4.0 * step:
        raise DesignRefused(
            "The start and the end of the centreline are the same place of the vessel.",
            cure="Pick them further apart.",
            rule=RULE,
        )
    wanted = np.linspace(0.0, along[-1], round(along[-1] / step) + 1)
    even = np.stack([np.interp(wanted, along, column) for column in places.T], axis=1)
    return even if radius is None else (even, np.interp(wanted, along, radius[kept]))


def _straightened(lumen: Surface, places: Points) -> Points:
    """The way with its two ends made straight, and led on beyond the picks while it is well inside the lumen.

    Beside a pick it comes from the middle that is nearest to the wall picked, and may run across the lumen for a radius; and the
    first places of a curve are fitted on one side only. Both would be told as parts of the vessel.
    """
    depth = lumen.unsigned(places)
    ends = []
    for some, radius in ((places, depth[0]), (places[::-1], depth[-1])):
        cut = min(round(float(radius) / STEP_MM), len(some) // 4)
        out = some[cut] - some[min(cut + SPAN, len(some) - 1)]
        steps = np.arange(STEP_MM, (cut + 0.5) * STEP_MM + LEAD_MM, STEP_MM)[:, None]
        lead = some[cut] + steps * out / np.linalg.norm(out)
        deep = -lumen.signed(lead) > DEEP_SHARE * float(depth[cut])
        ends.append((cut, lead[: int(np.argmin(np.append(deep, False)))]))
    (first, before), (last, after) = ends
    return np.concatenate([before[::-1], places[first : len(places) - last], after])


def _directions(places: Points, radius: Points) -> tuple[Points, Points]:
    """Unit tangents (n, 3) and curvatures (n,): of the parabola that fits the places around each best."""
    tangents, curvature = np.zeros_like(places), np.zeros(len(places))
    for index, middle in enumerate(places):
        reach = max(LEAST_WINDOW_MM, WINDOW_SHARE * float(radius[index]))
        half = max(2, round(reach / STEP_MM))
        some = slice(max(0, index - half), index + half + 1)
        along = (np.arange(len(places))[some] - index) * STEP_MM
        rows = np.stack([np.ones_like(along), along, along**2], axis=1)
        _, first, second = np.linalg.lstsq(rows, places[some] - middle, rcond=None)[0]
        speed = float(np.linalg.norm(first))
        tangents[index] = first / speed
        curvature[index] = float(np.linalg.norm(np.cross(first, 2.0 * second))) / speed**3
    return tangents, curvature


def _sides(tangents: Points) -> tuple[Points, Points]:
    hint = np.where(np.abs(tangents[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(tangents, hint)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return side, np.cross(tangents, side)


def _looks(lumen: Surface, places: Points, tangents: Points) -> Points:
    """How far (n, AROUND) mm the lumen's wall is from each place, all round and square to its tangent."""
    one, other = _sides(tangents)
    turns = 2.0 * np.pi * np.arange(AROUND) / AROUND
    ways = np.cos(turns)[None, :, None] * one[:, None] + np.sin(turns)[None, :, None] * other[:, None]
    starts = np.broadcast_to(places[:, None], ways.shape)
    reach = lumen.first_hits(starts.reshape(-1, 3), ways.reshape(-1, 3)).reshape(ways.shape[:2])
    return np.asarray(np.minimum(reach, SIDE_BRANCH * np.median(reach, axis=1, keepdims=True)))


def _middles(reach: Points, tangents: Points) -> Points:
    """From each place (n, 3) to the centroid of its section, mm."""
    one, other = _sides(tangents)
    turns = 2.0 * np.pi * np.arange(AROUND) / AROUND
    area = (reach**2).sum(axis=1)
    east = 2.0 / 3.0 * (reach**3 * np.cos(turns)).sum(axis=1) / area
    north = 2.0 / 3.0 * (reach**3 * np.sin(turns)).sum(axis=1) / area
    return np.asarray(east[:, None] * one + north[:, None] * other)


def _measured(lumen: Surface, places: Points, radius: Points) -> Centreline:
    tangents, curvature = _directions(places, radius)
    reach = _looks(lumen, places, tangents)
    widths = reach + np.roll(reach, AROUND // 2, axis=1)
    return Centreline(
        points=places,
        along=np.linspace(0.0, float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum()), len(places)),
        tangents=tangents,
        across=_carried(tangents),
        diameters_mm=2.0 * np.sqrt((reach**2).mean(axis=1)),
        narrowest_mm=widths.min(axis=1),
        widest_mm=widths.max(axis=1),
        curvature=curvature,
    )


def _carried(tangents: Points) -> Points:
    """A unit vector across the first tangent, carried along without turning about the curve."""
    across = np.zeros_like(tangents)
    across[0] = _sides(tangents[:1])[0][0]
    for index in range(1, len(tangents)):
        kept = across[index - 1] - (across[index - 1] @ tangents[index]) * tangents[index]
        across[index] = kept / np.linalg.norm(kept)
    return across


def _between(line: Centreline, ends: list[Points]) -> Centreline:
    """The part of the centreline between the sections in which the two picks lie."""
    first, last = (int(np.argmin(np.linalg.norm(line.points - pick, axis=1))) for pick in ends)
    some = slice(first, last + 1)
    if last - first < 4:
        raise DesignRefused(
            "The start and the end of the centreline are the same place of the vessel.",
            cure="Pick them further apart.",
            rule=RULE,
        )
    return Centreline(
        line.points[some], line.along[some] - line.along[first], line.tangents[some], line.across[some],
        line.diameters_mm[some], line.narrowest_mm[some], line.widest_mm[some], line.curvature[some],
    )  # fmt: skip
