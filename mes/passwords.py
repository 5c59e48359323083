"""Which passwords may be chosen: long enough, in no list of common or leaked ones, not one of the last ten (ES-01, ES-16).

The list is the one that Django brings along (20,000 passwords of published breaches, most used first). A password is
refused when it is on it, and also when it only dresses one up: repeated, with digits or signs around it, or with 0
for o. A 20,000-word list looked up plainly would refuse next to nothing of 12 characters.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

SHORTEST = 12
SHORTEST_ALONE = 15
REMEMBERED = 10
LONGEST = 1000
LEET = str.maketrans("013457@$!", "oieastasi")
EDGES = re.compile(r"^[\W\d_]+|[\W\d_]+$")
ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1234567890",
    "0123456789",
)
DRESSED = "This password is in a list of leaked ones, or is one of them with something around it."


@cache
def leaked() -> frozenset[str]:
    """The passwords of the list, in lower case."""
    file = Path(password_validation.__file__).parent / "common-passwords.txt.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return frozenset(line.strip().lower() for line in lines)


def is_leaked(password: str) -> bool:
    """Whether a password is on the list, or one of the list that is repeated, padded, or written with signs for letters."""
    return any(_undressed(form) in leaked() or _walks(form) for form in _forms(password.lower().strip()))


def _forms(word: str) -> set[str]:
    bare = EDGES.sub("", word)
    return {form for form in (word, bare, word.translate(LEET), bare.translate(LEET)) if form}


def _undressed(word: str) -> str:
    """The part that a word repeats; the word itself where it repeats nothing."""
    at = (word + word).find(word, 1)
    return word[:at] if 0 < at < len(word) else word


def _walks(word: str) -> bool:
    """Whether a word is a run along the alphabet or the keyboard, to and fro, any number of times."""
    part = _undressed(word)
    return len(part) >= 4 and any(part in row * 3 or part[::-1] in row * 3 for row in ROWS)


class BreachListValidator:
    """For AUTH_PASSWORD_VALIDATORS: refuses what `is_leaked` knows."""

    def validate(self, password: str, user: Any = None) -> None:
        if is_leaked(password):
            raise ValidationError(DRESSED, code="password_leaked")

    def get_help_text(self) -> str:
        return "No password of a published breach, also not with digits around it."
