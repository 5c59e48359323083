"""Bone by threshold: HU window, one connected component, holes filled.

SimpleITK labels (measured 4 to 5 times quicker than scipy); everything else works on the few voxels in the window, and the
filling of holes on the component's own box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume, Voxels
from devices.segmentation.base import (
    LISTED_COMPONENTS,
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
Indices = NDArray[np.int64]
INT16 = np.iinfo(np.int16)
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
    found = _components(volume, typed)
    kept = 0 if typed.seed_mm is None else _nearest(volume, found, typed.seed_mm)
    mask = np.zeros(volume.shape, dtype=np.uint8)
    mask.reshape(-1)[found.of(kept)] = 1
    if typed.fill_holes:
        _fill(mask)
    result = volume_ml(volume, mask)
    if result < typed.minimum_ml:
        raise SegmentationRefused(
            f"the component kept has only {result:.3f} mL, below the minimum of {typed.minimum_ml:g} mL",
            cure="Segment again with a lower threshold, or place the seed on the bone.",
        )
    listed = tuple(_ml(volume, found.of(n)) for n in range(min(found.count, LISTED_COMPONENTS)))
    return Segmentation(mask, asdict(typed), result, found.count, listed, TOOL)


@dataclass(frozen=True, eq=False)
class _Components:
    """Face-connected components. voxels: flat indices of every voxel in the window, ascending; labels: the component of each,
    numbered from 0 by falling size.  Bone is a few in a hundred voxels of a scan: lists of them are quicker than images."""

    voxels: Indices
    labels: Indices
    count: int

    def of(self, number: int) -> Indices:
        return np.asarray(self.voxels[self.labels == number])


def _components(volume: Volume, typed: BoneThreshold) -> _Components:
    inside = _in_window(volume.voxels, typed)
    voxels = np.flatnonzero(inside)
    if not len(voxels):
        low, high = float(volume.voxels.min()), float(volume.voxels.max())
        raise SegmentationRefused(
            f"no voxel lies between {typed.lower_hu:g} and {typed.upper_hu:g} HU (the volume has {low:g} to {high:g} HU)",
            cure="Check that the image is a CT in Hounsfield units, or segment again with another window.",
        )
    image = _labelled(inside)
    labels = ITK.GetArrayViewFromImage(image).reshape(-1)[voxels].astype(np.int64) - 1
    del image
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return _Components(voxels, rank[labels], len(order))


def _in_window(voxels: Voxels, typed: BoneThreshold) -> NDArray[np.uint8]:
    """Zeros and ones. Whole numbers are compared as such: a limit between two of them lets none of its own in."""
    low, high = typed.lower_hu, typed.upper_hu
    if voxels.dtype == np.int16:
        low, high = max(math.ceil(low), INT16.min), min(math.floor(high), INT16.max)
    inside = np.zeros(voxels.shape, dtype=np.bool_)
    for values, found in zip(voxels, inside, strict=True):  # a slice at a time stays in the processor's cache
        np.logical_and(values >= low, values <= high, out=found)
    return inside.view(np.uint8)


def _labelled(ones: NDArray[np.uint8]) -> Any:
    """An image of the face-connected components of the ones, numbered from 1. A view of it lives as long as it does."""
    return ITK.ConnectedComponent(ITK.GetImageFromArray(ones), False)


def _ml(volume: Volume, voxels: Indices) -> float:
    """The volume of voxels, each with the height that its slice stands for."""
    k, j, i = volume.shape
    in_slice = np.bincount(voxels // (j * i), minlength=k)
    return float(in_slice @ volume.slice_heights_mm) * volume.spacing_ij[0] * volume.spacing_ij[1] / 1000


def _nearest(volume: Volume, found: _Components, seed_mm: tuple[float, float, float]) -> int:
    index = volume.to_indices([seed_mm])[0]
    outside = (index < -0.5) | (index > np.array(volume.shape) - 0.5)
    if outside.any():
        raise SegmentationRefused("the seed lies outside the volume", cure="Place the seed on the bone.")
    here = np.ravel_multi_index(
        tuple(np.clip(np.rint(index).astype(int), 0, np.array(volume.shape) - 1)), volume.shape
    )
    slot = int(np.searchsorted(found.voxels, here))
    if slot < len(found.voxels) and found.voxels[slot] == here:
        return int(found.labels[slot])
    kji = np.stack(np.unravel_index(found.voxels, volume.shape), axis=1)
    distances = np.linalg.norm(volume.to_patient(kji) - np.asarray(seed_mm), axis=1)
    return int(found.labels[np.argmin(distances)])


def box_of(mask: NDArray[np.uint8]) -> tuple[slice, slice, slice]:
    """The smallest box around the ones of a mask that is not empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        present = np.flatnonzero(mask.any(axis=others))
        sides.append(slice(int(present[0]), int(present[-1]) + 1))
    return sides[0], sides[1], sides[2]


def _fill(mask: NDArray[np.uint8]) -> None:
    """Cavities that no face connects with the outside become bone, in place. Looked for in the mask's own box with a border of
    air around it, which is all one component: what is neither it nor bone is a cavity."""
    box = box_of(mask)
    empty = np.pad(1 - mask[box], 1, constant_values=1)
    image = _labelled(empty)
    labels = ITK.GetArrayViewFromImage(image)
    np.not_equal(labels[1:-1, 1:-1, 1:-1], labels[0, 0, 0], out=mask[box], casting="unsafe")
