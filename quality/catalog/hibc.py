"""HIBC labels, the other issuing agency's (ANSI/HIBC 2.6): primary and secondary data in one symbol."""

from __future__ import annotations

import re
from datetime import date

from mes.exceptions import InvalidInput

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"
PRIMARY = re.compile(r"^[A-Z][0-9A-Z]{3}[0-9A-Z]{1,18}[0-9]$")
NUMBER = re.compile(r"^[0-9A-Z]{1,18}$")


def check_character(text: str) -> str:
    """Modulo 43 over everything before it. It may be a space, which is printed as `_`."""
    return ALPHABET[sum(ALPHABET.index(letter) for letter in text) % 43]


def is_identifier(text: str) -> bool:
    """Labeler (4), product (1 to 18) and unit of measure (1), without the plus sign and the check character."""
    return PRIMARY.match(text) is not None


def encoded(di: str, *, produced: date | None, use_by: date | None, lot: str = "", serial: str = "") -> str:
    """Primary data, expiry with lot or serial, and the date of production, with one check character at the end.

    Raises InvalidInput for what no label can carry (K-09).
    """
    number = serial or lot
    if not is_identifier(di) or (number and not NUMBER.match(number)):
        raise InvalidInput(
            "This is no HIBC identifier, or its lot or serial number does not fit.",
            cure="Correct the device master.",
            rule="K-12",
        )
    day = f"3{use_by:%y%m%d}" if use_by else "7"
    secondary = f"/$${'+' if serial else ''}{day}{number}" if number or use_by else ""
    made = f"/16D{produced:%Y%m%d}" if produced else ""
    text = f"+{di}{secondary}{made}"
    return text + check_character(text)
