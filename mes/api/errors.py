"""One shape for every refusal: `{"code": …, "reasons": [{"rule", "text", "cure"}]}`."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from mes.exceptions import Conflict, InvalidInput, NotPermitted, Refused, SignatureRefused

STATUS: dict[type[Refused], int] = {
    InvalidInput: 422,
    NotPermitted: 403,
    SignatureRefused: 403,
    Conflict: 409,
}


def status_of(refusal: Refused) -> int:
    return STATUS.get(type(refusal), 409)


def as_json(refusal: Refused) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "reasons": [
            {"rule": reason.rule, "text": reason.text, "cure": reason.cure} for reason in refusal.reasons
        ],
    }


def handle(failure: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: refusals become 4xx with every reason, everything else is DRF's."""
    if isinstance(failure, Refused):
        return Response(as_json(failure), status=status_of(failure))
    return exception_handler(failure, context)
