"""Signing over the API: by session in a series, by key with both components each time (ES-02, ES-03, ES-11)."""

from __future__ import annotations

from datetime import date

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from devices.models import Order
from devices.services.orders import approval_content, prescription_content
from mes.choices import Meaning, Role
from mes.eventlog.base import plain
from mes.exceptions import NotPermitted
from mes.models import Signature, SignatureWithdrawal, SigningFailure
from mes.selectors import signatures_of
from mes.services.signatures import content_digest
from printing.services.builds import verify_build
from tests.devices.makers import PASSWORD, Staff, Who, make_order, under_review
from tests.flows.clients import Client
from tests.printing.makers import make_build

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Staff:
    return Staff()


def url(order: Order) -> str:
    return f"orders/{order.code}/submit/"


def rules(answer: dict[str, list[dict[str, str]]]) -> set[str]:
    return {reason["rule"] for reason in answer["reasons"]}


@pytest.mark.requirement("ES-02", "ES-03")
def test_a_series_over_the_api(staff: Staff) -> None:
    orders = [make_order(staff) for _ in range(2)]
    client = Client(staff[Role.PRE])
    assert rules(client.sign_with(url(orders[0]), {"password": PASSWORD}, 403)) == {"ES-02"}
    client.sign(url(orders[0]))
    assert rules(client.sign_with(url(orders[1]), {}, 403)) == {"ES-03"}
    assert rules(client.sign_with(url(orders[1]), {"username": staff[Role.PRE].username}, 403)) == {"ES-03"}
    client.sign_with(url(orders[1]), {"password": PASSWORD})
    rows = Signature.objects.filter(subject_type="devices.order").order_by("pk")
    assert [(row.components, row.position) for row in rows] == [(2, 1), (1, 2)]
    assert len({row.session_digest for row in rows} - {""}) == 1


@pytest.mark.requirement("ES-02")
def test_a_key_only_client_always_gives_both(staff: Staff) -> None:
    orders = [make_order(staff) for _ in range(2)]
    client = Client(staff[Role.PRE], key=True)
    client.http.defaults |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "intake 2"}
    client.sign(url(orders[0]))
    assert rules(client.sign_with(url(orders[1]), {"password": PASSWORD}, 403)) == {"ES-02"}
    client.sign(url(orders[1]))
    rows = Signature.objects.filter(subject_type="devices.order")
    told = [(row.components, row.session_digest, row.address, row.agent) for row in rows]
    assert told == [(2, "", "192.0.2.7", "intake 2")] * 2


@pytest.mark.requirement("ES-02")
def test_a_key_beside_a_cookie_has_no_part_in_the_series(staff: Staff) -> None:
    """The header wins: whoever holds a key and a stolen cookie does not go on with somebody's series."""
    orders = [make_order(staff) for _ in range(2)]
    client, keyed = Client(staff[Role.PRE]), Client(staff[Role.PRE], key=True)
    client.sign(url(orders[0]))
    keyed.http.cookies = client.http.cookies
    assert rules(keyed.sign_with(url(orders[1]), {"password": PASSWORD}, 403)) == {"ES-02"}


@pytest.mark.requirement("ES-01")
def test_a_session_cookie_alone_signs_nothing(staff: Staff) -> None:
    order = make_order(staff)
    client = Client(staff[Role.PRE])
    assert rules(client.sign_with(url(order), {}, 403)) == {"ES-02"}
    assert rules(client.sign_with(url(order), {"username": staff[Role.PRE].username}, 403)) == {"ES-01"}
    assert not Signature.objects.filter(subject_type="devices.order").exists()
    assert SigningFailure.objects.count() == 1


@pytest.mark.requirement("ES-06")
def test_the_meaning_is_that_of_the_step(staff: Staff) -> None:
    order, client = make_order(staff), Client(staff[Role.PRE])
    typed = {"username": staff[Role.PRE].username, "password": PASSWORD}
    assert rules(client.sign_with(url(order), typed | {"meaning": "released"}, 403)) == {"ES-06"}
    client.sign_with(url(order), typed | {"meaning": "prescribed"})


