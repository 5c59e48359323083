"""What no view answers: an unknown address and a fault. The API says so in its one shape, a page as a page.

None of them reads the request's body: it may be the very thing that cannot be read, and a failure's page that fails is a
fault. Django's own handlers look for a CSRF token in it.
"""

from __future__ import annotations

import sys

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from mes import room

API = "/api/"
WAL_SEGMENT = 16 * 1024**2
"""Where less is free, the database may have gone because of it."""


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
    """Nothing of the fault is told: it is in the log. A full disk is told, whatever met it: a service, the database, or the
    parser of what was sent."""
    if _lacks_room(sys.exception()):
        return no_room(request)
    if request.path.startswith(API):
        return said(
            500,
            "fault",
            "Something broke on the server. Nothing was changed.",
            "Tell the system administrator the time; the failure is in the log.",
        )
    return _page(500)


def no_room(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API):
        return said(room.STATUS, room.CODE, room.TEXT, room.CURE)
    return _page(room.STATUS)


def _lacks_room(failure: BaseException | None) -> bool:
    gone = isinstance(failure, (OperationalError, InterfaceError))
    return room.is_full(failure) or (gone and room.free_bytes(settings.VAR_DIR) < WAL_SEGMENT)


def _page(status: int) -> HttpResponse:
    return HttpResponse(render_to_string(f"{status}.html"), status=status)


def said(status: int, code: str, text: str, cure: str) -> JsonResponse:
    """A refusal in the API's one shape."""
    return JsonResponse({"code": code, "reasons": [{"rule": "", "text": text, "cure": cure}]}, status=status)
