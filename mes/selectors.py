"""Reading the kernel: people, events, signatures. Nothing here writes."""

from __future__ import annotations

from django.db.models import Model, QuerySet

from mes.choices import Meaning, Role
from mes.models import Delivery, EventRecord, HandwrittenSignature, Person, Signature
from mes.models.eventlog import DeliveryStatus
from mes.tables import TABLES


def roles_of(person: Person) -> frozenset[Role]:
    return frozenset(
        Role(role) for role in person.role_grants.filter(revoked=False).values_list("role", flat=True)
    )


def people_with(role: Role) -> QuerySet[Person]:
    return Person.objects.filter(active=True, role_grants__role=role, role_grants__revoked=False)


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
    return rows.select_related("verification").order_by("pk")


def dead_deliveries() -> QuerySet[Delivery]:
    """Deliveries given up, oldest first: each holds its own stream and handler."""
    return Delivery.objects.filter(status=DeliveryStatus.DEAD).select_related("event").order_by("pk")
