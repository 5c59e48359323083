"""The clock: each slot once, however many tickers run."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connections

from mes.eventlog import schedules
from mes.eventlog.base import Recorded
from mes.eventlog.subscriptions import JOBS, SlotDue, every, forget_handler
from mes.models import EventRecord, Slot
from tests.patience import PATIENCE_S

JOB = "test.job"
HOUR = timedelta(hours=1)


@pytest.fixture
def job() -> Iterator[list[str]]:
    """A job of one hour; gives the slots that its handler saw."""
    seen: list[str] = []

    def note(due: Recorded[SlotDue]) -> None:
        seen.append(due.event.due_at)

    every(HOUR, id=JOB)(note)
    yield seen
    forget_handler(JOB)
    del JOBS._things[JOB]


def test_several_tickers_take_a_slot_once(
    committed_db: None, job: list[str], drain: Callable[[], int]
) -> None:
    together = threading.Barrier(6, timeout=PATIENCE_S)
    taken: list[int] = []

    def tick() -> None:
        together.wait()
        taken.append(sum(schedules.tick() for _ in range(3)))
        connections.close_all()

    threads = [threading.Thread(target=tick) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(taken) == 6
    # A slot of another job may come due meanwhile.
    assert sum(taken) == Slot.objects.count() >= len(JOBS)
    assert Slot.objects.filter(job=JOB).count() == 1
    drain()
    assert len(job) == 1


@pytest.mark.django_db
def test_the_latest_slot_runs_once_and_missed_ones_are_not_made_up(
    job: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = schedules.EPOCH + timedelta(days=1000, minutes=59)
    for later, expected in ((timedelta(0), 1), (timedelta(0), 0), (timedelta(minutes=1), 1), (5 * HOUR, 1)):
        monkeypatch.setattr("django.utils.timezone.now", lambda later=later: start + later)
        before = Slot.objects.filter(job=JOB).count()
        schedules.tick()
        assert Slot.objects.filter(job=JOB).count() - before == expected
    events = EventRecord.objects.filter(stream_type="mes.schedule", stream_id=JOB)
    assert events.count() == 3


def test_every_ticker_agrees_on_the_slots() -> None:
    moment = schedules.EPOCH + timedelta(days=3, seconds=59.9)
    minute = timedelta(minutes=1)
    assert schedules.slot_of(minute, moment) == schedules.EPOCH + timedelta(days=3)
    assert schedules.slot_of(minute, moment + timedelta(seconds=0.1)) == schedules.EPOCH + timedelta(
        days=3, minutes=1
    )
