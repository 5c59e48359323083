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
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
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
        return cls(tuple("".join(marks).split()))

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

    A name or identifier of four letters counts wherever it stands as a word, or as several ("O Neil", "LAM 0001"). A shorter
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
        return _stands(part, said.words)
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
    """Every day that a text may mean: three words in a row in any usual order, or eight digits."""
    for word in said.words:
        if len(word) == 8 and word.isdecimal():
            yield from _days(word[:4], word[4:6], word[6:])
            yield from _days(word[:2], word[2:4], word[4:])
    for (first, second), (_, third) in pairwise(pairwise(said.words)):
        yield from _days(first, second, third)


def _days(first: str, second: str, third: str) -> Iterator[date]:
    for year, month, day in (
        (first, second, third),
        (third, second, first),
        (third, first, second),
    ):
        numbered = DAY.fullmatch(day)
        if numbered is None or not year.isdecimal():
            continue
        for century in (0,) if len(year) == 4 else (1900, 2000):
            try:
                yield date(century + int(year), _month(month), int(numbered[1]))
            except ValueError:
                continue


def _month(word: str) -> int:
    """Raises ValueError for a word that is no month."""
    if word.isdecimal():
        return int(word)
    return MONTHS.index(word[:3]) + 1 if word.isalpha() else 0
