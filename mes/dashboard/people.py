"""People: who holds which role and who may do what, why somebody may not, and who is trained for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.conf import settings
from django.db.models import Model, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from mes.api.actors import actor_of, viewer_behind
from mes.choices import Role
from mes.dashboard.actions import offered
from mes.dashboard.actions.base import Action
from mes.dashboard.find import KINDS, number_of
from mes.dashboard.training import evidence_opens
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput
from mes.models import Person, RoleGrant
from mes.permissions import (
    ADMINISTRATION,
    PERMISSIONS,
    PRODUCTION,
    Decision,
    Permission,
    can,
    may,
    require,
)
from mes.scope import EVERY_ORDER, visible
from mes.segregation import segregation_of
from mes.selectors import confirmations, holders_of_roles, is_overdue, roles_of
from mes.services.emergency import manager_of
from mes.standing import is_withdrawn
from mes.training import Competence, required_by_action

DAYS_AHEAD = timedelta(days=7)


@dataclass(frozen=True)
class Held:
    """A grant with what its state means now."""

    grant: RoleGrant
    state: str
    review_due: datetime
    overdue: bool


def with_grants(people: QuerySet[Person]) -> QuerySet[Person]:
    """People with their roles that nobody revoked; two queries, however many people."""
    signed = ("first_approval__person", "first_approval__withdrawal", "second_approval__withdrawal")
    grants = RoleGrant.objects.filter(revoked=False).select_related(*signed).order_by("role")
    return people.prefetch_related(Prefetch("role_grants", queryset=grants))


def held_by(people: Iterable[Person], now: datetime) -> dict[Person, list[Held]]:
    """The roles of people of `with_grants`."""
    grants = {person: list(person.role_grants.all()) for person in people}
    confirmed = confirmations(chain.from_iterable(grants.values()))
    return {
        person: [_held(grant, confirmed[grant.pk], now) for grant in held] for person, held in grants.items()
    }


def _held(grant: RoleGrant, confirmed: datetime, now: datetime) -> Held:
    due = confirmed + timedelta(days=settings.ROLE_REVIEW_DAYS)
    return Held(grant, _state(grant, now), due, is_overdue(confirmed, now))


def _state(grant: RoleGrant, now: datetime) -> str:
    approvals = (grant.first_approval, grant.second_approval)
    if any(one is not None and is_withdrawn(one) for one in approvals):
        return "withdrawn"
    if not grant.approved:
        return "proposed"
    if grant.valid_from > now:
        return "planned"
    if grant.valid_until is not None and grant.valid_until <= now:
        return "expired"
    return "active"


def people(request: HttpRequest) -> HttpResponse:
    """Everybody with their roles, and which grants wait for an approval or a review."""
    require(actor_of(request), "mes.read_people")
    now = timezone.now()
    search = request.GET.get("q", "").strip()[:60]
    found = Person.objects.filter(full_name__icontains=search).order_by("-active", "full_name")
    rows = list(held_by(with_grants(found), now).items())
    every = [held for _, several in rows for held in several]
    context = {
        "rows": rows,
        "search": search,
        "proposed": [held for held in every if held.state == "proposed"],
        "actions": offered(request, "people", None),
        "due": [held for held in every if held.state == "active" and held.review_due < now + DAYS_AHEAD],
    }
    return render(request, "mes/people.html", context)


def person_page(request: HttpRequest, number: int) -> HttpResponse:
    """One person: roles, training, and what they may do."""
    actor = actor_of(request)
    if actor.person_id != number:
        require(actor, "mes.read_people")
    person = get_object_or_404(with_grants(Person.objects.all()), pk=number)
    now = timezone.now()
    roles = roles_of(person, now)
    context = {
        "person": person,
        "held": [(held, _decisions(request, held.grant, actor)) for held in held_by([person], now)[person]],
        "allowed": [one for one in PERMISSIONS.values() if roles & one.roles],
        "trainings": person.trainings.select_related(
            "revision__document", "trainer", "signature__withdrawal"
        ).order_by("-pk")[:50],
        "manager": manager_of(person),
        "evidence_opens": evidence_opens(actor, viewer_behind(request)),
        "actions": offered(request, "person", person),
    }
    return render(request, "mes/person.html", context)


def _decisions(request: HttpRequest, grant: RoleGrant, actor: Actor) -> list[Action]:
    """What may be done with a role. Nobody is led to confirm their own: that is refused for ever (G-SOD-01)."""
    own = actor.person_id == grant.person_id
    return [action for action in offered(request, "grant", grant) if not (own and action.id == "review-role")]


@dataclass(frozen=True)
class Line:
    """An action with who carries it and which rules keep people apart from it."""

    permission: Permission
    roles: tuple[Role, ...]
    apart: tuple[str, ...]
    documents: tuple[str, ...]


def who_may(request: HttpRequest) -> HttpResponse:
    """Who may do what: every action, its roles, its rules of segregation, the documents that it asks for."""
    require(actor_of(request), "mes.read_training")
    now = timezone.now()
    holders, documents = holders_of_roles(now), required_by_action(now)
    lines: dict[str, list[Line]] = defaultdict(list)
    for permission in PERMISSIONS.values():
        asked = documents.get(permission.action, ())
        lines[permission.action.partition(".")[0]].append(
            Line(
                permission,
                tuple(sorted(permission.roles)),
                tuple(rule.title for rule in segregation_of(permission.action)),
                tuple(str(one.in_force or one.document) for one in asked),
            )
        )
    context = {
        "packages": dict(lines),
        "holders": [(role, holders.get(role, 0), role in EVERY_ORDER) for role in Role],
        "administration": sorted(role.label for role in ADMINISTRATION),
        "production": sorted(role.label for role in PRODUCTION),
    }
    return render(request, "mes/who_may.html", context)


@dataclass(frozen=True)
class Why:
    """The question of the page "why can't I?"."""

    person: Person
    action: str
    code: str
    subject: Model | None


def why_not(request: HttpRequest) -> HttpResponse:
    """Whether a person may do something to a thing now, with every reason, as a page or as JSON (`?as=json`).

    Everybody asks for themselves; for others, whoever may read who holds which role.
    """
    asked = _asked_why(request)
    decision = can(Actor.person(asked.person.pk), asked.action, asked.subject) if asked.action else None
    if request.GET.get("as") == "json":
        return JsonResponse(_as_json(asked, decision))
    context = {
        "asked": asked,
        "decision": decision,
        "title": PERMISSIONS[asked.action].title if asked.action else "",
        "actions": [(name, one.title) for name, one in PERMISSIONS.items() if one.roles],
        "people": Person.objects.filter(active=True).order_by("full_name") if _may_ask(request) else [],
    }
    return render(request, "mes/why_not.html", context)


def _may_ask(request: HttpRequest) -> bool:
    return may(actor_of(request), "mes.read_people")


def _asked_why(request: HttpRequest) -> Why:
    own = actor_of(request).person_id
    number = request.GET.get("person", "") or str(own)
    if number != str(own):
        require(actor_of(request), "mes.read_people")
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        raise InvalidInput("This is no person.", cure="Choose one of the list.")
    person = get_object_or_404(Person, pk=int(number))
    action = request.GET.get("action", "")
    if action and action not in PERMISSIONS:
        raise InvalidInput("There is no such action.", cure="Choose one of the list.")
    code = request.GET.get("code", "").strip()[:40]
    return Why(person, action, code, _thing(request, code) if code else None)


def _thing(request: HttpRequest, code: str) -> Model:
    """What whoever asks may know; they learn nothing about other things by asking (11.10(d))."""
    letter = code[:1].upper()
    if letter not in KINDS:
        raise Http404
    known = visible(KINDS[letter][0]._default_manager.all(), viewer_behind(request))
    return get_object_or_404(known, pk=number_of(code, letter))


def _as_json(asked: Why, decision: Decision | None) -> dict[str, Any]:
    return {
        "person": asked.person.pk,
        "action": asked.action,
        "object": asked.code,
        "allowed": decision.allowed if decision else None,
        "reasons": [
            {"rule": reason.rule, "text": reason.text, "cure": reason.cure}
            for reason in (decision.reasons if decision else ())
        ],
        "documents": _documents(decision.competence) if decision else [],
    }


def _documents(known: Competence) -> list[str]:
    return [str(one.in_force) for one in known.required if one.in_force]
