"""Where a conformal wall ends, drawn flat: its outline and openings on a chart of the skin, and how far inside them a place lies.

A chart is the skin seen along one direction, or unrolled from around an axis. On neither is a distance longer than it is on the skin, so
a bridge that is wide enough on the chart is wide enough on the part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.shell import Frame
from mes.lazy import lazily

shapely: Any = lazily("shapely")

Points = NDArray[np.float64]
RULE = "G-DES-01"
TABLE_MM = 0.5
ROOM_MM = 4.0
TURN = 2.0 * np.pi


class Chart(Protocol):
    """Points (n, 3) LPS mm to their places (n, 2) on the chart, mm."""

    def places(self, points: Points) -> Points: ...


@dataclass(frozen=True, eq=False)
class Seen:
    """The skin seen against w of a frame."""

    frame: Frame

    def places(self, points: Points) -> Points:
        return self.frame.to_local(points)[:, :2]


@dataclass(frozen=True, eq=False)
class Unrolled:
    """The skin unrolled from around w of a frame, from its u on: along the arc at `radius_mm`, and along the axis.

    turned: the angle of the chart's middle from u, radians; the chart is cut open opposite to it.
    """

    frame: Frame
    radius_mm: float
    turned: float = 0.0

    def places(self, points: Points) -> Points:
        local = self.frame.to_local(points)
        angle = np.arctan2(local[:, 1], local[:, 0]) - self.turned
        angle -= TURN * np.round(angle / TURN)
        return np.stack([self.radius_mm * angle, local[:, 2]], axis=1)


@dataclass(frozen=True, eq=False)
class Outline:
    """A polygon with holes on a chart."""

    chart: Chart
    area: Any

    def __call__(self, points: Points) -> NDArray[np.float64]:
        """How far inside (n,) mm the points (n, 3) of the skin lie; negative outside, to `ROOM_MM` at least."""
        place = (self.chart.places(points) - self._low) / TABLE_MM
        most = np.array(self._table.shape) - 1.0
        off = np.linalg.norm((place - np.clip(place, 0.0, most)) * TABLE_MM, axis=1)
        place = np.clip(place, 0.0, most - 1e-6)
        i, j = place.astype(np.int64).T
        x, y = (place - np.floor(place)).T
        across = (1.0 - x) * self._table[i, j] + x * self._table[i + 1, j]
        further = (1.0 - x) * self._table[i, j + 1] + x * self._table[i + 1, j + 1]
        return np.asarray((1.0 - y) * across + y * further - off)

    @cached_property
    def _low(self) -> NDArray[np.float64]:
        return np.array(self.area.bounds[:2]) - ROOM_MM

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        """The signed distance to the polygon at a grid of places: asked for once, and between them read off."""
        high = np.array(self.area.bounds[2:]) + ROOM_MM
        counts = np.ceil((high - self._low) / TABLE_MM).astype(int) + 2
        axes = [self._low[axis] + TABLE_MM * np.arange(counts[axis]) for axis in range(2)]
        x, y = np.meshgrid(*axes, indexing="ij")
        sides = shapely.STRtree(_sides(self.area))
        _, away = sides.query_nearest(
            shapely.points(x.ravel(), y.ravel()), return_distance=True, all_matches=False
        )
        away = away.reshape(x.shape)
        return np.asarray(np.where(shapely.contains_xy(self.area, x, y), away, -away), dtype=np.float64)


def _sides(area: Any) -> Any:
    """The sides of a polygon and of its holes, each a line."""
    rings = [shapely.get_coordinates(ring) for ring in (area.exterior, *area.interiors)]
    return shapely.linestrings(np.concatenate([np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings]))


def at_most(outlines: Iterable[Outline]) -> Any:
    """Inside any of several outlines: the furthest inside of them."""
    several = tuple(outlines)
    return lambda points: np.max([one(points) for one in several], axis=0)


def ellipse(middle: tuple[float, float], width_mm: float, height_mm: float) -> Any:
    """An ellipse, upright on the chart."""
    round_ = np.linspace(0.0, TURN, 96, endpoint=False)
    x, y = middle
    return shapely.Polygon(
        np.stack([x + width_mm / 2.0 * np.cos(round_), y + height_mm / 2.0 * np.sin(round_)], axis=1)
    )


def slot(middle: tuple[float, float], length_mm: float, width_mm: float) -> Any:
    """A slot along the chart's second axis, its ends round. length_mm: with its ends."""
    x, y = middle
    half = max(length_mm - width_mm, 1e-3) / 2.0
    return shapely.LineString([(x, y - half), (x, y + half)]).buffer(width_mm / 2.0)


def softened(area: Any, radius_mm: float) -> Any:
    """The area with every corner rounded, inward and outward ones. Raises DesignRefused where nothing is left, or not in one piece."""
    soft = area.buffer(radius_mm).buffer(-2.0 * radius_mm).buffer(radius_mm)
    if soft.geom_type != "Polygon" or soft.is_empty:
        raise DesignRefused(
            f"The outline is too narrow for corners of {radius_mm:.1f} mm.",
            cure="Mark a wider region, or round its corners less.",
            rule=RULE,
        )
    return soft


def cut(area: Any, openings: Iterable[Any], wall_mm: float) -> Any:
    """The area without its openings. Raises DesignRefused where less than `wall_mm` would be left between two of them, or beside one.

    Shrunk by half of that from every side, an area that is wide enough everywhere has as many pieces and holes as before.
    """
    several = list(openings)
    left = shapely.difference(area, shapely.union_all(several)) if several else area
    shrunk = left.buffer(-wall_mm / 2.0)
    if left.geom_type != "Polygon" or _form(left) != _form(shrunk) or len(left.interiors) != len(several):
        raise DesignRefused(
            f"Openings come nearer to each other or to the edge than {wall_mm:.2f} mm.",
            cure="Make openings smaller or fewer, move them apart, or make the part wider.",
            rule=RULE,
        )
    return left


def _form(area: Any) -> tuple[int, int]:
    """How many pieces and holes an area has."""
    pieces = [one for one in getattr(area, "geoms", [area]) if not one.is_empty]
    return len(pieces), sum(len(one.interiors) for one in pieces)
