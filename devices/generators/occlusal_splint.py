"""A splint over the chewing surfaces: fits the crowns, can be put on along one direction, and is flat where the other jaw meets it.

The crowns are blocked out along the way of insertion: what lies under an overhang stays free, so the splint goes on and comes off.
Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import (
    GENERATORS,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
)
from devices.generators.dental.frames import occlusal_frame
from devices.generators.dental.marks import labels_of
from devices.generators.dental.teeth import GUM, RULE, LabelledScan, checked_scan
from devices.generators.pad import WALL_MARGIN, without_thin_parts
from devices.generators.shell import Frame, Grid, box_grid, frame_on, free_way
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.rims import submesh
from devices.mesh.settled import settled
from devices.mesh.wall import measure_wall
from devices.planning.marks import LONGEST
from mes.exceptions import Reason
from mes.lazy import lazily

shapely: Any = lazily("shapely")

PARAMETERS = (
    Parameter(
        "teeth", "", "Teeth", "text", 2, LONGEST, None,
        "Which vertex is which tooth: JSON, of the plan.", planned=True,
    ),
    Parameter(
        "insertion_direction", "", "Insertion direction", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
        "Towards the teeth; 0, 0, 0 takes the normal of the occlusal plane.",
    ),
    Parameter("clearance_mm", "mm", "Clearance to the crowns", "number", 0.03, 0.5, 0.1, "Gap between crowns and splint."),
    Parameter("thickness_mm", "mm", "Thickness", "number", 1.0, 5.0, 2.0, "Beside the crowns, and at the highest cusp."),
    Parameter("coverage_mm", "mm", "Coverage", "number", 1.5, 8.0, 3.5, "How far below the mean cusp it reaches."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 1.0, "What the material and the process can build."),
)  # fmt: skip
SPACING_MM = 0.4
MOST_SAMPLES = 4_000_000
STEEPEST_DEG = 30.0
SAMPLES = 20_000


@dataclass(frozen=True)
class Wanted:
    """The checked values of `PARAMETERS`, mm."""

    teeth: str
    insertion_direction: tuple[float, float, float]
    clearance_mm: float
    thickness_mm: float
    coverage_mm: float
    minimum_wall_mm: float


class OcclusalSplint:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "occlusal_splint"
    version = "1"
    title = "Occlusal splint with a flat bite plane"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The splint where the scan lies. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = Wanted(**checked)  # type: ignore[arg-type]  # check_values has given each field its type
        _refuse_thin(wanted)
        labels, _, warnings = labels_of(bone, wanted.teeth)
        scan, strays = checked_scan(bone, labels)
        frame = _insertion(occlusal_frame(scan), wanted)
        crowns, _ = submesh(scan.mesh, np.isin(scan.face_labels, scan.teeth))
        plane = float(frame.to_local(crowns.vertices)[:, 2].max()) + wanted.clearance_mm + wanted.thickness_mm
        mesh, thinned = _body(scan, crowns, frame, plane, wanted)
        used = {**checked, "insertion_direction": tuple(float(v) for v in -frame.axes[2])}
        measures = _measured(mesh, scan, frame, plane, wanted)
        return Design(mesh, used, measures, (), (*warnings, *strays, *thinned))  # type: ignore[arg-type]  # three components


GENERATORS.add("occlusal_splint", OcclusalSplint())


def _refuse_thin(wanted: Wanted) -> None:
    least = WALL_MARGIN * wanted.minimum_wall_mm
    if wanted.thickness_mm < least:
        text = (
            f"A splint of {wanted.thickness_mm:.2f} mm cannot keep a wall of {wanted.minimum_wall_mm:.2f} mm."
        )
        raise DesignRefused([Reason(text, f"Make it at least {least:.2f} mm thick.", RULE)])


def _insertion(arch: Frame, wanted: Wanted) -> Frame:
    """w against the way of insertion. Raises DesignRefused for a way from the side."""
    given = np.array(wanted.insertion_direction)
    length = float(np.linalg.norm(given))
    outward = arch.axes[2] if length < 1e-6 else -given / length
    lean = float(np.rad2deg(np.arccos(np.clip(outward @ arch.axes[2], -1.0, 1.0))))
    if lean > STEEPEST_DEG:
        text = f"The insertion leans {lean:.0f} degrees from the occlusal plane's normal."
        raise DesignRefused(
            [Reason(text, f"Choose at most {STEEPEST_DEG:g} degrees, towards the teeth.", RULE)]
        )
    return frame_on(arch.origin, outward)


def _body(
    scan: LabelledScan, crowns: Mesh, frame: Frame, plane: float, wanted: Wanted
) -> tuple[Mesh, tuple[str, ...]]:
    local = frame.to_local(crowns.vertices)
    floor = _mean_cusp(scan, frame) - wanted.coverage_mm
    reach = wanted.clearance_mm + wanted.thickness_mm
    low = np.array([*(local[:, :2].min(axis=0) - reach), floor])
    high = np.array([*(local[:, :2].max(axis=0) + reach), plane])
    spacing = max(SPACING_MM, float(np.cbrt(np.prod(high - low) / MOST_SAMPLES)))
    grid = box_grid(frame, low, high, spacing)
    way = free_way(grid, Surface(scan.mesh), plane + 10.0)
    heights = grid.local_points.reshape(*grid.shape, 3)[..., 2]
    field = np.minimum(way - wanted.clearance_mm, (reach - _aside(grid, crowns, frame, floor))[..., None])
    field = np.minimum(field, np.minimum(plane - heights, heights - floor))
    solid, warnings = without_thin_parts(grid, field, WALL_MARGIN * wanted.minimum_wall_mm / 2.0)
    return settled(solid), warnings


def _mean_cusp(scan: LabelledScan, frame: Frame) -> float:
    """The mean over the teeth of how high each stands: one long tooth does not lift the edge of the splint."""
    heights = frame.to_local(scan.mesh.vertices)[:, 2]
    return float(np.mean([heights[scan.labels == tooth].max() for tooth in scan.teeth if tooth != GUM]))


def _aside(grid: Grid, crowns: Mesh, frame: Frame, floor: float) -> NDArray[np.float64]:
    """How far each column (nu, nv) lies from the crowns' outline above `floor`, seen along the insertion; mm, 0 inside."""
    local = frame.to_local(crowns.vertices)
    corners = local[crowns.faces]
    seen = corners[(corners[..., 2].max(axis=1) > floor)][..., :2]
    triangles = shapely.polygons(np.concatenate([seen, seen[:, :1]], axis=1))
    outline = shapely.union_all(triangles[shapely.area(triangles) > 1e-6], grid_size=1e-3)
    columns = grid.local_points.reshape(*grid.shape, 3)[:, :, 0, :2].reshape(-1, 2)
    shapely.prepare(outline)
    return np.asarray(shapely.distance(outline, shapely.points(columns))).reshape(grid.shape[:2])


