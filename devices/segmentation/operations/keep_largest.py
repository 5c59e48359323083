"""The largest components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, count, operation
from devices.segmentation.space import Mask, labelled


@operation("keep_largest", version="1.0", title="Keep the largest", group="part")
@dataclass(frozen=True)
class KeepLargest(Operation):
    """The components with the most voxels; the rest is dropped."""

    count: float = count(1, 1, 100, label="How many")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        labels, _ = labelled(mask)
        return ((labels > 0) & (labels <= int(self.count))).view(np.uint8)
