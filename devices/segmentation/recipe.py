"""A segmentation as data: an ordered list of operations with their parameters, applied to one volume.

The record keeps the list. Run again on the same volume it gives the same mask, bit for bit, or is refused: an operation
of another version is another operation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rfc8785

from devices.imaging.base import Volume
from devices.segmentation.base import (
    SEGMENTERS,
    TOOLS,
    Segmentation,
    SegmentationRefused,
    ToolIdentity,
    known_only,
)
from devices.segmentation.bone import MINIMUM_ML_LIMITS
from devices.segmentation.operations.base import Operation, made
from devices.segmentation.space import Mask, measured

TOOL = TOOLS.add("recipe", ToolIdentity("recipe", "1.0", "research_only"))
MOST_STEPS = 200
Row = dict[str, Any]


class Abandoned(Exception):
    """Nobody waits for the result any more."""


def row_of(operation: Operation) -> Row:
    """An operation as it stands in the record."""
    return {"operation": operation.name, "version": operation.version, "parameters": operation.parameters}


def read_step(row: Mapping[str, Any]) -> Operation:
    """The operation that a row of the record names. Raises SegmentationRefused, for another version of it too."""
    found = made(str(row.get("operation", "")), _values(row))
    if row.get("version", found.version) != found.version:
        raise SegmentationRefused(
            f"{found.name} is at version {found.version} here, and the record asks for {str(row['version'])[:20]}",
            cure="Segment anew: another version may give another mask.",
        )
    return found


def _values(row: Mapping[str, Any]) -> Mapping[str, Any]:
    values = row.get("parameters", {})
    if not isinstance(values, Mapping):
        raise SegmentationRefused("the parameters are no object", cure="Give them by name.")
    return values


def read_steps(rows: Any) -> tuple[Operation, ...]:
    """The operations of a recipe. Raises SegmentationRefused."""
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not 1 <= len(rows) <= MOST_STEPS:
        raise SegmentationRefused(
            f"a recipe is a list of 1 to {MOST_STEPS} steps",
            cure="Give each with its operation and parameters.",
        )
    if not all(isinstance(row, Mapping) for row in rows):
        raise SegmentationRefused("a step is no object", cure="Give its operation and parameters.")
    return tuple(read_step(row) for row in rows)


def recipe_digest(rows: Iterable[Row]) -> str:
    """SHA-256 of a recipe's canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(list(rows))).hexdigest()


def applied(
    volume: Volume,
    operations: Sequence[Operation],
    *,
    start: Mask | None = None,
    after: Callable[[int, Mask], None] = lambda done, mask: None,
    abandoned: Callable[[], bool] = lambda: False,
) -> Mask:
    """Run operations one after the other on an empty mask, or on `start`.

    after(done, mask) is called with what each step gave; abandoned() is asked before each. Raises Abandoned,
    SegmentationRefused.
    """
    mask = np.zeros(volume.shape, np.uint8) if start is None else start
    for done, operation in enumerate(operations, 1):
        if abandoned():
            raise Abandoned
        mask = operation.apply(volume, mask)
        after(done, mask)
    return mask


@dataclass(frozen=True)
class Recipe:
    """steps: the operations in order.  minimum_ml: less is an error, 0 to 10000 mL."""

    steps: Any
    minimum_ml: Any = 0.1

    def __post_init__(self) -> None:
        low, high = MINIMUM_ML_LIMITS
        number = isinstance(self.minimum_ml, int | float) and not isinstance(self.minimum_ml, bool)
        if not (number and low <= self.minimum_ml <= high):
            raise SegmentationRefused("minimum_ml must be 0 to 10000 mL", cure="Correct the parameters.")


@SEGMENTERS.register("recipe")
def segment(volume: Volume, parameters: Mapping[str, Any]) -> Segmentation:
    """Segment by a recipe. Raises SegmentationRefused with the reason where the result is empty or too small."""
    given = known_only(parameters, Recipe)
    typed = Recipe(given.get("steps", ()), given.get("minimum_ml", 0.1))
    operations = read_steps(typed.steps)
    mask = applied(volume, operations)
    rows = [row_of(operation) for operation in operations]
    said = {"steps": rows, "minimum_ml": typed.minimum_ml, "recipe_sha256": recipe_digest(rows)}
    found = measured(volume, mask, said, TOOL)
    if found.volume_ml < typed.minimum_ml or not mask.any():
        raise SegmentationRefused(
            f"the recipe leaves only {found.volume_ml:.3f} mL, the minimum is {typed.minimum_ml:g} mL",
            cure="Look at its steps one after the other.",
        )
    return found