@pytest.mark.requirement("ES-19", "P11-10a")
def test_nothing_is_signed_that_was_not_shown(staff: Staff) -> None:
    """The answer has the content and its digest; no secret was looked at, and no failure counts against anybody."""
    order = under_review(make_order(staff), staff)
    client, address = Client(staff[Role.ORD]), f"orders/{order.code}/approve/"
    content = approval_content(Order.objects.get(pk=order.pk), Role.ORD)
    for password in (PASSWORD, "wrong"):
        for sent in ({}, {"digest": ""}, {"digest": "0" * 63}):
            typed = {"username": staff[Role.ORD].username, "password": password}
            answer = client.post(address, typed | sent, 400 if sent.get("digest") else 409)
            if sent.get("digest"):
                continue
            assert (answer["code"], rules(answer)) == ("content_unseen", {"ES-19"})
            assert (answer["content"], answer["digest"]) == (plain(content), content_digest(content))
    assert not signatures_of(order, Meaning.APPROVED).exists()
    assert not SigningFailure.objects.exists()
    client.sign(address, {"digest": content_digest(content)})
    row = signatures_of(order, Meaning.APPROVED).get()
    address = f"signatures/{row.pk}/withdraw/"
    typed = {"username": staff[Role.ORD].username, "password": PASSWORD, "reason": "Too early"}
    shown = client.post(address, typed, 409)
    assert shown["content"]["reason"] == "Too early"
    assert not SignatureWithdrawal.objects.exists()
    client.post(address, typed | {"digest": shown["digest"], "reason": "Another"}, 409)
    client.post(address, typed | {"digest": shown["digest"]})
    assert SignatureWithdrawal.objects.get().withdrawn_id == row.pk


def test_the_schema_says_that_the_digest_is_needed() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    parts = schema["components"]["schemas"]
    signing = parts["SigningInput"]
    assert "content_unseen" in signing["description"]
    assert "nothing is signed" in signing["properties"]["digest"]["description"]


@pytest.mark.requirement("ES-19")
def test_a_stale_digest_is_a_conflict(staff: Staff) -> None:
    order, client = make_order(staff), Client(staff[Role.PRE])
    digest = content_digest(prescription_content(order))
    Order.objects.filter(pk=order.pk).update(need_by=date(2027, 3, 1))
    assert rules(client.sign(url(order), {"digest": digest}, 409)) == {"ES-19"}
    assert client.sign(url(order), {"digest": "0" * 64}, 409)["code"] == "content_changed"


@pytest.mark.requirement("ES-04", "ES-15")
@pytest.mark.parametrize("header", [{}, {"HTTP_AUTHORIZATION": "Basic eA=="}])
def test_the_third_failed_signing_ends_the_session(staff: Staff, header: dict[str, str]) -> None:
    """Whatever header a browser sends beside its session: what authenticated the request decides."""
    order, client = make_order(staff), Client(staff[Role.PRE])
    client.http.defaults |= header
    wrong = {"password": "not the one it is"}
    for _ in range(2):
        client.sign(url(order), wrong, 403)
    assert rules(client.sign(url(order), wrong, 403)) == {"ES-01", "ES-15"}
    assert isinstance(client.http, APIClient)
    assert client.http.get("/api/orders/").status_code == 401


@pytest.mark.requirement("ES-11")
def test_author_cannot_approve(staff: Staff) -> None:
    build = make_build(staff)
    author = Who(build.created_by, staff[Role.BLD].username)
    with pytest.raises(NotPermitted, match="G-SOD-01"):
        verify_build(build_id=build.pk, actor=author.actor, credentials=author.typed())
    assert not Signature.objects.filter(subject_type="printing.build").exists()
