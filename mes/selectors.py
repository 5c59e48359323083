"""Reading the kernel: people, events, signatures. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import BigIntegerField, Count, DateTimeField, Exists, Max, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from mes.choices import Meaning, RightState, Role
from mes.compiled import Compiled, Slot
from mes.eventlog.base import Actor
from mes.exceptions import Reason
from mes.models import (
    Account,
    BrowserSession,
    Contact,
    CredentialReview,
    Delivery,
    EventRecord,
    HandwrittenSignature,
    Person,
    Reproofing,
    RoleGrant,
    Signature,
    SignatureWithdrawal,
    SigningRight,
)
from mes.models.eventlog import DeliveryStatus
from mes.reading import once, present
from mes.tables import TABLES

SECURITY = "Ask the security administrator."
SUSPENDED = {
    "misuse": Reason(
        "The right to sign is suspended after wrong secrets.",
        "A security administrator restores it, with a reason.",
        "ES-15",
    ),
    "reset": Reason(
        "The right to sign is suspended since the secret was reset.",
        "Have your identity proofed again by two people, then re-enrol under 'Your account'.",
        "ES-14",
    ),
    "review": Reason(
        "The right to sign is suspended since a review of your credentials.",
        "A security administrator restores it, with a reason.",
        "P11-300b",
    ),
    "compromise": Reason(
        "The right to sign is suspended: the secret may be known to others.",
        "Choose a new password; a security administrator then restores the right.",
        "ES-16",
    ),
}


OPENS = {
    "mes.passkey_enrolled": "A passkey was enrolled.",
    "mes.passkey_ended": "A passkey was ended.",
    "mes.token_issued": "A key to the API was made.",
    "mes.token_revoked": "A key to the API was closed.",
    "mes.password_changed": "The password was changed.",
    "mes.contact_named": "Another address was named.",
    "mes.contact_verified": "The address for alerts and links was changed.",
    "mes.identity_bound": "An identity of the provider was bound.",
}
"""Facts that change how an account is opened, as its owner reads them."""


def standing(now: datetime | Slot | None = None) -> Q:
    """Grants that count at a moment: approved by two who have not taken it back, begun, neither over nor revoked."""
    moment = now or timezone.now()
    still = Q(valid_until=None) | Q(valid_until__gt=moment)
    withdrawn = SignatureWithdrawal.objects.filter(
        Q(withdrawn=OuterRef("first_approval")) | Q(withdrawn=OuterRef("second_approval"))
    )
    return Q(~Exists(withdrawn), approved=True, revoked=False, valid_from__lte=moment) & still


def grants_of(person: Person, now: datetime | None = None) -> tuple[RoleGrant, ...]:
    """The grants that count at a moment, by default now."""
    return _grants_of(person.pk, now or present())


@once
def _grants_of(person_id: int, now: datetime) -> tuple[RoleGrant, ...]:
    return _GRANTS(person=person_id, now=now)


_GRANTS = Compiled(
    lambda: RoleGrant.objects.filter(
        standing(Slot("now", DateTimeField())), person_id=Slot("person", BigIntegerField())
    )
)


def confirmations(grants: Iterable[RoleGrant]) -> dict[int, datetime]:
    """By key: when somebody last confirmed each role. A review that was withdrawn is none: then the one before it counts, or
    the approval (ES-18). One query more for each role that has lost all its reviews."""
    held = list(grants)
    reviewed = {str(grant.pk): grant for grant in held if grant.reviewed_by_id is not None}
    found = {grant.pk: grant.reviewed_at for grant in held}
    if not reviewed:
        return found
    newest = _newest_reviews(tuple(sorted(reviewed)))
    for key, grant in reviewed.items():
        found[grant.pk] = min(grant.reviewed_at, newest.get(key) or _approved_at(grant))
    return found


@once
def _newest_reviews(keys: tuple[str, ...]) -> dict[str, datetime]:
    reviews = Signature.objects.filter(
        subject_type="mes.role_grant", meaning=Meaning.REVIEWED, withdrawal=None, subject_id__in=keys
    )
    return dict(reviews.values_list("subject_id").annotate(at=Max("signed_at")))


def _approved_at(grant: RoleGrant) -> datetime:
    return grant.second_approval.signed_at if grant.second_approval else grant.granted_at


def is_overdue(confirmed: datetime, moment: datetime) -> bool:
    """Whether nobody confirmed a role within the quarter and its grace (11.10(d), G-OPR-02)."""
    return confirmed + timedelta(days=settings.ROLE_REVIEW_DAYS + settings.ROLE_REVIEW_GRACE) < moment


def roles_of(person: Person, now: datetime | None = None) -> frozenset[Role]:
    """The roles that a person holds at a moment, by default now."""
    return frozenset(Role(grant.role) for grant in grants_of(person, now))


def roles_of_people(people: Iterable[Person], now: datetime | None = None) -> dict[int, frozenset[Role]]:
    """The roles that each of several people holds at a moment, by key; one query."""
    found: dict[int, set[Role]] = {person.pk: set() for person in people}
    grants = RoleGrant.objects.filter(standing(now), person__in=found).values_list("person_id", "role")
    for person_id, role in grants:
        found[person_id].add(Role(role))
    return {key: frozenset(roles) for key, roles in found.items()}


def people_with(*roles: Role, now: datetime | None = None) -> QuerySet[Person]:
    """Active people who hold one of the roles now."""
    holders = RoleGrant.objects.filter(standing(now), role__in=roles)
    return Person.objects.filter(active=True, pk__in=holders.values("person"))


def holders_of_roles(now: datetime) -> dict[Role, int]:
    """How many active people hold each role at a moment; one query. A role that nobody holds is not there."""
    grants = RoleGrant.objects.filter(standing(now), person__active=True).order_by()
    counted = grants.values_list("role").annotate(people=Count("person", distinct=True))
    return {Role(role): people for role, people in counted}


def performers(root: Model, *types: str) -> frozenset[int]:
    """The people who caused events of some types on a root's stream: who did it, as the record has it."""
    actors = events_of(root).filter(type__in=types).values_list("actor", flat=True)
    return frozenset(key for key in (Actor.parse(actor).person_id for actor in actors) if key is not None)


