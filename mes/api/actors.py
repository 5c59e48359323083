"""Who acts behind a request."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from mes.api.authentication import TokenAuthentication
from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted
from mes.models import Account
from mes.scope import NOBODY, Viewer, viewer_of
from mes.services.signing_series import SeriesContext, session_digest
from mes.terminals import Terminal, address_of


def actor_of(request: HttpRequest) -> Actor:
    """The person behind the signed-in account. A program's account has none and may not act."""
    person_id = getattr(request.user, "person_id", None)
    if person_id is None:
        raise NotPermitted("This account belongs to no person.", cure="Sign in with a personal account.")
    return Actor.person(person_id)


def is_by_key(request: HttpRequest | Request) -> bool:
    """Whether a key authenticated this request, whatever else came with it: a header that opened nothing makes no
    session a program (ES-02, ES-15)."""
    return isinstance(request, Request) and isinstance(request.successful_authenticator, TokenAuthentication)


def terminal_of(request: HttpRequest | Request) -> Terminal:
    """Where a request comes from. That of a key has an address and a program, and no session, even beside a cookie."""
    session = None if is_by_key(request) else getattr(request, "session", None)
    return Terminal(
        session_digest(session.session_key if session is not None else None),
        address_of(request.META.get("REMOTE_ADDR", "")),
        request.META.get("HTTP_USER_AGENT", "")[:200],
    )


def series_of(request: HttpRequest | Request) -> SeriesContext | None:
    """The place that a signing comes from: a session's, or a key's, which opens no series (ES-02)."""
    account = request.user
    return SeriesContext(account.pk, terminal_of(request)) if isinstance(account, Account) else None


def viewer_behind(request: HttpRequest) -> Viewer:
    """Who looks, with the roles held now; asked once for each request. A program's account may know nothing."""
    known: Viewer | None = getattr(request, "lamina_viewer", None)
    if known is None:
        account = request.user
        known = viewer_of(account.person) if isinstance(account, Account) else NOBODY
        request.lamina_viewer = known  # type: ignore[attr-defined]  # several doors in one answer
    return known
