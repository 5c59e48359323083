"""Clinical plans."""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.shapes import Gates
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class PlanDrafted(Event, name="devices.plan_drafted", terminal=True):
    """A revision of the clinical plan was written and waits for the reader that it names."""

    device_id: int
    plan_id: int
    revision: int
    kind: str
    reader_id: int


@dataclass(frozen=True, kw_only=True)
class PlanApproved(Event, name="devices.plan_approved", terminal=True):
    """The named reader counted the same level and signed the plan."""

    device_id: int
    plan_id: int
    signature_id: int
    counted: str
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class PlanRejected(Event, name="devices.plan_rejected", terminal=True):
    """The plan may not be used. The event's reason says why."""

    device_id: int
    plan_id: int
