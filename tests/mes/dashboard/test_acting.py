"""Dialogs: what is asked, what is shown to be signed, what is refused, and that refusing changes nothing."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from devices.choices import OrderStage
from devices.models import Device, Order
from devices.services.orders import prescription_content
from mes.choices import Role
from mes.dashboard.actions import ACTIONS, by_name
from mes.dashboard.actions.base import Field
from mes.dashboard.naming import with_names
from mes.models import EventRecord, Signature
from mes.registry import RegistrationError
from mes.services.signatures import content_digest
from printing.models import MaterialLot
from tests.devices.makers import (
    PASSWORD,
    Staff,
    make_material,
    make_order,
    make_person,
    make_planned,
    under_review,
)
from tests.mes.dashboard.conftest import Visit
from tests.printing.makers import in_days

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
        ("nothing was shown", {"digest": ""}, 409, "ES-19"),
    ],
)
def test_a_wrong_signature_changes_nothing(
    staff: Staff, as_: Visit, order: Order, _case: str, changed: dict[str, str], status: int, rule: str
) -> None:
    if changed.get("username"):
        changed = {"username": staff[Role.ORD].username}
    digest = content_digest(prescription_content(order))
    typed = {"username": staff[Role.PRE].username, "password": PASSWORD, "digest": digest} | changed
    client = as_(staff[Role.PRE])
    done = EventRecord.objects.exclude(type__in=("mes.signing_failed", "mes.secret_refused"))
    before = done.count()
    answer = client.post(f"/act/order/{order.code}/submit-order/", typed, headers=HTMX)
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


@pytest.mark.requirement("ES-19")
def test_a_preview_refuses_what_the_act_itself_would_refuse_for_its_length(
    staff: Staff, as_: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the preview shows to be signed can be signed: every limit of a field holds there too."""
    order = under_review(make_order(staff), staff)
    asked = replace(
        ACTIONS["reject-order"], fields=lambda _: (Field("reason", "Reason", "area", maximum=10),)
    )
    monkeypatch.setitem(ACTIONS, "reject-order", asked)
    client = as_(staff[Role.ORD])
    address = f"/act/order/{order.code}/reject-order/preview/"
    assert client.post(address, {"reason": "x" * 10}, headers=HTMX).status_code == 200
    assert client.post(address, {"reason": ""}, headers=HTMX).status_code == 200
    answer = client.post(address, {"reason": "x" * 11}, headers=HTMX)
    assert answer.status_code == 422
    assert "Reason is longer than 10 characters" in answer.content.decode()


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7 of a supplier", "application/pdf"),
        (b"\x89PNG\r\n\x1a\nscan", "image/png"),
        (b"\xff\xd8\xffscan", "image/jpeg"),
        (b"viscosity 820 mPa s", "text/plain"),
    ],
)
def test_the_form_of_a_lot_names_and_takes_every_kind_of_certificate(
    staff: Staff, as_: Visit, content: bytes, kind: str
) -> None:
    make_material()
    client = as_(staff[Role.MAT])
    page = html.unescape(client.get("/act/lots/new/receive-lot/", headers=HTMX).content.decode())
    offered = re.search(r'accept="([^"]+)"', page)
    assert offered
    assert kind in offered[1].split(",")
    assert "PDF, PNG, JPEG or text" in page
    typed = {
        "material": "resin-guide-01", "supplier": "Resins & Co", "supplier_lot": "RC-1", "quantity": "500", "unit": "ml",
        "expires_on": in_days(200).isoformat(), "certificate_file": SimpleUploadedFile("certificate", content),
    }  # fmt: skip
    assert client.post("/act/lots/new/receive-lot/", typed, headers=HTMX).status_code == 204
    file = MaterialLot.objects.get().certificate_file
    assert file is not None
    assert file.media_type == kind


@pytest.mark.requirement("ES-19")
def test_people_and_things_stand_in_the_signing_box_by_name_and_the_digest_stays_that_of_the_record(
    staff: Staff, as_: Visit, order: Order
) -> None:
    page = dialog(as_(staff[Role.PRE]), order)
    prescriber = staff[Role.PRE].person
    box = page.partition('class="signed-box"')[2].partition("meta-line")[0]
    author = order.created_by
    assert author != prescriber
    assert f"<dt>Prescriber</dt><dd>{prescriber} (person {prescriber.pk})" in box
    assert f"<dt>Author</dt><dd>{author} (person {author.pk})" in box
    assert shown_digest(page) == content_digest(prescription_content(order))


def test_keys_are_shown_as_names_and_codes_wherever_they_stand(db: None) -> None:
    who = make_person(Role.PRE, name="Ada Marlow").person
    shown = with_names(
        [
            {"prescriber": who.pk, "quantity": who.pk, "device_id": 7},
            {
                "items": [{"device": 12, "design": 3}],
                "devices": [1, "D0000002"],
                "author_id": None,
                "held": True,
            },
            {"person_id": 999_999, "device": "D0000005", "device_id": True},
        ]
    )
    assert shown == [
        {"prescriber": f"Ada Marlow (person {who.pk})", "quantity": who.pk, "device_id": "D0000007"},
        {"items": [{"device": "D0000012", "design": 3}], "devices": ["D0000001", "D0000002"], "author_id": None, "held": True},
        {"person_id": "person 999999", "device": "D0000005", "device_id": True},
    ]  # fmt: skip


def test_two_actions_of_one_name_refuse_to_start() -> None:
    one = ACTIONS["reject-order"]
    with pytest.raises(RegistrationError, match="'reject-order' is declared twice"):
        by_name([one, ACTIONS["submit-order"], one])
