"""Whether a part is what was planned: what its stored mesh shows, measured afresh and held against the approved plan (G-BLD-01).

Nothing of the design's own account is used, neither its values nor its features: the plan says what is looked for, and the
mesh what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from devices.generators.external import Bores, Line, stated_bores
from devices.mesh.base import Mesh
from devices.mesh.bore import measure_bore
from devices.mesh.io import read_mesh
from devices.models import Design, Plan
from devices.planning.instruments import Sleeve
from devices.planning.trajectories import SIDES, lateral_mm
from mes.exceptions import Reason
from mes.services.artefacts import intact_path

RULE = "G-BLD-01"
SHIFT_MM, TILT_DEGREES, DIAMETER_MM, LENGTH_MM = 0.05, 0.1, 0.05, 0.1
"""How far a measured bore may be off the plan: its axis at the entry, its direction, its diameter, and how much too short it is."""


@dataclass(frozen=True)
class Compared:
    """One line: what was planned and measured, in one unit, and by how much the two may differ."""

    title: str
    unit: str
    planned: float
    measured: float
    tolerance: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        apart = self.measured - self.planned
        return apart >= -self.tolerance if self.at_least else abs(apart) <= self.tolerance


def has_bores(plan: Plan) -> bool:
    """Whether a plan asks for bores. Of other plans, such as movements of teeth, nothing is measured back here."""
    return "trajectories" in plan.content


def planned_lines(plan: Plan | None) -> list[Line]:
    """The lines that a plan has bores on; none where it asks for none."""
    rows = plan.content["trajectories"] if plan is not None and has_bores(plan) else ()
    return [(np.array(row["entry_mm"]), np.array(row["axis"])) for row in rows]


def measured_back(plan: Plan, mesh: Mesh) -> dict[str, float]:
    """What the mesh shows of each planned bore, by names that say the unit; a side without a bore has none."""
    if not has_bores(plan):
        return {}
    sleeve, found = Sleeve(**plan.content["sleeve"]), dict[str, float]()
    for row in plan.content["trajectories"]:
        side, entry, axis = row["side"], np.array(row["entry_mm"]), np.array(row["axis"])
        bore = measure_bore(mesh, entry, axis, sleeve.seat_diameter_mm)
        if bore is None:
            continue
        found |= {
            f"{side}_bore_shift_mm": bore.shift_from(entry),
            f"{side}_bore_tilt_degrees": bore.tilt_from(axis),
            f"{side}_bore_diameter_mm": bore.diameter_mm,
            f"{side}_bore_length_mm": bore.length_mm,
            f"{side}_lateral_mm": lateral_mm(plan.content, bore.point_mm),
        }
    return found


def compared(plan: Plan, measures: Mapping[str, Any]) -> list[Compared]:
    """The measures of a design against its plan, a line for each that was taken."""
    if not has_bores(plan):
        return []
    sleeve, rows = Sleeve(**plan.content["sleeve"]), []
    for row in plan.content["trajectories"]:
        side = str(row["side"])
        lines = (
            ("bore_shift_mm", "axis beside the entry", "mm", 0.0, SHIFT_MM, False),
            ("bore_tilt_degrees", "axis against the plan", "°", 0.0, TILT_DEGREES, False),
            ("bore_diameter_mm", "diameter", "mm", sleeve.seat_diameter_mm, DIAMETER_MM, False),
            ("bore_length_mm", "length of the seat", "mm", sleeve.height_mm, LENGTH_MM, True),
        )
        rows += [
            Compared(
                f"{side.title()}: {title}",
                unit,
                planned,
                float(measures[f"{side}_{name}"]),
                tolerance,
                at_least,
            )
            for name, title, unit, planned, tolerance, at_least in lines
            if f"{side}_{name}" in measures
        ]
    return rows


def part_faults(plan: Plan, measures: Mapping[str, Any]) -> list[Reason]:
    """Why a part with these measures is not the planned one; none where it is. What could not be measured is a fault."""
    cure = "Request the design again; do not build this one."
    found = [
        Reason(
            f"{row.title}: {row.measured:.3f} {row.unit} measured, {row.planned:.3f} planned, {row.tolerance:g} allowed.", cure, RULE
        )
        for row in compared(plan, measures)
        if not row.holds
    ]  # fmt: skip
    for side in SIDES[plan.content["side"]] if has_bores(plan) else ():
        across = measures.get(f"{side}_lateral_mm")
        if across is None:
            found.append(Reason(f"No bore on the {side} could be measured on the part.", cure, RULE))
        elif (across if side == "left" else -across) <= 0.0:
            found.append(Reason(f"The bore of the {side} lies on the other side.", cure, "G-LAT-01"))
    return found


def stated_on_file(design: Design) -> Bores:
    """The bores that a designer stated of a part of another program, measured afresh on its stored mesh, which is checked against its
    digest first. Raises Refused (G-INT-01)."""
    return stated_bores(read_mesh(intact_path(str(design.mesh_id))), design.values)[0]


def measured_on_file(design: Design) -> dict[str, float]:
    """`measured_back` of the design's stored mesh, which is checked against its digest first. Raises Refused (G-INT-01)."""
    if design.plan is None or not design.mesh_id:
        return {}
    return measured_back(design.plan, read_mesh(intact_path(str(design.mesh_id))))
