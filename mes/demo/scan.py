"""A desktop 3D scanner that is not there: the printed geometry, seen with known noise, pose and blind spots."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.solid import mesh_of, solid_of

TRAVEL_MM = 80.0


@dataclass(frozen=True, eq=False)
class SimulatedScan:
    """The scan, and the pose (4x4, part to scanner) that a registration must undo."""

    mesh: Mesh
    pose: NDArray[np.float64]


def simulate_scan(
    nominal: Mesh,
    *,
    seed: int,
    noise_mm: float = 0.03,
    dropout_share: float = 0.05,
    resolution_mm: float = 0.6,
) -> SimulatedScan:
    """What a scanner would send for a part printed as `nominal`: an open triangle mesh in the scanner's own frame, mm.

    Points lie about `resolution_mm` apart, each off by normal noise of `noise_mm`; one blind spot around a random
    place hides about `dropout_share` of the faces. The same seed gives the same scan.
    """
    if not 0.0 <= dropout_share < 1.0 or noise_mm < 0.0 or not resolution_mm > 0.0:
        raise ValueError("dropout_share in [0, 1), noise_mm >= 0 and resolution_mm > 0 are needed")
    rng = np.random.default_rng(seed)
    fine = mesh_of(solid_of(nominal).refine_to_length(resolution_mm))
    pose = _pose(rng, fine.vertices.mean(axis=0))
    noisy = fine.vertices + rng.normal(0.0, noise_mm, fine.vertices.shape)
    moved = noisy @ pose[:3, :3].T + pose[:3, 3]
    return SimulatedScan(_seen(Mesh(moved, fine.faces), dropout_share, rng), pose)


def _pose(rng: np.random.Generator, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """A uniformly random rotation about the part and a travel of up to TRAVEL_MM (Shoemake 1992)."""
    w, x, y, z = (quaternion := rng.normal(size=4)) / math.sqrt(quaternion @ quaternion)
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = rng.uniform(-TRAVEL_MM, TRAVEL_MM, 3) - pose[:3, :3] @ centre
    return pose


def _seen(mesh: Mesh, dropout_share: float, rng: np.random.Generator) -> Mesh:
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    spot = centres[int(rng.integers(len(centres)))]
    far = np.linalg.norm(centres - spot, axis=1)
    hidden = int(dropout_share * len(centres))
    faces = mesh.faces[np.sort(np.argsort(far, kind="stable")[hidden:])]
    kept, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[kept], renumbered.reshape(-1, 3).astype(np.int32))
