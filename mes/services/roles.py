"""Roles as data: proposed by one person, approved by a second, reviewed every quarter, revoked with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from mes.choices import Meaning, Role
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import RoleGranted, RoleProposed, RoleReviewed, RoleRevoked
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Reason
from mes.models import Person, RoleGrant
from mes.permissions import ADMINISTRATION, PRODUCTION, require
from mes.services.administrators import somebody_left
from mes.services.signatures import Credentials, sign
from mes.standing import WHEN_SIGNED, require_carried


@unit_of_work
def grant_role(*, person: Person, role: Role, actor: Actor, reason: str = "") -> RoleGrant:
    """Give a role at once. Only the machine's console does that, so that an installation can begin; a person proposes one
    and a second approves it (`propose_role`, `approve_role`)."""
    require(actor, "mes.manage_people", person)
    if actor.person_id is not None:
        _refuse_self(actor, person)
        raise NotPermitted(
            "One person alone gives no role.",
            cure="Propose it; a second person approves.",
            rule="P11-10d",
        )
    _lock(person)
    found = _open_grant(person, role)
    if found is not None and found.approved:
        return found
    _refuse_mixture(person, role)
    grant = found or RoleGrant(person=person, role=role, reason=reason)
    grant.approved = True
    grant.save()
    publish(grant, RoleGranted(person_id=person.pk, role=role.value), actor=actor, reason=reason)
    return grant


@unit_of_work
def propose_role(
    *,
    person_id: int,
    role: Role,
    reason: str,
    actor: Actor,
    credentials: Credentials,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> RoleGrant:
    """Sign that a person should carry a role, from a moment until another (APPROVED, the first of two).

    Nothing follows from it before somebody else has signed too. valid_until is exclusive; None is no end.
    """
    person = _lock(Person.objects.get(pk=person_id))
    require(actor, "mes.propose_role", person)
    _refuse_self(actor, person)
    start = valid_from or timezone.now()
    _refuse_times(reason, start, valid_until)
    _refuse_mixture(person, role)
    _end_what_is_over(person, role, actor)
    if _open_grant(person, role) is not None:
        raise Conflict(
            f"{person} holds this role, or it waits for its approval.", cure="Revoke it first to change it."
        )
    grant = RoleGrant.objects.create(
        person=person,
        role=role,
        reason=reason.strip(),
        granted_by_id=actor.person_id,
        valid_from=start,
        valid_until=valid_until,
    )
    grant.first_approval = sign(
        subject=grant,
        content=role_content(person, role, reason, valid_from, valid_until),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    grant.save(update_fields=["first_approval"])
    event = RoleProposed(
        person_id=person.pk, role=role.value, signature_id=grant.first_approval.pk, **_times(grant)
    )
    publish(grant, event, actor=actor, reason=grant.reason)
    return grant


@unit_of_work
def approve_role(*, grant_id: int, actor: Actor, credentials: Credentials) -> RoleGrant:
    """Sign a proposed role (APPROVED, the second of two): from its moment on, it counts. Neither proposer nor holder."""
    grant = _locked(grant_id)
    require(actor, "mes.approve_role", grant)
    if grant.approved or grant.revoked:
        raise Conflict("Nothing waits for an approval here.", cure="Look at the person's roles again.")
    require_carried(
        grant,
        "first_approval",
        text="The first approval was withdrawn, or was given for something else than this role is now: two people give one.",
        cure="Revoke the proposal, and propose the role again.",
    )
    _refuse_mixture(grant.person, Role(grant.role))
    grant.second_approval = sign(
        subject=grant,
        content=grant_content(grant),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    grant.approved = True
    grant.reviewed_at = timezone.now()
    grant.save(update_fields=["second_approval", "approved", "reviewed_at"])
    both = [key for key in (grant.first_approval_id, grant.second_approval_id) if key is not None]
    event = RoleGranted(person_id=grant.person_id, role=grant.role, signatures=both, **_times(grant))
    publish(grant, event, actor=actor, reason=grant.reason)
    return grant


@unit_of_work
def review_role(*, grant_id: int, actor: Actor, credentials: Credentials) -> RoleGrant:
    """Sign that a person still needs a role (REVIEWED): the quarterly review of access (11.10(d))."""
    grant = _locked(grant_id)
    require(actor, "mes.review_role", grant)
    if grant.revoked or not grant.approved:
        raise Conflict("Nobody holds this role any more.", cure="Look at the list again.")
    signature = sign(
        subject=grant,
        content=grant_content(grant),
        meaning=Meaning.REVIEWED,
        actor=actor,
        credentials=credentials,
    )
    grant.reviewed_at, grant.reviewed_by = signature.signed_at, signature.person
    grant.save(update_fields=["reviewed_at", "reviewed_by"])
    event = RoleReviewed(person_id=grant.person_id, role=grant.role, signature_id=signature.pk)
    publish(grant, event, actor=actor)
    return grant


@unit_of_work
def revoke_role(*, person: Person, role: Role, actor: Actor, reason: str) -> None:
    """Take a role away at once, or a proposal back. One person is enough: it only closes doors.

    Raises TransitionRefused for the last who administers people.
    """
    with somebody_left():
        require(actor, "mes.manage_people", person)
        for grant in RoleGrant.objects.select_for_update().filter(person=person, role=role, revoked=False):
            _revoke(grant, actor, reason)


def role_content(
    person: Person, role: str, reason: str, valid_from: datetime | None, valid_until: datetime | None
) -> dict[str, Any]:
    """What the first approval of a role signs. Without a moment it begins when it is signed."""
    return {
        "record": "role grant",
        "person": person.pk,
        "name": str(person),
        "role": f"{role} {Role(role).label}",
        "valid_from": valid_from or WHEN_SIGNED,
        "valid_until": valid_until,
        "reason": reason.strip(),
    }


def grant_content(grant: RoleGrant) -> dict[str, Any]:
    """What the second approval and every review of a role sign."""
    return role_content(grant.person, grant.role, grant.reason, grant.valid_from, grant.valid_until)


def _times(grant: RoleGrant) -> dict[str, str]:
    return {
        "valid_from": grant.valid_from.isoformat(),
        "valid_until": grant.valid_until.isoformat() if grant.valid_until else "",
    }


def _lock(person: Person) -> Person:
    """The person's row is the lock of all their roles: two grants at once could mix what may not be mixed."""
    return Person.objects.select_for_update().get(pk=person.pk)


