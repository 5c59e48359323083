"""A shell around a limb: open along one side, or in two halves; with clearance for a padding, trimmed ends, ventilation and strap slots.

The limb's axis goes through the middle of its sections between two places that are picked on the skin, along the middle of the shell.
Picks on its front and on its inner side tell the left limb from the right, also on a mirrored scan (G-LAT-01).
Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from devices.generators.base import (
    CASE_CODE,
    GENERATORS,
    LEFTWARD,
    MIRRORED,
    TOWARDS_MIDDLE,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
    unit_vector,
)
from devices.generators.conformal import RULE, Points, Skin, one_piece, sampled, wall
from devices.generators.conformal_checks import Asked, Code, finished, within_scan
from devices.generators.handed import leftward, mirrored_scan
from devices.generators.outline import Outline, Unrolled, at_most, cut, ellipse, slot, softened
from devices.generators.pad import WALL_MARGIN
from devices.generators.relief import PARAMETERS as RELIEF
from devices.generators.relief import highest, relieved
from devices.generators.shell import Frame
from devices.mesh.base import Mesh
from mes.exceptions import Reason
from mes.lazy import lazily

shapely: Any = lazily("shapely")

PARAMETERS = (
    Parameter(
        "proximal_mm", "mm", "Upper end", "vector", -3000.0, 3000.0, None,
        "On the skin, in the middle of the shell, at its end towards the trunk.",
    ),
    Parameter(
        "distal_mm", "mm", "Lower end", "vector", -3000.0, 3000.0, None,
        "On the skin, in the middle of the shell, at its end towards the hand or foot.",
    ),
    Parameter(
        "front_mm", "mm", "Front of the limb", "vector", -3000.0, 3000.0, None,
        "On the skin, on the side that faces forwards when the patient stands with the palms turned forwards.",
    ),
    TOWARDS_MIDDLE,
    Parameter("thickness_mm", "mm", "Thickness", "number", 1.5, 8.0, 3.0, "Everywhere.", prescribed_as=("shell thickness", "thickness")),
    Parameter("clearance_mm", "mm", "Clearance to the skin", "number", 0.0, 10.0, 3.0, "For a padding.", prescribed_as=("padding", "padding thickness")),
    Parameter("halves", "", "Two halves", "integer", 0, 1, 0, "0: one open shell. 1: two halves, held together by straps."),
    Parameter("cover_deg", "deg", "Part of the limb that is covered", "number", 100.0, 340.0, 230.0, "Of an open shell."),
    Parameter("gap_mm", "mm", "Gap between the halves", "number", 3.0, 40.0, 10.0, "On either side."),
    Parameter("proximal_lean_deg", "deg", "Lean of the upper trim", "number", -30.0, 30.0, 0.0, "Above zero the shell reaches higher in its middle."),
    Parameter("distal_lean_deg", "deg", "Lean of the lower trim", "number", -30.0, 30.0, 0.0, "Above zero the shell reaches lower in its middle."),
    Parameter("corner_mm", "mm", "Rounding of the corners", "number", 3.0, 40.0, 12.0, ""),
    Parameter("hole_mm", "mm", "Diameter of the ventilation holes", "number", 0.0, 20.0, 8.0, "0: none."),
    Parameter("hole_pitch_mm", "mm", "Distance between the holes", "number", 10.0, 60.0, 22.0, "From middle to middle."),
    Parameter("straps", "", "Straps along the shell", "integer", 0, 5, 3, "Each has a slot at either edge."),
    Parameter("strap_mm", "mm", "Width of the straps", "number", 10.0, 50.0, 25.0, "The slots are 2 mm longer, and 5 mm wide."),
    *RELIEF,
    Parameter("edge_mm", "mm", "Rounding of the edges", "number", 0.5, 4.0, 1.4, "At most half of the thickness."),
    Parameter("letters_mm", "mm", "Height of the engraved code", "number", 3.0, 12.0, 5.0, "On the outer side, 0.4 mm deep."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 1.5, "What the material and the process can build."),
    Parameter(MIRRORED, "", "Mirror the scan", "integer", 0, 1, 0, "1: the scan and the picks are of the other, sound limb; 0: of the limb itself."),
    CASE_CODE,
)  # fmt: skip
SPACING_MM = 0.9
ENGRAVED_MM = 0.4
SLOT_MM, SLOT_SLACK_MM = 5.0, 2.0
FRAMED_MM, SPARE_MM = 5.0, 0.5
"""The least width of what is left beside a hole or a slot, and what is kept above it where one is placed."""
SHORTEST_MM = 40.0
SECTIONS = 24
THINNEST_LIMB_MM = 10.0
EVEN = 0.35
"""By how much of its mean the radius may vary along a section or the axis: more, and this is no limb between the picks."""

MIRRORED_SAID = "The scan is of the other limb and was mirrored: the reviewer makes sure that both limbs are alike where the shell lies."


class LimbOrthosis:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "limb_orthosis"
    version = "2"
    title = "Orthosis shell around a limb"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The shell where the scan lies. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        asked_for = check_values(self.parameters, values)
        checked = asked_for
        if asked_for[MIRRORED]:
            bone, checked = mirrored_scan(bone, asked_for, self.parameters)
        number = {name: float(value) for name, value in checked.items() if isinstance(value, float | int)}
        _refuse_contradictions(number)
        skin = Skin(bone)
        limb = _limb(skin, checked)
        side = _leftward(skin, limb, checked)
        clearance = relieved(skin, checked, number["clearance_mm"])
        code = Code(str(checked["case_code"]), number["letters_mm"], ENGRAVED_MM)
        outlines = _outlines(limb, number | {"code_width_mm": code.width_mm})
        outline = at_most(outlines)
        within_scan(skin, outline)
        thickness, edge = number["thickness_mm"], number["edge_mm"]
        fields = sampled(
            skin,
            limb.frame,
            reach_mm=highest(checked, number["clearance_mm"]) + thickness,
            spacing_mm=SPACING_MM,
            clearance=clearance,
            outline=outline,
        )
        body = wall(fields, thickness, outer_edge_mm=edge, inner_edge_mm=edge)
        asked = Asked(skin, clearance, outline, thickness, edge_mm=edge)
        code = replace(code, place=_outside(skin, limb, number))
        mesh, measures = finished(one_piece(body, len(outlines)), asked, number["minimum_wall_mm"], code)
        measures |= {
            "length_mm": limb.length_mm,
            "limb_radius_mm": limb.radius_mm,
            LEFTWARD: side,
            "mirrored": float(str(checked[MIRRORED])),
        }
        return Design(mesh, asked_for, measures, (), (MIRRORED_SAID,) if checked[MIRRORED] else ())


GENERATORS.add("limb_orthosis", LimbOrthosis())


@dataclass(frozen=True, eq=False)
class _Limb:
    """frame: w along the axis towards the trunk, u to the middle of the shell; the ends of the shell on w; the smallest radius on the way,
    and the mean one."""

    frame: Frame
    low: float
    high: float
    least_radius_mm: float
    radius_mm: float

    @property
    def length_mm(self) -> float:
        return self.high - self.low


def _refuse_contradictions(number: Mapping[str, float]) -> None:
    problems = []
    least = WALL_MARGIN * number["minimum_wall_mm"]
    if number["thickness_mm"] < least:
        text = f"A shell of {number['thickness_mm']:.2f} mm cannot keep a wall of {number['minimum_wall_mm']:.2f} mm."
        problems.append(Reason(text, f"Make it at least {least:.2f} mm thick.", RULE))
    if number["edge_mm"] > number["thickness_mm"] / 2.0:
        text = f"Edges rounded by {number['edge_mm']:.2f} mm need twice as much thickness."
        problems.append(Reason(text, f"Round them by {number['thickness_mm'] / 2.0:.2f} mm at most.", RULE))
    if number["hole_mm"] > 0.0 and number["hole_pitch_mm"] < number["hole_mm"] + FRAMED_MM:
        text = f"Holes of {number['hole_mm']:.1f} mm every {number['hole_pitch_mm']:.1f} mm leave too little between them."
        problems.append(Reason(text, f"Keep {FRAMED_MM:g} mm between them.", RULE))
    if problems:
        raise DesignRefused(problems)


def _limb(skin: Skin, checked: Mapping[str, Any]) -> _Limb:
    """Raises DesignRefused where the scan between the picks is no limb."""
    upper, lower = (
        skin.place(checked[name], what)
        for name, what in (("proximal_mm", "upper end"), ("distal_mm", "lower end"))
    )
    if np.linalg.norm(upper - lower) < SHORTEST_MM:
        raise DesignRefused(
            f"The ends of the shell are nearer to each other than {SHORTEST_MM:g} mm.",
            cure="Pick them further apart.",
            rule=RULE,
        )
    middle, axis = _axis(skin.mesh.vertices, upper, lower)
    out = (upper + lower) / 2.0 - middle
    u = unit_vector(out - (out @ axis) * axis)
    frame = Frame(middle, np.stack([u, np.cross(axis, u), axis]))
    low, high = (float(frame.to_local(end[None])[0, 2]) for end in (lower, upper))
    local = frame.to_local(skin.mesh.vertices)
    radii = np.hypot(*local[(local[:, 2] > low) & (local[:, 2] < high)][:, :2].T)
    if len(radii) < SECTIONS or radii.std() > EVEN * radii.mean() or radii.min() < THINNEST_LIMB_MM:
        raise DesignRefused(
            "The scan between the ends of the shell does not go round an axis as a limb does.",
            cure="Pick both ends on one limb, along its length, and leave the rest of the body out of the scan.",
            rule=RULE,
        )
    return _Limb(frame, low, high, float(np.quantile(radii, 0.02)), float(radii.mean()))


def _leftward(skin: Skin, limb: _Limb, checked: Mapping[str, Any]) -> float:
    """From the axis to the front and to the inner side; the limb's upper end is up."""
    picks = (("front_mm", "front of the limb"), (TOWARDS_MIDDLE.name, "inner side of the limb"))
    local = [limb.frame.to_local(skin.place(checked[name], what)[None])[0] for name, what in picks]
    front, inner = ((one * np.array([1.0, 1.0, 0.0])) @ limb.frame.axes for one in local)
    return leftward(front, limb.frame.axes[2], inner)


