"""The plane about which a bone is its own mirror image: the patient's middle, found from shape and not from a box.

The surface is mirrored and laid onto itself by rigid steps; what mirror and steps do together is a reflection, and its
plane is the middle. A box about the bone knows nothing of what was cut off, and is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.kept import Kept, digest_of
from devices.mesh.register import settled

POINTS = 2_000
STARTS_MM = (-12.0, 0.0, 12.0)
EFFORT = (30, 5e-3)
REACH_MM = 4.0
AS_GOOD = 1.25
LEAST_MATCHED = 0.85
"""A whole skull lies within 4 mm of its own mirror image for 0.95 and more; one that lost a quarter, for less than 0.8."""
GIVEN_UNCERTAINTY_MM = 2.0
"""What a person picks on slices of usual spacing."""
MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Midplane:
    """normal: unit vector to the patient's left (LPS +x); the plane is where normal · point = offset_mm.

    matched: share of the mirrored bone that lies within `REACH_MM` of the bone; uncertainty_mm: how far the plane may
    be off: the median distance of the mirrored bone, and by how much equally good planes differ.
    """

    normal: NDArray[np.float64]
    offset_mm: float
    matched: float
    uncertainty_mm: float

    def lateral_mm(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distances (n,) mm of points (n, 3): positive on the patient's left."""
        return np.asarray(points @ self.normal - self.offset_mm, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Try:
    normal: NDArray[np.float64]
    offset: float
    distances: NDArray[np.float64]

    @property
    def misfit(self) -> float:
        return float((np.minimum(self.distances, REACH_MM) ** 2).mean())


def given_plane(x_mm: float) -> Midplane:
    """The sagittal plane that a person picked."""
    return Midplane(np.array([1.0, 0.0, 0.0]), x_mm, 1.0, GIVEN_UNCERTAINTY_MM)


_planes: Kept[Midplane] = Kept(8)


def mirror_plane(bone: Mesh) -> Midplane:
    """The best plane of symmetry across the patient, begun at the bone's middle and on both sides of it.

    Of the last few bones it is kept, by their digest: one design after the other is made on the same bone.
    """
    return _planes.of(digest_of(bone), lambda: _best_plane(bone))


def _best_plane(bone: Mesh) -> Midplane:
    surface = Surface(bone)
    points, _ = sample_surface(bone, POINTS, np.random.default_rng(0))
    tries = [_tried(surface, points, float(surface.centre[0]) + start) for start in STARTS_MM]
    best = min(tries, key=lambda one: one.misfit)
    limit = AS_GOOD * best.misfit + 1e-6
    crossings = [_crossing(one, surface.centre) for one in tries if one.misfit <= limit]
    return Midplane(
        normal=best.normal,
        offset_mm=best.offset,
        matched=float((best.distances <= REACH_MM).mean()),
        uncertainty_mm=float(np.median(best.distances)) + float(np.ptp(crossings)),
    )


def _tried(surface: Surface, points: NDArray[np.float64], middle: float) -> _Try:
    """One reflection A p + b, settled. Of an orthogonal A that mirrors, the plane's normal is turned about by A, and
    normal · b / 2 lies on the plane."""
    shift = np.array([2.0 * middle, 0.0, 0.0])
    pose = settled(surface, points @ MIRROR + shift, np.eye(4), EFFORT)
    whole = pose[:3, :3] @ MIRROR
    moved = pose[:3, :3] @ shift + pose[:3, 3]
    values, vectors = np.linalg.eigh((whole + whole.T) / 2.0)
    normal = vectors[:, int(np.argmin(values))]
    normal = normal if normal[0] >= 0 else -normal
    return _Try(normal, float(normal @ moved) / 2.0, surface.unsigned(points @ whole.T + moved))


def _crossing(one: _Try, centre: NDArray[np.float64]) -> float:
    return float(centre @ one.normal - one.offset)
