"""A plate that follows a bone along picked places, with screw holes square to the bone.

Research-only, and not for implantation: nothing here says what a plate carries or how long it lasts (G-SW-01).
The plate can be put on along one direction: what lies under an overhang stays free, as with a guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from devices.generators.base import (
    GENERATORS,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
    unit_vector,
)
from devices.generators.pad import FINEST_MM, MAXIMUM_SAMPLES, USUAL_MM, WALL_MARGIN, Tube, body_of, opening
from devices.generators.plate_holes import Wanted, drilled, hole_faults, inspected, triple
from devices.generators.shell import Field, Grid, box_grid, free_way
from devices.generators.site import Site, find_site, outward_normal
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, sample_surface
from devices.mesh.settled import settled
from devices.mesh.wall import measure_wall, walls_behind
from mes.exceptions import Reason
from mes.lazy import lazily

shapely: Any = lazily("shapely")
SPLINES: Any = lazily("vtkmodules.vtkCommonComputationalGeometry")
CORE: Any = lazily("vtkmodules.vtkCommonCore")

RULE = "G-DES-01"
Points = NDArray[np.float64]

PICK_REACH_MM = 5.0
STATIONS = 200
SAMPLES = 20_000
THICKNESS_MM = 0.15
"""How far the plate's thickness may be off."""
STEEPEST_HOLE_DEG = 40.0
PATH = tuple(f"path_{number}_mm" for number in range(1, 7))

PARAMETERS = (
    *(
        Parameter(
            name, "mm", f"Place {number} of the plate", "vector", -3000.0, 3000.0, None,
            "On the bone, LPS: the plate's middle line runs through these places in turn.", optional=number > 2, drawn="line",
        )
        for number, name in enumerate(PATH, 1)
    ),
    Parameter("width_mm", "mm", "Width", "number", 4.0, 30.0, 11.0, "Seen along the insertion; its ends are round."),
    Parameter("thickness_mm", "mm", "Thickness", "number", 1.0, 6.0, 3.0, "Away from the bone."),
    Parameter("clearance_mm", "mm", "Clearance to the bone", "number", 0.05, 1.0, 0.1, "Gap between bone and plate."),
    Parameter("edge_radius_mm", "mm", "Radius of the edges", "number", 0.3, 2.0, 0.8, "Of every outer edge, holes not counted."),
    Parameter(
        "hole_count", "", "Screw holes", "integer", 0, 16, 4, "Evenly along the line, the first and last at its ends.",
        prescribed_as=("holes", "number of holes", "screw holes"),
    ),
    Parameter(
        "hole_diameter_mm", "mm", "Diameter of a hole", "number", 1.0, 8.0, 3.5, "Square to the bone around it.",
        prescribed_as=("hole diameter", "screw hole diameter"),
    ),
    Parameter(
        "sink_diameter_mm", "mm", "Diameter of a countersink", "number", 0.0, 14.0, 0.0, "At the outer side of the plate; 0: none.",
        prescribed_as=("countersink diameter",),
    ),
    Parameter("sink_degrees", "°", "Angle of a countersink", "number", 60.0, 120.0, 90.0, "Between its flanks.", prescribed_as=("countersink angle",)),
    Parameter(
        "minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 3.0, 1.0, "What the material and the process can build.",
    ),
)  # fmt: skip


class BonePlate:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "bone_plate"
    version = "2"
    title = "Contoured plate with screw holes"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The plate on its bone. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = _wanted(checked)
        _refuse_contradictions(wanted)
        surface = Surface(bone)
        places = _snapped(surface, wanted)
        reach = float(np.linalg.norm(places - places.mean(axis=0), axis=1).max()) + wanted.width_mm
        middle = surface.closest(places.mean(axis=0)[None]).points[0]
        site = find_site(surface, triple(middle), (0.0, 0.0, 0.0), reach, reach)
        line = _line(site, places)
        holes = _holes(site, line, wanted)
        mesh = settled(drilled(_body(site, line, wanted), holes, wanted))
        return Design(
            mesh,
            checked,
            _measured(mesh, site, line, holes, wanted),
            tuple(inspected(hole, wanted) for hole in holes),
        )


GENERATORS.add("bone_plate", BonePlate())


def _wanted(checked: Mapping[str, object]) -> Wanted:
    named = {one.name for one in fields(Wanted)}
    path = tuple(checked[name] for name in PATH if name in checked)
    return Wanted(**{name: value for name, value in checked.items() if name in named}, path=path)  # type: ignore[arg-type]  # check_values has given each field its type


