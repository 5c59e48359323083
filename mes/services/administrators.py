"""Taking away what somebody may: one after the other, and never from the last who administers people (21 CFR 11.10(d))."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Q

from mes.choices import Role
from mes.exceptions import TransitionRefused
from mes.locking import nobody_else
from mes.selectors import people_with


@contextmanager
def somebody_left() -> Iterator[None]:
    """What is taken away within waits for everybody else who takes something away, so that two people who shut each other
    out do not both succeed: what the second may is asked once the first is done (K-14).

    Raises TransitionRefused where nobody of this company would administer people any more; then nothing is changed.
    """
    nobody_else("who may still act")
    before = _anybody()
    yield
    if before and not _anybody():
        raise TransitionRefused(
            "Nobody would administer people and roles any more.",
            cure=f"Have the role {Role.SEC.label} given to somebody else of this company first: two people sign for it.",
            rule="P11-10d",
        )


def _anybody() -> bool:
    able = Q(accounts=None) | Q(accounts__is_active=True)
    return people_with(Role.SEC).filter(able, external=False).exists()
