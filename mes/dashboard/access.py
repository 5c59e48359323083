"""Signing in and out, locking and unlocking. One neutral sentence for every failure (OWASP ASVS 6.3.8)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from mes.api.actors import terminal_of
from mes.compiled import by_key
from mes.dashboard.sessions import browser_session, enter, leave
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused
from mes.models import Account
from mes.services.accounts import complete_reset, request_reset
from mes.services.credentials import PASSWORD, CheckedSecret, account_named, check_secret, refuse_flood
from mes.services.passkeys import ENROL, account_of_assertion, begin_assertion, begin_enrolment, has_passkey
from mes.services.sessions import lock_session, note_activity, unlock_session

HALF = "lamina_half"
HALF_GOOD_FOR_S = 300
KNOWN = "__Host-lamina-browser" if settings.SESSION_COOKIE_SECURE else "lamina-browser"
KNOWN_FOR_S = 180 * 86400
LOST = "If this account exists, two people decide about it now, and a link will come to its owner's address."


def _next(request: HttpRequest) -> str:
    asked = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
    return asked if safe else "/"


@sensitive_post_parameters("password", "assertion")
def sign_in(request: HttpRequest) -> HttpResponse:
    """User id and password, or a passkey alone, whose owner it verifies."""
    if request.method == "POST":
        try:
            return _entered(request, _checked(request))
        except SignatureRefused:
            return _asked(request, refused=True)
        except InvalidInput:
            raise
        except Refused as flood:
            return _asked(request, refused=True, reasons=flood.reasons, status=429)
    if request.user.is_authenticated:
        return redirect(_next(request))
    return _asked(request)


def _asked(request: HttpRequest, *, refused: bool = False, status: int = 422, **more: Any) -> HttpResponse:
    typed = request.POST.get("username", "")[:150]
    context = {
        "refused": refused,
        "next": _next(request),
        "ended": "ended" in request.GET,
        "username": typed,
        **more,
    }
    return render(request, "mes/sign_in.html", context, status=status if refused else 200)


def _checked(request: HttpRequest) -> CheckedSecret:
    password, assertion = request.POST.get("password", ""), request.POST.get("assertion", "")
    typed = request.POST.get("username", "")
    account = account_of_assertion(assertion) if assertion else account_named(typed)
    place = terminal_of(request)
    if not is_known(request, account):
        refuse_flood(place)
    return check_secret(
        account, password=password, assertion=assertion, purpose="sign-in", terminal=place, typed=typed
    )


def _entered(request: HttpRequest, secret: CheckedSecret) -> HttpResponse:
    account = secret.account
    if secret.method == PASSWORD and account.password_short and has_passkey(account):
        request.session[HALF] = [account.pk, timezone.now().timestamp(), _next(request)]
        return redirect("sign-in-second")
    target = _next(request)
    enter(request, secret)
    return remember_browser(redirect(target), account)


@sensitive_post_parameters("assertion")
def second_factor(request: HttpRequest) -> HttpResponse:
    """A password below 15 characters is not enough alone: the passkey follows (ES-01)."""
    key, at, target = request.session.get(HALF, (0, 0.0, "/"))
    if timezone.now().timestamp() - at > HALF_GOOD_FOR_S:
        return redirect("sign-in")
    refused = False
    if request.method == "POST":
        account = Account.objects.select_related("person").get(pk=key)
        answer = request.POST.get("assertion") or "{}"
        try:
            secret = check_secret(account, assertion=answer, purpose="sign-in", terminal=terminal_of(request))
        except SignatureRefused:
            refused = True
        else:
            enter(request, secret)
            return remember_browser(redirect(target), account)
    status = 422 if refused else 200
    return render(request, "mes/sign_in_second.html", {"refused": refused}, status=status)


def is_known(request: HttpRequest, account: Account | None) -> bool:
    """Whether this account signed in with this browser before: its cookie, signed by us, names it."""
    text = request.COOKIES.get(KNOWN, "")
    try:
        known = signing.loads(text, salt=KNOWN, max_age=KNOWN_FOR_S) if text else []
    except signing.BadSignature:
        return False
    return account is not None and account.pk in known


def remember_browser(answer: HttpResponse, account: Account) -> HttpResponse:
    answer.set_cookie(
        KNOWN,
        signing.dumps([account.pk], salt=KNOWN),
        max_age=KNOWN_FOR_S,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
    return answer


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    leave(request)
    return redirect("sign-in")


@require_GET
def passkey_challenge(request: HttpRequest) -> HttpResponse:
    """What a passkey is asked, as JSON: to sign in by anybody; to sign, unlock or enrol by who is signed in."""
    purpose = request.GET.get("for", "sign-in")
    account = request.user if isinstance(request.user, Account) else None
    if purpose == "second":
        account = by_key(Account, request.session.get(HALF, (0,))[0])
        purpose = "sign-in"
    elif purpose not in ("sign-in", "signing", ENROL):
        raise InvalidInput("Nobody asks a passkey for this.", cure="Reload the page.")
    elif purpose != "sign-in" and account is None:
        raise NotPermitted("Only who is signed in may.", cure="Sign in.", rule="P11-10d")
    if purpose == ENROL and account is not None:
        return JsonResponse(begin_enrolment(account))
    return JsonResponse(begin_assertion(purpose, account))


# --- locked while nobody was there


@sensitive_post_parameters("password", "assertion")
def locked(request: HttpRequest) -> HttpResponse:
    """A locked session opens with the secret of its owner, under a new key: a series of signatures does not go on."""
    session = browser_session(request)
    if session is None or session.locked_at is None:
        return redirect(_next(request))
    refused = False
    if request.method == "POST":
        try:
            secret = check_secret(
                session.account,
                password=request.POST.get("password", ""),
                assertion=request.POST.get("assertion", ""),
                purpose="sign-in",
                terminal=terminal_of(request),
            )
        except SignatureRefused:
            refused = True
        else:
            request.session.cycle_key()
            unlock_session(session=session, method=secret.method, terminal=terminal_of(request))
            return redirect(_next(request))
    context = {"refused": refused, "next": _next(request), "account": session.account}
    return render(request, "mes/locked.html", context, status=422 if refused else 200)


@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    """Lock now: the page asks for it when nobody moved for a while, and the menu on demand."""
    session = browser_session(request)
    if session is not None:
        lock_session(session=session)
    return redirect("locked")


@require_POST
def session_active(request: HttpRequest) -> HttpResponse:
    """Somebody is at the page though it asks for nothing."""
    session = browser_session(request)
    if session is not None:
        note_activity(session=session, terminal=terminal_of(request))
    return HttpResponse(status=204)


# --- a lost secret


@require_POST
def lost_secret(request: HttpRequest) -> HttpResponse:
    """Ask for a new secret at the door. The answer is the same for every name."""
    place = terminal_of(request)
    account = account_named(request.POST.get("username", ""))
    if not is_known(request, account):
        refuse_flood(place)
    if account is not None and account.person_id is not None and account.is_active:
        request_reset(account=account, actor=Actor.system("sign-in"), reason="asked for at the sign-in page")
    return render(request, "mes/sign_in.html", {"told": LOST, "next": "/"})


@sensitive_post_parameters("password", "word")
def reset(request: HttpRequest) -> HttpResponse:
    """The owner's link. Its word stands behind the `#`, which browsers send to nobody."""
    if request.method != "POST":
        return render(request, "mes/reset.html")
    if request.POST.get("password", "") != request.POST.get("again", ""):
        raise InvalidInput("The two passwords differ.", cure="Type the same one twice.", rule="ES-01")
    complete_reset(word=request.POST.get("word", "")[:100], password=request.POST.get("password", ""))
    return render(
        request, "mes/sign_in.html", {"told": "The new password is set. Sign in with it.", "next": "/"}
    )
