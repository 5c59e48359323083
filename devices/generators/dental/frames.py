"""Where an arch and each of its teeth stand: the occlusal frame, and a frame per tooth that means the same on both sides.

The frame of a tooth has its origin in the middle of its margin, and three axes that anatomy names: mesial, buccal, occlusal. On
one side of the mouth they are a left-handed set, so rotations are told by what turns towards what and not by a hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused, unit_vector
from devices.generators.dental.teeth import RULE, LabelledScan
from devices.generators.shell import Frame
from devices.mesh.distance import vertex_areas
from devices.mesh.rims import rims
from devices.planning.fdi import on_right
from mes.exceptions import Reason

Vector = NDArray[np.float64]
STEEPEST = np.cos(np.deg2rad(50.0))
"""A long axis further than this from the occlusal plane's normal is a wrong label and not a tooth."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What a person picked on one tooth, mm in the scan; None where the surface is to say it.

    mesial, distal: the two ends of its occlusal surface.  occlusal: the end of its long axis on the crown.
    """

    mesial: Vector | None = None
    distal: Vector | None = None
    occlusal: Vector | None = None


@dataclass(frozen=True, eq=False)
class ToothFrame:
    """A tooth's own place: origin (3,) mm in the middle of the margin, unit axes (3,) mesial, buccal and occlusal."""

    origin: Vector
    mesial: Vector
    buccal: Vector
    occlusal: Vector

    def to_local(self, points: Vector) -> Vector:
        """Points (n, 3) as (mesial, buccal, occlusal) mm."""
        local: Vector = (points - self.origin) @ np.stack([self.mesial, self.buccal, self.occlusal]).T
        return local

    def to_scan(self, local: Vector) -> Vector:
        points: Vector = local @ np.stack([self.mesial, self.buccal, self.occlusal]) + self.origin
        return points


def margin_of(scan: LabelledScan, tooth: int) -> NDArray[np.int32]:
    """The vertices where a crown ends: the longest edge of its faces."""
    return rims(scan.mesh.faces[scan.crown(tooth)])[0]


def _margin_middle(scan: LabelledScan, tooth: int) -> Vector:
    """The middle of a margin, each stretch by its length: a jagged place weighs no more than a smooth one."""
    places = scan.mesh.vertices[margin_of(scan, tooth)]
    following = np.roll(places, -1, axis=0)
    lengths = np.linalg.norm(following - places, axis=1)
    middle: Vector = np.average((places + following) / 2.0, axis=0, weights=lengths)
    return middle


def occlusal_frame(scan: LabelledScan) -> Frame:
    """The arch's frame: w from the gum to the crowns, v to the front, origin between the crowns.

    The side that the labels say and the side that the shape says are held against each other. Raises DesignRefused where the scan
    or its labels are mirrored (G-LAT-01).
    """
    crowns = {tooth: _middle(scan, tooth) for tooth in scan.teeth}
    margins = {tooth: _margin_middle(scan, tooth) for tooth in scan.teeth}
    places = np.stack(list(crowns.values()))
    origin = places.mean(axis=0)
    _, _, axes = np.linalg.svd(np.concatenate([places, *_spread(scan, origin)]) - origin)
    normal = axes[2]
    upward = sum(float((crowns[tooth] - margins[tooth]) @ normal) for tooth in scan.teeth)
    normal = unit_vector(normal if upward > 0 else -normal)
    front = _front(scan, crowns, normal)
    frame = Frame(origin, np.stack([np.cross(front, normal), front, normal]))
    _refuse_mirrored(scan, frame, crowns)
    return frame


