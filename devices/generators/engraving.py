"""Engraving the case code: letters that follow the surface, at one depth below it everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    limit = RELIEF_SHARE * float(half[0])
    best: Mark | None = None
    for point, normal in zip(*starts, strict=True):
        for turn in TURNS_DEG:
            frame = _levelled(surface, _turned(frame_on(point, normal), turn), half, limit, turn)
            seen = frame and _relief(surface, frame, half, limit)
            if not frame or not seen:
                continue
            relief = float(np.abs(seen[0]).max())
            needed = (
                (0.0 if follows else float(np.ptp(seen[0])))
                + BELOW * depth
                + wall / (SLOPE if follows else 1.0)
            )
            if (best is None or relief < best.relief) and _thick_enough(
                surface, frame, half, seen[0], needed
            ):
                best = Mark(frame, float(half[0]), float(half[1]), relief, depth)
    return best


def _levelled(
    surface: Surface, frame: Frame, half: NDArray[np.float64], limit: float, turn: float
) -> Frame | None:
    """The frame along the mean normal of all that the code covers: a single face looks its own way."""
    seen = _relief(surface, frame, half, 2.0 * limit, level=False)
    return _turned(frame_on(frame.origin, seen[1]), turn) if seen else None


def _turned(frame: Frame, degrees: float) -> Frame:
    """About its own w."""
    turn = np.radians(degrees)
    u, v, w = frame.axes
    across, along = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
    return Frame(frame.origin, np.stack([across, along, w]))


def _probes(frame: Frame, half: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """A grid of points over the code's rectangle at a local height, LPS mm."""
    axes = [np.linspace(-side, side, int(np.ceil(2.0 * side / PROBE_MM)) + 1) for side in half]
    across, along = np.meshgrid(*axes, indexing="ij")
    local = np.stack([across.ravel(), along.ravel(), np.full(across.size, height)], axis=1)
    return frame.to_patient(local)


def _relief(
    surface: Surface, frame: Frame, half: NDArray[np.float64], limit: float, *, level: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The surface's heights over the rectangle and its mean normal; None where it is missing, too uneven or, to be `level`,
    too steep or covered."""
    above = 4.0 * limit
    reach, normals = surface.first_faces(_probes(frame, half, above), -frame.axes[2])
    heights = above - reach
    if not np.isfinite(reach).all() or np.abs(heights).max() > limit:
        return None
    if level and (normals @ frame.axes[2]).min() < SLOPE:
        return None
    mean = normals.mean(axis=0)
    return heights, mean / np.linalg.norm(mean)


def _thick_enough(
    surface: Surface, frame: Frame, half: NDArray[np.float64], heights: NDArray[np.float64], needed: float
) -> bool:
    """Whether straight below the whole rectangle there is as much material as the letters and a wall need."""
    starts = _probes(frame, half, 0.0) + (heights - 0.01)[:, None] * frame.axes[2]
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
