"""The clock: each job's due times are slots in a table, taken once however many tickers run."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from mes.eventlog.base import Actor, plain
from mes.eventlog.subscriptions import JOBS, SlotDue
from mes.eventlog.unit import publish, unit_of_work
from mes.models import Schedule, Slot

log = logging.getLogger(__name__)

CLOCK = Actor.system("tick")
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def slot_of(period: timedelta, moment: datetime) -> datetime:
    """The due time that `moment` belongs to: whole periods since a fixed epoch, so every ticker agrees."""
    return EPOCH + period * int((moment - EPOCH) / period)


@unit_of_work
def take_slot(*, job: str, due_at: datetime) -> bool:
    """Take a job's slot and say that it is due. False where another ticker has it."""
    _, fresh = Slot.objects.get_or_create(job=job, due_at=due_at)
    if not fresh:
        return False
    schedule, _ = Schedule.objects.get_or_create(job=job)
    publish(schedule, SlotDue(job=job, due_at=plain(due_at)), actor=CLOCK)
    return True


def tick() -> int:
    """Take every slot that is due now. Missed slots are not made up for: each job's latest slot runs once."""
    now = timezone.now()
    due = {job: slot_of(period, now) for job, period in JOBS.items()}
    taken = set(Slot.objects.filter(due_at__in=due.values()).values_list("job", "due_at"))
    return sum(take_slot(job=job, due_at=slot) for job, slot in due.items() if (job, slot) not in taken)


def run(stop: threading.Event, period_s: float = 1.0) -> None:
    """Tick until told to stop. A lost database is waited for."""
    while not stop.is_set():
        try:
            tick()
        except (OperationalError, InterfaceError) as failure:
            log.warning("the clock waits: %s", type(failure).__name__)
            close_old_connections()
        stop.wait(period_s)
