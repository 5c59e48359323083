"""How far two masks of one volume agree: overlap, volume and the distance between their surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.base import SegmentationRefused, volume_ml
from devices.segmentation.space import Mask
from mes.lazy import lazily

O3D: Any = lazily("open3d")
SAMPLES = 50_000


@dataclass(frozen=True)
class Agreement:
    """dice: twice the common volume over the sum of both, 1 for the same mask (Dice 1945).  first_ml, second_ml, common_ml:
    volumes.  distance_*_mm: from the outermost voxels of each mask to those of the other, both ways together."""

    dice: float
    first_ml: float
    second_ml: float
    common_ml: float
    distance_mean_mm: float
    distance_p95_mm: float
    distance_max_mm: float


def agreement(volume: Volume, first: Mask, second: Mask) -> Agreement:
    """Compare two masks of one volume. Raises SegmentationRefused where one of them is empty, for then there is no distance."""
    if first.shape != volume.shape or second.shape != volume.shape:
        raise SegmentationRefused("the masks are of another volume", cure="Compare masks of the same images.")
    if not (first.any() and second.any()):
        raise SegmentationRefused("one of the masks is empty", cure="Compare masks that hold something.")
    mine, theirs = volume_ml(volume, first), volume_ml(volume, second)
    common = volume_ml(volume, first & second)
    apart = np.concatenate([_distances(volume, first, second), _distances(volume, second, first)])
    return Agreement(
        dice=2 * common / (mine + theirs),
        first_ml=mine,
        second_ml=theirs,
        common_ml=common,
        distance_mean_mm=float(apart.mean()),
        distance_p95_mm=float(np.percentile(apart, 95)),
        distance_max_mm=float(apart.max()),
    )


def _distances(volume: Volume, of: Mask, to: Mask) -> NDArray[np.float64]:
    """From the outermost voxels of a mask to the nearest outermost one of another, mm. Of very many, an even share."""
    points = _shell(volume, of)
    return _nearest_mm(points[:: max(1, len(points) // SAMPLES)], _shell(volume, to))


def _shell(volume: Volume, mask: Mask) -> NDArray[np.float64]:
    """The voxels of a mask that touch the outside by a face, LPS mm. The edge of the images is no outside."""
    padded = np.pad(mask, 1, mode="edge")
    core = mask.copy()
    for axis in range(3):
        for side in (slice(0, -2), slice(2, None)):
            cut = [slice(1, -1)] * 3
            cut[axis] = side
            core &= padded[tuple(cut)]
    shell = np.argwhere(mask & (1 - core))
    return volume.to_patient(shell if len(shell) else np.argwhere(mask))


def _nearest_mm(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of each point from the nearest of others, mm."""
    cloud, target = (O3D.geometry.PointCloud(O3D.utility.Vector3dVector(some)) for some in (points, others))
    return np.asarray(cloud.compute_point_cloud_distance(target))
