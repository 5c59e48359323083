"""The post-processing routing of a device master: typed steps, each parameter with its unit and limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devices.catalog.base import section
from mes.exceptions import InvalidInput, Reason
from mes.limits import is_number

RULE = "G-PST-01"
UNITS = {
    "_min": "min",
    "_s": "s",
    "_h": "h",
    "_c": "°C",
    "_percent": "%",
    "_mm": "mm",
    "_nm": "nm",
    "_bar": "bar",
    "_g": "g",
    "_ml": "mL",
    "_mw_cm2": "mW/cm²",
    "_j_cm2": "J/cm²",
    "_count": "1",
}
"""Units as the names of parameters carry them."""

SECONDS = {"s": 1, "min": 60, "h": 3600}
"""What a unit of time is in seconds."""
DURATIONS = frozenset({"duration", *(f"duration_{unit}" for unit in SECONDS)})

PHYSICAL: dict[str, tuple[float, float]] = {
    "min": (0, 10_080),
    "s": (0, 604_800),
    "h": (0, 168),
    "°C": (-273.15, 2000),
    "%": (0, 100),
    "mm": (0, 10_000),
    "nm": (100, 20_000),
    "bar": (0, 1000),
    "g": (0, 100_000),
    "mL": (0, 100_000),
    "mW/cm²": (0, 100_000),
    "J/cm²": (0, 100_000),
    "1": (0, 1_000_000),
}
"""What can be measured at all in a unit on a bench, both ends included. A step lasts a week at most; nm is a wavelength."""


@dataclass(frozen=True)
class Parameter:
    """One measured value of a step: `minimum` and `maximum` in `unit`, both included; None where there is none."""

    name: str
    title: str
    unit: str
    minimum: float | None
    maximum: float | None

    def within(self, value: float) -> bool:
        return (self.minimum is None or value >= self.minimum) and (
            self.maximum is None or value <= self.maximum
        )

    @property
    def possible(self) -> tuple[float, float]:
        """The ends beyond which a value is a slip of the keyboard and no measurement; the limits always lie inside."""
        low, high = PHYSICAL.get(self.unit, (-math.inf, math.inf))
        return min(low, self.minimum or low), max(high, self.maximum or high)


@dataclass(frozen=True)
class Step:
    """One step of the routing; `position` counts from 1."""

    code: str
    title: str
    position: int
    parameters: tuple[Parameter, ...]

    @property
    def duration(self) -> Parameter | None:
        """The parameter that says how long the step itself took: `duration`, in a unit of time."""
        named = (parameter for parameter in self.parameters if parameter.name in DURATIONS)
        return next((parameter for parameter in named if parameter.unit in SECONDS), None)


@dataclass(frozen=True)
class Routing:
    steps: tuple[Step, ...]

    def step(self, code: str) -> Step:
        for step in self.steps:
            if step.code == code:
                return step
        known = ", ".join(step.code for step in self.steps) or "none"
        raise InvalidInput("The routing has no such step.", cure=f"Its steps are: {known}.", rule=RULE)


def read_routing(section: Any) -> Routing:
    """The routing of a master's `routing` section: [{step, title, limits: {name_unit: [min, max]}}].

    A step may instead list `parameters`: [{name, title?, unit, min?, max?}], null or absent where there is no limit, and
    give its place as `order`. Raises InvalidInput with every fault.
    """
    steps, faults = _read(section)
    if faults:
        raise InvalidInput(faults)
    return Routing(steps)


def _read(section: Any) -> tuple[tuple[Step, ...], list[Reason]]:
    """The steps as far as they can be read, and every fault."""
    faults: list[Reason] = []
    if not isinstance(section, Sequence) or isinstance(section, str):
        return (), [Reason("The routing is not a list of steps.", "Write a list.", RULE)]
    ordered = sorted(enumerate(section, 1), key=_place)
    steps = tuple(_step(place, item, faults) for place, (_, item) in enumerate(ordered, 1))
    if len({step.code for step in steps}) < len(steps):
        faults.append(Reason("Two steps have one code.", "Give each step its own code.", RULE))
    return steps, faults


@section("quality.routing", "routing")
def routing_faults(section: Any) -> Iterator[Reason]:
    """Everything that is wrong with a routing, limits that nothing could measure included (G-PST-01)."""
    steps, faults = _read(section)
    yield from faults
    for step in steps:
        yield from (fault for parameter in step.parameters if (fault := _unmeasurable(step, parameter)))


def _unmeasurable(step: Step, parameter: Parameter) -> Reason | None:
    low, high = PHYSICAL.get(parameter.unit, (-math.inf, math.inf))
    limits = [limit for limit in (parameter.minimum, parameter.maximum) if limit is not None]
    if all(low <= limit <= high for limit in limits):
        return None
    return Reason(
        f"The limits of {step.code}.{parameter.name} lie outside of {low:g} to {high:g} {parameter.unit}.",
        "Give limits that can be measured.",
        RULE,
    )


def _place(numbered: tuple[int, Any]) -> float:
    place, item = numbered
    wanted = item.get("order", place) if isinstance(item, Mapping) else place
    return float(wanted) if is_number(wanted) else float(place)


def _step(place: int, item: Any, faults: list[Reason]) -> Step:
    code = item.get("code", item.get("step")) if isinstance(item, Mapping) else None
    if not isinstance(code, str) or not code.strip():
        faults.append(Reason(f"Step {place} has no code.", "Give it one.", RULE))
        return Step(f"?{place}", "", place, ())
    listed = item.get("parameters", _from_limits(item.get("limits", {})))
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        faults.append(Reason(f"The parameters of step {code} are no list.", "Write a list.", RULE))
        listed = []
    parameters = tuple(_parameter(code, entry, faults) for entry in listed)
    if len({parameter.name for parameter in parameters}) < len(parameters):
        faults.append(Reason(f"Step {code} names one parameter twice.", "Name each once.", RULE))
    return Step(code, str(item.get("title") or code), place, parameters)


def _from_limits(limits: Any) -> Any:
    """{"duration_min": [3, 10]} as a list of parameters; the unit stands in the name."""
    if not isinstance(limits, Mapping):
        return limits
    found = []
    for name, pair in limits.items():
        suffix = next((ending for ending in UNITS if str(name).endswith(ending)), "")
        low, high = pair if isinstance(pair, Sequence) and len(pair) == 2 else ("?", "?")
        title = str(name).removesuffix(suffix).replace("_", " ").capitalize()
        found.append({"name": name, "title": title, "unit": UNITS.get(suffix), "min": low, "max": high})
    return found


def _parameter(code: str, entry: Any, faults: list[Reason]) -> Parameter:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or not name:
        faults.append(Reason(f"A parameter of step {code} has no name.", "Give it one.", RULE))
        return Parameter("?", "", "", None, None)
    limits = entry.get("min"), entry.get("max")
    if any(limit is not None and not is_number(limit) for limit in limits):
        faults.append(Reason(f"A limit of {code}.{name} is no finite number.", "Give a number.", RULE))
        limits = None, None
    low, high = (None if limit is None else float(limit) for limit in limits)
    if low is not None and high is not None and low > high:
        faults.append(Reason(f"The limits of {code}.{name} leave nothing.", "Put them in order.", RULE))
    if not entry.get("unit"):
        faults.append(Reason(f"{code}.{name} has no unit.", "Give one; '1' for a count.", RULE))
    title = str(entry.get("title") or name.replace("_", " "))
    return Parameter(name, title, str(entry.get("unit", "")), low, high)
