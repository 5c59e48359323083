"""The edge where the image has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import (
    GAUSSIAN_REACH,
    Floats,
    Mask,
    Stack,
    blurred,
    room_around,
    shrunk,
    spread,
)

SEEN = 0.02
"""The share of a neighbourhood that has to be sure of its side before its average is believed."""


@operation("refine_edge", version="1.0", title="Refine the edge", group="repair")
@dataclass(frozen=True)
class RefineEdge(Operation):
    """Near the surface a voxel belongs to the side whose average it is nearer to: the local half maximum.

    One threshold for a whole volume puts the edge of dense bone too far out and that of thin bone too far in. The sides are
    averaged where they are sure, further than `band_mm` from the surface; where a wall is too thin to have such a core,
    the mask stays as it is.
    """

    band_mm: float = number(1.0, 0.2, 5.0, unit="mm", label="To either side")
    plateau_mm: float = number(2.0, 0.5, 10.0, unit="mm", label="Averaged over (sigma)")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        room = room_around(volume, mask, self.band_mm + GAUSSIAN_REACH * self.plateau_mm)
        if room is None:
            return mask.copy()
        values = volume.voxels[room.box].astype(np.float32)
        core = shrunk(room.stack, room.mask, self.band_mm)
        outside = 1 - spread(room.stack, room.mask, self.band_mm)
        inner, inner_seen = _average(room.stack, values, core, self.plateau_mm)
        outer, outer_seen = _average(room.stack, values, outside, self.plateau_mm)
        judged = (core == 0) & (outside == 0) & inner_seen & outer_seen
        nearer = np.abs(values - inner) <= np.abs(values - outer)
        return room.back(np.where(judged, nearer, room.mask).astype(np.uint8), volume.shape)


def _average(stack: Stack, values: Floats, side: Mask, sigma_mm: float) -> tuple[Floats, NDArray[np.bool_]]:
    """The average of one side around each voxel, and whether enough of that side is near."""
    weight = side.astype(np.float32)
    share = blurred(stack, weight, sigma_mm)
    total = blurred(stack, values * weight, sigma_mm)
    return np.divide(total, share, out=np.zeros_like(total), where=share > SEEN), share > SEEN
