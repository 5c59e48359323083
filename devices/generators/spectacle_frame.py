"""The front of a spectacle frame on the scan of a face: rims with a lens groove, bridge, nose pads, end pieces with holes for hinges.

Sizes are those of the boxing system (ISO 8624). Temples are no part of it: they are stock parts on the hinges, bent at the ear when the frame is
fitted, and a part that hangs on a hinge is no part of one scan; what a temple is chosen by is measured.
Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
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
from devices.generators.conformal import RULE, Points, Skin
from devices.generators.conformal_checks import measured_body
from devices.generators.engraving import engraved
from devices.generators.shell import Frame
from devices.generators.spectacles.eyewire import Section
from devices.generators.spectacles.front import SIDES, Face, Front, built, front_faults, on_face
from devices.generators.spectacles.hinges import HINGES
from devices.generators.spectacles.measuring import measured_front
from devices.mesh.base import Mesh
from devices.mesh.settled import settled

LANDMARKS = {
    "right_pupil_mm": "right pupil",
    "left_pupil_mm": "left pupil",
    "nasion_mm": "bridge of the nose",
    "nose_mm": "tip of the nose",
    "right_ear_mm": "right ear root",
    "left_ear_mm": "left ear root",
}
PARAMETERS = (
    *(
        Parameter(name, "mm", title.capitalize(), "vector", -3000.0, 3000.0, None, "On the scanned skin; left and right are the patient's.")
        for name, title in LANDMARKS.items()
    ),
    Parameter("lens_width_mm", "mm", "Lens width (A)", "number", 34.0, 62.0, 48.0, "Of the box around the lens shape, at the bottom of the groove.", prescribed_as=("lens width", "boxed lens width")),
    Parameter("lens_height_mm", "mm", "Lens height (B)", "number", 22.0, 54.0, 36.0, "Of the same box.", prescribed_as=("lens height", "boxed lens height")),
    Parameter("dbl_mm", "mm", "Distance between lenses (DBL)", "number", 12.0, 28.0, 18.0, "From box to box, at the bottom of the groove.", prescribed_as=("dbl", "distance between lenses", "bridge width")),
    Parameter("squareness", "", "Squareness of the lens", "number", 2.0, 4.0, 2.5, "2: an ellipse, a circle where A is B; more comes nearer to the box."),
    Parameter("base_curve_d", "D", "Base curve", "number", 1.0, 8.0, 5.0, "Of the lens that the groove follows, for an index of 1.53.", prescribed_as=("base curve",)),
    Parameter("lens_thickness_mm", "mm", "Thickness of the lens", "number", 1.0, 8.0, 2.0, "In its middle; the bevel runs half-way."),
    Parameter("vertex_mm", "mm", "Vertex distance", "number", 8.0, 22.0, 13.0, "From the pupil to the back of the lens, the mean of both eyes.", prescribed_as=("vertex distance", "back vertex distance")),
    Parameter("pupil_above_mm", "mm", "Pupils above the middle", "number", -6.0, 10.0, 3.0, "Of the boxes."),
    Parameter("pantoscopic_degrees", "°", "Pantoscopic tilt", "number", 0.0, 15.0, 8.0, "Against the plane of pupils and ear roots.", prescribed_as=("pantoscopic tilt", "pantoscopic angle")),
    Parameter("face_form_degrees", "°", "Face form angle", "number", 0.0, 20.0, 5.0, "How far each lens is turned towards its temple.", prescribed_as=("face form angle", "wrap angle")),
    Parameter("rim_mm", "mm", "Width of the rims", "number", 2.0, 8.0, 3.5, "Seen from the front, from the lip of the groove."),
    Parameter("depth_mm", "mm", "Depth of the rims", "number", 3.0, 7.0, 5.0, "From front to back; of bridge and end pieces too."),
    Parameter("brow_mm", "mm", "Brow line", "number", 0.0, 8.0, 4.0, "How much wider the rims are at the top, where the code is engraved."),
    Parameter("edge_mm", "mm", "Rounding of the edges", "number", 0.3, 2.0, 0.8, "Outer ones."),
    Parameter("groove_mm", "mm", "Depth of the groove", "number", 0.4, 1.5, 0.8, "From the lips to its bottom.", prescribed_as=("groove depth",)),
    Parameter("groove_degrees", "°", "Angle of the groove", "number", 80.0, 130.0, 110.0, "Between its flanks, as the bevel has it."),
    Parameter("bridge_above_mm", "mm", "Bridge above the middle", "number", 0.0, 16.0, 8.0, "Of the boxes. It arches forward as far as the nose asks for."),
    Parameter("bridge_height_mm", "mm", "Height of the bridge", "number", 2.5, 12.0, 6.0, ""),
    Parameter("clearance_mm", "mm", "Clearance to the face", "number", 0.3, 5.0, 1.0, "Of everything but the nose pads: brow, cheek, nose, and the temples' way."),
    Parameter("lash_clearance_mm", "mm", "Room for the lashes", "number", 3.0, 16.0, 8.0, "From the lids to the back of the lens; no scan shows lashes."),
    Parameter("pad_spread_mm", "mm", "Between the nose pads", "number", 8.0, 30.0, 15.0, "From middle to middle, seen from the front."),
    Parameter("pad_below_mm", "mm", "Nose pads below the pupils", "number", -4.0, 20.0, 5.0, ""),
    Parameter("pad_width_mm", "mm", "Width of a pad", "number", 4.0, 12.0, 6.5, ""),
    Parameter("pad_height_mm", "mm", "Height of a pad", "number", 6.0, 20.0, 11.0, ""),
    Parameter("pad_thickness_mm", "mm", "Thickness of a pad", "number", 1.0, 4.0, 1.8, "It follows the skin."),
    Parameter("pad_gap_mm", "mm", "Clearance of the pads", "number", 0.0, 1.0, 0.0, "0: they touch the skin as it was scanned."),
    Parameter("arm_mm", "mm", "Thickness of the pads' arms", "number", 1.0, 5.0, 2.5, ""),
    Parameter("end_piece_mm", "mm", "End pieces", "number", 3.0, 16.0, 5.0, "From the rim to the middle of the hinge."),
    Parameter("hinge_above_mm", "mm", "Hinges above the middle", "number", -4.0, 16.0, 8.0, "Of the boxes."),
    Parameter("hinge", "", "Hinge", "integer", 1, len(HINGES), 2, "; ".join(f"{place}: {one.title}" for place, one in enumerate(HINGES, 1)) + "."),
    Parameter("letters_mm", "mm", "Height of the engraved code", "number", 1.5, 4.0, 2.0, "Behind the brow line, 0.3 mm deep."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 3.0, 1.0, "What the material and the process can build."),
    CASE_CODE,
)  # fmt: skip
ENGRAVED_MM = 0.3
APART_MM = 40.0
"""Between the pupils, and from them to the ears, at least: nearer picks are no face's."""
LEVEL_DEG = 20.0
"""How far the ear roots may lie from level with each other, seen from the front: more, and one was picked wrong."""
LIFTED_MM = 0.2
"""The code's place is chosen a little inside the back of the brow line, and found on it."""


