"""Values that nobody means, over the API: a refusal with field, reason and cure, and nothing half-written."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Design, Order
from mes.choices import Role
from mes.models import Account, EventRecord, Patient
from printing.models import Consumption, MaterialLot, ParameterSet, Printer
from tests.devices.makers import (
    PASSWORD,
    TRAINING,
    Staff,
    Who,
    make_device,
    make_master,
    make_material,
    make_patient,
    make_segmentation,
    make_study,
)
from tests.printing.makers import KIND, MATERIAL, VALUES, container_of, make_released_lot

pytestmark = pytest.mark.django_db
OVERRIDE, HIDDEN = "Resins \u202eoC", "Re\u200bsins"
LOT: dict[str, Any] = {
    "material": MATERIAL,
    "supplier": "Resins & Co",
    "supplier_lot": "RC-1",
    "quantity": "10",
    "unit": "ml",
    "expires_on": (timezone.localdate() + timedelta(days=100)).isoformat(),
    "certificate": [{"characteristic": "viscosity", "value": 900, "unit": "mPa s", "minimum": 800}],
}
RESULT = LOT["certificate"][0]
PRINTER = {"name": "Printer 1", "kind": KIND, "serial": "SN1", "driver": "simulated", "password": PASSWORD}
PATIENT = {"patient_id": "P-1", "family_name": "Okafor", "given_name": "Ada", "birth_date": "1960-02-29"}
DOORS: dict[str, tuple[Role, str, dict[str, Any], str]] = {
    "expiry ahead": (Role.MAT, "lots/", LOT | {"expires_on": "9999-12-31"}, "expiry date"),
    "expiry past": (Role.MAT, "lots/", LOT | {"expires_on": "1926-01-01"}, "expiry date"),
    "quantity NaN": (Role.MAT, "lots/", LOT | {"quantity": "NaN"}, "quantity"),
    "quantity infinite": (Role.MAT, "lots/", LOT | {"quantity": "Infinity"}, "quantity"),
    "quantity huge": (Role.MAT, "lots/", LOT | {"quantity": 1e300}, "quantity"),
    "quantity of many": (Role.MAT, "lots/", LOT | {"quantity": "999999999"}, "quantity"),
    "container NaN": (Role.MAT, "lots/", LOT | {"containers": ["10", "NaN"]}, "containers"),
    "result huge": (Role.MAT, "lots/", LOT | {"certificate": [RESULT | {"value": 1e300}]}, "viscosity"),
    "result NaN": (Role.MAT, "lots/", LOT | {"certificate": [RESULT | {"value": float("nan")}]}, ""),
    "result named so": (
        Role.MAT, "lots/", LOT | {"certificate": [RESULT | {"characteristic": OVERRIDE}]}, "certificate.0.characteristic",
    ),
    "supplier override": (Role.MAT, "lots/", LOT | {"supplier": OVERRIDE}, "supplier"),
    "supplier hidden": (Role.MAT, "lots/", LOT | {"supplier": HIDDEN}, "supplier"),
    "supplier NUL": (Role.MAT, "lots/", LOT | {"supplier": "a\0b"}, "supplier"),
    "printer override": (Role.CAL, "printers/", PRINTER | {"name": OVERRIDE}, "name"),
    "printer hidden": (Role.CAL, "printers/", PRINTER | {"serial": HIDDEN}, "serial"),
    "printer firmware": (Role.CAL, "printers/", PRINTER | {"firmware": "1\u2060"}, "firmware"),
    "family name override": (Role.ORD, "patients/", PATIENT | {"family_name": OVERRIDE}, "family_name"),
    "given name hidden": (Role.ORD, "patients/", PATIENT | {"given_name": HIDDEN}, "given_name"),
    "parameters named so": (
        Role.BLD, "parameters/", {"name": HIDDEN, "printer_kind": KIND, "material": MATERIAL, "values": VALUES}, "name",
    ),
    "parameters huge": (
        Role.BLD, "parameters/",
        {"name": "x", "printer_kind": KIND, "material": MATERIAL, "values": VALUES | {"exposure_s": 1e300}}, "exposure_s",
    ),
}  # fmt: skip


def client_of(who: Who) -> APIClient:
    client = APIClient()
    client.force_authenticate(Account.objects.get(username=who.username))
    return client


def refused(client: APIClient, path: str, body: dict[str, Any], field: str) -> None:
    before = EventRecord.objects.count()
    answer = client.generic("POST", f"/api/{path}", json.dumps(body), content_type="application/json")
    assert answer.status_code in (400, 422), answer.content
    told = answer.json()["reasons"]
    assert all(reason["text"] and reason["cure"] for reason in told)
    assert any(field in reason["text"] for reason in told), told
    assert not any(letter in json.dumps(told, ensure_ascii=False) for letter in "\u202e\u200b\u2060\0")
    assert EventRecord.objects.count() == before


@pytest.mark.parametrize(("role", "path", "body", "field"), DOORS.values(), ids=DOORS)
def test_a_value_that_nobody_means_is_refused(
    role: Role, path: str, body: dict[str, Any], field: str
) -> None:
    make_material()
    refused(client_of(Staff()[role]), path, body, field)
    for model in (MaterialLot, Printer, Patient, ParameterSet):
        assert not model.objects.exists()


def test_the_same_values_as_they_are_meant_are_taken() -> None:
    """Otherwise the refusals above prove nothing."""
    make_material()
    staff = Staff()
    assert client_of(staff[Role.MAT]).post("/api/lots/", LOT, format="json").status_code == 201
    assert client_of(staff[Role.CAL]).post("/api/printers/", PRINTER, format="json").status_code == 201
    assert client_of(staff[Role.ORD]).post("/api/patients/", PATIENT, format="json").status_code == 201


@pytest.mark.parametrize("name", ["supplier", "supplier_lot"])
def test_a_form_is_read_like_json(name: str) -> None:
    make_material()
    client, form = client_of(Staff()[Role.MAT]), LOT | {"certificate": json.dumps(LOT["certificate"])}
    answer = client.post("/api/lots/", form | {name: "R\u202eC"}, format="multipart")
    assert (answer.status_code, f"{name}: " in answer.json()["reasons"][0]["text"]) == (400, True)
    assert not MaterialLot.objects.exists()
    assert client.post("/api/lots/", form, format="multipart").status_code == 201


@pytest.mark.requirement("G-ORD-02")
@pytest.mark.parametrize(
    ("characteristics", "field"),
    [
        ([{"attribute": "drill depth", "value": "12", "unit": "mm"}] * 3000, "3000"),
        ([{"attribute": OVERRIDE, "value": "12", "unit": "mm"}], "characteristics.0.attribute"),
        ([{"attribute": "drill depth", "value": HIDDEN}], "characteristics.0.value"),
    ],
    ids=["3000", "override", "hidden"],
)
def test_an_order_that_nobody_could_read_is_refused(characteristics: list[Any], field: str) -> None:
    make_master()
    staff = Staff()
    body = {
        "patient": make_patient().token,
        "prescriber_id": staff[Role.PRE].person.pk,
        "master_code": TRAINING,
        "side": "right",
        "need_by": (timezone.localdate() + timedelta(days=30)).isoformat(),
    }
    client = client_of(staff[Role.ORD])
    refused(client, "orders/", body | {"characteristics": characteristics}, field)
    assert not Order.objects.exists()
    few = [{"attribute": "drill depth", "value": str(number), "unit": "mm"} for number in range(100)]
    assert client.post("/api/orders/", body | {"characteristics": few}, format="json").status_code == 201


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1e300, 10**400], ids=["NaN", "infinite", "1e300", "10^400"]
)
def test_a_design_of_such_a_size_is_refused(value: float) -> None:
    staff = Staff()
    device = make_device("planned", staff)
    make_study(device, staff)
    make_segmentation(device, staff)
    client = client_of(staff[Role.DSN])
    for name in ("thickness_mm", "landmark_mm"):
        values = {name: [value, 0, 0] if name == "landmark_mm" else value}
        answer = client.generic(
            "POST",
            f"/api/devices/{device.code}/request-design/",
            json.dumps({"values": values}),
            content_type="application/json",
        )
        # JSON has no NaN and no infinity: such a request is no JSON at all.
        assert answer.status_code == (422 if abs(value) > 1 and value != float("inf") else 400), (
            answer.content
        )
        assert all(reason["text"] and reason["cure"] for reason in answer.json()["reasons"])
    assert not Design.objects.exists()


@pytest.mark.parametrize("quantity", ["NaN", "Infinity", "1e300", "-1", "0"])
def test_a_withdrawal_of_such_a_quantity_is_refused(quantity: str) -> None:
    staff = Staff()
    label = container_of(make_released_lot(staff)).label
    body = {"quantity": quantity, "withdrawal": "sampled", "reason": "a sample"}
    refused(client_of(staff[Role.MAT]), f"containers/{label}/withdraw/", body, "uantity")
    assert not Consumption.objects.exists()
