"""People, accounts and roles."""

from __future__ import annotations

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import AccountOpened, PersonRegistered, RoleGranted, RoleRevoked
from mes.exceptions import InvalidInput, NotPermitted
from mes.models import Account, Person, RoleGrant
from mes.permissions import require
from mes.services.accounts import choose_password, refuse_password


@unit_of_work
def register_person(*, full_name: str, actor: Actor, credentials: str = "", timezone: str = "UTC") -> Person:
    require(actor, "mes.manage_people")
    if not full_name.strip():
        raise InvalidInput(
            "A person needs a full name.", cure="Give the name as it is printed beside a signature."
        )
    person = Person.objects.create(full_name=full_name.strip(), credentials=credentials, timezone=timezone)
    publish(person, PersonRegistered(person_id=person.pk), actor=actor)
    return person


@unit_of_work
def open_account(*, username: str, password: str, person: Person | None, actor: Actor) -> Account:
    """Give a person, or without one a program, a way to sign in. Refuses a name that was ever used (K-04).

    Only a rule (the console, at the beginning) gives a password. An administrator opens an account without one, so that
    nobody ever knows somebody else's (ES-14).
    """
    require(actor, "mes.manage_people")
    if not username.strip() or username != username.strip():
        raise InvalidInput("A user name needs at least one character and no spaces around it.")
    if Account.objects.filter(username__iexact=username).exists():
        raise InvalidInput("This user name is taken, or was once.", cure="Choose another.", rule="K-04")
    if password and actor.person_id is not None:
        raise NotPermitted(
            "A password is chosen by its owner.",
            cure="Open the account without one; its owner sets it by an approved link.",
            rule="ES-14",
        )
    account = Account(username=username, person=person, is_service=person is None)
    if actor.person_id is None:
        refuse_password(account, password)
        choose_password(account, password)
    else:
        account.set_unusable_password()
        account.save()
    publish(
        account, AccountOpened(account_id=account.pk, person_id=person.pk if person else None), actor=actor
    )
    return account


@unit_of_work
def grant_role(*, person: Person, role: Role, actor: Actor, reason: str = "") -> RoleGrant:
    """Give a role. Nobody gives one to themselves (11.200(a)(3))."""
    require(actor, "mes.manage_people")
    if actor.person_id == person.pk:
        raise NotPermitted(
            "Nobody grants a role to themselves.", cure="Ask another administrator.", rule="P11-200a3"
        )
    found = RoleGrant.objects.filter(person=person, role=role, revoked=False).first()
    if found:
        return found
    grant = RoleGrant.objects.create(person=person, role=role, granted_by_id=actor.person_id)
    publish(grant, RoleGranted(person_id=person.pk, role=role.value), actor=actor, reason=reason)
    return grant


@unit_of_work
def revoke_role(*, person: Person, role: Role, actor: Actor, reason: str) -> None:
    require(actor, "mes.manage_people")
    for grant in RoleGrant.objects.select_for_update().filter(person=person, role=role, revoked=False):
        grant.revoked = True
        grant.save(update_fields=["revoked"])
        publish(grant, RoleRevoked(person_id=person.pk, role=role.value), actor=actor, reason=reason)
