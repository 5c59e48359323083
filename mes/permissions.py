"""Who may do what: one place decides, and says why not, what to do about it and whom to ask (21 CFR 11.10(d), (g)).

`can` = the state of the person and account, and a role held now, and training on the documents in force, and need-to-know,
and segregation of duties. Services ask `require` inside their transaction, after locking what they act on; screens ask
`can`. There is no second place: a rule about one action is registered with `@segregated` (`mes.segregation`), which `can` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from django.db.models import BigIntegerField, Exists, Model, OuterRef, QuerySet

from mes.choices import Role
from mes.compiled import Compiled, Slot, by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import in_unit, publish, running_unit
from mes.exceptions import NotKnown, NotPermitted, Reason, SignatureRefused
from mes.models import Account, Person, RoleGrant, Station
from mes.reading import once, present
from mes.registry import Registry
from mes.scope import Viewer, may_know, viewer_of
from mes.segregation import segregation_reasons
from mes.selectors import confirmations, grants_of, is_overdue, people_with
from mes.stations import acted_at, place_reasons, station_here
from mes.tables import TABLES
from mes.terminals import secret_is_missing
from mes.training import NOTHING_ASKED, Competence, competence, followed

ADMINISTRATION = frozenset({Role.SEC, Role.SYS})
PRODUCTION = frozenset(Role) - ADMINISTRATION - {Role.AUD, Role.PRV}
"""Whoever administers people or the system holds none of these: refused when a role is granted (regulatory 4)."""
NAMES_SHOWN = 2


@dataclass(frozen=True)
class Permission:
    """An action and the roles that carry it. `system`: a rule may do it by itself. `signed`: it asks for a signature, always.

    `at_station`: it is done on the shop floor, and its record names the station it was done at (11.10(h)).
    `every_order`: its doors name orders whoever they belong to, so it is not for people of other companies (11.10(d)).
    `secret`: it changes who may do what, so every request for it carries the own secret again (ES-01, P11-10g).
    `own_company`: it reaches patients beyond the orders that somebody is named on, or decides about who may sign and sign in
    here, so it is not for them either.
    """

    action: str
    title: str
    roles: frozenset[Role]
    system: bool = False
    signed: bool = False
    every_order: bool = False
    own_company: bool = False
    at_station: bool = False
    secret: bool = False


PERMISSIONS: Registry[Permission] = Registry("permission")


def allow(action: str, title: str, *roles: Role, **marks: bool) -> None:
    """Declare an action ("package.verb_noun"), who may do it, and its marks: `system`, `signed`, `every_order`,
    `own_company`, `at_station`, `secret`. Called in the packages' `permissions` modules."""
    PERMISSIONS.add(action, Permission(action, title, frozenset(roles), **marks))


def at_station_actions() -> dict[str, str]:
    """The actions that are done at a station, with what they are called."""
    return {action: found.title for action, found in PERMISSIONS.items() if found.at_station}


# --- the decision


Finding = Callable[[], Reason]
"""What stands against an action. To word it is to look up whom to ask, which nobody needs who only hides a button."""


@dataclass(frozen=True)
class Decision:
    """The answer with all its findings, each worded when it is read. hidden: the person may not even know that the thing
    exists.

    competence: the documents in force that the action asks for, with the training that counts (P11-10k).
    station: the registered station that an action of the shop floor is done at, where it is done at one (P11-10h).
    """

    action: str
    findings: tuple[Finding, ...] = ()
    hidden: bool = False
    competence: Competence = NOTHING_ASKED
    station: Station | None = None

    @property
    def allowed(self) -> bool:
        return not self.findings

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(finding() for finding in self.findings)


SECRET_AGAIN = Reason(
    "This changes who may do what, or what opens an account: your secret is asked for again.",
    "Send your password, or the answer of a passkey or of your identity provider, with it.",
    "ES-01",
)
UNKNOWN = Reason(
    "There is no such thing, or it is not yours to know.",
    "Look at your list again, or ask an order coordinator to assign you to the order.",
    "P11-10d",
)


