"""Read a series, segment bone, build its surface, check it and write it: what the imaging worker does for a device."""

from __future__ import annotations

import sys
from pathlib import Path

from devices.imaging.intake import read_images
from devices.mesh.io import write_stl
from devices.mesh.surface import surface_of_mask
from devices.segmentation.bone import segment

LOWER_HU = 226.0


def main(series: Path, out: Path) -> None:
    volume = read_images(series).volume
    bone = segment(volume, {"lower_hu": LOWER_HU})
    surface = surface_of_mask(volume, bone.mask, level=LOWER_HU - 0.5)
    out.write_bytes(write_stl(surface.mesh))
    print(
        f"{surface.report.triangles} triangles, closed: {surface.report.watertight}, {surface.distance.mean_mm:.3f} mm mean"
    )


main(Path(sys.argv[1]), Path(sys.argv[2]))
