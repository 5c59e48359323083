"""Vessels of known shape: tubes swept along an arc with a stated radius, and one with a branch, as closed surfaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.solid import mesh_of, solid_of

CENTRE = np.array([15.0, -140.0, 820.0])
Points = NDArray[np.float64]


class Vessel:
    """A lumen whose axis is an arc in the patient's y-z plane about `CENTRE`, bend_mm its radius, from angle 0 to `length_mm` along it."""

    def __init__(
        self,
        *,
        bend_mm: float = 35.0,
        length_mm: float = 70.0,
        radius_mm: Callable[[Points], Points] = lambda along: np.full_like(along, 9.0),
    ) -> None:
        self.bend_mm, self.length_mm, self.radius_mm = bend_mm, length_mm, radius_mm

    def axis(self, along: Points) -> Points:
        """Points (n, 3) LPS mm of the axis at distances (n,) mm from its start."""
        turn = along / self.bend_mm
        zero = np.zeros_like(along)
        return np.asarray(CENTRE + self.bend_mm * np.stack([zero, np.cos(turn), np.sin(turn)], axis=1))

    def tangent(self, along: Points) -> Points:
        turn = along / self.bend_mm
        return np.stack([np.zeros_like(along), -np.sin(turn), np.cos(turn)], axis=1)

    def lumen(self, step_mm: float = 1.0, around: int = 96) -> Mesh:
        along = np.linspace(0.0, self.length_mm, int(self.length_mm / step_mm) + 1)
        turns = 2.0 * np.pi * np.arange(around) / around
        out = np.stack([np.zeros_like(along), *(self.tangent(along)[:, [2, 1]] * [1.0, -1.0]).T], axis=1)
        ring = np.cos(turns)[:, None, None] * out + np.sin(turns)[:, None, None] * np.array([1.0, 0.0, 0.0])
        places = self.axis(along)[:, None] + self.radius_mm(along)[:, None, None] * ring.transpose(1, 0, 2)
        return closed_sweep(places)


def closed_sweep(places: Points) -> Mesh:
    """The surface through rings of points (rings, around, 3), its two ends closed by fans; outward whichever way they turn."""
    count, around = places.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    one, two = index[:-1], index[1:]
    nxt = np.roll(index, -1, axis=1)
    sides = np.concatenate([
        np.stack([one, nxt[:-1], two], axis=-1).reshape(-1, 3),
        np.stack([nxt[:-1], nxt[1:], two], axis=-1).reshape(-1, 3),
    ])  # fmt: skip
    first, last = count * around, count * around + 1
    caps = np.concatenate([
        np.stack([np.full(around, first), nxt[0], index[0]], axis=1),
        np.stack([np.full(around, last), index[-1], nxt[-1]], axis=1),
    ])  # fmt: skip
    vertices = np.concatenate([places.reshape(-1, 3), places[[0, -1]].mean(axis=1)])
    faces = np.concatenate([sides, caps]).astype(np.int32)
    a, b, c = (vertices[faces[:, corner]] - CENTRE for corner in range(3))
    return Mesh(vertices, faces if (np.cross(a, b) * c).sum() > 0.0 else faces[:, ::-1])


def branched(vessel: Vessel, radius_mm: float = 4.0, length_mm: float = 30.0) -> Mesh:
    """The vessel with a branch from its middle, outwards along the patient's x."""
    start = vessel.axis(np.array([vessel.length_mm / 2.0]))[0]
    branch = Manifold.cylinder(length_mm, radius_mm, radius_mm, 64).rotate((0.0, 90.0, 0.0))
    return mesh_of(solid_of(vessel.lumen()) + branch.translate([float(v) for v in start]))
