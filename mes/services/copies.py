"""Copies: whoever takes a file or a sheet away is written down before the first byte leaves (EV-10, 21 CFR 11.10(b))."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Model

from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, stream_key, unit_of_work
from mes.events import CopyTaken
from mes.exceptions import NotPermitted
from mes.models import Person


@unit_of_work
def note_copy(
    *,
    name: str,
    sha256: str,
    size: int,
    actor: Actor,
    subject: Model | None = None,
    asked: Mapping[str, str] | None = None,
) -> None:
    """On the stream of the person: what they took, its digest and size in bytes. Raises NotPermitted for a program."""
    person = by_key(Person, actor.person_id or 0)
    if person is None:
        raise NotPermitted("Only a person takes copies.", cure="Sign in and do it.", rule="P11-10g")
    about = "/".join(stream_key(subject)) if subject is not None else ""
    taken = CopyTaken(
        person_id=person.pk, subject=about, file=name, sha256=sha256, size=size, asked=dict(asked or {})
    )
    publish(person, taken, actor=actor)
