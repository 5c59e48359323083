"""Engraving the case code: letters that follow the surface, at one depth below it everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.base import CASE_CODE, DesignRefused, Parameter
from devices.generators.lettering import Lettering, lettering
from devices.generators.shell import Frame, frame_on
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.solid import mesh_of
from mes.exceptions import Reason

Triple = tuple[float, float, float]

CANDIDATES = (150, 600)
"""How many places are looked at; the more only where none of the fewer would do: a thin or narrow part has few."""
AT_ONCE = 50
"""Places that are looked at together: enough that the rays of all of them are one question, few enough for any letters."""
PROBE_MM = 1.5
MARGIN_MM = 1.0
RELIEF_SHARE = 0.35
SLOPE = 0.8
"""Cosine of the steepest surface, 37°, on which letters that are cut along one axis can still be read and are deep enough."""
REACH_MM = 5.0
STEEP = 0.7
BELOW = 1.2
ON_PLANE_MM = 0.05
TURNS_DEG = (0.0, 90.0, 45.0, -45.0)

LETTERS = (
    Parameter("letter_height_mm", "mm", "Height of the letters", "number", 3.0, 15.0, 5.0, "Of the case code on each part."),
    Parameter("letter_depth_mm", "mm", "Depth of the letters", "number", 0.3, 2.0, 0.6, "Below the surface."),
    Parameter(
        "letter_place_mm", "mm", "Place of the code", "vector", -3000.0, 3000.0, None,
        "On the surface of the largest part, LPS; left out, the flattest place found.", optional=True,
    ),
    CASE_CODE,
)  # fmt: skip
"""What a generator takes that engraves the device's own code."""


@dataclass(frozen=True, eq=False)
class Mark:
    """Where a code stands: its frame (w outward), half its width and height, and how far the surface rises or falls there, mm."""

    frame: Frame
    half_width: float
    half_height: float
    relief: float
    depth: float

    def holds(self, points: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (n, 3) lie on the flanks of the letters: a groove's flank is no wall of the part."""
        local = self.frame.to_local(points)
        inside = (np.abs(local[:, 0]) <= self.half_width) & (np.abs(local[:, 1]) <= self.half_height)
        inside &= np.abs(local[:, 2]) <= self.relief + 2.0 * self.depth
        return np.asarray(inside & (normals @ self.frame.axes[2] < STEEP), dtype=np.bool_)


def engraved(
    solid: Manifold,
    text: str,
    *,
    height_mm: float,
    depth_mm: float,
    wall_mm: float,
    place: Triple | None = None,
    spared: Sequence[Frame] = (),
    on: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]] | None = None,
    follows: bool = False,
) -> tuple[Manifold, Mark]:
    """The solid with the text cut `depth_mm` deep, and where.

    place: LPS mm, moved to the nearest point of the surface; None takes the flattest place found, off the `spared` planes,
    where parts meet. on: which of some points (n, 3) with outward normals (n, 3) may carry it, all by default. follows: the part is a
    wall that bends with its surface, so that what the surface rises and falls is no less wall. Below the letters `wall_mm` stay.
    Raises DesignRefused where the text does not fit.
    """
    letters = lettering(text, height_mm)
    surface = Surface(mesh_of(solid))
    mark = None
    for count in CANDIDATES:
        starts = _starts(surface, place, spared, count)
        if on is not None:
            held = on(*starts)
            starts = starts[0][held], starts[1][held]
        mark = _flattest(surface, letters, depth_mm, wall_mm, starts, follows=follows)
        if mark or place is not None:
            break
    if mark is None:
        where = "anywhere on the part" if place is None else "at its place"
        raise DesignRefused(
            [
                Reason(
                    f"The code '{text}' of {letters.width_mm:.0f} by {height_mm:.0f} mm does not fit {where}.",
                    "Choose smaller letters, a flatter place, or a base to carry them.",
                    "G-DES-01",
                )
            ]
        )
    return solid - _recess(solid, letters, mark), mark


