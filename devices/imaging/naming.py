"""Whether free text names a patient, and how names and numbers are compared: letters as they sound, nothing else."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from mes.naming import Text, Who, folded, names

SHORTEST_PART = 4


@dataclass(frozen=True)
class Named:
    """A patient as the vault knows them. Never printed."""

    patient_id: str = field(repr=False)
    family_name: str = field(repr=False)
    given_name: str = field(repr=False)
    birth_date: str = field(repr=False)


def names_person(person: Who, text: str) -> bool:
    """Whether free text, such as the header of a scan, holds a name, the number or the birth date of a patient.

    Letter case, accents and punctuation do not count. A name of one to three letters counts as a word of its own alone. A date counts
    however it is written, also with its month in words.
    """
    words = [normal("name", word) for word in re.split(r"[\W_]+", unicodedata.normalize("NFC", text))]
    joined = "".join(words)
    sought = [normal("name", part) for part in (person.family_name, person.given_name, person.patient_id)]
    if names(person, Text.of(text)):
        return True
    born = [date.fromisoformat(person.birth_date).strftime(form) for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y")]
    return any(
        part in joined if len(part) >= SHORTEST_PART else part in words for part in (*sought, *born) if part
    )


def normal(name: str, value: object) -> str:
    """A value of the identifier `name` as it is compared: letter case, accents, punctuation and spaces do not count in
    names, nor spaces in numbers."""
    if value is None:
        return ""
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    compared = folded(str(value))
    if name == "birth_date":
        return re.sub(r"\D", "", compared)
    return re.sub(r"\s" if name == "patient_id" else r"[\W_]", "", compared)