def _axis(vertices: Points, upper: Points, lower: Points) -> tuple[Points, Points]:
    """A point of the limb's axis and its direction towards the upper end: through the middles of circles that fit its sections."""
    axis = unit_vector(upper - lower)
    middle = (upper + lower) / 2.0
    for _ in range(3):
        along = (vertices - middle) @ axis
        ends = sorted(float((end - middle) @ axis) for end in (lower, upper))
        edges = np.linspace(ends[0], ends[1], SECTIONS + 1)
        middles = [
            found
            for below, above in pairwise(edges)
            if (found := _circle_middle(vertices[(along >= below) & (along < above)], axis)) is not None
        ]
        if len(middles) < SECTIONS // 2:
            break
        points = np.stack(middles)
        middle = points.mean(axis=0)
        way = np.linalg.svd(points - middle)[2][0]
        axis = unit_vector(way * np.sign(way @ (upper - lower)))
    return middle, axis


def _circle_middle(points: Points, axis: Points) -> Points | None:
    """The middle (3,) of the circle about `axis` that fits points (n, 3) best; None for too few."""
    if len(points) < 8:
        return None
    mean = points.mean(axis=0)
    u = unit_vector(np.cross(axis, np.eye(3)[int(np.abs(axis).argmin())]))
    across = (points - mean) @ np.stack([u, np.cross(axis, u)]).T
    terms = np.column_stack([2.0 * across, np.ones(len(across))])
    (x, y, _), *_ = np.linalg.lstsq(terms, (across**2).sum(axis=1), rcond=None)
    return np.asarray(mean + x * u + y * np.cross(axis, u))


