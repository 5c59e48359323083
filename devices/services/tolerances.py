"""What a master asks of a design's measures, and how far off its devices may be for everything that is known to be inexact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.generators.base import shown_beside
from devices.generators.budget import Budget, of_play, of_seat
from devices.models import Design, DeviceMaster
from devices.selectors.external import limits_of
from mes.exceptions import Reason

RULE = "G-DES-01"
CURE = "Change the values or the plan, or have the master revised."
DRAWN_CURE = "Draw the part within the limits, or have the master revised."
SIZES = ("longest_mm", "width_mm", "depth_mm", "height_mm", "volume_ml", "area_mm2")
PLACES = (
    "deviation_mean_mm", "deviation_p95_mm", "deviation_max_mm", "on_anatomy_share", "nearest_to_anatomy_mm", "beyond_anatomy_mm",
)  # fmt: skip
DRAWN_CURES = {
    "solids": "Unite its bodies in the program that drew them, and leave out what is no part of it.",
    **dict.fromkeys(SIZES, f"Check the unit of its file. {DRAWN_CURE}"),
    **dict.fromkeys(PLACES, f"Check unit and axes of its file: it lies where the anatomy lies. {DRAWN_CURE}"),
}
"""Of a part that was drawn in another program, where it is its file that is changed, by what was measured."""


def outside_limits(
    master: DeviceMaster, measures: Mapping[str, Any], *, external: bool = False
) -> tuple[Reason, ...]:
    """Every measure outside the master's `limits`, {name: [minimum, maximum]}, an end left open as null. One that was not taken
    is outside. external: of a part that was drawn in another program, which has limits of its own besides."""
    found = []
    for name, (low, high) in sorted(limits_of(master, external=external).items()):
        value = measures.get(name)
        if value is None or (low is not None and value < low) or (high is not None and value > high):
            said = "was not measured" if value is None else f"is {shown_beside(value, low, high, digits=3)}"
            asked = " and ".join(
                f"{word} {end:g}" for word, end in (("at least", low), ("at most", high)) if end is not None
            )
            text = f"{name} {said}; the device master asks for {asked}."
            found.append(Reason(text, DRAWN_CURES.get(name, DRAWN_CURE) if external else CURE, RULE))
    return tuple(found)


def error_measures(design: Design, measures: Mapping[str, Any]) -> dict[str, float]:
    """The error budget of a planned design, where its master says what printing and sterilisation add (`errors`, mm)."""
    errors, plan = design.device.master.design.get("errors", {}), design.plan
    if plan is None or not errors:
        return {}
    reach = float(measures["seat_reach_mm"])
    sleeve = plan.content["sleeve"]
    sources = {
        "segmentation": of_seat(design.segmentation.distance_p95_mm, reach),
        "design": of_seat(float(design.values["clearance_mm"]), reach),
        **{name.removesuffix("_mm"): of_seat(float(value), reach) for name, value in sorted(errors.items())},
        "sleeve": of_play(sleeve["inner_diameter_mm"] - sleeve["drill_diameter_mm"], sleeve["height_mm"]),
    }
    depth = max(row["depth_mm"] for row in plan.content["trajectories"])
    return Budget(sources, depth).measures()
