"""Whether an account may sign: identity proofed, accountability accepted, the organisation's letter sent (ES-13)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import BigIntegerField, DateTimeField, TextField

from mes.choices import Meaning, Role
from mes.compiled import Compiled, Slot
from mes.eventlog.unit import running_unit
from mes.exceptions import NotPermitted, Reason, SignatureRefused
from mes.models import Account, CertificationLetter, Person, SigningEnrolment, StatementAcceptance
from mes.permissions import PERMISSIONS, all_overdue, unconfirmed
from mes.selectors import grants_of, signing_right_of
from mes.services.signing_policy import RENEWED, STATEMENT_VERSION, policy


def require_right(account: Account, meaning: Meaning, now: datetime) -> None:
    """Refuse with everything that is missing. The statement itself is accepted before it is in force."""
    missing = tuple(missing_for(account, now, accepting=meaning is Meaning.ACCEPTED))
    missing += signing_right_of(account.person) if account.person else ()
    if missing:
        raise SignatureRefused(missing)


def missing_for(account: Account, now: datetime, *, accepting: bool = False) -> Iterator[Reason]:
    """What an account still needs before it may sign."""
    enrolment = _ENROLMENT.first(account=account.pk)
    yield from _identity(account, enrolment)
    if enrolment is not None and not accepting and not accepted(enrolment, now):
        yield Reason(
            "The statement of accountability is not accepted, or was accepted more than a year ago.",
            "Read and accept it under My signature.",
            "P11-10j",
        )
    if not accepting and not letter_stands():
        yield Reason(
            "The organisation's letter to the FDA about electronic signatures is not on record.",
            "Ask regulatory affairs to record it.",
            "P11-100c",
        )


def _identity(account: Account, enrolment: SigningEnrolment | None) -> Iterator[Reason]:
    others = SigningEnrolment.objects.filter(person=account.person, closed=False)
    if enrolment is None and others.exists():
        yield Reason("This person signs with another account.", "Sign with that one.", "P11-100a")
    elif enrolment is None:
        yield Reason(
            "The identity behind this account was not proofed.",
            "Show a document to the security administrator.",
            "ES-13",
        )
    elif enrolment.confirmed_at is None:
        yield Reason(
            "The proof of identity waits for a second person.",
            "Ask another administrator to confirm it.",
            "ES-13",
        )


def accepted(enrolment: SigningEnrolment, now: datetime) -> bool:
    """Whether the statement in force was accepted within the last year (11.10(j))."""
    return _ACCEPTED.first(enrolment=enrolment.pk, version=STATEMENT_VERSION, since=now - RENEWED) is not None


_ENROLMENT = Compiled(
    lambda: SigningEnrolment.objects.filter(account=Slot("account", BigIntegerField()), closed=False)
)
_ACCEPTED = Compiled(
    lambda: StatementAcceptance.objects.filter(
        enrolment=Slot("enrolment", BigIntegerField()),
        version=Slot("version", TextField()),
        accepted_at__gt=Slot("since", DateTimeField()),
    ).values_list("pk")[:1]
)


def letter_stands() -> bool:
    """11.100(c), for installations that serve the US; elsewhere, or where it only warns, nothing is missing."""
    decided = policy()
    if not decided.letter_needed or decided.letter == "warn":
        return True
    return CertificationLetter.objects.exists()


def require_confirmed(person: Person, moment: datetime) -> None:
    """Refuse a signature for which only roles speak that nobody confirmed in time (11.10(d), G-OPR-02).

    Asked by `sign` itself: of everything that the person was permitted in the running unit, and where nothing was asked, as
    for taking back one's own signature, of all the person's roles. Raises NotPermitted.
    """
    asked = sorted(action for key, action in running_unit("A signature was made").asked if key == person.pk)
    held = grants_of(person, moment)
    wanted = [PERMISSIONS[action].roles for action in asked] or [frozenset(Role)]
    carrying = [[grant for grant in held if grant.role in roles] for roles in wanted]
    if reasons := [unconfirmed(grants[0], person) for grants in carrying if all_overdue(grants, moment)]:
        raise NotPermitted(list(dict.fromkeys(reasons)))
