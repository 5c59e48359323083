"""Two identifiers of the images against the vault, before the images are de-identified (G-ORD-05).

Values go in; only the names of what agreed or differed come out.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.imaging.base import PatientIdentifiers
from devices.imaging.naming import normal
from mes.services.patients import Identity

COMPARED = {"patient_id": "patient number", "family_name": "family name", "birth_date": "date of birth"}
"""Names of identifiers, and what people call them."""


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

    @property
    def difference(self) -> str:
        """What differs, in words."""
        words = [COMPARED[name] for name in self.differing]
        return f"{' and '.join(words)} {'differs' if len(words) == 1 else 'differ'}"


def compared(identity: Identity, images: PatientIdentifiers) -> IdentityMatch:
    """Compare normalised: letter case, accents, punctuation and spaces do not count in names, nor spaces in numbers."""
    pairs = {name: _pair(name, getattr(identity, name), getattr(images, name)) for name in COMPARED}
    both = {name: pair for name, pair in pairs.items() if all(pair)}
    matched = tuple(name for name, (ours, theirs) in both.items() if ours == theirs)
    differing = tuple(name for name, (ours, theirs) in both.items() if ours != theirs)
    return IdentityMatch(matched, differing, names_somebody(images))


def names_somebody(images: PatientIdentifiers) -> bool:
    """Whether there is anything at all that could be compared."""
    return any(normal(name, getattr(images, name)) for name in COMPARED)


def _pair(name: str, ours: object, theirs: object) -> tuple[str, str]:
    return normal(name, ours), normal(name, theirs)
