"""Text that was typed or sent: what cannot be seen is refused, in one place for pages, API and services.

A character that cannot be seen makes two names look like one, or turns what is read around (UTR 36). Control characters,
half characters, bidirectional controls, zero-width characters, line separators, everything else that a font may leave out
(Default_Ignorable_Code_Point, UAX 44) and blank symbols are refused. A joiner stays where the script before it needs one
(RFC 5892, A.1 and A.2): it belongs to names in Persian, Hindi and others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import category, name, normalize

from mes.exceptions import InvalidInput, Reason

CURE = "Type it instead of pasting it."
REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters, marks and symbols that show nothing: what of Default_Ignorable_Code_Point no category above has, and blank shapes.
BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U0001d159\U00016fe4\U000e0000-\U000e0fff]"
)
LINES = "\t\n\r"
JOINERS = "\u200c\u200d"
JOINING_SCRIPTS = (
    "ARABIC", "SYRIAC", "MONGOLIAN", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA",
    "MALAYALAM", "SINHALA", "KHMER", "MYANMAR",
)  # fmt: skip

ALIKE = ("LATIN", "CYRILLIC", "GREEK")
"""Scripts of which many a capital is the same shape."""


def unseen_in(text: str, *, lines: bool = True) -> str:
    """The first character of a text that cannot be seen, as "U+202E RIGHT-TO-LEFT OVERRIDE", or "".

    lines: whether tabs and line ends may stand in it, as they may in a reason and may not in a name.
    """
    if text.isascii() and text.isprintable():
        return ""
    for place, letter in enumerate(text):
        unseen = category(letter) in REFUSED or BLANK.match(letter)
        if unseen and not _belongs(text, place, lines):
            return f"U+{ord(letter):04X} {name(letter, '')}".strip()
    return ""


def _belongs(text: str, place: int, lines: bool) -> bool:
    letter = text[place]
    if letter in LINES:
        return lines
    before = name(text[place - 1], "") if place else ""
    return letter in JOINERS and before.startswith(JOINING_SCRIPTS)


def text_fault(
    field: str, text: str, *, longest: int = 0, lines: bool = False, rule: str = ""
) -> Reason | None:
    """Why a text cannot be taken, naming its field: unseen characters, or more than `longest` of them (0: any number)."""
    if found := unseen_in(text, lines=lines):
        return Reason(f"{field} holds a character that cannot be seen ({found}).", CURE, rule)
    if longest and len(text) > longest:
        return Reason(f"{field} is longer than {longest} characters.", "Shorten it.", rule)
    return None


@dataclass(frozen=True)
class Words:
    """A kind of text that people give to services. `title` names it in a refusal, `rule` what it is for. `lines`: it is prose.
    `marks`: it may be made of signs alone, such as a unit. `person`: it is a person's name. `longest`: twice what a form takes, because a service may put a
    code before it."""

    title: str
    rule: str = "P11-10e"
    lines: bool = False
    marks: bool = False
    person: bool = False
    longest: int = 4000


def _prose(title: str) -> Words:
    return Words(title, lines=True)


WORDS: Mapping[str, Words] = {
    "reason": _prose("The reason"),
    "justification": _prose("The justification"),
    "description": _prose("The description"),
    "requirement": _prose("The requirement"),
    "finding": _prose("The finding"),
    "findings": _prose("The findings"),
    "comment": _prose("The comment"),
    "notified": _prose("Who was told"),
    "requester": Words("Who asked for it", "K-15", person=True),
    "printed_name": Words("The printed name", "ES-20", person=True),
    "signatory": Words("The signatory", "P11-100c", person=True),
    "full_name": Words("The full name", "P11-50a", person=True),
    "credentials": Words("The credentials", "P11-50a"),
    "document": Words("The kind of document", "ES-13"),
    "method": Words("How it was seen", "ES-13"),
    "title": Words("The title", "P11-10k"),
    "name": Words("The name"),
    "location": Words("The location", "P11-10h"),
    "maker": Words("The maker", "P11-10h"),
    "model": Words("The model", "P11-10h"),
    "serial": Words("The serial number", "P11-10h"),
    "firmware": Words("The firmware", "P11-10h"),
    "equipment": Words("The equipment", "P11-10h"),
    "supplier": Words("The supplier", "G-MAT-03"),
    "supplier_lot": Words("The supplier's lot", "G-MAT-03"),
    "unit": Words("The unit", marks=True),
}
"""What a service's parameter of a name is: read by `mes.eventlog.unit.unit_of_work`, whichever door it comes through."""


def read_words(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by their names in WORDS, without the space around them. An empty one says that there is none: whether there may be
    none, each service decides. Raises InvalidInput with every one that cannot be seen, says nothing or is too long."""
    read = {name: text.strip() for name, text in texts.items()}
    if faults := [fault for name, text in read.items() if text and (fault := _fault_of(WORDS[name], text))]:
        raise InvalidInput(faults)
    return read


def _fault_of(words: Words, text: str) -> Reason | None:
    if fault := text_fault(words.title, text, longest=words.longest, lines=words.lines, rule=words.rule):
        return fault
    if not words.marks and not any(letter.isalnum() for letter in text):
        return Reason(f"{words.title} says nothing.", "Write it in words.", words.rule)
    if words.person and (found := mixed_in(text)):
        cure = "Type it in the letters of one script."
        return Reason(f"{words.title} mixes letters that look alike in one word ({found}).", cure, words.rule)
    return None


def mixed_in(text: str) -> str:
    """The first word of a text whose letters are of two scripts that share shapes, so that two names may look like one (UTS 39,
    5.1), or ""."""
    return next((word for word in text.split() if len(_scripts_of(word)) > 1), "")


def _scripts_of(word: str) -> set[str]:
    named = (name(letter, "") for letter in word if letter.isalpha())
    return {script for one in named for script in ALIKE if one.startswith(script)}


def username_read(text: str) -> str:
    """A user name as it is stored and compared: NFKC, so that a full-width letter or a ligature is the plain one and two
    names that look alike so are one (P11-300a, UAX 15, RFC 8265)."""
    return normalize("NFKC", text)


def names_read(texts: Mapping[str, str], *, longest: int = 0, rule: str = "") -> dict[str, str]:
    """Names without the spaces around them, by field. Raises InvalidInput with every one that is empty or cannot be taken."""
    faults: list[Reason] = []
    for field, text in texts.items():
        if not text.strip():
            faults.append(Reason(f"{field} is missing.", "Fill it in.", rule))
        elif fault := text_fault(field, text.strip(), longest=longest, rule=rule):
            faults.append(fault)
    if faults:
        raise InvalidInput(faults)
    return {field: text.strip() for field, text in texts.items()}


def refuse_unseen(texts: Mapping[str, Any], *, lines: bool = True, rule: str = "") -> None:
    """Raises InvalidInput with every text that holds what cannot be seen. Values that are no text are left alone."""
    found = [
        text_fault(field, text, lines=lines, rule=rule)
        for field, text in texts.items()
        if isinstance(text, str)
    ]
    if faults := [fault for fault in found if fault]:
        raise InvalidInput(faults)
