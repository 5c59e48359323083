"""A shell over the front of an eye, from the scan of an impression: one thickness, a vault over the cornea, and a rounded edge.

It vaults the optic zone by a clearance of its own, comes down beside the limbus without a step, and lands on the sclera around it. Picks
towards the brow and towards the nose tell the left eye from the right, also on a mirrored scan (G-LAT-01).
Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import (
    GENERATORS,
    LEFTWARD,
    TOWARDS_MIDDLE,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
    unit_vector,
)
from devices.generators.conformal import RULE, Points, Skin, off_along_w, one_piece, sampled, wall
from devices.generators.conformal_checks import Asked, finished, refuse_steep, within_scan
from devices.generators.handed import leftward
from devices.generators.outline import Outline, Seen, ellipse
from devices.generators.pad import WALL_MARGIN
from devices.generators.shell import Frame, frame_on
from devices.mesh.base import Mesh
from mes.exceptions import Reason

PARAMETERS = (
    Parameter("apex_mm", "mm", "Middle of the cornea", "vector", -3000.0, 3000.0, None, "On the scan: the middle of the optic zone."),
    Parameter("upward_mm", "mm", "Towards the brow", "vector", -3000.0, 3000.0, None, "On the scan, above the middle of the cornea."),
    TOWARDS_MIDDLE,
    Parameter(
        "direction", "", "Direction of the eye", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
        "Out of the eye, and how the shell is taken off; 0, 0, 0 takes the normal of the cornea.", drawn="axis", stands_at="apex_mm",
    ),
    Parameter("diameter_mm", "mm", "Diameter", "number", 12.0, 26.0, 20.0, "Of the side towards the eye, seen from the front.", prescribed_as=("shell diameter", "diameter")),
    Parameter("thickness_mm", "mm", "Thickness", "number", 0.4, 4.0, 1.5, "Everywhere.", prescribed_as=("shell thickness", "thickness")),
    Parameter("optic_mm", "mm", "Diameter of the optic zone", "number", 4.0, 14.0, 9.0, "With the whole vault."),
    Parameter("vault_mm", "mm", "Vault over the optic zone", "number", 0.0, 1.5, 0.3, "Clearance to the cornea.", prescribed_as=("vault", "corneal clearance")),
    Parameter("landing_from_mm", "mm", "Landing from", "number", 6.0, 20.0, 14.0, "The diameter from which on the shell lands on the sclera."),
    Parameter("landing_mm", "mm", "Clearance of the landing", "number", 0.0, 0.5, 0.05, "For the film of tears."),
    Parameter("edge_mm", "mm", "Rounding of the edge", "number", 0.2, 2.0, 0.7, "At most half of the thickness."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.3, 4.0, 1.0, "What the material and the process can build."),
)  # fmt: skip
SPACING_MM = 0.2
STEEPEST_DEG = 65.0
ACROSS_MM = 5.0
"""Around the apex, whose normal is the direction of the eye where none is given."""
LEAN_DEG = 30.0


class ScleralShell:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "scleral_shell"
    version = "1"
    title = "Scleral shell from an impression scan"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The shell where the scan lies. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        number = {name: float(value) for name, value in checked.items() if isinstance(value, float | int)}
        _refuse_contradictions(number)
        skin = Skin(bone)
        frame = _frame(skin, checked)
        side, off = _leftward(skin, frame, checked), frame.axes[2]
        outline = Outline(Seen(frame), ellipse((0.0, 0.0), number["diameter_mm"], number["diameter_mm"]))
        within_scan(skin, outline, off)
        refuse_steep(skin, off, outline, STEEPEST_DEG)
        clearance = _Clearance(frame, number)
        thickness, edge = number["thickness_mm"], number["edge_mm"]
        fields = sampled(
            skin,
            frame,
            reach_mm=max(number["vault_mm"], number["landing_mm"]) + thickness,
            spacing_mm=SPACING_MM,
            clearance=clearance,
            outline=outline,
            off=off,
        )
        body = one_piece(wall(off_along_w(fields), thickness, outer_edge_mm=edge, inner_edge_mm=edge))
        asked = Asked(skin, clearance, outline, thickness, edge_mm=edge, off=off)
        mesh, measures = finished(body, asked, number["minimum_wall_mm"], None)
        measures[LEFTWARD] = side
        used = {**checked, "direction": tuple(float(v) for v in off)}
        return Design(mesh, used, measures, ())  # type: ignore[arg-type]  # three components


GENERATORS.add("scleral_shell", ScleralShell())


class _Clearance:
    """The vault inside the optic zone, the landing's clearance outside, and between them a slope without a kink."""

    def __init__(self, frame: Frame, number: Mapping[str, float]) -> None:
        self._frame = frame
        self._inner, self._outer = number["optic_mm"] / 2.0, number["landing_from_mm"] / 2.0
        self._vault, self._landing = number["vault_mm"], number["landing_mm"]

    def __call__(self, points: Points) -> NDArray[np.float64]:
        across = np.linalg.norm(self._frame.to_local(points)[:, :2], axis=1)
        out = np.clip((across - self._inner) / (self._outer - self._inner), 0.0, 1.0)
        return np.asarray(self._vault + (self._landing - self._vault) * out * out * (3.0 - 2.0 * out))


def _refuse_contradictions(number: Mapping[str, float]) -> None:
    problems = []
    least = WALL_MARGIN * number["minimum_wall_mm"]
    if number["thickness_mm"] < least:
        text = f"A shell of {number['thickness_mm']:.2f} mm cannot keep a wall of {number['minimum_wall_mm']:.2f} mm."
        problems.append(Reason(text, f"Make it at least {least:.2f} mm thick.", RULE))
    if number["edge_mm"] > number["thickness_mm"] / 2.0:
        text = f"An edge rounded by {number['edge_mm']:.2f} mm needs twice as much thickness."
        problems.append(Reason(text, f"Round it by {number['thickness_mm'] / 2.0:.2f} mm at most.", RULE))
    if not number["optic_mm"] + 2.0 <= number["landing_from_mm"] <= number["diameter_mm"] - 2.0:
        text = "Optic zone, landing and edge do not follow each other by 1 mm on either side."
        problems.append(Reason(text, "Make the optic zone smaller, or the shell wider.", RULE))
    if problems:
        raise DesignRefused(problems)


def _leftward(skin: Skin, frame: Frame, checked: Mapping[str, Any]) -> float:
    up = skin.place(checked["upward_mm"], "place towards the brow") - frame.origin
    middle = skin.place(checked[TOWARDS_MIDDLE.name], "place towards the nose") - frame.origin
    out = frame.axes[2]
    return leftward(out, up - (up @ out) * out, middle - (middle @ out) * out)


def _frame(skin: Skin, checked: Mapping[str, Any]) -> Frame:
    """w out of the eye. Raises DesignRefused for a direction far from the cornea's own."""
    apex = skin.place(checked["apex_mm"], "middle of the cornea", 2.0)
    normal = skin.outward(apex, ACROSS_MM)
    given = np.array(checked["direction"])
    outward = unit_vector(normal if np.linalg.norm(given) < 1e-6 else given)
    lean = float(np.rad2deg(np.arccos(np.clip(outward @ normal, -1.0, 1.0))))
    if lean > LEAN_DEG:
        raise DesignRefused(
            f"The direction leans {lean:.0f} degrees from that of the cornea.",
            cure=f"Choose at most {LEAN_DEG:g} degrees, out of the eye.",
            rule=RULE,
        )
    return frame_on(apex, outward)
