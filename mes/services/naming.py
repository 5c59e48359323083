"""Nobody's name in a text that stays: words are compared with the identities of the patients that they are about (K-13).

Every unit of work compares what people said to its services with the patients of its records, before it ends. The identity is
opened for that alone: it is no view, and nothing of it is told, not even which word it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from mes.eventlog.base import Actor
from mes.eventlog.hearing import Said
from mes.eventlog.unit import StreamKey, afterwards, words_compared
from mes.exceptions import InvalidInput
from mes.models import Patient
from mes.naming import Text, names
from mes.scope import patients_about
from mes.services.looking import knows_patient, note_search
from mes.services.patients import identities_of
from mes.tables import ROOTS


@words_compared
def refuse_named(said: Sequence[Said], streams: Sequence[StreamKey]) -> None:
    """Raises InvalidInput where somebody's words name a patient of what they were said about (K-13).

    To whom the patient's name is not known, the refusal answers a question: that is written down as a search (EV-10).
    """
    spoken = [(one.actor, Text.of(text), False) for one in said for text in one.texts]
    spoken += [(one.actor, Text.of(text), True) for one in said for text in one.people]
    for patient, identity in identities_of(patients_about(_rows(said, streams))):
        for actor, text, of_person in spoken:
            if names(identity, text, of_person=of_person):
                _note(patient, actor)
                raise InvalidInput(
                    "This names the patient, or gives the birth date or an identifier. What is written here stays for good, "
                    "also when the identity is erased.",
                    cure="Use the token or the case code. Where it is another person or an ordinary word, say it otherwise.",
                    rule="K-13",
                )


def _rows(said: Iterable[Said], streams: Iterable[StreamKey]) -> dict[str, set[str]]:
    """Table: keys of the rows that a unit is about."""
    found: dict[str, set[str]] = defaultdict(set)
    for root, key in streams:
        found[ROOTS[root].name].add(key)
    for row in (row for one in said for row in one.about if row.pk is not None):
        found[row._meta.db_table].add(str(row.pk))
    return found


def _note(patient: Patient, actor: Actor) -> None:
    if not knows_patient(actor, patient):
        afterwards("a search", partial(note_search, patient=patient, actor=actor))
