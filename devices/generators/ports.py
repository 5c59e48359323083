"""The open ends of a vessel model: a plane across the vessel beside each picked end, and everything beyond it gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.parts import survives
from devices.generators.shell import Frame, frame_on
from devices.generators.site import given_direction, outward_normal
from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of, solid_of

Triple = tuple[float, float, float]

PICK_REACH_MM = 5.0
AROUND_MM = 8.0
"""How far around a pick the lumen's surface is asked for the way out, as the diameter of what is asked."""
SHIFTS_MM = (0.0, -0.01, 0.01, -0.02, 0.02)
END_SHARE = 2.5
"""An end that reaches further than so many of its diameters beyond the plane is more than an end."""


@dataclass(frozen=True, eq=False)
class Port:
    """number: as it was asked for; plane: across the vessel, w outwards; end: what the wall loses; diameter_mm: of a circle as wide as
    the lumen is there."""

    number: int
    plane: Frame
    end: Manifold
    diameter_mm: float


def port_at(
    number: int, body: Manifold, lumen: Surface, pick: Triple, outward: Triple, trim_mm: float
) -> Port:
    """The port `trim_mm` inside a pick (LPS mm) on the end of a vessel.

    body: the lumen with its wall; outward: the way out of the vessel, 0, 0, 0 for the one that the lumen's surface faces there.
    Raises DesignRefused where the plane crosses no lumen, or would cut off more than an end.
    """
    found = lumen.closest(np.array([pick]))
    away = float(np.linalg.norm(found.points[0] - np.array(pick)))
    if away > PICK_REACH_MM:
        raise _refused(
            number,
            f"is {away:.1f} mm from the lumen; {PICK_REACH_MM:g} mm are allowed",
            "Pick it on the end.",
        )
    out = (
        given_direction(outward)
        if any(outward)
        else outward_normal(lumen, found.points[0], int(found.faces[0]), AROUND_MM)
    )
    plane = _clean(body, frame_on(found.points[0] - trim_mm * out, out))
    opening = _opening(lumen, plane)
    end = _split(body, plane)[0]
    if opening is None or end.is_empty():
        raise _refused(number, "crosses no lumen", "Trim more of the end, or give the way out of the vessel.")
    diameter = 2.0 * math.sqrt(opening.area() / math.pi)
    corners = mesh_of(end).vertices
    reach = float(np.linalg.norm(corners - plane.origin, axis=1).max())
    if reach > trim_mm + END_SHARE * diameter + AROUND_MM:
        raise _refused(
            number,
            f"would cut off {reach:.0f} mm of the vessel",
            "Pick it on the very end of a vessel, or give the way out.",
        )
    return Port(number, plane, end, diameter)


def trimmed(body: Manifold, ports: Sequence[Port]) -> Manifold:
    """The body without the ends beyond its ports. Where a plane crosses other vessels too, these are joined again."""
    for port in ports:
        _, others, rest = _split(body, port.plane)
        body = Manifold.batch_boolean([rest, *others], OpType.Add) if others else rest
    return body


def refuse_shut(walls: Sequence[Manifold], ports: Sequence[Port]) -> None:
    """Raises DesignRefused where one cannot look into a vessel through its port."""
    surfaces = [Surface(mesh_of(wall)) for wall in walls]
    for port in ports:
        if not all(_is_open(surface, port) for surface in surfaces):
            raise _refused(
                port.number, "is not open", "Trim more of the end, or give the way out of the vessel."
            )


def _clean(body: Manifold, plane: Frame) -> Frame:
    """The plane, moved by a hundredth of a millimetre or two where it runs along the body's own edges: cut there, edges would touch."""
    moved = [frame_on(plane.origin + shift * plane.axes[2], plane.axes[2]) for shift in SHIFTS_MM]
    return next((one for one in moved if survives(mesh_of(_split(body, one)[2]))), plane)


def _opening(lumen: Surface, plane: Frame) -> CrossSection | None:
    """The lumen's section with the plane that is nearest to the plane's origin."""
    place = np.column_stack([plane.axes, -plane.axes @ plane.origin])
    section = solid_of(lumen.mesh).transform(place).slice(0.0)
    faces = [face for face in section.decompose() if face.area() > 0.0]
    return min(faces, key=_away_from_origin) if faces else None


def _away_from_origin(face: CrossSection) -> float:
    points = np.concatenate([np.asarray(ring) for ring in face.to_polygons()])
    return float(np.hypot(*points.mean(axis=0)))


def _split(body: Manifold, plane: Frame) -> tuple[Manifold, list[Manifold], Manifold]:
    """The piece beyond the plane that is nearest to the plane's origin, the other pieces beyond it, and what lies on this side."""
    x, y, z = (float(part) for part in plane.axes[2])
    beyond, rest = body.split_by_plane((x, y, z), float(plane.axes[2] @ plane.origin))
    pieces = sorted(beyond.decompose(), key=lambda piece: _distance(piece, plane.origin))
    return (pieces[0], pieces[1:], rest) if pieces else (beyond, [], rest)


def _distance(piece: Manifold, point: NDArray[np.float64]) -> float:
    return float(Surface(mesh_of(piece)).unsigned(point[None])[0])


def _is_open(wall: Surface, port: Port) -> bool:
    """Whether looks along the vessel, from inside the plane to beyond the end, meet nothing across half the opening."""
    turns = np.arange(8) * np.pi / 4.0
    ring = port.diameter_mm / 4.0 * np.stack([np.cos(turns), np.sin(turns), np.zeros(8)], axis=1)
    local = np.concatenate([ring, np.zeros((1, 3))])
    local[:, 2] -= 0.05
    starts = port.plane.to_patient(local)
    reach = wall.first_hits(starts, np.broadcast_to(port.plane.axes[2], starts.shape))
    return bool((reach > port.diameter_mm).all())


def _refused(number: int, what: str, cure: str) -> DesignRefused:
    return DesignRefused(f"Port {number} {what}.", cure=cure, rule="G-DES-01")
