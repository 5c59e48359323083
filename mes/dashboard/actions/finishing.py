"""What people do to finish a device: its post-processing steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Values
from mes.dashboard.actions.devices import at
from mes.eventlog.base import Actor
from mes.exceptions import Refused
from quality.catalog.routing import Parameter, Step, read_routing
from quality.selectors.making import next_step
from quality.services.postprocessing import record_post_process_step, step_content


def due_step(device: Device) -> Step | None:
    return next_step(device, read_routing(device.master.routing))


def _step_fields(device: Device) -> tuple[Field, ...]:
    step = due_step(device)
    measured = [_measure(step, parameter) for parameter in step.parameters] if step else []
    named = step.title if step else "No step is due"
    due = Field("step", "The step", "fixed", initial=step.code if step else "")
    zone = f"By the site's clock, {timezone.localtime():%Z}"
    return (
        due,
        *measured,
        Field("started_at", "Started", "moment", required=False, hint=zone),
        Field("ended_at", "Finished", "moment", required=False, hint="Not in the future"),
        Field("equipment", f"Equipment for “{named}”", required=False, maximum=80),
    )


def _measure(step: Step, parameter: Parameter) -> Field:
    """The duration follows from both times where it is not typed."""
    limits = _limits(parameter.minimum, parameter.maximum, parameter.unit)
    asked = f"{parameter.title} ({parameter.unit})"
    if parameter == step.duration:
        return Field(
            f"value.{parameter.name}", asked, "number", False, f"{limits}, or give both times".lstrip(", ")
        )
    return Field(f"value.{parameter.name}", asked, "number", hint=limits)


def _limits(low: float | None, high: float | None, unit: str) -> str:
    """The limits in words. The field takes a value outside of them: it is recorded as it was measured."""
    if low is not None and high is not None:
        return f"{low:g} to {high:g} {unit}"
    if low is not None:
        return f"at least {low:g} {unit}"
    return f"at most {high:g} {unit}" if high is not None else ""


def _measured(values: Values) -> dict[str, Any]:
    typed = {
        name.removeprefix("value."): value for name, value in values.items() if name.startswith("value.")
    }
    return {name: value for name, value in typed.items() if value not in (None, "")}


def _times(values: Values) -> dict[str, datetime | None]:
    return {name: values.get(name) or None for name in ("started_at", "ended_at")}


def _step_signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    """Nothing yet while a measured value is missing."""
    step, measured, times = due_step(device), _measured(values), _times(values)
    follows = {step.duration.name} if step and step.duration and all(times.values()) else set()
    if step is None or {parameter.name for parameter in step.parameters} - measured.keys() - follows:
        return {}
    return step_content(device, measured, str(values["equipment"]), **times)


def _record_step(doing: Doing) -> str:
    step = due_step(doing.subject)
    if step is None:
        raise Refused("Every step of the routing is done.", rule="G-PST-01")
    recorded = record_post_process_step(
        device_id=doing.subject.pk,
        step=str(doing.values["step"]),
        values=_measured(doing.values),
        **_times(doing.values),
        equipment=str(doing.values["equipment"]),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return (
        f"{step.title} is recorded."
        if recorded.in_limits
        else f"{step.title} is recorded outside its limits: the device is held."
    )


FINISHING_ACTIONS = (
    Action(
        "record-step", "device", "Record the next step", "Record a post-processing step", "quality.record_post_process_step",
        "droplet", lambda device: at(Stage.POST_PROCESSING)(device) and due_step(device) is not None, _record_step,
        fields=_step_fields, meaning=Meaning.PERFORMED, content=_step_signs, main=True,
    ),
)  # fmt: skip
