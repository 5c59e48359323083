"""Dilation by a ball."""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import Mask, dilated


@operation("dilate", version="1.0", title="Dilate", group="shape", invents=True)
@dataclass(frozen=True)
class Dilate(Operation):
    """Everything no further from the mask than a radius is added."""

    radius_mm: float = number(1.0, 0.1, 50.0, unit="mm", label="Radius")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        return dilated(volume, mask, self.radius_mm)
