"""Labels of containers: letters and digits without look-alikes, with a check character that finds a mistyped one (K-09)."""

from __future__ import annotations

import secrets

from mes.exceptions import InvalidInput

ALPHABET = "0123456789ACDEFGHJKLMNPQRTUVWXY"
"""31 characters, a prime, so that the weighted sum finds every single error and every swap of neighbours."""
PREFIX = "C"
LENGTH = 10


def new_label() -> str:
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 2))
    return body + _check(body)


def read_label(scanned: str) -> str:
    """A label as it was scanned or typed. Raises InvalidInput where it cannot be one (G-MAT-08)."""
    label = "".join(scanned.split()).replace("-", "").upper()
    if len(label) != LENGTH or not set(label) <= set(ALPHABET) or label[0] != PREFIX:
        raise InvalidInput(
            "This is not the label of a container.",
            cure=f"Scan the container's own label, or type its {LENGTH} characters.",
            rule="G-MAT-08",
        )
    if _check(label[:-1]) != label[-1]:
        raise InvalidInput(
            f"'{label}' has a typing error: its check character is wrong.",
            cure="Type it again.",
            rule="G-MAT-08",
        )
    return label


def _check(body: str) -> str:
    total = sum((place + 2) * ALPHABET.index(letter) for place, letter in enumerate(body))
    return ALPHABET[total % len(ALPHABET)]
