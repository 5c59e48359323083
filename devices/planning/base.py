"""What a kind of plan is, and how what was picked or typed is read into its one form.

A device master names the kind of plan that its designs are made from (`design.plan`). A kind is one file here, and knows
which values of a design it gives: those are never typed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mes.exceptions import InvalidInput, Reason
from mes.registry import Registry

RULE = "G-DES-01"
FURTHEST_MM = 3000.0
Points = NDArray[np.float64]


class PlanRefused(InvalidInput):
    """What was given is no plan: every reason with what would cure it."""

    code = "plan_refused"


@dataclass(frozen=True)
class Ground:
    """What a plan is held against.

    side: as ordered.  inside: which of the points (n, 3), LPS mm, the images hold.  teeth: which vertex of the surface is which tooth,
    where that came with a scan: what a plan that says nothing of it takes.
    """

    side: str
    inside: Callable[[Points], NDArray[np.bool_]]
    teeth: Mapping[str, Any] | None = None


class PlanKind(Protocol):
    """A kind of plan. `canonical` raises PlanRefused; `values` gives those of a design that follow from a plan."""

    id: str
    title: str

    def canonical(self, given: Mapping[str, Any], ground: Ground) -> dict[str, Any]: ...

    def values(self, content: Mapping[str, Any]) -> dict[str, Any]: ...


PLAN_KINDS: Registry[PlanKind] = Registry("kind of plan")


@dataclass
class Reading:
    """Reads given values into their one form, and gathers every fault before any is raised."""

    faults: list[Reason] = field(default_factory=list)

    def fault(self, text: str, cure: str, rule: str = RULE) -> None:
        self.faults.append(Reason(text, cure, rule))

    def refuse(self) -> None:
        if self.faults:
            raise PlanRefused(self.faults)

    def known(self, what: str, given: Mapping[str, Any], names: Iterable[str]) -> None:
        allowed = set(names)
        for name in sorted(set(map(str, given)) - allowed):
            self.fault(f"'{name[:60]}' is no part of {what}.", f"Known: {', '.join(sorted(allowed))}.")

    def number(self, what: str, value: object, low: float, high: float) -> float:
        """The number, rounded to a tenth of a micrometre; nan with a fault where it is none within the limits."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return round(float(value), 4) + 0.0
        self.fault(f"{what} is no number from {low:g} to {high:g}.", "Measure or choose it again.")
        return math.nan

    def point(self, what: str, value: object) -> list[float]:
        """A point in LPS mm, rounded to a tenth of a micrometre."""
        found = self._three(value, FURTHEST_MM)
        if found is None:
            self.fault(f"{what} is no point.", "Pick it on the bone: three numbers, LPS mm.")
            return [math.nan] * 3
        return [round(part, 4) + 0.0 for part in found]

    def direction(self, what: str, value: object) -> list[float]:
        """A unit vector. One that is of unit length already stays as it is, so that a plan read again is the same."""
        found = self._three(value, FURTHEST_MM)
        length = math.hypot(*found) if found else 0.0
        if found is None or length < 1e-6:
            self.fault(
                f"{what} is no direction.", "Pick two points, or give three numbers that are not all 0."
            )
            return [math.nan] * 3
        if abs(length - 1.0) < 1e-8:
            return found
        return [round(part / length, 9) + 0.0 for part in found]

    def text(self, what: str, value: object, most: int) -> str:
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            self.fault(f"{what} is no line of text.", f"Type up to {most} characters.")
            return ""
        return value.strip()

    def rows(self, what: str, value: object, most: int) -> Sequence[Mapping[str, Any]]:
        """A list of mappings."""
        if not isinstance(value, list | tuple) or len(value) > most:
            self.fault(f"{what} is no list of up to {most}.", "Give one row for each.")
            return ()
        if not all(isinstance(row, Mapping) for row in value):
            self.fault(f"A row of {what} has no names.", "Give each row as names with values.")
            return ()
        return value

    @staticmethod
    def _three(value: object, most: float) -> list[float] | None:
        if not isinstance(value, list | tuple) or len(value) != 3:
            return None
        if not all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in value):
            return None
        return [float(part) for part in value] if all(abs(part) <= most for part in value) else None