def _refuse_contradictions(wanted: Wanted) -> None:
    """Values that are each allowed and cannot go together, all of them at once."""
    beside = (wanted.width_mm - wanted.widest_mm) / 2.0
    below = wanted.thickness_mm - wanted.sink_depth_mm
    least = WALL_MARGIN * wanted.minimum_wall_mm
    thick = max(2.0 * wanted.edge_radius_mm, least) + FINEST_MM
    rules = (
        (
            bool(wanted.hole_count) and beside < least,
            f"Beside a hole {beside:.2f} mm are left; {least:.2f} mm are needed.",
            "Make the plate wider or the holes narrower.",
        ),
        (
            0.0 < wanted.sink_diameter_mm <= wanted.hole_diameter_mm,
            "The countersink is no wider than its hole.",
            "Make it wider, or 0 for none.",
        ),
        (
            below < least,
            f"Below a countersink {below:.2f} mm are left; {least:.2f} mm are needed.",
            "Make the plate thicker, or the countersink narrower or blunter.",
        ),
        (
            wanted.thickness_mm < thick,
            f"A plate of {wanted.thickness_mm:.2f} mm cannot have edges of {wanted.edge_radius_mm:.2f} mm and walls of {wanted.minimum_wall_mm:.2f} mm.",
            f"Make it at least {thick:.2f} mm thick, or the edges sharper.",
        ),
    )
    problems = [Reason(text, cure, RULE) for broken, text, cure in rules if broken]
    if problems:
        raise DesignRefused(problems)


def _snapped(bone: Surface, wanted: Wanted) -> Points:
    """The places on the bone (n, 3)."""
    picks = np.array(wanted.path)
    found = bone.closest(picks).points
    away = np.linalg.norm(found - picks, axis=1)
    if away.max() > PICK_REACH_MM:
        number = int(np.argmax(away)) + 1
        raise DesignRefused(
            f"Place {number} of the plate is {away.max():.1f} mm from the bone; {PICK_REACH_MM:g} mm are allowed.",
            cure="Pick it on the bone's surface.",
            rule=RULE,
        )
    return found


def _line(site: Site, places: Points) -> Points:
    """The plate's middle line (n, 3) LPS mm: a cardinal spline through the places, dropped onto the bone along the insertion."""
    spline, points = SPLINES.vtkParametricSpline(), CORE.vtkPoints()
    for place in site.frame.to_local(places):
        points.InsertNextPoint(float(place[0]), float(place[1]), 0.0)
    spline.SetPoints(points)
    at, ignored = [0.0, 0.0, 0.0], [0.0] * 9
    flat = np.zeros((STATIONS, 3))
    for index, share in enumerate(np.linspace(0.0, 1.0, STATIONS)):
        spline.Evaluate([float(share), 0.0, 0.0], at, ignored)
        flat[index] = at
    flat[:, 2] = site.ceiling
    drop = site.near.first_hits(site.frame.to_patient(flat), site.inward)
    if not np.isfinite(drop).all():
        raise DesignRefused(
            "The plate's line leaves the bone.", cure="Pick more places, or the ends further in.", rule=RULE
        )
    flat[:, 2] -= drop
    return site.frame.to_patient(flat)


def _body(site: Site, line: Points, wanted: Wanted) -> Manifold:
    """The plate without its holes: a layer over the bone within the outline, its edges rounded by a ball."""
    local = site.frame.to_local(line)
    rise = wanted.clearance_mm + wanted.thickness_mm
    side = wanted.width_mm / 2.0
    low = np.array([*(local[:, :2].min(axis=0) - side), local[:, 2].min() - side])
    high = np.array([*(local[:, :2].max(axis=0) + side), local[:, 2].max() + side + rise])
    spacing = float(np.clip(wanted.edge_radius_mm / 3.0, FINEST_MM, USUAL_MM))
    spacing = max(spacing, float(np.cbrt(np.prod(high - low) / MAXIMUM_SAMPLES)))
    grid = box_grid(site.frame, low, high, spacing)
    outline = side - _aside(grid, local)
    way = free_way(grid, site.near, site.ceiling, outline > -2.0 * spacing)
    field = np.minimum(way - wanted.clearance_mm, rise - way)
    field = np.minimum(field, outline[..., None])
    ball = max(wanted.edge_radius_mm, WALL_MARGIN * wanted.minimum_wall_mm / 2.0)
    return body_of(grid, opening(grid, field, ball)[0])


def _aside(grid: Grid, line: Points) -> Field:
    """How far each column (nu, nv) lies from the plate's line (n, 3) local mm, seen along the insertion."""
    columns = grid.local_points.reshape(*grid.shape, 3)[:, :, 0, :2].reshape(-1, 2)
    path = shapely.linestrings(line[:, :2])
    return np.asarray(shapely.distance(path, shapely.points(columns)), dtype=np.float64).reshape(
        grid.shape[:2]
    )


