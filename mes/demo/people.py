"""The demo's staff: one person for each role, so that no signature is its own second pair of eyes; and two reviewers of
quality, because whoever accepts an interruption of a print does not review the record (G-SOD-01)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import date

from django.conf import settings

from mes.choices import Role
from mes.embedded.keyfiles import read_or_create
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.models import Account, CertificationLetter, Person
from mes.services.people import grant_role, open_account, register_person
from mes.services.signatures import Credentials
from mes.services.signing_enrolment import (
    accept_statement,
    confirm_identity,
    prove_identity,
    record_certification_letter,
)

DEMO = Actor.system("demo")


@dataclass(frozen=True)
class Job:
    """An account of the demo, and who stands behind it."""

    username: str
    full_name: str
    credentials: str
    timezone: str
    roles: tuple[Role, ...]


STAFF = (
    Job("prescriber", "Ines Duarte", "MD", "Europe/Lisbon", (Role.PRE,)),
    Job("coordinator", "Tomás Vega", "", "Europe/Madrid", (Role.ORD,)),
    Job("coordinator2", "Freya Nilsen", "", "Europe/Oslo", (Role.ORD,)),
    Job("regulatory", "Mareike Lund", "MSc", "Europe/Berlin", (Role.RA,)),
    Job("imaging", "Pavel Novák", "RT", "Europe/Prague", (Role.IMG, Role.SEG)),
    Job("clinical", "Aisha Rahman", "MD", "Europe/London", (Role.CLR,)),
    Job("designer", "Lukas Meier", "MEng", "Europe/Zurich", (Role.DSN,)),
    Job("designer2", "Chiara Conti", "MEng", "Europe/Rome", (Role.DSN,)),
    Job("builder", "Sofia Lindqvist", "", "Europe/Stockholm", (Role.BLD,)),
    Job("builder2", "Jonas Berg", "", "Europe/Oslo", (Role.BLD,)),
    Job("materials", "Amélie Roux", "", "Europe/Paris", (Role.MAT,)),
    Job("control", "Nikos Pappas", "MSc", "Europe/Athens", (Role.QCM,)),
    Job("calibration", "Ewa Zielińska", "", "Europe/Warsaw", (Role.CAL,)),
    Job("operator", "Diego Santos", "", "Europe/Lisbon", (Role.OPR,)),
    Job("finisher", "Hanna Virtanen", "", "Europe/Helsinki", (Role.PST,)),
    Job("inspector", "Bram de Vries", "", "Europe/Amsterdam", (Role.INS,)),
    Job("reviewer", "Katarína Horváth", "", "Europe/Bratislava", (Role.QAR,)),
    Job("reviewer2", "Olivia Sørensen", "", "Europe/Copenhagen", (Role.QAR,)),
    Job("releaser", "Siobhán Byrne", "MSc", "Europe/Dublin", (Role.QAX,)),
    Job("auditor", "Georg Huber", "", "Europe/Vienna", (Role.AUD,)),
    Job("security", "Petra Kos", "", "Europe/Ljubljana", (Role.SEC,)),
    Job("sysadmin", "Mihai Ionescu", "", "Europe/Bucharest", (Role.SYS,)),
)


def password() -> str:
    """One password for all demo accounts, made for this installation and kept in a file of mode 0600."""
    return read_or_create(settings.KEYS_DIR / "demo_password", lambda: secrets.token_urlsafe(12))


def enrol() -> None:
    """Register whoever is not there yet, with the right to sign. Safe to repeat."""
    if not CertificationLetter.objects.exists():
        record_certification_letter(
            sha256=hashlib.sha256(b"The demo's letter").hexdigest(),
            sent_on=date(2026, 1, 5),
            signatory="Mareike Lund",
            actor=DEMO,
        )
    known = set(Account.objects.values_list("username", flat=True))
    for job in STAFF:
        if job.username not in known:
            enrol_one(job=job)
    for account in Account.objects.filter(username__in=[job.username for job in STAFF], enrolment=None):
        enrol_signer(account=account)


@unit_of_work
def enrol_signer(*, account: Account) -> None:
    """What stands before a first signature (ES-13)."""
    enrolment = prove_identity(account_id=account.pk, document="demo pass", method="demo", actor=DEMO)
    confirm_identity(enrolment_id=enrolment.pk, actor=DEMO)
    accept_statement(actor=actor(account.username), credentials=typed(account.username))


@unit_of_work
def enrol_one(*, job: Job) -> None:
    person = register_person(
        full_name=job.full_name, credentials=job.credentials, timezone=job.timezone, actor=DEMO
    )
    for role in job.roles:
        grant_role(person=person, role=role, actor=DEMO, reason="demo")
    open_account(username=job.username, password=password(), person=person, actor=DEMO)


def person(username: str) -> Person:
    return Person.objects.get(accounts__username=username)


def actor(username: str) -> Actor:
    return Actor.person(person(username).pk)


def typed(username: str, *, digest: str | None = None, comment: str = "") -> Credentials:
    """What this person types to sign."""
    return Credentials(username, password(), digest, comment)
