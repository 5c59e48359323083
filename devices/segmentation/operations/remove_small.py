"""Specks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import Mask, component_ml, labelled


@operation("remove_small", version="1.0", title="Remove small parts", group="part")
@dataclass(frozen=True)
class RemoveSmall(Operation):
    """Components smaller than a volume are dropped."""

    minimum_ml: float = number(0.1, 0.0, 10_000.0, unit="mL", label="Smaller than")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        labels, count = labelled(mask)
        kept = component_ml(volume, labels, count) >= self.minimum_ml
        kept[0] = False
        return kept[labels].view(np.uint8)
