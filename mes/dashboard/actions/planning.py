"""What people do with the clinical plan of a device: read it again and approve it, or send it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.choices import PlanStatus, Stage
from devices.models import Device
from devices.planning.levels import LEVELS
from devices.selectors.plans import current_plan, plan_kind_of
from devices.services.plans import approve_plan, plan_content, reject_plan
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Values, why
from mes.dashboard.actions.devices import at
from mes.eventlog.base import Actor


def _planned(*statuses: PlanStatus) -> Callable[[Device], bool]:
    def applies(device: Device) -> bool:
        if not plan_kind_of(device.master) or not at(Stage.PLANNED)(device):
            return False
        plan = current_plan(device)
        return plan is not None and plan.status in statuses

    return applies


def _count(device: Device) -> tuple[Field, ...]:
    """The level is asked for, not shown as an answer that one only confirms."""
    plan = current_plan(device)
    if plan is None or "level" not in plan.content:
        return ()
    choices = [("", "Choose the level that you counted"), *((level, level) for level in LEVELS)]
    hint = "Count on the images yourself, from a level that shows what it is."
    return (Field("counted", "The level that you counted", "select", True, hint, choices=choices),)


def _approve(doing: Doing) -> str:
    counted = str(doing.values.get("counted", ""))
    approve_plan(
        device_id=doing.subject.pk, counted=counted, actor=doing.actor, credentials=doing.credentials
    )
    return "The plan is approved. The design can be made from it."


def _reject(doing: Doing) -> str:
    reject_plan(device_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return "The plan is sent back."


def _signs(device: Device, values: Values, actor: Actor) -> dict[str, Any]:
    plan = current_plan(device)
    return plan_content(device, plan) if plan else {}


def _because(device: Device) -> tuple[Field, ...]:
    return (why(),)


PLANNING_ACTIONS = (
    Action(
        "approve-plan", "device", "Approve the plan", "Approve the clinical plan", "devices.approve_plan", "writing-sign",
        _planned(PlanStatus.DRAFTED), _approve, fields=_count, meaning=Meaning.APPROVED, content=_signs, main=True,
    ),
    Action(
        "reject-plan", "device", "Send the plan back", "Send the clinical plan back", "devices.reject_plan", "circle-x",
        _planned(PlanStatus.DRAFTED, PlanStatus.APPROVED), _reject, fields=_because, danger=True,
    ),
)  # fmt: skip
