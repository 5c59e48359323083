"""Tissues by name: windows of Hounsfield units that are usual for them.

They are where one starts from. Scanners, kernels, ages and contrast differ, and the master of a device says what holds for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.operations.base import COMBINE, Operation, choice, combined, in_window, operation
from devices.segmentation.space import Mask

WINDOWS_HU: dict[str, tuple[float, float]] = {
    "bone": (226.0, 3071.0),
    "teeth": (1500.0, 3071.0),
    "skin": (-300.0, 3071.0),
    "soft_tissue": (-200.0, 225.0),
    "vessel": (150.0, 600.0),
}
"""skin: all of the body, whose outer surface is the skin.  vessel: a lumen filled with contrast; bone lies in the same
window, so a vessel is told from it by growing from a seed."""


@operation("preset", version="1.0", title="Tissue", group="select")
@dataclass(frozen=True)
class Preset(Operation):
    """Every voxel of the window that is usual for a tissue."""

    tissue: str = choice(*WINDOWS_HU, label="Tissue")
    combine: str = choice(*COMBINE, label="With the mask so far")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        return combined(mask, in_window(volume, *WINDOWS_HU[self.tissue]), self.combine)
