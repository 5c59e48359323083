"""A body as its file will have it: coordinates of 32 bits, and still closed.

A boolean may leave two edges that are further apart than 64 bits can tell and nearer than 32 can. Written to a file they become one
edge of four faces, and a sound body comes back broken. Simplified a little more, they part or merge.
"""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.io import weld
from devices.mesh.solid import NotASolid, mesh_of

TOLERANCES_MM = (0.01, 0.015, 0.02, 0.03, 0.05)


def settled(solid: Manifold) -> Mesh:
    """The body's surface in float32 coordinates, sound as it is, simplified by no more than the last tolerance; raises NotASolid."""
    for tolerance in TOLERANCES_MM:
        mesh = mesh_of(solid.simplify(tolerance))
        rounded = weld(Mesh(mesh.vertices.astype(np.float32).astype(np.float64), mesh.faces))
        if check_mesh(rounded).sound:
            return rounded
    raise NotASolid(
        "The body touches itself closer than a file can tell.",
        cure="Change a value a little: move what nearly touches apart, or together.",
    )
