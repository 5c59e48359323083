"""What each tooth is to do, as data: the clinician's plan, and nothing of how it is reached.

Angles say what turns towards what, so they mean the same on both sides: rotation turns the mesial end of the tooth to the buccal,
tip leans the crown to the mesial, torque leans it to the buccal. A tooth turns about the middle of its margin.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devices.planning.base import RULE, PlanRefused
from devices.planning.fdi import FDI, neighbours
from mes.exceptions import Reason

NAMES = ("mesial_mm", "buccal_mm", "occlusal_mm", "rotation_deg", "tip_deg", "torque_deg")
FURTHEST = {"mm": 8.0, "deg": 60.0}
"""More than any tooth is moved by aligners; a typing error and not a plan."""
MOST_REDUCED_MM = 0.5
"""Of one contact, both teeth together: half the enamel that is there on average."""


PARTS = frozenset({"movements", "reductions", "attachments", "strategy"})
STRATEGIES = ("together", "each_at_its_pace", "front_first", "back_first")
"""The orders in which teeth set off; `devices.planning.staging` carries them out."""


@dataclass(frozen=True)
class Movement:
    """One tooth's way: mm along its own axes, and degrees as the module says."""

    mesial_mm: float = 0.0
    buccal_mm: float = 0.0
    occlusal_mm: float = 0.0
    rotation_deg: float = 0.0
    tip_deg: float = 0.0
    torque_deg: float = 0.0

    @property
    def translation_mm(self) -> float:
        """Its length."""
        return math.hypot(self.mesial_mm, self.buccal_mm, self.occlusal_mm)

    @property
    def angle_deg(self) -> float:
        """The one angle about the one axis that the three make together."""
        return math.hypot(self.rotation_deg, self.tip_deg, self.torque_deg)

    def share(self, part: float) -> Movement:
        """The same way, `part` of it."""
        return Movement(*(part * getattr(self, name) for name in NAMES))


@dataclass(frozen=True)
class Reduction:
    """Enamel taken from a contact (IPR), half of it from each tooth, before the mould of a stage is worn."""

    teeth: tuple[int, int]
    amount_mm: float
    before_stage: int = 1


@dataclass(frozen=True)
class Attachment:
    """A bump of composite on a crown: where on its buccal side (mesial and occlusal mm from the tooth's origin), its width,
    height and prominence in mm."""

    tooth: int
    mesial_mm: float
    occlusal_mm: float
    width_mm: float = 3.0
    height_mm: float = 2.0
    prominence_mm: float = 1.0


