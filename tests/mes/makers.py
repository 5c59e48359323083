"""People, accounts and patients for tests, made by the same services as the real ones."""

import itertools

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.models import Account, Patient, Person
from mes.services.patients import Identity, register_patient
from mes.services.people import grant_role, open_account, register_person
from mes.services.signatures import Credentials

SYSTEM = Actor.system("test")
PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def make_person(*roles: Role, full_name: str = "") -> Person:
    person = register_person(full_name=full_name or f"Person {next(_numbers)}", actor=SYSTEM)
    for role in roles:
        grant_role(person=person, role=role, actor=SYSTEM)
    return person


def make_account(person: Person | None, username: str = "") -> Account:
    return open_account(
        username=username or f"user{next(_numbers)}", password=PASSWORD, person=person, actor=SYSTEM
    )


def make_signer(*roles: Role) -> tuple[Actor, Credentials]:
    """A person with an account: who acts, and what they type when they sign."""
    person = make_person(*roles)
    return Actor.person(person.pk), Credentials(make_account(person).username, PASSWORD)


def person_of(actor: Actor) -> Person:
    assert actor.person_id is not None
    return Person.objects.get(pk=actor.person_id)


def make_patient(patient_id: str = "", family_name: str = "Example") -> Patient:
    identity = Identity(
        patient_id=patient_id or f"MRN-{next(_numbers)}",
        family_name=family_name,
        given_name="Alex",
        birth_date="1970-01-01",
    )
    return register_patient(identity=identity, actor=Actor.person(make_person(Role.ORD).pk))
