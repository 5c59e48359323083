"""A plan of drill trajectories into one vertebra: level, sides, entries, axes, depths, and the sleeve that guides the drill."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.planning.base import PLAN_KINDS, Ground, Reading
from devices.planning.instruments import SLEEVES, Sleeve
from devices.planning.levels import LEVELS, read_count

LATERALITY = "G-LAT-01"
SIDES: Mapping[str, tuple[str, ...]] = {
    "left": ("left",),
    "right": ("right",),
    "bilateral": ("left", "right"),
}
DEAD_BAND_MM = 2.0
"""An entry nearer to the middle of the vertebra than this belongs to no side."""
FURTHEST_MM = 80.0
"""No part of a vertebra is further from its middle."""
LEAST_FORWARD = 0.5
"""Cosine: an axis runs from behind into the vertebral body, within 60 degrees of straight ahead."""
LEAST_LEFT = 0.5
"""Cosine: a vertebra is turned by less than 60 degrees from the patient's own left."""
DEPTHS_MM = (5.0, 80.0)
PARTS = (
    "level", "counted", "transitional", "side", "spinous_mm", "body_mm", "insertion", "sleeve", "trajectories",
    "contacts", "cut_planes",
)  # fmt: skip
MOST_CUTS, MOST_TEXT = 4, 200


class Trajectories:
    """The kind; see `PARTS`. All positions in LPS mm, all directions unit vectors.

    spinous_mm: the tip of the spinous process.  body_mm: the middle of the vertebral body.  insertion: how a guide is
    put on, into the bone; left out, it is the mean of the axes.  contacts: {place: point} on the bone where a guide rests:
    each drilled side's lamina, and the spinous process where it is wanted.
    """

    id = "trajectories"
    title = "Drill trajectories into a vertebra"

    def canonical(self, given: Mapping[str, Any], ground: Ground) -> dict[str, Any]:
        reading = Reading()
        reading.known("this plan", given, PARTS)
        level = str(given.get("level", ""))
        if level not in LEVELS:
            reading.fault(f"'{level[:10]}' is no level of the spine.", "Choose the planned level.")
        side = str(given.get("side", ""))
        found: dict[str, Any] = {
            "level": level,
            "counted": read_count(reading, given.get("counted"), level, ground),
            "transitional": reading.text(
                "The note on transitional anatomy", given.get("transitional", ""), MOST_TEXT
            ),
            "side": side,
            "spinous_mm": reading.point("The tip of the spinous process", given.get("spinous_mm")),
            "body_mm": reading.point("The middle of the vertebral body", given.get("body_mm")),
            "sleeve": _sleeve(reading, given.get("sleeve")),
            "trajectories": _trajectories(reading, given.get("trajectories")),
            "cut_planes": _cut_planes(reading, given.get("cut_planes", [])),
        }
        found["contacts"] = _contacts(
            reading, given.get("contacts"), [row["side"] for row in found["trajectories"]]
        )
        reading.refuse()
        found["insertion"] = _insertion(reading, given.get("insertion"), found["trajectories"])
        _check_places(reading, found, ground)
        _check_sides(reading, found, ground.side)
        reading.refuse()
        return found

    def values(self, content: Mapping[str, Any]) -> dict[str, Any]:
        sleeve = Sleeve(**content["sleeve"])
        found: dict[str, Any] = {
            "level": content["level"],
            "insertion_direction": tuple(content["insertion"]),
            "drill_diameter_mm": sleeve.drill_diameter_mm,
            "sleeve_inner_diameter_mm": sleeve.inner_diameter_mm,
            "sleeve_seat_diameter_mm": sleeve.seat_diameter_mm,
            "sleeve_height_mm": sleeve.height_mm,
        }
        for row in content["trajectories"]:
            found[f"{row['side']}_entry_mm"] = tuple(row["entry_mm"])
            found[f"{row['side']}_axis"] = tuple(row["axis"])
            found[f"{row['side']}_depth_mm"] = row["depth_mm"]
        return found | {f"{place}_contact_mm": tuple(point) for place, point in content["contacts"].items()}


PLAN_KINDS.add("trajectories", Trajectories())


def left_of(content: Mapping[str, Any]) -> NDArray[np.float64]:
    """The vertebra's own left, a unit vector in LPS: square to the way from its spinous process to its body, and level."""
    forward = np.array(content["body_mm"]) - np.array(content["spinous_mm"])
    left = np.cross([0.0, 0.0, 1.0], forward)
    return np.asarray(left / max(float(np.linalg.norm(left)), 1e-9), dtype=np.float64)


def axis_at(
    spinous_mm: Sequence[float],
    body_mm: Sequence[float],
    side: str,
    medial_degrees: float,
    caudal_degrees: float,
) -> list[float]:
    """The unit vector of an axis by its angles as surgeons give them: from straight ahead in the vertebra, towards its middle and
    towards the feet."""
    ahead, inward = _level_frame({"spinous_mm": spinous_mm, "body_mm": body_mm}, side)
    medial, caudal = math.radians(medial_degrees), math.radians(caudal_degrees)
    level = math.cos(medial) * ahead + math.sin(medial) * inward
    return [float(part) for part in math.cos(caudal) * level - math.sin(caudal) * np.array([0.0, 0.0, 1.0])]


