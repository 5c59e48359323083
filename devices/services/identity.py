"""Two identifiers of the images against the vault, before the images are de-identified (G-ORD-05).

Values go in; only the names of what agreed or differed come out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from devices.imaging.base import PatientIdentifiers
from mes.models import Patient
from mes.services.patients import Identity, open_identity

SHORTEST_PART = 4
COMPARED = ("patient_id", "family_name", "birth_date")
LETTERS = {"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}


@dataclass(frozen=True)
class IdentityMatch:
    """Names of the identifiers that agreed and that differed. `present` says whether the images carry any at all."""

    matched: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    present: bool = False

    @property
    def holds(self) -> bool:
        """The patient's number and one more agree, and nothing differs."""
        return "patient_id" in self.matched and len(self.matched) >= 2 and not self.differing


def match_identity(patient: Patient, images: PatientIdentifiers) -> IdentityMatch:
    return compared(open_identity(patient), images)


def compared(identity: Identity, images: PatientIdentifiers) -> IdentityMatch:
    """Compare normalised: letter case, accents, punctuation and spaces do not count in names, nor spaces in numbers."""
    pairs = {name: _pair(name, getattr(identity, name), getattr(images, name)) for name in COMPARED}
    both = {name: pair for name, pair in pairs.items() if all(pair)}
    matched = tuple(name for name, (ours, theirs) in both.items() if ours == theirs)
    differing = tuple(name for name, (ours, theirs) in both.items() if ours != theirs)
    present = any(theirs for _, theirs in pairs.values())
    return IdentityMatch(matched, differing, present)


def names_person(identity: Identity, text: str) -> bool:
    """Whether free text, such as the header of a scan, holds a name, the number or the birth date of a patient.

    Letter case, accents and punctuation do not count. A name of one to three letters counts as a word of its own alone.
    """
    words = [_normal("name", word) for word in re.split(r"[\W_]+", unicodedata.normalize("NFC", text))]
    joined = "".join(words)
    sought = [
        _normal("name", getattr(identity, name)) for name in ("family_name", "given_name", "patient_id")
    ]
    born = [date.fromisoformat(identity.birth_date).strftime(form) for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y")]
    return any(
        part in joined if len(part) >= SHORTEST_PART else part in words for part in (*sought, *born) if part
    )


def _pair(name: str, ours: object, theirs: object) -> tuple[str, str]:
    return _normal(name, ours), _normal(name, theirs)


def _normal(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    folded = unicodedata.normalize("NFKD", str(value)).casefold()
    folded = "".join(LETTERS.get(letter, letter) for letter in folded if not unicodedata.combining(letter))
    if name == "birth_date":
        return re.sub(r"\D", "", folded)
    return re.sub(r"\s" if name == "patient_id" else r"[\W_]", "", folded)
