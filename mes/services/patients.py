"""Patients: the token goes everywhere, the identity stays in the vault."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from unicodedata import category

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import PatientIdentityViewed, PatientRegistered
from mes.exceptions import Conflict, InvalidInput
from mes.models import Patient, PatientIdentity
from mes.permissions import require
from mes.vault import Vault

TOKEN_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105 - an alphabet without look-alikes
UNSEEN = ("Cc", "Cs")  # control characters and half characters; joiners belong to names in some scripts
EARLIEST_BIRTH = date(1850, 1, 1)
FIELDS = ("patient_id", "family_name", "given_name", "birth_date")


@dataclass(frozen=True)
class Identity:
    """Who a patient is. Never printed: the representation hides every value."""

    patient_id: str = field(repr=False)
    family_name: str = field(repr=False)
    given_name: str = field(repr=False)
    birth_date: str = field(repr=False)


@cache
def vault() -> Vault:
    return Vault.from_file(settings.KEYS_DIR / "vault.key")


@unit_of_work
def register_patient(*, identity: Identity, actor: Actor) -> Patient:
    """Give a patient a token and put the identity in the vault. The same patient returns the same token.

    Raises Conflict where the identifier is known with another name or birth date: two identifiers must agree (G-ORD-05).
    """
    require(actor, "mes.register_patient")
    if not identity.patient_id.strip() or not identity.family_name.strip():
        raise InvalidInput("A patient needs an identifier and a family name.", rule="G-ORD-05")
    if any(category(letter) in UNSEEN for name in FIELDS for letter in getattr(identity, name)):
        raise InvalidInput(
            "The patient's identity holds a character that cannot be seen.",
            cure="Type it instead of pasting it.",
            rule="G-ORD-05",
        )
    _refuse_impossible_birth(identity.birth_date)
    index = vault().blind_index(identity.patient_id)
    return _known(identity, index) or _registered(identity, index, actor)


def _refuse_impossible_birth(birth_date: str) -> None:
    """The date itself is never named in the refusal."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        born = date.min
    if not EARLIEST_BIRTH <= born <= timezone.localdate():
        raise InvalidInput(
            f"The birth date is no date from {EARLIEST_BIRTH.year} to today.",
            cure="Check it against the source.",
            rule="G-ORD-05",
        )


def _known(identity: Identity, index: str) -> Patient | None:
    row = PatientIdentity.objects.filter(patient_id_index=index).select_related("patient").first()
    if row is None:
        return None
    if not same_person(open_identity(row.patient), identity):
        raise Conflict(
            "This patient identifier is known with another name or birth date.",
            cure="Check both against the source before you go on.",
            rule="G-ORD-05",
        )
    return row.patient


def same_person(one: Identity, other: Identity) -> bool:
    """Two identities with one identifier: family name and birth date agree, without regard to case and spaces."""
    index = vault().blind_index
    return all(
        index(getattr(one, name)) == index(getattr(other, name)) for name in ("family_name", "birth_date")
    )


def _registered(identity: Identity, index: str, actor: Actor) -> Patient:
    try:
        with transaction.atomic():
            patient = _created(identity, index)
    except IntegrityError:
        # Somebody registered this identifier at this moment; whether for the same patient is asked again.
        if known := _known(identity, index):
            return known
        raise
    publish(patient, PatientRegistered(patient_id=patient.pk), actor=actor)
    return patient


def _created(identity: Identity, index: str) -> Patient:
    patient = Patient.objects.create(token="P" + "".join(secrets.choice(TOKEN_LETTERS) for _ in range(9)))
    sealed = {
        f"sealed_{name}": vault().seal(getattr(identity, name), bound_to=f"{name}:{patient.pk}")
        for name in FIELDS
    }
    PatientIdentity.objects.create(patient=patient, patient_id_index=index, **sealed)
    return patient


@unit_of_work
def view_identity(*, patient: Patient, actor: Actor, reason: str) -> Identity:
    """Open the vault for a person who has a reason; the view itself is a fact of the record."""
    require(actor, "mes.view_identity")
    if not reason.strip():
        raise InvalidInput("Say why you need to see who this is.", rule="P11-10e")
    identity = open_identity(patient)
    publish(patient, PatientIdentityViewed(patient_id=patient.pk), actor=actor, reason=reason)
    return identity


def open_identity(patient: Patient) -> Identity:
    """For the two-identifier match inside a service. The caller passes on whether it matched, never the values."""
    row = PatientIdentity.objects.get(patient=patient)
    return Identity(
        **{
            name: vault().open(getattr(row, f"sealed_{name}"), bound_to=f"{name}:{patient.pk}")
            for name in FIELDS
        }
    )