@dataclass(frozen=True)
class Treatment:
    """The plan of one arch. Order plays no part: equal plans have one canonical form."""

    movements: Mapping[int, Movement]
    reductions: tuple[Reduction, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    strategy: str = "together"

    def canonical(self) -> dict[str, Any]:
        """As plain data that JSON keeps: sorted, zeros left out."""
        return {
            "movements": {
                str(tooth): {name: value for name in NAMES if (value := getattr(movement, name))}
                for tooth, movement in sorted(self.movements.items())
                if movement != Movement()
            },
            "reductions": [
                {"teeth": list(one.teeth), "amount_mm": one.amount_mm, "before_stage": one.before_stage}
                for one in sorted(self.reductions, key=lambda one: one.teeth)
            ],
            "attachments": [
                {name: getattr(one, name) for name in Attachment.__dataclass_fields__}
                for one in sorted(
                    self.attachments, key=lambda one: (one.tooth, one.occlusal_mm, one.mesial_mm)
                )
            ],
            "strategy": self.strategy,
        }


def read_treatment(given: Mapping[str, Any], teeth: Sequence[int]) -> Treatment:
    """A plan from plain data, for a scan with these teeth. Raises PlanRefused with everything that is wrong."""
    problems: list[Reason] = []
    moves = dict(_movements(given.get("movements", {}), teeth, problems))
    cuts = tuple(_reductions(given.get("reductions", ()), teeth, problems))
    bumps = tuple(_attachments(given.get("attachments", ()), teeth, problems))
    for name in sorted(set(map(str, given)) - PARTS):
        problems.append(_wrong(f"'{name[:40]}' is no part of a plan.", f"Known: {', '.join(sorted(PARTS))}."))
    strategy = given.get("strategy", "together")
    if strategy not in STRATEGIES:
        problems.append(
            _wrong(f"'{str(strategy)[:40]}' is no strategy.", f"Choose one of: {', '.join(STRATEGIES)}.")
        )
    if problems:
        raise PlanRefused(problems)
    return Treatment(moves, cuts, bumps, strategy)


def _movements(given: Any, teeth: Sequence[int], problems: list[Reason]) -> Iterable[tuple[int, Movement]]:
    for key, row in sorted(dict(given).items(), key=lambda item: str(item[0])):
        tooth = _tooth(key, teeth, problems)
        unknown = sorted(set(row) - set(NAMES))
        if unknown:
            problems.append(
                _wrong(
                    f"Tooth {key}: no movement is called {unknown[0][:40]}.", f"Known: {', '.join(NAMES)}."
                )
            )
        values = {name: _number(f"Tooth {key}: {name}", row.get(name, 0.0), problems) for name in NAMES}
        for name, value in values.items():
            most = FURTHEST[name.rsplit("_", 1)[1]]
            if abs(value) > most:
                problems.append(
                    _wrong(f"Tooth {key}: {name} is {value:g}.", f"Plan at most {most:g} either way.")
                )
        if tooth:
            yield tooth, Movement(**values)


def _reductions(given: Any, teeth: Sequence[int], problems: list[Reason]) -> Iterable[Reduction]:
    known = {frozenset(pair): pair for pair in neighbours(tuple(teeth))}
    seen = set()
    for row in given:
        pair = frozenset(row.get("teeth", ()))
        amount = _number("A reduction", row.get("amount_mm"), problems)
        stage = row.get("before_stage", 1)
        said = " and ".join(str(one) for one in sorted(pair))
        if pair not in known or pair in seen:
            problems.append(
                _wrong(
                    f"Teeth {said} have no contact to reduce, or it is named twice.",
                    "Name two neighbours, once.",
                )
            )
        elif not 0.0 < amount <= MOST_REDUCED_MM:
            problems.append(
                _wrong(
                    f"Between {said} {amount:g} mm are to be taken.", f"Take up to {MOST_REDUCED_MM:g} mm."
                )
            )
        elif type(stage) is not int or stage < 1:
            problems.append(_wrong(f"Between {said}: {stage} is no stage.", "Name the stage, from 1."))
        else:
            seen.add(pair)
            yield Reduction(known[pair], amount, stage)


def _attachments(given: Any, teeth: Sequence[int], problems: list[Reason]) -> Iterable[Attachment]:
    limits = {
        "mesial_mm": (-6.0, 6.0), "occlusal_mm": (0.0, 10.0), "width_mm": (1.0, 5.0), "height_mm": (1.0, 5.0),
        "prominence_mm": (0.25, 1.5),
    }  # fmt: skip
    for row in given:
        tooth = _tooth(row.get("tooth"), teeth, problems)
        values = {name: row[name] for name in limits if name in row}
        values = {name: _number(f"An attachment: {name}", value, problems) for name, value in values.items()}
        for name in limits.keys() & values.keys():
            low, high = limits[name]
            if not low <= values[name] <= high:
                problems.append(
                    _wrong(
                        f"An attachment on {tooth}: {name} is {values[name]:g}.",
                        f"Choose {low:g} to {high:g}.",
                    )
                )
        if tooth and {"mesial_mm", "occlusal_mm"} <= values.keys():
            yield Attachment(tooth, **values)
        else:
            problems.append(_wrong("An attachment has no place.", "Give tooth, mesial_mm and occlusal_mm."))


def _tooth(given: Any, teeth: Sequence[int], problems: list[Reason]) -> int:
    """The number of a tooth that is there, or 0."""
    number = int(given) if str(given).isdigit() else 0
    if number in FDI and number in teeth:
        return number
    problems.append(
        _wrong(f"Tooth {str(given)[:10]} is not in the scan.", "Plan for teeth that are labelled.")
    )
    return 0


def _number(name: str, given: Any, problems: list[Reason]) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return float(given) + 0.0
    problems.append(_wrong(f"{name} is no finite number.", "Give a number."))
    return 0.0


def _wrong(text: str, cure: str) -> Reason:
    return Reason(text, cure, RULE)
