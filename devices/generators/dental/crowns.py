"""Teeth as bodies: the scanned crown, closed by a root that nobody scanned.

Only what the scan shows is the tooth. Where two teeth touch and between crown and root the surface is invented; it stands below
the margin, or behind a contact, and no aligner rests on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from manifold3d import Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import DesignRefused, unit_vector
from devices.generators.dental.frames import ToothFrame
from devices.generators.dental.teeth import RULE, LabelledScan
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.rims import capped, length_mm, rims, skirted, submesh
from devices.mesh.solid import NotASolid, mesh_of, solid_of
from devices.planning.movements import Attachment, Reduction
from mes.exceptions import Reason

HOLE_SHARE = 0.5
"""A second edge of a crown this long, beside the first, is no hole but a crown in two halves."""
ROOT_RINGS = ((0.15, 1.0), (0.5, 0.92), (1.0, 0.75))
"""Down the root: how far of its depth, and how wide of the margin."""
FAR_MM = 40.0
SUNK_MM = 0.6


@dataclass(frozen=True, eq=False)
class Tooth:
    """A tooth as it stands in the scan: its frame, what was scanned of its crown, the body around it, and the planes (inward unit
    normal, distance from the origin) that enamel was reduced to."""

    number: int
    frame: ToothFrame
    crown: Mesh
    body: Manifold
    cuts: tuple[tuple[NDArray[np.float64], float], ...] = ()

    @cached_property
    def reduced(self) -> Manifold:
        """The body with every reduction made."""
        body = self.body
        for normal, distance in self.cuts:
            body = body.trim_by_plane([float(one) for one in normal], distance)
        return body

    @cached_property
    def surface(self) -> Surface:
        """Of the body as it is after its reductions, for distances."""
        return Surface(mesh_of(self.reduced))


def build_teeth(scan: LabelledScan, frames: Mapping[int, ToothFrame], root_mm: float) -> dict[int, Tooth]:
    """Every tooth as a closed body, its root `root_mm` deep below the lowest point of the margin. Raises DesignRefused.

    The scan is in the arch's frame, and the roots run straight down in it: side by side they do not meet.
    """
    found, problems = {}, []
    for tooth in scan.teeth:
        try:
            found[tooth] = _tooth(scan, tooth, frames[tooth], root_mm)
        except NotASolid as refusal:
            problems += [
                Reason(f"Tooth {tooth}: {reason.text}", "Label its crown again.", RULE)
                for reason in refusal.reasons
            ]
    if problems:
        raise DesignRefused(problems)
    return found


def _tooth(scan: LabelledScan, tooth: int, frame: ToothFrame, root_mm: float) -> Tooth:
    crown, _ = submesh(scan.mesh, scan.crown(tooth))
    margin, *holes = rims(crown.faces)
    closed = crown
    for hole in holes:
        if length_mm(crown, hole) > HOLE_SHARE * length_mm(crown, margin):
            raise DesignRefused(
                [
                    Reason(
                        f"The crown of tooth {tooth} has a gap as wide as itself.",
                        "Scan or label it again.",
                        RULE,
                    )
                ]
            )
        closed = capped(closed, hole)
    body = solid_of(skirted(closed, margin, *_root(crown.vertices[margin], root_mm)))
    return Tooth(tooth, frame, crown, body)


def _root(
    margin: NDArray[np.float64], root_mm: float
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Rings straight down from a margin (k, 3) mm, narrowing, and the tip."""
    middle, floor = margin[:, :2].mean(axis=0), float(margin[:, 2].min())
    rings = []
    for depth, width in ROOT_RINGS:
        ring = np.empty_like(margin)
        ring[:, :2] = middle + width * (margin[:, :2] - middle)
        ring[:, 2] = floor - depth * root_mm
        rings.append(ring)
    return rings, np.array([*middle, floor - 1.05 * root_mm])


def reduce_contacts(teeth: Mapping[int, Tooth], reductions: Iterable[Reduction]) -> dict[int, Tooth]:
    """The teeth with enamel taken off where they meet: two parallel flat cuts, each half the amount deep."""
    found = dict(teeth)
    for one in reductions:
        for tooth, other in (one.teeth, one.teeth[::-1]):
            own, outward = found[tooth], teeth[other].frame.origin - teeth[tooth].frame.origin
            outward = unit_vector(outward * (1.0, 1.0, 0.0))
            reach = float((own.crown.vertices @ outward).max())
            cut = (-outward, -(reach - one.amount_mm / 2.0))
            found[tooth] = replace(own, cuts=(*own.cuts, cut))
    return found


def with_attachments(teeth: Mapping[int, Tooth], attachments: Iterable[Attachment]) -> dict[int, Tooth]:
    """The teeth with bevelled bumps on their buccal sides. Raises DesignRefused where one finds no crown under it."""
    found, problems = dict(teeth), []
    for one in attachments:
        own = found[one.tooth]
        start = own.frame.to_scan(np.array([[one.mesial_mm, FAR_MM, one.occlusal_mm]]))
        reach = float(Surface(own.crown).first_hits(start, -own.frame.buccal[None])[0])
        if not np.isfinite(reach):
            text = f"The attachment of tooth {one.tooth} has no crown under it."
            problems.append(Reason(text, "Place it on the buccal side of the crown.", RULE))
            continue
        bump = _bump(one, own.frame, FAR_MM - reach)
        found[one.tooth] = replace(own, body=Manifold.batch_boolean([own.body, bump], OpType.Add))
    if problems:
        raise DesignRefused(problems)
    return found


def _bump(one: Attachment, frame: ToothFrame, height: float) -> Manifold:
    """A block with its outer edges bevelled, sunk into the crown, whose surface lies `height` mm to the buccal."""
    wide, tall = one.width_mm / 2.0, one.height_mm / 2.0
    bevel = min(0.3 * one.prominence_mm, 0.3 * min(wide, tall))
    levels = (
        (-SUNK_MM, wide, tall),
        (one.prominence_mm - bevel, wide, tall),
        (one.prominence_mm, wide - bevel, tall - bevel),
    )
    corners = [
        (one.mesial_mm + side * w, height + level, one.occlusal_mm + up * t)
        for level, w, t in levels
        for side in (-1.0, 1.0)
        for up in (-1.0, 1.0)
    ]
    return Manifold.hull_points(frame.to_scan(np.array(corners)))


def crown_points(tooth: Tooth) -> NDArray[np.float64]:
    """Points (n, 3) mm of what was scanned of a crown and not taken off: its corners and the middles of its faces."""
    crown = tooth.crown
    points: NDArray[np.float64] = np.concatenate([crown.vertices, crown.vertices[crown.faces].mean(axis=1)])
    for normal, distance in tooth.cuts:
        points = points[points @ normal >= distance]
    return points
