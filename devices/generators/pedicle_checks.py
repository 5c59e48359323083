"""What planned trajectories may not do: meet each other, leave the bone, or ask for a guide that cannot be built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.mesh.distance import Surface
from mes.exceptions import Reason

RULE = "G-DES-01"
ENTRY_MM = 2.0
"""How far the planned entry may lie from where the axis meets the bone."""
SKIN_MM = 2.0
"""Below the surface, the drill's edge lies outside the bone wherever the axis is not square to it."""
BELOW_MM = 8.0
"""From here on the drill is inside; above, it is near the surface because it has just gone through it."""
STEP_MM = 1.0
BETWEEN_MM = 1.0
LEAST_SHOULDER_MM = 0.4
STEEPEST_COSINE = 0.7
"""An axis leans less than 45 degrees from the insertion: a sleeve is put in from above."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """side: "left" or "right".  entry (3,) LPS mm.  axis (3,): unit vector into the bone."""

    side: str
    entry: NDArray[np.float64]
    axis: NDArray[np.float64]
    depth_mm: float

    def along(self, start: float, end: float) -> NDArray[np.float64]:
        """Points (n, 3) on the axis, from `start` to `end` mm below the entry, about `STEP_MM` apart."""
        steps = np.linspace(start, end, max(round((end - start) / STEP_MM) + 1, 2))
        return np.asarray(self.entry + steps[:, None] * self.axis, dtype=np.float64)


def refuse_contradictions(
    trajectories: Sequence[Trajectory],
    *,
    drill_mm: float,
    outer_mm: float,
    rim_mm: float,
    shoulder_mm: float,
    values: Mapping[str, Any],
) -> None:
    """Raises DesignRefused with everything that cannot go together, before any shape is made."""
    least = float(values["minimum_wall_mm"])
    insertion = np.array(values["insertion_direction"])
    rules = [
        (
            float(values["tube_wall_mm"]) < least,
            f"The wall of a tube is {values['tube_wall_mm']:.2f} mm, the minimum {least:.2f} mm.",
            "Make the tube's wall thicker.",
        ),
        (
            shoulder_mm < LEAST_SHOULDER_MM,
            f"The shoulder that the sleeve stands on is {shoulder_mm:.2f} mm wide.",
            "Choose a sleeve with a thicker wall in the plan.",
        ),
        (
            float(values["relief_mm"]) < float(values["clearance_mm"]),
            "The relief is less than the clearance at the contact.",
            "Raise the relief.",
        ),
        (
            float(values["thickness_mm"]) < 1.1 * least + 0.5,
            f"A body of {values['thickness_mm']:.2f} mm cannot keep a wall of {least:.2f} mm.",
            f"Make it at least {1.1 * least + 0.5:.2f} mm thick.",
        ),
        (
            2.0 * float(values["contact_radius_mm"])
            < float(values["window_diameter_mm"]) + 2.0 * (float(values["pin_diameter_mm"]) + 2.0 * least),
            "The windows and pins leave no contact around them.",
            "Widen the contacts, or make the windows smaller.",
        ),
        *(
            (
                float(one.axis @ insertion) < STEEPEST_COSINE,
                f"The axis on the {one.side} leans more than 45 degrees from the insertion.",
                "Turn the insertion in the plan.",
            )
            for one in trajectories
        ),
    ]
    problems = [Reason(text, cure, RULE) for broken, text, cure in rules if broken]
    problems += _meeting(trajectories, outer_mm, rim_mm, drill_mm)
    if problems:
        raise DesignRefused(problems)


def _meeting(
    trajectories: Sequence[Trajectory], outer_mm: float, rim_mm: float, drill_mm: float
) -> list[Reason]:
    if len(trajectories) < 2:
        return []
    one, other = trajectories
    tubes = _nearest(one.along(-rim_mm, 0.0), other.along(-rim_mm, 0.0))
    paths = _nearest(one.along(0.0, one.depth_mm), other.along(0.0, other.depth_mm))
    found = []
    if tubes < outer_mm + BETWEEN_MM:
        text = f"The tubes come within {tubes:.1f} mm, axis to axis; they are {outer_mm:.1f} mm thick."
        found.append(Reason(text, "Thin their walls, or plan the axes further apart.", RULE))
    if paths < drill_mm + BETWEEN_MM:
        text = f"The drills come within {paths:.1f} mm of each other in the bone, axis to axis."
        found.append(Reason(text, "Plan shorter depths, or axes that converge less.", RULE))
    return found


def _nearest(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Between two rows of points; with steps of 1 mm, less than 0.3 mm above the least distance of the lines where drills matter."""
    return float(np.linalg.norm(one[:, None] - other[None], axis=2).min())


def bone_margins(bone: Surface, trajectories: Sequence[Trajectory], drill_mm: float) -> dict[str, float]:
    """How far inside the bone each drill's edge stays once it is in, mm, negative where it breaks through.

    Raises DesignRefused where an entry is off the bone, or an axis itself leaves it.
    """
    problems, found = [], {}
    for one in trajectories:
        start = one.entry - 20.0 * one.axis
        meets = float(bone.first_hits(start[None], one.axis[None])[0]) - 20.0
        if not abs(meets) <= ENTRY_MM:
            where = f"{meets:+.1f} mm along the axis" if np.isfinite(meets) else "nowhere on its axis"
            text = f"The entry on the {one.side} is not on the bone; the axis meets it {where}."
            problems.append(Reason(text, "Pick the entry on the bone's surface.", RULE))
            continue
        depths = -bone.signed(one.along(max(meets, 0.0) + SKIN_MM, one.depth_mm))
        if depths.min() <= 0.0:
            at = SKIN_MM + max(meets, 0.0) + STEP_MM * int(np.argmax(depths <= 0.0))
            text = f"The axis on the {one.side} leaves the bone {at:.0f} mm below its entry."
            problems.append(
                Reason(
                    text, "Plan another axis or a shorter depth; fill the bone where it shows hollow.", RULE
                )
            )
            continue
        within = depths[round(min(BELOW_MM, one.depth_mm / 2.0) / STEP_MM) :]
        found[f"{one.side}_bone_margin_mm"] = float(within.min()) - drill_mm / 2.0
    if problems:
        raise DesignRefused(problems)
    return found | {"bone_margin_mm": min(found.values())}
