"""The components that somebody points at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.base import SegmentationRefused
from devices.segmentation.operations.base import Operation, Point, choice, operation, points
from devices.segmentation.space import Mask, labelled, voxel_at


@operation("keep_seeded", version="1.0", title="Keep or drop at seeds", group="part")
@dataclass(frozen=True)
class KeepSeeded(Operation):
    """The components that a seed lies in are kept, or are dropped."""

    seeds_mm: tuple[Point, ...] = points(1, 100, label="Seeds")
    what: str = choice("keep", "drop", label="What becomes of them")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        labels, _ = labelled(mask)
        chosen = sorted({self._component(volume, labels, point) for point in self.seeds_mm})
        inside = np.isin(labels, np.array(chosen, labels.dtype))
        return (inside if self.what == "keep" else (labels > 0) & ~inside).view(np.uint8)

    @staticmethod
    def _component(volume: Volume, labels: np.ndarray, point: Point) -> int:
        index = voxel_at(volume, point)
        if index is None or not labels[index]:
            raise SegmentationRefused(
                f"the seed at ({point[0]:.1f}, {point[1]:.1f}, {point[2]:.1f}) mm does not lie in the mask",
                cure="Place it on the part that is meant.",
            )
        return int(labels[index])
