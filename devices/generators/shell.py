"""A shell that fits a bone and can be put on along one direction, as fields on a grid and the surface between them.

The grid stands upright on the bone: its third axis points away from it, against the direction of insertion. Distance to
the bone is taken without a sign and made negative below the first thing a straight look down meets, so an open or
cropped surface serves as well as a closed one. The running minimum of that field from above is what must stay free
for the shell to come off again: at every place the closest the bone ever comes to a point on its way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from mes.lazy import lazily

CONVERT: Any = lazily("vtkmodules.util.numpy_support")
DATA: Any = lazily("vtkmodules.vtkCommonDataModel")
FILTERS: Any = lazily("vtkmodules.vtkFiltersCore")

Field = NDArray[np.float64]
OUTSIDE = -10.0


@dataclass(frozen=True, eq=False)
class Frame:
    """A local frame: origin (3,) mm in LPS, and axes (3, 3) as rows u, v, w; w points away from the bone."""

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]

    def to_patient(self, local: NDArray[np.float64]) -> NDArray[np.float64]:
        """Local points (n, 3) in LPS mm."""
        moved: NDArray[np.float64] = local @ self.axes + self.origin
        return moved

    def to_local(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """LPS points (n, 3) in the local frame."""
        moved: NDArray[np.float64] = (points - self.origin) @ self.axes.T
        return moved


def frame_on(origin: NDArray[np.float64], outward: NDArray[np.float64]) -> Frame:
    """The frame with w along `outward`; u is as near to the patient's x as that allows (y where they coincide)."""
    hint = np.array([1.0, 0.0, 0.0]) if abs(outward[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    u = hint - outward * (hint @ outward)
    u /= np.linalg.norm(u)
    return Frame(origin, np.stack([u, np.cross(outward, u), outward]))


@dataclass(frozen=True, eq=False)
class Grid:
    """A box of samples in a local frame: lower corner (3,) mm, counts along u, v, w, and one spacing in mm."""

    frame: Frame
    corner: NDArray[np.float64]
    shape: tuple[int, int, int]
    spacing: float

    @cached_property
    def local_points(self) -> NDArray[np.float64]:
        """All samples (n, 3), the index along w running fastest."""
        axes = [self.corner[i] + self.spacing * np.arange(self.shape[i]) for i in range(3)]
        return _kept(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """All samples (n, 3) in LPS mm."""
        return _kept(self.frame.to_patient(self.local_points))


def _kept(points: NDArray[np.float64]) -> NDArray[np.float64]:
    points.setflags(write=False)
    return points


def box_grid(frame: Frame, low: NDArray[np.float64], high: NDArray[np.float64], spacing: float) -> Grid:
    """A grid that covers the local box, one sample beyond it on every side."""
    nu, nv, nw = (int(n) for n in np.ceil((high - low) / spacing) + 3)
    return Grid(frame, low - spacing, (nu, nv, nw), spacing)


def free_way(grid: Grid, bone: Surface, ceiling: float, over: NDArray[np.bool_] | None = None) -> Field:
    """How near the bone ever comes to each sample (nu, nv, nw) on its straight way out, mm; negative where it is barred.

    ceiling: local height from which the way is looked at, above everything.  over: the columns (nu, nv) that are asked about, all by
    default; no bone is near the others.
    """
    columns = grid.local_points.reshape(*grid.shape, 3)[:, :, 0].reshape(-1, 3).copy()
    columns[:, 2] = ceiling
    drop = bone.first_hits(grid.frame.to_patient(columns), -grid.frame.axes[2])
    first = (ceiling - drop).reshape(grid.shape[:2])
    heights = grid.corner[2] + grid.spacing * np.arange(grid.shape[2])
    above = heights - first[..., None]
    # Further below the first hit only the sign is ever looked at.
    signed = np.where(np.isfinite(above), np.minimum(above, 0.0), 0.0)
    seen = above > -2.0 * grid.spacing
    if over is not None:
        seen &= over[..., None]
        signed[~over] = np.inf
    distance = bone.unsigned(grid.points[seen.ravel()])
    signed[seen] = np.where(above[seen] < 0.0, -distance, distance)
    return np.minimum.accumulate(signed[..., ::-1], axis=2)[..., ::-1]


def distance_around(grid: Grid, surface: Surface, inside: NDArray[np.bool_]) -> Field:
    """Distance to `surface` (nu, nv, nw) mm at the samples `inside` and their neighbours; inf elsewhere."""
    wanted = inside.copy()
    for axis in range(3):
        for step in (-1, 1):
            wanted |= np.roll(inside, step, axis=axis)
    distance = np.full(grid.shape, np.inf)
    distance[wanted] = surface.unsigned(grid.points[wanted.ravel()])
    return distance


def surface_between(grid: Grid, field: Field, level: float = 0.0) -> Mesh:
    """The closed surface around samples above `level`, LPS mm, outward faces counter-clockwise; empty when there are none.

    Samples on the box's sides count as outside, so the surface never runs into them.
    """
    closed = np.array(field, dtype=np.float64)
    for axis in range(3):
        side = np.moveaxis(closed, axis, 0)
        side[[0, -1]] = np.minimum(side[[0, -1]], level + OUTSIDE)
    image = DATA.vtkImageData()
    image.SetDimensions(*grid.shape)
    image.SetSpacing(grid.spacing, grid.spacing, grid.spacing)
    image.SetOrigin(*(float(c) for c in grid.corner))
    samples = CONVERT.numpy_to_vtk(closed.transpose(2, 1, 0).ravel())
    image.GetPointData().SetScalars(samples)
    edges = FILTERS.vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, level)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    found = edges.GetOutput()
    if not found.GetNumberOfPolys():
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32))
    local = CONVERT.vtk_to_numpy(found.GetPoints().GetData()).astype(np.float64)
    faces = CONVERT.vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return Mesh(grid.frame.to_patient(local), faces.astype(np.int32))
