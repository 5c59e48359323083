"""Whether words name a patient: as words of their own, whatever their case, accents, marks and spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Protocol

LETTERS = {"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})
MONTHS = (
    ("jan", "ene", "gen", "i"), ("feb", "fev", "ii"), ("mar", "mrt", "iii"), ("apr", "avr", "abr", "iv"),
    ("may", "mai", "mei", "mag", "v"), ("jun", "juin", "giu", "vi"), ("jul", "juil", "lug", "vii"),
    ("aug", "aou", "ago", "viii"), ("sep", "set", "ix"), ("oct", "okt", "out", "ott", "x"), ("nov", "xi"),
    ("dec", "dez", "dic", "xii"),
)  # fmt: skip
"""How months begin in English, German, Dutch, French, Italian, Spanish and Portuguese, and as Roman numbers."""
MONTH_OF = {start: number for number, starts in enumerate(MONTHS, 1) for start in starts}
DATE_PARTS = re.compile(r"\d+|[^\W\d_]+")
BESIDE_DATES = frozenset(("st", "nd", "rd", "th", "of", "de", "van", "del"))
LEAST = 4
"""Letters from which a name or a number is told from any other word by itself."""
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR")


class Who(Protocol):
    """Who is looked for. birth_date: as ISO 8601 writes it."""

    @property
    def patient_id(self) -> str: ...
    @property
    def family_name(self) -> str: ...
    @property
    def given_name(self) -> str: ...
    @property
    def birth_date(self) -> str: ...


def folded(text: str) -> str:
    """Letters as they are compared: without case, accents and compatibility forms."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(LETTERS.get(letter, letter) for letter in plain if not unicodedata.combining(letter))


@dataclass(frozen=True)
class Text:
    """A text by its words, as they were written."""

    written: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Text:
        composed = unicodedata.normalize("NFC", text)
        marks = (letter if letter.isalnum() or _is_mark(letter) else " " for letter in composed)
        return cls(tuple(word for word in "".join(marks).split() if folded(word)))

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(map(folded, self.written))

    @cached_property
    def joined(self) -> str:
        return "".join(self.words)


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def names(who: Who, said: Text, *, of_person: bool = False) -> bool:
    """Whether a text names a patient: by a name, by the identifier or by the birth date.

    A name or identifier of four letters counts wherever it stands as a word, or as several ("O Neil", "LAM 0001"), a name also with
    an s behind it, whose it is. A shorter
    name is also an ordinary word ("an", "do"): it counts with a capital, or beside the other name. A shorter identifier is
    an ordinary number, and counts nowhere. of_person: the text is the name of somebody, who may share one name with the
    patient; both of them count.
    """
    family, given = _spellings(who.family_name), _spellings(who.given_name)
    both = [
        one + other for ours in family for theirs in given for one, other in ((ours, theirs), (theirs, ours))
    ]
    return (
        any(_stands(sought, said.words) for sought in both if len(sought) >= 2)
        or any(_unspaced(sought) and sought in said.joined for sought in both)
        or (
            not of_person
            and any(_is_named(part, said) for part in _parts(who.family_name) | _parts(who.given_name))
        )
        or any(_stands(sought, said.words) for sought in _spellings(who.patient_id) if len(sought) >= LEAST)
        or (bool(who.birth_date) and date.fromisoformat(who.birth_date) in _dates(said))
    )


def _spellings(name: str) -> set[str]:
    """A name as one word, with umlauts as their own letter and as two."""
    return {Text.of(spelled).joined for spelled in _spelled(name)} - {""}


def _spelled(name: str) -> tuple[str, str]:
    lower = unicodedata.normalize("NFC", name).lower()
    return name, lower.translate(UMLAUTS)


def _parts(name: str) -> set[str]:
    """The whole name, and those of its words that are names by themselves."""
    words = {word for spelled in _spelled(name) for word in Text.of(spelled).words if len(word) >= LEAST}
    return words | _spellings(name)


def _is_named(part: str, said: Text) -> bool:
    if len(part) >= LEAST:
        return _stands(part, said.words) or _stands(f"{part}s", said.words)
    return len(part) > 1 and any(
        word == part and written[0] != written[0].lower()
        for word, written in zip(said.words, said.written, strict=True)
    )


def _stands(sought: str, words: Sequence[str]) -> bool:
    """Whether words in a row, from the first letter of one to the last of another, are what is sought."""
    for first in range(len(words)):
        run = ""
        for word in words[first:]:
            run += word
            if len(run) >= len(sought):
                break
        if run == sought:
            return True
    return False


def _unspaced(sought: str) -> bool:
    """Whether its script writes words without spaces between them."""
    return len(sought) > 1 and any(unicodedata.name(letter, "").startswith(UNSPACED) for letter in sought)


def _dates(said: Text) -> Iterator[date]:
    """Every day that a text may mean: three parts in a row in any usual order, or eight digits."""
    found = (part for word in said.words for part in DATE_PARTS.findall(word))
    parts = [part for part in found if part not in BESIDE_DATES]
    for part in parts:
        if len(part) == 8 and part.isdecimal():
            yield from _days(part[:4], part[4:6], part[6:])
            yield from _days(part[:2], part[2:4], part[4:])
    for (first, second), (_, third) in pairwise(pairwise(parts)):
        yield from _days(first, second, third)


def _days(first: str, second: str, third: str) -> Iterator[date]:
    """A year has two or four digits, a month and a day at most two: any other number is the number of something else."""
    for year, month, day in (
        (first, second, third),
        (third, second, first),
        (third, first, second),
    ):
        if not (year.isdecimal() and len(year) in (2, 4) and day.isdecimal() and len(day) <= 2):
            continue
        for century in (0,) if len(year) == 4 else (1900, 2000):
            try:
                yield date(century + int(year), _month(month), int(day))
            except ValueError:
                continue


def _month(word: str) -> int:
    """Its number; 0 for what is no month."""
    if word.isdecimal():
        return int(word) if len(word) <= 2 else 0
    return MONTH_OF.get(word) or MONTH_OF.get(word[:4]) or (MONTH_OF.get(word[:3], 0) if len(word) > 2 else 0)