def _outlines(limb: _Limb, number: Mapping[str, float]) -> list[Outline]:
    """The shell, or its two halves, unrolled: trimmed, with slots along both edges and holes in between. Raises DesignRefused."""
    radius = limb.least_radius_mm
    half = np.deg2rad(number["cover_deg"]) / 2.0
    turns: tuple[float, ...] = (0.0,)
    if number["halves"]:
        half, turns = np.pi / 2.0 - number["gap_mm"] / 2.0 / radius, (0.0, np.pi)
    found = []
    for turned in turns:
        area = softened(_trimmed(limb, half, turned, number), number["corner_mm"])
        slots = _slots(area, number)
        field = _code_field(limb, number) if turned == 0.0 else None
        holes = _holes(area, slots, field, number)
        found.append(Outline(Unrolled(limb.frame, radius, turned), cut(area, [*slots, *holes], FRAMED_MM)))
    return found


def _trimmed(limb: _Limb, half: float, turned: float, number: Mapping[str, float]) -> Any:
    """The unrolled shell between its trims, which are planes: their lines on the chart are waves."""
    angle = np.linspace(-half, half, 73)
    falls = limb.least_radius_mm * (1.0 - np.cos(angle + turned))
    top = limb.high - np.tan(np.deg2rad(number["proximal_lean_deg"])) * falls
    bottom = limb.low + np.tan(np.deg2rad(number["distal_lean_deg"])) * falls
    if (top - bottom).min() < SHORTEST_MM / 2.0:
        raise DesignRefused(
            "The trims of the ends meet beside the limb.",
            cure="Let them lean less, or make the shell longer.",
            rule=RULE,
        )
    along = limb.least_radius_mm * angle
    return shapely.Polygon(
        np.concatenate([np.column_stack([along, top]), np.column_stack([along, bottom])[::-1]])
    )


