"""The HTTP verbs that anything here answers. Every other one, TRACE first, ends before a view is asked."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from mes.api.failures import API, said

OF_PAGES = ("GET", "HEAD", "POST", "OPTIONS")
OF_API = (*OF_PAGES, "PUT", "PATCH", "DELETE")
TEXT = "Nothing here answers to this verb."


class KnownVerbs:
    """Middleware: 405 for verbs that no page and no view of the API has.

    A view function runs under whatever verb it is called with, and a view class calls its method of that name: an action
    called `trace` would be run by TRACE, past the door that asks who may (21 CFR 11.10(d)).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_api = request.path_info.startswith(API)
        known = OF_API if is_api else OF_PAGES
        if request.method in known:
            return self.get_response(request)
        cure = f"Use one of: {', '.join(known)}."
        answer = said(405, "invalid_input", TEXT, cure) if is_api else _told(f"{TEXT} {cure}\n")
        answer["Allow"] = ", ".join(known)
        return answer


def _told(text: str) -> HttpResponse:
    return HttpResponse(text, status=405, content_type="text/plain; charset=utf-8")
