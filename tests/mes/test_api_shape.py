"""Every refusal of the API has one shape: a code, and reasons with rule, text and cure."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.test import RequestFactory
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions as drf

from mes.api.authentication import TokenAuthentication
from mes.api.errors import CURES, TOO_MUCH, handle
from mes.api.failures import bad_request
from mes.api.parsers import (
    DEEPEST,
    LARGEST_BYTES,
    ODD_NUMBER,
    ODD_TEXT,
    TOO_DEEP,
    ShallowJSONParser,
    TooLarge,
)
from mes.choices import Role
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Refused, SignatureRefused, TransitionRefused
from tests.devices.makers import make_person
from tests.flows.clients import Client
from tests.flows.routes import every_route


def told(failure: Exception) -> tuple[int, str, list[dict[str, str]]]:
    answer = handle(failure, {})
    assert answer is not None
    assert set(answer.data) == {"code", "reasons"}
    return answer.status_code, answer.data["code"], answer.data["reasons"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InvalidInput, 422),
        (NotPermitted, 403),
        (SignatureRefused, 403),
        (Conflict, 409),
        (TransitionRefused, 409),
        (Refused, 409),
    ],
)
def test_a_refusal_keeps_its_code_and_its_reason(kind: type[Refused], status: int) -> None:
    refusal = kind("It is shut.", cure="Open it.", rule="G-1")
    reasons = [{"rule": "G-1", "text": "It is shut.", "cure": "Open it."}]
    assert told(refusal) == (status, kind.code, reasons)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (drf.NotAuthenticated("who"), 403, "not_permitted"),
        (drf.PermissionDenied("who"), 403, "not_permitted"),
        (drf.NotFound("who"), 404, "not_found"),
        (drf.ParseError("who"), 400, "invalid_input"),
        (drf.MethodNotAllowed("PUT", "who"), 405, "invalid_input"),
    ],
)
def test_what_the_framework_refuses_has_the_same_shape(failure: Exception, status: int, code: str) -> None:
    if isinstance(failure, drf.NotAuthenticated):
        failure.auth_header = "Bearer"  # type: ignore[attr-defined] # as the framework does
        status, code = 401, "not_signed_in"
    assert told(failure) == (status, code, [{"rule": "", "text": "who", "cure": CURES.get(status, "")}])


def test_each_fault_of_a_form_names_its_field() -> None:
    failure = drf.ValidationError({"lot": {"code": ["Too long."]}, "non_field_errors": ["Not both."]})
    status, code, reasons = told(failure)
    assert (status, code) == (400, "invalid_input")
    assert [reason["text"] for reason in reasons] == ["lot.code: Too long.", "Not both."]
    assert {reason["cure"] for reason in reasons} == {CURES[400]}


@pytest.mark.django_db
def test_no_list_and_no_detail_ignores_a_filter() -> None:
    """One that nothing reads leaves out nothing: whoever asked would take everything for what was asked for."""
    http = Client(make_person(Role.AUD)).http
    assert http.get("/api/orders/?stage=draft&page=1&page_size=10").status_code == 200
    answer = http.get("/api/orders/?patient__token=P-1&stage=draft")
    assert answer.status_code == 400
    (reason,) = answer.json()["reasons"]
    assert reason["text"] == (
        "Nothing here is asked for by patient__token; known: stage, side, need_by, page, page_size."
    )
    asked = [route.template for route in every_route() if route.template.startswith("/api/")]
    plain = [path for path in asked if "{" not in path and path != "/api/schema/"]
    answers = {path: http.get(f"{path}?nobody=1").status_code for path in plain}
    assert {path for path, status in answers.items() if status == 200} == set()
    assert sum(status == 400 for status in answers.values()) > 15


def test_the_schema_describes_the_key_that_opens_the_api() -> None:
    assert every_route()
    scheme: Any = OpenApiAuthenticationExtension.get_match(TokenAuthentication)
    assert scheme.get_security_definition(None)["scheme"] == "bearer"


def test_what_cannot_be_trusted_is_a_refusal_and_a_fault_is_none() -> None:
    assert told(RequestDataTooBig("limit"))[:2] == (413, "invalid_input")
    assert told(SuspiciousOperation("a/b"))[2][0]["text"] == TOO_MUCH
    assert handle(RuntimeError("boom"), {}) is None


def test_a_request_that_no_view_takes_is_refused_in_the_shape_of_where_it_went() -> None:
    failure = SuspiciousOperation("secret")
    shaped = bad_request(RequestFactory().get("/api/lots/"), failure)
    assert (shaped.status_code, set(json.loads(shaped.content))) == (400, {"code", "reasons"})
    page = bad_request(RequestFactory().get("/lots/"), failure)
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (400, "text/html")


def parsed(body: bytes) -> Any:
    return ShallowJSONParser().parse(BytesIO(body), "application/json", {})


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), TOO_DEEP),
        (b"[" * 200_000, TOO_DEEP),
        (b'{"a": ["\\u0000"]}', ODD_TEXT),
        (b'{"\\u0000": 1}', ODD_TEXT),
        (b'"\\ud800"', ODD_TEXT),
        (b'{"a": 1e999}', f"^a: {ODD_NUMBER}"),
        (b'{"a": [{"b": "x\\u202ey"}]}', r"^a\.0\.b: .*U\+202E RIGHT-TO-LEFT OVERRIDE"),
        (b'{"a\\u200b": 1}', r"U\+200B ZERO WIDTH SPACE"),
    ],
)
def test_json_that_nothing_could_hold_is_refused(body: bytes, fault: str) -> None:
    with pytest.raises(drf.ParseError, match=fault):
        parsed(body)


def test_a_secret_may_hold_what_cannot_be_seen() -> None:
    assert parsed(b'{"password": "a\\u200bb"}') == {"password": "a\u200bb"}
    with pytest.raises(drf.ParseError, match=f"^password: {ODD_TEXT}"):
        parsed(b'{"password": "a\\u0000"}')


def test_json_of_the_greatest_depth_and_size_is_taken_and_no_more() -> None:
    assert parsed(b"[" * DEEPEST + b"]" * DEEPEST)
    body = b'"' + b"x" * (LARGEST_BYTES - 2) + b'"'
    assert len(parsed(body)) == LARGEST_BYTES - 2
    with pytest.raises(TooLarge):
        parsed(body + b" ")
