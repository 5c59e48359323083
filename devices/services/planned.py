"""What the approved plan of a device says of its design: the values that follow from it, and whether a design keeps to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.generators.base import GENERATORS, DesignGenerator, Parameter
from devices.models import Design, Device, Plan
from devices.planning.base import PLAN_KINDS
from devices.selectors.plans import current_plan, plan_kind_of
from devices.services.plans import RULE, against_plan
from devices.services.recorded import GIVEN
from mes.eventlog.base import plain
from mes.exceptions import InvalidInput, Reason, TransitionRefused


def approved_plan(device: Device) -> Plan | None:
    """The plan that a design of the device is made from; None where its master asks for none.

    Raises TransitionRefused where it asks for one and no approval stands.
    """
    if not plan_kind_of(device.master):
        return None
    plan = current_plan(device)
    if (against := against_plan(device, plan)) is not None:
        raise TransitionRefused([against])
    return plan


def values_of_plan(plan: Plan | None, generator: DesignGenerator) -> dict[str, Any]:
    """The values of a design that are the plan's, by the generator's parameters; nothing without a plan."""
    if plan is None:
        return {}
    said = PLAN_KINDS[plan.kind].values(plan.content)
    return {one.name: said[one.name] for one in generator.parameters if one.planned and one.name in said}


def typed_parameters(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Those that a person sets: the plan's and the record's are nobody's to type."""
    recorded = [one for one, _, _ in GIVEN]
    return tuple(one for one in parameters if not one.planned and one not in recorded)


def refuse_typed(generator: DesignGenerator, given: Mapping[str, Any]) -> None:
    """Raises InvalidInput for every value that is the plan's and was typed all the same."""
    planned = {one.name for one in generator.parameters if one.planned}
    faults = [
        Reason(f"{name} follows from the plan and is not typed.", "Change the plan, or leave it out.", RULE)
        for name in sorted(planned & set(given))
    ]
    if faults:
        raise InvalidInput(faults)


def against_plan_of_design(device: Device, design: Design | None) -> Reason | None:
    """Why a design is not the one that the plan asks for; None where it was made from the plan that stands, with its values."""
    plan = current_plan(device)
    if (against := against_plan(device, plan)) is not None:
        return against
    if design is None or plan is None or design.plan_id != plan.pk:
        return Reason(
            "The design was made from another plan, or from none.", "Request a design from the plan.", RULE
        )
    wanted = plain(values_of_plan(plan, GENERATORS[device.master.design["generator"]]))
    apart = sorted(name for name, value in wanted.items() if design.values.get(name) != value)
    if apart:
        text = f"The design departs from the plan in: {', '.join(apart)}."
        return Reason(text, "Request a design from the plan.", RULE)
    return None
