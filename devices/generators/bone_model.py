"""A solid model of one bone, of the side that was ordered, to bend a stock plate on before an operation.

Where the bone is broken, its sound counterpart serves, mirrored at the patient's middle. A mirrored bone looks like the patient's own and is
not: the part is engraved with its side and an M, and the design's warnings, its measures and its exports say so (G-LAT-01).
Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold

from devices.generators.anatomical_model import PARAMETERS as OF_A_MODEL
from devices.generators.anatomical_model import AnatomicalModel
from devices.generators.base import (
    CASE_CODE,
    GENERATORS,
    MIDLINE,
    MIRRORED,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
)
from devices.generators.parts import Kept, body_of
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.midline import LEAST_MATCHED, Midplane, given_plane, mirror_plane
from devices.mesh.solid import mesh_of
from mes.exceptions import Reason

RULE = "G-LAT-01"
PICK_REACH_MM = 5.0
SOLID = ("minimum_wall_mm", "thicken", "minimum_part_ml", "letter_height_mm", "letter_depth_mm")
"""What it takes of a model's parameters: it is solid and whole, for a plate is bent on it by force."""
SIDES = {"left": "L", "right": "R"}
OTHER = {"left": "right", "right": "left"}

PARAMETERS = (
    Parameter(
        "landmark_mm", "mm", "Landmark on the bone", "vector", -3000.0, 3000.0, None,
        "On the bone that the model is made of, LPS: of a mirrored model the sound one.",
    ),
    Parameter(
        MIRRORED, "", "Mirror the bone", "integer", 0, 1, 0,
        "1 makes the model of the other side's bone, mirrored at the patient's middle; 0 of the bone itself.",
    ),
    *(one for one in OF_A_MODEL if one.name in SOLID),
    CASE_CODE,
    MIDLINE,
)  # fmt: skip


@dataclass(frozen=True)
class Bone:
    """The piece that was picked, on its side of the patient: `side` as it lies there."""

    solid: Manifold
    side: str
    kept: Kept


class BoneModel:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "bone_model"
    version = "1"
    title = "Model of one bone, to bend a plate on"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The model where it belongs in the patient. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        middle = _middle(bone, checked.get(MIDLINE.name))
        picked = _picked(bone, middle, checked)
        mirrored = bool(checked[MIRRORED])
        mesh = mesh_of(picked.solid)
        side = OTHER[picked.side] if mirrored else picked.side
        code = f"{checked[CASE_CODE.name]} {SIDES[side]}{'/M' if mirrored else ''}"
        made = AnatomicalModel().generate(
            _reflected(mesh, middle) if mirrored else mesh,
            {**{name: checked[name] for name in SOLID}, CASE_CODE.name: code},
        )
        measures = {
            **made.measures,
            "mirrored": float(mirrored),
            "left_out_ml": picked.kept.left_out_ml,
            "filled_ml": picked.kept.filled_ml,
        }
        said = (
            f"This is the {picked.side} bone, mirrored to the {side} side at the patient's middle: "
            f"it is not the patient's own {side} bone."
            if mirrored
            else f"This is the {side} bone."
        )
        return Design(made.mesh, checked, measures, (), (said, *picked.kept.warnings, *made.warnings))


GENERATORS.add("bone_model", BoneModel())


def _middle(bone: Mesh, given: object) -> Midplane:
    """The patient's middle: the one that was given, or the plane about which all that was segmented is its own mirror image."""
    if isinstance(given, float):
        return given_plane(given)
    found = mirror_plane(bone)
    if found.matched >= LEAST_MATCHED:
        return found
    raise DesignRefused(
        [
            Reason(
                f"Only {found.matched:.0%} of the bone is the mirror image of the rest: the patient's middle cannot be found from it.",
                f"Pick the patient's middle on the images and give it as {MIDLINE.name}, or segment both sides.",
                RULE,
            )
        ]
    )


def _picked(bone: Mesh, middle: Midplane, checked: Mapping[str, object]) -> Bone:
    """The piece that holds the landmark, which has to lie on one side of the patient."""
    kept = body_of(bone, float(str(checked["minimum_part_ml"])))
    landmark = np.array([checked["landmark_mm"]], dtype=np.float64)
    away = [float(Surface(mesh_of(piece)).unsigned(landmark)[0]) for piece in kept.pieces]
    nearest = int(np.argmin(away))
    if away[nearest] > PICK_REACH_MM:
        raise DesignRefused(
            f"The landmark is {away[nearest]:.1f} mm from the bone; {PICK_REACH_MM:g} mm are allowed.",
            cure="Pick the landmark on the bone's surface.",
            rule="G-DES-01",
        )
    across = middle.lateral_mm(mesh_of(kept.pieces[nearest]).vertices)
    low, high = float(across.min()), float(across.max())
    if low <= middle.uncertainty_mm and high >= -middle.uncertainty_mm:
        raise DesignRefused(
            [
                Reason(
                    f"The bone reaches from {-low:.1f} mm right to {high:.1f} mm left of the patient's middle: it is of no side.",
                    "Cut it free in the segmentation, or check the middle that was given.",
                    RULE,
                )
            ]
        )
    return Bone(kept.pieces[nearest], "left" if low > 0.0 else "right", kept)


def _reflected(mesh: Mesh, middle: Midplane) -> Mesh:
    """The mirror image at the patient's middle, its faces turned so that they look outwards again."""
    moved = mesh.vertices - 2.0 * middle.lateral_mm(mesh.vertices)[:, None] * middle.normal
    return Mesh(moved, mesh.faces[:, ::-1])