def can(
    actor: Actor,
    action: str,
    subject: Model | None = None,
    now: datetime | None = None,
    *,
    signing: bool = False,
) -> Decision:
    """Whether somebody may do something to a thing at a moment, by default now, with every reason why not.

    signing: it is done by a signature this time, whatever else the same action is asked for.
    """
    permission = PERMISSIONS[action]
    moment = now or present()
    if actor.person_id is None:
        return Decision(action, () if permission.system else (partial(_only_a_person, permission),))
    person, closed = _asking(actor.person_id)
    if (barred := _barred(person, closed)) or person is None:
        return Decision(action, barred)
    if subject is not None and not _knows(person, subject, moment):
        return Decision(action, (lambda: UNKNOWN,), hidden=True)
    known = competence(person.pk, action, moment)
    apart = segregation_reasons(actor, action, subject) if subject is not None else ()
    station = station_here() if permission.at_station else None
    place = place_reasons(action, permission.title, station) if permission.at_station else ()
    said = (partial(_said, reason) for reason in (*known.reasons, *apart, *place))
    of_roles = _against_roles(permission, person, moment, signing=signing or permission.signed)
    findings: tuple[Finding, ...] = (*of_roles, *said)
    return Decision(action, findings, competence=known, station=station)


def may(actor: Actor, action: str, subject: Model | None = None) -> bool:
    return can(actor, action, subject).allowed


def require(actor: Actor, action: str, subject: Model | None = None) -> Decision:
    """Refuse with every reason and cure unless the actor may do this now. Asked inside the transaction.

    Where the action asks for documents, the revisions in force that the person was trained on become a fact on the
    subject's stream, in the same unit: a step shows what held then, not what holds today (P11-10k).
    Raises NotKnown where the person may not know the subject, SignatureRefused where a request comes without the secret that the
    action asks for, NotPermitted for every other reason.
    """
    decision = can(actor, action, subject)
    if decision.hidden:
        raise NotKnown(decision.reasons)
    if not decision.allowed:
        raise NotPermitted(decision.reasons)
    if in_unit() and actor.person_id is not None:
        if PERMISSIONS[action].secret and secret_is_missing():
            raise SignatureRefused(SECRET_AGAIN)
        running_unit(action).asked.add((actor.person_id, action))
    if subject is not None and in_unit() and _is_root(subject):
        if decision.competence.records:
            publish(subject, followed(action, decision.competence), actor=actor)
        if decision.station is not None:
            publish(subject, acted_at(decision.action, decision.station), actor=actor)
    return decision


def _is_root(subject: Model) -> bool:
    return bool(TABLES[subject._meta.db_table].root)


def _knows(person: Person, subject: Model, moment: datetime) -> bool:
    return may_know(viewer_of(person, moment), subject)


def _only_a_person(permission: Permission) -> Reason:
    return Reason(f"Only a person may {permission.title}.", "Sign in and do it.", "P11-10g")


def _said(reason: Reason) -> Reason:
    return reason


@once
def _asking(person_id: int) -> tuple[Person | None, bool]:
    """The person who asks, and whether every account of theirs is closed."""
    found: Any = _PERSON.first(person=person_id)
    return found, found is not None and found.closed


def _with_closed() -> QuerySet[Person]:
    accounts = Account.objects.filter(person=OuterRef("pk"))
    closed = Exists(accounts) & ~Exists(accounts.filter(is_active=True))
    return Person.objects.annotate(closed=closed).filter(pk=Slot("person", BigIntegerField()))


_PERSON = Compiled(_with_closed)


def _barred(person: Person | None, closed: bool) -> tuple[Finding, ...]:
    if person is None or not person.active:
        return (partial(_ask_for_access, "This person is not active.", person),)
    if closed:
        return (partial(_ask_for_access, "Every account of this person is closed.", person),)
    return ()