def _locked(grant_id: int) -> RoleGrant:
    grant = by_key(RoleGrant, grant_id)
    if grant is None:
        raise InvalidInput("There is no such grant.", cure="Look at the person's roles again.")
    _lock(grant.person)
    return RoleGrant.objects.select_for_update().get(pk=grant_id)


def _open_grant(person: Person, role: Role) -> RoleGrant | None:
    return RoleGrant.objects.filter(person=person, role=role, revoked=False).first()


def _end_what_is_over(person: Person, role: Role, actor: Actor) -> None:
    over = RoleGrant.objects.filter(person=person, role=role, revoked=False, valid_until__lte=timezone.now())
    for grant in over.select_for_update():
        _revoke(grant, actor, "It was over; a new one is proposed.")


def _revoke(grant: RoleGrant, actor: Actor, reason: str) -> None:
    grant.revoked = True
    grant.save(update_fields=["revoked"])
    publish(grant, RoleRevoked(person_id=grant.person_id, role=grant.role), actor=actor, reason=reason)


def _refuse_self(actor: Actor, person: Person) -> None:
    if actor.person_id == person.pk:
        raise NotPermitted(
            "Nobody grants a role to themselves.", cure="Ask another administrator.", rule="P11-200a3"
        )


def _refuse_times(reason: str, start: datetime, end: datetime | None) -> None:
    faults = []
    if not reason.strip():
        faults.append(Reason("Say what the person needs the role for.", "Write the reason.", "P11-10e"))
    if end is not None and end <= max(start, timezone.now()):
        faults.append(Reason("The role would end before it begins.", "Choose a later end.", "P11-10d"))
    if faults:
        raise InvalidInput(faults)


def _refuse_mixture(person: Person, role: Role) -> None:
    """Whoever administers people or the system holds no production role, at any time that is still to come (G-SOD-01)."""
    wanted, barred = (
        (role in ADMINISTRATION, PRODUCTION)
        if role in ADMINISTRATION
        else (role in PRODUCTION, ADMINISTRATION)
    )
    if not wanted:
        return
    held = RoleGrant.objects.filter(person=person, revoked=False, role__in=barred)
    still = [grant for grant in held if grant.valid_until is None or grant.valid_until > timezone.now()]
    if still:
        other = Role(still[0].role).label
        raise NotPermitted(
            f"{role.label} and {other} are never one person: administration holds no production role.",
            cure=f"Give it to somebody else, or revoke the role {other} first.",
            rule="G-SOD-01",
        )
