"""What a prescription says that a design must keep to: the side, and the characteristics that are values of a design.

A generator's parameter declares by which names an order prescribes it (`Parameter.prescribed_as`), however they are spelt: case,
punctuation, a unit behind the name and what nobody sees make no other name. Its prescribed value is where a design starts from,
and a design with another value is refused (G-DES-01). A quantity that binds no parameter is a warning of every design, which the
reviewer and the prescriber sign.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from devices.choices import Side
from devices.generators.base import GENERATORS, Parameter
from devices.models import DeviceMaster, Order
from mes.exceptions import InvalidInput, Reason
from mes.limits import is_number

MILLIMETRES = {
    "mm": 1.0,
    "millimetre": 1.0,
    "millimetres": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "um": 0.001,
    "\u03bcm": 0.001,
}
COUNTS = {"": 1.0, "1": 1.0, "x": 1.0, "pcs": 1.0}
DEGREES = {"deg": 1.0, "°": 1.0, "degree": 1.0, "degrees": 1.0}
UNITS = {"mm": MILLIMETRES, "": COUNTS, "deg": DEGREES}
INCHES = ("in", "inch", "inches")
UNITS_BEHIND = {*MILLIMETRES, *DEGREES, *INCHES} - {"°"}
WORDS = re.compile(r"[^\W_]+")
QUANTITY = re.compile(r"\W*\d")
SAME = 1e-6


def refuse_side(master: DeviceMaster, side: str) -> None:
    """Raises InvalidInput for a side that the master does not make, such as none of a guide that fits one place (G-LAT-01)."""
    allowed = master.design.get("sides", Side.values)
    if side in allowed:
        return
    raise InvalidInput(
        f"{master} is not made for the side '{Side(side).label.lower()}'.",
        cure=f"Choose one of: {', '.join(str(Side(one).label).lower() for one in allowed)}.",
        rule="G-LAT-01",
    )


def refuse_prescription(master: DeviceMaster, characteristics: Sequence[Mapping[str, Any]]) -> None:
    """Raises InvalidInput for characteristics that no design can keep to: a measured one that is no finite number, a
    known one without a number in a unit that it has, or the same one prescribed twice with two values (G-ORD-02)."""
    faults = [fault for row in characteristics if (fault := _fault(master, row))]
    if not faults:
        faults = list(_contradictions(master, characteristics))
    if faults:
        raise InvalidInput(faults)


def _fault(master: DeviceMaster, row: Mapping[str, Any]) -> Reason | None:
    attribute, value, unit = (str(row.get(name, "")).strip() for name in ("attribute", "value", "unit"))
    number = _number(value)
    if number is not None and not is_number(number):
        text = f"The characteristic '{attribute}' is {value} {unit}".rstrip() + ": that is no number."
        return Reason(text, "Give the number that was measured or prescribed.", "G-ORD-02")
    parameter = bound_parameter(master, attribute)
    if parameter is None or _in_unit(parameter, attribute, number, unit) is not None:
        return None
    return Reason(
        f"The characteristic '{attribute}' is '{value} {unit}': the design takes it as a number"
        f"{f' in {parameter.unit}' if parameter.unit else ''}.",
        f"Give one number{f' and the unit {parameter.unit}' if parameter.unit else ' without a unit'}.",
        "G-ORD-02",
    )


def _contradictions(master: DeviceMaster, rows: Sequence[Mapping[str, Any]]) -> Iterator[Reason]:
    seen: dict[str, float] = {}
    for parameter, value, _ in _prescribed(master, rows):
        if abs(seen.setdefault(parameter.name, value) - value) > SAME:
            text = f"{parameter.title} is prescribed as {seen[parameter.name]:g} and as {value:g} {parameter.unit}."
            yield Reason(text.replace(" .", "."), "Prescribe one value.", "G-ORD-02")


def _number(value: str) -> float | None:
    """The number that a text is, also one that is none or endless; None for other texts."""
    try:
        return float(value.replace(",", ".")) if "_" not in value else None
    except ValueError:
        return None


def bound_parameter(master: DeviceMaster, attribute: str) -> Parameter | None:
    """The generator's parameter that a characteristic of this name prescribes."""
    name, _ = _named(attribute)
    for parameter in GENERATORS[master.design["generator"]].parameters:
        if name in {
            _named(known)[0] for known in (parameter.title, parameter.name, *parameter.prescribed_as)
        }:
            return parameter if parameter.kind in ("number", "integer") else None
    return None


