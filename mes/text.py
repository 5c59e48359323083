"""Text that was typed or sent: what cannot be seen is refused, in one place for pages, API and services.

A character that cannot be seen makes two names look like one, or turns what is read around (UTR 36). Control characters,
half characters, bidirectional controls, zero-width characters and line separators are refused. A joiner stays where the
script before it needs one (RFC 5892, A.1 and A.2): it belongs to names in Persian, Hindi and others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unicodedata import category, name, normalize

from mes.exceptions import InvalidInput, Reason

CURE = "Type it instead of pasting it."
REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
LINES = "\t\n\r"
JOINERS = "\u200c\u200d"
JOINING_SCRIPTS = (
    "ARABIC", "SYRIAC", "MONGOLIAN", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA",
    "MALAYALAM", "SINHALA", "KHMER", "MYANMAR",
)  # fmt: skip


def unseen_in(text: str, *, lines: bool = True) -> str:
    """The first character of a text that cannot be seen, as "U+202E RIGHT-TO-LEFT OVERRIDE", or "".

    lines: whether tabs and line ends may stand in it, as they may in a reason and may not in a name.
    """
    if text.isascii() and text.isprintable():
        return ""
    for place, letter in enumerate(text):
        if category(letter) in REFUSED and not _belongs(text, place, lines):
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
