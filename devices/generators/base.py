"""What a design generator is: declared parameters in, one checked solid with its measures out.

A generator is research-only until its validation says otherwise, and what it makes cannot be released for clinical
use (G-SW-01). Its parameters have limits of their own; the device master narrows them to an envelope (G-DES-01).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from mes.exceptions import InvalidInput, Reason
from mes.registry import Registry

Kind = Literal["number", "vector", "integer", "text"]
Drawn = Literal["", "axis", "plane", "line"]
ValidationStatus = Literal["cleared", "validated_in_house", "research_only"]
Value = float | int | str | tuple[float, float, float]
Envelope = Mapping[str, tuple[float, float]]
EXACT_DIGITS = 17
"""As many tell any two numbers of 64 bits from each other."""


class DesignRefused(InvalidInput):
    """No design is made: every reason with what would cure it."""

    code = "design_refused"


@dataclass(frozen=True)
class Parameter:
    """One input of a generator. Limits are inclusive and hold for each component of a vector.

    A parameter whose `default` is None must be given, unless it is `optional`: then it may be left out.
    `prescribed_as`: the names that an order's characteristics give it; what was prescribed binds the design (G-DES-01).
    A text's limits are of its length; only the record gives it, and nobody chooses it.
    `planned`: the value is the clinical plan's, and nobody types it.
    `drawn`: how a vector that is not a place by itself is shown on the anatomy: a direction as an `axis`, or as the normal of a `plane`,
    at the place that `stands_at` names; places of one `line` are joined in their order.
    """

    name: str
    unit: str
    title: str
    kind: Kind
    minimum: float
    maximum: float
    default: Value | None
    help: str
    optional: bool = False
    prescribed_as: tuple[str, ...] = ()
    planned: bool = False
    drawn: Drawn = ""
    stands_at: str = ""

    @property
    def is_place(self) -> bool:
        """Whether it is a place that somebody picks, or that a plan gives."""
        return self.kind == "vector" and self.unit == "mm" and self.default is None


MIDLINE = Parameter(
    "midline_x_mm", "mm", "The patient's middle", "number", -3000.0, 3000.0, None,
    "Only where the bone does not show it: x of the midsagittal plane, LPS, picked on the images. The reviewer confirms it.",
    optional=True,
)  # fmt: skip
"""A value of every design, few generators': by it the side is judged where the bone cannot tell (G-LAT-01)."""

MIRRORED = "mirror"
"""The name of the value by which a generator mirrors what it is given: 1 where it does. Exports say so (G-LAT-01)."""

CASE_CODE = Parameter(
    "case_code", "", "Case code", "text", 1, 24, None, "What is engraved: the device's own code, never the patient's name or number.",
)  # fmt: skip
"""For a generator that marks what it makes. The record gives it, so that no identity can be typed into a part."""

STAGE = Parameter(
    "stage", "", "Stage", "integer", 1, 60, None, "Of the series: the place of the device among those of its order.",
)  # fmt: skip
STAGES = Parameter("stages", "", "Stages", "integer", 1, 60, None, "How many devices the order has.")
"""For a generator that makes one of a series. The record gives both, so that no stage is made twice or left out."""


TOWARDS_MIDDLE = Parameter(
    "towards_middle_mm", "mm", "Towards the patient's middle", "vector", -3000.0, 3000.0, None,
    "On the scan, on the side that faces the body's midline: of an eye towards the nose, of a limb its inner side, the palm turned forwards.",
)  # fmt: skip
"""For a generator that tells left from right on a scan, which knows no patient's middle. It gives the measure `LEFTWARD` (G-LAT-01)."""
LEFTWARD = "leftward"
"""1 where the picks are those of the patient's left, -1 of the right: on a mirrored scan the right picks give the wrong side."""


@dataclass(frozen=True)
class GuideTube:
    """A guide tube as built, patient coordinates LPS mm.

    position_mm: where its axis meets the bone; axis: unit vector into the bone; height_mm: from there to the rim.
    """

    position_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    inner_diameter_mm: float
    outer_diameter_mm: float
    height_mm: float


@dataclass(frozen=True)
class Hole(GuideTube):
    """A hole through a part that is no tube, such as for a screw. position_mm: where its axis enters the part on the side of the bone;
    outer_diameter_mm: of what is judged around it."""

    kind: str = "hole"


@dataclass(frozen=True, eq=False)
class Design:
    """A finished design. values: canonical, as used, and enough to make the same bytes again; measures: measured on
    the mesh, the unit in each name."""

    mesh: Mesh
    values: Mapping[str, Value]
    measures: Mapping[str, float]
    features: tuple[GuideTube, ...]
    warnings: tuple[str, ...] = ()


class DesignGenerator(Protocol):
    """From a bone surface (closed, LPS mm) and values to a design. Deterministic; raises DesignRefused."""

    id: str
    version: str
    title: str
    parameters: tuple[Parameter, ...]
    validation_status: ValidationStatus

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design: ...


