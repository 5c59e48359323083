"""What a design was made from, as a screen draws it on the anatomy: places, planes, axes and lines with their names, LPS mm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from devices.generators.base import Parameter

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Mark:
    """kind: "place", or how its parameter is `drawn`.  at: its places, one but for a line.  along: of an axis or a plane, unscaled."""

    name: str
    kind: str
    at: tuple[Point, ...]
    along: Point | None = None


def marks_of(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Everything that was picked or given for a design. A direction of zeros says nothing, and neither does the place of its plane."""
    placed = [_placed(one, values) for one in parameters]
    marks = [mark for mark in placed if mark is not None]
    lines = [mark.at[0] for mark in marks if mark.kind == "line"]
    joined = [Mark("", "line", tuple(lines))] if len(lines) > 1 else []
    shown = [
        Mark(mark.name, "place" if mark.kind == "line" else mark.kind, mark.at, mark.along) for mark in marks
    ]
    return [asdict(mark) for mark in (*shown, *joined)]


def _placed(parameter: Parameter, values: Mapping[str, Any]) -> Mark | None:
    value = _vector(values.get(parameter.name))
    if value is None:
        return None
    if parameter.is_place and parameter.drawn in ("", "line"):
        return Mark(parameter.title, parameter.drawn or "place", (value,))
    at = _vector(values.get(parameter.stands_at))
    if at is None or not any(value) or not parameter.stands_at:
        return None
    return Mark(parameter.title, parameter.drawn, (at,), value)


def tubes_of(features: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The guide tubes of a design, as built."""
    for number, feature in enumerate(features, 1):
        at, axis = _vector(feature.get("position_mm")), _vector(feature.get("axis"))
        if at is not None and axis is not None:
            yield asdict(Mark(f"Tube {number}", "axis", (at,), axis))


def _vector(value: Any) -> Point | None:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    x, y, z = map(float, value)
    return x, y, z
