"""What is wrong with what a device master says of parts that are drawn in another program; told before it is drafted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from devices.catalog.base import MasterDefinition
from devices.generators.base import ValidationStatus
from devices.generators.external import MEASURED, MOST_BORES, PLACING
from devices.selectors.external import BORE_VALUES, SECTION
from mes.exceptions import Reason

RULE = "G-DES-01"


def external_faults(definition: MasterDefinition) -> Iterator[Reason]:
    """A master admits a part only where everything that it asks of a design can be measured on one, or is stated by its designer."""
    if SECTION not in definition.design:
        return
    section = definition.design[SECTION]
    yield from _unmeasured(definition.design, section)
    yield from _unstated(definition.design, section)
    yield from _untold(section.get("validated", {}))


def _unmeasured(design: Mapping[str, Any], section: Mapping[str, Any]) -> Iterator[Reason]:
    limits = section.get("limits", {})
    unknown = sorted({*design.get("limits", {}), *limits} - MEASURED)
    if unknown:
        yield Reason(
            f"Of a part that was drawn in another program nobody measures: {', '.join(unknown)}.",
            f"Admit none, or limit what is measured: {', '.join(sorted(MEASURED))}.",
            RULE,
        )
    if not {"solids", "longest_mm"} <= set(limits) or not PLACING & {*limits, *design.get("limits", {})}:
        yield Reason(
            "The master does not tell a part of this anatomy from another one.",
            f"Limit solids and longest_mm, and one of: {', '.join(sorted(PLACING))}.",
            RULE,
        )
    if design.get("errors"):
        yield Reason(
            "The error budget of a part that was drawn in another program is not known.", "Admit none.", RULE
        )


def _unstated(design: Mapping[str, Any], section: Mapping[str, Any]) -> Iterator[Reason]:
    stray = sorted(set(section.get("values", ())) - set(design.get("envelope", {})))
    if stray:
        text = f"These values are stated of a part, and have no limits: {', '.join(stray)}."
        yield Reason(text, "Choose from the envelope.", RULE)
    bores = section.get("bores", 0)
    if not isinstance(bores, int) or not 0 <= bores <= MOST_BORES:
        yield Reason(f"The number of bores is none from 0 to {MOST_BORES}.", "Give it.", RULE)
    elif bores and not {*BORE_VALUES} <= set(section.get("values", ())):
        text = "Bores are looked for, and not stated."
        yield Reason(text, f"Ask for: {', '.join(BORE_VALUES)}.", RULE)


def _untold(validated: Mapping[str, Any]) -> Iterator[Reason]:
    known = get_args(ValidationStatus)
    for program, status in validated.items():
        if status not in known:
            yield Reason(
                f"The validation of {program} is none.", f"Choose from: {', '.join(known)}.", "G-SW-01"
            )
