"""What the prescriber does with a series: one decision about all of its stages."""

from __future__ import annotations

from typing import Any

from devices.choices import DesignStatus, Stage
from devices.models import Order
from devices.selectors.series import is_serial, stages_of
from devices.services.series import approve_series, series_content
from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Values
from mes.eventlog.base import Actor


def _reviewed(order: Order) -> bool:
    """Whether every stage waits for the prescriber."""
    stages = stages_of(order) if is_serial(order.master) else []
    return bool(stages) and all(
        one.stage == Stage.PLANNED
        and one.current_design is not None
        and one.current_design.status == DesignStatus.REVIEWED
        for one in stages
    )


def _approve(doing: Doing) -> str:
    approved = approve_series(order_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"The series is approved: {len(approved)} stages are frozen."


def _signs(order: Order, values: Values, actor: Actor) -> dict[str, Any]:
    return series_content(order)


SERIES_ACTIONS = (
    Action(
        "approve-series", "order", "Approve the series", "Approve all stages of this series for my patient",
        "devices.approve_series", "writing-sign", _reviewed, _approve, meaning=Meaning.DESIGN_APPROVED, content=_signs,
        main=True,
    ),
)  # fmt: skip
