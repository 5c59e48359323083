"""Orders, and who works on them."""

from __future__ import annotations

from dataclasses import dataclass

from devices.events.shapes import Gates
from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class OrderCreated(Event, name="devices.order_created", terminal=True):
    """An order was written down, not yet prescribed."""

    order_id: int
    patient_id: int
    master_id: int
    side: str
    need_by: str


@dataclass(frozen=True, kw_only=True)
class OrderSubmitted(Event, name="devices.order_submitted", terminal=True):
    """The prescriber signed the prescription."""

    order_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class OrderReviewStarted(Event, name="devices.order_review_started", terminal=True):
    """The contract review began."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderInfoRequested(Event, name="devices.order_info_requested", terminal=True):
    """Something is missing; the review waits. The event's reason says what."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderInfoSupplied(Event, name="devices.order_info_supplied", terminal=True):
    """What was missing has been given; the review goes on."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderApproved(Event, name="devices.order_approved", terminal=True):
    """One of the two approvals that an order needs."""

    order_id: int
    role: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class OrderAccepted(Event, name="devices.order_accepted", terminal=True):
    """Both approvals stand and every gate passed: the devices are planned."""

    order_id: int
    device_ids: list[int]
    gates: Gates


@dataclass(frozen=True, kw_only=True)
class OrderRejected(Event, name="devices.order_rejected"):
    """The order will not be made. The event's reason says why."""

    order_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class OrderClosed(Event, name="devices.order_closed"):
    """Nothing is left to do about a delivered order: its time of retention runs."""

    order_id: int


@dataclass(frozen=True, kw_only=True)
class OrderStageChanged(Event, name="devices.order_stage_changed", terminal=True):
    """The order followed its devices."""

    order_id: int
    transition: str
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class PersonAssigned(Event, name="devices.person_assigned", terminal=True):
    """A person may know an order from now on, and works on it in a role."""

    order_id: int
    person_id: int
    role: str


@dataclass(frozen=True, kw_only=True)
class AssignmentEnded(Event, name="devices.assignment_ended", terminal=True):
    """A person no longer works on an order in a role."""

    order_id: int
    person_id: int
    role: str
