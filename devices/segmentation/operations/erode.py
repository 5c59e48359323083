"""Erosion by a ball."""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import Mask, eroded


@operation("erode", version="1.0", title="Erode", group="shape", invents=True)
@dataclass(frozen=True)
class Erode(Operation):
    """Everything no further from the outside than a radius is taken away; at the edge of the images nothing is."""

    radius_mm: float = number(1.0, 0.1, 50.0, unit="mm", label="Radius")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        return eroded(volume, mask, self.radius_mm)
