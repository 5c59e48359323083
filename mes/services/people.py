"""People and their accounts. Roles are `mes.services.roles`."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import AccountOpened, PersonDeactivated, PersonRegistered
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.models import Account, Person
from mes.permissions import require
from mes.services.accounts import choose_password, refuse_password
from mes.services.administrators import somebody_left
from mes.services.roles import grant_role, revoke_role
from mes.services.sessions import end_all_sessions
from mes.services.tokens import revoke_all_tokens
from mes.text import names_read, username_read

LONGEST_NAME, LONGEST_FULL_NAME, LONGEST_CREDENTIALS = 150, 200, 100

__all__ = ["deactivate_person", "grant_role", "open_account", "register_person", "revoke_role"]


@cache
def _timezones() -> frozenset[str]:
    """The IANA zones that this machine knows: a walk through hundreds of files."""
    return frozenset(available_timezones())


@unit_of_work
def register_person(
    *, full_name: str, actor: Actor, credentials: str = "", timezone: str = "UTC", external: bool = False
) -> Person:
    """external: of another company; such a person knows only the orders that they are named on.

    timezone: an IANA zone, in which the person's signatures are printed. Raises InvalidInput.
    """
    require(actor, "mes.manage_people")
    if not full_name.strip():
        raise InvalidInput(
            "A person needs a full name.", cure="Give the name as it is printed beside a signature."
        )
    names_read({"The full name": full_name}, longest=LONGEST_FULL_NAME)
    if credentials.strip():
        names_read({"The credentials": credentials}, longest=LONGEST_CREDENTIALS)
    if timezone not in _timezones():
        raise InvalidInput(
            "This is no time zone.", cure="Type an IANA zone, such as Europe/Ljubljana, or UTC."
        )
    person = Person.objects.create(
        full_name=full_name.strip(), credentials=credentials.strip(), timezone=timezone, external=external
    )
    publish(person, PersonRegistered(person_id=person.pk), actor=actor)
    return person


@unit_of_work
def open_account(*, username: str, password: str, person: Person | None, actor: Actor) -> Account:
    """Give a person, or without one a program, a way to sign in. Refuses a name that was ever used (K-04).

    Only a rule (the console, at the beginning) gives a password. An administrator opens an account without one, so that
    nobody ever knows somebody else's (ES-14). The name is stored in its plain letters (NFKC).
    """
    require(actor, "mes.manage_people")
    _refuse_owner(person, actor)
    username = username_read(username)
    if not username.strip() or username != username.strip():
        raise InvalidInput("A user name needs at least one character and no spaces around it.")
    names_read({"The user name": username}, longest=LONGEST_NAME, rule="P11-300a")
    _refuse_other_letters(username)
    if Account.objects.named(username).exists():
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


def _refuse_other_letters(username: str) -> None:
    """A new name is of ASCII alone (UTS 39, 5.2), so that it looks like no other one: a Cyrillic "е" looks like an "e". Who has an
    older name keeps it."""
    if not username.isascii():
        raise InvalidInput(
            "A user name is made of plain letters from A to Z, digits and signs.",
            cure="Write it without accents, in Latin letters. The full name is printed as it is.",
            rule="P11-300a",
        )


def _refuse_owner(person: Person | None, actor: Actor) -> None:
    if person is None:
        return
    if actor.person_id == person.pk:
        raise NotPermitted(
            "Nobody opens an account of their own.", cure="Ask another administrator.", rule="P11-200a3"
        )
    if not person.active:
        raise InvalidInput("This person is not active.", cure="Look at the list again.", rule="P11-10d")


@unit_of_work
def deactivate_person(*, person_id: int, actor: Actor, reason: str) -> Person:
    """Nothing is possible for this person any more, at once and through every account; their history stays (K-04).

    Raises TransitionRefused for the last who administers people.
    """
    with somebody_left():
        return _deactivated(person_id, actor, reason)


def _deactivated(person_id: int, actor: Actor, reason: str) -> Person:
    person = Person.objects.select_for_update().get(pk=person_id)
    require(actor, "mes.manage_people", person)
    if not reason.strip():
        raise InvalidInput("Say why.", rule="P11-10e")
    if actor.person_id == person.pk:
        raise NotPermitted(
            "Nobody deactivates themselves.", cure="Ask another administrator.", rule="P11-10d"
        )
    if not person.active:
        raise Conflict("This person is not active already.", cure="Nothing needs to be done.", rule="K-04")
    person.active = False
    person.save(update_fields=["active"])
    publish(person, PersonDeactivated(person_id=person.pk), actor=actor, reason=reason.strip())
    for account in person.accounts.order_by("pk"):
        revoke_all_tokens(account=account, actor=actor)
        end_all_sessions(account=account, cause="person deactivated", actor=actor)
    return person
