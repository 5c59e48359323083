"""Closing: gaps that are too narrow for a ball are filled."""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import Mask, room_around, shrunk, spread


@operation("close", version="1.0", title="Close", group="shape", invents=True)
@dataclass(frozen=True)
class Close(Operation):
    """Gaps and dents that a ball does not fit into are filled; the rest keeps its shape."""

    radius_mm: float = number(1.0, 0.1, 50.0, unit="mm", label="Radius")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        """Room beyond the volume keeps the edge of the images from being taken for a wall."""
        room = room_around(volume, mask, 2 * self.radius_mm, beyond=True)
        if room is None:
            return mask.copy()
        wide = spread(room.stack, room.mask, self.radius_mm)
        return mask | room.back(shrunk(room.stack, wide, self.radius_mm), volume.shape)
