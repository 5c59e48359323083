"""Opening: what is too thin for a ball goes."""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import Mask, dilated, eroded


@operation("open", version="1.0", title="Open", group="shape", invents=True)
@dataclass(frozen=True)
class Open(Operation):
    """Bridges and spikes that a ball does not fit into are removed; the rest keeps its shape."""

    radius_mm: float = number(1.0, 0.1, 50.0, unit="mm", label="Radius")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        return opened(volume, mask, self.radius_mm)


def opened(volume: Volume, mask: Mask, radius_mm: float) -> Mask:
    """The union of all balls of the radius that fit into a mask."""
    return mask & dilated(volume, eroded(volume, mask, radius_mm), radius_mm)
