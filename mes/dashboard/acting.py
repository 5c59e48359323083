"""Doing something: a dialog that asks, shows what is signed, and calls one service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of
from mes.dashboard.actions import ACTIONS, permitted
from mes.dashboard.actions.base import Action, Doing, Done, Field, Next, read_values
from mes.dashboard.find import KINDS, number_of
from mes.dashboard.naming import with_names
from mes.dashboard.navigation import roles_behind
from mes.dashboard.records import PAGES
from mes.dashboard.routes import asked_next, gone_to
from mes.eventlog.base import plain
from mes.exceptions import Conflict, NotPermitted
from mes.models import Account
from mes.services.signatures import Credentials, content_digest

LISTS = frozenset({"lots", "builds", "orders", "retention"})
LETTER_OF = {page: letter for letter, page in PAGES.items()}


def _subject(page: str, code: str) -> Model | None:
    """The row that an action is about; none for actions of a list, such as receiving a lot."""
    if page in LISTS:
        return None
    if page not in LETTER_OF:
        raise Http404
    model = KINDS[LETTER_OF[page]][0]
    found = model._default_manager.filter(pk=number_of(code, LETTER_OF[page])).first()
    if found is None:
        raise Http404
    return found


def _action(page: str, name: str) -> Action:
    action = ACTIONS.get(name)
    if action is None or action.page != page:
        raise Http404
    return action


def _asked(request: HttpRequest, page: str, code: str, name: str) -> tuple[Action, Model | None]:
    """The action and what it is about, for somebody who may do it, while it can be done."""
    action, subject = _action(page, name), _subject(page, code)
    if not permitted(action, roles_behind(request)):
        raise NotPermitted("You may not do this.", cure="Ask somebody who has the role.", rule="G-OPR-02")
    if not action.applies(subject):
        raise Conflict(
            "This is no longer possible: the state has changed.", cure="Reload the page and look again."
        )
    return action, subject


@sensitive_post_parameters("password")
def act(request: HttpRequest, page: str, code: str, name: str) -> HttpResponse:
    """GET shows the dialog, POST does it. A refusal comes back as its reasons, and the dialog stays as it was."""
    action, subject = _asked(request, page, code, name)
    fields = [_started(asked, request) for asked in action.fields(subject)]
    if request.method != "POST":
        return render(request, "mes/parts/act.html", _context(request, action, subject, code, fields))
    doing = Doing(subject, read_values(fields, request), actor_of(request), _credentials(request, action))
    done = action.do(doing)
    if isinstance(done, Next):
        return asked_next(
            request, f"{reverse('act', args=[page, code, done.action])}?{urlencode(done.carried)}"
        )
    done = done if isinstance(done, Done) else Done(done)
    messages.success(request, done.told)
    where = (page, code) if not done.page else (done.page, done.code)
    return gone_to(request, reverse(where[0], args=[] if where[0] in LISTS else [where[1]]))


def _started(asked: Field, request: HttpRequest) -> Field:
    """A field as its dialog opens: what an earlier dialog carried here stands in the address."""
    return replace(asked, initial=request.GET.get(asked.name, "")) if asked.kind == "carried" else asked


def _credentials(request: HttpRequest, action: Action) -> Credentials:
    """Where the dialog shows what is signed, a signature without its digest is over something that nobody saw."""
    typed = request.POST
    unseen = "nothing was shown" if action.content is not None else ""
    return Credentials(
        username=typed.get("username", "").strip(),
        password=typed.get("password", ""),
        digest=typed.get("digest", "") or unseen,
        comment=typed.get("comment", "").strip()[:2000],
    )


def _context(
    request: HttpRequest, action: Action, subject: Model | None, code: str, fields: Any
) -> dict[str, Any]:
    return {
        "action": action,
        "page": action.page,
        "code": code,
        "fields": fields,
        "has_files": any(asked.kind in ("file", "files") for asked in fields),
        **(signed_context(request, action, subject, {asked.name: asked.initial for asked in fields})),
    }


def signed_context(
    request: HttpRequest, action: Action, subject: Model | None, values: dict[str, Any]
) -> dict[str, Any]:
    """What the signer sees: the content itself, its digest, the meaning, and the server's clock in the signer's zone."""
    if action.content is None:
        return {}
    actor = actor_of(request)
    content = action.content(subject, values, actor)
    account = request.user
    person = account.person if isinstance(account, Account) else None
    return {
        "signs": True,
        "facts": action.facts(subject, values, actor) if action.facts else {},
        "content": with_names([plain(content)])[0],
        "digest": content_digest(content),
        "signer": person,
        "now": timezone.now(),
        "zone": person.timezone if person else "UTC",
    }


@require_POST
@sensitive_post_parameters("password")
def preview(request: HttpRequest, page: str, code: str, name: str) -> HttpResponse:
    """What would be signed with the values typed so far."""
    action, subject = _asked(request, page, code, name)
    fields: list[Field] = [asked for asked in action.fields(subject) if asked.kind not in ("file", "files")]
    values = read_values([replace(asked, required=False) for asked in fields], request)
    return render(
        request,
        "mes/parts/signed.html",
        {"action": action, **signed_context(request, action, subject, values)},
    )
