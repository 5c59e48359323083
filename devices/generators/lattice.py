"""A stent as a lattice of ribbons on a tube that follows a vessel: rings of crowns, and links from crown to crown.

A place on the tube is told by how far along the centreline it is, the angle about it, and how high above the inner side it lies. Rings are waves;
each second one is turned over, so that crowns of neighbours face each other and a link between them is straight. Widths are true widths on
the curved tube: the metric of the surface is asked at every place, so neither a bend nor a taper thins a strut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold, OpType

from devices.generators.centreline import Centreline, Points
from devices.mesh.base import Mesh
from devices.mesh.check import signed_volume_mm3
from devices.mesh.solid import solid_of

PER_CROWN = 48
"""Samples of a ring for each crown: at the tip of one, where it turns, they are a few hundredths of a millimetre apart."""
LINK_SAMPLES = 9
SINK_MM = 0.01
"""How much deeper than a ring's a link's faces lie: faces in common would leave edges of four faces."""
PROBE = 1e-4


@dataclass(frozen=True, eq=False)
class Tube:
    """What the lattice lies on: radius_mm (n,) of its outside at each place of the centreline, and its thickness, mm."""

    line: Centreline
    radius_mm: Points
    thickness_mm: float

    def place(self, along: Points, angle: Points, height: float) -> Points:
        """Points (..., 3) LPS mm, `height` of the thickness above the inner side."""
        tangent = self.line.at(self.line.tangents, along)
        across = self.line.at(self.line.across, along)
        other = np.cross(tangent, across)
        out = np.cos(angle)[..., None] * across + np.sin(angle)[..., None] * other
        out /= np.linalg.norm(out, axis=-1, keepdims=True)
        radius = self.line.at(self.radius_mm, along) - (1.0 - height) * self.thickness_mm
        return np.asarray(self.line.at(self.line.points, along) + radius[..., None] * out)

    def beside(
        self, along: Points, angle: Points, way: tuple[Points, Points], half_mm: float
    ) -> tuple[Points, Points]:
        """What to add to a place, along and angle, to come `half_mm` to the side of a way over the tube's middle."""
        step = [
            (self.place(along + PROBE, angle, 0.5) - self.place(along - PROBE, angle, 0.5)) / (2.0 * PROBE),
            (self.place(along, angle + PROBE, 0.5) - self.place(along, angle - PROBE, 0.5)) / (2.0 * PROBE),
        ]
        going = way[0][..., None] * step[0] + way[1][..., None] * step[1]
        side = np.cross(np.cross(step[0], step[1]), going)
        side *= half_mm / np.linalg.norm(side, axis=-1, keepdims=True)
        aa, bb, ab = (
            (one * other).sum(axis=-1)
            for one, other in ((step[0], step[0]), (step[1], step[1]), (step[0], step[1]))
        )
        as_, bs = (step[0] * side).sum(axis=-1), (step[1] * side).sum(axis=-1)
        root = aa * bb - ab * ab
        return (bb * as_ - ab * bs) / root, (aa * bs - ab * as_) / root


@dataclass(frozen=True)
class Pattern:
    """rings of so many crowns, each link_every-th linked; wave_mm: from the middle of a crown's strut to that of the opposite one;
    width_mm: of every strut; gap_mm: between the tips of neighbouring rings.  start_mm: along, to the edge of the first ring."""

    rings: int
    crowns: int
    link_every: int
    wave_mm: float
    width_mm: float
    gap_mm: float
    start_mm: float

    @property
    def pitch_mm(self) -> float:
        return self.wave_mm + self.width_mm + self.gap_mm

    @property
    def length_mm(self) -> float:
        return self.rings * self.pitch_mm - self.gap_mm

    @property
    def links(self) -> int:
        """Between two neighbouring rings."""
        return self.crowns // self.link_every

    @property
    def handles(self) -> int:
        """The genus that the lattice must have: a hole for each ring, and one more for each link after the first of a gap."""
        return self.rings + (self.rings - 1) * (self.links - 1)

    def middle_of(self, ring: int) -> float:
        return self.start_mm + (self.wave_mm + self.width_mm) / 2.0 + ring * self.pitch_mm

    def tip_radius_mm(self, radius_mm: float) -> float:
        """How sharply the middle of a strut turns at a crown's tip on a tube of this radius."""
        return 2.0 * radius_mm**2 / (self.wave_mm * self.crowns**2)


def lattice(tube: Tube, pattern: Pattern) -> Manifold:
    """The stent as one body."""
    rings = [_ring(tube, pattern, number) for number in range(pattern.rings)]
    links = [
        _link(tube, pattern, ring, number)
        for ring in range(pattern.rings - 1)
        for number in range(pattern.links)
    ]
    return Manifold.batch_boolean([solid_of(mesh) for mesh in (*rings, *links)], OpType.Add)


def _ring(tube: Tube, pattern: Pattern, number: int) -> Mesh:
    angle = 2.0 * np.pi * np.arange(pattern.crowns * PER_CROWN) / (pattern.crowns * PER_CROWN)
    swing = (-1.0) ** number * pattern.wave_mm / 2.0
    along = pattern.middle_of(number) + swing * np.cos(pattern.crowns * angle)
    way = (-swing * pattern.crowns * np.sin(pattern.crowns * angle), np.ones_like(angle))
    return _ribbon(_corners(tube, along, angle, way, pattern.width_mm, 0.0), closed=True)


def _link(tube: Tube, pattern: Pattern, ring: int, number: int) -> Mesh:
    """From the tip of a crown of one ring to the tip that faces it, both ends in the middle of a strut."""
    first = pattern.middle_of(ring) + pattern.wave_mm / 2.0
    along = np.linspace(first, first + pattern.gap_mm + pattern.width_mm, LINK_SAMPLES)
    turn = number * pattern.link_every + (ring % 2) / 2.0
    angle = np.full(LINK_SAMPLES, 2.0 * np.pi * turn / pattern.crowns)
    way = (np.ones_like(along), np.zeros_like(along))
    return _ribbon(_corners(tube, along, angle, way, pattern.width_mm, SINK_MM), closed=False)


def _corners(
    tube: Tube, along: Points, angle: Points, way: tuple[Points, Points], width_mm: float, sink_mm: float
) -> Points:
    """The four corners (n, 4, 3) of a ribbon's section at each of its places, one after the other around it."""
    further, turned = tube.beside(along, angle, way, width_mm / 2.0)
    sunk = sink_mm / tube.thickness_mm
    sides = ((-1.0, sunk), (1.0, sunk), (1.0, 1.0 - sunk), (-1.0, 1.0 - sunk))
    return np.stack(
        [tube.place(along + side * further, angle + side * turned, height) for side, height in sides], axis=1
    )


def _ribbon(corners: Points, *, closed: bool) -> Mesh:
    """The surface through sections (n, 4, 3), outward, either closed in itself or with two ends."""
    count = len(corners)
    index = np.arange(4 * count).reshape(count, 4)
    one = index if closed else index[:-1]
    two = np.roll(index, -1, axis=0) if closed else index[1:]
    quads = np.stack([one, np.roll(one, -1, axis=1), np.roll(two, -1, axis=1), two], axis=-1).reshape(-1, 4)
    if not closed:
        quads = np.concatenate([quads, [index[0, ::-1], index[-1]]])
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    mesh = Mesh(corners.reshape(-1, 3), faces)
    return mesh if signed_volume_mm3(mesh) > 0.0 else Mesh(mesh.vertices, mesh.faces[:, ::-1])
