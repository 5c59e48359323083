"""A mask over the face: of one thickness, with openings for eyes, nose and mouth, slots for straps, and relief where the skin must not be
pressed.

It is put on along the face's own front, which the skin around the nose and the line between the eyes give. Overhangs of the skin along that way are left free.
Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

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
from devices.generators.conformal import RULE, Skin, off_along_w, one_piece, sampled, wall
from devices.generators.conformal_checks import Asked, Code, finished, within_scan
from devices.generators.outline import Outline, Seen, cut, ellipse, slot, softened
from devices.generators.pad import WALL_MARGIN
from devices.generators.relief import PARAMETERS as RELIEF
from devices.generators.relief import highest, relieved
from devices.generators.shell import Frame
from devices.mesh.base import Mesh
from mes.exceptions import Reason
from mes.lazy import lazily

shapely: Any = lazily("shapely")
Place = tuple[float, float]

LANDMARKS = {
    "right_eye_mm": "right eye",
    "left_eye_mm": "left eye",
    "nose_mm": "tip of the nose",
    "mouth_mm": "middle of the mouth",
}
PARAMETERS = (
    *(
        Parameter(name, "mm", title.capitalize(), "vector", -3000.0, 3000.0, None, "On the scanned skin; left and right are the patient's.")
        for name, title in LANDMARKS.items()
    ),
    Parameter("thickness_mm", "mm", "Thickness", "number", 1.5, 5.0, 2.5, "Everywhere.", prescribed_as=("mask thickness", "thickness")),
    Parameter("clearance_mm", "mm", "Clearance to the skin", "number", 0.0, 3.0, 0.5, "For a liner."),
    Parameter("width_mm", "mm", "Width", "number", 60.0, 200.0, 145.0, "Seen from the front."),
    Parameter("above_eyes_mm", "mm", "Above the eyes", "number", 15.0, 90.0, 45.0, "How far it reaches up."),
    Parameter("below_mouth_mm", "mm", "Below the mouth", "number", 8.0, 60.0, 25.0, "How far it reaches down."),
    Parameter("eye_width_mm", "mm", "Width of the eye openings", "number", 0.0, 70.0, 36.0, "0: none."),
    Parameter("eye_height_mm", "mm", "Height of the eye openings", "number", 5.0, 50.0, 26.0, ""),
    Parameter("nose_width_mm", "mm", "Width of the nose opening", "number", 0.0, 60.0, 34.0, "Around the tip and the nostrils; 0: none."),
    Parameter("nose_height_mm", "mm", "Height of the nose opening", "number", 5.0, 60.0, 22.0, ""),
    Parameter("mouth_width_mm", "mm", "Width of the mouth opening", "number", 0.0, 80.0, 50.0, "0: none."),
    Parameter("mouth_height_mm", "mm", "Height of the mouth opening", "number", 5.0, 50.0, 20.0, ""),
    Parameter("straps_per_side", "", "Strap slots on either side", "integer", 0, 3, 2, "Evenly up the sides."),
    Parameter("strap_mm", "mm", "Width of the straps", "number", 8.0, 40.0, 20.0, "The slots are 2 mm longer, and 4 mm wide."),
    *RELIEF,
    Parameter("edge_mm", "mm", "Rounding of the edges", "number", 0.5, 2.5, 1.0, "At most half of the thickness."),
    Parameter("letters_mm", "mm", "Height of the engraved code", "number", 3.0, 12.0, 4.0, "On the outer side, 0.4 mm deep."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 1.0, "What the material and the process can build."),
    CASE_CODE,
)  # fmt: skip
SPACING_MM = 0.8
ENGRAVED_MM = 0.4
CORNER_SHARE = 0.42
"""Of the width: how far the outline is rounded at its four corners."""
SLOT_MM, SLOT_SLACK_MM = 4.0, 2.0
FRAMED_MM, SPARE_MM = 4.0, 0.5
"""The least width of what is left beside an opening: a bridge as thin as the material allows breaks at the first fitting."""
APART_MM = 40.0
"""Between the eyes at least; nearer picks are no two eyes."""
FRONT_MM = 60.0
"""Around the tip of the nose, whose skin tells which way the face looks."""
FACING = 0.7
"""Cosine between the way from the mouth to the eyes and what is up on the face: less, and something was picked wrong."""


class FaceMask:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "face_mask"
    version = "1"
    title = "Conformal mask over the face"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The mask where the scan lies. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        number = {name: float(value) for name, value in checked.items() if isinstance(value, float | int)}
        _refuse_contradictions(number)
        skin = Skin(bone)
        face = _face(skin, checked)
        clearance = relieved(skin, checked, number["clearance_mm"])
        outline = Outline(Seen(face.frame), _area(face, number))
        off = face.frame.axes[2]
        within_scan(skin, outline, off)
        thickness, edge = number["thickness_mm"], number["edge_mm"]
        fields = sampled(
            skin,
            face.frame,
            reach_mm=highest(checked, number["clearance_mm"]) + thickness,
            spacing_mm=SPACING_MM,
            clearance=clearance,
            outline=outline,
            off=off,
        )
        body = wall(off_along_w(fields), thickness, outer_edge_mm=edge, inner_edge_mm=edge)
        asked = Asked(skin, clearance, outline, thickness, edge_mm=edge, off=off)
        code = Code(str(checked["case_code"]), number["letters_mm"], ENGRAVED_MM)
        mesh, measures = finished(one_piece(body), asked, number["minimum_wall_mm"], code)
        return Design(mesh, checked, measures, (), _warnings(measures))


GENERATORS.add("face_mask", FaceMask())


@dataclass(frozen=True, eq=False)
class _Face:
    """frame: u to the patient's left, v up, w to the front; and where the landmarks lie on (u, v)."""

    frame: Frame
    places: Mapping[str, Place]


