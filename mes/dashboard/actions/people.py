"""What people do about people: who carries which role, until when, and who answers for whom (11.10(d), P11-200a3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

from django.utils import timezone

from mes.choices import Meaning, Role
from mes.dashboard.actions.base import Action, Doing, Done, Field, Values, why
from mes.eventlog.base import Actor
from mes.models import Person, RoleGrant
from mes.services.emergency import name_manager
from mes.services.people import deactivate_person, open_account, register_person
from mes.services.roles import (
    approve_role,
    grant_content,
    propose_role,
    review_role,
    revoke_role,
    role_content,
)


def start_of(day: date | None) -> datetime | None:
    """The first moment of a day, here; None for none."""
    return datetime.combine(day, time.min, timezone.get_current_timezone()) if day else None


def _proposed_fields(_: Person) -> tuple[Field, ...]:
    return (
        Field("role", "Role", "select", choices=Role.choices),
        Field("valid_from", "From", "date", required=False, hint="Empty: as soon as both have signed."),
        Field("valid_until", "Until, not included", "date", required=False, hint="Empty: without an end."),
        why("What for"),
    )


def _proposal_signs(person: Person, values: Values, _: Actor) -> Mapping[str, Any]:
    if values.get("role") not in Role.values:
        return {}
    return role_content(
        person,
        str(values["role"]),
        str(values.get("reason") or ""),
        start_of(values.get("valid_from") or None),
        start_of(values.get("valid_until") or None),
    )


def _propose(doing: Doing) -> str:
    grant = propose_role(
        person_id=doing.subject.pk,
        role=Role(doing.values["role"]),
        reason=doing.reason,
        valid_from=start_of(doing.values["valid_from"]),
        valid_until=start_of(doing.values["valid_until"]),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return f"{Role(grant.role).label} is proposed. Somebody else approves it."


def _approve(doing: Doing) -> str:
    grant = approve_role(grant_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"{Role(grant.role).label} is approved."


def _review(doing: Doing) -> str:
    grant = review_role(grant_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"{Role(grant.role).label} is confirmed."


def _revoke(doing: Doing) -> str:
    grant = doing.subject
    revoke_role(person=grant.person, role=Role(grant.role), actor=doing.actor, reason=doing.reason)
    return f"{Role(grant.role).label} is revoked."


def _registered_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field("full_name", "Full name", maximum=200, hint="As it is printed beside a signature."),
        Field("credentials", "Credentials", required=False, maximum=100, hint="MD, DDS, MSc"),
        Field("timezone", "Time zone of the signatures", maximum=50, initial="UTC", hint="Europe/Ljubljana"),
        Field("external", "Of another company: knows only the orders that the person is named on", "check"),
    )


def _register(doing: Doing) -> Done:
    person = register_person(
        full_name=doing.values["full_name"],
        credentials=doing.values["credentials"],
        timezone=doing.values["timezone"],
        external=doing.values["external"],
        actor=doing.actor,
    )
    return Done(f"{person} is registered. Open an account and propose a role next.", "person", str(person.pk))


def _account_fields(_: Person) -> tuple[Field, ...]:
    return (Field("user", "User id", maximum=150, hint="Never given to anybody else, not even later."),)


def _open_account(doing: Doing) -> str:
    account = open_account(
        username=doing.values["user"], password="", person=doing.subject, actor=doing.actor
    )
    return (
        f"{account.username} is open, without a password. Under Security, have an address verified and ask for a reset: its "
        "owner chooses the password by the link."
    )


def _deactivate(doing: Doing) -> str:
    person = deactivate_person(person_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return f"{person} may do nothing from now on. The history stays."


def _because(_: Any) -> tuple[Field, ...]:
    return (why(),)


def _grant_signs(grant: RoleGrant, _: Values, __: Actor) -> Mapping[str, Any]:
    return grant_content(grant)


def _standing(*, approved: bool) -> Callable[[RoleGrant], bool]:
    return lambda grant: grant.approved is approved and not grant.revoked


def _manager_fields(person: Person) -> tuple[Field, ...]:
    line = person.reporting_lines.filter(ended=False).first()
    others = Person.objects.filter(active=True).exclude(pk=person.pk).order_by("full_name", "pk")
    choices = [(str(other.pk), str(other)) for other in others]
    return (
        Field(
            "manager", "Who answers for them", "select", choices=choices,
            initial=str(line.manager_id) if line else "",
            hint="Reviews this person's accesses in an emergency beside the privacy officer.",
        ),
    )  # fmt: skip


def _name_manager(doing: Doing) -> str:
    manager = Person.objects.get(pk=int(doing.values["manager"]))
    name_manager(person=doing.subject, manager=manager, actor=doing.actor)
    return f"{manager} answers for {doing.subject}."


PEOPLE_ACTIONS = (
    Action(
        "register-person", "people", "Register a person", "Register a person", "mes.manage_people", "user-plus",
        lambda _: True, _register, fields=_registered_fields, main=True,
        help="Who is registered may do nothing yet: that takes an account, and a role that two people approve.",
    ),
    Action(
        "open-account", "person", "Open an account", "Open an account", "mes.manage_people", "user-plus",
        lambda person: person.active, _open_account, fields=_account_fields,
        help="It has no password: nobody ever knows somebody else's.",
    ),
    Action(
        "deactivate-person", "person", "Deactivate", "Deactivate this person", "mes.manage_people", "user-minus",
        lambda person: person.active, _deactivate, fields=_because, danger=True,
        help="Sessions and keys end at once, and nothing is possible any more through any account.",
    ),
    Action(
        "propose-role", "person", "Propose a role", "Propose a role", "mes.propose_role", "id-badge-2", lambda _: True,
        _propose, fields=_proposed_fields, meaning=Meaning.APPROVED, content=_proposal_signs, main=True,
        help="The first of two approvals. Nothing follows from it before somebody else has signed too.",
    ),
    Action(
        "name-manager", "person", "Name the manager", "Say who answers for this person", "mes.name_manager", "users",
        lambda person: person.active, _name_manager, fields=_manager_fields, about=lambda _: None,
    ),
    Action(
        "approve-role", "grant", "Approve", "Approve this role", "mes.approve_role", "writing-sign",
        _standing(approved=False), _approve, meaning=Meaning.APPROVED, content=_grant_signs, main=True,
    ),
    Action(
        "review-role", "grant", "Confirm", "Confirm that this role is still needed", "mes.review_role", "eye",
        _standing(approved=True), _review, meaning=Meaning.REVIEWED, content=_grant_signs,
    ),
    Action(
        "revoke-role", "grant", "Revoke", "Revoke this role", "mes.manage_people", "circle-x",
        lambda grant: not grant.revoked, _revoke, fields=_because, about=lambda grant: grant.person, danger=True,
        help="Whatever needs it is refused from this moment on.",
    ),
)  # fmt: skip
