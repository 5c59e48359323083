"""The demo's staff: one person for each role, so that no signature is its own second pair of eyes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings

from mes.choices import Role
from mes.embedded.keyfiles import read_or_create
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.models import Account, Person
from mes.services.people import grant_role, open_account, register_person
from mes.services.signatures import Credentials

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
    Job("releaser", "Siobhán Byrne", "MSc", "Europe/Dublin", (Role.QAX,)),
    Job("auditor", "Georg Huber", "", "Europe/Vienna", (Role.AUD,)),
    Job("security", "Petra Kos", "", "Europe/Ljubljana", (Role.SEC,)),
    Job("sysadmin", "Mihai Ionescu", "", "Europe/Bucharest", (Role.SYS,)),
)


def password() -> str:
    """One password for all demo accounts, made for this installation and kept in a file of mode 0600."""
    return read_or_create(settings.KEYS_DIR / "demo_password", lambda: secrets.token_urlsafe(12))


def enrol() -> None:
    """Register whoever is not there yet. Safe to repeat."""
    known = set(Account.objects.values_list("username", flat=True))
    for job in STAFF:
        if job.username not in known:
            enrol_one(job=job)


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


def typed(username: str, *, digest: str = "", comment: str = "") -> Credentials:
    """What this person types to sign."""
    return Credentials(username, password(), digest, comment)