class SpectacleFrame:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "spectacle_frame"
    version = "1"
    title = "Front of a spectacle frame on a face"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The front where it is worn. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        number = {name: float(value) for name, value in checked.items() if isinstance(value, float | int)}
        section = _section(number)
        faults = front_faults(section, number)
        if faults:
            raise DesignRefused(faults)
        skin = Skin(bone)
        front = on_face(_face(skin, checked), section, number)
        solid, measures, pads = built(skin, front)
        solid, mark = engraved(
            solid,
            str(checked["case_code"]),
            height_mm=number["letters_mm"],
            depth_mm=ENGRAVED_MM,
            wall_mm=number["minimum_wall_mm"],
            place=_code_place(front),
        )
        mesh = settled(solid)
        measures |= measured_front(mesh, skin, front, pads) | measured_body(
            mesh, number["minimum_wall_mm"], mark
        )
        return Design(mesh, checked, measures, ())


GENERATORS.add("spectacle_frame", SpectacleFrame())


def _section(number: Mapping[str, float]) -> Section:
    return Section(
        number["rim_mm"],
        number["depth_mm"],
        number["brow_mm"],
        number["edge_mm"],
        number["groove_mm"],
        number["groove_degrees"],
    )


def _face(skin: Skin, checked: Mapping[str, Any]) -> Face:
    """Raises DesignRefused where the landmarks are not those of a face: swapped sides are a mirrored scan, or a wrong pick (G-LAT-01)."""
    found = {name: skin.place(checked[name], title) for name, title in LANDMARKS.items()}
    pupils = {side: found[f"{side}_pupil_mm"] for side, _ in SIDES}
    ears = {side: found[f"{side}_ear_mm"] for side, _ in SIDES}
    across = pupils["left"] - pupils["right"]
    between = (pupils["left"] + pupils["right"]) / 2.0
    ahead = between - (ears["left"] + ears["right"]) / 2.0
    if min(np.linalg.norm(across), np.linalg.norm(ahead)) < APART_MM:
        raise DesignRefused(
            "The pupils, or pupils and ears, lie too near to each other for a face.",
            cure="Pick them again.",
            rule=RULE,
        )
    u = unit_vector(across)
    w = unit_vector(ahead - (ahead @ u) * u)
    frame = Frame(between, np.stack([u, np.cross(w, u), w]))
    _refuse_other_face(frame, found, ears["left"] - ears["right"])
    return Face(frame, pupils, ears)


def _refuse_other_face(frame: Frame, found: Mapping[str, Points], ears: Points) -> None:
    """Raises DesignRefused where ears and eyes, or the nose, do not stand to each other as in a face (G-LAT-01)."""
    u, v, w = frame.axes
    down = found["nasion_mm"] - found["nose_mm"]
    if ears @ u <= 0.0 or down @ v <= 0.0:
        raise DesignRefused(
            "The nose does not point down between the eyes, or the ears lie on other sides than the eyes: right and left are swapped, or the scan is mirrored or no face.",
            cure="Pick the patient's right pupil and ear as the right ones; export a mirrored scan again.",
            rule="G-LAT-01",
        )
    lean = float(np.degrees(np.arctan2(np.hypot(ears @ v, ears @ w), ears @ u)))
    nasion = abs(float(frame.to_local(found["nasion_mm"][None])[0, 0]))
    if lean > LEVEL_DEG or nasion > APART_MM / 4.0:
        raise DesignRefused(
            f"The ears lean {lean:.0f} degrees against the eyes, and the bridge of the nose lies {nasion:.0f} mm beside their middle.",
            cure="Pick the ear roots and the bridge of the nose again.",
            rule=RULE,
        )


def _code_place(front: Front) -> tuple[float, float, float]:
    """In the middle of the back of the left brow line."""
    lens, section = front.lenses["left"], front.section
    half = section.depth_mm / 2.0
    middle = (section.behind_mm + section.brow_mm - section.edge_mm) / 2.0
    top = int(np.argmax(lens.shape.stations[:, 1]))
    x, y, z = lens.frame.to_patient(lens.shape.ring(middle, LIFTED_MM - half)[top : top + 1])[0]
    return float(x), float(y), float(z)
