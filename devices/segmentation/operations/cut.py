"""A plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, Point, choice, direction, operation, points
from devices.segmentation.space import Mask, box_of, slice_points


@operation("cut", version="1.0", title="Cut by a plane", group="part")
@dataclass(frozen=True)
class Cut(Operation):
    """A plane splits the mask, and one of the sides is kept: the one its normal points to, or the other."""

    through_mm: tuple[Point, ...] = points(1, 1, label="Through")
    normal: tuple[float, float, float] = direction(label="Normal")
    keep: str = choice("ahead", "behind", label="Keep")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        box, result = box_of(mask), mask.copy()
        if box is None:
            return result
        through = self.through_mm[0]
        for k in range(box[0].start, box[0].stop):
            xyz = slice_points(volume, k, box[1], box[2])
            ahead = sum((values - through[axis]) * self.normal[axis] for axis, values in enumerate(xyz))
            kept = np.asarray(ahead) >= 0 if self.keep == "ahead" else np.asarray(ahead) < 0
            result[k, box[1], box[2]] &= kept.view(np.uint8)
        return result
