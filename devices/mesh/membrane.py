"""A soap film over part of a surface: the smooth patch that its surroundings hold, with the faces it had before.

The film solves the discrete Laplace equation: each free vertex lies at the mean of its neighbours (uniform weights, so that
the film does not remember the shape that was there).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh

TOLERANCE_MM = 1e-3
MOST_STEPS = 2000


def film(mesh: Mesh, free: NDArray[np.bool_]) -> Mesh:
    """The mesh with its `free` vertices (n,) moved onto the film that the others span.

    Every free vertex needs a way along edges to one that is held; else ValueError. By conjugate gradients: the system is
    symmetric, positive and sparse, and nothing but products with it is needed.
    """
    index = np.full(len(mesh.vertices), -1)
    index[free] = np.arange(int(free.sum()))
    start, end = _edges_from(mesh.faces, free)
    degree = np.bincount(index[start], minlength=int(free.sum())).astype(np.float64)
    inner = free[end]
    rows, columns = index[start[inner]], index[end[inner]]
    centre = mesh.vertices.mean(axis=0)
    fixed = _summed(index[start[~inner]], (mesh.vertices - centre)[end[~inner]], len(degree))
    found = _solved(degree, rows, columns, fixed, (mesh.vertices - centre)[free])
    vertices = mesh.vertices.copy()
    vertices[free] = found + centre
    return Mesh(vertices, mesh.faces)


def _edges_from(
    faces: NDArray[np.int32], free: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both directions of each edge, once, that starts at a free vertex."""
    pairs = np.concatenate([faces[:, (0, 1)], faces[:, (1, 2)], faces[:, (2, 0)]]).astype(np.int64)
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    keys = np.unique(pairs[:, 0] * len(free) + pairs[:, 1])
    start, end = keys // len(free), keys % len(free)
    wanted = free[start]
    return start[wanted], end[wanted]


def _summed(places: NDArray[np.int64], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.stack(
        [np.bincount(places, weights=values[:, axis], minlength=count) for axis in range(3)], axis=1
    )


def _solved(
    degree: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    wanted: NDArray[np.float64],
    guess: NDArray[np.float64],
) -> NDArray[np.float64]:
    """x with degree * x - (sum of its neighbours) = wanted, three columns at once."""

    def product(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return degree[:, None] * values - _summed(rows, values[columns], len(degree))

    found = guess.copy()
    rest = wanted - product(found)
    way, energy = rest.copy(), (rest * rest).sum(axis=0)
    for _ in range(MOST_STEPS):
        if float(np.abs(rest).max(initial=0.0)) < TOLERANCE_MM:
            return found
        pushed = product(way)
        step = energy / np.maximum((way * pushed).sum(axis=0), 1e-300)
        found += step * way
        rest -= step * pushed
        fresh = (rest * rest).sum(axis=0)
        way = rest + fresh / np.maximum(energy, 1e-300) * way
        energy = fresh
    raise ValueError("the film does not settle: a part of it is held by nothing")
