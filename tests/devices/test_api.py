"""The same story over HTTP: shapes, refusals with every reason, and files that leave as attachments."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device, Order, Study
from mes.choices import Role
from mes.services.artefacts import artefact_path
from tests.devices.makers import (
    GUIDE_VALUES,
    IDENTITY,
    PASSWORD,
    TRAINING,
    Staff,
    Who,
    freeze_design_of,
    make_device,
    make_master,
    make_order,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
    make_upload,
)
from tests.flows.clients import read_first

pytestmark = pytest.mark.django_db
Drain = Callable[[], int]


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


class Client:
    """One person at the API."""

    def __init__(self, who: Who) -> None:
        self.who = who
        self.http = APIClient()
        self.http.force_authenticate(who.person.accounts.get())

    def get(self, path: str, expected: int = 200) -> Any:
        return self._answered(self.http.get(f"/api/{path}"), expected)

    def post(self, path: str, body: Any = None, expected: int = 200) -> Any:
        return self._answered(self.http.post(f"/api/{path}", body or {}, format="json"), expected)

    def sign(self, path: str, body: Any = None, expected: int = 200) -> Any:
        typed = {"username": self.who.username, "password": PASSWORD}
        answer = read_first(
            lambda sent: self.http.post(f"/api/{path}", sent, format="json"), typed | (body or {})
        )
        return self._answered(answer, expected)

    def send(self, path: str, body: Any, expected: int) -> Any:
        return self._answered(self.http.post(f"/api/{path}", body, format="multipart"), expected)

    @staticmethod
    def _answered(answer: Any, expected: int) -> Any:
        assert answer.status_code == expected, answer.content
        return answer.json() if answer["Content-Type"].startswith("application/json") else answer


class People:
    """A client for each role."""

    def __init__(self) -> None:
        self.staff = Staff()

    def __getitem__(self, role: Role) -> Client:
        return Client(self.staff[role])


ORDER: dict[str, Any] = {
    "master_code": TRAINING,
    "side": "right",
    "need_by": (timezone.now().date() + timedelta(days=30)).isoformat(),
    "characteristics": [{"attribute": "drill depth", "value": "12", "unit": "mm"}],
}


def test_the_story_from_patient_to_frozen_design(drain: Drain, tmp_path: Path) -> None:
    make_master()
    people = People()
    coordinator, prescriber = people[Role.ORD], people[Role.PRE]
    identity = {
        "patient_id": IDENTITY.patient_id,
        "family_name": IDENTITY.family_name,
        "given_name": IDENTITY.given_name,
        "birth_date": IDENTITY.birth_date,
    }
    token = coordinator.post("patients/", identity, 201)["token"]
    wanted = ORDER | {"patient": token, "prescriber_id": prescriber.who.person.pk}
    order = coordinator.post("orders/", wanted, 201)["code"]
    shown = prescriber.get(f"orders/{order}/to-sign/submit/")
    assert shown["content"]["patient"] == token
    assert prescriber.sign(f"orders/{order}/submit/", {"digest": shown["digest"]})["stage"] == "submitted"
    coordinator.post(f"orders/{order}/start-review/")
    coordinator.sign(f"orders/{order}/approve/", None, 403)
    Client(make_person(Role.ORD)).sign(f"orders/{order}/approve/")
    assert people[Role.RA].sign(f"orders/{order}/approve/")["stage"] == "accepted"

    device = coordinator.get("devices/?phase=imaging")["results"][0]["code"]
    files = [
        SimpleUploadedFile("Mustermann.dcm", path.read_bytes())
        for path in make_upload(tmp_path / "up").iterdir()
    ]
    people[Role.IMG].send(f"devices/{device}/studies/", {"files": files}, 202)
    drain()
    detail = coordinator.get(f"devices/{device}/")
    assert (detail["study"]["status"], detail["waits_for"]) == ("accepted", "A clinical reviewer")
    clinician = people[Role.CLR]
    clinician.sign(f"devices/{device}/approve-segmentation/", expected=404)
    assigned = {"person_id": clinician.who.person.pk, "role": "CLR"}
    coordinator.post(f"orders/{order}/assign/", assigned, 201)
    clinician.sign(f"devices/{device}/approve-segmentation/")
    people[Role.DSN].post(f"devices/{device}/request-design/", {"values": GUIDE_VALUES}, 202)
    drain()
    second = Client(make_person(Role.DSN))
    assert second.sign(f"devices/{device}/review-design/")["status"] == "reviewed"
    digest = prescriber.get(f"devices/{device}/to-sign/approve-design/")["digest"]
    assert prescriber.sign(f"devices/{device}/approve-design/", {"digest": digest})["status"] == "approved"

    detail = coordinator.get(f"devices/{device}/")
    assert detail["stage"] == "design_frozen"
    assert [step["state"] for step in detail["line"]][:6] == ["done"] * 4 + ["current", "ahead"]
    assert coordinator.get(f"devices/{device}/check/queue/")["passed"]
    answer = coordinator.get(f"devices/{device}/artefacts/{detail['design']['mesh_id']}/")
    assert answer["Content-Disposition"] == f'attachment; filename="{device}-design-1.stl"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content)[:6] == b"Lamina"
    said = json.dumps(coordinator.get(f"devices/{device}/events/"))
    assert "devices.design_approved" in said
    assert IDENTITY.family_name not in said


def test_refusals_carry_every_reason() -> None:
    people = People()
    order = make_order(people.staff, characteristics=[])
    answer = people[Role.PRE].sign(f"orders/{order.code}/submit/", expected=409)
    assert answer["code"] == "transition_refused"
    assert [reason["rule"] for reason in answer["reasons"]] == ["G-ORD-02"]
    assert answer["reasons"][0]["cure"]
    complete = make_order(people.staff)
    wrong = people[Role.PRE].sign(f"orders/{complete.code}/submit/", {"password": "wrong"}, 403)
    assert wrong["code"] == "signature_refused"
    forbidden = people[Role.OPR].sign(f"orders/{order.code}/submit/", expected=403)
    assert forbidden["code"] == "not_permitted"
    assert set(Order.objects.values_list("stage", flat=True)) == {"draft"}


@pytest.mark.parametrize(
    "change",
    [
        {"side": "upwards"},
        {"need_by": "soon"},
        {"quantity": 0},
        {"characteristics": "none"},
        {"prescriber_id": "x"},
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(change: dict[str, Any]) -> None:
    coordinator = People()[Role.ORD]
    body = ORDER | {"patient": "P123456789", "prescriber_id": 1} | change
    assert coordinator.post("orders/", body, 400)
    assert not Order.objects.exists()


def test_an_unknown_patient_is_refused_in_words() -> None:
    coordinator = People()[Role.ORD]
    answer = coordinator.post("orders/", ORDER | {"patient": "P999", "prescriber_id": 1}, 422)
    assert answer["reasons"][0]["text"] == "There is no such patient."


def test_upload_of_nothing_and_of_something_empty() -> None:
    people = People()
    device, imaging = make_planned(people.staff), people[Role.IMG]
    assert imaging.send(f"devices/{device.code}/studies/", {}, 422)["reasons"][0]["rule"] == "G-IMG-01"
    assert imaging.send(
        f"devices/{device.code}/studies/", {"files": [SimpleUploadedFile("../../x", b"")]}, 400
    )
    assert not Study.objects.exists()


def test_codes_that_name_nothing_are_not_found() -> None:
    make_planned()
    client = People()[Role.ORD]
    client.get("devices/D9999999/", 404)
    client.get("devices/O0000001/", 404)
    client.get("orders/O9999999/", 404)
    client.get("devices/D000000000000000000000001/", 404)


def test_only_files_of_the_device_leave_and_not_to_administrators() -> None:
    people = People()
    mine, other = make_planned(people.staff), make_planned(people.staff)
    freeze_design_of(mine, people.staff)
    mesh = mine.current_design.mesh_id if mine.current_design else ""
    assert b"".join(people[Role.DSN].get(f"devices/{mine.code}/artefacts/{mesh}/").streaming_content)
    people[Role.DSN].get(f"devices/{other.code}/artefacts/{mesh}/", 404)
    people[Role.SYS].get(f"devices/{mine.code}/artefacts/{mesh}/", 404)


def test_the_history_of_a_device_is_not_for_administrators() -> None:
    people = People()
    device = make_planned(people.staff)
    assert people[Role.AUD].get(f"devices/{device.code}/events/")
    for role in (Role.SYS, Role.SEC):
        people[role].get(f"devices/{device.code}/events/", 403)


@pytest.mark.requirement("G-INT-01")
def test_an_altered_file_does_not_leave() -> None:
    people = People()
    device = make_planned(people.staff)
    freeze_design_of(device, people.staff)
    assert device.current_design is not None
    mesh = str(device.current_design.mesh_id)
    stored = artefact_path(mesh)
    stored.unlink()
    refused = people[Role.DSN].get(f"devices/{device.code}/artefacts/{mesh}/", 409)
    assert refused["reasons"][0]["rule"] == "G-INT-01"
    stored.write_bytes(b"another mesh")
    people[Role.DSN].get(f"devices/{device.code}/artefacts/{mesh}/", 409)


def test_reasons_are_asked_for_and_kept() -> None:
    people = People()
    device, reviewer = make_planned(people.staff), people[Role.QAR]
    reviewer.post(f"devices/{device.code}/hold/", {"reason": ""}, 400)
    assert reviewer.post(f"devices/{device.code}/hold/", {"reason": "recall"})["hold_reason"] == "recall"
    assert not reviewer.post(f"devices/{device.code}/resume/", {"reason": "over"})["held"]
    blocked = reviewer.get(f"devices/{device.code}/check/freeze_design/")
    assert not blocked["passed"]
    assert {"G-SEG-01", "G-IMG-01", "G-DES-01"} <= {
        one["gate"] for one in blocked["gates"] if one["outcome"] == "block"
    }
    assert reviewer.get(f"devices/{device.code}/check/dance/", 422)
    assert reviewer.get(f"devices/{device.code}/to-sign/approve-design/", 422)


def test_nobody_reads_without_signing_in() -> None:
    assert APIClient().get("/api/devices/").status_code in (401, 403)


def test_masters_and_materials_are_drafted_and_published_by_two_people() -> None:
    author, approver = Client(make_person(Role.DSN, Role.MAT)), Client(make_person(Role.QAR))
    material = author.post("materials/draft/", {"code": "resin-guide-01"}, 201)["id"]
    approver.sign(f"materials/{material}/approve/")
    master = author.post("masters/draft/", {"code": TRAINING}, 201)["id"]
    assert approver.sign(f"masters/{master}/publish/")["status"] == "effective"
    assert approver.get("masters/?status=effective")["count"] == 1
    assert approver.get("materials/")["count"] == 1
    approver.get("studies/")


def test_a_list_asks_the_database_as_often_for_many_as_for_few() -> None:
    people = People()
    client = people[Role.ORD]
    devices = [make_planned(people.staff) for _ in range(4)]

    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        return len(queries)

    lists = ("devices/", "orders/", "masters/", "studies/")
    for device in devices[:1]:
        make_study(device, people.staff)
        make_segmentation(device, people.staff)
    few = {path: asked(path) for path in lists}
    for device in devices[1:]:
        make_study(device, people.staff)
        make_segmentation(device, people.staff)
    make_device("planned", people.staff)
    assert {path: asked(path) for path in lists} == few
    assert Device.objects.count() == 5
