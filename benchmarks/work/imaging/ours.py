"""A folder of slices to a watertight, manifold surface simplified to 0.05 mm, checked and written."""

from __future__ import annotations

import sys
from pathlib import Path

from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.io import write_stl
from devices.mesh.surface import isosurface, simplified
from devices.segmentation.bone import segment

LOWER_HU = 200
TOLERANCE_MM = 0.05


def bone_surface(series: Path) -> Mesh:
    """The isosurface of the largest bone, before it is simplified."""
    volume = read_images(series).volume
    return isosurface(volume, segment(volume, {"lower_hu": LOWER_HU}).mask, LOWER_HU - 0.5)


def main(series: Path, out: Path) -> None:
    mesh = simplified(bone_surface(series), TOLERANCE_MM)
    report = check_mesh(mesh)
    if not report.sound:
        raise SystemExit("; ".join(report.problems))
    out.write_bytes(write_stl(mesh))
    print(f"{report.triangles} triangles, watertight, manifold, {report.volume_ml:.1f} mL")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
