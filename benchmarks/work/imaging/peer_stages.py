"""One stage of a peer, in the peers' environment: `python peer_stages.py NAME INPUT`. Each is the quickest library that was found for it."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import manifold3d
import numpy as np
import pydicom
from vtkmodules.util import numpy_support as convert
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkWindowedSincPolyDataFilter
from vtkmodules.vtkIOImage import vtkDICOMImageReader

# They say nothing of their types, and are not installed beside ours.
ITK, cc3d, fill_voids = (cast("Any", import_module(name)) for name in ("SimpleITK", "cc3d", "fill_voids"))
LOWER_HU, UPPER_HU, LEVEL, TOLERANCE_MM = 200, 3071, 199.5, 0.05


def load_pydicom(place: Path) -> Any:
    """Headers by pydicom, sorted by position along z, pixels as they lie in the file."""
    files = sorted(Path((place / "series").read_text()).glob("*.dcm"))

    def run() -> str:
        slices = []
        for file in files:
            found = pydicom.dcmread(file)
            if "ImagePositionPatient" in found:
                slices.append((float(found.ImagePositionPatient[2]), found))
        slices.sort(key=lambda one: one[0])
        first = slices[0][1]
        volume = np.zeros((len(slices), first.Rows, first.Columns), np.int16)
        for slot, (_, found) in enumerate(slices):
            kind = np.int16 if found.PixelRepresentation else np.uint16
            stored = np.frombuffer(found.PixelData, kind, found.Rows * found.Columns)
            volume[slot] = stored.reshape(found.Rows, found.Columns).view(np.int16) + np.int16(
                found.RescaleIntercept
            )
        return str(volume.sum(dtype=np.int64))

    return run


def load_vtk(place: Path) -> Any:
    def run() -> str:
        reader = vtkDICOMImageReader()
        reader.SetDirectoryName((place / "series").read_text())
        reader.Update()
        scalars = convert.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
        return str(scalars.sum(dtype=np.int64))

    return run


def segment_itk(place: Path) -> Any:
    voxels = np.load(place / "volume.npz")["voxels"]

    def run() -> str:
        inside = ITK.BinaryThreshold(ITK.GetImageFromArray(voxels), LOWER_HU, UPPER_HU)
        largest = ITK.RelabelComponent(ITK.ConnectedComponent(inside), sortByObjectSize=True) == 1
        filled = ITK.BinaryFillhole(largest, fullyConnected=False)
        return f"{ITK.GetArrayViewFromImage(filled).sum()} voxels"

    return run


def segment_cc3d(place: Path) -> Any:
    voxels = np.load(place / "volume.npz")["voxels"]

    def run() -> str:
        inside = (voxels >= LOWER_HU) & (voxels <= UPPER_HU)
        largest = cc3d.largest_k(inside, k=1, connectivity=6).astype(bool)
        sides = [np.flatnonzero(largest.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        box = tuple(slice(side[0], side[-1] + 1) for side in sides)
        largest[box] = fill_voids.fill(largest[box])
        return f"{largest.sum()} voxels"

    return run


def isosurface_vtk(place: Path) -> Any:
    """Of the component's box, padded with air, in the image's own coordinates."""
    kept, mask = np.load(place / "volume.npz"), np.load(place / "mask.npz")["mask"]
    sides = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(max(side[0] - 1, 0), side[-1] + 2) for side in sides)
    voxels, inside = kept["voxels"][box], mask[box].astype(bool)

    def run() -> str:
        within = np.where(voxels < LEVEL, 1199, voxels)
        around = np.where(voxels > LEVEL, -1000, voxels)
        field = np.pad(np.where(inside, within, around), 1, constant_values=-1000)
        image = vtkImageData()
        image.SetDimensions(*reversed(field.shape))
        image.GetPointData().SetScalars(convert.numpy_to_vtk(field.ravel(), deep=False))
        edges = vtkFlyingEdges3D()
        edges.SetInputData(image)
        edges.SetValue(0, LEVEL)
        edges.ComputeNormalsOff()
        edges.ComputeScalarsOff()
        edges.Update()
        return f"{edges.GetOutput().GetNumberOfPolys()} triangles"

    return run


def smoothing_vtk(place: Path) -> Any:
    kept = np.load(place / "mesh.npz")
    points, cells, surface = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(convert.numpy_to_vtk(kept["vertices"], deep=True))
    faces = kept["faces"].astype(np.int64)
    offsets = np.arange(0, faces.size + 1, 3, dtype=np.int64)
    cells.SetData(
        convert.numpy_to_vtkIdTypeArray(offsets, deep=True),
        convert.numpy_to_vtkIdTypeArray(faces.ravel(), deep=True),
    )
    surface.SetPoints(points)
    surface.SetPolys(cells)

    def run() -> str:
        sinc = vtkWindowedSincPolyDataFilter()
        sinc.SetInputData(surface)
        sinc.SetNumberOfIterations(20)
        sinc.SetPassBand(0.1)
        sinc.BoundarySmoothingOff()
        sinc.NonManifoldSmoothingOn()
        sinc.NormalizeCoordinatesOn()
        sinc.Update()
        return f"{sinc.GetOutput().GetNumberOfPolys()} triangles"

    return run


def decimation_manifold(place: Path) -> Any:
    kept = np.load(place / "mesh.npz")
    vertices, faces = kept["vertices"].astype(np.float32), kept["faces"].astype(np.uint32)

    def run() -> str:
        solid = manifold3d.Manifold(manifold3d.Mesh(vertices, faces))
        return f"{len(solid.simplify(TOLERANCE_MM).to_mesh().tri_verts)} triangles"

    return run


def main(name: str, place: Path) -> None:
    run = globals()[name](place)
    started = time.perf_counter()
    said = run()
    print(json.dumps({"seconds": time.perf_counter() - started, "says": said}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
