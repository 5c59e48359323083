"""A mask's surface in patient coordinates, with the deviation of every step measured.

The isosurface is found in index space and its vertices are carried to the patient by the volume's own geometry, so a
tilted or unevenly spaced series is right without being resampled. Flying edges: Schroeder et al., LDAV 2015;
windowed sinc: Taubin et al., ECCV 1996.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Protocol, cast

import manifold3d
import numpy as np
from numpy.typing import ArrayLike, NDArray

from devices.mesh.base import Mesh
from devices.mesh.check import MeshReport, check_mesh
from devices.mesh.distance import Surface as Measured
from devices.mesh.distance import sample_surface
from mes.lazy import lazily

AIR = -1000.0
# VTK's conversions carry no annotations.
CONVERT: Any = lazily("vtkmodules.util.numpy_support")
CORE: Any = lazily("vtkmodules.vtkCommonCore")
DATA: Any = lazily("vtkmodules.vtkCommonDataModel")
FILTERS: Any = lazily("vtkmodules.vtkFiltersCore")
SAMPLES = 30_000
BINARY_LEVEL = 0.5


class PatientGrid(Protocol):
    """What the surface needs of a volume: its values, and where an index lies in the patient."""

    @property
    def voxels(self) -> Any: ...

    def to_patient(self, indices_kji: ArrayLike) -> NDArray[np.float64]: ...


class SurfaceRefused(Exception):
    """No closed surface can be made. Carries every reason and a cure."""

    def __init__(self, *reasons: str, cure: str = "Check the mask and its parameters.") -> None:
        self.reasons, self.cure = reasons, cure
        super().__init__(f"{'; '.join(reasons)}. {cure}")


@dataclass(frozen=True)
class Deviation:
    """Two-sided distance between two surfaces, mm, over samples of both (point to surface, never to the nearest vertex)."""

    mean_mm: float
    p95_mm: float
    max_mm: float
    samples: int


@dataclass(frozen=True)
class Step:
    """One operation on the mesh. deviation: against the mesh before it; None for the first."""

    name: str
    tool: str
    parameters: Mapping[str, float]
    triangles: int
    deviation: Deviation | None


@dataclass(frozen=True, eq=False)
class Surface:
    """mesh: closed, manifold, outward.  distance: mesh against the mask's own surface, before smoothing and simplifying."""

    mesh: Mesh
    steps: tuple[Step, ...]
    distance: Deviation
    report: MeshReport


@dataclass(frozen=True)
class Smoothing:
    """iterations: 0 switches it off.  pass_band: 0.001 (hard) to 2 (none)."""

    iterations: int = 20
    pass_band: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.iterations <= 200 and 0.001 <= self.pass_band <= 2):
            raise ValueError("smoothing needs 0 to 200 iterations and a pass band of 0.001 to 2")


NO_SMOOTHING = Smoothing(iterations=0)


def surface_of_mask(
    volume: PatientGrid,
    mask: NDArray[np.uint8],
    *,
    level: float | None = None,
    smoothing: Smoothing = Smoothing(),
    tolerance_mm: float = 0.05,
    samples: int = SAMPLES,
) -> Surface:
    """The closed outward surface of a mask, in LPS mm.

    level: the HU of the isosurface, between whole numbers (225.5 for a threshold of 226: a level met exactly makes
    triangles without area); the surface then lies between voxels where the image says, and still encloses exactly the
    mask's voxels. None takes the mask's own staircase.
    tolerance_mm: simplification, 0 for none.  samples: points a side for each deviation.
    Raises SurfaceRefused; what it returns is always watertight and manifold. G-MSH-01.
    """
    _check(volume, mask, level, tolerance_mm)
    first = isosurface(volume, mask, level)
    made = [("isosurface", "vtkFlyingEdges3D", {"level": BINARY_LEVEL if level is None else level}, first)]
    if smoothing.iterations:
        smooth = smoothed(first, smoothing)
        made.append(("smoothing", "vtkWindowedSincPolyDataFilter", asdict(smoothing), smooth))
    simple = simplified(made[-1][3], tolerance_mm)
    made.append(("simplification", "manifold3d", {"tolerance_mm": tolerance_mm}, simple))
    report = check_mesh(simple)
    if not report.sound:
        raise SurfaceRefused(*report.problems)
    steps, distance = _measured(made, samples)
    return Surface(simple, steps, distance, report)


