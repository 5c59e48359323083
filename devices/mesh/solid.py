"""The one bridge between the house's mesh and manifold3d's solid."""

from __future__ import annotations

import numpy as np
from manifold3d import Error, Manifold, Mesh64

from devices.mesh.base import Mesh
from mes.exceptions import InvalidInput


class NotASolid(InvalidInput):
    """The surface does not bound a volume: it is open, inside out, or edges are shared by more than two faces."""

    code = "not_a_solid"


def solid_of(mesh: Mesh) -> Manifold:
    """The mesh as a solid; raises NotASolid with the reason manifold3d names.

    Coordinates stay float64, so a mesh that came out of `mesh_of` returns unchanged.
    """
    # manifold3d takes only writable arrays
    solid = Manifold(Mesh64(mesh.vertices.copy(), mesh.faces.astype(np.uint64)))
    if solid.status() != Error.NoError:
        raise NotASolid(
            f"The surface does not bound a volume ({solid.status().name}).",
            cure="Repair the surface so that every edge belongs to exactly two faces.",
        )
    if solid.is_empty() or solid.volume() <= 0.0:
        raise NotASolid(
            "The surface encloses no volume or is inside out.",
            cure="Export the surface with outward faces counter-clockwise.",
        )
    return solid


def mesh_of(solid: Manifold) -> Mesh:
    """The solid's boundary, mm."""
    raw = solid.to_mesh64()
    return Mesh(np.array(raw.vert_properties[:, :3]), raw.tri_verts.astype(np.int32))
