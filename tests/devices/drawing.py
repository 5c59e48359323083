"""Parts as somebody draws them in another program: a guide on a ball of bone, and what its designer says of it."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from manifold3d import Manifold

from devices.imaging.scans import Declared
from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of
from devices.services.external_designs import Drawn

BONE_MM, INNER_MM, OUTER_MM, HEIGHT_MM = 40.0, 2.4, 6.0, 12.0
DRAWN = Drawn("FreeCAD", "1.0.2", Declared("mm", "LPS"))
LEANS = {"right": -40.0, "left": 40.0}
"""Degrees from the top of the ball towards the patient's side."""


@cache
def ball() -> Mesh:
    """The outside of the bone of `small_skull`, about the origin."""
    return as_stored(mesh_of(Manifold.sphere(BONE_MM, 64)))


@cache
def guide(side: str = "right") -> Mesh:
    """A cap 0.3 mm above the ball with one tube, its bore open from end to end."""
    cap = (Manifold.sphere(BONE_MM + 4.0, 96) - Manifold.sphere(BONE_MM + 0.3, 96)) ^ _rod(9.0, 30.0, 60.0)
    tube = _rod(OUTER_MM / 2.0, BONE_MM + 0.5, BONE_MM + HEIGHT_MM)
    bore = _rod(INNER_MM / 2.0 / math.cos(math.pi / 96), BONE_MM - 2.0, BONE_MM + 20.0)
    return as_stored(mesh_of(((cap + tube) - bore).rotate((0.0, LEANS[side], 0.0))))


def _rod(radius: float, low: float, high: float) -> Manifold:
    return Manifold.cylinder(high - low, radius, radius, 96).translate((0.0, 0.0, low))


def stated(side: str = "right", **changed: Any) -> dict[str, Any]:
    """What the designer of `guide` says of it."""
    lean = math.radians(LEANS[side])
    out = np.array([math.sin(lean), 0.0, math.cos(lean)])
    return {
        "tube_count": 1,
        "tube_inner_diameter_mm": INNER_MM,
        "tube_outer_diameter_mm": OUTER_MM,
        "tube_height_mm": HEIGHT_MM,
        "bore_1_entry_mm": tuple(float(v) for v in BONE_MM * out),
        "bore_1_axis": tuple(float(v) for v in -out),
    } | changed


def joined(*meshes: Mesh) -> Mesh:
    """Bodies in one file that nobody united."""
    starts = np.cumsum([0, *(len(one.vertices) for one in meshes[:-1])])
    faces = [one.faces + start for one, start in zip(meshes, starts, strict=True)]
    return Mesh(np.concatenate([one.vertices for one in meshes]), np.concatenate(faces).astype(np.int32))


def as_stored(mesh: Mesh) -> Mesh:
    return read_mesh(write_stl(mesh))