def _measured(
    made: list[tuple[str, str, dict[str, float], Mesh]], samples: int
) -> tuple[tuple[Step, ...], Deviation]:
    probes = [_Probe(mesh, samples) for _, _, _, mesh in made]
    between = [None, *(after.against(before) for before, after in pairwise(probes))]
    steps = tuple(
        Step(name, tool, parameters, len(mesh.faces), measured)
        for (name, tool, parameters, mesh), measured in zip(made, between, strict=True)
    )
    return steps, probes[-1].against(probes[0]) if len(probes) > 2 else cast("Deviation", between[-1])


def _check(volume: PatientGrid, mask: NDArray[np.uint8], level: float | None, tolerance_mm: float) -> None:
    if mask.shape != volume.voxels.shape:
        raise SurfaceRefused(f"the mask has the shape {mask.shape}, the volume {volume.voxels.shape}")
    if not mask.any():
        raise SurfaceRefused("the mask is empty")
    if level is not None and (not np.isfinite(level) or float(level).is_integer()):
        raise SurfaceRefused(
            f"the level {level:g} is not between whole numbers", cure="Use a level such as 225.5."
        )
    if not 0 <= tolerance_mm <= 1:
        raise SurfaceRefused(f"the tolerance of {tolerance_mm:g} mm is not 0 to 1 mm", cure="Use 0.05 mm.")


def isosurface(volume: PatientGrid, mask: NDArray[np.uint8], level: float | None) -> Mesh:
    """The mask's surface in LPS mm, as `surface_of_mask` has it before its other steps. Raises SurfaceRefused where there is none."""
    field, origin = _padded_field(volume, mask, level)
    image = DATA.vtkImageData()
    image.SetDimensions(*reversed(field.shape))
    image.GetPointData().SetScalars(CONVERT.numpy_to_vtk(field.ravel(), deep=False))
    edges = FILTERS.vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, BINARY_LEVEL if level is None else level)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    vertices, faces = _arrays(edges.GetOutput())
    if not len(faces):
        raise SurfaceRefused("the mask has no surface")
    placed = volume.to_patient(vertices[:, ::-1] + origin)
    return Mesh(placed, faces if _is_right_handed(volume) else faces[:, ::-1])


