"""Doing something: a dialog that asks, shows what is signed, and calls one service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of, viewer_behind
from mes.api.secrets import secret_again
from mes.choices import Role
from mes.dashboard.actions import ACTIONS, decision_on, permitted
from mes.dashboard.actions.base import Action, Doing, Done, Field, Next, read_values
from mes.dashboard.find import number_of
from mes.dashboard.navigation import roles_behind
from mes.dashboard.routes import asked_next, gone_to
from mes.dashboard.signing import shown_content, signing_context, typed_credentials
from mes.dashboard.subjects import LISTS, found, page_is_named, page_of
from mes.eventlog.base import Actor
from mes.exceptions import Conflict, NotKnown, NotPermitted, Reason
from mes.models import Account, EmergencyAccess
from mes.permissions import require, whom
from mes.services.emergency import people_involved


def _subject(request: HttpRequest, page: str, code: str) -> Model | None:
    """The row that an action is about; none for actions of a list, such as receiving a lot.

    Whoever took an access in an emergency may end it, though lists of such rows are not for people of other companies.
    """
    if page == "emergency":
        own = EmergencyAccess.objects.filter(pk=number_of(code, "E"), person=actor_of(request).person_id)
        if access := own.first():
            return access
    row = found(page, code, viewer_behind(request))
    if isinstance(row, EmergencyAccess):
        refuse_uninvolved(row, actor_of(request))
    return row


def refuse_uninvolved(access: EmergencyAccess, actor: Actor) -> None:
    """An access in an emergency is its person's, the manager's and the privacy office's alone (P11-10d)."""
    if actor.person_id is None or actor.person_id not in people_involved(access):
        require(actor, "mes.read_privacy")


def _action(page: str, name: str) -> Action:
    action = ACTIONS.get(name)
    if action is None or action.page != page:
        raise Http404
    return action


def _asked(request: HttpRequest, page: str, code: str, name: str) -> tuple[Action, Model | None]:
    """The action and what it is about, for somebody who may do it, while it can be done."""
    action, subject = _action(page, name), _subject(request, page, code)
    refuse_unpermitted(request, action, subject)
    if not action.applies(subject):
        raise Conflict(
            "This is no longer possible: the state has changed.", cure="Reload the page and look again."
        )
    return action, subject


def refuse_unpermitted(request: HttpRequest, action: Action, subject: Model | None) -> None:
    """Every reason why this person may not do this to this thing now. The service asks again, inside its transaction."""
    only = action.permission.partition(":")[2]
    decision = decision_on(action, actor_of(request), subject)
    reasons = list(decision.reasons)
    if not reasons and not permitted(action, roles_behind(request)):
        needed = Role(only)
        asking = actor_of(request)
        holder = whom(needed, fallback="somebody who has it", asking=asking)
        cure = f"Ask {whom(Role.SEC, asking=asking)} for the role, or {holder} to do this."
        reasons = [Reason(f"This needs the role {needed.label}.", cure, "G-OPR-02")]
    if decision.hidden:
        raise NotKnown(reasons)
    if reasons:
        raise NotPermitted(reasons)


@sensitive_post_parameters("password", "assertion")
def act(request: HttpRequest, page: str, code: str, name: str) -> HttpResponse:
    """GET shows the dialog, POST does it. A refusal comes back as its reasons, and the dialog stays as it was."""
    action, subject = _asked(request, page, code, name)
    fields = [_offered(_started(asked, request), subject, request) for asked in action.fields(subject)]
    if request.method != "POST":
        if request.headers.get("Sec-Fetch-Mode") == "navigate":
            # A dialog is no page: whoever opens its address is shown what it is about.
            return redirect(page_of(page, code, subject))
        return render(request, "mes/parts/act.html", _context(request, action, subject, code, fields))
    typed = typed_credentials(request)
    if action.asks_secret:
        secret_again(request, request.POST)
    doing = Doing(subject, read_values(fields, request), actor_of(request), typed)
    done = action.do(doing)
    if isinstance(done, Next):
        return asked_next(
            request, f"{reverse('act', args=[page, code, done.action])}?{urlencode(done.carried)}"
        )
    done = done if isinstance(done, Done) else Done(done)
    if done.told:
        messages.success(request, done.told)
    if done.page:
        return gone_to(request, reverse(done.page, args=[] if done.page in LISTS else [done.code]))
    return gone_to(request, page_of(page, code, subject))


def _started(asked: Field, request: HttpRequest) -> Field:
    """A field as its dialog opens: what an earlier dialog carried here stands in the address."""
    return replace(asked, initial=request.GET.get(asked.name, "")) if asked.kind == "carried" else asked


def _offered(asked: Field, subject: Model | None, request: HttpRequest) -> Field:
    if asked.offers is None:
        return asked
    carried = {key: str(value) for key, value in (request.POST or request.GET).items()}
    return replace(asked, choices=asked.offers(subject, carried, actor_of(request)))


def _context(
    request: HttpRequest, action: Action, subject: Model | None, code: str, fields: Any
) -> dict[str, Any]:
    return {
        "action": action,
        "page": action.page,
        "code": code,
        "named": str(subject) if page_is_named(action.page) else "",
        "fields": fields,
        "voids": action.voids(subject),
        "has_files": any(asked.kind in ("file", "files") for asked in fields),
        **(signed_context(request, action, subject, {asked.name: asked.initial for asked in fields})),
        **_meaning(request, action, frozenset(asked.name for asked in fields)),
    }


def _meaning(request: HttpRequest, action: Action, asked: frozenset[str]) -> dict[str, Any]:
    """The signing part of the dialog."""
    return signing_context(request, action.meaning, asked) if action.meaning else {}


def signed_context(
    request: HttpRequest, action: Action, subject: Model | None, values: dict[str, Any]
) -> dict[str, Any]:
    """What is shown beside the fields; and of what is signed the content itself, its digest, the meaning, and the server's clock in the
    signer's zone."""
    actor = actor_of(request)
    facts = action.facts(subject, values, actor) if action.facts else {}
    if action.content is None:
        return {"facts": facts}
    content = action.content(subject, values, actor)
    account = request.user
    person = account.person if isinstance(account, Account) else None
    return {
        "signs": True,
        "facts": facts,
        **shown_content(content),
        "now": timezone.now(),
        "zone": person.timezone if person else "UTC",
    }


@require_POST
@sensitive_post_parameters("password")
def preview(request: HttpRequest, page: str, code: str, name: str) -> HttpResponse:
    """What would be signed with the values typed so far."""
    action, subject = _asked(request, page, code, name)
    if action.content is None:
        raise Http404
    fields: list[Field] = [asked for asked in action.fields(subject) if asked.kind not in ("file", "files")]
    values = read_values([replace(asked, required=False) for asked in fields], request)
    return render(
        request,
        "mes/parts/signed.html",
        {"action": action, **signed_context(request, action, subject, values)},
    )
