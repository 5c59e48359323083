"""Your account: password, passkeys, open sessions, verified address, and the statement that comes before signing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of
from mes.api.secrets import secret_again
from mes.choices import PasskeyState
from mes.dashboard.routes import refused
from mes.dashboard.sessions import browser_session, enter
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, Reason, Refused, SignatureRefused
from mes.models import Account, Contact, Passkey, Person
from mes.selectors import (
    OPENS,
    changes_of,
    contact_of,
    open_sessions,
    owes_password,
    password_expired,
    review_due,
    signing_right_of,
)
from mes.services.accounts import change_password, name_contact, verify_contact
from mes.services.credentials import CheckedSecret
from mes.services.passkeys import end_passkey, finish_enrolment
from mes.services.sessions import end_own_session
from mes.services.signing_rights import missing_for
from mes.services.tokens import revoke_token

SHOWN, SHOWN_FOR = 10, timedelta(days=30)


def _account(request: HttpRequest) -> Account:
    return cast(Account, request.user)


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
        "keys": account.tokens.filter(revoked=False, expires_at__gt=timezone.now()).order_by("-pk"),
        "sessions": open_sessions(account).select_related("activity"),
        "here": here.pk if here else 0,
        "contact": contact_of(person) if person else None,
        "waiting": Contact.objects.filter(person=person, verified_at=None, closed=False).last(),
        "review": review_due(account),
        "ages": settings.PASSWORD_AGE,
        "changes": _changes(account),
    }


def _changes(account: Account) -> list[dict[str, Any]]:
    """What changed of the ways into the account, for its owner to see whether it was somebody else (11.300(d))."""
    found = list(changes_of(account, timezone.now() - SHOWN_FOR)[:SHOWN])
    acted = {one.pos: Actor.parse(one.actor).person_id for one in found}
    names = dict(Person.objects.filter(pk__in=set(acted.values())).values_list("pk", "full_name"))
    return [
        {"said": OPENS[one.type], "at": one.recorded_at, "by": names.get(acted[one.pos] or 0, "Lamina")}
        for one in found
    ]


@sensitive_post_parameters("password", "new", "again", "assertion")
def account_password(request: HttpRequest) -> HttpResponse:
    """The old secret, then the new password twice. Every other session ends, this one gets a new key."""
    account = _account(request)
    owes = owes_password(account)
    context = {"owes": owes, "expired": password_expired(account), "account": account}
    if request.method != "POST":
        return render(request, "mes/account_password.html", context)
    try:
        secret = secret_again(request, request.POST)
        if request.POST.get("new", "") != request.POST.get("again", ""):
            raise InvalidInput("The two new passwords differ.", cure="Type the same one twice.", rule="ES-01")
        change_password(account=account, password=request.POST.get("new", ""), actor=actor_of(request))
    except Refused as refusal:
        return _told(request, "mes/account_password.html", context, refusal)
    fresh = Account.objects.select_related("person").get(pk=account.pk)
    enter(request, CheckedSecret(fresh, secret.method, secret.at))
    messages.success(
        request, "The new password is set. Every other session of yours has ended, and every key is closed."
    )
    return redirect("account")


def _told(request: HttpRequest, template: str, context: dict[str, Any], refusal: Refused) -> HttpResponse:
    if browser_session(request) is None:
        return refused(request, refusal)
    status = 403 if isinstance(refusal, SignatureRefused) else 422
    return render(request, template, context | {"reasons": refusal.reasons}, status=status)


@require_POST
@sensitive_post_parameters("password", "assertion", "answer")
def passkey_enrol(request: HttpRequest) -> HttpResponse:
    """Keep what the browser made, for who gives the secret with it (ES-01)."""
    secret_again(request, request.POST)
    finish_enrolment(
        account=_account(request),
        answer=request.POST.get("answer", "")[:20_000],
        name=request.POST.get("name", ""),
        actor=actor_of(request),
    )
    messages.success(
        request, "The passkey is enrolled. It signs you in, and from your next sign-in on it signs."
    )
    return redirect("account")


@require_POST
@sensitive_post_parameters("password", "assertion")
def passkey_lost(request: HttpRequest, number: int) -> HttpResponse:
    """From this moment on it opens nothing (ES-17). Who has no other secret asks the security administrator."""
    secret_again(request, request.POST)
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
def key_close(request: HttpRequest, number: int) -> HttpResponse:
    """A key of one's own; it opens nothing from this moment on."""
    token = get_object_or_404(_account(request).tokens, pk=number)
    revoke_token(token_id=token.pk, actor=actor_of(request))
    messages.success(request, "That key opens nothing any more.")
    return redirect("account")


@require_POST
@sensitive_post_parameters("password", "assertion")
def contact_name(request: HttpRequest) -> HttpResponse:
    person = _account(request).person
    if person is None:
        raise InvalidInput("A program has no address.", cure="Sign in as a person.")
    secret_again(request, request.POST)
    name_contact(person=person, address=request.POST.get("address", "")[:254], actor=actor_of(request))
    messages.success(request, "A code was sent there. Type it here.")
    return redirect("account")


@require_POST
@sensitive_post_parameters("password", "assertion", "code")
def contact_verify(request: HttpRequest, number: int) -> HttpResponse:
    """The code, and the secret again: somebody else may have named the address (ES-14)."""
    secret_again(request, request.POST)
    verify_contact(contact_id=number, code=request.POST.get("code", "")[:20], actor=actor_of(request))
    messages.success(request, "The address is verified. Alerts and reset links go there.")
    return redirect("account")
