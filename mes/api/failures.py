"""What no view answers: an unknown address and a fault. The API says so in its one shape, a page as a page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

API = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return _said(
            404, "not_found", "There is nothing at this address.", "Look at the schema at /api/schema/."
        )
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return _said(400, "invalid_input", "This request cannot be trusted.", "Correct it and send it again.")
    return defaults.bad_request(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    """Nothing of the fault is told: it is in the log."""
    if request.path.startswith(API):
        return _said(
            500,
            "fault",
            "Something broke on the server. Nothing was changed.",
            "Tell the system administrator the time; the failure is in the log.",
        )
    return defaults.server_error(request)


def _said(status: int, code: str, text: str, cure: str) -> JsonResponse:
    return JsonResponse({"code": code, "reasons": [{"rule": "", "text": text, "cure": cure}]}, status=status)