def _padded_field(
    volume: PatientGrid, mask: NDArray[np.uint8], level: float | None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The mask's box with one voxel of its surroundings, then one of air, and the index of its first voxel.

    Inside the mask every value is above the level and outside below it, so the surface encloses exactly the mask. Values stay
    of their own kind: a copy as float32 would double what the largest array here takes.
    """
    sides = [np.flatnonzero(side) for side in _presence(mask)]
    low = [max(int(side[0]) - 1, 0) for side in sides]
    box = tuple(slice(start, int(side[-1]) + 2) for start, side in zip(low, sides, strict=True))
    inside, values = mask[box], mask[box] if level is None else volume.voxels[box]
    field = np.full([side + 2 for side in inside.shape], 0 if level is None else AIR, dtype=values.dtype)
    within = field[1:-1, 1:-1, 1:-1]
    within[...] = values
    if level is not None:
        above = values > level
        within[above > inside] = AIR
        within[above < inside] = level - AIR
    return field, np.array(low, dtype=np.float64) - 1


def _presence(mask: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
    return [np.asarray(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]


def _arrays(data: Any) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    if not data.GetNumberOfPolys():
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32)
    vertices = CONVERT.vtk_to_numpy(data.GetPoints().GetData()).astype(np.float64)
    faces = CONVERT.vtk_to_numpy(data.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    return vertices, faces


def _is_right_handed(volume: PatientGrid) -> bool:
    """Whether growing (i, j, k) turns as patient coordinates do; otherwise faces that look outwards come out looking inwards."""
    origin, along_k, along_j, along_i = volume.to_patient([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
    return bool(np.linalg.det([along_i - origin, along_j - origin, along_k - origin]) > 0)


def _polydata(mesh: Mesh) -> Any:
    points, cells, data = CORE.vtkPoints(), DATA.vtkCellArray(), DATA.vtkPolyData()
    points.SetDataTypeToDouble()
    points.SetData(CONVERT.numpy_to_vtk(mesh.vertices, deep=True))
    offsets = np.arange(0, 3 * len(mesh.faces) + 1, 3, dtype=np.int64)
    cells.SetData(
        CONVERT.numpy_to_vtkIdTypeArray(offsets, deep=True),
        CONVERT.numpy_to_vtkIdTypeArray(mesh.faces.ravel().astype(np.int64), deep=True),
    )
    data.SetPoints(points)
    data.SetPolys(cells)
    return data


def smoothed(mesh: Mesh, smoothing: Smoothing) -> Mesh:
    """Vertices moved by a windowed sinc filter, which keeps the volume. Raises SurfaceRefused where that loses the surface."""
    sinc = FILTERS.vtkWindowedSincPolyDataFilter()
    sinc.SetInputData(_polydata(mesh))
    sinc.SetNumberOfIterations(smoothing.iterations)
    sinc.SetPassBand(smoothing.pass_band)
    sinc.BoundarySmoothingOff()
    sinc.FeatureEdgeSmoothingOff()
    sinc.NonManifoldSmoothingOn()
    sinc.NormalizeCoordinatesOn()
    sinc.Update()
    vertices = CONVERT.vtk_to_numpy(sinc.GetOutput().GetPoints().GetData()).astype(np.float64)
    if not np.isfinite(vertices).all():
        raise SurfaceRefused("smoothing lost the surface", cure="Use fewer iterations or a wider pass band.")
    return Mesh(vertices, mesh.faces)


def simplified(mesh: Mesh, tolerance_mm: float) -> Mesh:
    """With fewer triangles, within the tolerance. Raises SurfaceRefused.

    Through manifold3d, which refuses what is not a closed manifold. About the centre, single precision is a few hundred-thousandths
    of a millimetre, and takes half the memory of double: of all steps this one needs most."""
    centre = mesh.vertices.mean(axis=0)
    placed = (mesh.vertices - centre).astype(np.float32)
    solid = manifold3d.Manifold(manifold3d.Mesh(placed, mesh.faces.view(np.uint32)))
    if solid.status() != manifold3d.Error.NoError:
        raise SurfaceRefused(f"the surface is not a closed manifold ({solid.status().name})")
    result = (solid.simplify(tolerance_mm) if tolerance_mm else solid).to_mesh()
    vertices, faces = (
        np.asarray(result.vert_properties)[:, :3].astype(np.float64) + centre,
        np.asarray(result.tri_verts).astype(np.int32),
    )
    if not len(faces):
        raise SurfaceRefused("nothing is left after simplification", cure="Use a smaller tolerance.")
    return Mesh(vertices, faces)


class _Probe:
    """A mesh made ready to be measured, once: points spread over it, and its surface to measure against."""

    def __init__(self, mesh: Mesh, samples: int) -> None:
        self.points, _ = sample_surface(mesh, samples, np.random.default_rng(0))
        self.surface = Measured(mesh)

    def against(self, other: _Probe) -> Deviation:
        there, back = other.surface.unsigned(self.points), self.surface.unsigned(other.points)
        distances = np.concatenate([there, back])
        p95 = float(np.percentile(distances, 95))
        return Deviation(float(distances.mean()), p95, float(distances.max()), len(distances))


def deviation(one: Mesh, other: Mesh, samples: int = SAMPLES) -> Deviation:
    """The two-sided distance of two surfaces, mm: `samples` points spread over each, each against the whole of the other."""
    return _Probe(one, samples).against(_Probe(other, samples))