def stream_of(root: Model) -> tuple[str, str]:
    """Stream type and id of a root row."""
    return TABLES[root._meta.db_table].root, str(root.pk)


def events_of(root: Model) -> QuerySet[EventRecord]:
    """What happened to a root, oldest first."""
    kind, key = stream_of(root)
    return EventRecord.objects.filter(stream_type=kind, stream_id=key).order_by("version")


def signatures_of(root: Model, meaning: Meaning | None = None) -> QuerySet[Signature]:
    """Signatures over a root, oldest first."""
    kind, key = stream_of(root)
    signatures = (
        Signature.objects.filter(subject_type=kind, subject_id=key)
        .select_related("person", "withdrawal")
        .order_by("pk")
    )
    return signatures.filter(meaning=meaning) if meaning else signatures


def handwritten_of(root: Model) -> QuerySet[HandwrittenSignature]:
    """Papers signed by hand about a root, oldest first, with who verified them."""
    kind, key = stream_of(root)
    rows = HandwrittenSignature.objects.filter(subject_type=kind, subject_id=key)
    return rows.select_related("verification__withdrawal").order_by("pk")


def dead_deliveries() -> QuerySet[Delivery]:
    """Deliveries given up, oldest first: each holds its own stream and handler."""
    return Delivery.objects.filter(status=DeliveryStatus.DEAD).select_related("event").order_by("pk")


def open_sessions(account: Account) -> QuerySet[BrowserSession]:
    """Sessions that nobody ended and that are not over by age, newest first."""
    oldest = timezone.now() - settings.SESSION_LONGEST
    return BrowserSession.objects.filter(
        account=account, ended_at__isnull=True, started_at__gt=oldest
    ).order_by("-pk")


def is_locked(account: Account) -> bool:
    """Whether wrong secrets shut an account, for as long as the lock lasts (ES-15)."""
    return account.locked_until is not None and account.locked_until > timezone.now()


def session_stands(uid: str, account: Account) -> bool:
    """Whether the session of this id still opens things for an account: neither it nor the account is locked, it is not
    ended, not idle (P11-10d, ES-15)."""
    if is_locked(account):
        return False
    try:
        key = UUID(uid)
    except ValueError:
        return False
    since = timezone.now() - settings.IDLE
    return open_sessions(account).filter(uid=key, locked_at=None, activity__seen_at__gt=since).exists()


