"""The inspection plan of a device master: what a scan must show, as characteristics with limits.

Judged is the scan against the surface (what is there, is it right?) and the surface against the scan (is all of it
there?), the latter also for each feature of the design: a drill tube is a few percent of a guide's surface. What a best
fit spreads over the whole part is judged as such: its scale, in the direction in which it is most off, and where each drill
tube lies and points. What a drill runs in is judged by itself: the diameter of each bore.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from devices.catalog.base import section
from mes.exceptions import InvalidInput, Reason
from mes.limits import is_number

RULE = "G-INS-01"
DEFAULT_COVERAGE = 0.95
LOWEST_COVERAGE = 0.80
"""Below it, a drill tube or a corner of the part may be missing unnoticed. What no scanner sees is not counted."""
DEFAULT_MAXIMUM = 2.0
"""Tolerances that the largest deviation may have where the plan names no figure."""

DEFAULT_SCALE_ERROR = 0.01
"""0.2 mm at 20 mm from the middle of a part: what a tube may be off (8.2 of the regulatory presets, as the next three)."""
DEFAULT_TUBE_SHIFT_MM = 0.2
DEFAULT_TUBE_TILT_DEGREES = 1.0
DEFAULT_BORE_ERROR_MM = 0.2
UNSEEN = "Too little of it was scanned to tell."


@dataclass(frozen=True)
class Characteristic:
    """One measured figure and its limit. `at_least`: the limit is a minimum, else a maximum. Shares are 0..1.

    reason: what it means where the limit is not kept.
    """

    code: str
    title: str
    limit: float
    unit: str
    at_least: bool
    reason: str

    def judged(self, value: float | None) -> dict[str, Any]:
        """The result as it is recorded. What is not a number, or could not be measured, never passes."""
        known = value is not None and math.isfinite(value)
        passed = (
            value is not None and known and (value >= self.limit if self.at_least else value <= self.limit)
        )
        return {
            "code": self.code,
            "title": self.title,
            "value": value,
            "limit": self.limit,
            "comparison": "at least" if self.at_least else "at most",
            "unit": self.unit,
            "passed": passed,
            "reason": "" if passed else self.reason if known else UNSEEN,
        }


@dataclass(frozen=True)
class InspectionPlan:
    """Of a hole, such as a plate has for screws, what is said of a drill tube holds too. tolerance_mm: what counts as inside; the limits: the characteristics that a scan is judged by.

    feature_coverage: how much (0..1) must be found of what can be seen of each feature of the design. tube_shift_mm,
    tube_tilt_degrees: how far the axis of a drill tube may lie, at the bone, and point, from where the design has it;
    bore_error_mm: how much wider or narrower its bore may be, as a diameter.
    """

    tolerance_mm: float
    characteristics: tuple[Characteristic, ...]
    feature_coverage: float
    tube_shift_mm: float
    tube_tilt_degrees: float
    bore_error_mm: float

    @property
    def limits(self) -> dict[str, float]:
        named = {item.code: item.limit for item in self.characteristics}
        of_features = {
            "feature_coverage": self.feature_coverage,
            "tube_shift_mm": self.tube_shift_mm,
            "tube_tilt_degrees": self.tube_tilt_degrees,
            "bore_error_mm": self.bore_error_mm,
        }
        return {"tolerance_mm": self.tolerance_mm} | named | of_features

    def judged(
        self, figures: Mapping[str, float], features: Iterable[str], tubes: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """Every characteristic, the coverage of every feature and the place of every tube by its name, as it is recorded."""
        placed = (item for tube in tubes for item in self._placed(tube))
        wanted = (*self.characteristics, *(self._of(feature) for feature in features), *placed)
        return [item.judged(figures.get(item.code)) for item in wanted]

    def _placed(self, tube: str) -> tuple[Characteristic, ...]:
        named = tube.replace("_", " ").capitalize()
        driven = "drill" if tube.startswith("tube") else "screw or pin"
        return (
            Characteristic(
                shift_code(tube), f"{named}: its axis at the bone, off its place", self.tube_shift_mm, "mm",
                at_least=False, reason=f"A {driven} through {named.lower()} enters the bone elsewhere than was approved.",
            ),
            Characteristic(
                tilt_code(tube), f"{named}: its axis, off its direction", self.tube_tilt_degrees, "°",
                at_least=False, reason=f"A {driven} through {named.lower()} goes another way than was approved.",
            ),
            Characteristic(
                bore_code(tube), f"{named}: the diameter of its bore, off by", self.bore_error_mm, "mm",
                at_least=False, reason=f"A {driven} has play in {named.lower()}, or does not go through it.",
            ),
        )  # fmt: skip

    def _of(self, feature: str) -> Characteristic:
        named = feature.replace("_", " ").capitalize()
        return Characteristic(
            feature_code(feature),
            f"{named}: share of its visible surface found within ±{self.tolerance_mm:g} mm",
            self.feature_coverage,
            "1",
            at_least=True,
            reason=f"Part of {named.lower()} is missing, lies elsewhere, or was not scanned.",
        )


def feature_code(feature: str) -> str:
    """The figure of a feature's coverage: "coverage_tube_1"."""
    return f"coverage_{feature}"