GENERATORS: Registry[DesignGenerator] = Registry("design generator")


def design_parameters(generator: DesignGenerator) -> tuple[Parameter, ...]:
    """Everything that a design with this generator is made with: the generator's parameters, and the patient's middle where no
    plan says which side is which."""
    known = MIDLINE in generator.parameters or any(parameter.planned for parameter in generator.parameters)
    return generator.parameters if known else (*generator.parameters, MIDLINE)


def check_values(parameters: tuple[Parameter, ...], values: Mapping[str, object]) -> dict[str, Value]:
    """The values in canonical form, defaults filled in; raises DesignRefused with everything that is wrong (G-DES-01)."""
    known = {parameter.name for parameter in parameters}
    problems = [
        Reason(
            f"'{name[:60]}' is no parameter of this design.",
            f"Known: {', '.join(sorted(known))}.",
            "G-DES-01",
        )
        for name in values
        if name not in known
    ]
    checked: dict[str, Value] = {}
    for parameter in parameters:
        given = values.get(parameter.name, parameter.default)
        if given is None and parameter.optional:
            continue
        value = _canonical(parameter.kind, given)
        problem = _problem(parameter, given, value)
        if problem is not None:
            problems.append(problem)
        elif value is not None:
            checked[parameter.name] = value
    if problems:
        raise DesignRefused(problems)
    return checked


def within_envelope(values: Mapping[str, Value], envelope: Envelope) -> tuple[Reason, ...]:
    """Every value outside what the device master allows; empty when all are inside (G-DES-01).

    envelope: name to (minimum, maximum), inclusive, for each component of a vector. A limited value that is missing is
    a violation too.
    """
    found = []
    for name, (low, high) in sorted(envelope.items()):
        value = values.get(name)
        numbers = _numbers(value)
        if not numbers or not all(low <= number <= high for number in numbers):
            shown = "missing" if value is None else _shown(value, low, high)
            found.append(
                Reason(
                    f"{name} is {shown}; the device master allows {low:g} to {high:g}.",
                    f"Choose {name} between {low:g} and {high:g}, or have the master revised.",
                    "G-DES-01",
                )
            )
    return tuple(found)


def unit_vector(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector (3,) at length one, rounded so that it survives being stored as text."""
    return np.asarray(np.round(vector / np.linalg.norm(vector), 9), dtype=np.float64)


def _canonical(kind: Kind, given: object) -> Value | None:
    """The value in its one form, or None when it is not of this kind or not finite."""
    if kind == "vector":
        if not isinstance(given, list | tuple | np.ndarray) or len(given) != 3:
            return None
        parts = [_number(part) for part in given]
        x, y, z = (math.nan if part is None else part for part in parts)
        return None if None in parts else (x, y, z)
    if kind == "text":
        return given if isinstance(given, str) else None
    number = _number(given)
    if kind == "integer" and number is not None:
        return int(number) if number.is_integer() else None
    return number


def _number(given: object) -> float | None:
    if isinstance(given, bool | str | bytes) or not isinstance(given, int | float | np.integer | np.floating):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number + 0.0 if math.isfinite(number) else None


def _numbers(value: Value | None) -> tuple[float, ...]:
    """What a value has to keep within limits; nothing where it is missing or a text."""
    if value is None or isinstance(value, str):
        return ()
    return value if isinstance(value, tuple) else (value,)


def _problem(parameter: Parameter, given: object, value: Value | None) -> Reason | None:
    limits = f"{parameter.minimum:g} to {parameter.maximum:g} {parameter.unit}".strip()
    if given is None:
        return Reason(
            f"{parameter.name} is missing.", f"Give {parameter.title.lower()} ({limits}).", "G-DES-01"
        )
    if value is None:
        form = {"vector": "three finite numbers", "text": "a text"}.get(
            parameter.kind, f"a finite {parameter.kind}"
        )
        return Reason(f"{parameter.name} is not {form}.", f"Give {form} from {limits}.", "G-DES-01")
    numbers = (float(len(value)),) if isinstance(value, str) else _numbers(value)
    if all(parameter.minimum <= number <= parameter.maximum for number in numbers):
        return None
    return Reason(
        f"{parameter.name} is {_shown(value, parameter.minimum, parameter.maximum)}.",
        f"Choose from {limits}.",
        "G-DES-01",
    )


def shown_beside(number: float, *ends: float | None, digits: int = 6) -> str:
    """A number with as many digits as show on which side of each end of its limits it lies, and with `digits` where that is enough."""
    for count in range(digits, EXACT_DIGITS):
        text = f"{number:.{count}g}"
        if all(end is None or _side(float(text), end) == _side(number, end) for end in ends):
            return text
    return f"{number:.{EXACT_DIGITS}g}"


def _side(number: float, end: float) -> int:
    return (number > end) - (number < end)


def _shown(value: Value, *ends: float) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(shown_beside(v, *ends) for v in value) + ")"
    return f"'{value}'" if isinstance(value, str) else shown_beside(value, *ends)
