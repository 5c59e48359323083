"""Addresses and faults that no view answers: JSON under /api/, pages elsewhere, and nothing of the fault in either."""

from __future__ import annotations

import errno
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db import OperationalError
from django.test import Client, RequestFactory
from psycopg.errors import DiskFull
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory, force_authenticate

from mes import room
from mes.api.failures import broken
from mes.api.people import PersonViewSet
from mes.api.permits import Permitted
from mes.choices import Role
from printing.api.lots import LotViewSet
from tests.flows.routes import every_route
from tests.mes.makers import make_account, make_person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["/api/nothing/", "/api/people/1/nothing/", "/api/" + "x" * 300])
def test_an_unknown_address_of_the_api_is_answered_in_its_shape(address: str) -> None:
    answer = Client().get(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.json()["reasons"][0]["cure"]


def test_an_unknown_page_is_answered_by_a_page() -> None:
    answer = Client().get("/nothing/")
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "text/html")


UNREADABLE = {
    "no boundary": (b"x", "multipart/form-data"),
    "too many fields": (b"&".join(b"a=1" for _ in range(2000)), "application/x-www-form-urlencoded"),
    "too large": (b"a=" + b"1" * 3_000_000, "application/x-www-form-urlencoded"),
    "no such charset": (b"a=1", "application/x-www-form-urlencoded; charset=latin-1"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("address", ["/nothing/", "/api/nothing/", "/sign-in/", "/devices/D9999999/"])
def test_a_body_that_cannot_be_read_breaks_no_page(address: str, body: tuple[bytes, str]) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    answer = client.post(address, body[0], content_type=body[1])
    assert answer.status_code in ((404,) if "nothing" in address else (302, 400, 403, 404, 413))


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_while_a_form_is_read_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", full_disk)
    client = Client(raise_request_exception=False)
    client.force_login(make_account(make_person(Role.MAT)))
    sent = {"certificate_file": SimpleUploadedFile("c.pdf", b"%PDF")}
    answer = client.post("/api/lots/", sent)
    assert (answer.status_code, answer.json()["code"]) == (507, "no_room")
    assert answer.json()["reasons"][0]["cure"] == room.CURE
    page = Client(raise_request_exception=False).post("/sign-in/", sent)
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (507, "text/html")


@pytest.mark.parametrize(
    ("failure", "free", "status"),
    [
        (OperationalError("could not extend file"), 10**9, 500),
        (OperationalError("the server closed the connection"), 10**6, 507),
        (OSError(errno.EIO, "Input/output error"), 10**6, 500),
    ],
)
def test_the_databases_own_full_disk_is_told_too(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, free: int, status: int
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: free)
    with suppress(type(failure)):
        try:
            raise failure
        finally:
            assert broken(RequestFactory().get("/api/lots/")).status_code == status


def test_a_cause_that_is_a_full_disk_is_found_at_any_depth() -> None:
    said_by_database = OperationalError("could not extend file")
    said_by_database.__cause__ = DiskFull("could not extend file")
    outer = RuntimeError()
    outer.__context__ = said_by_database
    assert room.is_full(outer)
    assert not room.is_full(RuntimeError())
    assert not room.is_full(None)


@pytest.mark.requirement("P11-10d")
@pytest.mark.parametrize("verb", ["TRACE", "CONNECT", "PROPFIND"])
def test_a_verb_that_nothing_has_reaches_no_view(verb: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make_account(make_person(Role.OPR)))
    for route in every_route():
        answer = client.generic(verb, route.address)
        assert answer.status_code == 405, route.address
        assert "GET" in answer["Allow"]
        assert not route.is_api or answer.json()["reasons"][0]["cure"], route.address


@pytest.mark.requirement("P11-10d")
@pytest.mark.parametrize("actions", [{"get": "list"}, {"get": "trace"}])
def test_an_action_that_is_called_like_a_verb_is_not_run_by_it(actions: dict[str, Any]) -> None:
    """Without the middleware too: neither the class's verbs nor its door lead there."""
    request = APIRequestFactory().generic("TRACE", "/api/lots/")
    force_authenticate(request, make_account(make_person(Role.OPR)))
    assert LotViewSet.as_view(actions)(request, code="L0000001").status_code in (403, 405)
    view = SimpleNamespace(action=None, trace=lambda: None, permits={})
    assert not Permitted().has_permission(Request(request), view)  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE"])
def test_a_wrong_verb_is_told_what_to_do(verb: str) -> None:
    client = Client()
    client.force_login(make_account(make_person(Role.OPR)))
    answer = client.generic(verb, "/api/lots/")
    assert answer.status_code == 405
    assert "Allow" in answer.json()["reasons"][0]["cure"]


@pytest.mark.parametrize(
    ("address", "kind"), [("/api/people/", "application/json"), ("/healthz", "text/html")]
)
def test_a_fault_is_told_without_its_text(monkeypatch: pytest.MonkeyPatch, address: str, kind: str) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("Okafor")

    monkeypatch.setattr(PersonViewSet, "initial", breaks)
    monkeypatch.setattr("mes.health._database_answers", breaks)
    answer = Client(raise_request_exception=False).get(address)
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (500, kind)
    assert "Okafor" not in answer.content.decode()
