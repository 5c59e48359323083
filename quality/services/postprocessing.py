"""Post-processing: each step of the routing, in order, as measured (regulatory record K, G-PST-01)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from devices.choices import Stage
from devices.models import Device
from devices.services.lifecycle import advance_device, locked_device
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.limits import is_number
from mes.models import Signature
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from quality.catalog.routing import Parameter, Routing, Step, read_routing
from quality.choices import Severity, Source
from quality.events import PostProcessStepRecorded
from quality.models import PostProcessStep
from quality.selectors.making import next_step, routing_done
from quality.services.nonconformance import open_nonconformance
from quality.services.timing import (
    Times,
    mark_derived,
    require_after_what_came_before,
    require_ordered,
    step_times,
    with_duration,
)

SYSTEM = Actor.system("quality.routing")
RULE = "G-PST-01"


@unit_of_work
def record_post_process_step(
    *,
    device_id: int,
    step: str,
    values: Mapping[str, Any],
    actor: Actor,
    credentials: Credentials,
    equipment: str = "",
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> PostProcessStep:
    """Write down, by signature, what a step measured: `values` is {parameter: number or {"value", "unit"}}.

    A value out of its limits is recorded as measured; the device is then held and a nonconformance opens. The last
    step in its limits sends the device on to inspection. Two times give the duration where it was not typed, and the
    duration and one time give the other. Raises InvalidInput for a missing, unknown, non-finite or wrongly united
    value, for times that contradict the duration, for a time before the device was built, before the step before it
    ended or in the future, for a duration without times that is longer than what has passed since then, and
    TransitionRefused out of order.
    """
    device = locked_device(device_id)
    require(actor, "quality.record_post_process_step", device)
    routing = read_routing(device.master.routing)
    wanted = routing.step(step)
    _require_turn(device, routing, wanted)
    gates = ask_gates("device.post_process", device, actor=actor)
    refuse_blocked(gates)
    measured, times = _measured_and_timed(wanted, values, started_at, ended_at)
    require_after_what_came_before(device, wanted, measured, times)
    content = _content(device, wanted, measured, equipment, times)
    signature = sign(
        subject=device, content=content, meaning=Meaning.PERFORMED, actor=actor, credentials=credentials
    )
    recorded = _store(device, content, times, signature, gates)
    if recorded.in_limits:
        _go_on(device)
    else:
        _open_for(device, recorded)
    return recorded


@unit_of_work
def start_post_processing(*, device_id: int) -> None:
    """The device is built: begin its routing; where the routing has no step, go straight on to inspection. One that may
    not go on stays: its page says why (G-DES-02). A held one begins once its hold is over."""
    device = locked_device(device_id)
    if device.stage != Stage.BUILT or device.held:
        return
    advance_device(device_id=device_id, transition="start_post_processing", actor=SYSTEM)
    device = locked_device(device_id)
    if all(result.passed for result in ask_gates("device.finish_post_processing", device, actor=SYSTEM)):
        _go_on(device)


def _measured_and_timed(
    step: Step, values: Mapping[str, Any], started: datetime | None, ended: datetime | None
) -> tuple[list[dict[str, Any]], Times]:
    require_ordered(started, ended)
    measured = measured_values(step, with_duration(step, values, started, ended))
    mark_derived(step, values, measured)
    return measured, step_times(step, measured, started, ended)


def measured_values(step: Step, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every parameter of the step with its measured value, unit, limits and whether it lies inside."""
    names = {parameter.name for parameter in step.parameters}
    faults = [
        Reason(f"{step.code} has no parameter '{name[:40]}'.", f"It has: {', '.join(sorted(names))}.", RULE)
        for name in sorted(set(values) - names)
    ]
    found = []
    for parameter in step.parameters:
        value, unit = _value_and_unit(values.get(parameter.name))
        if value is None:
            faults.append(
                Reason(f"{parameter.title} needs a measured number.", f"Give it in {parameter.unit}.", RULE)
            )
            continue
        faults += _value_faults(parameter, value, unit)
        found.append(
            {
                "name": parameter.name,
                "title": parameter.title,
                "value": value,
                "unit": parameter.unit,
                "minimum": parameter.minimum,
                "maximum": parameter.maximum,
                "in_limits": parameter.within(value),
            }
        )
    if faults:
        raise InvalidInput(faults)
    return found