def _holes(site: Site, line: Points, wanted: Wanted) -> list[Tube]:
    """The screw holes, each on the bone and along the mean normal around it. Raises DesignRefused where they stand too close or lean."""
    if not wanted.hole_count:
        return []
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, steps[-1], wanted.hole_count) if wanted.hole_count > 1 else steps[-1:] / 2.0
    apart = float(steps[-1]) / max(wanted.hole_count - 1, 1) - wanted.widest_mm
    least = WALL_MARGIN * wanted.minimum_wall_mm
    if wanted.hole_count > 1 and apart < least:
        text = f"Between two holes {apart:.2f} mm are left; {least:.2f} mm are needed."
        raise DesignRefused([Reason(text, "Choose fewer or narrower holes, or a longer plate.", RULE)])
    found = site.near.closest(np.stack([np.interp(at, steps, column) for column in line.T], axis=1))
    holes, leaning = [], []
    for number, (place, face) in enumerate(zip(found.points, found.faces, strict=True), 1):
        out = outward_normal(site.near, place, int(face), 2.0 * wanted.hole_diameter_mm)
        lean = float(np.degrees(np.arccos(np.clip(out @ site.frame.axes[2], -1.0, 1.0))))
        if lean > STEEPEST_HOLE_DEG:
            leaning.append(
                Reason(
                    f"Hole {number} leans {lean:.0f} degrees from the insertion; {STEEPEST_HOLE_DEG:g} are allowed.",
                    "Move the plate to where the bone is flatter, or make it shorter.",
                    RULE,
                )
            )
        radius = wanted.hole_diameter_mm / 2.0
        holes.append(Tube(place, unit_vector(-out), radius, radius, wanted.thickness_mm))
    if leaning:
        raise DesignRefused(leaning)
    return holes


def _measured(
    mesh: Mesh, site: Site, line: Points, holes: Sequence[Tube], wanted: Wanted
) -> dict[str, float]:
    """Figures of the finished plate. Raises DesignRefused where it is not what was asked for."""
    plate, report = Surface(mesh), check_mesh(mesh)
    problems, holes_off = hole_faults(mesh, holes, wanted)
    wall = measure_wall(plate)
    if wall.minimum_mm < wanted.minimum_wall_mm:
        at = ", ".join(f"{part:.1f}" for part in wall.place_mm)
        text = f"The plate is only {wall.minimum_mm:.2f} mm thick at ({at}); {wanted.minimum_wall_mm:.2f} mm are needed."
        problems.append(Reason(text, "Make it wider or thicker, or choose a smoother place.", RULE))
    points, faces = sample_surface(mesh, SAMPLES, np.random.default_rng(0))
    normals = plate.normals[faces]
    distance = site.near.unsigned(points)
    barred = np.isfinite(site.near.first_hits(points, site.frame.axes[2]))
    distance = np.where(barred, -distance, distance)
    below = _underside(site, line, wanted, points) & (normals @ site.frame.axes[2] < -0.5)
    below &= distance < wanted.clearance_mm + wanted.thickness_mm / 3.0
    thickness = float(np.median(walls_behind(plate, points[below], normals[below])))
    if abs(thickness - wanted.thickness_mm) > THICKNESS_MM:
        text = f"The plate comes out {thickness:.2f} mm thick instead of {wanted.thickness_mm:.2f} mm."
        problems.append(Reason(text, "Choose a smoother place on the bone.", RULE))
    if not _is_whole(plate, site, line, holes, wanted):
        text = "The bone leaves the plate no room along all of its line: a part of it would be missing."
        problems.append(Reason(text, "Choose a smoother place, a thicker plate or sharper edges.", RULE))
    if distance.min() <= 0.0:
        problems.append(Reason("The plate would cut into the bone.", "Increase the clearance.", RULE))
    if problems:
        raise DesignRefused(problems)
    return {
        "volume_ml": report.volume_ml,
        "area_mm2": report.area_mm2,
        "minimum_wall_mm": wall.minimum_mm,
        "plate_thickness_mm": thickness,
        "plate_length_mm": float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()) + wanted.width_mm,
        "bone_clearance_minimum_mm": float(distance.min()),
        "bone_clearance_p50_mm": float(np.quantile(distance[below], 0.5)),
        "bone_clearance_p95_mm": float(np.quantile(distance[below], 0.95)),
        "contact_area_mm2": float(below.mean()) * report.area_mm2,
        **holes_off,
    }


def _underside(site: Site, line: Points, wanted: Wanted, points: Points) -> NDArray[np.bool_]:
    """Which points (n, 3) lie further inside the outline than the rounded edges reach."""
    path = shapely.linestrings(site.frame.to_local(line)[:, :2])
    aside = shapely.distance(path, shapely.points(site.frame.to_local(points)[:, :2]))
    return np.asarray(aside < wanted.width_mm / 2.0 - wanted.edge_radius_mm, dtype=np.bool_)


def _is_whole(plate: Surface, site: Site, line: Points, holes: Sequence[Tube], wanted: Wanted) -> bool:
    """Whether looks along the insertion meet the plate over all of its line, holes as far as they lean left out."""
    height = wanted.clearance_mm + wanted.thickness_mm
    room = wanted.hole_diameter_mm / 2.0 + height
    beside = [np.linalg.norm(line - hole.position, axis=1) > room for hole in holes]
    solid = line[np.logical_and.reduce(beside)] if beside else line
    starts = solid + 2.0 * height * site.frame.axes[2]
    reach = plate.first_hits(starts, np.broadcast_to(site.inward, starts.shape))
    return bool((reach < 2.0 * height).all())
