"""Dialogs: what is asked, what is shown to be signed, what is refused, and that refusing changes nothing."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.test import Client

from devices.choices import OrderStage
from devices.models import Device, Order
from devices.services.orders import prescription_content
from mes.choices import Role
from mes.models import EventRecord, Signature
from mes.services.signatures import content_digest
from tests.devices.makers import PASSWORD, Staff, make_order, make_planned
from tests.mes.dashboard.conftest import Visit

HTMX = {"HX-Request": "true"}


@pytest.fixture
def order(staff: Staff) -> Order:
    return make_order(staff)


def dialog(client: Client, order: Order, action: str = "submit-order") -> str:
    answer = client.get(f"/act/order/{order.code}/{action}/", headers=HTMX)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def shown_digest(page: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


@pytest.mark.requirement("ES-19")
def test_the_dialog_shows_exactly_what_is_signed(staff: Staff, as_: Visit, order: Order) -> None:
    client = as_(staff[Role.PRE])
    page = dialog(client, order)
    assert shown_digest(page) == content_digest(prescription_content(order))
    for words in ("I prescribe this device", order.code, order.patient.token, "Server time", "UTC"):
        assert words in page
    typed = {"username": staff[Role.PRE].username, "password": PASSWORD, "digest": shown_digest(page)}
    answer = client.post(f"/act/order/{order.code}/submit-order/", typed, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/orders/{order.code}/")
    signature = Signature.objects.get(subject_type="devices.order")
    assert json.loads(signature.content)["order"] == order.code
    assert Order.objects.get().stage == OrderStage.SUBMITTED


@pytest.mark.parametrize(
    ("_case", "changed", "status", "rule"),
    [
        ("wrong password", {"password": "not the password at all"}, 403, "ES-01"),
        ("somebody else", {"username": "other"}, 403, "ES-12"),
        ("content changed since", {"digest": "0" * 64}, 409, "ES-19"),
    ],
)
def test_a_wrong_signature_changes_nothing(
    staff: Staff, as_: Visit, order: Order, _case: str, changed: dict[str, str], status: int, rule: str
) -> None:
    if changed.get("username"):
        changed = {"username": staff[Role.ORD].username}
    typed = {"username": staff[Role.PRE].username, "password": PASSWORD, "digest": ""} | changed
    done = EventRecord.objects.exclude(type="mes.signing_failed")
    before = done.count()
    answer = as_(staff[Role.PRE]).post(f"/act/order/{order.code}/submit-order/", typed, headers=HTMX)
    assert answer.status_code == status
    assert rule in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert PASSWORD not in answer.content.decode()
    assert done.count() == before
    assert Order.objects.get().stage == OrderStage.DRAFT


def test_who_lacks_the_role_is_offered_nothing_and_refused(coordinator: Client, order: Order) -> None:
    assert "submit-order" not in coordinator.get(f"/orders/{order.code}/").content.decode()
    answer = coordinator.get(f"/act/order/{order.code}/submit-order/", headers=HTMX)
    assert (answer.status_code, "G-OPR-02" in answer.content.decode()) == (403, True)
    shown = coordinator.post(f"/act/order/{order.code}/submit-order/preview/", headers=HTMX)
    assert (shown.status_code, order.code in shown.content.decode()) == (403, False)


def test_what_is_no_longer_possible_is_said(staff: Staff, as_: Visit, order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(stage=OrderStage.SUBMITTED)
    answer = as_(staff[Role.PRE]).get(f"/act/order/{order.code}/submit-order/", headers=HTMX)
    assert (answer.status_code, "no longer possible" in answer.content.decode()) == (409, True)


@pytest.mark.parametrize(
    ("page", "code", "name"),
    [
        ("order", "O9999999", "submit-order"),
        ("order", "D0000001", "submit-order"),
        ("order", "../../etc", "submit-order"),
        ("device", "O0000001", "submit-order"),
        ("nothing", "O0000001", "submit-order"),
        ("order", "O0000001", "no-such-action"),
    ],
)
def test_addresses_that_mean_nothing_are_not_found(
    coordinator: Client, page: str, code: str, name: str
) -> None:
    assert coordinator.get(f"/act/{page}/{code}/{name}/").status_code == 404


@pytest.mark.requirement("P11-10e")
def test_holding_needs_a_reason(staff: Staff, as_: Visit) -> None:
    device = make_planned(staff)
    client = as_(staff[Role.ORD])
    answer = client.post(f"/act/device/{device.code}/hold-device/", {"reason": "   "}, headers=HTMX)
    assert (answer.status_code, "Reason is missing" in answer.content.decode()) == (422, True)
    assert not Device.objects.get(pk=device.pk).held
    answer = client.post(
        f"/act/device/{device.code}/hold-device/", {"reason": "<b>second look</b>"}, headers=HTMX
    )
    assert answer.status_code == 204
    page = client.get(f"/devices/{device.code}/").content.decode()
    assert "&lt;b&gt;second look&lt;/b&gt;" in page
    assert "<b>second look</b>" not in page


def test_what_is_typed_is_part_of_what_is_shown(staff: Staff, as_: Visit, order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(stage=OrderStage.SUBMITTED)
    Order.objects.filter(pk=order.pk).update(stage=OrderStage.UNDER_REVIEW)
    client = as_(staff[Role.ORD])
    first = dialog(client, order, "reject-order")
    answer = client.post(
        f"/act/order/{order.code}/reject-order/preview/", {"reason": "No margin given"}, headers=HTMX
    )
    second = html.unescape(answer.content.decode())
    assert "No margin given" in second
    assert shown_digest(first) != shown_digest(second)
