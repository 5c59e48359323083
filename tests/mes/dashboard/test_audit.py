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

from devices.services.assignments import assign_person
from mes.choices import Role
from mes.dashboard import audit
from mes.eventlog.subscriptions import SlotDue
from mes.eventlog.unit import open_unit, publish
from mes.models import (
    EventRecord,
    PatientIdentity,
    Person,
    ReportingLine,
    Schedule,
    Signature,
    VaultRotation,
)
from mes.scope import BELONGINGS, Viewer
from mes.services.looking import note_search
from mes.tables import ROOTS
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


def _sheet(client: Client, query: str = "") -> list[dict[str, str]]:
    answer: Any = client.get(f"/audit-trail/?as=csv{query}")
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.mark.requirement("P11-10d")
@pytest.mark.requirement("P11-10e")
def test_an_auditor_of_another_company_reads_what_became_of_their_order_and_of_themselves(
    staff: Staff, auditor: Client
) -> None:
    """And of nobody else, of no key, backup or session, on the page and in the sheet alike; who acted is named."""
    order, outsider = make_planned(staff).order, staff[Role.AUD].person
    assign_person(order_id=order.pk, person_id=outsider.pk, role=Role.AUD, actor=staff[Role.ORD].actor)
    Person.objects.filter(pk=outsider.pk).update(external=True)
    with open_unit():
        turned = VaultRotation.objects.create(purpose="wrap", new_key_id="0" * 8)
        publish(turned, Happened(), actor=SYSTEM)
        line = ReportingLine.objects.create(person=staff[Role.ORD].person, manager=staff[Role.SEC].person)
        publish(line, Happened(), actor=SYSTEM)
    rows = _sheet(auditor, "&ticks=on")
    (written,) = [row for row in rows if row["action"] == "devices.order_submitted"]
    assert written["name"] == staff[Role.PRE].person.full_name
    events = EventRecord.objects.filter(pos__in=[row["position"] for row in rows])
    streams = set(events.values_list("stream_type", "stream_id").distinct())
    assert ("devices.order", str(order.pk)) in streams
    assert not {"devices.master", "devices.material"} & {kind for kind, _ in streams}, (
        "who wrote and approved it"
    )
    assert {stream for stream in streams if stream[0].startswith("mes.")} == {
        ("mes.person", str(outsider.pk)),
        *(("mes.account", str(key)) for key in outsider.accounts.values_list("pk", flat=True)),
        *(("mes.role_grant", str(key)) for key in outsider.role_grants.values_list("pk", flat=True)),
    }
    assert positions(auditor.get("/audit-trail/?ticks=on").content.decode()) == [
        int(row["position"]) for row in rows[: audit.PER_PAGE]
    ]
    assert (
        positions(auditor.get(f"/audit-trail/?record=person/{staff[Role.SEC].person.pk}").content.decode())
        == []
    )
    assert auditor.get("/safekeeping/").status_code == 403


@pytest.mark.requirement("P11-10d")
def test_what_people_of_other_companies_read_in_whole_is_listed_here() -> None:
    """What belongs to everybody is this company's until it is declared otherwise."""
    outside = Viewer(1, frozenset(Role), external=True)
    by_table = {table.name: root for root, table in ROOTS.items()}
    assert {by_table[name] for name, one in BELONGINGS.items() if one.is_open_to(outside) and name in by_table} == {
        "mes.document", "mes.document_revision", "mes.curriculum", "devices.master", "devices.material",
    }  # fmt: skip
    inside = Viewer(1, frozenset())
    assert {"mes_person", "mes_vault_rotation"} < {
        name for name, one in BELONGINGS.items() if one.is_open_to(inside)
    }
