"""What the kernel does by itself."""

from __future__ import annotations

from datetime import timedelta

from mes.eventlog.base import Recorded
from mes.eventlog.subscriptions import SlotDue, every
from mes.services.emergency import end_expired_accesses


@every(timedelta(minutes=1), id="mes.end_emergencies")
def end_emergencies(_: Recorded[SlotDue]) -> None:
    """Close the accesses in an emergency whose time is up, so that their review begins."""
    end_expired_accesses()
