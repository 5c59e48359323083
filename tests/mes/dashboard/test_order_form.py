"""The form of a new order: what cannot be a value is named, and a refused order leaves nothing behind."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client

from devices.models import Order
from mes.choices import Role
from mes.dashboard.actions import orders
from mes.exceptions import InvalidInput
from mes.models import EventRecord, Patient
from mes.services.patients import Identity, register_patient
from tests.devices.makers import Staff, make_master

HTMX = {"HX-Request": "true"}


@pytest.fixture
def typed(staff: Staff) -> dict[str, str]:
    return {
        "master": make_master().code,
        "side": "left",
        "prescriber": str(staff[Role.PRE].person.pk),
        "need_by": "2027-01-31",
        "quantity": "2",
        "patient_id": "P-1",
        "family_name": "Okafor",
        "given_name": "",
        "birth_date": "1960-02-29",
        "attribute": "resection margin",
        "value": "5",
        "unit": "mm",
    }


def post(client: Client, typed: dict[str, str]) -> tuple[int, str]:
    answer = client.post("/act/orders/new/create-order/", typed, headers=HTMX)
    return answer.status_code, html.unescape(answer.content.decode())


def test_an_order_is_written(coordinator: Client, typed: dict[str, str]) -> None:
    form = coordinator.get("/act/orders/new/create-order/", headers=HTMX).content.decode()
    assert "A design keeps to these by itself: tubes, tube spacing, drill diameter" in form
    assert post(coordinator, typed)[0] == 204
    assert Order.objects.get().quantity == 2


@pytest.mark.parametrize("quantity", ["1e999999999", "1.5", "0", "21", "sNaN", "Infinity"])
def test_a_quantity_that_is_no_count_is_refused(
    coordinator: Client, typed: dict[str, str], quantity: str
) -> None:
    status, page = post(coordinator, {**typed, "quantity": quantity})
    assert (status, "Quantity is" in page) == (422, True)
    assert not Order.objects.exists()


@pytest.mark.parametrize("name", ["patient_id", "family_name", "given_name", "attribute", "value", "unit"])
@pytest.mark.parametrize("character", ["\0", "\x9b", "\u202e", "\u200b"])
def test_characters_that_cannot_be_seen_are_refused(
    coordinator: Client, typed: dict[str, str], name: str, character: str
) -> None:
    status, _ = post(coordinator, {**typed, name: f"a{character}b"})
    assert status == 422
    assert not Patient.objects.exists()


@pytest.mark.requirement("G-ORD-05")
def test_an_identity_with_control_characters_is_not_registered(staff: Staff) -> None:
    odd = Identity(patient_id="P-1", family_name="Oka\0for", given_name="", birth_date="1960-02-29")
    with pytest.raises(InvalidInput, match="cannot be seen"):
        register_patient(identity=odd, actor=staff[Role.ORD].actor)


def test_a_refused_order_leaves_no_patient_behind(
    coordinator: Client, typed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> Order:
        assert Patient.objects.exists()
        raise InvalidInput("This device is not made of this material.")

    monkeypatch.setattr(orders, "create_order", refuse)
    before = EventRecord.objects.count()
    status, page = post(coordinator, typed)
    assert (status, "is not made of" in page) == (422, True)
    assert not Patient.objects.exists()
    assert EventRecord.objects.count() == before
