"""How far the surface of a tilted scan lies from that of the same rigid phantom scanned straight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.register import register
from devices.mesh.surface import isosurface, simplified
from devices.segmentation.bone import segment

LOWER_HU = 200
FINE_MM = 0.02
SAMPLES = 30_000
REACH_MM = 3.0
END_MM = 3.0


@dataclass(frozen=True)
class TiltError:
    """mean_mm, p95_mm: of the tilted scan's surface to the straight one's, after rigid registration. longer_mm: how much longer
    the phantom is from front to back, over the stretch that both show. angle_degrees: the tilt, from positions. shared: of the surface, the
    part that is compared."""

    mean_mm: float
    p95_mm: float
    longer_mm: float
    angle_degrees: float
    shared: float


def scanned(series: Path) -> tuple[Volume, Mesh]:
    volume = read_images(series).volume
    mask = segment(volume, {"lower_hu": LOWER_HU}).mask
    return volume, simplified(isosurface(volume, mask, LOWER_HU - 0.5), FINE_MM)


def tilt_error(series: Path, truth: Mesh) -> TiltError:
    """Where a scan ends it cuts the phantom: these caps are no surface of it, and no two scans end at one place."""
    volume, mesh = scanned(series)
    straight = Surface(truth)
    pose = register(straight, mesh, reach_mm=REACH_MM).pose
    rng = np.random.default_rng(0)
    sampled, _ = sample_surface(mesh, SAMPLES, rng)
    placed = sampled @ pose[:3, :3].T + pose[:3, 3]
    shared = _inside(volume, sampled) & _between(placed[:, 2], truth.vertices[:, 2])
    distances = straight.unsigned(placed[shared])
    there, _ = sample_surface(truth, SAMPLES, rng)
    back = (there - pose[:3, 3]) @ pose[:3, :3]
    seen = there[_inside(volume, back) & _between(there[:, 2], truth.vertices[:, 2])]
    return TiltError(
        mean_mm=float(distances.mean()),
        p95_mm=float(np.percentile(distances, 95)),
        longer_mm=float(np.ptp(placed[shared][:, 1]) - np.ptp(seen[:, 1])),
        angle_degrees=volume.tilt_degrees,
        shared=float(shared.mean()),
    )


def _inside(volume: Volume, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    k = volume.to_indices(points)[:, 0]
    return np.asarray((k > 1) & (k < len(volume.positions) - 2))


def _between(heights: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((heights > of.min() + END_MM) & (heights < of.max() - END_MM))
