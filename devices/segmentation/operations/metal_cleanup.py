"""Streaks around metal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, choice, number, operation
from devices.segmentation.operations.open import opened
from devices.segmentation.space import Mask, dilated


@operation("metal_cleanup", version="1.0", title="Clean up around metal", group="repair", invents=True)
@dataclass(frozen=True)
class MetalCleanup(Operation):
    """Near metal, what is thinner than a streak is removed, and so is the metal itself where that is asked.

    Thin bone beside an implant goes with the streaks: the images do not tell the two apart, and a person looks at what is left.
    """

    metal_hu: float = number(2500.0, 1500.0, 32_767.0, unit="HU", label="Metal from")
    reach_mm: float = number(30.0, 1.0, 100.0, unit="mm", label="As far as")
    streak_mm: float = number(2.0, 0.2, 10.0, unit="mm", label="Thinner than")
    metal: str = choice("keep", "remove", label="The metal itself")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        metal = (volume.voxels >= self.metal_hu).view(np.uint8)
        if not metal.any():
            return mask.copy()
        near = dilated(volume, metal, self.reach_mm)
        thick = opened(volume, mask, self.streak_mm / 2)
        cleaned = np.where(near, thick, mask)
        return cleaned | (mask & metal) if self.metal == "keep" else cleaned & (1 - metal)
