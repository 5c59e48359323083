"""Region growing."""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import Volume
from devices.segmentation.base import SegmentationRefused
from devices.segmentation.operations.base import (
    COMBINE,
    HU,
    Operation,
    Point,
    choice,
    combined,
    number,
    operation,
    points,
)
from devices.segmentation.space import ITK, Mask, voxel_at

MOST_SEEDS = 100


@operation("grow", version="1.0", title="Grow from seeds", group="select")
@dataclass(frozen=True)
class Grow(Operation):
    """Everything within a window that hangs together with a seed, from voxel to voxel by their faces."""

    seeds_mm: tuple[Point, ...] = points(1, MOST_SEEDS, label="Seeds")
    lower_hu: float = number(226.0, *HU, unit="HU", label="From")
    upper_hu: float = number(3071.0, *HU, unit="HU", label="To")
    combine: str = choice(*COMBINE, label="With the mask so far")

    def apply(self, volume: Volume, mask: Mask) -> Mask:
        seeds = [self._seed(volume, point) for point in self.seeds_mm]
        image = ITK.GetImageFromArray(volume.voxels)
        found = ITK.ConnectedThreshold(image, seeds, lower=self.lower_hu, upper=self.upper_hu, replaceValue=1)
        return combined(mask, ITK.GetArrayFromImage(found), self.combine)

    def _seed(self, volume: Volume, point: Point) -> tuple[int, int, int]:
        """ITK's index (i, j, k) of a seed. Raises SegmentationRefused for one that nothing would grow from."""
        index = voxel_at(volume, point)
        where = f"the seed at ({point[0]:.1f}, {point[1]:.1f}, {point[2]:.1f}) mm"
        if index is None:
            raise SegmentationRefused(f"{where} lies outside the volume", cure="Place it on the tissue.")
        value = float(volume.voxels[index])
        if not self.lower_hu <= value <= self.upper_hu:
            raise SegmentationRefused(
                f"{where} has {value:.0f} HU, outside the window of {self.lower_hu:g} to {self.upper_hu:g} HU",
                cure="Place it on the tissue, or widen the window.",
            )
        return index[2], index[1], index[0]