def _named(attribute: str) -> tuple[str, str]:
    """The letters and digits of a name, and the unit that stands behind it: "drilldiameter", "mm" of "Drill-diameter (mm)"."""
    seen = "".join(one for one in _folded(attribute) if unicodedata.category(one) != "Cf")
    words, unit = WORDS.findall(re.sub("[øØ⌀]", " diameter ", seen)), ""
    while len(words) > 1 and words[-1] in UNITS_BEHIND:
        unit = unit or words[-1]
        words.pop()
    return "".join(words), unit


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _in_unit(parameter: Parameter, attribute: str, number: float | None, unit: str) -> float | None:
    """The number in the parameter's unit; None where it has none, or the name and the unit say two."""
    known, behind = UNITS.get(parameter.unit, {parameter.unit: 1.0}), _named(attribute)[1]
    scale = known.get(_folded(unit) or behind)
    if behind and known.get(behind) != scale:
        return None
    return None if number is None or scale is None or not math.isfinite(number) else number * scale


def _prescribed(
    master: DeviceMaster, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Parameter, float, str]]:
    for row in rows:
        attribute, value, unit = (str(row.get(name, "")).strip() for name in ("attribute", "value", "unit"))
        parameter = bound_parameter(master, attribute)
        if parameter is not None:
            found = _in_unit(parameter, attribute, _number(value), unit)
            yield parameter, math.nan if found is None else found, f"{attribute} {value} {unit}".strip()


def prescribed_values(order: Order) -> dict[str, float | int]:
    """What the order's characteristics prescribe, by the generator's parameter, in its unit."""
    return {
        parameter.name: int(value) if parameter.kind == "integer" and value.is_integer() else value
        for parameter, value, _ in _prescribed(order.master, order.characteristics)
        if math.isfinite(value)
    }


def departures(order: Order, values: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Every value of a design that is not what the order prescribes (G-DES-01). One that cannot be compared departs."""
    found = []
    for parameter, wanted, said in _prescribed(order.master, order.characteristics):
        given = values.get(parameter.name)
        if isinstance(given, int | float) and abs(given - wanted) <= SAME:
            continue
        shown = "missing" if given is None else f"{given:g} {parameter.unit}".strip()
        found.append(
            Reason(
                f"The order prescribes {said}; in the design, {parameter.name} is {shown}.",
                "Request a design as it is prescribed, or have the prescriber write a new order.",
                "G-DES-01",
            )
        )
    return tuple(found)


def bindings(order: Order) -> list[tuple[Mapping[str, Any], Parameter | None]]:
    """Every characteristic of an order, and the parameter of the design that is bound to it."""
    return [
        (row, bound_parameter(order.master, str(row.get("attribute", "")))) for row in order.characteristics
    ]


def unbound(order: Order) -> tuple[str, ...]:
    """A warning for every prescribed quantity that no value of a design is bound to (G-DES-01)."""
    return tuple(
        f"The order prescribes '{_said(row)}'; no value of the design is bound to it: check it by hand."
        for row, parameter in bindings(order)
        if parameter is None and _is_quantity(str(row.get("value", "")), str(row.get("unit", "")))
    )


def _is_quantity(value: str, unit: str) -> bool:
    return bool(re.search(r"\d", value) if unit.strip() else QUANTITY.match(value))


def _said(row: Mapping[str, Any]) -> str:
    return " ".join(str(row.get(name, "")).strip() for name in ("attribute", "value", "unit")).strip()


def prescribable(masters: Iterable[DeviceMaster]) -> tuple[str, ...]:
    """The names by which an order binds the designs of these masters, the usual one of each parameter."""
    generators = {master.design["generator"] for master in masters}
    found = (one for name in sorted(generators) for one in GENERATORS[name].parameters if one.prescribed_as)
    return tuple(dict.fromkeys(parameter.prescribed_as[0] for parameter in found))
