"""The audit trail."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mes.choices import Role
from mes.dashboard import audit
from mes.eventlog.subscriptions import SlotDue
from mes.eventlog.unit import open_unit, publish
from mes.models import EventRecord, PatientIdentity, Person, Schedule, Signature
from mes.services.looking import note_search
from tests.devices.makers import Staff, make_planned
from tests.mes.dashboard.conftest import Visit
from tests.mes.events import Happened
from tests.mes.makers import SYSTEM


@pytest.fixture
def auditor(staff: Staff, as_: Visit) -> Client:
    return as_(staff[Role.AUD])


def positions(page: str) -> list[int]:
    return [int(part.split("<")[0]) for part in page.split('<td class="n muted">')[1:]]


@pytest.mark.requirement("P11-10e")
def test_filters_narrow_by_record_person_action_and_day(staff: Staff, auditor: Client) -> None:
    device = make_planned(staff)
    prescriber = staff[Role.PRE].person
    account, grant = prescriber.accounts.get().pk, prescriber.role_grants.get().pk
    signed = Signature.objects.filter(subject_type="devices.order").earliest("pk")
    for query, wanted in (
        (f"record={device.code}", {"stream_type": "devices.device"}),
        (f"record={device.order.patient.token.lower()}", {"stream_type": "mes.patient"}),
        (f"record=person/{prescriber.pk}", {"stream_type": "mes.person", "stream_id": str(prescriber.pk)}),
        (f"record=account {account}", {"stream_type": "mes.account", "stream_id": str(account)}),
        (f"record=mes.role_grant/{grant}", {"stream_type": "mes.role_grant", "stream_id": str(grant)}),
        (f"record=signature/{signed.pk}", {"stream_type": "devices.order", "stream_id": signed.subject_id}),
        (f"person={prescriber.pk}", {"actor": f"person:{prescriber.pk}"}),
        ("action=devices.order_submitted", {"type": "devices.order_submitted"}),
        ("until=2000-01-01", {"pos": 0}),
    ):
        shown = positions(auditor.get(f"/audit-trail/?{query}").content.decode())
        rows = EventRecord.objects.filter(**wanted).order_by("-pos").values_list("pos", flat=True)
        assert shown == list(rows[: audit.PER_PAGE]), query


def test_what_the_clock_does_is_left_out_until_asked_for(auditor: Client) -> None:
    schedule = Schedule.objects.create(job="test job")
    with open_unit():
        publish(schedule, SlotDue(job="test job", due_at="2026-11-22T00:00:00Z"), actor=SYSTEM)
    tick = EventRecord.objects.get(type=SlotDue.name).pos
    for query, shown in (("", False), ("ticks=on", True), (f"action={SlotDue.name}", True)):
        page = auditor.get(f"/audit-trail/?{query}").content.decode()
        assert (tick in positions(page)) is shown, query


def test_pages_neither_skip_nor_repeat(
    staff: Staff, auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_planned(staff)
    every = list(EventRecord.objects.order_by("-pos").values_list("pos", flat=True))
    monkeypatch.setattr(audit, "PER_PAGE", len(every) // 4)
    seen: list[int] = []
    while len(seen) < len(every):
        query = f"?before={seen[-1]}" if seen else ""
        seen += positions(auditor.get(f"/audit-trail/{query}").content.decode())
    assert seen == every


def test_words_that_cannot_be_read_are_named(auditor: Client) -> None:
    page = auditor.get("/audit-trail/?record=banana&since=yesterday&person=abc&action=x").content.decode()
    for fault in ("“abc” is no number of a person", "“x” is no action", "No event matches"):
        assert fault in page
    assert "is no code such as D0000001" in page
    assert "is no date such as" in page


@pytest.mark.requirement("P11-10d")
def test_the_sheet_tells_the_payload(staff: Staff, auditor: Client, as_: Visit) -> None:
    """And who took it, to those who know every order: its name tells of one."""
    device = make_planned(staff)
    answer = auditor.get(f"/audit-trail/?record={device.code}&as=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert [row["action"] for row in rows] == ["devices.device_planned"]
    assert device.serial in rows[0]["payload"]
    copy = json.loads(EventRecord.objects.get(type="mes.copy_taken").payload)
    assert (copy["file"], copy["asked"]) == ("audit-trail.csv", {"record": device.code})
    note_search(patient=device.order.patient, actor=staff[Role.ORD].actor)
    for kind in ("copy_taken", "patient_looked_up"):
        asked = f"/audit-trail/?action=mes.{kind}"
        told = [len(positions(as_(staff[role]).get(asked).content.decode())) for role in (Role.AUD, Role.SEC)]
        assert told == [1, 0], kind


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_the_ends_of_the_calendar_are_no_days_of_a_record(auditor: Client, name: str, day: str) -> None:
    assert auditor.get(f"/audit-trail/?{name}={day}").status_code == 200
    sheet: Any = auditor.get(f"/audit-trail/?{name}={day}&as=csv")
    assert b"position" in b"".join(sheet.streaming_content)
    assert "is no date such as" in auditor.get(f"/audit-trail/?{name}={day}").content.decode()


@pytest.mark.requirement("P11-10e")
def test_every_page_of_a_long_trail_costs_the_same_queries(
    staff: Staff, auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_planned(staff)
    auditor.get("/audit-trail/")
    counts = []
    for size in (1, 5, 20):
        monkeypatch.setattr(audit, "PER_PAGE", size)
        with CaptureQueriesContext(connection) as queries:
            auditor.get("/audit-trail/")
        counts.append(len(queries))
    assert counts[1] == counts[2]
    assert counts[0] <= counts[1]


@pytest.mark.requirement("P11-10e")
def test_old_and_new_values_stand_in_the_sheet(staff: Staff, auditor: Client) -> None:
    person = staff[Role.PRE].person
    with open_unit():
        Person.objects.filter(pk=person.pk).update(credentials="DDS, PhD")
        publish(person, Happened(), actor=SYSTEM)
    answer = auditor.get("/audit-trail/?action=test.happened&as=csv")
    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))  # type: ignore[attr-defined]
    assert f"person {person.pk}: credentials: {person.credentials} → DDS, PhD" in row["changes"]


@pytest.mark.requirement("K-13")
def test_no_identity_of_a_patient_is_shown_with_the_changes(staff: Staff, auditor: Client) -> None:
    make_planned(staff)
    identity = PatientIdentity.objects.get()
    html = auditor.get("/audit-trail/?action=mes.patient_registered").content.decode()
    assert "patient identity" in html
    assert identity.patient_id_index not in html
    assert hashlib.sha256(identity.patient_id_index.encode()).hexdigest() not in html
