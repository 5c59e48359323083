"""Your account: password, passkeys, open sessions, verified address, and the statement that comes before signing."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of, terminal_of
from mes.choices import PasskeyState
from mes.dashboard.routes import refused
from mes.dashboard.sessions import PROVED, browser_session, enter, owes_password
from mes.exceptions import InvalidInput, Reason, Refused, SignatureRefused
from mes.models import Account, Contact, Passkey
from mes.selectors import contact_of, open_sessions, password_expired, review_due, signing_right_of
from mes.services.accounts import change_password, name_contact, verify_contact
from mes.services.credentials import CheckedSecret, check_secret
from mes.services.passkeys import end_passkey, finish_enrolment
from mes.services.sessions import end_own_session
from mes.services.signing_rights import missing_for

PROVED_FOR_S = 300


def _account(request: HttpRequest) -> Account:
    return cast(Account, request.user)


def given_secret(request: HttpRequest) -> CheckedSecret:
    """The secret that came with a form. Raises SignatureRefused where it is wrong."""
    return check_secret(
        _account(request),
        password=request.POST.get("password", ""),
        assertion=request.POST.get("assertion", ""),
        purpose="signing",
        terminal=terminal_of(request),
    )


def was_proved(request: HttpRequest) -> bool:
    return timezone.now().timestamp() - float(request.session.get(PROVED, 0)) < PROVED_FOR_S


def against_signing(account: Account) -> tuple[Reason, ...]:
    """Everything between this account and a signature now: what the enrolment lacks, and what suspended the right."""
    if account.person is None:
        return ()
    return (*missing_for(account, timezone.now()), *signing_right_of(account.person))


def account_page(request: HttpRequest) -> HttpResponse:
    return render(request, "mes/account.html", _shown(request))


def _shown(request: HttpRequest) -> dict[str, Any]:
    account, person = _account(request), _account(request).person
    here = browser_session(request)
    return {
        "account": account,
        "person": person,
        "against": against_signing(account),
        "passkeys": Passkey.objects.filter(account=account).order_by("-pk"),
        "issued": PasskeyState.ISSUED,
        "sessions": open_sessions(account).select_related("activity"),
        "here": here.pk if here else 0,
        "contact": contact_of(person) if person else None,
        "waiting": Contact.objects.filter(person=person, verified_at=None, closed=False).last(),
        "review": review_due(account),
        "ages": settings.PASSWORD_AGE,
        "proved": was_proved(request),
    }


@sensitive_post_parameters("password", "new", "again", "assertion")
def account_password(request: HttpRequest) -> HttpResponse:
    """The old secret, then the new password twice. Every other session ends, this one gets a new key."""
    account = _account(request)
    owes = owes_password(account)
    context = {"owes": owes, "expired": password_expired(account), "account": account}
    if request.method != "POST":
        return render(request, "mes/account_password.html", context)
    try:
        secret = given_secret(request)
        if request.POST.get("new", "") != request.POST.get("again", ""):
            raise InvalidInput("The two new passwords differ.", cure="Type the same one twice.", rule="ES-01")
        change_password(account=account, password=request.POST.get("new", ""), actor=actor_of(request))
    except Refused as refusal:
        return _told(request, "mes/account_password.html", context, refusal)
    fresh = Account.objects.select_related("person").get(pk=account.pk)
    enter(request, CheckedSecret(fresh, secret.method, secret.at))
    messages.success(request, "The new password is set. Every other session of yours has ended.")
    return redirect("account")


def _told(request: HttpRequest, template: str, context: dict[str, Any], refusal: Refused) -> HttpResponse:
    if browser_session(request) is None:
        return refused(request, refusal)
    status = 403 if isinstance(refusal, SignatureRefused) else 422
    return render(request, template, context | {"reasons": refusal.reasons}, status=status)


@require_POST
@sensitive_post_parameters("password", "assertion", "answer")
def passkey_enrol(request: HttpRequest) -> HttpResponse:
    """Keep what the browser made. The secret is asked for unless it was given in the last five minutes."""
    if not was_proved(request):
        given_secret(request)
    finish_enrolment(
        account=_account(request),
        answer=request.POST.get("answer", "")[:20_000],
        name=request.POST.get("name", ""),
        actor=actor_of(request),
    )
    messages.success(request, "The passkey is enrolled. It signs you in, and it signs.")
    return redirect("account")


@require_POST
def passkey_lost(request: HttpRequest, number: int) -> HttpResponse:
    """From this moment on it opens nothing (ES-17)."""
    end_passkey(
        passkey_id=number, state=PasskeyState.LOST, actor=actor_of(request), reason="reported by the owner"
    )
    messages.success(
        request, "The passkey opens nothing any more. What it signed stays valid. Tell security of the loss."
    )
    return redirect("account")


@require_POST
def session_end(request: HttpRequest, number: int) -> HttpResponse:
    end_own_session(account=_account(request), session_id=number, actor=actor_of(request))
    messages.success(request, "That session has ended.")
    return redirect("account")


@require_POST
def contact_name(request: HttpRequest) -> HttpResponse:
    person = _account(request).person
    if person is None:
        raise InvalidInput("A program has no address.", cure="Sign in as a person.")
    name_contact(person=person, address=request.POST.get("address", "")[:254], actor=actor_of(request))
    messages.success(request, "A code was sent there. Type it here.")
    return redirect("account")


@require_POST
def contact_verify(request: HttpRequest, number: int) -> HttpResponse:
    verify_contact(contact_id=number, code=request.POST.get("code", "")[:20], actor=actor_of(request))
    messages.success(request, "The address is verified. Alerts and reset links go there.")
    return redirect("account")
