"""For security administrators and their second persons: who has an account, what waits for a decision, and the decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of
from mes.api.secrets import secret_again
from mes.choices import PasskeyState, ResetState, RightState
from mes.dashboard.account import against_signing
from mes.dashboard.navigation import security_verbs
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, NotPermitted
from mes.models import (
    Account,
    Contact,
    FederatedIdentity,
    Passkey,
    Person,
    Reproofing,
    Reset,
    SigningEnrolment,
    SigningRight,
)
from mes.selectors import contact_of, is_locked, open_sessions, review_due, reviews_due
from mes.services.accounts import (
    approve_reset,
    close_account,
    confirm_contact,
    force_password_change,
    name_contact,
    refuse_reset,
    request_reset,
)
from mes.services.binding import confirm_binding, propose_binding, unbind_identity
from mes.services.passkeys import end_passkey
from mes.services.rights import (
    confirm_reproofing,
    reproof_identity,
    restore_signing_right,
    review_credentials,
)
from mes.services.sessions import end_all_sessions
from mes.services.signing_enrolment import close_enrolment, confirm_identity, prove_identity
from mes.worklists import bindings_waiting

PER_PAGE = 100


def _refuse_others(request: HttpRequest) -> None:
    if not any(security_verbs(request).values()):
        raise NotPermitted(
            "To look at accounts needs the role Security administrator, in this company.",
            cure="Ask the security administrator.",
            rule="P11-10d",
        )


def security(request: HttpRequest) -> HttpResponse:
    """What waits, and every account, by name or user id."""
    _refuse_others(request)
    asked = request.GET.get("q", "").strip()[:100]
    accounts = Account.objects.filter(is_service=False, person__isnull=False).select_related("person")
    found = accounts.filter(username__icontains=asked) | accounts.filter(person__full_name__icontains=asked)
    listed = found.order_by("username")
    context = {
        "may": security_verbs(request),
        "q": asked,
        "accounts": [(account, is_locked(account)) for account in listed[:PER_PAGE]],
        "count": listed.count(),
        "resets": Reset.objects.filter(state=ResetState.REQUESTED).select_related(
            "account__person", "requested_by"
        ),
        "bindings": bindings_waiting().select_related("account__person", "proposed_by"),
        "enrolments": SigningEnrolment.objects.filter(confirmed_at=None, closed=False).select_related(
            "account__person"
        ),
        "looks": [
            (look, Account.objects.filter(person=look.person).order_by("-pk").first())
            for look in Reproofing.objects.filter(confirmed_at=None).select_related("person")
        ],
        "suspended": [
            (right, Account.objects.filter(person=right.person).order_by("-pk").first())
            for right in SigningRight.objects.filter(state=RightState.SUSPENDED).select_related("person")
        ],
        "reviews": [(account, review_due(account)) for account in reviews_due()[:PER_PAGE]],
        "now": timezone.now(),
    }
    return render(request, "mes/security.html", context)


def security_account(request: HttpRequest, number: int) -> HttpResponse:
    """One account: what it may, what speaks against signing, its passkeys and sessions, and what can be decided."""
    _refuse_others(request)
    account = get_object_or_404(Account.objects.select_related("person"), pk=number, person__isnull=False)
    person = account.person
    context = {
        "may": security_verbs(request),
        "account": account,
        "person": person,
        "locked": is_locked(account),
        "right": SigningRight.objects.filter(person=person).first(),
        "against": against_signing(account),
        "enrolment": SigningEnrolment.objects.filter(account=account, closed=False).first(),
        "looks": Reproofing.objects.filter(person=person, confirmed_at=None),
        "contact": contact_of(person) if person else None,
        "contacts": Contact.objects.filter(person=person, verified_at=None, closed=False),
        "passkeys": Passkey.objects.filter(account=account).order_by("-pk"),
        "issued": PasskeyState.ISSUED,
        "identities": FederatedIdentity.objects.filter(account=account, closed=False),
        "sessions": open_sessions(account).select_related("activity"),
        "resets": Reset.objects.filter(account=account).order_by("-pk")[:5],
        "reviews": account.reviews.order_by("-pk")[:5],
        "due": review_due(account),
        "now": timezone.now(),
    }
    return render(request, "mes/security_account.html", context)


Verb = Callable[[Account, Actor, Any], object]


def _text(given: Any, name: str) -> str:
    return str(given.get(name, "")).strip()[:2000]


def _number(given: Any) -> int:
    text = str(given.get("number", ""))
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidInput("Which one is meant?", cure="Reload the page.")
    return int(text)


def _person(account: Account) -> Person:
    if account.person is None:
        raise Http404
    return account.person


def _identity(given: Any) -> FederatedIdentity:
    return get_object_or_404(FederatedIdentity, pk=_number(given))


VERBS: dict[str, tuple[str, Verb]] = {
    "prove": (
        "The proof of identity is recorded; a second person confirms it.",
        lambda account, actor, given: prove_identity(
            account_id=account.pk,
            document=_text(given, "document"),
            method=_text(given, "method"),
            actor=actor,
        ),
    ),
    "confirm": (
        "The identity is confirmed.",
        lambda account, actor, given: confirm_identity(enrolment_id=_number(given), actor=actor),
    ),
    "reprove": (
        "The new look is recorded; a second person confirms it.",
        lambda account, actor, given: reproof_identity(
            person=_person(account),
            document=_text(given, "document"),
            method=_text(given, "method"),
            actor=actor,
        ),
    ),
    "confirm-again": (
        "The new look is confirmed. The owner may re-enrol.",
        lambda account, actor, given: confirm_reproofing(reproofing_id=_number(given), actor=actor),
    ),
    "restore": (
        "The right to sign is restored.",
        lambda account, actor, given: restore_signing_right(
            person=_person(account), actor=actor, reason=_text(given, "reason")
        ),
    ),
    "withdraw": (
        "This account signs no longer.",
        lambda account, actor, given: close_enrolment(
            enrolment_id=_number(given), actor=actor, reason=_text(given, "reason")
        ),
    ),
    "keep": (
        "The review is recorded.",
        lambda account, actor, given: review_credentials(
            account=account, keep=True, actor=actor, comment=_text(given, "reason")
        ),
    ),
    "discard": (
        "The review is recorded, and the right to sign suspended.",
        lambda account, actor, given: review_credentials(
            account=account, keep=False, actor=actor, comment=_text(given, "reason")
        ),
    ),
    "force": (
        "A new password is asked for at the next sign-in; every session and every key to the API has ended.",
        lambda account, actor, given: force_password_change(
            account=account, actor=actor, reason=_text(given, "reason")
        ),
    ),
    "end-sessions": (
        "Every session has ended.",
        lambda account, actor, given: end_all_sessions(
            account=account, cause="ended by security", actor=actor
        ),
    ),
    "close": (
        "The account is closed. Its history and its name stay.",
        lambda account, actor, given: close_account(
            account=account, actor=actor, reason=_text(given, "reason")
        ),
    ),
    "revoke-passkey": (
        "The passkey opens nothing any more.",
        lambda account, actor, given: end_passkey(
            passkey_id=_number(given), state=PasskeyState.REVOKED, actor=actor, reason=_text(given, "reason")
        ),
    ),
    "bind": (
        "The binding waits for a second person.",
        lambda account, actor, given: propose_binding(
            account=account,
            issuer=_text(given, "issuer"),
            subject=_text(given, "subject"),
            actor=actor,
            reason=_text(given, "reason"),
        ),
    ),
    "confirm-bind": (
        "The account is bound to this subject. The owner may sign again after re-enrolling.",
        lambda account, actor, given: confirm_binding(
            identity_id=_number(given), actor=actor, reason=_text(given, "reason")
        ),
    ),
    "unbind": (
        "The subject opens nothing any more.",
        lambda account, actor, given: unbind_identity(
            identity=_identity(given), actor=actor, reason=_text(given, "reason")
        ),
    ),
    "name-contact": (
        "A code was sent there; its owner gives it back, or a second person confirms the address.",
        lambda account, actor, given: name_contact(
            person=_person(account), address=_text(given, "address")[:254], actor=actor
        ),
    ),
    "confirm-contact": (
        "The address counts from now on.",
        lambda account, actor, given: confirm_contact(contact_id=_number(given), actor=actor),
    ),
    "request-reset": (
        "The reset waits for a second person.",
        lambda account, actor, given: request_reset(
            account=account, actor=actor, reason=_text(given, "reason")
        ),
    ),
    "approve-reset": (
        "Your approval is recorded. Once two administrators have decided, a link goes to the owner's verified address.",
        lambda account, actor, given: approve_reset(
            reset_id=_number(given), actor=actor, reason=_text(given, "reason")
        ),
    ),
    "refuse-reset": (
        "The reset is refused.",
        lambda account, actor, given: refuse_reset(
            reset_id=_number(given), actor=actor, reason=_text(given, "reason")
        ),
    ),
}


@require_POST
@sensitive_post_parameters("password", "assertion")
def security_act(request: HttpRequest, number: int, verb: str) -> HttpResponse:
    """One decision about one account, with the own secret (ES-14, P11-200a3); the service it calls asks who may."""
    _refuse_others(request)
    if verb not in VERBS:
        raise Http404
    account = get_object_or_404(Account.objects.select_related("person"), pk=number, person__isnull=False)
    told, act = VERBS[verb]
    secret_again(request, request.POST)
    act(account, actor_of(request), request.POST)
    messages.success(request, told)
    return redirect("security-account", number=number)
