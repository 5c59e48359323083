"""The eyewire: a rim around a lens on its base curve, with a V groove for the bevel, in the boxing system of ISO 8624.

The lens shape runs along the bottom of the groove, where ISO 8624 measures a front. Each section of the rim stands square to the shape and
to the lens, so that the groove is as deep and wide on a steep curve as on a flat one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.shell import Frame
from devices.mesh.base import Mesh
from devices.mesh.solid import solid_of

Points = NDArray[np.float64]

INDEX = 530.0
"""Of a base curve in dioptres, its radius in mm: the index of 1.53 that curves are stated for."""
STATIONS = 240
ARC = 4
"""Chords of a quarter of a rounded edge."""
INSIDE_MM = 2.0
"""How far the rim's blank reaches into the opening, and the opening's tool beyond the rim, so that no faces coincide."""


@dataclass(frozen=True)
class Section:
    """A section of the rim, mm. width_mm: seen from the front, from lip to outer edge; depth_mm: from front to back; brow_mm: how much wider
    it gets towards the top; edge_mm: rounding of its outer edges."""

    width_mm: float
    depth_mm: float
    brow_mm: float
    edge_mm: float
    groove_mm: float
    groove_degrees: float

    @property
    def mouth_mm(self) -> float:
        """How wide the groove is at the lips."""
        return 2.0 * self.groove_mm * float(np.tan(np.radians(self.groove_degrees / 2.0)))

    @property
    def behind_mm(self) -> float:
        """What is left behind the bottom of the groove where the rim is narrowest."""
        return self.width_mm - self.groove_mm


@dataclass(frozen=True, eq=False)
class LensShape:
    """A superellipse in its box: `width_mm` is A, `height_mm` B; squareness 2 is an ellipse, more comes nearer to the box.

    base_d: base curve in dioptres. About the box's middle: x to the patient's left, y up, z to the front.
    """

    width_mm: float
    height_mm: float
    squareness: float
    base_d: float

    @property
    def radius_mm(self) -> float:
        return INDEX / self.base_d

    @cached_property
    def stations(self) -> Points:
        """Places (STATIONS, 3) on the shape, counter-clockwise from +x; a quarter of them from one side of the box to the next."""
        turns = np.arange(STATIONS) * 2.0 * np.pi / STATIONS
        x, y = np.cos(turns), np.sin(turns)
        away = (
            np.abs(x / (self.width_mm / 2.0)) ** self.squareness
            + np.abs(y / (self.height_mm / 2.0)) ** self.squareness
        )
        flat = (away ** (-1.0 / self.squareness))[:, None] * np.stack([x, y], axis=1)
        return np.column_stack([flat, self.height_at(flat)])

    def height_at(self, flat: Points) -> NDArray[np.float64]:
        """z (n,) of the lens's middle surface at places (n, 2) seen from the front; 0 in the middle of the box."""
        return np.asarray(np.sqrt(self.radius_mm**2 - (flat**2).sum(axis=1)) - self.radius_mm)

    @cached_property
    def outward(self) -> Points:
        """Unit vectors (STATIONS, 3) out of the opening, along the lens."""
        x, y = self.stations[:, 0] / (self.width_mm / 2.0), self.stations[:, 1] / (self.height_mm / 2.0)
        steep = self.squareness - 1.0
        gradient = np.stack(
            [
                np.sign(x) * np.abs(x) ** steep / self.width_mm,
                np.sign(y) * np.abs(y) ** steep / self.height_mm,
            ],
            axis=1,
        )
        along = np.stack([-gradient[:, 1], gradient[:, 0], np.zeros(len(gradient))], axis=1)
        along[:, 2] = -(along * self.forward).sum(axis=1) / self.forward[:, 2]
        out = np.cross(along, self.forward)
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))

    @cached_property
    def forward(self) -> Points:
        """Unit normals (STATIONS, 3) of the lens, to the front."""
        return np.asarray((self.stations + np.array([0.0, 0.0, self.radius_mm])) / self.radius_mm)

    def ring(self, out_mm: float | NDArray[np.float64], forward_mm: float) -> Points:
        """The shape moved outwards, and square to the lens to the front (STATIONS, 3)."""
        out = np.broadcast_to(out_mm, STATIONS)[:, None]
        return np.asarray(self.stations + out * self.outward + forward_mm * self.forward)

    def brow(self) -> NDArray[np.float64]:
        """How much of the brow's width each station (STATIONS,) has: all at the top, nothing from the middle of the sides down."""
        return np.clip(self.stations[:, 1] / (self.height_mm / 2.0), 0.0, 1.0) ** 2


def blank(shape: LensShape, section: Section, frame: Frame) -> Manifold:
    """The rim with its opening filled, where the frame is."""
    half, edge = section.depth_mm / 2.0, section.edge_mm
    outer = section.behind_mm + section.brow_mm * shape.brow()
    turns = np.linspace(0.0, np.pi / 2.0, ARC + 1)
    corner = [(outer - edge + edge * np.sin(turn), half - edge + edge * np.cos(turn)) for turn in turns]
    inner = -(section.groove_mm + INSIDE_MM)
    rings = [shape.ring(inner, half), *(shape.ring(out, forward) for out, forward in corner)]
    rings += [shape.ring(out, -forward) for out, forward in reversed(corner)]
    return stacked(np.stack([*rings, shape.ring(inner, -half)]), frame)


def opening(shape: LensShape, section: Section, frame: Frame) -> Manifold:
    """What the lens and the way it is put in take away: the opening between the lips, and the V of the groove."""
    lip, mouth = -section.groove_mm, section.mouth_mm / 2.0
    beyond = section.depth_mm / 2.0 + INSIDE_MM
    profile = ((lip, beyond), (lip, mouth), (0.0, 0.0), (lip, -mouth), (lip, -beyond))
    return stacked(np.stack([shape.ring(out, forward) for out, forward in profile]), frame)


def stacked(rings: Points, frame: Frame) -> Manifold:
    """The body inside rings (k, m, 3) of local points that follow each other, closed by a fan over the first and the last.

    Seen from before the first ring, each runs counter-clockwise.
    """
    count, around, _ = rings.shape
    corners = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(axis=1)])
    first, second = np.arange(around), np.roll(np.arange(around), -1)
    steps = around * np.arange(count - 1)[:, None]
    a, b = (steps + first).ravel(), (steps + second).ravel()
    faces = [np.stack([a, a + around, b + around], axis=1), np.stack([a, b + around, b], axis=1)]
    last = around * (count - 1)
    faces.append(np.stack([first, second, np.full(around, count * around)], axis=1))
    faces.append(np.stack([last + second, last + first, np.full(around, count * around + 1)], axis=1))
    return solid_of(Mesh(frame.to_patient(corners), np.concatenate(faces).astype(np.int32)))
