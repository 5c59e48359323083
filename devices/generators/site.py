"""Where on the bone a guide sits: the landmark on its surface, the direction it is put on, and the bone around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused, unit_vector
from devices.generators.shell import Frame, frame_on
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, face_areas
from mes.exceptions import Reason

LANDMARK_REACH_MM = 5.0
BARRED_MM = 2.0
CROP_MARGIN_MM = 14.0
STEEPEST_TUBE_DEG = 45.0
FEW_FACES = 4

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Site:
    """The place of a guide: a frame on the snapped landmark with w out of the bone, and the bone within reach.

    near: the bone around the site with everything above it; ceiling: a local height above all of that.
    """

    frame: Frame
    near: Surface
    ceiling: float
    landmark_distance: float

    @property
    def inward(self) -> NDArray[np.float64]:
        return np.asarray(0.0 - self.frame.axes[2], dtype=np.float64)


def find_site(
    bone: Surface, landmark_mm: Triple, direction: Triple, extent_mm: float, depth_mm: float
) -> Site:
    """The site at a landmark (LPS mm). Raises DesignRefused when it is off the bone or cannot be reached."""
    landmark = np.array([landmark_mm])
    found = bone.closest(landmark)
    distance = float(np.linalg.norm(found.points[0] - landmark[0]))
    if distance > LANDMARK_REACH_MM:
        raise DesignRefused(
            f"The landmark is {distance:.1f} mm from the bone; {LANDMARK_REACH_MM:g} mm are allowed.",
            cure="Pick the landmark on the bone's surface.",
            rule="G-DES-01",
        )
    outward = (
        -given_direction(direction)
        if any(direction)
        else outward_normal(bone, found.points[0], int(found.faces[0]), extent_mm)
    )
    frame = frame_on(found.points[0], outward)
    near = Surface(_around(bone.mesh, frame, extent_mm + CROP_MARGIN_MM, -depth_mm - CROP_MARGIN_MM))
    ceiling = float(frame.to_local(near.mesh.vertices)[:, 2].max()) + 1.0
    site = Site(frame, near, ceiling, distance)
    _refuse_barred(site)
    return site


def tube_places(
    site: Site, *, count: int, spacing_mm: float, row_angle_deg: float, shift_mm: Triple, axis: Triple
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Where each tube's axis meets the bone (LPS mm), and their common axis into it.

    Raises DesignRefused for an axis too steep to the insertion, or one that misses the bone.
    """
    into = given_direction(axis) if any(axis) else site.inward
    tilt = math.degrees(math.acos(float(np.clip(into @ site.inward, -1.0, 1.0))))
    if tilt > STEEPEST_TUBE_DEG:
        raise DesignRefused(
            f"The tubes lean {tilt:.0f} degrees from the insertion; {STEEPEST_TUBE_DEG:g} are allowed.",
            cure="Turn the tubes or the insertion.",
            rule="G-DES-01",
        )
    turn = math.radians(row_angle_deg)
    row = math.cos(turn) * site.frame.axes[0] + math.sin(turn) * site.frame.axes[1]
    offsets = (np.arange(count) - (count - 1) / 2.0) * spacing_mm
    middles = site.frame.origin + np.array(shift_mm) + offsets[:, None] * row
    back = site.ceiling + 1.0 + float(np.abs(shift_mm).max())
    reach = site.near.first_hits(middles - back * into, into)
    if not np.isfinite(reach).all():
        missed = ", ".join(str(n + 1) for n in np.flatnonzero(~np.isfinite(reach)))
        raise DesignRefused(
            f"The axis of tube {missed} misses the bone.", cure="Move or turn the tubes.", rule="G-DES-01"
        )
    return [middles[i] + (reach[i] - back) * into for i in range(count)], into


def given_direction(direction: Triple) -> NDArray[np.float64]:
    """A direction that is already of unit length stays as it is, so stored values make the same guide again."""
    vector = np.array(direction)
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise DesignRefused("A direction has no length.", cure="Give a vector, or 0, 0, 0 for the default.")
    return vector if abs(length - 1.0) < 1e-8 else unit_vector(vector)


def outward_normal(
    bone: Surface, place: NDArray[np.float64], face: int, extent_mm: float
) -> NDArray[np.float64]:
    """The mean normal of the faces around that look the same way as the one at the landmark."""
    centres = bone.mesh.vertices[bone.mesh.faces].mean(axis=1)
    close = np.linalg.norm(centres - place, axis=1) <= max(extent_mm / 2.0, 4.0)
    close &= bone.normals @ bone.normals[face] > 0.5
    close[face] = True
    weights = face_areas(bone.mesh)[close]
    mean = (bone.normals[close] * weights[:, None]).sum(axis=0)
    if not np.linalg.norm(mean) > 0.0:
        raise DesignRefused(
            "The bone has no direction at the landmark.", cure="Give the insertion direction."
        )
    return unit_vector(mean)


def _around(bone: Mesh, frame: Frame, radius: float, floor: float) -> Mesh:
    """The faces that come within `radius` of the axis through the landmark, above the local height `floor`."""
    local = frame.to_local(bone.vertices)[bone.faces]
    low, high = local.min(axis=1), local.max(axis=1)
    kept = (low[:, :2] <= radius).all(axis=1) & (high[:, :2] >= -radius).all(axis=1) & (high[:, 2] >= floor)
    if kept.sum() < FEW_FACES:
        raise DesignRefused("There is hardly any bone at the landmark.", cure="Pick another landmark.")
    used, faces = np.unique(bone.faces[kept], return_inverse=True)
    return Mesh(bone.vertices[used], faces.reshape(-1, 3).astype(np.int32))


def _refuse_barred(site: Site) -> None:
    start = site.frame.to_patient(np.array([[0.0, 0.0, site.ceiling]]))
    above = site.ceiling - float(site.near.first_hits(start, site.inward)[0])
    if math.isfinite(above) and above > BARRED_MM:
        raise DesignRefused(
            [
                Reason(
                    f"Bone {above:.1f} mm above the landmark bars the way.",
                    "Pick a landmark on the outer surface, or another insertion direction.",
                    "G-DES-01",
                )
            ]
        )
