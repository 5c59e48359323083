"""What a device master leaves to a person who edits a segmentation: operations, and narrower limits of their parameters.

`editing` of a master's segmentation section: {operation: {parameter: [minimum, maximum]}}. What it does not name is not open;
a parameter that it does not name has the limits of its operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devices.segmentation.base import SegmentationRefused
from devices.segmentation.operations.base import NUMBERS, OPERATIONS, Operation, Parameter

Editing = Mapping[str, Mapping[str, Any]]


def editing_faults(editing: Any) -> Iterator[str]:
    """Everything that is wrong with such a section."""
    if not isinstance(editing, Mapping):
        yield "editing is no object"
        return
    for name, limits in editing.items():
        kind = OPERATIONS.get(str(name))
        if kind is None:
            yield f"there is no operation '{str(name)[:40]}'"
        elif not isinstance(limits, Mapping):
            yield f"the limits of {name} are no object"
        else:
            numbers = {one.name: one for one in kind.declared() if one.kind in NUMBERS}
            yield from (
                fault for key, pair in limits.items() if (fault := _pair_fault(name, key, pair, numbers))
            )


def _pair_fault(name: str, key: Any, pair: Any, numbers: Mapping[str, Parameter]) -> str:
    if key not in numbers:
        return f"{name} has no number '{str(key)[:40]}'"
    low, high = numbers[key].limits
    sound = isinstance(pair, list | tuple) and len(pair) == 2
    if not (
        sound and all(isinstance(end, int | float) for end in pair) and low <= pair[0] <= pair[1] <= high
    ):
        return f"the limits of {name}.{key} are no pair within {low:g} to {high:g}"
    return ""


def open_to_people(editing: Editing) -> list[tuple[type[Operation], tuple[Parameter, ...]]]:
    """The operations that a person may use, in the order of their names, each with its parameters as far as they are open."""
    return [(kind, tuple(_narrowed(one, editing[name]) for one in kind.declared())) for name, kind in OPERATIONS.items() if name in editing]  # fmt: skip


def _narrowed(parameter: Parameter, limits: Mapping[str, Any]) -> Parameter:
    if parameter.name not in limits:
        return parameter
    low, high = (float(end) for end in limits[parameter.name])
    return Parameter(
        parameter.name, parameter.kind, parameter.label, min(max(parameter.default, low), high), parameter.unit, (low, high)
    )  # fmt: skip


def refuse_beyond(editing: Editing, operation: Operation) -> None:
    """Raises SegmentationRefused for an operation that the master does not leave open, or beyond its limits."""
    if operation.name not in editing:
        raise SegmentationRefused(
            f"the master does not leave '{operation.name}' to a person",
            cure=f"It leaves open: {', '.join(sorted(editing)) or 'nothing'}.",
        )
    values = operation.parameters
    reasons = [
        f"{operation.name}: {key} is {values[key]:g}, and the master allows {low:g} to {high:g}"
        for key, (low, high) in editing[operation.name].items()
        if not low <= values[key] <= high
    ]
    if reasons:
        raise SegmentationRefused(*reasons, cure="Stay within them, or have the master revised.")
