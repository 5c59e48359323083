"""Quality over HTTP: the story from the built device to the downloaded record, and every refusal as it is answered."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from devices.choices import Stage
from devices.models import Device
from mes.choices import Role
from mes.exceptions import NotKnown, Reason
from mes.models import EventRecord, Person
from quality.api.devices import not_written
from quality.models import Inspection, Nonconformance, PostProcessStep, ReleaseDecision
from quality.services.measurement import record_refusal
from quality.services.postprocessing import start_post_processing
from quality.services.release import complete_record
from quality.services.reports import record_report
from tests.flows.clients import read_first
from tests.quality.makers import (
    CANARY,
    CURE,
    PASSWORD,
    WASH,
    Staff,
    make_built_device,
    make_measured,
    make_picture,
    the_gauge,
)


class Browser:
    """One person at the API."""

    def __init__(self, person: Person) -> None:
        self.account = person.accounts.get()
        self.http = APIClient()
        self.http.force_authenticate(self.account)

    def get(self, path: str, expected: int = 200) -> Any:
        return self._said(self.http.get(f"/api/{path}"), expected)

    def sign(self, path: str, expected: int = 200, **body: Any) -> Any:
        typed = {"username": self.account.username, "password": PASSWORD} | body
        answer = read_first(lambda sent: self.http.post(f"/api/{path}", sent, format="json"), typed)
        return self._said(answer, expected)

    def send(self, path: str, content: bytes, name: str, expected: int) -> Any:
        body = {"scan": SimpleUploadedFile(name, content), "gauge": the_gauge().code}
        return self._said(self.http.post(f"/api/{path}", body, format="multipart"), expected)

    @staticmethod
    def _said(answer: Any, expected: int) -> Any:
        assert answer.status_code == expected, answer.content
        return answer.json() if answer["Content-Type"].startswith("application/json") else answer


@pytest.fixture
def device(staff: Staff) -> Device:
    made = make_built_device(staff)
    start_post_processing(device_id=made.pk)
    made.refresh_from_db()
    return made


def test_the_story_is_told_over_http(staff: Staff, device: Device) -> None:
    code = device.code
    technician, inspector = Browser(staff[Role.PST]), Browser(staff[Role.INS])
    wash = technician.sign(
        f"devices/{code}/post-process-steps/", 201, step="wash", values=WASH, equipment="W1"
    )
    assert (wash["in_limits"], wash["equipment"]) == (True, "W1")
    technician.sign(f"devices/{code}/post-process-steps/", 201, step="cure", values=CURE)
    assert len(technician.get(f"devices/{code}/post-process-steps/")) == 2

    received = inspector.send(f"devices/{code}/scans/", b"solid x facet", f"{CANARY}.stl", 202)
    assert (received["number"], received["status"]) == (1, "received")
    # It says nothing about the part; the next one does.
    reasons = (Reason("No surface.", "Scan again.", "G-INS-01"),)
    record_refusal(inspection_id=Inspection.objects.get().pk, reasons=reasons)
    device.refresh_from_db()
    measured = make_measured(staff, device)
    passed = inspector.sign(f"inspections/{measured.pk}/sign/")
    assert (passed["status"], passed["measurement"]["passed"]) == ("passed", True)

    assert complete_record(device_id=device.pk)
    reviewed = Browser(staff[Role.QAR]).sign(f"devices/{code}/review-record/", findings="none")
    assert reviewed["stage"] == "reviewed"
    releaser = Browser(staff[Role.QAX])
    checklist = releaser.get(f"devices/{code}/release/")
    assert checklist["ready"]
    assert {gate["outcome"] for gate in checklist["gates"]} == {"pass", "n/a"}
    assert releaser.sign(f"devices/{code}/release/", digest=checklist["digest"])["stage"] == "released"
    decision = ReleaseDecision.objects.get()
    assert decision.record_id == checklist["record_sha256"]


def test_the_record_is_downloaded_as_it_was_written(staff: Staff, device: Device) -> None:
    reader = Browser(staff[Role.QAR])
    for stage, said in (("built", "no production record yet"), ("released", "is still being written")):
        device.stage = stage
        with pytest.raises(NotKnown, match=said) as refused:
            raise not_written(device)
        assert refused.value.reasons[0].cure
    answer = reader.get(f"devices/{device.code}/record.pdf", 404)
    assert "It is written when the device is released." in str(answer)
    row = record_report(
        device_id=device.pk, name="production_record", json=make_picture(1), pdf=make_picture(2), last_pos=1
    )
    answer = reader.http.get(f"/api/devices/{device.code}/record.json")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined] # a streamed file
    assert hashlib.sha256(content).hexdigest() == row.json_id
    assert f"{device.code}-production-record.json" in answer["Content-Disposition"]
    assert reader.get(f"devices/{device.code}/reports/")[0]["pdf_id"] == row.pdf_id


def test_refusals_carry_every_reason_and_its_cure(staff: Staff, device: Device) -> None:
    releaser, technician = Browser(staff[Role.QAX]), Browser(staff[Role.PST])
    before = EventRecord.objects.count()
    early = releaser.sign(f"devices/{device.code}/release/", 409)
    assert early["code"] == "transition_refused"
    assert all(reason["text"] and reason["cure"] for reason in early["reasons"])
    path = f"devices/{device.code}/post-process-steps/"
    assert technician.sign(path, 409, step="cure", values=CURE)["reasons"][0]["rule"] == "G-PST-01"
    assert technician.sign(path, 422, step="wash", values={})["code"] == "invalid_input"
    assert (
        technician.sign(path, 403, step="wash", values=WASH, password="wrong wrong wrong")["code"]
        == "signature_refused"
    )
    assert Browser(staff[Role.INS]).sign(path, 403, step="wash", values=WASH)["code"] == "not_permitted"
    technician.sign(path, 400, values=WASH)
    assert PostProcessStep.objects.count() == 0
    told = EventRecord.objects.order_by("pos").values_list("type", flat=True)[before:]
    assert set(told) == {"mes.secret_refused", "mes.signing_failed"}


def test_an_empty_scan_and_unknown_codes_are_refused(staff: Staff, device: Device) -> None:
    inspector = Browser(staff[Role.INS])
    assert (
        inspector.send(f"devices/{device.code}/scans/", b"x", "x.stl", 409)["reasons"][0]["rule"]
        == "G-INS-01"
    )
    waiting = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    assert inspector.send(f"devices/{waiting.code}/scans/", b"", "x.stl", 422)["code"] == "invalid_input"
    assert Inspection.objects.count() == 0
    for path in (
        "devices/D9999999/release/",
        "devices/X/release/",
        "nonconformances/N9999999/",
        "inspections/999999/",
    ):
        inspector.get(path, 404)
    assert APIClient().get("/api/nonconformances/").status_code in (401, 403)


@pytest.mark.requirement("G-NC-01")
def test_a_nonconformance_is_reported_proposed_and_disposed(staff: Staff) -> None:
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    inspector, control, quality = (Browser(staff[role]) for role in (Role.INS, Role.QCM, Role.QAR))
    body = {"requirement": "Surface", "description": "A crack."}
    found = inspector.http.post(f"/api/devices/{device.code}/nonconformances/", body, format="json").json()
    path = f"nonconformances/{found['code']}/"
    assert found["severity"] == "major"
    control.sign(path + "propose/", disposition="scrap", justification="Beyond repair.")
    assert control.sign(path + "dispose/", 403)["code"] == "not_permitted"
    assert quality.sign(path + "dispose/")["stage"] == "closed"
    device.refresh_from_db()
    assert device.stage == Stage.SCRAPPED
    assert control.get("nonconformances/?stage=closed")["count"] == 1
    assert Nonconformance.objects.get().code == found["code"]


def test_a_second_report_can_be_voided(staff: Staff, device: Device) -> None:
    inspector, quality = Browser(staff[Role.INS]), Browser(staff[Role.QAR])
    body = {"requirement": "Surface", "description": "Dust.", "severity": "minor"}
    found = inspector.http.post(f"/api/devices/{device.code}/nonconformances/", body, format="json").json()
    said = quality.sign(f"nonconformances/{found['code']}/void/", justification="It was dust.")
    assert said["stage"] == "void"
    assert inspector.get(f"devices/{device.code}/nonconformances/")[0]["stage"] == "void"


def test_nothing_that_the_api_says_names_a_patient(staff: Staff, device: Device) -> None:
    reader = Browser(staff[Role.QAX])
    said = [
        reader.get(path) for path in (f"devices/{device.code}/release/", "inspections/", "nonconformances/")
    ]
    assert CANARY not in json.dumps(said)