def _measured(mesh: Mesh, scan: LabelledScan, frame: Frame, plane: float, wanted: Wanted) -> dict[str, float]:
    surface, report = Surface(mesh), check_mesh(mesh)
    wall = measure_wall(surface)
    points, faces = sample_surface(mesh, SAMPLES, np.random.default_rng(0))
    heights = frame.to_local(points)[:, 2]
    flat = (surface.normals[faces] @ frame.axes[2] > 0.999) & (np.abs(heights - plane) < 0.05)
    fitted = surface.normals[faces] @ frame.axes[2] < -0.3
    gap = Surface(scan.mesh).unsigned(points[fitted])
    problems = []
    if wall.minimum_mm < wanted.minimum_wall_mm:
        text = f"The splint is only {wall.minimum_mm:.2f} mm thick in places; {wanted.minimum_wall_mm:.2f} mm are needed."
        problems.append(Reason(text, "Make it thicker.", RULE))
    if _barred(surface, scan, frame):
        problems.append(Reason("The splint cannot be put on.", "Turn the insertion.", RULE))
    if problems:
        raise DesignRefused(problems)
    return {
        "volume_ml": report.volume_ml,
        "area_mm2": report.area_mm2,
        "bite_plane_mm2": float(flat.mean()) * report.area_mm2,
        "crown_clearance_p05_mm": float(np.quantile(gap, 0.05)),
        "crown_clearance_p50_mm": float(np.quantile(gap, 0.5)),
        "minimum_wall_mm": wall.minimum_mm,
        "wall_p01_mm": wall.p01_mm,
    }


def _barred(surface: Surface, scan: LabelledScan, frame: Frame) -> bool:
    """Whether a part of the splint has a tooth above it on its way off: the undercuts were not blocked."""
    points, _ = sample_surface(surface.mesh, SAMPLES // 4, np.random.default_rng(1))
    hits = Surface(scan.mesh).first_hits(points, np.broadcast_to(frame.axes[2], points.shape))
    return bool(np.isfinite(hits).mean() > 0.001)