def shift_code(tube: str) -> str:
    """The figure of where a tube lies: "shift_tube_1_mm"."""
    return f"shift_{tube}_mm"


def tilt_code(tube: str) -> str:
    """The figure of where it points: "tilt_tube_1_degrees"."""
    return f"tilt_{tube}_degrees"


def bore_code(tube: str) -> str:
    """The figure of how far its bore's diameter is off: "bore_tube_1_mm"."""
    return f"bore_{tube}_mm"


def read_plan(section: Any) -> InspectionPlan:
    """The plan of a master's `inspection` section.

    {tolerance_mm, minimum_share (0..1), maximum_p95_mm, maximum_mm?, minimum_coverage?, minimum_feature_coverage?,
    maximum_scale_error? (0..1), maximum_tube_shift_mm?, maximum_tube_tilt_degrees?, maximum_bore_error_mm?}: what is left out
    has its default, and none is left unjudged. Raises InvalidInput with every fault.
    """
    if not isinstance(section, Mapping):
        raise InvalidInput("The inspection section is empty.", cure="Give tolerance and limits.", rule=RULE)
    faults: list[Reason] = []
    tolerance = _number(section, "tolerance_mm", faults, above=0.0)
    share = _number(section, "minimum_share", faults, above=0.0, up_to=1.0)
    p95 = _number(section, "maximum_p95_mm", faults, above=0.0)
    coverage = _coverage(section, "minimum_coverage", faults)
    of_features = _coverage(section, "minimum_feature_coverage", faults)
    scale = _number(section, "maximum_scale_error", faults, above=0.0, up_to=1.0, default=DEFAULT_SCALE_ERROR)
    shift = _number(section, "maximum_tube_shift_mm", faults, above=0.0, default=DEFAULT_TUBE_SHIFT_MM)
    tilt = _number(section, "maximum_tube_tilt_degrees", faults, above=0.0, default=DEFAULT_TUBE_TILT_DEGREES)
    bore = _number(section, "maximum_bore_error_mm", faults, above=0.0, default=DEFAULT_BORE_ERROR_MM)
    largest = DEFAULT_MAXIMUM * tolerance
    if section.get("maximum_mm") is not None:
        largest = _number(section, "maximum_mm", faults, above=0.0)
    if faults:
        raise InvalidInput(faults)
    every = _characteristics(tolerance, share, p95, coverage, largest, scale)
    return InspectionPlan(tolerance, every, of_features, shift, tilt, bore)


def _characteristics(
    tolerance: float, share: float, p95: float, coverage: float, largest: float, scale: float
) -> tuple[Characteristic, ...]:
    within = f"within ±{tolerance:g} mm"
    return (
        Characteristic(
            "share_in_tolerance", f"Share of the scan {within}", share, "1", at_least=True,
            reason="Too much of what was scanned lies off the approved surface.",
        ),
        Characteristic(
            "p95_mm", "95th percentile of the deviation", p95, "mm", at_least=False,
            reason="The part deviates by more than the plan allows.",
        ),
        Characteristic(
            "coverage", f"Share of the part's visible surface found {within}", coverage, "1", at_least=True,
            reason="Part of the approved surface has no scan near it: material is missing there, or it was not scanned.",
        ),
        Characteristic(
            "maximum_mm", "Largest deviation", largest, "mm", at_least=False,
            reason="At one place at least the part is further off than the plan allows.",
        ),
        Characteristic(
            "scale_error", "The part's size against the design's, off by, in its worst direction", scale, "1", at_least=False,
            reason="The part, or one direction of it, is larger or smaller than the design: distances in it are off by this share.",
        ),
    )  # fmt: skip


@section("quality.inspection", "inspection")
def plan_faults(section: Any) -> Iterable[Reason]:
    """Everything that is wrong with an inspection plan (G-INS-01)."""
    try:
        read_plan(section)
    except InvalidInput as refusal:
        return refusal.reasons
    return ()


def _coverage(section: Mapping[str, Any], name: str, faults: list[Reason]) -> float:
    return _number(section, name, faults, above=LOWEST_COVERAGE, up_to=1.0, default=DEFAULT_COVERAGE)


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
