"""Sealed values and the patients whose identity they hold (K-13)."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection, connections
from django.utils import timezone

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.models import EventRecord, Patient, PatientIdentity
from mes.services import patients
from mes.services.patients import Identity, open_identity, register_patient
from mes.services.viewing import view_identity
from tests.mes.makers import make_person
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.requirement("K-13")
JANE = Identity(patient_id="MRN 4711", family_name="Doe", given_name="Jane", birth_date="1970-01-31")


@pytest.fixture
def coordinator() -> Actor:
    return Actor.person(make_person(Role.ORD).pk)


@pytest.mark.django_db
def test_the_identity_lies_in_the_vault_and_nowhere_else(coordinator: Actor) -> None:
    patient = register_patient(identity=JANE, actor=coordinator)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e::text FROM mes_event e UNION ALL SELECT p::text FROM mes_patient p "
            "UNION ALL SELECT i::text FROM mes_patient_identity i"
        )
        everything = " ".join(row[0] for row in cursor.fetchall())
    for value in ("MRN 4711", "mrn4711", "Doe", "Jane", "1970-01-31"):
        assert value not in everything
        assert value.encode().hex() not in everything
    assert open_identity(patient) == JANE
    assert "Doe" not in repr(JANE)


@pytest.mark.django_db
def test_an_identity_moved_to_another_patient_does_not_open(coordinator: Actor) -> None:
    jane = register_patient(identity=JANE, actor=coordinator)
    other = register_patient(
        identity=Identity(patient_id="2", family_name="Roe", given_name="R", birth_date="1980-01-01"),
        actor=coordinator,
    )
    stolen = PatientIdentity.objects.get(patient=jane).sealed_family_name
    PatientIdentity.objects.filter(patient=other).update(sealed_family_name=stolen)
    with pytest.raises(InvalidTag):
        open_identity(other)


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize("family_name", ["Doe", "Roe"])
def test_two_people_registered_at_one_moment_do_not_share_a_token(
    committed_db: None, coordinator: Actor, monkeypatch: pytest.MonkeyPatch, family_name: str
) -> None:
    """Another request commits between the look-up and the insert."""
    create = patients._created

    def create_after_another(identity: Identity) -> Patient:
        monkeypatch.setattr(patients, "_created", create)
        rival = replace(JANE, family_name=family_name)
        thread = threading.Thread(target=_register, args=(rival, coordinator))
        thread.start()
        thread.join(PATIENCE_S)
        return create(identity)

    monkeypatch.setattr(patients, "_created", create_after_another)
    if family_name == JANE.family_name:
        assert register_patient(identity=JANE, actor=coordinator) == Patient.objects.get()
    else:
        with pytest.raises(Conflict, match="another name or birth date"):
            register_patient(identity=JANE, actor=coordinator)
    assert Patient.objects.count() == 1


def _register(identity: Identity, actor: Actor) -> None:
    register_patient(identity=identity, actor=actor)
    connections.close_all()


@pytest.mark.django_db
def test_the_same_patient_keeps_one_token(coordinator: Actor) -> None:
    first = register_patient(identity=JANE, actor=coordinator)
    again = Identity(patient_id="mrn4711", family_name="DOE", given_name="J.", birth_date="1970-01-31")
    assert register_patient(identity=again, actor=coordinator) == first
    assert EventRecord.objects.filter(type="mes.patient_registered").count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize("other", [{"family_name": "Roe"}, {"birth_date": "1970-01-30"}])
def test_a_known_identifier_with_other_particulars_is_refused(
    coordinator: Actor, other: dict[str, str]
) -> None:
    register_patient(identity=JANE, actor=coordinator)
    with pytest.raises(Conflict, match="another name or birth date") as refused:
        register_patient(identity=Identity(**(vars(JANE) | other)), actor=coordinator)
    assert not {"Doe", "Roe", "4711", "1970"} & set(str(refused.value).replace(".", " ").split())
    assert Patient.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize("born", ["1849-12-31", "0001-01-01", "9999-12-31", "31.12.1970", "", "tomorrow"])
def test_a_birth_date_that_cannot_be_is_refused_without_naming_it(coordinator: Actor, born: str) -> None:
    if born == "tomorrow":
        born = (timezone.localdate() + timedelta(days=1)).isoformat()
    with pytest.raises(InvalidInput, match="no date from 1850 to today") as refused:
        register_patient(identity=replace(JANE, birth_date=born), actor=coordinator)
    assert not born or born not in str(refused.value)
    assert not Patient.objects.exists()


@pytest.mark.django_db
def test_who_looks_at_an_identity_says_why_and_is_recorded(coordinator: Actor) -> None:
    patient = register_patient(identity=JANE, actor=coordinator)
    with pytest.raises(InvalidInput):
        view_identity(patient=patient, actor=coordinator, reason=" ")
    with pytest.raises(NotPermitted):
        view_identity(patient=patient, actor=Actor.person(make_person(Role.OPR).pk), reason="curious")
    assert view_identity(patient=patient, actor=coordinator, reason="call from the clinic") == JANE
    seen = EventRecord.objects.get(type="mes.patient_identity_viewed")
    assert (seen.actor, seen.reason) == (str(coordinator), "call from the clinic")
