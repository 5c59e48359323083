"""Who acts behind a request."""

from __future__ import annotations

from django.http import HttpRequest

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


def terminal_of(request: HttpRequest) -> Terminal:
    """Where a request comes from. Without a session (a key) its digest is empty."""
    session = getattr(request, "session", None)
    return Terminal(
        session_digest(session.session_key if session is not None else None),
        address_of(request.META.get("REMOTE_ADDR", "")),
        request.META.get("HTTP_USER_AGENT", "")[:200],
    )


def series_of(request: HttpRequest) -> SeriesContext | None:
    """The session that a signing comes from. A client that identifies itself by a key has none (ES-02)."""
    account = request.user
    if not isinstance(account, Account) or "HTTP_AUTHORIZATION" in request.META:
        return None
    terminal = terminal_of(request)
    return SeriesContext(account.pk, terminal) if terminal.session_key_digest else None


def viewer_behind(request: HttpRequest) -> Viewer:
    """Who looks, with the roles held now; asked once for each request. A program's account may know nothing."""
    known: Viewer | None = getattr(request, "lamina_viewer", None)
    if known is None:
        account = request.user
        known = viewer_of(account.person) if isinstance(account, Account) else NOBODY
        request.lamina_viewer = known  # type: ignore[attr-defined]  # several doors in one answer
    return known
