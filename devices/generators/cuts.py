"""Cutting a model by planes into parts that go together again one way only: pins on one side, sockets in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, JoinType, Manifold
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.shell import Frame, frame_on
from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of
from mes.exceptions import Reason

SEGMENTS = 64
ROOT_MM = 1.5
LEAD_MM = 0.3
CANDIDATES = 120


@dataclass(frozen=True)
class Pins:
    """count: for each face of a cut; the clearance is between pin and socket, on the radius and at the end, mm."""

    count: int
    diameter_mm: float
    length_mm: float
    clearance_mm: float
    wall_mm: float

    @property
    def room(self) -> float:
        """The radius that socket and wall take."""
        return self.diameter_mm / 2.0 + self.clearance_mm + self.wall_mm

    @property
    def depth(self) -> float:
        return self.length_mm + self.clearance_mm


@dataclass(frozen=True, eq=False)
class Joint:
    """A pin and its socket: where the pin's axis meets the cut (LPS mm), and the unit axis into the socket."""

    place: NDArray[np.float64]
    axis: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cut:
    """parts: what the planes leave, unsorted; joints: every pin."""

    parts: tuple[Manifold, ...]
    joints: tuple[Joint, ...]


def cut_apart(whole: Manifold, planes: Sequence[Frame], pins: Pins) -> Cut:
    """The whole in parts, cut by each plane (its w the normal) in turn. Raises DesignRefused with its number."""
    parts: list[Manifold] = [whole]
    joints: list[Joint] = []
    for number, plane in enumerate(planes, start=1):
        others = [other for other in planes if other is not plane]
        after: list[Manifold] = []
        for part in parts:
            halves, found = _halved(part, plane, others, pins, number)
            after += halves
            joints += found
        if len(after) == len(parts):
            raise DesignRefused(
                f"Cut {number} misses the model.", cure="Put the plane through the model.", rule="G-DES-01"
            )
        parts = after
    return Cut(tuple(parts), tuple(joints))


def plane_of(point: Sequence[float], normal: Sequence[float], number: int) -> Frame:
    length = float(np.linalg.norm(normal))
    if length < 1e-6:
        raise DesignRefused(
            f"The normal of cut {number} has no length.", cure="Give a direction.", rule="G-DES-01"
        )
    return frame_on(np.array(point, dtype=np.float64), np.array(normal, dtype=np.float64) / length)


def _halved(
    part: Manifold, plane: Frame, others: Sequence[Frame], pins: Pins, number: int
) -> tuple[list[Manifold], list[Joint]]:
    normal = plane.axes[2]
    upper, lower = part.split_by_plane(_triple(normal), float(normal @ plane.origin))
    if upper.is_empty() or lower.is_empty():
        return [part], []
    joints = _joints(part, plane, others, pins, number) if pins.count else []
    for joint in joints:
        lower = lower + _cylinder(joint, pins.diameter_mm / 2.0, -ROOT_MM, pins.length_mm, LEAD_MM)
        upper = upper - _cylinder(joint, pins.diameter_mm / 2.0 + pins.clearance_mm, -0.5, pins.depth, 0.0)
    return [upper, lower], joints


def _joints(part: Manifold, plane: Frame, others: Sequence[Frame], pins: Pins, number: int) -> list[Joint]:
    """Pins for every face of the cut that has room for one. Raises DesignRefused where none has."""
    surface = Surface(mesh_of(part))
    local = part.transform(np.column_stack([plane.axes, -plane.axes @ plane.origin]))
    found: list[Joint] = []
    for face in local.slice(0.0).decompose():
        inner = face.offset(-pins.room, JoinType.Round)
        sites = _sites(inner)
        places = plane.to_patient(np.column_stack([sites, np.zeros(len(sites))]))
        fit = places[_has_room(surface, plane, others, places, pins)]
        found += [Joint(place, plane.axes[2]) for place in _far_apart(fit, pins)]
    if not found:
        raise DesignRefused(
            [
                Reason(
                    f"Cut {number} has no room for a pin of {pins.diameter_mm:g} by {pins.length_mm:g} mm.",
                    "Choose thinner or shorter pins, no pins, or move the cut to where the model is thicker.",
                    "G-DES-01",
                )
            ]
        )
    return found


def _sites(inner: CrossSection) -> NDArray[np.float64]:
    """Points (n, 2) along the border of where a pin's axis may stand: the farther out, the better it aligns."""
    rings = [np.asarray(ring, dtype=np.float64) for ring in inner.to_polygons()]
    if not rings:
        return np.zeros((0, 2))
    points = np.concatenate(rings)
    return points[:: max(1, len(points) // CANDIDATES)]


def _has_room(
    surface: Surface, plane: Frame, others: Sequence[Frame], places: NDArray[np.float64], pins: Pins
) -> NDArray[np.bool_]:
    """Which places (n, 3) keep a wall around and behind the socket and a root for the pin, clear of the other planes."""
    fit = np.ones(len(places), dtype=np.bool_)
    angles = np.arange(9) * np.pi / 4.0
    ring = 0.98 * pins.room * np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane.axes[:2]
    ring[-1] = 0.0
    for offset in ring:
        for way, needed in ((1.0, pins.depth + pins.wall_mm), (-1.0, ROOT_MM + pins.wall_mm)):
            fit &= surface.first_hits(places + offset, way * plane.axes[2]) >= needed
    reach = float(np.hypot(pins.room, pins.depth + pins.wall_mm))
    for other in others:
        fit &= np.abs(other.to_local(places)[:, 2]) > reach
    return fit


def _far_apart(places: NDArray[np.float64], pins: Pins) -> list[NDArray[np.float64]]:
    """At most `count` of the places, each the farthest from those before it, none so near that sockets would meet."""
    if not len(places):
        return []
    chosen = [int(np.argmax(np.linalg.norm(places - places.mean(axis=0), axis=1)))]
    while len(chosen) < pins.count:
        gaps = np.linalg.norm(places[:, None] - places[chosen][None], axis=2).min(axis=1)
        if gaps.max() < 2.0 * pins.room:
            break
        chosen.append(int(np.argmax(gaps)))
    return [places[index] for index in chosen]


def _cylinder(joint: Joint, radius: float, start: float, end: float, lead: float) -> Manifold:
    """Along the joint's axis from `start` to `end` mm past the cut; `lead` is the chamfer at its end."""
    raw = Manifold.cylinder(end - start - lead, radius, radius, SEGMENTS).translate((0.0, 0.0, start))
    if lead:
        raw = raw + Manifold.cylinder(lead, radius, radius - lead, SEGMENTS).translate((0.0, 0.0, end - lead))
    frame = frame_on(joint.place, joint.axis)
    return raw.transform(np.column_stack([frame.axes.T, joint.place]))


def _triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vector)
    return x, y, z
