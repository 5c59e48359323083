"""One shape for every refusal: `{"code": …, "reasons": [{"rule", "text", "cure"}]}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import logout
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework.exceptions import ParseError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from mes.api.parsers import TooLarge
from mes.exceptions import (
    Conflict,
    ContentChanged,
    ContentUnseen,
    IdentityErased,
    InvalidInput,
    NotKnown,
    NotPermitted,
    Refused,
    SignatureRefused,
    SigningStopped,
    TooOften,
)

STATUS: dict[type[Refused], int] = {
    InvalidInput: 422,
    NotKnown: 404,
    NotPermitted: 403,
    SignatureRefused: 403,
    SigningStopped: 403,
    ContentChanged: 409,
    ContentUnseen: 409,
    Conflict: 409,
    TooOften: 429,
    IdentityErased: 410,
}
CODES = {401: "not_signed_in", 403: "not_permitted", 404: "not_found"}
CURES = {
    400: "Correct what is named and send it again.",
    401: "Sign in, or send a key that is open.",
    403: "Ask the security administrator for the role; in a browser, load the page again first.",
    404: "Look at the list again.",
    405: "Use a verb that the answer's `Allow` names; the schema at /api/schema/ has them all.",
    406: "Accept application/json.",
    413: "Send less.",
    415: "Send application/json, or multipart/form-data where a file goes along.",
    429: "Wait a while, then send it again.",
}
TOO_MUCH = "The request holds too many files or fields, or what it says cannot be trusted."
UNNAMED = ("detail", "non_field_errors")


def status_of(refusal: Refused) -> int:
    """That of the nearest kind of refusal that has one: a refused value is 422 whatever refused it."""
    return next((STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS), 409)


def as_json(refusal: Refused) -> dict[str, Any]:
    """Where a signature lacked the digest of what it is over, the answer shows both (ES-19)."""
    shown: dict[str, Any] = {}
    if isinstance(refusal, ContentUnseen) and refusal.content is not None:
        shown = {"content": refusal.content, "digest": refusal.digest}
    return shown | {
        "code": refusal.code,
        "reasons": [
            {"rule": reason.rule, "text": reason.text, "cure": reason.cure} for reason in refusal.reasons
        ],
    }


def handle(failure: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: our refusals and DRF's own become 4xx in the one shape, everything else is a fault."""
    if isinstance(failure, SigningStopped):
        logout(context["request"])
    if isinstance(failure, Refused):
        return Response(as_json(failure), status=status_of(failure))
    if isinstance(failure, RequestDataTooBig):
        failure = TooLarge()
    elif isinstance(failure, SuspiciousOperation):
        failure = ParseError(TOO_MUCH)
    answer = exception_handler(failure, context)
    if answer is not None:
        answer.data = _shaped(answer.data, answer.status_code)
    return answer


def _shaped(detail: Any, status: int) -> dict[str, Any]:
    cure = CURES.get(status, "")
    return {
        "code": CODES.get(status, "invalid_input"),
        "reasons": [{"rule": "", "text": text, "cure": cure} for text in _texts(detail)],
    }


def _texts(detail: Any, name: str = "") -> Iterator[str]:
    """Each sentence of DRF's nested errors, led by the field that it is about."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            yield from _texts(inner, name if key in UNNAMED else f"{name}.{key}".lstrip("."))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _texts(inner, name)
    else:
        yield f"{name}: {detail}" if name else str(detail)
