"""How a device type is packed and identified: the `packaging` section of its master (K-12, ISO 13485 4.2.3, 21 CFR 830.50)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from mes.exceptions import InvalidInput, Reason
from printing.choices import Precision
from quality.catalog import gs1, hibc
from quality.choices import PackageLevel

RULE = "K-12"
CURE = "Correct the packaging of the device master."
SCHEMES: Mapping[str, Callable[[str], bool] | None] = {
    "gs1": gs1.is_gtin,
    "hibc": hibc.is_identifier,
    "internal": None,
}
"""By scheme, what a device identifier must be; an internal one has none (custom-made: exempt from a UDI)."""


@dataclass(frozen=True)
class LevelPlan:
    """di: the device identifier of the level; none for a sterile barrier, and none where the scheme is internal."""

    level: PackageLevel
    di: str
    sterile_barrier: bool


@dataclass(frozen=True)
class PackagingPlan:
    """levels: from the device outwards. shelf_life_days: None where the master sets none."""

    scheme: str
    levels: tuple[LevelPlan, ...]
    shelf_life_days: int | None
    precision: Precision

    @property
    def outermost(self) -> PackageLevel:
        """The level that leaves the house."""
        return self.levels[-1].level

    def at(self, level: str) -> LevelPlan | None:
        return next((planned for planned in self.levels if planned.level == level), None)


def read_packaging(section: Any) -> PackagingPlan | None:
    """The plan of a master's `packaging` section, None where it plans none. Raises InvalidInput with every fault.

    {scheme: gs1|hibc|internal, levels: {each|pouch|carton: {di?, sterile_barrier?}}, shelf_life_days?, use_by_precision?}
    """
    if not section:
        return None
    faults: list[Reason] = []
    if not isinstance(section, Mapping) or not isinstance(section.get("levels"), Mapping):
        raise InvalidInput("The packaging has no levels.", cure=CURE, rule=RULE)
    scheme, life = section.get("scheme"), section.get("shelf_life_days")
    if scheme not in SCHEMES:
        faults.append(Reason(f"The scheme is none of {', '.join(SCHEMES)}.", CURE, RULE))
    levels = _levels(section["levels"], str(scheme), faults)
    if life is not None and (type(life) is not int or not 1 <= life <= 36_500):
        faults.append(Reason("The shelf life is no number of days.", CURE, "K-10"))
    precision = section.get("use_by_precision", Precision.DAY)
    if precision not in Precision.values:
        faults.append(Reason("The precision of the expiry is neither day nor month.", CURE, "K-10"))
    if faults:
        raise InvalidInput(faults)
    return PackagingPlan(str(scheme), levels, life, Precision(precision))


def _levels(given: Mapping[str, Any], scheme: str, faults: list[Reason]) -> tuple[LevelPlan, ...]:
    unknown = sorted(set(given) - set(PackageLevel.values))
    if unknown or not given:
        faults.append(Reason(f"The levels are not of {', '.join(PackageLevel.values)}.", CURE, RULE))
    found = tuple(
        LevelPlan(level, str(given[level].get("di", "")), bool(given[level].get("sterile_barrier", False)))
        for level in PackageLevel
        if isinstance(given.get(level), Mapping)
    )
    if len(found) != len(given) - len(unknown):
        faults.append(Reason("A level is no mapping.", CURE, RULE))
    for planned in found:
        faults += _level_faults(planned, SCHEMES.get(scheme))
    named = [planned.di for planned in found if planned.di]
    if len(set(named)) < len(named):
        faults.append(Reason("Two levels have one identifier: each has its own (830.50).", CURE, RULE))
    if found and found[-1].sterile_barrier:
        faults.append(Reason("A sterile barrier lies in a package that protects it.", CURE, RULE))
    return found


def _level_faults(planned: LevelPlan, is_identifier: Callable[[str], bool] | None) -> list[Reason]:
    if planned.sterile_barrier and planned.di:
        text = f"The {planned.level.label.lower()} is a sterile barrier: it is no level with an identifier."
        return [Reason(text, "Take its identifier out.", RULE)]
    if planned.sterile_barrier or (is_identifier is None and not planned.di):
        return []
    if is_identifier is None or not is_identifier(planned.di):
        return [
            Reason(
                f"The identifier of the {planned.level.label.lower()} is not one of the scheme.", CURE, RULE
            )
        ]
    return []


def last_day(limit: date, precision: Precision) -> date:
    """The use-by date that keeps within a limit: the day itself, or the last day of the last whole month (K-10)."""
    if precision == Precision.DAY or (limit + timedelta(days=1)).day == 1:
        return limit
    return limit.replace(day=1) - timedelta(days=1)