def angles_of(content: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[float, float]:
    """The inverse of `axis_at`, of a trajectory of a plan: degrees towards the middle and towards the feet."""
    ahead, inward = _level_frame(content, row["side"])
    axis = np.array(row["axis"])
    medial = math.degrees(math.atan2(float(axis @ inward), float(axis @ ahead)))
    return medial, -math.degrees(math.asin(float(np.clip(axis[2], -1.0, 1.0))))


def _level_frame(content: Mapping[str, Any], side: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Straight ahead in the vertebra, and from a side towards its middle; both level."""
    left = left_of(content)
    return np.cross(left, [0.0, 0.0, 1.0]), left if side == "right" else -left


def lateral_mm(content: Mapping[str, Any], point: Sequence[float]) -> float:
    """How far a point lies to the left of the vertebra's middle, mm; negative on its right."""
    return float((np.array(point) - np.array(content["spinous_mm"])) @ left_of(content))


def _sleeve(reading: Reading, given: object) -> dict[str, Any]:
    sleeve = SLEEVES.get(given) if isinstance(given, str) else None
    if sleeve is None:
        reading.fault("The drill sleeve is none of the catalogue.", f"Choose one of: {', '.join(SLEEVES)}.")
        return {}
    return asdict(sleeve)


def _trajectories(reading: Reading, given: object) -> list[dict[str, Any]]:
    found = []
    for row in reading.rows("The trajectories", given, 2):
        reading.known("a trajectory", row, ("side", "entry_mm", "axis", "depth_mm"))
        side = str(row.get("side", ""))
        found.append({
            "side": side,
            "entry_mm": reading.point(f"The entry on the {side[:10]}", row.get("entry_mm")),
            "axis": reading.direction(f"The axis on the {side[:10]}", row.get("axis")),
            "depth_mm": reading.number(f"The depth on the {side[:10]}", row.get("depth_mm"), *DEPTHS_MM),
        })  # fmt: skip
    return sorted(found, key=lambda row: str(row["side"]))


def _contacts(reading: Reading, given: object, sides: Sequence[str]) -> dict[str, list[float]]:
    named = given if isinstance(given, Mapping) else {}
    reading.known("the contacts", named, (*sides, "spinous"))
    for side in sides:
        if side not in named:
            reading.fault(
                f"No contact is picked on the {side[:10]} lamina.", "Pick where the guide rests on the bone."
            )
    return {
        place: reading.point(f"The contact on the {place}", named[place])
        for place in (*sides, "spinous")
        if place in named
    }


def _cut_planes(reading: Reading, given: object) -> list[dict[str, Any]]:
    found = []
    for row in reading.rows("The cut planes", given, MOST_CUTS):
        reading.known("a cut plane", row, ("name", "point_mm", "normal"))
        name = reading.text("The name of a cut plane", row.get("name"), 60)
        found.append({
            "name": name,
            "point_mm": reading.point(f"A point of the cut '{name}'", row.get("point_mm")),
            "normal": reading.direction(f"The normal of the cut '{name}'", row.get("normal")),
        })  # fmt: skip
    return found


def _insertion(reading: Reading, given: object, trajectories: Sequence[Mapping[str, Any]]) -> list[float]:
    if given is not None:
        return reading.direction("The insertion direction", given)
    mean = np.array([row["axis"] for row in trajectories]).reshape(-1, 3).sum(axis=0)
    return reading.direction("The mean of the axes", [float(part) for part in mean])


def _check_places(reading: Reading, content: Mapping[str, Any], ground: Ground) -> None:
    named = {
        "spinous process": content["spinous_mm"],
        "vertebral body": content["body_mm"],
        **{f"entry on the {row['side']}": row["entry_mm"] for row in content["trajectories"]},
        **{f"contact on the {place}": point for place, point in content["contacts"].items()},
    }
    points = np.array(list(named.values()))
    middle = np.array(content["counted"][-1]["point_mm"])
    away = np.linalg.norm(points - middle, axis=1)
    for name, held, distance in zip(named, ground.inside(points), away, strict=True):
        if not held:
            reading.fault(f"The {name} lies outside the images.", "Pick it again on the bone.")
        elif distance > FURTHEST_MM:
            reading.fault(
                f"The {name} lies {distance:.0f} mm from where {content['level']} was counted.",
                "Pick everything on the vertebra that was counted.",
            )


def _check_sides(reading: Reading, content: Mapping[str, Any], ordered: str) -> None:
    """Which side is which follows from the vertebra itself, so a turned or bent spine is judged rightly (G-LAT-01)."""
    said = content["side"]
    if said != ordered:
        reading.fault(
            f"The order is for: {ordered}; the plan is for: {said or 'no side'}.",
            "Check the side with the prescriber; plan what is ordered.",
            LATERALITY,
        )
    planned = [row["side"] for row in content["trajectories"]]
    wanted = list(SIDES.get(said, ()))
    if planned != wanted:
        reading.fault(
            f"Trajectories are planned on: {', '.join(planned) or 'no side'}; needed: {', '.join(wanted) or 'a side'}.",
            "Plan one trajectory for each side that is ordered.",
            LATERALITY,
        )
    left, forward = left_of(content), np.array(content["body_mm"]) - np.array(content["spinous_mm"])
    if left[0] < LEAST_LEFT:
        reading.fault(
            "The spinous process and the vertebral body do not lie behind one another.",
            "Pick the tip of the spinous process behind, and the middle of the body in front.",
            LATERALITY,
        )
        return
    for row in content["trajectories"]:
        across = lateral_mm(content, row["entry_mm"])
        if (across if row["side"] == "left" else -across) < DEAD_BAND_MM:
            shown = (
                f"{abs(across):.1f} mm to the {'left' if across > 0 else 'right'} of the vertebra's middle"
            )
            reading.fault(
                f"The entry on the {row['side']} lies {shown}.",
                "Pick it on the side that it is named for.",
                LATERALITY,
            )
        ahead = float(np.array(row["axis"]) @ forward) / max(math.hypot(*forward), 1e-9)
        if ahead < LEAST_FORWARD:
            reading.fault(
                f"The axis on the {row['side']} does not run into the vertebral body.",
                "Give it from the entry into the bone.",
            )
