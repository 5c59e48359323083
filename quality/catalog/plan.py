"""The inspection plan of a device master: what a scan must show, as characteristics with limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from devices.catalog.base import section
from mes.exceptions import InvalidInput, Reason
from mes.limits import is_number

RULE = "G-INS-01"
DEFAULT_COVERAGE = 0.50


@dataclass(frozen=True)
class Characteristic:
    """One measured figure and its limit. `at_least`: the limit is a minimum, else a maximum. Shares are 0..1."""

    code: str
    title: str
    limit: float
    unit: str
    at_least: bool

    def judged(self, value: float) -> dict[str, Any]:
        """The result as it is recorded. Not a number never passes."""
        passed = math.isfinite(value) and (value >= self.limit if self.at_least else value <= self.limit)
        return {
            "code": self.code,
            "title": self.title,
            "value": value,
            "limit": self.limit,
            "comparison": "at least" if self.at_least else "at most",
            "unit": self.unit,
            "passed": passed,
        }


@dataclass(frozen=True)
class InspectionPlan:
    """tolerance_mm: what counts as inside; the limits: the characteristics that a scan is judged by."""

    tolerance_mm: float
    characteristics: tuple[Characteristic, ...]

    @property
    def limits(self) -> dict[str, float]:
        return {"tolerance_mm": self.tolerance_mm} | {item.code: item.limit for item in self.characteristics}


def read_plan(section: Any) -> InspectionPlan:
    """The plan of a master's `inspection` section.

    {tolerance_mm, minimum_share (0..1), maximum_p95_mm, maximum_mm?, minimum_coverage?}. Raises InvalidInput with every
    fault.
    """
    if not isinstance(section, Mapping):
        raise InvalidInput("The inspection section is empty.", cure="Give tolerance and limits.", rule=RULE)
    faults: list[Reason] = []
    tolerance = _number(section, "tolerance_mm", faults, above=0.0)
    share = _number(section, "minimum_share", faults, above=0.0, up_to=1.0)
    p95 = _number(section, "maximum_p95_mm", faults, above=0.0)
    coverage = _number(section, "minimum_coverage", faults, above=0.0, up_to=1.0, default=DEFAULT_COVERAGE)
    found = [
        Characteristic("share_in_tolerance", f"Share within ±{tolerance:g} mm", share, "1", at_least=True),
        Characteristic("p95_mm", "95th percentile of the deviation", p95, "mm", at_least=False),
        Characteristic("coverage", "Share of the part's surface seen", coverage, "1", at_least=True),
    ]
    if section.get("maximum_mm") is not None:
        largest = _number(section, "maximum_mm", faults, above=0.0)
        found.append(Characteristic("maximum_mm", "Largest deviation", largest, "mm", at_least=False))
    if faults:
        raise InvalidInput(faults)
    return InspectionPlan(tolerance, tuple(found))


@section("quality.inspection", "inspection")
def plan_faults(section: Any) -> Iterable[Reason]:
    """Everything that is wrong with an inspection plan (G-INS-01)."""
    try:
        read_plan(section)
    except InvalidInput as refusal:
        return refusal.reasons
    return ()


def _number(
    section: Mapping[str, Any],
    name: str,
    faults: list[Reason],
    *,
    above: float,
    up_to: float = math.inf,
    default: float | None = None,
) -> float:
    value = section.get(name, default)
    if not is_number(value) or not above < float(value) <= up_to:
        ending = "" if math.isinf(up_to) else f" and at most {up_to:g}"
        faults.append(
            Reason(f"{name} must be a number above {above:g}{ending}.", "Correct the device master.", RULE)
        )
        return math.nan
    return float(value)
