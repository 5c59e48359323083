"""The round bores of a part, looked for all over it: nobody says where they are, so none is left out because nobody spoke of it.

Faces that bend towards each other by little are one wall; across the rim of a bore, be it sharp, chamfered or rounded, they bend away.
A wall whose normals are square to one direction and draw a circle that looks inwards is a candidate, and what is measured there is
measured as any bore is. Slots and openings that are not round are none: `openings` counts those with the others.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.bore import Bore, measure_bore
from devices.mesh.distance import face_areas, face_normals

NARROWEST_MM, WIDEST_MM = 0.6, 30.0
BENT = math.cos(math.radians(46.0))
"""Between two faces of one wall at most: a bore of eight sides is one."""
AWAY = -math.sin(math.radians(1.5))
"""Sine: faces that bend away from each other by less are flat, as a file rounds them."""
SQUARE, ROUND_MM, SPREAD = 0.05, 0.1, 0.3
"""Sine of the lean of a wall's normals to its axis; how far its faces are from the circle; and how far round they reach, as the second
of the singular values of their normals: less is nearly a plane."""
LEAST_FACES = 6
SAME_MM, SAME_DEGREES = 0.2, 2.0


def round_holes(mesh: Mesh) -> list[Bore]:
    """Every round bore of a closed part, each once, whether it goes through or ends in it."""
    walls, normals, areas = _walls(mesh), face_normals(mesh), face_areas(mesh)
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    order = np.argsort(walls, kind="stable")
    starts = np.flatnonzero(np.diff(walls[order], prepend=-1))
    found: list[Bore] = []
    for faces in np.split(order, starts[1:]):
        candidate = (
            _cylinder(middles[faces], normals[faces], areas[faces]) if len(faces) >= LEAST_FACES else None
        )
        if candidate is None or any(_is(bore, *candidate) for bore in found):
            continue
        bore = measure_bore(mesh, *candidate)
        if bore is not None and not any(
            _is(one, np.array(bore.point_mm), np.array(bore.axis), bore.diameter_mm) for one in found
        ):
            found.append(bore)
    return found  # fmt: skip


def openings(mesh: Mesh, solids: int) -> int:
    """How many openings lead through a closed part of so many solids, whatever their shape, by Euler's formula."""
    corners = len(np.unique(mesh.faces))
    return solids - round((corners - len(mesh.faces) / 2.0) / 2.0)


def _walls(mesh: Mesh) -> NDArray[np.int64]:
    """The wall (m,) that each face belongs to, by one of its faces; labels spread until nothing changes."""
    normals = face_normals(mesh)
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    one, other = _neighbours(mesh)
    apart = middles[other] - middles[one]
    apart /= np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-12)
    # The other face lies before this one where both bend towards each other, and behind it where they bend away.
    bends = (apart * normals[one]).sum(axis=1) > AWAY
    bends &= (normals[one] * normals[other]).sum(axis=1) > BENT
    one, other = one[bends], other[bends]
    label = np.arange(len(mesh.faces))
    while True:
        low = np.minimum(label[one], label[other])
        spread = label.copy()
        np.minimum.at(spread, label[one], low)
        np.minimum.at(spread, label[other], low)
        spread = spread[spread]
        if np.array_equal(spread, label):
            return label
        label = spread


def _neighbours(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces (e,) and (e,) that share an edge, each pair once."""
    edges = np.sort(
        np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1
    )
    keys = edges[:, 0].astype(np.int64) * len(mesh.vertices) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    return order[same] % len(mesh.faces), order[same + 1] % len(mesh.faces)  # fmt: skip


def _cylinder(
    middles: NDArray[np.float64], normals: NDArray[np.float64], areas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """A point, the unit axis and the diameter of the round wall that faces (n,) are; None where they are none, or it looks outwards."""
    root = np.sqrt(areas)[:, None]
    _, spread, ways = np.linalg.svd(normals * root, full_matrices=False)
    axis = ways[-1]
    if spread[1] < SPREAD * spread[0] or np.abs(normals @ axis).max() > SQUARE:
        return None
    plane = ways[:2]
    about = middles.mean(axis=0)
    offsets = ((middles - about) * normals).sum(axis=1)
    rows = np.concatenate([normals @ plane.T, -np.ones((len(normals), 1))], axis=1)
    (x, y, radius), *_ = np.linalg.lstsq(rows * root, offsets * root[:, 0], rcond=None)
    off = np.abs(rows @ np.array([x, y, radius]) - offsets).max()
    if off > ROUND_MM or not NARROWEST_MM <= 2.0 * radius <= WIDEST_MM:
        return None
    return about + x * plane[0] + y * plane[1], axis, 2.0 * float(radius)


def _is(bore: Bore, point: NDArray[np.float64], axis: NDArray[np.float64], diameter: float) -> bool:
    """Whether what was found is this bore, at the same place of its axis or another."""
    same = abs(bore.diameter_mm - diameter) < SAME_MM
    return same and bore.shift_from(point) < SAME_MM and bore.tilt_from(axis) < SAME_DEGREES
