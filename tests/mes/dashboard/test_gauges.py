"""The pages of measuring equipment: empty, whole, large, refused; and the dialogs that a gauge's life takes."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from devices.choices import Stage
from mes.choices import Role
from mes.models import Person
from quality.choices import AsFound, GaugeKind
from quality.models import Gauge, Nonconformance
from quality.services.scans import receive_scan
from tests.quality.makers import PASSWORD as WORDS
from tests.quality.makers import (
    acting,
    make_built_device,
    make_calibration,
    make_gauge,
    make_person,
    make_staff,
)

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-10h")]
HTMX = {"HX-Request": "true"}
FORM = {
    "kind": "caliper", "maker": "Example", "model": "C 150", "serial": "7", "accuracy_mm": "0.02", "location": "Bench",
}  # fmt: skip


def visit(person: Person) -> Client:
    client = Client()
    client.force_login(person.accounts.get())
    return client


def test_the_list_says_what_to_do_where_there_is_nothing() -> None:
    client = visit(make_person("Metrologist", Role.CAL))
    shown = client.get("/gauges/").content.decode()
    assert "No gauge yet" in shown
    assert "register-gauge" in shown
    assert client.get("/gauges/G0000009/").status_code == 404


def test_who_may_not_read_about_gauges_is_refused() -> None:
    gauge = make_gauge()
    client = visit(make_person("Administrator", Role.SYS))
    assert client.get("/gauges/").status_code == 403
    assert client.get(f"/gauges/{gauge.code}/").status_code == 403


def test_a_gauge_is_registered_calibrated_and_put_into_service() -> None:
    person = make_person("Metrologist", Role.CAL)
    client, today = visit(person), timezone.localdate()
    assert (
        client.post("/act/gauges/new/register-gauge/", {"kind": "caliper"}, headers=HTMX).status_code == 422
    )
    made: Any = client.post("/act/gauges/new/register-gauge/", FORM, headers=HTMX)
    gauge = Gauge.objects.get()
    assert made["HX-Redirect"] == f"/gauges/{gauge.code}/"
    assert "never calibrated" in client.get(f"/gauges/{gauge.code}/").content.decode()
    act = f"/act/gauge/{gauge.code}"
    assert client.post(f"{act}/put-in-service/", {}, headers=HTMX).status_code == 409
    file = SimpleUploadedFile("Mustermann.pdf", b"%PDF-1.7 a certificate")
    carried = client.post(f"{act}/take-certificate/", {"file": file}, headers=HTMX)["Lamina-Dialog"]
    assert "certificate=" in carried
    assert client.get(carried, headers=HTMX).status_code == 200
    typed = {
        "certificate": carried.rpartition("=")[2],
        "calibrated_on": today.isoformat(),
        "due_on": (today + timedelta(days=365)).isoformat(),
        "as_found": "in_tolerance",
        "laboratory": "Example Metrology",
    }
    shown = client.post(f"{act}/calibrate-gauge/preview/", typed, headers=HTMX).content.decode()
    assert typed["certificate"] in shown
    digest = shown.partition('name="digest" value="')[2].partition('"')[0]
    signing = typed | {"username": person.accounts.get().username, "password": WORDS, "digest": digest}
    answer = client.post(f"{act}/calibrate-gauge/", signing, headers=HTMX)
    assert answer.status_code == 204, answer.content
    row = gauge.calibrations.get()
    assert json.loads(row.signature.content)["certificate_sha256"] == typed["certificate"]
    assert client.post(f"{act}/put-in-service/", {}, headers=HTMX).status_code == 204
    page = client.get(f"/gauges/{gauge.code}/").content.decode()
    assert "Example Metrology" in page
    assert "Mustermann" not in page
    sent: Any = client.get(f"/gauges/{gauge.code}/files/{row.certificate_id}/")
    kept = b"".join(sent.streaming_content)
    assert kept == b"%PDF-1.7 a certificate"


def test_a_gauge_s_page_shows_what_it_reached() -> None:
    staff = make_staff()
    gauge, today = make_gauge(), timezone.localdate()
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    receive_scan(
        device_id=device.pk, upload=b"solid a facet", gauge_id=gauge.pk, actor=acting(staff[Role.INS])
    )
    client = visit(staff[Role.INS])
    assert device.code in client.get(f"/gauges/{gauge.code}/").content.decode()
    assert gauge.code in client.get(f"/devices/{device.code}/").content.decode()
    make_calibration(gauge, today, today + timedelta(days=1), AsFound.OUT_OF_TOLERANCE)
    shown = client.get(f"/gauges/{gauge.code}/").content.decode()
    assert "what it reached" in shown
    assert Nonconformance.objects.get().code in shown


def test_a_long_list_is_cut_and_searched() -> None:
    client = visit(make_person("Metrologist", Role.CAL))
    Gauge.objects.bulk_create(
        Gauge(
            kind=GaugeKind.CALIPER,
            maker="M",
            model="C",
            serial=f"S-{number}",
            accuracy_mm=Decimal("0.02"),
            location="x",
        )
        for number in range(130)
    )
    shown = client.get("/gauges/").content.decode()
    assert shown.count('class="code" href="/gauges/') == 100
    assert "narrow the search" in shown
    assert client.get("/gauges/", {"q": "S-77"}, headers=HTMX).content.decode().count('href="/gauges/') == 1
    one = Gauge.objects.latest("pk")
    assert client.get("/gauges/", {"q": one.code}, headers=HTMX).content.decode().count('href="/gauges/') == 1
    assert "No gauge matches" in client.get("/gauges/", {"stage": "in_service"}).content.decode()


def test_a_gauge_is_found_by_its_code() -> None:
    gauge = make_gauge()
    client = visit(make_person("Metrologist2", Role.CAL))
    assert client.get("/find/", {"code": gauge.code})["Location"] == f"/gauges/{gauge.code}/"
