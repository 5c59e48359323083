"""One way to declare a page: signed in, never cached, and every refusal shown as a 4xx with its reasons and cures."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from mes.api.errors import status_of
from mes.exceptions import InvalidInput, NotPermitted, Refused, SigningStopped

View = Callable[..., HttpResponseBase]


def page(route: str, view: View, name: str, **kwargs: Any) -> URLPattern:
    """A page or an action of a signed-in person."""
    return path(route, never_cache(signed_in(refusing(readable(view)))), kwargs or None, name=name)


def digested(route: str, view: View, name: str) -> URLPattern:
    """Something that its address names by digest. The browser may keep it: the view says how."""
    return path(route, signed_in(refusing(readable(view))), name=name)


def public(route: str, view: View, name: str) -> URLPattern:
    return path(route, never_cache(refusing(readable(view))), name=name)


def is_fragment(request: HttpRequest) -> bool:
    """Whether a part of a page was asked for rather than a whole one."""
    return request.headers.get("HX-Request") == "true"


def signed_in(view: View) -> View:
    """Ask whoever is not signed in for the secret first. A part of a page sends the whole browser there, and back to its page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if not is_fragment(request):
            return redirect(f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()}, safe='/')}")
        shown = urlsplit(request.headers.get("HX-Current-URL", "/"))
        back = f"{shown.path}?{shown.query}" if shown.query else shown.path
        return gone_to(request, f"{reverse('sign-in')}?{urlencode({'next': back, 'ended': 1}, safe='/')}")

    return guarded


def readable(view: View) -> View:
    """Refuse a NUL, which PostgreSQL can neither store nor compare, before any page looks for it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        values = (
            value for sent in (request.GET, request.POST) for _, several in sent.lists() for value in several
        )
        if "\0" in request.path or any("\0" in value for value in values):
            raise InvalidInput("Text with a NUL cannot be read.", cure="Type it again.")
        return view(request, *args, **kwargs)

    return guarded


def refusing(view: View) -> View:
    """Show what the rules do not allow: a fragment where a fragment was asked for, otherwise a page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Refused as refusal:
            return refused(request, refusal)

    return guarded


def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    if isinstance(refusal, SigningStopped):
        logout(request)
    template = "mes/parts/refusal.html" if is_fragment(request) else "mes/refused.html"
    title = "You may not do this. Nothing was changed." if isinstance(refusal, NotPermitted) else ""
    return render(request, template, {"reasons": refusal.reasons, "title": title}, status=status_of(refusal))


def gone_to(request: HttpRequest, url: str) -> HttpResponse:
    """Send the browser to a page after an action, whether htmx or a plain form asked."""
    if is_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponse(status=303, headers={"Location": url})


def asked_next(request: HttpRequest, url: str) -> HttpResponse:
    """Open the dialog that asks for the rest: in place of this one, or as a page of its own."""
    if is_fragment(request):
        return HttpResponse(status=204, headers={"Lamina-Dialog": url})
    return HttpResponse(status=303, headers={"Location": url})
