"""How long designs wait for a decision: who took how long, what waits now, and the daily reminder of what waits too long."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.events import DesignApproved, DesignGenerated, DesignRejected, DesignReviewed, DesignVoided
from devices.models import Design, Device
from devices.selectors.latency import latencies, open_waits, waits_of
from devices.selectors.waiting import OVERDUE
from devices.services.designs import review_design
from devices.services.reminding import remind_of_decisions
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit, publish
from mes.models import EventRecord
from mes.scope import viewer_of
from tests.devices.makers import (
    Staff,
    make_design,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
)

pytestmark = pytest.mark.django_db
EVER = datetime.min.replace(tzinfo=timezone.get_default_timezone(), year=2000)


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def device(staff: Staff) -> Device:
    """Its design awaits the second engineer."""
    made = make_planned(staff)
    make_study(made, staff)
    make_segmentation(made, staff)
    design = make_design(made, staff)
    tell(made, Actor.system("test"), DesignGenerated, design.pk)
    return made


def tell(device: Device, actor: Actor, kind: Any, design_id: int | None) -> None:
    kinds: dict[Any, dict[str, Any]] = {
        DesignGenerated: {"revision": 1, "mesh_sha256": "0" * 64, "measures": {}},
        DesignReviewed: {"signature_id": 1},
        DesignApproved: {"mesh_sha256": "0" * 64, "signature_id": 1},
        DesignVoided: {"mesh_sha256": None},
        DesignRejected: {},
    }
    with open_unit():
        publish(device, kind(device_id=device.pk, design_id=design_id, **kinds[kind]), actor=actor)


def test_each_decision_is_counted_for_who_made_it(device: Device, staff: Staff) -> None:
    second, prescriber, designer = (staff[role] for role in (Role.CLR, Role.PRE, Role.DSN))
    tell(device, second.actor, DesignReviewed, device.current_design_id)
    tell(device, prescriber.actor, DesignRejected, device.current_design_id)
    tell(device, designer.actor, DesignGenerated, 4711)
    tell(device, designer.actor, DesignVoided, 4711)
    tell(device, designer.actor, DesignGenerated, 4712)
    waits = waits_of(Device.objects.all(), since=EVER)
    assert [(wait.step, wait.person_id, wait.decision) for wait in waits] == [
        ("review", second.person.pk, "signed"),
        ("approval", prescriber.person.pk, "changes requested"),
        ("review", None, ""),
    ]
    rows = {(row.person, row.step): row for row in latencies(waits)}
    assert rows.keys() == {(str(second.person), "review"), (str(prescriber.person), "approval")}
    approval = rows[str(prescriber.person), "approval"]
    assert (approval.decided, approval.sent_back) == (1, 1)
    first = EventRecord.objects.get(type="devices.design_reviewed")
    last = EventRecord.objects.get(type="devices.design_rejected")
    assert approval.median_s == (last.recorded_at - first.recorded_at).total_seconds()
    assert waits_of(Device.objects.none(), since=EVER) == []


def test_what_waits_names_whom_it_waits_for(device: Device, staff: Staff) -> None:
    (waiting,) = open_waits(viewer_of(staff[Role.QAR].person))
    assert (waiting.device, waiting.step, waiting.overdue) == (device, "review", False)
    assert waiting.since == EventRecord.objects.get(type="devices.design_generated").recorded_at
    second = make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    (waiting,) = open_waits(viewer_of(staff[Role.QAR].person))
    assert (waiting.step, waiting.awaits) == ("approval", str(device.order.prescriber))


@pytest.mark.requirement("P11-10d")
def test_only_what_one_may_know_waits_on_ones_page(device: Device) -> None:
    stranger = make_person(Role.PRE)
    assert open_waits(viewer_of(stranger.person)) == []


def test_a_decision_is_reminded_of_once_it_is_overdue(device: Device, staff: Staff) -> None:
    now = timezone.now()
    assert remind_of_decisions(now=now + OVERDUE - timedelta(minutes=5)) == 0
    assert remind_of_decisions(now=now + OVERDUE + timedelta(days=1)) == 1
    told = EventRecord.objects.get(type="devices.decision_overdue")
    assert told.stream_id == str(device.pk)
    assert json.loads(told.payload) == {
        "device_id": device.pk,
        "design_id": device.current_design_id,
        "revision": 1,
        "days": 3,
    }


def test_what_was_decided_is_not_reminded_of(device: Device, staff: Staff) -> None:
    Design.objects.update(status="rejected")
    assert remind_of_decisions(now=timezone.now() + timedelta(days=9)) == 0
    assert not EventRecord.objects.filter(type="devices.decision_overdue").exists()


def test_the_page_says_who_took_how_long_to_those_who_may_read_it(device: Device, staff: Staff) -> None:
    second = make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    client = Client()
    client.force_login(staff[Role.QAR].person.accounts.get())
    page = client.get("/decisions/").content.decode()
    assert device.code in page
    assert str(second.person) in page
    told = client.get("/api/decisions/").json()
    assert told["waiting"][0]["device"] == device.code
    assert told["decided"][0]["person"] == str(second.person)
    client.force_login(staff[Role.OPR].person.accounts.get())
    assert client.get("/decisions/").status_code == 403
    assert client.get("/api/decisions/").status_code == 403
