"""Material, printers, builds and jobs over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mes.choices import Role
from mes.models import Account
from mes.services.artefacts import artefact_path
from printing.choices import JobState, Run
from printing.models import MaterialLot, Printer, PrintJob
from tests.devices.makers import PASSWORD, Staff, Who, make_material
from tests.flows.clients import read_first
from tests.printing.makers import (
    GOOD,
    KIND,
    VALUES,
    Floor,
    container_of,
    frozen_device,
    hear,
    in_days,
    make_lot,
    make_parameters,
    make_released_lot,
    runs,
    send,
)

pytestmark = pytest.mark.django_db


def client_of(who: Who) -> Client:
    client = Client()
    client.force_login(Account.objects.get(username=who.username))
    return client


def post(who: Who, path: str, **body: Any) -> Any:
    client = client_of(who)
    return read_first(
        lambda sent: client.post(
            f"/api/{path}/", json.dumps(sent, default=str), content_type="application/json"
        ),
        body,
    )


def signed(who: Who, **more: Any) -> dict[str, Any]:
    return {"username": who.username, "password": PASSWORD, **more}


def test_nobody_reads_or_acts_without_signing_in() -> None:
    for path in ("lots", "containers", "parameters", "printers", "builds", "jobs", "commands"):
        assert Client().get(f"/api/{path}/").status_code in (401, 403)


def test_a_lot_is_received_released_and_traced() -> None:
    staff = Staff()
    make_material()
    body = {
        "material": "resin-guide-01",
        "supplier": "Resins & Co",
        "supplier_lot": "RC-77",
        "quantity": "1000",
        "unit": "ml",
        "expires_on": in_days(100),
        "certificate": GOOD,
    }
    made = post(staff[Role.MAT], "lots", **body)
    assert made.status_code == 201
    code = made.json()["code"]
    blocked = post(staff[Role.QCM], f"lots/{code}/release", **signed(staff[Role.QCM]))
    assert blocked.status_code == 409
    assert {reason["rule"] for reason in blocked.json()["reasons"]} == {"G-MAT-03"}
    assert MaterialLot.objects.get().state == "quarantine"

    lot = make_lot(staff)
    shown = client_of(staff[Role.QCM]).get(f"/api/lots/{lot.code}/content/").json()
    wrong = signed(staff[Role.QCM], digest="0" * 64)
    changed = post(staff[Role.QCM], f"lots/{lot.code}/release", **wrong)
    assert (changed.status_code, changed.json()["code"]) == (409, "content_changed")
    right = signed(staff[Role.QCM], digest=shown["digest"])
    assert post(staff[Role.QCM], f"lots/{lot.code}/release", **right).json()["state"] == "released"
    trace = client_of(staff[Role.QCM]).get(f"/api/lots/{lot.code}/trace/").json()
    assert trace == {"rows": [], "devices": []}


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.parametrize(
    ("content", "media_type", "ending"),
    [
        (b"%PDF-1.7\nviscosity", "application/pdf", "pdf"),
        (b"\x89PNG\r\n\x1a\nviscosity", "image/png", "png"),
        (b"\xff\xd8\xff\xe0viscosity", "image/jpeg", "jpg"),
        ("Viscosität 0,9 Pa s\n".encode(), "text/plain", "txt"),
    ],
)
def test_a_certificate_is_read_where_it_is_intact(content: bytes, media_type: str, ending: str) -> None:
    staff = Staff()
    lot = make_lot(staff, certificate_file=content)
    path = f"/api/lots/{lot.code}/certificate/"
    answer = client_of(staff[Role.QCM]).get(path)
    assert answer.getvalue() == content
    assert answer["Content-Type"] == media_type
    assert answer["Content-Disposition"] == f'attachment; filename="{lot.code}-certificate.{ending}"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    page = client_of(staff[Role.QCM]).get(reverse("lot", args=[lot.code])).content.decode()
    assert f'href="{path}"' in page
    assert client_of(staff[Role.SEC]).get(path).status_code == 403
    none = make_lot(staff, certificate_file=None)
    assert client_of(staff[Role.QCM]).get(f"/api/lots/{none.code}/certificate/").status_code == 404
    assert lot.certificate_file is not None
    stored = artefact_path(lot.certificate_file)
    stored.chmod(0o640)
    stored.write_bytes(b"%PDF-forged")
    assert client_of(staff[Role.QCM]).get(path).status_code == 409


def test_bad_input_is_a_clear_error() -> None:
    staff = Staff()
    who = staff[Role.MAT]
    assert post(who, "lots", material="x").status_code == 400
    printer = {"name": "Aurora", "kind": "LCD 120", "serial": "X9", "driver": "simulated"}
    slow = post(staff[Role.CAL], "printers", **printer, password=PASSWORD, connection={"speed": -1})
    assert slow.status_code == 422
    assert slow.json()["reasons"][0]["text"] == "The option speed cannot be that."
    assert not Printer.objects.exists()
    assert post(who, "lots/L9999999999999999999/hold", reason="x").status_code == 404
    assert post(who, "lots/M0000001/hold", reason="x").status_code == 404
    assert client_of(who).get("/api/builds/B0000001/").status_code == 404
    assert client_of(who).get(f"/api/commands/{'z' * 36}/").status_code == 404
    refused = post(who, "lots", material="nope", supplier="s", supplier_lot="1", quantity="1", unit="ml",
                   expires_on=in_days(1), certificate="{")  # fmt: skip
    assert refused.status_code == 422


def test_a_build_is_made_dispatched_and_started(floor: Floor) -> None:
    staff = floor.staff
    parameters, device = make_parameters(staff), frozen_device(staff)
    made = post(
        staff[Role.BLD], "builds", devices=[device.code], printer_kind=KIND, parameters=parameters.code
    )
    assert made.status_code == 201
    assert made.json()["items"][0]["device"] == device.code

    job = post(staff[Role.OPR], f"builds/{floor.build.code}/dispatch").json()
    assert (job["printer"], job["state"]) == (floor.printer.code, "claimed")
    assert post(staff[Role.OPR], f"jobs/{job['code']}/start").json()["state"] == "starting"
    row = PrintJob.objects.get()
    send(row.printer)
    hear(row.printer, runs(row, Run.PRINTING))
    paused = post(staff[Role.OPR], f"jobs/{job['code']}/pause", reason="a noise")
    assert paused.status_code == 200
    assert post(staff[Role.OPR], f"jobs/{job['code']}/resume", reason="x").status_code == 409
    live = client_of(staff[Role.OPR]).get(f"/api/printers/{floor.printer.code}/live/").json()
    assert (live["operation"], live["job"]["state"]) == ("printing", JobState.PRINTING)
    assert live["command"]["kind"] == "pause"


def test_a_container_is_loaded_by_its_label(floor: Floor) -> None:
    staff = floor.staff
    other = make_released_lot(staff)
    label = container_of(other).label
    loaded = post(staff[Role.OPR], f"printers/{floor.printer.code}/load", label=label)
    assert loaded.json()["printer"] == floor.printer.code
    assert Printer.objects.get(pk=floor.printer.pk).container_id == container_of(other).pk
    refused = post(staff[Role.OPR], f"printers/{floor.printer.code}/load", label="C123")
    assert refused.status_code == 422


def test_every_list_answers(floor: Floor) -> None:
    staff = floor.staff
    floor.start()
    for path in ("lots", "containers", "parameters", "printers", "builds", "jobs", "commands"):
        listed = client_of(staff[Role.OPR]).get(f"/api/{path}/")
        assert listed.status_code == 200
        assert listed.json()["count"] >= 1


def test_a_parameter_set_is_written_and_approved_by_another() -> None:
    staff = Staff()
    make_material()
    made = post(
        staff[Role.BLD],
        "parameters",
        name="fine",
        printer_kind=KIND,
        material="resin-guide-01",
        values=VALUES,
    )
    assert made.status_code == 201
    code = made.json()["code"]
    approved = post(staff[Role.QAR], f"parameters/{code}/approve", **signed(staff[Role.QAR]))
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    broken = post(
        staff[Role.BLD],
        "parameters",
        name="bad",
        printer_kind=KIND,
        material="resin-guide-01",
        values={**VALUES, "pixel_mm": -1},
    )
    assert broken.status_code == 422