def _slots(area: Any, number: Mapping[str, float]) -> list[Any]:
    """A slot at either edge for each strap, evenly between the trims."""
    count, length = int(number["straps"]), number["strap_mm"] + SLOT_SLACK_MM
    left, _, right, _ = area.bounds
    inset = FRAMED_MM + SPARE_MM + SLOT_MM / 2.0
    found = []
    for x in (left + inset, right - inset):
        line = area.intersection(shapely.LineString([(x, -1e4), (x, 1e4)])).bounds
        if not line:
            raise DesignRefused(
                "The shell is too narrow for slots.",
                cure="Cover more of the limb, or leave straps out.",
                rule=RULE,
            )
        room = line[3] - line[1]
        found += [slot((x, line[1] + room * (row + 0.5) / count), length, SLOT_MM) for row in range(count)]
    return found


def _code_place(limb: _Limb) -> float:
    """How far up the axis the code stands, in the middle of the shell."""
    return (limb.low + limb.high) / 2.0


def _outside(skin: Skin, limb: _Limb, number: Mapping[str, float]) -> tuple[float, float, float]:
    """The place of the code on the outer side of the shell."""
    near = limb.frame.to_patient(np.array([[limb.radius_mm, 0.0, _code_place(limb)]]))
    met = skin.surface.closest(near)
    x, y, z = met.points[0] + (number["clearance_mm"] + number["thickness_mm"]) * met.normals[0]
    return float(x), float(y), float(z)


def _code_field(limb: _Limb, number: Mapping[str, float]) -> Any:
    """What the holes leave free for the code, whichever way it is turned."""
    across = number["code_width_mm"] + 2.0 * FRAMED_MM
    return ellipse((0.0, _code_place(limb)), across, across)


def _holes(area: Any, slots: list[Any], field: Any, number: Mapping[str, float]) -> list[Any]:
    """Holes in a honeycomb, wherever there is room for a whole one."""
    size, pitch = number["hole_mm"], number["hole_pitch_mm"]
    if size <= 0.0:
        return []
    room = area.buffer(-(FRAMED_MM + SPARE_MM + size / 2.0))
    taken = shapely.union_all(
        [*[one.buffer(FRAMED_MM + SPARE_MM) for one in slots], *([field] if field else [])]
    )
    room = room.difference(taken.buffer(size / 2.0))
    left, low, right, high = area.bounds
    rows, columns = int((high - low) / pitch / np.sqrt(0.75) / 2.0) + 1, int((right - left) / pitch / 2.0) + 1
    places = [
        (
            (left + right) / 2.0 + (column + row % 2 / 2.0) * pitch,
            (low + high) / 2.0 + row * pitch * np.sqrt(0.75),
        )
        for row in range(-rows, rows + 1)
        for column in range(-columns - 1, columns + 1)
    ]
    x, y = np.array(places).T
    return [ellipse(places[one], size, size) for one in np.flatnonzero(shapely.contains_xy(room, x, y))]
