"""Teeth by their FDI numbers (ISO 3950).

Only the 32 permanent teeth. The first digit is the quadrant as the patient has it: 1 upper right, 2 upper left, 3 lower left,
4 lower right; the second counts from the midline.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from devices.planning.base import RULE, PlanRefused
from mes.exceptions import Reason

Arch = Literal["upper", "lower"]
ARCHES: dict[Arch, tuple[int, ...]] = {
    "upper": (*range(18, 10, -1), *range(21, 29)),
    "lower": (*range(48, 40, -1), *range(31, 39)),
}
"""Each arch from the patient's right to the left."""
FDI = frozenset(number for row in ARCHES.values() for number in row)


def arch_of(numbers: tuple[int, ...]) -> Arch:
    """The one arch that all these teeth belong to; raises PlanRefused."""
    if strange := sorted(set(numbers) - FDI):
        raise PlanRefused(
            [Reason(f"{_listed(strange)} is no FDI number.", "Number permanent teeth 11 to 48.", RULE)]
        )
    found = sorted(arch for arch, row in ARCHES.items() if set(row) & set(numbers))
    if len(found) != 1:
        raise PlanRefused(
            [Reason("The labels name teeth of both arches, or none.", "Label one arch per scan.", RULE)]
        )
    return found[0]


def along_arch(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The teeth from the patient's right to the left."""
    row = ARCHES[arch_of(numbers)]
    return tuple(sorted(numbers, key=row.index))


def neighbours(numbers: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Teeth that stand next to each other, those on both sides of a missing one included."""
    return tuple(pairwise(along_arch(numbers)))


def on_right(number: int) -> bool:
    """Whether a tooth is one of the patient's right."""
    return number // 10 in (1, 4)


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)
