"""Signing on pages: what every dialog asks, and a person's own page about signing (ES-02, ES-06, ES-13)."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of, series_of
from mes.api.secrets import secret_for
from mes.choices import Meaning
from mes.dashboard.naming import with_names
from mes.dashboard.routes import gone_to
from mes.eventlog.base import Actor, plain
from mes.exceptions import InvalidInput
from mes.models import Account, CertificationLetter, Person, SigningEnrolment
from mes.permissions import require
from mes.selectors import signing_right_of
from mes.services.rights import re_enrol, was_reset
from mes.services.signatures import Credentials, content_digest
from mes.services.signing_enrolment import (
    accept_statement,
    close_enrolment,
    confirm_identity,
    prove_identity,
    record_certification_letter,
    statement_content,
)
from mes.services.signing_policy import COMMENTED, LEGAL_EFFECT, policy
from mes.services.signing_rights import accepted, missing_for
from mes.services.signing_series import end_series, running_series, series_goes_on

EXPLAINED = frozenset({"reason", "justification"})
PER_PAGE = 200


def signing_context(
    request: HttpRequest, meaning: Meaning, asked: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """What the signing part of a dialog shows. `asked`: names of the dialog's own fields, which may hold the reason."""
    account = request.user
    context = series_of(request)
    person = account.person if isinstance(account, Account) else None
    return {
        "meanings": [(meaning.value, meaning.label)],
        "legal_effect": LEGAL_EFFECT,
        "comment_needed": meaning in COMMENTED and not asked & EXPLAINED,
        "goes_on": series_goes_on(context),
        "signer": person,
        "now": timezone.now(),
        "zone": person.timezone if person else "UTC",
    }


def typed_credentials(request: HttpRequest) -> Credentials:
    """What was typed, and the digest that the dialog showed. Without one nothing is signed (ES-19)."""
    typed = request.POST
    return Credentials(
        username=typed.get("username", "").strip()[:150],
        password=typed.get("password", ""),
        digest=typed.get("digest", ""),
        comment=typed.get("comment", "").strip()[:2000],
        series=series_of(request),
        assertion=typed.get("assertion", "")[:20_000],
        meaning=typed.get("meaning", ""),
    )


def shown_content(content: Any) -> dict[str, Any]:
    """The canonical object itself, as it is rendered (names beside keys), and its digest: what is seen is what is signed."""
    return {"content": with_names([plain(content)])[0], "digest": content_digest(content)}


@sensitive_post_parameters("password")
def my_signature(request: HttpRequest) -> HttpResponse:
    """What this person still needs to sign, the statement to accept, and the running series.

    The statement of accountability is read, then signed with both components (11.10(j)). After a reset this is the
    re-enrolment (ES-14).
    """
    account = request.user
    if not isinstance(account, Account) or account.person is None:
        raise Http404
    enrolment = SigningEnrolment.objects.filter(person=account.person, closed=False).first()
    reset = was_reset(account.person)
    if request.method == "POST":
        sign_statement = re_enrol if reset else accept_statement
        sign_statement(actor=actor_of(request), credentials=typed_credentials(request))
        messages.success(request, "You signed the statement of accountability.")
        return gone_to(request, reverse("my-signature"))
    context: dict[str, Any] = {
        "enrolment": enrolment,
        "missing": [*missing_for(account, timezone.now()), *signing_right_of(account.person)],
        "reset": reset,
        "accepted": enrolment is not None and accepted(enrolment, timezone.now()),
        "series_context": series_of(request),
        "series": running_series(series_of(request)),
        "policy": policy(),
    }
    if enrolment is not None and enrolment.confirmed_at is not None:
        context |= shown_content(statement_content(enrolment)) | signing_context(request, Meaning.ACCEPTED)
    return render(request, "mes/my_signature.html", context)


@require_POST
def end_my_series(request: HttpRequest) -> HttpResponse:
    """Ended by hand, as when a terminal is left alone."""
    if isinstance(request.user, Account):
        end_series(account_id=request.user.pk, because="ended by hand")
    messages.success(request, "The series is over: the next signature asks for user id and secret.")
    return gone_to(request, reverse("my-signature"))


def signers(request: HttpRequest) -> HttpResponse:
    """Who may sign, whose proof of identity waits, and the organisation's letter."""
    require(actor_of(request), "mes.enrol_signers")
    accounts = (
        Account.objects.filter(person__isnull=False, is_service=False, is_active=True)
        .select_related("person", "enrolment")
        .order_by("person__full_name", "pk")
    )
    rows = [(account, getattr(account, "enrolment", None)) for account in accounts[:PER_PAGE]]
    return render(
        request,
        "mes/signers.html",
        {
            "rows": rows,
            "names": _names(enrolment for _, enrolment in rows if enrolment),
            "letter": CertificationLetter.objects.order_by("pk").last(),
            "policy": policy(),
            "more": max(0, accounts.count() - len(rows)),
        },
    )


def _names(enrolments: Any) -> dict[str, str]:
    """Printed names of who proofed, by actor text."""
    texts = {text for one in enrolments for text in (one.proved_by, one.confirmed_by) if text}
    people = Person.objects.in_bulk([pk for text in texts if (pk := Actor.parse(text).person_id)])
    return {text: str(people.get(Actor.parse(text).person_id or 0, "Lamina")) for text in texts}


@require_POST
@sensitive_post_parameters("password", "assertion")
def enrol_signer(request: HttpRequest, step: str) -> HttpResponse:
    """One step of an enrolment: prove, confirm, close, each with the own secret; or the letter."""
    steps = {"prove": _prove, "confirm": _confirm, "close": _close, "letter": _letter}
    if step not in steps:
        raise Http404
    if step != "letter":
        secret_for(request, "mes.enrol_signers")
    messages.success(request, steps[step](request))
    return gone_to(request, reverse("signers"))


def _number(request: HttpRequest) -> int:
    text = request.POST.get("number", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput("This names nothing.", cure="Open the page again.")
    return int(text)


def _prove(request: HttpRequest) -> str:
    typed = {name: request.POST.get(name, "") for name in ("document", "method")}
    prove_identity(account_id=_number(request), actor=actor_of(request), **typed)
    return "The identity is proofed; a second person confirms it."


def _confirm(request: HttpRequest) -> str:
    confirm_identity(enrolment_id=_number(request), actor=actor_of(request))
    return "Confirmed. The person accepts the statement next."


def _close(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "")[:2000]
    close_enrolment(enrolment_id=_number(request), actor=actor_of(request), reason=reason)
    return "This account signs no longer."


def _letter(request: HttpRequest) -> str:
    try:
        sent_on = date.fromisoformat(request.POST.get("sent_on", ""))
    except ValueError:
        raise InvalidInput("The day is no date.", cure="Type it as 2026-11-22.") from None
    record_certification_letter(
        sha256=request.POST.get("sha256", "").strip().lower(),
        sent_on=sent_on,
        signatory=request.POST.get("signatory", ""),
        actor=actor_of(request),
    )
    return "The letter is on record."
