"""A radiotherapy bolus over a marked region of the skin: of one thickness all over, or flat towards the beam.

Where the skin has an overhang along the way that it is put on, the bolus leaves a gap and says how deep it is. How dense it is, is its
material's; a physicist signs it (`DeviceMaster.reviewer`). Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from manifold3d import Manifold

from devices.generators.base import (
    CASE_CODE,
    GENERATORS,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
    unit_vector,
)
from devices.generators.conformal import (
    RULE,
    Sampled,
    Skin,
    between,
    even,
    off_along_w,
    one_piece,
    rounded,
    sampled,
    wall,
)
from devices.generators.conformal_checks import Asked, Code, finished, refuse_steep, within_scan
from devices.generators.outline import Outline, Seen, ellipse, softened
from devices.generators.pad import WALL_MARGIN
from devices.generators.shell import Frame, frame_on
from devices.mesh.base import Mesh
from mes.exceptions import Reason
from mes.lazy import lazily

shapely: Any = lazily("shapely")
Triple = tuple[float, float, float]
CORNERS = tuple(f"corner_{number}_mm" for number in range(1, 9))

PARAMETERS = (
    Parameter(
        "centre_mm", "mm", "Middle of the region", "vector", -3000.0, 3000.0, None, "On the scanned skin.",
    ),
    *(
        Parameter(
            name, "mm", f"Corner {number} of the region", "vector", -3000.0, 3000.0, None,
            "In order around the region, three at least; without corners the region is round.", optional=True,
        )
        for number, name in enumerate(CORNERS, 1)
    ),
    Parameter("radius_mm", "mm", "Radius of the region", "number", 10.0, 150.0, 40.0, "Where no corners are picked."),
    Parameter(
        "direction", "", "Direction of the beam", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
        "Towards the skin, and how the bolus is put on; 0, 0, 0 takes the inward normal of the region.", drawn="axis", stands_at="centre_mm",
    ),
    Parameter(
        "thickness_mm", "mm", "Thickness", "number", 2.0, 40.0, 5.0, "Measured from the skin; the least one where the outer side is flat.",
        prescribed_as=("bolus thickness", "thickness"),
    ),
    Parameter("flat_outside", "", "Flat outer side", "integer", 0, 1, 0, "1: flat, square to the beam. 0: follows the skin."),
    Parameter("clearance_mm", "mm", "Clearance to the skin", "number", 0.0, 2.0, 0.0, "For a film or a dressing."),
    Parameter("edge_mm", "mm", "Rounding of the outer edge", "number", 1.0, 20.0, 2.0, "At most the thickness less the minimum wall."),
    Parameter("letters_mm", "mm", "Height of the engraved code", "number", 3.0, 12.0, 4.0, "On the outer side, 0.4 mm deep."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 1.0, "What the material and the process can build."),
    CASE_CODE,
)  # fmt: skip
SPACING_MM = 0.7
CORNER_MM = 4.0
ENGRAVED_MM = 0.4
STEEPEST_DEG = 75.0
STEEPEST_FLAT_DEG = 50.0
NOTABLE_GAP_MM = 0.5


@dataclass(frozen=True)
class Wanted:
    """The checked values of `PARAMETERS`, mm; corners: those that were picked, in order."""

    centre_mm: Triple
    corners: tuple[Triple, ...]
    radius_mm: float
    direction: Triple
    thickness_mm: float
    flat_outside: int
    clearance_mm: float
    edge_mm: float
    letters_mm: float
    minimum_wall_mm: float
    case_code: str


class Bolus:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "bolus"
    version = "1"
    title = "Radiotherapy bolus on a region of the skin"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The bolus where the scan lies. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        corners = tuple(checked[name] for name in CORNERS if name in checked)
        plain = {name: value for name, value in checked.items() if name not in CORNERS}
        wanted = Wanted(corners=corners, **plain)  # type: ignore[arg-type]  # check_values has given each field its type
        _refuse_contradictions(wanted)
        skin = Skin(bone)
        frame = _frame(skin, wanted)
        outline = _region(skin, frame, wanted)
        clearance = even(wanted.clearance_mm)
        fields = sampled(
            skin,
            frame,
            reach_mm=wanted.clearance_mm + wanted.thickness_mm,
            spacing_mm=SPACING_MM,
            clearance=clearance,
            outline=outline,
            off=frame.axes[2],
        )
        fields = off_along_w(fields)
        solid = _flat(skin, fields, outline, wanted) if wanted.flat_outside else _following(fields, wanted)
        asked = Asked(
            skin,
            clearance,
            outline,
            wanted.thickness_mm,
            edge_mm=wanted.edge_mm,
            off=frame.axes[2],
            flat=bool(wanted.flat_outside),
        )
        code = Code(wanted.case_code, wanted.letters_mm, ENGRAVED_MM)
        mesh, measures = finished(one_piece(solid), asked, wanted.minimum_wall_mm, code)
        used = {**checked, "direction": tuple(float(v) for v in -frame.axes[2])}
        measures["region_mm2"] = float(outline.area.area)
        return Design(mesh, used, measures, (), _warnings(measures, wanted))  # type: ignore[arg-type]  # three components


GENERATORS.add("bolus", Bolus())


def _refuse_contradictions(wanted: Wanted) -> None:
    problems = []
    least = WALL_MARGIN * wanted.minimum_wall_mm
    if wanted.thickness_mm < least:
        text = (
            f"A bolus of {wanted.thickness_mm:.2f} mm cannot keep a wall of {wanted.minimum_wall_mm:.2f} mm."
        )
        problems.append(Reason(text, f"Make it at least {least:.2f} mm thick.", RULE))
    if wanted.edge_mm > wanted.thickness_mm - wanted.minimum_wall_mm:
        text = (
            f"An edge rounded by {wanted.edge_mm:.2f} mm leaves less than the minimum wall beside the skin."
        )
        most = max(0.0, wanted.thickness_mm - wanted.minimum_wall_mm)
        problems.append(Reason(text, f"Round it by {most:.2f} mm at most.", RULE))
    if len(wanted.corners) in (1, 2):
        text = f"A region of {len(wanted.corners)} corners has no inside."
        problems.append(Reason(text, "Pick three corners at least, or none for a round region.", RULE))
    if problems:
        raise DesignRefused(problems)


def _frame(skin: Skin, wanted: Wanted) -> Frame:
    """w against the beam. Raises DesignRefused for a beam that comes from below the skin, or along it."""
    middle = skin.place(wanted.centre_mm, "middle of the region")
    normal = skin.outward(middle, _extent(wanted))
    given = np.array(wanted.direction)
    length = float(np.linalg.norm(given))
    outward = unit_vector(normal if length < 1e-6 else -given)
    lean = float(np.rad2deg(np.arccos(np.clip(outward @ normal, -1.0, 1.0))))
    if lean > STEEPEST_FLAT_DEG:
        text = f"The beam leans {lean:.0f} degrees from the normal of the region."
        raise DesignRefused(
            [Reason(text, f"Choose at most {STEEPEST_FLAT_DEG:g} degrees, towards the skin.", RULE)]
        )
    return frame_on(middle, outward)


def _extent(wanted: Wanted) -> float:
    """How far the region reaches from its middle, mm."""
    if not wanted.corners:
        return wanted.radius_mm
    away = np.array(wanted.corners) - np.array(wanted.centre_mm)
    return float(np.linalg.norm(away, axis=1).max())


def _region(skin: Skin, frame: Frame, wanted: Wanted) -> Outline:
    """The region, seen against the beam. Raises DesignRefused where it crosses itself, misses its middle, leaves the scan or is too steep."""
    area = ellipse((0.0, 0.0), 2.0 * wanted.radius_mm, 2.0 * wanted.radius_mm)
    if wanted.corners:
        corners = np.array([
            skin.place(corner, f"corner {number} of the region") for number, corner in enumerate(wanted.corners, 1)
        ])  # fmt: skip
        area = shapely.Polygon(frame.to_local(corners)[:, :2])
        if not area.is_valid or not area.contains(shapely.Point(0.0, 0.0)):
            text = "The corners do not go once around the middle of the region."
            raise DesignRefused([Reason(text, "Pick them in order around it.", RULE)])
        area = softened(area, CORNER_MM)
    outline = Outline(Seen(frame), area)
    within_scan(skin, outline, frame.axes[2])
    limit = STEEPEST_FLAT_DEG if wanted.flat_outside else STEEPEST_DEG
    refuse_steep(skin, frame.axes[2], outline, limit)
    return outline


def _following(fields: Sampled, wanted: Wanted) -> Manifold:
    return wall(fields, wanted.thickness_mm, outer_edge_mm=wanted.edge_mm, inner_edge_mm=0.0)


def _flat(skin: Skin, fields: Sampled, outline: Outline, wanted: Wanted) -> Manifold:
    """From the skin up to a plane square to the beam; its sides stand along the beam."""
    grid = fields.grid
    local = grid.frame.to_local(skin.mesh.vertices[outline(skin.mesh.vertices) > -CORNER_MM])
    plane = float(local[:, 2].max()) + wanted.clearance_mm + wanted.thickness_mm
    u, v, w = (grid.corner[axis] + grid.spacing * np.arange(grid.shape[axis]) for axis in range(3))
    columns = np.stack([*np.meshgrid(u, v, indexing="ij"), np.zeros((len(u), len(v)))], axis=-1)
    inside = outline(grid.frame.to_patient(columns.reshape(-1, 3))).reshape(len(u), len(v), 1)
    outer = rounded((plane - w)[None, None], inside, wanted.edge_mm)
    return between(grid, fields.gap, outer)


def _warnings(measures: Mapping[str, float], wanted: Wanted) -> tuple[str, ...]:
    said = ["How dense the bolus is, is its material's; check it on a CT of the bolus before use."]
    filled = measures["gap_filled_maximum_mm"]
    if filled > NOTABLE_GAP_MM:
        said.append(f"An overhang of the skin leaves an air gap of up to {filled:.1f} mm under the bolus.")
    if wanted.flat_outside:
        said.append(f"The bolus is up to {measures['thickness_maximum_mm']:.1f} mm thick.")
    return tuple(said)
