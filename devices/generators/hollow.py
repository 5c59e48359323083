"""Hollowing a part: a cavity that keeps a stated wall everywhere, and drains through which resin leaves it.

The cavity is the inside of the part further than the wall from its surface: cut faces, sockets and letters are surface
too. Its border is found on a grid, and then measured against the part: where a facet of the grid comes nearer than the
wall, the cavity is made smaller until none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from manifold3d import Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.shell import Field, Frame, Grid, box_grid, frame_on, surface_between
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, middles_of
from devices.mesh.solid import mesh_of, solid_of
from mes.exceptions import Reason
from mes.lazy import lazily

SITK: Any = lazily("SimpleITK")
CONVERT: Any = lazily("vtkmodules.util.numpy_support")
CORE: Any = lazily("vtkmodules.vtkCommonCore")
DATA: Any = lazily("vtkmodules.vtkCommonDataModel")
IMAGING: Any = lazily("vtkmodules.vtkImagingStencil")

FINEST_MM, COARSEST_MM = 0.4, 1.5
MAXIMUM_SAMPLES = 12_000_000
BAND = 2.5
DISTANCE_ERROR_MM = 0.03
"""How much too far Open3D may say that a surface is, next to slivers; the wall is kept thicker by as much."""
SMALLEST_CAVITY_ML = 0.3
TRIES = 4
SEGMENTS = 48
CANDIDATES = 1500
UPRIGHT = Frame(np.zeros(3), np.eye(3))


@dataclass(frozen=True)
class Drains:
    count: int
    diameter_mm: float
    rim_mm: float
    """How much level surface a drain needs around its mouth."""


@dataclass(frozen=True, eq=False)
class Hollow:
    """solid: the part with its cavities and drains; wall_mm: the least distance measured from a cavity to the surface, inf
    where nothing was hollowed."""

    solid: Manifold
    cavities: int
    drains: int
    wall_mm: float
    removed_ml: float


def hollowed(part: Manifold, wall_mm: float, drains: Drains) -> Hollow:
    """The part with a cavity wherever the wall leaves room for one of some size. Raises DesignRefused."""
    surface = Surface(mesh_of(part))
    field, grid = depths(surface, wall_mm)
    cavities, wall = _cavities(surface, grid, field, wall_mm)
    if not cavities:
        return Hollow(part, 0, 0, np.inf, 0.0)
    bores = [_drain(surface, cavity, drains) for cavity in cavities]
    inside = Manifold.batch_boolean(cavities, OpType.Add)
    drilled = _drained(
        part - Manifold.batch_boolean([inside, *(bore for some in bores for bore in some)], OpType.Add)
    )
    return Hollow(
        drilled,
        len(cavities),
        sum(map(len, bores)),
        wall,
        (part.volume() - drilled.volume()) / 1000.0,
    )


def depths(surface: Surface, level: float) -> tuple[Field, Grid]:
    """How deep each sample lies in the part, mm, negative outside; exact near the `level`, about right elsewhere.

    The samples reach as far beyond the part as a level below 0 lies outside it.
    """
    beyond = max(0.0, -level)
    low, high = surface.mesh.vertices.min(axis=0) - beyond, surface.mesh.vertices.max(axis=0) + beyond
    spacing = float(np.clip(abs(level) / 4.0, FINEST_MM, COARSEST_MM))
    spacing = max(spacing, float(np.cbrt(np.prod(high - low) / MAXIMUM_SAMPLES)))
    grid = box_grid(UPRIGHT, low, high, spacing)
    inside = _inside(surface.mesh, grid)
    rough = SITK.SignedMaurerDistanceMap(
        SITK.GetImageFromArray(inside), insideIsPositive=True, squaredDistance=False, useImageSpacing=False
    )
    depth = SITK.GetArrayFromImage(rough).transpose(2, 1, 0).astype(np.float64) * spacing
    near = (np.abs(depth - level) < BAND * spacing) & (depth * level > 0.0)
    index = np.argwhere(near)
    if len(index):
        depth[near] = np.sign(level) * surface.unsigned(grid.corner + spacing * index)
    return depth, grid


def _inside(mesh: Mesh, grid: Grid) -> NDArray[np.uint8]:
    """1 for each sample in the mesh, indexed z, y, x as images are."""
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
    stencil, image = IMAGING.vtkPolyDataToImageStencil(), IMAGING.vtkImageStencilToImage()
    stencil.SetInputData(data)
    stencil.SetOutputOrigin(*(float(c) for c in grid.corner))
    stencil.SetOutputSpacing(grid.spacing, grid.spacing, grid.spacing)
    nx, ny, nz = grid.shape
    stencil.SetOutputWholeExtent(0, nx - 1, 0, ny - 1, 0, nz - 1)
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    filled = CONVERT.vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(nz, ny, nx)
    return np.array(filled, dtype=np.uint8)


def _cavities(surface: Surface, grid: Grid, depth: Field, wall: float) -> tuple[list[Manifold], float]:
    """The cavities and the least wall measured over all of them."""
    level = wall + DISTANCE_ERROR_MM
    for _ in range(TRIES):
        found = _borders(grid, depth, level)
        if not found:
            return [], np.inf
        least = min(_least_distance(surface, cavity) for cavity in found) - DISTANCE_ERROR_MM
        if least >= wall:
            return [solid_of(cavity) for cavity in found], least
        level += wall - least + DISTANCE_ERROR_MM
    raise DesignRefused(
        f"A wall of {wall:g} mm could not be kept around the cavity.",
        cure="Choose a thicker wall, or a solid model.",
        rule="G-DES-01",
    )


def _borders(grid: Grid, depth: Field, level: float) -> list[Mesh]:
    """The closed surface of each connected room below the level that is large enough to be worth a drain."""
    labels = SITK.GetArrayFromImage(
        SITK.ConnectedComponent(SITK.GetImageFromArray((depth > level).astype(np.uint8)), True)
    )
    sizes = np.bincount(labels.ravel()) * grid.spacing**3 / 1000.0
    worth = [number for number in range(1, len(sizes)) if sizes[number] >= SMALLEST_CAVITY_ML]
    below = np.minimum(depth, level - 1e-3)
    return [surface_between(grid, np.where(labels == number, depth, below), level) for number in worth]


def _least_distance(surface: Surface, cavity: Mesh) -> float:
    return float(surface.unsigned(np.concatenate([cavity.vertices, middles_of(cavity)])).min())


def _drain(surface: Surface, cavity: Manifold, drains: Drains) -> list[Manifold]:
    """Bores from the cavity by the shortest way out, far from one another. Raises DesignRefused where none is straight."""
    starts = mesh_of(cavity).vertices
    starts = starts[:: max(1, len(starts) // CANDIDATES)]
    mouths = surface.closest(starts).points
    ways = mouths - starts
    lengths = np.linalg.norm(ways, axis=1)
    ways /= lengths[:, None]
    fit = np.flatnonzero(_is_clear(surface, starts, ways, lengths, drains))
    chosen: list[int] = []
    while len(chosen) < drains.count and len(fit):
        ahead = starts[fit]
        if chosen:
            gaps = np.linalg.norm(ahead[:, None] - starts[chosen][None], axis=2).min(axis=1)
            if gaps.max() < 2.0 * drains.diameter_mm:
                break
            chosen.append(int(fit[np.argmax(gaps)]))
        else:
            chosen.append(int(fit[np.argmin(ahead[:, 2])]))
    if not chosen:
        raise DesignRefused(
            [
                Reason(
                    f"A cavity of {cavity.volume() / 1000.0:.1f} ml has no place for a drain of {drains.diameter_mm:g} mm.",
                    "Choose narrower drains, a thicker wall, or a solid model.",
                    "G-DES-01",
                )
            ]
        )
    return [_bore(starts[one], ways[one], lengths[one], drains.diameter_mm / 2.0) for one in chosen]


def _is_clear(
    surface: Surface,
    starts: NDArray[np.float64],
    ways: NDArray[np.float64],
    lengths: NDArray[np.float64],
    drains: Drains,
) -> NDArray[np.bool_]:
    """Where the surface is level around the mouth and nothing stands before it."""
    hint = np.where(np.abs(ways[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(ways, hint)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    across = np.cross(ways, side)
    fit = np.ones(len(starts), dtype=np.bool_)
    for angle in np.arange(8) * np.pi / 4.0:
        rim = (drains.diameter_mm / 2.0 + drains.rim_mm) * (np.cos(angle) * side + np.sin(angle) * across)
        reach = surface.first_hits(starts + rim, ways)
        fit &= (reach > 0.4 * lengths) & (reach < lengths + drains.diameter_mm / 2.0)
    beyond = starts + (lengths[:, None] + 0.05) * ways
    fit &= surface.first_hits(beyond, ways) > 2.0 * drains.diameter_mm
    return fit


def _bore(start: NDArray[np.float64], way: NDArray[np.float64], length: float, radius: float) -> Manifold:
    """From half a radius inside the cavity to where every part of its mouth is open."""
    frame = frame_on(start, way)
    raw = Manifold.cylinder(length + 1.6 * radius, radius, radius, SEGMENTS).translate(
        (0.0, 0.0, -0.5 * radius)
    )
    return raw.transform(np.column_stack([frame.axes.T, start]))


def _drained(solid: Manifold) -> Manifold:
    """The one piece that is left. What is too small to be worth a drain is filled, or taken out where it is loose; a larger
    cavity that kept no way out, or a larger piece that came loose, is refused."""
    pieces = solid.decompose()
    whole = max(pieces, key=lambda piece: piece.volume())
    stray = max((abs(piece.volume()) for piece in pieces if piece is not whole), default=0.0)
    if stray >= 1000.0 * SMALLEST_CAVITY_ML:
        raise DesignRefused(
            f"A cavity or a piece of {stray / 1000.0:.2f} ml has no way out of the hollowed part.",
            cure="Choose more or wider drains, a thicker wall, or a solid model.",
            rule="G-DES-01",
        )
    return whole
