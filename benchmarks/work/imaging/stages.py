"""One stage of ours: `python -m benchmarks.work.imaging.stages NAME INPUT`. Says how long it took, what it needs being loaded before."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.work.imaging.ours import LOWER_HU, TOLERANCE_MM
from devices.imaging.base import Volume
from devices.imaging.dicom import DICOM
from devices.imaging.intake import read_images
from devices.mesh.base import Mesh
from devices.mesh.surface import Smoothing, isosurface, simplified, smoothed
from devices.segmentation.bone import segment

Stage = tuple[Callable[[], object], Callable[[object], str]]


def prepare(series: Path, folder: Path) -> None:
    """What the stages start from, each from the one before it: `volume.npz`, `mask.npz`, `mesh.npz`."""
    volume = read_images(series).volume
    np.savez(
        folder / "volume.npz",
        voxels=volume.voxels,
        positions=volume.positions,
        row=volume.row_direction,
        column=volume.column_direction,
        spacing=volume.spacing_ij,
    )
    mask = segment(volume, {"lower_hu": LOWER_HU}).mask
    np.savez(folder / "mask.npz", mask=mask)
    mesh = isosurface(volume, mask, LOWER_HU - 0.5)
    np.savez(folder / "mesh.npz", vertices=mesh.vertices, faces=mesh.faces)


def _volume(place: Path) -> Volume:
    kept = np.load(place / "volume.npz")
    across, down = (float(mm) for mm in kept["spacing"])
    return Volume(kept["voxels"], kept["positions"], kept["row"], kept["column"], (across, down))


def _mesh(place: Path) -> Mesh:
    kept = np.load(place / "mesh.npz")
    return Mesh(kept["vertices"], kept["faces"])


def _load(place: Path) -> Callable[[], str]:
    series = Path((place / "series").read_text())
    return lambda: str(read_images(series).volume.voxels.sum(dtype=np.int64))


def _segment(place: Path) -> Callable[[], str]:
    volume = _volume(place)
    return lambda: f"{segment(volume, {'lower_hu': LOWER_HU}).mask.sum()} voxels"


def _isosurface(place: Path) -> Callable[[], str]:
    volume, mask = _volume(place), np.load(place / "mask.npz")["mask"]
    return lambda: f"{len(isosurface(volume, mask, LOWER_HU - 0.5).faces)} triangles"


def _smoothing(place: Path) -> Callable[[], str]:
    mesh = _mesh(place)
    return lambda: f"{len(smoothed(mesh, Smoothing()).faces)} triangles"


def _decimation(place: Path) -> Callable[[], str]:
    mesh = _mesh(place)
    return lambda: f"{len(simplified(mesh, TOLERANCE_MM).faces)} triangles"


STAGES = {
    "load": _load,
    "segment": _segment,
    "isosurface": _isosurface,
    "smoothing": _smoothing,
    "decimation": _decimation,
}


def _warm() -> None:
    """Libraries are loaded when they are first needed: by a small ball here, and not within the time of a stage."""
    DICOM.dcmread  # noqa: B018 - the peers' pydicom is loaded with their module
    z, y, x = np.indices((12, 12, 12)) - 5.5
    voxels = np.where(z**2 + y**2 + x**2 < 16, 1000, -1000).astype(np.int16)
    positions = np.arange(12.0)[:, None] * [0.0, 0.0, 1.0]
    ball = Volume(voxels, positions, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), (1.0, 1.0))
    mask = segment(ball, {"lower_hu": LOWER_HU}).mask
    simplified(smoothed(isosurface(ball, mask, LOWER_HU - 0.5), Smoothing()), TOLERANCE_MM)


def main(name: str, place: Path) -> None:
    _warm()
    run = STAGES[name](place)
    started = time.perf_counter()
    said = run()
    print(json.dumps({"seconds": time.perf_counter() - started, "says": said}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
