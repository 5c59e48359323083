"""People, accounts and patients for tests, made by the same services as the real ones."""

import itertools
from datetime import date

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.models import Account, CertificationLetter, Patient, Person, Signature, SigningEnrolment
from mes.services.patients import Identity, register_patient
from mes.services.people import grant_role, open_account, register_person
from mes.services.signatures import Credentials
from mes.services.signing_enrolment import (
    accept_statement,
    confirm_identity,
    prove_identity,
    record_certification_letter,
)
from mes.services.signing_withdrawal import withdraw_signature

SYSTEM = Actor.system("test")
PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def make_person(*roles: Role, full_name: str = "") -> Person:
    person = register_person(full_name=full_name or f"Person {next(_numbers)}", actor=SYSTEM)
    for role in roles:
        grant_role(person=person, role=role, actor=SYSTEM)
    return person


def make_account(person: Person | None, username: str = "", *, signs: bool = True) -> Account:
    """An account, enrolled for signing where its person has no other one."""
    account = open_account(
        username=username or f"member{next(_numbers)}", password=PASSWORD, person=person, actor=SYSTEM
    )
    if person is not None and signs and not person.enrolments.filter(closed=False).exists():
        enrol(account)
    return account


def enrol(account: Account, password: str = PASSWORD) -> SigningEnrolment:
    """Everything that stands before a first signature (ES-13), through the services."""
    record_letter()
    enrolment = prove_identity(account_id=account.pk, document="passport", method="in person", actor=SYSTEM)
    confirm_identity(enrolment_id=enrolment.pk, actor=SYSTEM)
    assert account.person is not None
    accept_statement(
        actor=Actor.person(account.person.pk), credentials=Credentials(account.username, password)
    )
    return enrolment


def record_letter() -> None:
    if not CertificationLetter.objects.exists():
        record_certification_letter(
            sha256="1e" * 32, sent_on=date(2026, 1, 5), signatory="Q. Lead", actor=SYSTEM
        )


def make_signer(*roles: Role) -> tuple[Actor, Credentials]:
    """A person with an account: who acts, and what they type when they sign."""
    person = make_person(*roles)
    return Actor.person(person.pk), Credentials(make_account(person).username, PASSWORD)


def take_back(signature: Signature | int | None, by: tuple[Actor, Credentials]) -> None:
    """The signer withdraws a signature."""
    key = signature.pk if isinstance(signature, Signature) else signature
    assert key is not None
    withdraw_signature(signature_id=key, reason="Given by mistake", actor=by[0], credentials=by[1])


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


def make_paper(text: str = "a paper") -> bytes:
    """The scan of a paper that was signed by hand: a PDF of one empty page."""
    parts = [
        f"%PDF-1.4\n%{text}\n",
        "1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n",
        "2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n",
        "3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>> endobj\n",
    ]
    starts = list(itertools.accumulate(map(len, parts)))
    table = "".join(f"{start:010d} 00000 n \n" for start in starts[:-1])
    end = f"trailer <</Size 4/Root 1 0 R>>\nstartxref\n{starts[-1]}\n%%EOF\n"
    return ("".join(parts) + f"xref\n0 4\n0000000000 65535 f \n{table}{end}").encode()
