"""A window of Hounsfield units."""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.operations.base import (
    COMBINE,
    HU,
    Operation,
    choice,
    combined,
    in_window,
    number,
    operation,
)
from devices.segmentation.space import Mask


@operation("threshold", version="1.0", title="Threshold", group="select")
@dataclass(frozen=True)
class Threshold(Operation):
    """Every voxel between two values, both included."""

    lower_hu: float = number(226.0, *HU, unit="HU", label="From")
    upper_hu: float = number(3071.0, *HU, unit="HU", label="To")
    combine: str = choice(*COMBINE, label="With the mask so far")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        return combined(mask, in_window(volume, self.lower_hu, self.upper_hu), self.combine)
