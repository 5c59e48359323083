"""Every page: who may open it, what it never says, and how many queries it takes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices.models import Device
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted
from mes.files import files_of, taken
from mes.models import EventRecord
from tests.devices.makers import IDENTITY, Staff, make_device, make_planned
from tests.mes.dashboard.conftest import Visit

TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
OWN_DOCUMENT = "reports"


def pages_of(device: Device) -> list[str]:
    return [
        "/", "/?as=list", "/my-work/", "/orders/", "/builds/", "/fleet/", "/lots/", f"/orders/{device.order.code}/",
        f"/devices/{device.code}/", f"/devices/{device.code}/gates/", f"/devices/{device.code}/history/",
    ]  # fmt: skip


def test_no_page_names_the_patient(staff: Staff, coordinator: Client) -> None:
    device = make_device("design_frozen", staff)
    for path in pages_of(device):
        answer = coordinator.get(path)
        assert answer.status_code == 200, path
        for value in (IDENTITY.family_name, IDENTITY.given_name, IDENTITY.patient_id, IDENTITY.birth_date):
            assert value not in answer.content.decode(), path
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.requirement("P11-10e")
def test_who_a_patient_is_needs_a_reason_and_is_written_down(staff: Staff, coordinator: Client) -> None:
    order = make_planned(staff).order
    path = f"/orders/{order.code}/identity/"
    refused = coordinator.post(path, {"reason": " "}, headers={"HX-Request": "true"})
    assert (refused.status_code, IDENTITY.family_name in refused.content.decode()) == (422, False)
    assert not EventRecord.objects.filter(type="mes.patient_identity_viewed").exists()
    shown = coordinator.post(path, {"reason": "The clinic called"}, headers={"HX-Request": "true"})
    assert IDENTITY.family_name in shown.content.decode()
    assert EventRecord.objects.get(type="mes.patient_identity_viewed").reason == "The clinic called"


def test_an_operator_may_not_see_who_a_patient_is(staff: Staff, as_: Visit) -> None:
    order = make_planned(staff).order
    client = as_(staff[Role.OPR])
    page = client.get(f"/orders/{order.code}/").content.decode()
    assert ("identity/" in page, "Binds no value of the design: people check it" in page) == (False, True)
    answer = client.post(f"/orders/{order.code}/identity/", {"reason": "curious"})
    assert (answer.status_code, IDENTITY.family_name in answer.content.decode()) == (403, False)


@pytest.mark.parametrize("path", ["/audit-trail/", "/deliveries/"])
def test_pages_of_a_role_are_refused_to_others_and_not_linked(coordinator: Client, path: str) -> None:
    answer = coordinator.get(path)
    assert (answer.status_code, "Ask the security administrator" in answer.content.decode()) == (403, True)
    assert f'href="{path}"' not in coordinator.get("/").content.decode()


def test_a_training_device_says_so(staff: Staff, coordinator: Client) -> None:
    device = make_planned(staff)
    for path in (f"/devices/{device.code}/", f"/orders/{device.order.code}/"):
        assert "NOT FOR CLINICAL USE" in coordinator.get(path).content.decode()


def test_a_device_page_takes_a_fixed_number_of_queries(staff: Staff, coordinator: Client) -> None:
    device = make_device("design_frozen", staff)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            coordinator.get(f"/devices/{device.code}/")
        counts.append(len(queries))
        for _ in range(3):
            make_planned(staff)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("code", ["D9999999", "D", "O0000001", "D1e3", "D" + "9" * 30])
def test_a_code_of_nothing_is_not_found(coordinator: Client, code: str) -> None:
    assert coordinator.get(f"/devices/{code}/").status_code == 404


def test_a_code_that_no_text_can_hold_is_refused(coordinator: Client) -> None:
    assert coordinator.get("/devices/%00/").status_code == 422


@pytest.mark.parametrize("typed", ["{code}", "{lower}", "{short}", "{serial}", " {code} "])
def test_the_search_field_reads_codes_and_serials(staff: Staff, coordinator: Client, typed: str) -> None:
    device = make_planned(staff)
    words = {
        "code": device.code,
        "lower": device.code.lower(),
        "short": f"D{device.pk}",
        "serial": device.serial,
    }
    answer = coordinator.get("/find/", {"code": typed.format(**words)})
    assert (answer.status_code, answer.get("Location")) == (302, f"/devices/{device.code}/")


def test_a_code_that_nobody_has_is_said(coordinator: Client) -> None:
    answer = coordinator.get("/find/", {"code": "<script>"})
    assert (answer.status_code, b"<script>" in answer.content.split(b"<main")[1]) == (404, False)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_obey_the_content_security_policy(template: Path) -> None:
    """No inline style, no inline handler, and no inline script without a nonce."""
    text = template.read_text()
    if OWN_DOCUMENT in template.parts:
        pytest.skip("a printed document, not a page")
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=|hx-on|javascript:|js:", text)
    for tag in re.findall(r"<script[^>]*>", text):
        assert "src=" in tag or "nonce=" in tag
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


def read(answer: Any) -> bytes:
    """A file to its end, as whoever asked for it does; then it is closed."""
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


@pytest.mark.requirement("P11-10g")
def test_a_copy_that_is_refused_leaves_no_file_open(staff: Staff) -> None:
    device = make_device("design_frozen", staff)
    (design,) = (
        file
        for file in files_of("device", device, staff[Role.DSN].actor)
        if file.name.startswith(f"{device.code}-design")
    )
    with pytest.raises(NotPermitted) as refused:
        taken(design, subject=device, actor=Actor.system("test"))
    assert refused.value.reasons[0].rule == "P11-10g"
    assert design.sha256 not in {Path(os.path.realpath(one)).name for one in Path("/proc/self/fd").iterdir()}


@pytest.mark.requirement("EV-10")
@pytest.mark.requirement("P11-10b")
def test_files_of_another_device_are_not_served(staff: Staff, as_: Visit) -> None:
    mine, other = make_device("design_frozen", staff), make_planned(staff)
    sha256 = mine.current_design.mesh_id if mine.current_design else ""
    client = as_(staff[Role.DSN])
    assert read(client.get(f"/devices/{mine.code}/files/{sha256}/?view"))
    assert not EventRecord.objects.filter(type="mes.copy_taken").exists()
    answer = client.get(f"/devices/{mine.code}/files/{sha256}/")
    assert read(answer)
    copies = EventRecord.objects.filter(type="mes.copy_taken").order_by("pos")
    assert read(client.get(f"/api/devices/{mine.code}/artefacts/{sha256}/"))
    assert [copy.actor for copy in copies] == [str(staff[Role.DSN].actor)] * 2
    taken = json.loads(copies[0].payload)
    assert (taken["subject"], taken["sha256"]) == (f"devices.device/{mine.pk}", sha256)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert answer["Content-Disposition"] == f'attachment; filename="{mine.code}-design-1.stl"'
    assert client.get(f"/devices/{other.code}/files/{sha256}/").status_code == 404
    assert client.get(f"/devices/{mine.code}/files/{'0' * 64}/").status_code == 404
    assert as_(staff[Role.SYS]).get(f"/devices/{mine.code}/files/{sha256}/").status_code == 404
