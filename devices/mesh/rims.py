"""The edges of an open surface: found as closed walks, and closed again.

A walk may pass a vertex more than once (a pinch). Whatever is built on it takes one new vertex per place of the walk, so that each
edge of the result still belongs to two faces.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh

Walk = NDArray[np.int32]


def rims(faces: NDArray[np.int32]) -> list[Walk]:
    """The edges of one face only, as closed walks of vertex indices in the direction of their faces, the longest first."""
    onward: defaultdict[int, list[int]] = defaultdict(list)
    for start, end in _open_edges(faces):
        onward[start].append(end)
    walks = []
    while onward:
        first = min(onward)
        walk, here = [], first
        while True:
            walk.append(here)
            ends = onward[here]
            following = ends.pop()
            if not ends:
                del onward[here]
            here = following
            if here == first:
                break
        walks.append(np.array(walk, dtype=np.int32))
    return sorted(walks, key=len, reverse=True)


def pinches(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """The vertices where an edge of the surface meets itself: a wall built on it would touch itself there."""
    starts = np.array([start for start, _ in _open_edges(faces)], dtype=np.int64)
    found, counts = np.unique(starts, return_counts=True)
    return found[counts > 1]


def _open_edges(faces: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Directed edges (start, end) that have no opposite."""
    edges = np.concatenate([faces[:, (0, 1)], faces[:, (1, 2)], faces[:, (2, 0)]]).astype(np.int64)
    many = int(faces.max(initial=0)) + 1
    there, back = edges[:, 0] * many + edges[:, 1], edges[:, 1] * many + edges[:, 0]
    alone = ~np.isin(there, back)
    return [(int(start), int(end)) for start, end in edges[alone]]


def length_mm(mesh: Mesh, walk: Walk) -> float:
    """How long a walk is, mm."""
    places = mesh.vertices[walk]
    return float(np.linalg.norm(places - np.roll(places, -1, axis=0), axis=1).sum())


def skirted(mesh: Mesh, walk: Walk, rings: list[NDArray[np.float64]], apex: NDArray[np.float64]) -> Mesh:
    """The mesh with a wall from `walk` through `rings` (each (k, 3) mm, a place per place of the walk), closed by a fan to `apex`."""
    count, start = len(walk), len(mesh.vertices)
    rows = [walk, *(start + n * count + np.arange(count, dtype=np.int32) for n in range(len(rings)))]
    walls = []
    for upper, lower in pairwise(rows):
        walls += _band(upper, lower)
    tip = start + len(rings) * count
    last = rows[-1]
    fan = np.stack([np.roll(last, -1), last, np.full(count, tip)], axis=1)
    return Mesh(
        np.concatenate([mesh.vertices, *rings, apex[None]]),
        np.concatenate([mesh.faces, *walls, fan]).astype(np.int32),
    )


def _band(upper: Walk, lower: Walk) -> list[NDArray[np.int32]]:
    """Two triangles per place between two rows; the outward side is that of the faces above."""
    beside, below = np.roll(upper, -1), np.roll(lower, -1)
    return [np.stack([beside, upper, lower], axis=1), np.stack([beside, lower, below], axis=1)]


def capped(mesh: Mesh, walk: Walk) -> Mesh:
    """The mesh with a hole closed by a fan to the middle of its edge."""
    return skirted(mesh, walk, [], mesh.vertices[walk].mean(axis=0))


def largest_piece(faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which faces (m,) belong to the piece of most faces; faces hold together by shared vertices."""
    if not len(faces):
        return np.zeros(0, dtype=np.bool_)
    pieces = pieces_of(faces)
    kept: NDArray[np.bool_] = pieces == np.bincount(pieces).argmax()
    return kept


def pieces_of(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """The piece (m,) of each face, by its smallest vertex; labels spread over edges until nothing changes."""
    label = np.arange(int(faces.max(initial=-1)) + 1)
    while True:
        low = label[faces].min(axis=1)
        spread = label.copy()
        np.minimum.at(spread, faces.ravel(), np.repeat(low, 3))
        spread = spread[spread]
        if np.array_equal(spread, label):
            return np.asarray(label[faces[:, 0]], dtype=np.int64)
        label = spread


def submesh(mesh: Mesh, kept: NDArray[np.bool_]) -> tuple[Mesh, NDArray[np.int64]]:
    """The faces `kept` (m,) as a mesh of their own, and the index in `mesh` of each of its vertices."""
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32)), used.astype(np.int64)
