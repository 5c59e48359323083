"""What a device master says of parts that are drawn outside: whether it admits them, within which limits, and from which programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devices.choices import DesignStatus
from devices.generators.base import GENERATORS, MIDLINE, Parameter, ValidationStatus, design_parameters
from devices.generators.external import bore_parameters
from devices.models import Design, DeviceMaster

SECTION = "external_cad"
BORE_VALUES = ("tube_inner_diameter_mm", "tube_outer_diameter_mm", "tube_height_mm")
Limits = Mapping[str, tuple[float | None, float | None]]


def admits_external(master: DeviceMaster) -> bool:
    """A master that does not say admits none."""
    return SECTION in master.design


def is_external(design: Design | None) -> bool:
    """Whether it was drawn in another program."""
    return design is not None and design.origin is not None


def envelope_of(master: DeviceMaster, *, external: bool = False) -> dict[str, tuple[float, float]]:
    """The values that a design has to keep within limits: of an external one those that its designer states."""
    envelope = master.design.get("envelope", {})
    names = master.design[SECTION].get("values", ()) if external else envelope
    return {name: (envelope[name][0], envelope[name][1]) for name in names}


def limits_of(master: DeviceMaster, *, external: bool = False) -> Limits:
    """The measures that a design has to keep within limits; an external one within those of its section as well."""
    limits: Limits = master.design.get("limits", {})
    return all_limits(master.design) if external else limits


def all_limits(design: Mapping[str, Any]) -> dict[str, Any]:
    """Of the design section of a master: those of every design, and those of external ones."""
    return {**design.get("limits", {}), **design.get(SECTION, {}).get("limits", {})}


def stated_parameters(
    master: DeviceMaster, prescribed: Mapping[str, Any], *, planned: bool
) -> tuple[Parameter, ...]:
    """What the designer of an external part says of it: the master's values, what the order prescribes, and where no plan says it the
    places of its bores and the patient's middle. Nothing has a default: what nobody said is not known."""
    section, generator = master.design[SECTION], GENERATORS[master.design["generator"]]
    wanted = {*section.get("values", ()), *prescribed, MIDLINE.name}
    known = tuple(
        replace(one, default=None)
        for one in design_parameters(generator)
        if one.name in wanted and not one.planned
    )
    return known if planned else (*known, *bore_parameters(section.get("bores", 0)))


def validation_of(master: DeviceMaster, tool: str, version: str) -> ValidationStatus:
    """A program counts as research-only unless the master names this version of it with a validation of its own (G-SW-01)."""
    found: ValidationStatus = (
        master.design[SECTION].get("validated", {}).get(f"{tool} {version}", "research_only")
    )
    return found


def parts_waiting() -> set[str]:
    """Names in quarantine of the parts that are still to be read."""
    waiting = Design.objects.filter(status=DesignStatus.REQUESTED, origin__isnull=False)
    return set(waiting.values_list("origin__upload", flat=True))
