"""The countersink of a hole, measured on a part's mesh alone: how wide the cone is at a height, and the angle between its flanks.

Every flat face of the cone is a plane that touches it; where it stands to the axis tells the angle, and how far it is from the axis at a
height tells the radius there. Chords do not come into it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import face_areas, face_normals

LEAST_FACES = 12
SECTORS, LEAST_SECTORS = 12, 10
FLATTEST, STEEPEST = 0.97, 0.1
"""Of a face's normal along the axis: more is the top of the part, less the wall of the bore."""
OFF_MM = 0.3


@dataclass(frozen=True)
class Sink:
    """diameter_mm: of the cone at the height that was asked about; degrees: between its flanks."""

    diameter_mm: float
    degrees: float


def measure_sink(
    mesh: Mesh, top: NDArray[np.float64], outward: NDArray[np.float64], diameter_mm: float, degrees: float
) -> Sink | None:
    """The cone of about this diameter and angle that opens along the unit vector `outward` and has its rim at a height about `top`
    (3,) LPS mm, on the axis; None where there is none all round."""
    normals, middles = face_normals(mesh), mesh.vertices[mesh.faces].mean(axis=1) - top
    height, rise = middles @ outward, normals @ outward
    across, level = middles - np.outer(height, outward), normals - np.outer(rise, outward)
    beside, inward = np.linalg.norm(across, axis=1), np.linalg.norm(level, axis=1)
    sought = diameter_mm / 2.0 + height * math.tan(math.radians(degrees / 2.0))
    on = (rise > STEEPEST) & (rise < FLATTEST) & (np.abs(beside - sought) < OFF_MM)
    on &= (across * level).sum(axis=1) < -0.9 * beside * inward
    frame = np.linalg.svd(outward[None])[2][1:]
    turns = np.arctan2(*(across[on] @ frame.T).T)
    if on.sum() < LEAST_FACES or len(np.unique(np.floor(turns * SECTORS / math.tau))) < LEAST_SECTORS:
        return None
    radius = -((middles * normals).sum(axis=1)[on]) / inward[on]
    weights = face_areas(mesh)[on]
    half = math.degrees(math.atan2(float(rise[on] @ weights), float(inward[on] @ weights)))
    return Sink(2.0 * float(np.average(radius, weights=weights)), 2.0 * half)
