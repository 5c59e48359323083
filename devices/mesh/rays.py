"""Distances and rays against a mesh, numpy in and numpy out. Open3D computes in float32, so everything is centred first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from mes.lazy import lazily

o3d: Any = lazily("open3d")


class RayScene:
    """A mesh made ready to be measured against."""

    def __init__(self, mesh: Mesh) -> None:
        self.centre = mesh.vertices.mean(axis=0)
        self.scene = o3d.t.geometry.RaycastingScene()
        self.scene.add_triangles(_tensor(mesh.vertices - self.centre), _tensor(mesh.faces, np.uint32))

    def distances_mm(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unsigned distance of each point, shape (n, 3) mm, to the surface itself."""
        found = self.scene.compute_distance(_tensor(points - self.centre)).numpy()
        return np.asarray(found, dtype=np.float64)

    def first_hits_mm(
        self, origins: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How far each ray (origin mm, unit direction) goes until it meets the surface; infinite where it does not."""
        rays = _tensor(np.concatenate([origins - self.centre, directions], axis=1))
        return np.asarray(self.scene.cast_rays(rays)["t_hit"].numpy(), dtype=np.float64)


def _tensor(values: NDArray[np.generic], dtype: type[np.generic] = np.float32) -> Any:
    kind = o3d.core.Dtype.Float32 if dtype is np.float32 else o3d.core.Dtype.UInt32
    return o3d.core.Tensor(np.ascontiguousarray(values, dtype=dtype), kind, o3d.core.Device("CPU:0"))
