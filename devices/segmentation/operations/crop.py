"""A box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, Point, choice, operation, points
from devices.segmentation.space import Mask, box_of, slice_points


@operation("crop", version="1.0", title="Crop to a box", group="part")
@dataclass(frozen=True)
class Crop(Operation):
    """What lies in a box along the patient's axes is kept, or is dropped. Two opposite corners give the box."""

    corners_mm: tuple[Point, ...] = points(2, 2, label="Corners")
    what: str = choice("keep", "drop", label="What becomes of the inside")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        low, high = np.min(self.corners_mm, axis=0), np.max(self.corners_mm, axis=0)
        box, result = box_of(mask), mask.copy()
        if box is None:
            return result
        for k in range(box[0].start, box[0].stop):
            xyz = slice_points(volume, k, box[1], box[2])
            inside = np.logical_and.reduce([
                (low[axis] <= values) & (values <= high[axis]) for axis, values in enumerate(xyz)
            ])  # fmt: skip
            result[k, box[1], box[2]] &= (inside if self.what == "keep" else ~inside).view(np.uint8)
        return result