def _refuse_contradictions(number: Mapping[str, float]) -> None:
    problems = []
    least = WALL_MARGIN * number["minimum_wall_mm"]
    if number["thickness_mm"] < least:
        text = f"A mask of {number['thickness_mm']:.2f} mm cannot keep a wall of {number['minimum_wall_mm']:.2f} mm."
        problems.append(Reason(text, f"Make it at least {least:.2f} mm thick.", RULE))
    if number["edge_mm"] > number["thickness_mm"] / 2.0:
        text = f"Edges rounded by {number['edge_mm']:.2f} mm need twice as much thickness."
        problems.append(Reason(text, f"Round them by {number['thickness_mm'] / 2.0:.2f} mm at most.", RULE))
    if problems:
        raise DesignRefused(problems)


def _face(skin: Skin, checked: Mapping[str, Any]) -> _Face:
    """Raises DesignRefused where the landmarks are not those of a face: swapped sides are a mirrored scan, or a wrong pick (G-LAT-01)."""
    found = {name: skin.place(checked[name], title) for name, title in LANDMARKS.items()}
    right, left, nose, mouth = found.values()
    between = (left + right) / 2.0
    across, up = left - right, between - mouth
    if np.linalg.norm(across) < APART_MM or np.linalg.norm(up) < APART_MM:
        raise DesignRefused(
            "The eyes, or eyes and mouth, lie too near to each other for a face.",
            cure="Pick them again.",
            rule=RULE,
        )
    u = unit_vector(across)
    normal = skin.outward(nose, FRONT_MM)
    front = unit_vector(normal - (normal @ u) * u)
    frame = Frame(between, np.stack([u, np.cross(front, u), front]))
    if up @ frame.axes[1] < FACING * np.linalg.norm(up):
        raise DesignRefused(
            "The mouth is not below the eyes: right and left eye are swapped, or the scan is mirrored or no face.",
            cure="Pick the patient's right eye as the right one; export a mirrored scan again.",
            rule="G-LAT-01",
        )
    seen = frame.to_local(np.stack(list(found.values())))[:, :2]
    return _Face(frame, {name: (float(x), float(y)) for name, (x, y) in zip(found, seen, strict=True)})


def _area(face: _Face, number: Mapping[str, float]) -> Any:
    """The mask as it is seen from the front: its outline, less its openings and slots. Raises DesignRefused."""
    half = number["width_mm"] / 2.0
    low = face.places["mouth_mm"][1] - number["below_mouth_mm"]
    high = max(face.places[eye][1] for eye in ("right_eye_mm", "left_eye_mm")) + number["above_eyes_mm"]
    middle = face.places["nose_mm"][0] / 2.0
    corner = min(CORNER_SHARE * number["width_mm"], 0.45 * (high - low))
    whole = shapely.box(middle - half, low, middle + half, high).buffer(-corner).buffer(corner)
    openings = [*_openings(face, number), *_slots(whole, low, high, number)]
    return cut(softened(whole, FRAMED_MM / 2.0), openings, FRAMED_MM)


def _openings(face: _Face, number: Mapping[str, float]) -> list[Any]:
    asked = (
        ("right_eye_mm", "eye", 0.0),
        ("left_eye_mm", "eye", 0.0),
        # The nostrils lie below the tip.
        ("nose_mm", "nose", -0.2 * number["nose_height_mm"]),
        ("mouth_mm", "mouth", 0.0),
    )
    return [
        ellipse(
            (face.places[place][0], face.places[place][1] + lower),
            number[f"{what}_width_mm"],
            number[f"{what}_height_mm"],
        )
        for place, what, lower in asked
        if number[f"{what}_width_mm"] > 0.0
    ]


def _slots(whole: Any, low: float, high: float, number: Mapping[str, float]) -> list[Any]:
    """Slots along both sides, each as near to the edge as it may be over its whole length."""
    count, length = int(number["straps_per_side"]), number["strap_mm"] + SLOT_SLACK_MM
    inset = FRAMED_MM + SLOT_MM / 2.0 + SPARE_MM
    left, _, right, _ = whole.bounds
    found = []
    for row in range(count):
        middle = low + (high - low) * (row + 1.0) / (count + 1.0)
        band = whole.intersection(shapely.box(left, middle - length / 2.0, right, middle + length / 2.0))
        ends = [
            whole.intersection(shapely.LineString([(left - 1.0, y), (right + 1.0, y)])).bounds
            for y in (middle - length / 2.0, middle, middle + length / 2.0)
        ]
        if band.is_empty or any(not end for end in ends):
            continue
        reach = max(end[0] for end in ends) + inset, min(end[2] for end in ends) - inset
        found += [slot((x, middle), length, SLOT_MM) for x in reach]
    return found


def _warnings(measures: Mapping[str, float]) -> tuple[str, ...]:
    filled = measures["gap_filled_maximum_mm"]
    said = f"An overhang of the skin leaves up to {filled:.1f} mm more gap under the mask."
    return (said,) if filled > 1.0 else ()
