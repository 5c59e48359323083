"""A desktop 3D scanner that is not there: the printed geometry, seen with known noise, pose and blind spots.

It looks from a few places around the part with a projector and a camera beside it, and has what both see: the inside of
a narrow bore stays open, as it does with a scanner that is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.sight import spread_directions
from devices.mesh.solid import mesh_of, solid_of

TRAVEL_MM = 80.0
STATIONS = 40
BESIDE_DEG = 25.0
FLATTEST_DEG = 75.0
SKIN_MM = 1e-3


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
    held_at_mm: tuple[float, float, float] | None = None,
) -> SimulatedScan:
    """What a scanner would send for a part printed as `nominal`: an open triangle mesh in the scanner's own frame, mm.

    Points lie about `resolution_mm` apart, each off by normal noise of `noise_mm`. What no station sees is missing, and so
    is one blind spot of about `dropout_share` of the rest: around `held_at_mm`, where a holder grips the part, or around a
    random place. The same seed gives the same scan.
    """
    if not 0.0 <= dropout_share < 1.0 or noise_mm < 0.0 or not resolution_mm > 0.0:
        raise ValueError("dropout_share in [0, 1), noise_mm >= 0 and resolution_mm > 0 are needed")
    rng = np.random.default_rng(seed)
    fine = mesh_of(solid_of(nominal).refine_to_length(resolution_mm))
    pose = _pose(rng, fine.vertices.mean(axis=0))
    noisy = fine.vertices + rng.normal(0.0, noise_mm, fine.vertices.shape)
    moved = noisy @ pose[:3, :3].T + pose[:3, 3]
    seen = fine.faces[_from_the_stations(fine, rng)]
    shown = _shown(fine, seen, dropout_share, held_at_mm, rng)
    kept, renumbered = np.unique(shown, return_inverse=True)
    return SimulatedScan(Mesh(moved[kept], renumbered.reshape(-1, 3).astype(np.int32)), pose)


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


def _from_the_stations(part: Mesh, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which faces (m,) the projector and the camera of one station see at once, neither of them too flatly."""
    surface = Surface(part)
    centres = part.vertices[part.faces].mean(axis=1) + SKIN_MM * surface.normals
    turn = _pose(rng, np.zeros(3))[:3, :3]
    found = np.zeros(len(centres), dtype=np.bool_)
    for projector in spread_directions(STATIONS) @ turn.T:
        sideways = np.cross(projector, rng.normal(size=3))
        camera = math.cos(math.radians(BESIDE_DEG)) * projector
        camera += math.sin(math.radians(BESIDE_DEG)) * sideways / np.linalg.norm(sideways)
        # What an earlier station saw is not looked for again, nor by the camera what the projector does not reach.
        lit = _seen(surface, centres, np.flatnonzero(~found), projector)
        found[_seen(surface, centres, lit, camera)] = True
    return found


def _seen(
    surface: Surface, centres: NDArray[np.float64], among: NDArray[np.int64], towards: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Those of the faces `among` that nothing hides from there, and that are not seen too flatly."""
    lit = among[surface.normals[among] @ towards >= math.cos(math.radians(FLATTEST_DEG))]
    return np.asarray(lit[np.isinf(surface.first_hits(centres[lit], towards))], dtype=np.int64)


def _shown(
    part: Mesh,
    faces: NDArray[np.int32],
    dropout_share: float,
    held_at: tuple[float, float, float] | None,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """The faces that were seen, less those around the blind spot."""
    centres = part.vertices[faces].mean(axis=1)
    random = centres[int(rng.integers(len(centres)))]
    spot = random if held_at is None else np.array(held_at)
    far = np.linalg.norm(centres - spot, axis=1)
    hidden = int(dropout_share * len(centres))
    return faces[np.sort(np.argsort(far, kind="stable")[hidden:])]
