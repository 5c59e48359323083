"""Smoothing of a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, number, operation
from devices.segmentation.space import GAUSSIAN_REACH, Mask, blurred, room_around


@operation("smooth", version="1.0", title="Smooth", group="repair", invents=True)
@dataclass(frozen=True)
class Smooth(Operation):
    """The mask is averaged by a Gaussian and taken where more than half of it is inside: steps and specks go.

    A flat surface stays where it is; a convex one moves inwards by about sigma²/R, where R is its radius.
    """

    sigma_mm: float = number(0.8, 0.1, 10.0, unit="mm", label="Sigma")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        room = room_around(volume, mask, GAUSSIAN_REACH * self.sigma_mm)
        if room is None:
            return mask.copy()
        average = blurred(room.stack, room.mask.astype(np.float32), self.sigma_mm)
        return room.back((average > 0.5).view(np.uint8), volume.shape)
