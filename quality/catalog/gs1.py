"""GS1 element strings as a device label carries them (GS1 General Specifications; 21 CFR 830.20)."""

from __future__ import annotations

import re
from datetime import date

from mes.exceptions import InvalidInput

GTIN = re.compile(r"^[0-9]{14}$")
NUMBER = re.compile(r"^[0-9A-Z]{1,18}$")


def check_digit(body: str) -> str:
    """The last digit of a GTIN or SSCC, for the digits before it: weights 3, 1, 3, 1 … from the right."""
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def is_gtin(text: str) -> bool:
    """Whether a text is a GTIN in 14 digits whose check digit is right."""
    return GTIN.match(text) is not None and check_digit(text[:-1]) == text[-1]


def elements(
    di: str, *, produced: date | None, use_by: date | None, lot: str = "", serial: str = ""
) -> list[tuple[str, str]]:
    """Application identifiers with their values, those of fixed length first: (01)(11)(17)(10)(21).

    A date always stands with a real day: of a month its last (K-10). Raises InvalidInput for what no label can carry (K-09).
    """
    if not is_gtin(di):
        raise InvalidInput("This is no GTIN of 14 digits.", cure="Correct the device master.", rule="K-12")
    if any(number and not NUMBER.match(number) for number in (lot, serial)):
        raise InvalidInput(
            "A lot or serial number has 1 to 18 digits and capital letters.",
            cure="Choose another number.",
            rule="K-09",
        )
    given = (
        ("01", di),
        ("11", f"{produced:%y%m%d}" if produced else ""),
        ("17", f"{use_by:%y%m%d}" if use_by else ""),
        ("10", lot),
        ("21", serial),
    )
    return [(identifier, value) for identifier, value in given if value]


def encoded(parts: list[tuple[str, str]]) -> str:
    """What the symbol holds, without the FNC1 at its beginning. Between two values of variable length stands a group
    separator (0x1D)."""
    text = ""
    for place, (identifier, value) in enumerate(parts):
        ends = identifier in ("10", "21") and place < len(parts) - 1
        text += identifier + value + ("\x1d" if ends else "")
    return text


def readable(parts: list[tuple[str, str]]) -> str:
    """What stands below the symbol: brackets are shown and not encoded."""
    return "".join(f"({identifier}){value}" for identifier, value in parts)


def scanned_text(scan: str) -> str:
    """What a scanner sent, without the identifier of the symbol and the separators that it may add at either end."""
    return scan.strip().removeprefix("]d2").strip("\x1d")
