"""Facts about what an operator did with a stuck delivery."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class DeliveryRetried(Event, name="mes.delivery_retried", terminal=True):
    """An operator sent a given-up delivery again."""

    delivery_id: int
    handler: str
    event_uid: str


@dataclass(frozen=True, kw_only=True)
class DeliverySkipped(Event, name="mes.delivery_skipped", terminal=True):
    """An operator passed over a given-up delivery: its effect will not happen. The reason stands in the event."""

    delivery_id: int
    handler: str
    event_uid: str


@dataclass(frozen=True, kw_only=True)
class DeliveryReplayed(Event, name="mes.delivery_replayed", terminal=True):
    """An operator had a handler react once more to an event it had reacted to already."""

    delivery_id: int
    handler: str
    event_uid: str
    run: int
