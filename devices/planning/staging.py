"""From a plan to stages: how far each tooth has come when each mould is worn, no stage further than the master allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devices.planning.base import RULE, PlanRefused
from devices.planning.movements import Movement, Treatment
from mes.exceptions import Reason

MOST_STAGES = 60
ROUNDING = 1e-6
"""Of a step: what is less is no movement."""


@dataclass(frozen=True)
class StepLimits:
    """The most that one tooth moves from a stage to the next."""

    translation_mm: float = 0.25
    rotation_deg: float = 2.0

    def steps(self, movement: Movement) -> int:
        """How many stages a movement needs."""
        needed = max(movement.translation_mm / self.translation_mm, movement.angle_deg / self.rotation_deg)
        return math.ceil(needed - ROUNDING)


Windows = dict[int, tuple[int, int]]
"""Per tooth: the stage after which it starts, and the one with which it arrives."""
Strategy = Callable[[Mapping[int, int]], Windows]


def together(steps: Mapping[int, int]) -> Windows:
    """All teeth on their way from the first stage to the last, each as slowly as the slowest lets it."""
    last = max(steps.values(), default=0)
    return dict.fromkeys(steps, (0, last))


def each_at_its_pace(steps: Mapping[int, int]) -> Windows:
    """All teeth start at once and go as fast as they may; those with a short way arrive early."""
    return {tooth: (0, count) for tooth, count in steps.items()}


def front_first(steps: Mapping[int, int]) -> Windows:
    """Incisors and canines, then premolars, then molars: room is made from the front."""
    return _in_turn(steps, ((1, 2, 3), (4, 5), (6, 7, 8)))


def back_first(steps: Mapping[int, int]) -> Windows:
    """Molars, then premolars, then the front: distalising, each group stands on those that wait."""
    return _in_turn(steps, ((6, 7, 8), (4, 5), (1, 2, 3)))


def _in_turn(steps: Mapping[int, int], groups: tuple[tuple[int, ...], ...]) -> Windows:
    found, start = {}, 0
    for group in groups:
        own = {tooth: count for tooth, count in steps.items() if tooth % 10 in group}
        end = start + max(own.values(), default=0)
        found.update(dict.fromkeys(own, (start, end)))
        start = end
    return found


ORDERS: dict[str, Strategy] = {
    "together": together,
    "each_at_its_pace": each_at_its_pace,
    "front_first": front_first,
    "back_first": back_first,
}


@dataclass(frozen=True)
class Staging:
    """Which part of its way each tooth has gone at each stage. Stage 0 is the scan, stage `count` the plan."""

    treatment: Treatment
    windows: Mapping[int, tuple[int, int]]
    count: int
    limits: StepLimits

    def at(self, stage: int) -> dict[int, Movement]:
        """Every moving tooth's movement since the scan."""
        return {
            tooth: self.treatment.movements[tooth].share(_share(stage, *window))
            for tooth, window in self.windows.items()
        }

    def step(self, stage: int) -> dict[int, Movement]:
        """What moves from the stage before to this one."""
        return {
            tooth: self.treatment.movements[tooth].share(_share(stage, *window) - _share(stage - 1, *window))
            for tooth, window in self.windows.items()
        }

    def table(self) -> list[dict[str, Any]]:
        """One row per tooth and stage with a movement in it: what the stage does, and how much of the limit that is."""
        return [
            {
                "stage": stage,
                "tooth": tooth,
                "translation_mm": round(step.translation_mm, 6),
                "rotation_deg": round(step.angle_deg, 6),
                "share_of_limit": round(
                    max(
                        step.translation_mm / self.limits.translation_mm,
                        step.angle_deg / self.limits.rotation_deg,
                    ),
                    6,
                ),
            }
            for stage in range(1, self.count + 1)
            for tooth, step in sorted(self.step(stage).items())
            if step != Movement()
        ]


def _share(stage: int, start: int, end: int) -> float:
    return min(1.0, max(0.0, (stage - start) / (end - start)))


def stage_treatment(treatment: Treatment, limits: StepLimits) -> Staging:
    """As few stages as the limits and the plan's strategy allow. Raises PlanRefused for a plan that moves nothing, or needs too many."""
    needed = {tooth: limits.steps(movement) for tooth, movement in treatment.movements.items()}
    steps = {tooth: count for tooth, count in sorted(needed.items()) if count}
    if not steps:
        raise PlanRefused([Reason("The plan moves no tooth.", "Plan a movement.", RULE)])
    windows = ORDERS[treatment.strategy](steps)
    count = max(end for _, end in windows.values())
    problems = []
    if count > MOST_STAGES:
        problems.append(
            Reason(f"The plan needs {count} stages.", f"Plan a way of at most {MOST_STAGES} stages.", RULE)
        )
    for one in treatment.reductions:
        if one.before_stage > count:
            text = f"Between {one.teeth[0]} and {one.teeth[1]} is to be reduced before stage {one.before_stage} of {count}."
            problems.append(Reason(text, "Name a stage that there is.", RULE))
    if problems:
        raise PlanRefused(problems)
    return Staging(treatment, windows, count, limits)
