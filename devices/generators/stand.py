"""A base for a model to stand on: a plate, and three posts up to where the model is reached from below."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from manifold3d import CrossSection, JoinType, Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.shell import Frame, frame_on
from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of

SEGMENTS = 64
POSTS = 3
GRID = 40
CHOICES = 40
HELD_SHARE = 0.6
"""How much of a post's radius must stand under the model: a skull's base is narrow, and a post's rim may look out."""
EMBED_MM = 0.5
LONGEST_POST_MM = 60.0


def standing(
    solid: Manifold, *, towards: tuple[float, float, float], plate_mm: float, gap_mm: float, post_mm: float
) -> Manifold:
    """The base alone, overlapping the solid where its posts hold it.

    towards: from the model to its base, LPS; gap_mm: between the plate and the lowest point of the model. Raises
    DesignRefused where three posts find no hold with the centre of mass between them.
    """
    length = float(np.linalg.norm(towards))
    if length < 1e-6:
        raise DesignRefused(
            "The direction of the base has no length.", cure="Give a direction.", rule="G-DES-01"
        )
    mesh = mesh_of(solid)
    frame = frame_on(mesh.vertices.mean(axis=0), -np.array(towards) / length)
    surface, local = Surface(mesh), frame.to_local(mesh.vertices)
    floor = float(local[:, 2].min()) - gap_mm
    places, tops = _holds(surface, frame, local, floor, post_mm)
    chosen = _three(places, _centre_of_mass(local, mesh.faces))
    if chosen is None:
        raise DesignRefused(
            "The base finds no three places from which the model would stand upright.",
            cure="Choose thinner posts, another direction for the base, or none.",
            rule="G-DES-01",
        )
    posts = [
        Manifold.cylinder(
            float(tops[one] - floor) + plate_mm / 2.0, post_mm / 2.0, post_mm / 2.0, SEGMENTS
        ).translate((float(places[one, 0]), float(places[one, 1]), floor - plate_mm / 2.0))
        for one in chosen
    ]
    outline = CrossSection.hull_points([(float(x), float(y)) for x, y in places[list(chosen)]])
    plate = outline.offset(1.5 * post_mm, JoinType.Round, circular_segments=SEGMENTS).extrude(plate_mm)
    base = Manifold.batch_boolean([plate.translate((0.0, 0.0, floor - plate_mm)), *posts], OpType.Add)
    return base.transform(np.column_stack([frame.axes.T, frame.origin]))


def _holds(
    surface: Surface, frame: Frame, local: NDArray[np.float64], floor: float, post: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (n, 2) in the frame where a post meets the model with its whole top, and how high each must reach."""
    low, high = local[:, :2].min(axis=0), local[:, :2].max(axis=0)
    axes = [np.linspace(low[i], high[i], GRID) for i in range(2)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    angles = np.arange(9) * np.pi / 4.0
    ring = HELD_SHARE * post / 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ring[-1] = 0.0
    heights = np.stack([_first(surface, frame, places + offset, floor) for offset in ring])
    met = np.isfinite(heights).all(axis=0)
    places, heights = places[met], heights[:, met]
    tops = heights.max(axis=0) + EMBED_MM
    fit = (heights.min(axis=0) - floor < LONGEST_POST_MM) & (tops - heights.min(axis=0) <= post)
    places, tops, middles = places[fit], tops[fit], heights[-1, fit]
    holding = _first(surface, frame, places, middles + 0.01) > tops + EMBED_MM
    return places[holding], tops[holding]


def _first(
    surface: Surface, frame: Frame, places: NDArray[np.float64], height: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """The local height at which a look upwards from each place meets the model; not finite where it never does."""
    heights = np.broadcast_to(np.asarray(height, dtype=np.float64), (len(places),))
    starts = frame.to_patient(np.column_stack([places, heights]))
    return np.asarray(heights + surface.first_hits(starts, frame.axes[2]), dtype=np.float64)


def _centre_of_mass(local: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Of the solid, seen along the base's axis (2,)."""
    a, b, c = (local[faces[:, corner]] for corner in range(3))
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c))
    centre = ((a + b + c) * volumes[:, None]).sum(axis=0) / 4.0 / volumes.sum()
    return np.asarray(centre[:2], dtype=np.float64)


def _three(places: NDArray[np.float64], centre: NDArray[np.float64]) -> tuple[int, ...] | None:
    """The three places with the largest triangle around the centre of mass."""
    step = max(1, len(places) // CHOICES)
    triples = np.array(list(combinations(range(0, len(places), step), POSTS)), dtype=np.int64).reshape(
        -1, POSTS
    )
    if not len(triples):
        return None
    a, b, c = (places[triples[:, corner]] for corner in range(POSTS))
    turns = np.stack([_cross(b - a, centre - a), _cross(c - b, centre - b), _cross(a - c, centre - c)])
    around = (turns > 0.0).all(axis=0) | (turns < 0.0).all(axis=0)
    areas = np.where(around, np.abs(_cross(b - a, c - a)), 0.0)
    best = int(np.argmax(areas))
    return tuple(int(one) for one in triples[best]) if areas[best] > 0.0 else None


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0], dtype=np.float64)
