"""How long designs wait for the people who decide on them, from the record's own events. Nothing here writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from devices.models import Device
from devices.selectors.waiting import OVERDUE, devices_awaiting_approval, devices_awaiting_design_review
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.models import EventRecord, Person
from mes.scope import Viewer, visible

REVIEW, APPROVAL = "review", "approval"
BEGINS = {"devices.design_generated": REVIEW, "devices.design_reviewed": APPROVAL}
"""What a design waits for after each event."""
DECIDED = {
    "devices.design_reviewed": "signed",
    "devices.design_approved": "signed",
    "devices.design_rejected": "changes requested",
}
TOLD = (*BEGINS, "devices.design_approved", "devices.design_rejected", "devices.design_voided")
PERIOD = timedelta(days=180)


@dataclass(frozen=True)
class Wait:
    """One design in one step: since when it waits, and by whom and when it was decided, None while it is open.

    A design that was voided before anybody decided is no wait of anybody.
    """

    device_id: int
    step: str
    since: datetime
    decided_at: datetime | None = None
    person_id: int | None = None
    decision: str = ""

    @property
    def lasted_s(self) -> float:
        return ((self.decided_at or timezone.now()) - self.since).total_seconds()


@dataclass(frozen=True)
class Latency:
    """What one person decided at one step."""

    person: str
    step: str
    decided: int
    sent_back: int
    median_s: float
    longest_s: float


def waits_of(devices: QuerySet[Device], *, since: datetime) -> list[Wait]:
    """Every wait of these devices of which something was told since then."""
    streams = devices.order_by().annotate(stream=Cast("pk", CharField())).values("stream")
    told = EventRecord.objects.filter(
        stream_type="devices.device", stream_id__in=streams, type__in=TOLD, recorded_at__gte=since
    ).order_by("stream_id", "version")
    designs: dict[int, list[EventRecord]] = defaultdict(list)
    for record in told:
        designs[json.loads(record.payload)["design_id"]].append(record)
    return [wait for records in designs.values() for wait in _waits(records)]


def _waits(records: Iterable[EventRecord]) -> Iterator[Wait]:
    """Of one design, oldest first."""
    began: EventRecord | None = None
    for record in records:
        if began is not None and record.type in DECIDED:
            person = Actor.parse(record.actor).person_id
            yield Wait(
                int(record.stream_id), BEGINS[began.type], began.recorded_at, record.recorded_at, person, DECIDED[record.type]
            )  # fmt: skip
        began = record if record.type in BEGINS else None
    if began is not None:
        yield Wait(int(began.stream_id), BEGINS[began.type], began.recorded_at)


def latencies(waits: Iterable[Wait]) -> list[Latency]:
    """A row for each person and step, the slowest first."""
    found: dict[tuple[int, str], list[Wait]] = defaultdict(list)
    for wait in waits:
        if wait.person_id is not None:
            found[wait.person_id, wait.step].append(wait)
    names = {person.pk: str(person) for person in Person.objects.filter(pk__in={key for key, _ in found})}
    rows = [_row(names[person], step, decided) for (person, step), decided in found.items()]
    return sorted(rows, key=lambda row: (-row.median_s, row.person, row.step))


def _row(person: str, step: str, decided: list[Wait]) -> Latency:
    lasted = [wait.lasted_s for wait in decided]
    sent_back = sum(wait.decision == DECIDED["devices.design_rejected"] for wait in decided)
    return Latency(person, step, len(decided), sent_back, median(lasted), max(lasted))


@dataclass(frozen=True)
class OpenWait:
    """A design that waits now. awaits: the prescriber by name, else the role that decides."""

    device: Device
    step: str
    awaits: str
    since: datetime | None
    overdue: bool


def open_waits(viewer: Viewer) -> list[OpenWait]:
    """What the viewer may know of the designs that wait, the longest first."""
    waiting = ((REVIEW, devices_awaiting_design_review()), (APPROVAL, devices_awaiting_approval()))
    rows = [_open(step, device) for step, found in waiting for device in visible(found, viewer)]
    return sorted(rows, key=lambda row: (row.since is None, row.since))


def _open(step: str, device: Any) -> OpenWait:
    by_name = step == APPROVAL and device.master.approver == Role.PRE
    role = device.master.reviewer.label if step == REVIEW else device.master.approver.label
    since: datetime | None = device.waits_since
    overdue = since is not None and since < timezone.now() - OVERDUE
    return OpenWait(device, step, str(device.order.prescriber) if by_name else str(role), since, overdue)


def decided_waits(viewer: Viewer) -> list[Latency]:
    """How long each person took, over the designs of the last `PERIOD` that the viewer may know."""
    return latencies(waits_of(visible(Device.objects.all(), viewer), since=timezone.now() - PERIOD))
