"""Looking at who a patient is: with a reason, a right or an emergency, not too often, and always written down."""

from __future__ import annotations

from django.db.models import Model
from django.utils import timezone

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import PatientIdentityRefused, PatientIdentityViewed
from mes.exceptions import InvalidInput, NotPermitted, Refused, TooOften
from mes.models import EmergencyAccess, IdentityView, Patient
from mes.permissions import may, require
from mes.services.looking import (
    knows_patient,
    note_search,
    person_behind,
    refuse_many_searches,
    refuse_many_views,
)
from mes.services.patients import Identity, open_identity, patient_with


def view_identity(*, patient: Patient, actor: Actor, reason: str, about: Model | None = None) -> Identity:
    """Open the vault for a person who has a reason, and the right or an emergency. The view is a fact of the record.

    about: the order on whose account somebody looks. A refusal is a fact too. Raises InvalidInput without a reason, NotPermitted, TooOften, IdentityErased.
    """
    try:
        return _viewed(patient=patient, actor=actor, reason=reason, about=about)
    except (NotPermitted, TooOften) as refusal:
        _refused(patient=patient, actor=actor, refusal=refusal)
        raise


@unit_of_work
def _viewed(*, patient: Patient, actor: Actor, reason: str, about: Model | None) -> Identity:
    emergency = _right_or_emergency(patient, actor, about)
    if not reason.strip():
        raise InvalidInput(
            "Say why you need to see who this is.",
            cure="Type the reason; it stays in the record.",
            rule="P11-10e",
        )
    now = timezone.now()
    refuse_many_views(actor)
    identity = open_identity(patient)
    view = IdentityView.objects.create(
        patient=patient,
        person_id=person_behind(actor),
        emergency=emergency,
        reason=reason.strip(),
        viewed_at=now,
    )
    seen = PatientIdentityViewed(
        patient_id=patient.pk, view_id=view.pk, emergency_id=emergency.pk if emergency else None
    )
    publish(patient, seen, actor=actor, reason=reason.strip())
    return identity


def _right_or_emergency(patient: Patient, actor: Actor, about: Model | None) -> EmergencyAccess | None:
    """None for whoever has the right. Raises NotPermitted for somebody with neither."""
    try:
        require_need_to_know(actor, patient, about)
    except NotPermitted:
        emergency = emergency_of(patient, actor)
        if emergency is None:
            raise
        return emergency
    return None


def require_need_to_know(actor: Actor, patient: Patient, about: Model | None) -> None:
    """The one place that asks whether who this patient is, is this person's business. Raises NotPermitted."""
    require(actor, "mes.view_identity", about or patient)
    if not knows_patient(actor, patient):
        raise NotPermitted(
            "Who this patient is, is not part of your work: no order of theirs that somebody else named you on, and none "
            "of your own that was accepted.",
            cure="Ask an order coordinator; in an emergency, take access and say why.",
            rule="P11-10d",
        )


def emergency_of(patient: Patient, actor: Actor) -> EmergencyAccess | None:
    """The person's access in an emergency while it lasts: the clock decides, not the row, and so does the right to take one,
    which somebody may have lost since (P11-10d)."""
    if not may(actor, "mes.break_glass"):
        return None
    return EmergencyAccess.objects.filter(
        patient=patient, person_id=actor.person_id or 0, stage="open", expires_at__gt=timezone.now()
    ).first()


@unit_of_work
def _refused(*, patient: Patient, actor: Actor, refusal: Refused) -> None:
    rules = sorted({reason.rule for reason in refusal.reasons})
    publish(patient, PatientIdentityRefused(patient_id=patient.pk, rules=rules), actor=actor)


@unit_of_work
def look_up_patient(*, identifier: str, actor: Actor) -> Patient | None:
    """The patient of an exact identifier (without regard to case and spaces), or None where there is none or where it is not
    this person's to know. Each search is a fact, with what it would have found (EV-10, P11-10d)."""
    require(actor, "mes.find_patient")
    if not identifier.strip():
        raise InvalidInput("An identifier is missing.", cure="Type the whole identifier.", rule="G-ORD-05")
    refuse_many_searches(actor)
    patient = patient_with(identifier)
    note_search(patient=patient, actor=actor)
    return patient if patient and knows_patient(actor, patient) else None
