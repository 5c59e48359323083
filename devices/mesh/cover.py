"""What of the nominal surface a scan bears out: material that is missing shows here, and nowhere else.

A scan lies on its nominal surface just as well where half of the part is gone, so the way back is measured too: from
points spread evenly over the nominal surface to the scan. What no scanner can see is counted apart (`sight`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.kept import Kept, digest_of
from devices.mesh.sight import observable

POINTS = 20_000
POINTS_IN_REGION = 1_500
MARGIN_MM = 0.05


@dataclass(frozen=True)
class Region:
    """A cylinder of the part that is judged by itself, nominal frame mm: from `base_mm` along the unit vector `axis`.

    bore_mm: the radius of the hole along its axis; 0 where there is none.
    """

    name: str
    base_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    radius_mm: float
    height_mm: float
    bore_mm: float = 0.0

    def holds(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the points (n, 3) lie in it or on its wall."""
        away = points - np.array(self.base_mm)
        along = away @ np.array(self.axis)
        beside = np.linalg.norm(away - along[:, None] * np.array(self.axis), axis=1)
        inside = (along >= 0.0) & (along <= self.height_mm + MARGIN_MM)
        return np.asarray(inside & (beside <= self.radius_mm + MARGIN_MM), dtype=np.bool_)


@dataclass(frozen=True)
class Coverage:
    """Shares (0..1) of the area that a scanner can see.  found: with scan within the tolerance;  seen: with scan within
    reach, however far off the part is;  regions: `found` of each region by name;  hidden: of the whole surface, what no
    scanner sees and no share counts."""

    found: float
    seen: float
    hidden: float
    regions: Mapping[str, float]


# The scans of a part, and of every unit of a lot, are held against the same nominal surface.
_whole: Kept[tuple[NDArray[np.float64], float]] = Kept(4)
_parts: Kept[NDArray[np.float64]] = Kept(32)


def covered(
    nominal: Surface,
    placed: Mesh,
    *,
    tolerance_mm: float,
    reach_mm: float,
    regions: Sequence[Region] = (),
    seed: int = 0,
) -> Coverage:
    """How much of `nominal` the scan `placed` on it bears out. A region of which nothing can be seen has a share of 0."""
    part, scan = digest_of(nominal.mesh), Surface(placed)
    points, hidden = _whole.of((part, seed), lambda: _visible(nominal, seed))
    distances = scan.unsigned(points)

    def found_in(region: Region) -> float:
        inside = _parts.of((part, region, seed), lambda: _visible_in(nominal, region, seed))
        return _share(scan.unsigned(inside) <= tolerance_mm)

    return Coverage(
        found=_share(distances <= tolerance_mm),
        seen=_share(distances <= reach_mm),
        hidden=hidden,
        regions={region.name: found_in(region) for region in regions},
    )


def _visible(nominal: Surface, seed: int) -> tuple[NDArray[np.float64], float]:
    """Points (n, 3) spread evenly over what can be seen, and the share that is hidden."""
    points, normals = _evenly(nominal, POINTS, seed)
    visible = observable(nominal, points, normals)
    return points[visible], 1.0 - _share(visible)


def _evenly(surface: Surface, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, faces = sample_surface(surface.mesh, count, np.random.default_rng(seed))
    return points, surface.normals[faces]


def _visible_in(nominal: Surface, region: Region, seed: int) -> NDArray[np.float64]:
    """Points (n, 3) spread evenly over what can be seen of a region: of a small one as many as of a large one."""
    points, _ = _evenly(nominal, POINTS, seed)
    share = max(_share(region.holds(points)), POINTS_IN_REGION / (100.0 * POINTS))
    points, normals = _evenly(nominal, int(max(POINTS, POINTS_IN_REGION / share)), seed)
    inside = region.holds(points)
    points, normals = points[inside], normals[inside]
    return points[observable(nominal, points, normals)]


def _share(held: NDArray[np.bool_]) -> float:
    return float(held.mean()) if len(held) else 0.0