def _starts(
    surface: Surface, place: Triple | None, spared: Sequence[Frame], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (n, 3) where the code may stand, and the outward normals there."""
    if place is None:
        points, faces = sample_surface(surface.mesh, count, np.random.default_rng(0))
        free = np.ones(len(points), dtype=np.bool_)
        for plane in spared:
            free &= np.abs(plane.to_local(points)[:, 2]) > ON_PLANE_MM
        return points[free], surface.normals[faces][free]
    found = surface.closest(np.array([place]))
    distance = float(np.linalg.norm(found.points[0] - np.array(place)))
    if distance > REACH_MM:
        raise DesignRefused(
            f"The place of the code is {distance:.1f} mm from the model; {REACH_MM:g} mm are allowed.",
            cure="Pick it on the surface.",
            rule="G-DES-01",
        )
    return found.points, found.normals


def _flattest(
    surface: Surface,
    letters: Lettering,
    depth: float,
    wall: float,
    starts: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    follows: bool,
) -> Mark | None:
    half = np.array([letters.width_mm, letters.height_mm]) / 2.0 + MARGIN_MM
    best: Mark | None = None
    for frame, heights in _level_places(surface, half, RELIEF_SHARE * float(half[0]), starts):
        relief = float(np.abs(heights).max())
        needed = (
            (0.0 if follows else float(np.ptp(heights))) + BELOW * depth + wall / (SLOPE if follows else 1.0)
        )
        if (best is None or relief < best.relief) and _thick_enough(surface, frame, half, heights, needed):
            best = Mark(frame, float(half[0]), float(half[1]), relief, depth)
    return best


def _level_places(
    surface: Surface,
    half: NDArray[np.float64],
    limit: float,
    starts: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Iterator[tuple[Frame, NDArray[np.float64]]]:
    """The frames in which the code may stand, each along the mean normal of all that it covers, for a single face looks its own
    way; and the surface's heights over each. Some places at a time."""
    for first in range(0, len(starts[0]), AT_ONCE):
        some = zip(*(each[first : first + AT_ONCE] for each in starts), strict=True)
        turned = [
            (turn, _turned(frame_on(point, normal), turn)) for point, normal in some for turn in TURNS_DEG
        ]
        seen = _reliefs(surface, [frame for _, frame in turned], half, 2.0 * limit, level=False)
        levelled = [
            _turned(frame_on(frame.origin, found[1]), turn)
            for (turn, frame), found in zip(turned, seen, strict=True)
            if found
        ]
        for frame, found in zip(levelled, _reliefs(surface, levelled, half, limit), strict=True):
            if found:
                yield frame, found[0]


def _turned(frame: Frame, degrees: float) -> Frame:
    """About its own w."""
    turn = np.radians(degrees)
    u, v, w = frame.axes
    across, along = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
    return Frame(frame.origin, np.stack([across, along, w]))


def _rectangle(half: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """A grid of points (n, 3) over the code's rectangle at a local height, mm."""
    axes = [np.linspace(-side, side, int(np.ceil(2.0 * side / PROBE_MM)) + 1) for side in half]
    across, along = np.meshgrid(*axes, indexing="ij")
    return np.stack([across.ravel(), along.ravel(), np.full(across.size, height)], axis=1)


def _reliefs(
    surface: Surface,
    frames: Sequence[Frame],
    half: NDArray[np.float64],
    limit: float,
    *,
    level: bool = True,
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]] | None]:
    """The surface's heights over the rectangle in each frame and its mean normal; None where it is missing, too uneven or, to be
    `level`, too steep or covered."""
    if not frames:
        return []
    above = 4.0 * limit
    probes = _rectangle(half, above)
    reach, normals = surface.first_faces(
        np.concatenate([frame.to_patient(probes) for frame in frames]),
        np.repeat([-frame.axes[2] for frame in frames], len(probes), axis=0),
    )
    heights = above - reach.reshape(len(frames), -1)
    normals = normals.reshape(len(frames), -1, 3)
    fit = np.abs(heights).max(axis=1) <= limit
    if level:
        fit &= np.einsum("fpi,fi->fp", normals, [frame.axes[2] for frame in frames]).min(axis=1) >= SLOPE
    means = normals.mean(axis=1)
    return [
        (heights[one], means[one] / np.linalg.norm(means[one])) if fit[one] else None
        for one in range(len(frames))
    ]


def _thick_enough(
    surface: Surface, frame: Frame, half: NDArray[np.float64], heights: NDArray[np.float64], needed: float
) -> bool:
    """Whether straight below the whole rectangle there is as much material as the letters and a wall need."""
    starts = frame.to_patient(_rectangle(half, 0.0)) + (heights - 0.01)[:, None] * frame.axes[2]
    return bool((surface.first_hits(starts, -frame.axes[2]) >= needed).all())


def _recess(solid: Manifold, letters: Lettering, mark: Mark) -> Manifold:
    """What the tool takes away: the letters, down to the depth below the surface, looked at along the mark's axis.

    The tool reaches into the air, for a face in common with the surface would leave edges of four faces.
    """
    place = np.column_stack([mark.frame.axes.T, mark.frame.origin])
    low, high = -(mark.relief + BELOW * mark.depth), mark.relief + 0.5
    tool = letters.outline.extrude(high - low).translate((0.0, 0.0, low)).transform(place)
    size = (2.0 * mark.half_width, 2.0 * mark.half_height, high - low + 3.0 * mark.depth)
    near = solid ^ Manifold.cube(size, True).translate((0.0, 0.0, (low + high) / 2.0)).transform(place)
    x, y, z = (float(v) for v in -mark.depth * mark.frame.axes[2])
    return tool - near.translate((x, y, z))
