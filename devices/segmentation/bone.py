"""Bone by threshold: HU window, one connected component, holes filled.

SimpleITK does the labelling and the filling (measured 4 to 5 times quicker than scipy); the filling works on the
component's own box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.base import (
    SEGMENTERS,
    TOOLS,
    Segmentation,
    SegmentationRefused,
    ToolIdentity,
    known_only,
    volume_ml,
)
from mes.lazy import lazily

TOOL = TOOLS.add("bone_threshold", ToolIdentity("bone_threshold", "1.0", "research_only"))
HU_LIMITS = (-1024.0, 32_767.0)
MINIMUM_ML_LIMITS = (0.0, 10_000.0)
LISTED_COMPONENTS = 10
Label = NDArray[np.uint32]
ITK: Any = lazily("SimpleITK")


@dataclass(frozen=True)
class BoneThreshold:
    """lower_hu, upper_hu: the window, both included, -1024 to 32767 HU.  seed_mm: LPS mm; the component nearest to it
    is kept instead of the largest.  fill_holes: enclosed cavities become bone.  minimum_ml: less is an error, 0 to 10000 mL.

    The usual window for bone is 226 to 3071 HU; teeth and metal lie above 1500 HU.
    """

    lower_hu: float = 226.0
    upper_hu: float = 3071.0
    seed_mm: tuple[float, float, float] | None = None
    fill_holes: bool = True
    minimum_ml: float = 0.1

    def __post_init__(self) -> None:
        reasons = [reason for holds, reason in self._rules() if not holds]
        if reasons:
            raise SegmentationRefused(*reasons, cure="Correct the parameters.")

    def _rules(self) -> list[tuple[bool, str]]:
        numbers = (self.lower_hu, self.upper_hu, self.minimum_ml)
        if not all(_is_number(n) for n in numbers):
            return [(False, "lower_hu, upper_hu and minimum_ml must be finite numbers")]
        low, high = HU_LIMITS
        return [
            (
                low <= self.lower_hu < self.upper_hu <= high,
                f"the window must ascend within {low:g} to {high:g} HU",
            ),
            (
                MINIMUM_ML_LIMITS[0] <= self.minimum_ml <= MINIMUM_ML_LIMITS[1],
                "minimum_ml must be 0 to 10000 mL",
            ),
            (isinstance(self.fill_holes, bool), "fill_holes must be true or false"),
            (_is_point(self.seed_mm), "seed_mm must be three finite numbers in mm"),
        ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _is_point(value: Any) -> bool:
    if value is None:
        return True
    try:
        point = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return point.shape == (3,) and bool(np.isfinite(point).all())


@SEGMENTERS.register("bone_threshold")
def segment(volume: Volume, parameters: Mapping[str, Any]) -> Segmentation:
    """Segment bone with the parameters of `BoneThreshold`. Raises SegmentationRefused with the reason where the result is empty or too small."""
    typed = BoneThreshold(**known_only(parameters, BoneThreshold))
    labels, voxels = _components(volume, typed)
    label = 1 if typed.seed_mm is None else _nearest(volume, labels, typed.seed_mm)
    mask = (labels == label).astype(np.uint8)
    if typed.fill_holes:
        mask = _filled(mask)
    result = volume_ml(volume, mask)
    if result < typed.minimum_ml:
        raise SegmentationRefused(
            f"the component kept has only {result:.3f} mL, below the minimum of {typed.minimum_ml:g} mL",
            cure="Segment again with a lower threshold, or place the seed on the bone.",
        )
    listed = tuple(
        volume_ml(volume, (labels == n).astype(np.uint8))
        for n in range(1, min(voxels, LISTED_COMPONENTS) + 1)
    )
    return Segmentation(mask, asdict(typed), result, voxels, listed, TOOL)


def _components(volume: Volume, typed: BoneThreshold) -> tuple[Label, int]:
    """Face-connected components, labelled from 1 by falling size, and how many there are."""
    image = ITK.GetImageFromArray(volume.voxels)
    low, high = float(volume.voxels.min()), float(volume.voxels.max())
    if not (low <= typed.upper_hu and typed.lower_hu <= high):
        raise SegmentationRefused(
            f"no voxel lies between {typed.lower_hu:g} and {typed.upper_hu:g} HU (the volume has {low:g} to {high:g} HU)",
            cure="Check that the image is a CT in Hounsfield units, or segment again with another window.",
        )
    inside = ITK.BinaryThreshold(image, lowerThreshold=typed.lower_hu, upperThreshold=typed.upper_hu)
    labels = ITK.RelabelComponent(ITK.ConnectedComponent(inside, False), sortByObjectSize=True)
    found = ITK.GetArrayFromImage(labels)
    count = int(found.max())
    if count == 0:
        raise SegmentationRefused(
            f"no voxel lies between {typed.lower_hu:g} and {typed.upper_hu:g} HU",
            cure="Segment again with another window.",
        )
    return found, count


def _nearest(volume: Volume, labels: Label, seed_mm: tuple[float, float, float]) -> int:
    index = volume.to_indices([seed_mm])[0]
    outside = (index < -0.5) | (index > np.array(volume.shape) - 0.5)
    if outside.any():
        raise SegmentationRefused("the seed lies outside the volume", cure="Place the seed on the bone.")
    here = labels[tuple(np.clip(np.rint(index).astype(int), 0, np.array(volume.shape) - 1))]
    if here:
        return int(here)
    kji = np.argwhere(labels)
    distances = np.linalg.norm(volume.to_patient(kji) - np.asarray(seed_mm), axis=1)
    return int(labels[tuple(kji[np.argmin(distances)])])


def box_of(mask: NDArray[np.uint8]) -> tuple[slice, slice, slice]:
    """The smallest box around the ones of a mask that is not empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        present = np.flatnonzero(mask.any(axis=others))
        sides.append(slice(int(present[0]), int(present[-1]) + 1))
    return sides[0], sides[1], sides[2]


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    box = box_of(mask)
    cropped = ITK.GetImageFromArray(np.pad(mask[box], 1))
    filled = ITK.GetArrayFromImage(ITK.BinaryFillhole(cropped, fullyConnected=False, foregroundValue=1))
    result = mask.copy()
    result[box] = filled[1:-1, 1:-1, 1:-1]
    return result