def contact_of(person: Person) -> Contact | None:
    """The address that its owner has verified."""
    return Contact.objects.filter(person=person, closed=False, verified_at__isnull=False).first()


def reproofing_of(person: Person) -> Reproofing | None:
    """The newest look at who a signer is that a second person confirmed."""
    return Reproofing.objects.filter(person=person, confirmed_at__isnull=False).order_by("-pk").first()


def changes_of(account: Account, since: datetime) -> QuerySet[EventRecord]:
    """What changed of the ways into an account, newest first: passkeys, keys, the password, the address, the provider."""
    rows = {
        "mes.account": [account.pk],
        "mes.passkey": account.passkeys.values_list("pk", flat=True),
        "mes.access_token": account.tokens.values_list("pk", flat=True),
        "mes.contact": Contact.objects.filter(person_id=account.person_id or 0).values_list("pk", flat=True),
        "mes.federated_identity": account.identities.values_list("pk", flat=True),
    }
    wanted = Q(pk__in=[])
    for kind, keys in rows.items():
        wanted |= Q(stream_type=kind, stream_id__in=[str(key) for key in keys])
    return EventRecord.objects.filter(wanted, type__in=OPENS, recorded_at__gte=since).order_by("-pos")


def review_due(account: Account) -> datetime:
    """When an account is to be reviewed: 180 days after it was opened, or after its last review (ES-16)."""
    last = _LAST_REVIEW.first(account=account.pk)
    return (last[0] if last else account.opened_at) + settings.CREDENTIAL_REVIEW


_LAST_REVIEW = Compiled(
    lambda: (
        CredentialReview.objects.filter(account=Slot("account", BigIntegerField()))
        .order_by("-reviewed_at")
        .values_list("reviewed_at")[:1]
    )
)


def reviews_due(within_days: int = 14) -> QuerySet[Account]:
    """Open accounts of people whose review is overdue or comes within some days."""
    limit = timezone.now() - settings.CREDENTIAL_REVIEW + timedelta(days=within_days)
    recent = CredentialReview.objects.filter(account=OuterRef("pk"), reviewed_at__gte=limit)
    return (
        Account.objects.filter(~Exists(recent), is_active=True, person__active=True, opened_at__lt=limit)
        .select_related("person")
        .order_by("pk")
    )


def password_expired(account: Account) -> bool:
    """Whether the password is older than the installation allows; never, where ageing is off (ES-16)."""
    age = settings.PASSWORD_AGE
    return (
        bool(age) and account.password_set_at is not None and timezone.now() - account.password_set_at > age
    )


def owes_password(account: Account) -> bool:
    """Whether an account opens nothing, by a session or by a key, before its owner chose a new password (ES-16)."""
    return account.must_change or password_expired(account)


def signing_right_of(person: Person) -> tuple[Reason, ...]:
    """Why the right to sign of an enrolled person does not stand now, each reason with its cure; empty where it stands
    (ES-14 to ES-16). What must come before a first signature is asked of the enrolment (ES-13)."""
    return tuple(_against_signing(person))


def _against_signing(person: Person) -> Iterator[Reason]:
    if not person.active:
        yield Reason("This person is not active.", SECURITY, "P11-10d")
    right = _RIGHT.first(person=person.pk)
    if right is not None and right.state == RightState.SUSPENDED:
        yield SUSPENDED[right.cause]
    account = _ENROLLED.first(person=person.pk)
    if account is not None:
        yield from _against_account(account)


_RIGHT = Compiled(lambda: SigningRight.objects.filter(person=Slot("person", BigIntegerField())))
_ENROLLED = Compiled(
    lambda: Account.objects.filter(
        enrolment__person=Slot("person", BigIntegerField()), enrolment__closed=False
    ).order_by("pk")
)


def _against_account(account: Account) -> Iterator[Reason]:
    if not account.is_active:
        yield Reason("The account that you sign with is closed.", SECURITY, "P11-10d")
    if account.locked_until is not None and account.locked_until > timezone.now():
        yield Reason("Your account is locked after wrong secrets.", "Wait thirty minutes.", "ES-15")
    if review_due(account) < timezone.now():
        yield Reason(
            "The review of your credentials is overdue.", "Ask a security or quality reviewer.", "P11-300b"
        )
    if owes_password(account):
        yield Reason("Your password has to be changed.", "Change it under 'Your account'.", "ES-16")