def _spread(scan: LabelledScan, origin: Vector) -> list[Vector]:
    """Crowns weigh in where the teeth stand nearly in a row, and their middles alone give no plane."""
    found = scan.mesh.vertices[scan.labels != 0]
    return [origin + 0.3 * (found[:: max(1, len(found) // 500)] - origin)]


def _middle(scan: LabelledScan, tooth: int) -> Vector:
    """The middle of a crown's surface, each vertex by its area."""
    own = scan.labels == tooth
    weights = vertex_areas(scan.mesh)[own]
    middle: Vector = np.average(scan.mesh.vertices[own], axis=0, weights=weights)
    return middle


def _tip(scan: LabelledScan, tooth: int, up: Vector) -> Vector:
    """The middle of a crown's upper part, each vertex by its area and by how high it stands: far from the margin, which is the
    least certain of it."""
    own = scan.labels == tooth
    places = scan.mesh.vertices[own]
    heights = places @ up
    weights = vertex_areas(scan.mesh)[own] * np.maximum(heights - np.median(heights), 0.0)
    tip: Vector = np.average(places, axis=0, weights=weights)
    return tip


def _front(scan: LabelledScan, crowns: Mapping[int, Vector], normal: Vector) -> Vector:
    """From the back teeth to the front teeth, in the occlusal plane."""
    depth = {tooth: tooth % 10 for tooth in scan.teeth}
    near, far = min(depth.values()), max(depth.values())
    ends = [
        np.mean([crowns[tooth] for tooth in scan.teeth if depth[tooth] == end], axis=0) for end in (near, far)
    ]
    across = ends[0] - ends[1]
    across = across - normal * (across @ normal)
    if np.linalg.norm(across) < 1.0:
        raise DesignRefused(
            [Reason("The teeth show no front.", "Label at least one tooth further back on each side.", RULE)]
        )
    return unit_vector(across)


def _refuse_mirrored(scan: LabelledScan, frame: Frame, crowns: Mapping[int, Vector]) -> None:
    """u points to the patient's left in an upper arch and to the right in a lower one: both are looked at from the tongue's side."""
    along = {tooth: float((crowns[tooth] - frame.origin) @ frame.axes[0]) for tooth in scan.teeth}
    right = [along[tooth] for tooth in scan.teeth if on_right(tooth)]
    left = [along[tooth] for tooth in scan.teeth if not on_right(tooth)]
    if not right or not left:
        return
    towards_left = np.mean(left) - np.mean(right)
    if (towards_left > 0) == (scan.arch == "upper"):
        return
    raise DesignRefused(
        [Reason(
            "The labels put the patient's right teeth on the left: the scan is mirrored, or labelled from the wrong end.",
            "Check the scan's orientation and number the teeth again.", "G-LAT-01",
        )]
    )  # fmt: skip


def tooth_frames(
    scan: LabelledScan, arch: Frame, picked: Mapping[int, Landmarks] | None = None
) -> dict[int, ToothFrame]:
    """The frame of every tooth, from its margin, its crown and its neighbours, or from what was picked on it."""
    origins = {tooth: _margin_middle(scan, tooth) for tooth in scan.teeth}
    return {
        tooth: _tooth_frame(scan, arch, tooth, origins, (picked or {}).get(tooth, Landmarks()))
        for tooth in scan.teeth
    }


def _tooth_frame(
    scan: LabelledScan, arch: Frame, tooth: int, origins: Mapping[int, Vector], picked: Landmarks
) -> ToothFrame:
    up = arch.axes[2]
    tip = _tip(scan, tooth, up) if picked.occlusal is None else picked.occlusal
    occlusal = unit_vector(tip - origins[tooth])
    if float(occlusal @ up) < STEEPEST:
        lean = np.rad2deg(np.arccos(np.clip(occlusal @ up, -1.0, 1.0)))
        raise DesignRefused(
            [Reason(
                f"The long axis of tooth {tooth} leans {lean:.0f} degrees.",
                "Check its label, or pick the end of its long axis on the crown.", RULE,
            )]
        )  # fmt: skip
    if picked.mesial is not None and picked.distal is not None:
        towards = picked.mesial - picked.distal
    else:
        towards = _mesially(scan.teeth, tooth, origins)
        towards = towards - up * (towards @ up)
    mesial = unit_vector(towards - occlusal * (towards @ occlusal))
    across = np.cross(occlusal, mesial)
    outwards = origins[tooth] - _tongue(origins, arch)
    buccal = unit_vector(across if across @ outwards > 0 else -across)
    return ToothFrame(origins[tooth], mesial, buccal, occlusal)


def _mesially(teeth: tuple[int, ...], tooth: int, origins: Mapping[int, Vector]) -> Vector:
    """Along the arch towards the midline, from the neighbours on both sides."""
    place = teeth.index(tooth)
    before, after = teeth[max(place - 1, 0)], teeth[min(place + 1, len(teeth) - 1)]
    leftwards = origins[after] - origins[before]
    return leftwards if on_right(tooth) else -leftwards


def _tongue(origins: Mapping[int, Vector], arch: Frame) -> Vector:
    """A place inside the arch, at the height of the margins: between its ends."""
    local = arch.to_local(np.stack(list(origins.values())))
    place: Vector = arch.to_patient(np.array([[0.0, local[:, 1].min(), local[:, 2].mean()]]))[0]
    return place