def _value_faults(parameter: Parameter, value: float, unit: str) -> Iterator[Reason]:
    if unit not in ("", parameter.unit):
        yield Reason(f"{parameter.title} is given in {unit[:20]}.", f"Give it in {parameter.unit}.", RULE)
    low, high = parameter.possible
    if not low <= value <= high:
        yield Reason(
            f"{parameter.title} cannot be {value:g} {parameter.unit}.",
            f"A measured value lies from {low:g} to {high:g}. Read it again.",
            RULE,
        )


def _value_and_unit(given: Any) -> tuple[float | None, str]:
    value, unit = (
        (given.get("value"), str(given.get("unit", ""))) if isinstance(given, Mapping) else (given, "")
    )
    return (float(value) if is_number(value) else None), unit


def _require_turn(device: Device, routing: Routing, step: Step) -> None:
    if device.stage not in (Stage.POST_PROCESSING, Stage.REWORK):
        raise TransitionRefused(
            f"{device.code} is at '{device.stage}', not in post-processing.",
            cure="Record steps once the device is built and before it is inspected.",
            rule=RULE,
        )
    if device.held:
        raise TransitionRefused(
            f"{device.code} is held: {device.hold_reason}", cure="Lift the hold first.", rule=RULE
        )
    due = next_step(device, routing)
    if due is None or due.code != step.code:
        then = f"Step {due.position}, {due.title}, is due." if due else "Every step is done."
        raise TransitionRefused(f"{step.title} is not the step that is due.", cure=then, rule=RULE)


def step_content(
    device: Device,
    values: Mapping[str, Any],
    equipment: str = "",
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> dict[str, Any]:
    """What the signature of the step that is due covers, with these values and times (ES-19). Raises InvalidInput as
    `record_post_process_step`, and TransitionRefused where no step is due."""
    step = next_step(device, read_routing(device.master.routing))
    if step is None:
        raise TransitionRefused("Every step of the routing is done.", cure="Go on to inspection.", rule=RULE)
    measured, times = _measured_and_timed(step, values, started_at, ended_at)
    require_after_what_came_before(device, step, measured, times)
    return _content(device, step, measured, equipment, times)


def _content(
    device: Device,
    step: Step,
    measured: list[dict[str, Any]],
    equipment: str,
    times: Times,
) -> dict[str, Any]:
    """The times are those that were given; where none was, the signature covers that none was."""
    return {
        "record": "post-processing step",
        "device": device.code,
        "step": step.code,
        "title": step.title,
        "position": step.position,
        "attempt": device.post_process_steps.filter(step=step.code).count() + 1,
        "values": measured,
        "in_limits": all(value["in_limits"] for value in measured),
        "equipment": equipment.strip(),
        "started_at": times[0] if times else None,
        "ended_at": times[1] if times else None,
    }


def _store(
    device: Device,
    content: Mapping[str, Any],
    times: Times,
    signature: Signature,
    gates: Iterable[GateResult],
) -> PostProcessStep:
    row = PostProcessStep.objects.create(
        device=device,
        step=content["step"],
        title=content["title"],
        position=content["position"],
        attempt=content["attempt"],
        values=content["values"],
        in_limits=content["in_limits"],
        equipment=content["equipment"],
        started_at=content["started_at"],
        ended_at=content["ended_at"],
        performed_by=signature.person,
        signature=signature,
    )
    publish(
        device,
        PostProcessStepRecorded(
            device_id=device.pk,
            step_id=row.pk,
            step=row.step,
            position=row.position,
            attempt=row.attempt,
            values=row.values,
            in_limits=row.in_limits,
            equipment=row.equipment,
            started_at=times[0].isoformat() if times else None,
            ended_at=times[1].isoformat() if times else None,
            gates=[result.as_payload() for result in gates],
            signature_id=signature.pk,
        ),
        actor=Actor.person(signature.person_id),
    )
    return row


def _go_on(device: Device) -> None:
    if device.stage == Stage.POST_PROCESSING and routing_done(device):
        advance_device(device_id=device.pk, transition="finish_post_processing", actor=SYSTEM)


def _open_for(device: Device, step: PostProcessStep) -> None:
    outside = [value for value in step.values if not value["in_limits"]]
    named = ", ".join(f"{value['title']} {value['value']:g} {value['unit']}" for value in outside)
    open_nonconformance(
        device_id=device.pk,
        source=Source.POST_PROCESSING,
        requirement=f"G-PST-01 {step.step}",
        description=f"{step.title} was carried out outside its limits: {named}.",
        severity=Severity.MAJOR,
        evidence={"post_process_step": step.pk, "attempt": step.attempt, "outside": outside},
        actor=SYSTEM,
    )
