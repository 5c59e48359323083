"""Whose business a patient is, how often somebody may look or search, and that a search is written down (P11-10d, EV-10)."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import PatientLookedUp
from mes.exceptions import NotPermitted, TooOften
from mes.models import EventRecord, IdentityView, Patient, Person
from mes.scope import Viewer, knows_every_patient, may_know_patient, viewer_of

HOUR = timedelta(hours=1)
VIEWING, SEARCHING = 0x1A31D, 0x1A31E


def person_behind(actor: Actor) -> int:
    """Raises NotPermitted for a program."""
    if actor.person_id is None:
        raise NotPermitted(
            "Only a person has to do with patients.", cure="Sign in and do it.", rule="P11-10g"
        )
    return actor.person_id


def _viewer(actor: Actor) -> Viewer:
    return viewer_of(by_key(Person, actor.person_id or 0))


def knows_patient(actor: Actor, patient: Patient) -> bool:
    """Whether this patient is part of a person's work at all, whatever their roles allow them to do there (11.10(d))."""
    return may_know_patient(_viewer(actor), patient)


def knows_everybody(actor: Actor) -> bool:
    """Whether every patient is part of a person's work."""
    return knows_every_patient(_viewer(actor))


def refuse_many_views(actor: Actor) -> None:
    """Raises TooOften for who looked at `IDENTITY_VIEWS_PER_HOUR` identities within the hour."""
    person = _one_after_the_other(actor, VIEWING)
    views = IdentityView.objects.filter(person_id=person, viewed_at__gt=timezone.now() - HOUR)
    _refuse_many("looked at identities", views.count(), settings.IDENTITY_VIEWS_PER_HOUR)


def refuse_many_searches(actor: Actor) -> None:
    """Raises TooOften for who searched `IDENTITY_SEARCHES_PER_HOUR` times within the hour, by whichever door."""
    person = _one_after_the_other(actor, SEARCHING)
    facts = EventRecord.objects.filter(stream_type="mes.person", stream_id=str(person))
    searches = facts.filter(type=PatientLookedUp.name, recorded_at__gt=timezone.now() - HOUR)
    _refuse_many("searched", searches.count(), settings.IDENTITY_SEARCHES_PER_HOUR)


def _one_after_the_other(actor: Actor, what: int) -> int:
    """Counted in turn for each person, so that requests at once cannot pass together."""
    person = person_behind(actor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [what, person % 2**31])
    return person


def _refuse_many(words: str, count: int, limit: int) -> None:
    if count >= limit:
        raise TooOften(
            f"You have {words} {count} times within an hour.",
            cure="Wait, or ask the privacy officer.",
            rule="P11-10d",
        )


@unit_of_work
def note_search(*, patient: Patient | None, actor: Actor) -> None:
    """That somebody asked the vault for an identifier, and whom it found. The identifier itself is nowhere."""
    person = Person.objects.get(pk=person_behind(actor))
    event = PatientLookedUp(person_id=person.pk, patient_id=patient.pk if patient else None)
    publish(person, event, actor=actor)