def _ask_for_access(text: str, person: Person | None) -> Reason:
    return Reason(text, f"Ask {whom(Role.SEC, asking=person)}.", "P11-10d")


def all_overdue(grants: Sequence[RoleGrant], moment: datetime) -> bool:
    return bool(grants) and all(is_overdue(at, moment) for at in confirmations(grants).values())


def unconfirmed(grant: RoleGrant, person: Person) -> Reason:
    return Reason(
        f"Your role {Role(grant.role).label} was not confirmed in time: nothing can be signed with it.",
        f"Ask {whom(Role.SEC, asking=person)} to review it.",
        "G-OPR-02",
    )


def _against_roles(
    permission: Permission, person: Person, moment: datetime, *, signing: bool
) -> Iterator[Finding]:
    if not permission.roles:
        yield partial(_only_lamina, permission)
        return
    carrying = [grant for grant in grants_of(person, moment) if grant.role in permission.roles]
    if not carrying:
        yield partial(_role_missing, permission, person, moment)
    elif (permission.every_order or permission.own_company) and person.external:
        yield partial(_of_another_company, permission)
    elif signing and all_overdue(carrying, moment):
        yield partial(unconfirmed, carrying[0], person)


def _only_lamina(permission: Permission) -> Reason:
    return Reason(f"Only Lamina itself may {permission.title}.", "Nobody has to do it.", "P11-10g")


def _of_another_company(permission: Permission) -> Reason:
    apart = "tells of every order, and you know those that you are assigned to"
    text = apart if permission.every_order else "is for people of this company"
    return Reason(
        f"To {permission.title} {text}.",
        "Ask somebody of this company who has the role to do this.",
        "P11-10d",
    )


def _role_missing(permission: Permission, person: Person, moment: datetime) -> Reason:
    needed = " or ".join(sorted(str(role.label) for role in permission.roles))
    over = _lapsed(permission, person, moment)
    holder = whom(*permission.roles, fallback="somebody who has it", asking=person)
    text = f"To {permission.title} needs the role {needed}.{over}"
    return Reason(
        text,
        f"Ask {whom(Role.SEC, asking=person)} for the role, or {holder} to do this.",
        "G-OPR-02",
    )


def _lapsed(permission: Permission, person: Person, moment: datetime) -> str:
    """What the person has of the role that does not count now."""
    rows = RoleGrant.objects.filter(person=person, role__in=permission.roles, revoked=False)
    for grant in rows.order_by("-pk"):
        label = Role(grant.role).label
        if not grant.approved:
            return f" Yours as {label} waits for its second approval."
        if grant.valid_from > moment:
            return f" Yours as {label} begins on {grant.valid_from:%d %b %Y}."
        if grant.valid_until is not None and grant.valid_until <= moment:
            return f" Yours as {label} ended on {grant.valid_until:%d %b %Y}."
    return ""


@once
def whom(
    *roles: Role, fallback: str = "the security administrator", asking: Person | Actor | None = None
) -> str:
    """Whom to ask, by name where somebody holds a role; by role alone where `asking` is of another company (11.10(d))."""
    if Role.SEC in roles:
        fallback = "the security administrator"
    if isinstance(asking, Actor):
        asking = by_key(Person, asking.person_id or 0)
    if asking is not None and asking.external:
        return fallback
    names = [str(person) for person in people_with(*roles).order_by("full_name")[:NAMES_SHOWN]]
    return f"{fallback} ({', '.join(names)})" if names else fallback


def opens(action: str, viewer: Viewer) -> bool:
    """Whether a menu or a page may offer what an action is for: by role, and what tells of every order, or is this company's
    own business, to nobody of another company."""
    permission = PERMISSIONS[action]
    apart = viewer.external and (permission.every_order or permission.own_company)
    return bool(permission.roles & viewer.roles) and not apart
