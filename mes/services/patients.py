"""Patients: the token goes everywhere, the identity stays in the vault (K-13)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import afterwards, publish, unit_of_work
from mes.events import PatientRegistered
from mes.exceptions import Conflict, IdentityErased, InvalidInput, NotPermitted
from mes.models import EventRecord, Patient, PatientIdentity
from mes.permissions import require, whom
from mes.services.looking import knows_everybody, knows_patient, note_search, refuse_many_searches
from mes.services.vaultkeys import TABLE, data_key_of, sealing_key_id, vault
from mes.text import refuse_unseen
from mes.vault import new_key, normal, place

TOKEN_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105 - an alphabet without look-alikes
EARLIEST_BIRTH = date(1850, 1, 1)
FIELDS = {
    "patient_id": "The patient's identifier",
    "family_name": "The family name",
    "given_name": "The given name",
    "birth_date": "The birth date",
}


@dataclass(frozen=True)
class Identity:
    """Who a patient is. Never printed: the representation hides every value."""

    patient_id: str = field(repr=False)
    family_name: str = field(repr=False)
    given_name: str = field(repr=False)
    birth_date: str = field(repr=False)


@unit_of_work
def register_patient(*, identity: Identity, actor: Actor) -> Patient:
    """Give a patient a token and put the identity in the vault. The same patient returns the same token.

    Where it finds somebody it was a search: counted and written down as one, whatever became of it (EV-10); for who knows
    patients by orders alone, where it finds nobody too. Raises Conflict where the identifier is known with another name or birth
    date: two identifiers must agree (G-ORD-05). Who does not know that patient is told neither: NotPermitted. TooOften.
    """
    require(actor, "mes.register_patient")
    if not identity.patient_id.strip() or not identity.family_name.strip():
        raise InvalidInput("A patient needs an identifier and a family name.", rule="G-ORD-05")
    typed = {title: getattr(identity, name) for name, title in FIELDS.items()}
    refuse_unseen(typed, lines=False, rule="G-ORD-05")
    _refuse_impossible_birth(identity.birth_date)
    return _known(identity, actor) or _registered(identity, actor)


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


def patient_with(identifier: str) -> Patient | None:
    """The patient of an exact identifier, found by its keyed hash under any key of the ring."""
    row = (
        PatientIdentity.objects.filter(patient_id_index__in=vault().blind_indexes(identifier))
        .select_related("patient")
        .first()
    )
    return row.patient if row else None


def _known(identity: Identity, actor: Actor) -> Patient | None:
    patient = patient_with(identity.patient_id)
    if patient is None and knows_everybody(actor):
        return None
    refuse_many_searches(actor)
    afterwards("a search", partial(note_search, patient=patient, actor=actor))
    if patient is not None:
        _refuse_another(patient, identity, actor)
    return patient


def _refuse_another(patient: Patient, identity: Identity, actor: Actor) -> None:
    """What agrees and what differs is said to nobody whose business the patient is not (P11-10d)."""
    if not knows_patient(actor, patient) and not registered_by(patient, actor):
        raise NotPermitted(
            "You cannot register this patient.",
            cure=f"Ask {whom(Role.ORD, fallback='an order coordinator')} to write the order: they match the patient by two "
            "identifiers and name you as the prescriber.",
            rule="P11-10d",
        )
    if not same_person(open_identity(patient), identity):
        raise Conflict(
            "This patient identifier is known with another name or birth date.",
            cure="Check both against the source before you go on.",
            rule="G-ORD-05",
        )


def registered_by(patient: Patient, actor: Actor) -> bool:
    """Whether somebody brought this patient, and so knows who it is."""
    facts = EventRecord.objects.filter(stream_type="mes.patient", stream_id=str(patient.pk))
    return facts.filter(type=PatientRegistered.name, actor=str(actor)).exists()


def same_person(one: Identity, other: Identity) -> bool:
    """Two identities with one identifier: family name and birth date agree, without regard to case and spaces."""
    return all(
        normal(getattr(one, name)) == normal(getattr(other, name)) for name in ("family_name", "birth_date")
    )


def _registered(identity: Identity, actor: Actor) -> Patient:
    try:
        with transaction.atomic():
            patient = _created(identity)
    except IntegrityError:
        # Somebody registered this identifier at this moment; whether for the same patient is asked again.
        if known := _known(identity, actor):
            return known
        raise
    publish(patient, PatientRegistered(patient_id=patient.pk), actor=actor)
    return patient


def _created(identity: Identity) -> Patient:
    key, wrapping, indexing = new_key(), sealing_key_id("wrap"), sealing_key_id("index")
    patient = Patient.objects.create(token="P" + "".join(secrets.choice(TOKEN_LETTERS) for _ in range(9)))
    sealed = {
        f"sealed_{name}": key.seal(
            getattr(identity, name).encode(), bound_to=place(TABLE, f"sealed_{name}", patient.pk)
        )
        for name in FIELDS
    }
    PatientIdentity.objects.create(
        patient=patient,
        data_key=vault().wrap(key, wrapping, bound_to=place(TABLE, "data_key", patient.pk)),
        data_key_id=wrapping,
        patient_id_index=vault().blind_index(identity.patient_id, indexing),
        index_key_id=indexing,
        **sealed,
    )
    return patient


def open_identity(patient: Patient) -> Identity:
    """For the two-identifier match inside a service. The caller passes on whether it matched, never the values.

    Raises IdentityErased where the patient's data key was shredded.
    """
    return _opened(_sealed(patient))


def identities_of(patients: Iterable[int]) -> Iterator[tuple[Patient, Identity]]:
    """The identities of patients by their keys, for a comparison inside a service. Of those who were erased there is none."""
    rows = PatientIdentity.objects.filter(patient__in=patients).exclude(data_key_id="")
    for row in rows.select_related("patient").order_by("patient"):
        yield row.patient, _opened(row)


def _opened(row: PatientIdentity) -> Identity:
    key = data_key_of(row)
    return Identity(
        **{
            name: key.open(
                getattr(row, f"sealed_{name}"), bound_to=place(TABLE, f"sealed_{name}", row.patient_id)
            ).decode()
            for name in FIELDS
        }
    )


def _sealed(patient: Patient) -> PatientIdentity:
    row = PatientIdentity.objects.get(patient=patient)
    if not row.data_key_id:
        raise _erased(patient)
    return row


def _erased(patient: Patient) -> IdentityErased:
    return IdentityErased(
        f"The identity of {patient.token} was erased.",
        cure="Work with the token: it is all there is. For new work, register the patient anew.",
        rule="K-13",
    )


def locked_patient(key: int) -> Patient:
    """A patient who is known by name, locked: an erasure under way is waited for, and none is decided before this unit ends.

    Raises IdentityErased.
    """
    patient = Patient.objects.select_for_update().get(pk=key)
    refuse_erased(patient)
    return patient


def refuse_erased(patient: Patient) -> None:
    """Raises IdentityErased: nothing new begins for somebody whom nobody can tell any more (K-13)."""
    if patient.erased:
        raise _erased(patient)


def pseudonym_key(patient: Patient, purpose: str) -> bytes:
    """32 bytes for pseudonyms of this patient alone, such as the UIDs of de-identified images (PS3.15 Annex E).

    The same as long as the data key lives, whatever wraps it; after an erasure nobody can link the pseudonyms again.
    """
    return data_key_of(_sealed(patient)).derived(purpose)
