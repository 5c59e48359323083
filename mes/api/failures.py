"""What no view answers: an unknown address and a fault. The API says so in its one shape, a page as a page.

None of them reads the request's body: it may be the very thing that cannot be read, and a failure's page that fails is a
fault. Django's own handlers look for a CSRF token in it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

API = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return said(
            404, "not_found", "There is nothing at this address.", "Look at the schema at /api/schema/."
        )
    return _page(404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return said(
            403, "not_permitted", "You may not do this.", "Ask the security administrator for the role."
        )
    return _page(403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return said(400, "invalid_input", "This request cannot be trusted.", "Correct it and send it again.")
    return _page(400)


def broken(request: HttpRequest) -> HttpResponse:
    """Nothing of the fault is told: it is in the log."""
    if request.path.startswith(API):
        return said(
            500,
            "fault",
            "Something broke on the server. Nothing was changed.",
            "Tell the system administrator the time; the failure is in the log.",
        )
    return _page(500)


def _page(status: int) -> HttpResponse:
    return HttpResponse(render_to_string(f"{status}.html"), status=status)


def said(status: int, code: str, text: str, cure: str) -> JsonResponse:
    """A refusal in the API's one shape."""
    return JsonResponse({"code": code, "reasons": [{"rule": "", "text": text, "cure": cure}]}, status=status)
