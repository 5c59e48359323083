"""Cavities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.imaging.base import Volume
from devices.segmentation.operations.base import Operation, choice, number, operation
from devices.segmentation.space import ITK, Box, Mask, box_of, component_ml, labelled


@operation("fill_holes", version="1.0", title="Fill holes", group="repair", invents=True)
@dataclass(frozen=True)
class FillHoles(Operation):
    """Cavities that the mask closes off, in space or in each slice, become part of it."""

    where: str = choice("volume", "slices", label="Closed off")
    maximum_ml: float = number(10_000.0, 0.0, 10_000.0, unit="mL", label="Up to")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        box = box_of(mask)
        if box is None:
            return mask.copy()
        result = mask.copy()
        result[box] = _in_space(mask[box]) if self.where == "volume" else _in_slices(mask[box])
        return self._bounded(volume, mask, result, box)

    def _bounded(self, volume: Volume, mask: Mask, filled: Mask, box: Box) -> Mask:
        labels, count = labelled(filled & (1 - mask))
        kept = component_ml(volume, labels, count) <= self.maximum_ml
        kept[0] = False
        result = mask.copy()
        result[box] |= kept[labels[box]].view(np.uint8)
        return result


def _in_space(mask: Mask) -> Mask:
    padded = ITK.GetImageFromArray(np.pad(mask, 1))
    filled: Mask = ITK.GetArrayFromImage(ITK.BinaryFillhole(padded, fullyConnected=False, foregroundValue=1))
    return filled[1:-1, 1:-1, 1:-1]


def _in_slices(mask: Mask) -> Mask:
    result = mask.copy()
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        padded = ITK.GetImageFromArray(np.pad(mask[k], 1))
        filled = ITK.BinaryFillhole(padded, fullyConnected=False, foregroundValue=1)
        result[k] = ITK.GetArrayFromImage(filled)[1:-1, 1:-1]
    return result
