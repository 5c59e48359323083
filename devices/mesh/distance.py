"""Distances to a surface, by Open3D's ray casting: to the nearest point of a face, never to the nearest vertex.

Nearest-vertex distance is biased by a fifth of a millimetre on usual meshes. Open3D works in float32, so coordinates
are taken relative to the surface's centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from mes.lazy import lazily

o3d: Any = lazily("open3d")

SIGN_RAYS = 3


@dataclass(frozen=True, eq=False)
class Closest:
    """Nearest surface points (n, 3) mm, the unit normals of their faces (n, 3) and the faces' indices (n,)."""

    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    faces: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Seen:
    """Which rays (n,) meet a face; of those the face (k,) that each meets first and the weights (k, 3) of its corners there."""

    hit: NDArray[np.bool_]
    faces: NDArray[np.int64]
    weights: NDArray[np.float32]


class Surface:
    """A surface that answers questions of distance; built once, asked often."""

    def __init__(self, mesh: Mesh) -> None:
        if not len(mesh.faces):
            raise ValueError("a surface needs faces")
        self.mesh = mesh
        self.centre: NDArray[np.float64] = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2.0
        self.normals = face_normals(mesh)
        self._scene: Any = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(self._tensor(mesh.vertices), o3d.core.Tensor(mesh.faces.astype(np.uint32)))

    def signed(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distances (n,) mm of points (n, 3), negative inside. The surface must be closed."""
        return self._numbers(self._scene.compute_signed_distance(self._tensor(points), nsamples=SIGN_RAYS))

    def unsigned(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distances (n,) mm of points (n, 3); the surface may be open."""
        return self._numbers(self._scene.compute_distance(self._tensor(points)))

    def closest(self, points: NDArray[np.float64]) -> Closest:
        found = self._scene.compute_closest_points(self._tensor(points))
        faces = found["primitive_ids"].numpy().astype(np.int64)
        return Closest(self._numbers(found["points"]) + self.centre, self.normals[faces], faces)

    def first_hits(
        self, origins: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How far each ray runs before it meets the surface, in lengths of its direction; inf where it never does."""
        return self._numbers(self._cast(origins, directions)["t_hit"])

    def first_faces(
        self, origins: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`first_hits` and the unit normal (n, 3) of each face met; zero where none is."""
        found = self._cast(origins, directions)
        reach = self._numbers(found["t_hit"])
        normals = np.zeros((len(reach), 3))
        hit = np.isfinite(reach)
        normals[hit] = self.normals[found["primitive_ids"].numpy().astype(np.int64)[hit]]
        return reach, normals

    def looked_at(self, origins: NDArray[np.float64], directions: NDArray[np.float64]) -> Seen:
        """What each ray meets first."""
        found = self._cast(origins, directions)
        hit = np.isfinite(found["t_hit"].numpy())
        second = found["primitive_uvs"].numpy()[hit]
        weights = np.concatenate([1.0 - second.sum(axis=1, keepdims=True), second], axis=1)
        return Seen(hit, found["primitive_ids"].numpy()[hit].astype(np.int64), weights)

    def hit_counts(self, origins: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.int64]:
        """How often each ray crosses the surface."""
        counts = self._scene.count_intersections(self._rays(origins, directions)).numpy()
        return np.asarray(counts, dtype=np.int64)

    def every_face(
        self, origins: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every face that a ray meets within the length of its direction: the rays (k,) and the faces (k,), pair by pair."""
        found = self._scene.list_intersections(self._rays(origins, directions))
        near = found["t_hit"].numpy() <= 1.0
        rays, faces = (found[name].numpy()[near].astype(np.int64) for name in ("ray_ids", "primitive_ids"))
        return rays, faces

    def _cast(self, origins: NDArray[np.float64], directions: NDArray[np.float64]) -> Any:
        return self._scene.cast_rays(self._rays(origins, directions))

    def _rays(self, origins: NDArray[np.float64], directions: NDArray[np.float64]) -> Any:
        rays = np.zeros((len(origins), 6), dtype=np.float32)
        np.subtract(origins, self.centre, out=rays[:, :3], casting="same_kind")
        rays[:, 3:] = directions
        return o3d.core.Tensor(rays)

    def _tensor(self, points: NDArray[np.float64]) -> Any:
        return o3d.core.Tensor(np.ascontiguousarray(points - self.centre, dtype=np.float32))

    @staticmethod
    def _numbers(tensor: Any) -> NDArray[np.float64]:
        return np.asarray(tensor.numpy(), dtype=np.float64)


def face_normals(mesh: Mesh) -> NDArray[np.float64]:
    """Unit normals (m, 3); zero for a face without area."""
    cross = _cross(mesh)
    lengths = np.linalg.norm(cross, axis=1, keepdims=True)
    np.divide(cross, lengths, out=cross, where=lengths > 0)
    return cross


def face_areas(mesh: Mesh) -> NDArray[np.float64]:
    """Areas (m,) mm²."""
    cross = _cross(mesh)
    areas: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", cross, cross)) / 2.0
    return areas


def vertex_areas(mesh: Mesh) -> NDArray[np.float64]:
    """The share (n,) mm² of the surface that each vertex stands for: a third of the faces around it."""
    thirds = np.repeat(face_areas(mesh) / 3.0, 3)
    sums = np.bincount(mesh.faces.ravel(), weights=thirds, minlength=len(mesh.vertices))
    return np.asarray(sums, dtype=np.float64)


def middles_of(mesh: Mesh) -> NDArray[np.float64]:
    """The middles (n, 3) mm of the edges and of the faces. Of an edge that two faces share there is one."""
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    once = ends[ends[:, 0] < ends[:, 1]]
    return np.concatenate([mesh.vertices[corners].mean(axis=1) for corners in (once, mesh.faces)])


def sample_surface(
    mesh: Mesh, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (count, 3) mm spread evenly over the area, and the face of each (count,).

    Stratified along the faces' cumulative area, so even a coarse sample leaves no part out.
    """
    cumulative = np.cumsum(face_areas(mesh))
    if not cumulative[-1] > 0:
        raise ValueError("a mesh without area cannot be sampled")
    steps = (np.arange(count) + rng.random(count)) / count * cumulative[-1]
    faces = np.minimum(np.searchsorted(cumulative, steps, side="right"), len(mesh.faces) - 1)
    root, along = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    a, b, c = (mesh.vertices[mesh.faces[faces, corner]] for corner in range(3))
    points = (1.0 - root) * a + root * (1.0 - along) * b + root * along * c
    return points, faces.astype(np.int64)


def _cross(mesh: Mesh) -> NDArray[np.float64]:
    """Twice the area of each face (m, 3), along its normal. By columns, for numpy's own product takes three times as long."""
    x, y, z = np.ascontiguousarray(mesh.vertices.T)
    a, b, c = np.ascontiguousarray(mesh.faces.T)
    (ux, vx), (uy, vy), (uz, vz) = ((side[b] - side[a], side[c] - side[a]) for side in (x, y, z))
    return np.stack((uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx), axis=1)
