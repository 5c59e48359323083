"""Two kinds of plan over an intra-oral scan: which tooth is which; and how each of them is moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.planning.base import PLAN_KINDS, Ground, Reading
from devices.planning.marks import as_text, read_marks
from devices.planning.movements import read_treatment


class MarkedTeeth:
    """`teeth`: see `devices.planning.marks`."""

    id = "marked_teeth"
    title = "The teeth of a scan"

    def canonical(self, given: Mapping[str, Any], ground: Ground) -> dict[str, Any]:
        reading = Reading()
        reading.known("this plan", given, ("teeth",))
        marks, _ = read_marks(reading, given.get("teeth", ground.teeth))
        return {"teeth": marks}

    def values(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {"teeth": as_text(content["teeth"])}


class ToothMovements:
    """`teeth` as above, `treatment`: see `devices.planning.movements`. All of the arch from the scan to the last stage."""

    id = "tooth_movements"
    title = "Movements of teeth"

    def canonical(self, given: Mapping[str, Any], ground: Ground) -> dict[str, Any]:
        reading = Reading()
        reading.known("this plan", given, ("teeth", "treatment"))
        marks, teeth = read_marks(reading, given.get("teeth", ground.teeth))
        treatment = given.get("treatment")
        plan = read_treatment(treatment if isinstance(treatment, Mapping) else {}, teeth)
        return {"teeth": marks, "treatment": plan.canonical()}

    def values(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {"teeth": as_text(content["teeth"]), "treatment": as_text(content["treatment"])}


PLAN_KINDS.add("marked_teeth", MarkedTeeth())
PLAN_KINDS.add("tooth_movements", ToothMovements())
