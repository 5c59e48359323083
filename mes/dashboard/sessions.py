"""Every request of a signed-in browser: where it comes from, whether its session still stands, and whether it is locked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from mes.api.actors import terminal_of
from mes.dashboard.routes import is_fragment
from mes.dashboard.stationkeys import keep_exchanged, station_of
from mes.models import Account, BrowserSession
from mes.reading import reading
from mes.selectors import is_locked, owes_password
from mes.services.credentials import CheckedSecret
from mes.services.sessions import (
    NOTE_EVERY,
    actor_of,
    end_session,
    is_idle,
    lock_session,
    note_activity,
    open_session,
    session_of,
)
from mes.services.signing_series import end_series, session_opened
from mes.terminals import at_door, at_terminal

KEPT = "lamina_session"
# What a locked session, or one that owes a new password, may still reach.
LOCKED_MAY = frozenset(
    {"locked", "sign-out", "passkey-challenge", "provider-start", "provider-callback", "health", "lock"}
)
OWING_MAY = frozenset({"account-password", "sign-out", "passkey-challenge", "session-active", "health"})
# Asked for by the page itself, not by somebody: it keeps no session open.
BACKGROUND = frozenset({"my-work-count"})
Answer = Callable[[HttpRequest], HttpResponseBase]


class SessionGuard:
    """Middleware, after Django's own of sessions and authentication (21 CFR 11.10(d), 11.200(a)(1))."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        place = terminal_of(request)
        station = station_of(request, place)
        with at_door(), at_terminal(replace(place, station=station.pk if station else 0)):
            answer = self._guarded(request)
            if answer is None:
                with reading():
                    answer = self.get_response(request)
        if station is not None:
            keep_exchanged(answer, station)
        return answer

    def _guarded(self, request: HttpRequest) -> HttpResponseBase | None:
        if not isinstance(request.user, Account):
            return None
        session = browser_session(request)
        if session is None:
            logout(request)
            return None
        name = _name_of(request)
        if is_idle(session) or is_locked(request.user):
            lock_session(session=session)
            return None if name in LOCKED_MAY else _sent_to(request, "locked", "session_locked", LOCKED)
        if name not in OWING_MAY and owes_password(request.user):
            return _sent_to(request, "account-password", "password_due", OWED)
        _note(request, session, name)
        return None


LOCKED = (
    "The session is locked: nobody used it for a while, or wrong secrets locked the account.",
    "Give your secret at /locked/; a locked account opens after half an hour.",
    "P11-10d",
)
OWED = ("Your password has to be changed first.", "Change it at /account/password/.", "ES-16")


def browser_session(request: HttpRequest) -> BrowserSession | None:
    """The open session behind a request. None where it was ended, or was never recorded."""
    session = session_of(str(request.session.get(KEPT, "")))
    if session is None or session.ended_at is not None or session.account_id != request.user.pk:
        return None
    return session


def _name_of(request: HttpRequest) -> str:
    try:
        return resolve(request.path_info).url_name or ""
    except Resolver404:
        return ""


def _note(request: HttpRequest, session: BrowserSession, name: str) -> None:
    place, activity = terminal_of(request), session.activity
    moved = activity.key_digest != place.session_key_digest
    if moved or (name not in BACKGROUND and timezone.now() - activity.seen_at > NOTE_EVERY):
        note_activity(session=session, terminal=place)


def _sent_to(request: HttpRequest, page: str, code: str, reason: tuple[str, str, str]) -> HttpResponseBase:
    if request.path.startswith("/api/"):
        text, cure, rule = reason
        body = {"code": code, "reasons": [{"rule": rule, "text": text, "cure": cure}]}
        return JsonResponse(body, status=403)
    if is_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse(page)})
    return redirect(f"{reverse(page)}?next={request.path}" if request.method == "GET" else reverse(page))


def enter(request: HttpRequest, secret: CheckedSecret) -> BrowserSession:
    """Open a session for an account whose secret was just checked. The session's key is a new one."""
    login(request, secret.account)
    session = open_session(account=secret.account, method=secret.method, terminal=terminal_of(request))
    session_opened(account=secret.account, terminal=terminal_of(request))
    request.session[KEPT] = str(session.uid)
    return session


def leave(request: HttpRequest) -> None:
    """Sign out here."""
    session = browser_session(request) if isinstance(request.user, Account) else None
    if session is not None:
        end_session(session=session, cause="signed out", actor=actor_of(session.account))
        end_series(account_id=session.account_id, because="signed out")
    logout(request)
