"""Text that cannot be seen: what is refused, and what belongs to names."""

from __future__ import annotations

import pytest

from mes.exceptions import InvalidInput
from mes.text import names_read, read_words, refuse_unseen, unseen_in

UNSEEN = {
    "override": ("Resins \u202eoC", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    "isolate": ("a\u2066b", "U+2066 LEFT-TO-RIGHT ISOLATE"),
    "zero width space": ("Re\u200bsins", "U+200B ZERO WIDTH SPACE"),
    "word joiner": ("Re\u2060sins", "U+2060 WORD JOINER"),
    "byte order mark": ("\ufeffResins", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    "soft hyphen": ("Re\u00adsins", "U+00AD SOFT HYPHEN"),
    "joiner in Latin": ("Re\u200dsins", "U+200D ZERO WIDTH JOINER"),
    "joiner alone": ("\u200c", "U+200C ZERO WIDTH NON-JOINER"),
    "nul": ("a\0b", "U+0000"),
    "bell": ("a\x07b", "U+0007"),
    "half": ("a\ud800b", "U+D800"),
    "variation selector": ("Re\ufe0fsins", "U+FE0F VARIATION SELECTOR-16"),
    "grapheme joiner": ("Re\u034fsins", "U+034F COMBINING GRAPHEME JOINER"),
    "filler": ("\u3164", "U+3164 HANGUL FILLER"),
    "blank braille": ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
    "tag": ("a\U000e0041b", "U+E0041 TAG LATIN CAPITAL LETTER A"),
    "line separator": ("a\u2028b", "U+2028 LINE SEPARATOR"),
}
SEEN = [
    "Resins & Co",
    "Müller-Lüdenscheidt",
    "Ángström",
    "李小龍",
    "علی\u200cرضا",
    "श्री\u200dमान",
    "O’Neil",
    "",
]


@pytest.mark.parametrize(("text", "said"), UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_seen_is_named(text: str, said: str) -> None:
    assert unseen_in(text) == said
    with pytest.raises(InvalidInput) as refusal:
        refuse_unseen({"The supplier": text, "The unit": "ml", "The number": 7}, rule="G-MAT-03")
    (reason,) = refusal.value.reasons
    assert reason.text == f"The supplier holds a character that cannot be seen ({said})."
    assert (reason.cure, reason.rule) == ("Type it instead of pasting it.", "G-MAT-03")


@pytest.mark.parametrize("text", SEEN)
def test_names_of_any_script_are_taken_as_they_are(text: str) -> None:
    assert unseen_in(text, lines=False) == ""


def test_line_ends_stand_in_a_reason_and_not_in_a_name() -> None:
    assert unseen_in("one\r\n\ttwo") == ""
    assert unseen_in("one\ntwo", lines=False) == "U+000A"


def test_every_name_that_cannot_be_taken_is_said_at_once() -> None:
    with pytest.raises(InvalidInput) as refusal:
        names_read(
            {"The name": "  ", "The kind": "k" * 61, "The serial number": "S\u202eN", "The driver": "x"},
            longest=60,
        )
    assert [reason.text for reason in refusal.value.reasons] == [
        "The name is missing.",
        "The kind is longer than 60 characters.",
        "The serial number holds a character that cannot be seen (U+202E RIGHT-TO-LEFT OVERRIDE).",
    ]
    assert names_read({"The name": " Printer 1 "}) == {"The name": "Printer 1"}


@pytest.mark.requirement("P11-50a")
@pytest.mark.parametrize("name", ["Katarína Horvа́th", "Αnna Weber", "Иванoв"])
def test_a_name_whose_letters_are_of_two_scripts_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="mixes letters that look alike"):
        read_words({"full_name": name})


@pytest.mark.parametrize("name", ["Katarína Horváth", "Иванов Anna", "李小龍 Bruce", "Ὀδυσσεύς", "O’Neil"])
def test_a_name_may_be_of_any_script(name: str) -> None:
    assert read_words({"full_name": name, "printed_name": name})["full_name"] == name
