"""Reading the kernel: people, events, signatures. Nothing here writes."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from mes.choices import Meaning, Role
from mes.eventlog.base import Actor
from mes.models import Delivery, EventRecord, Person, RoleGrant, Signature
from mes.models.eventlog import DeliveryStatus
from mes.tables import TABLES


def standing(now: datetime | None = None) -> Q:
    """Grants that count at a moment: approved, begun, neither over nor revoked."""
    moment = now or timezone.now()
    still = Q(valid_until=None) | Q(valid_until__gt=moment)
    return Q(approved=True, revoked=False, valid_from__lte=moment) & still


def grants_of(person: Person, now: datetime | None = None) -> QuerySet[RoleGrant]:
    return RoleGrant.objects.filter(standing(now), person=person)


def roles_of(person: Person, now: datetime | None = None) -> frozenset[Role]:
    """The roles that a person holds at a moment, by default now."""
    return frozenset(Role(role) for role in grants_of(person, now).values_list("role", flat=True))


def people_with(*roles: Role, now: datetime | None = None) -> QuerySet[Person]:
    """Active people who hold one of the roles now."""
    holders = RoleGrant.objects.filter(standing(now), role__in=roles)
    return Person.objects.filter(active=True, pk__in=holders.values("person"))


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
        Signature.objects.filter(subject_type=kind, subject_id=key).select_related("person").order_by("pk")
    )
    return signatures.filter(meaning=meaning) if meaning else signatures


def dead_deliveries() -> QuerySet[Delivery]:
    """Deliveries given up, oldest first: each holds its own stream and handler."""
    return Delivery.objects.filter(status=DeliveryStatus.DEAD).select_related("event").order_by("pk")
