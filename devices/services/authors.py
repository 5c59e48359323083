"""Who made a thing, and who may therefore not decide on it (G-SOD-01)."""

from __future__ import annotations

from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted


def author_of(actor: Actor) -> int:
    """The person behind an actor. Raises NotPermitted for a part of the system: it is the author of nothing."""
    if actor.person_id is None:
        raise NotPermitted(
            "Only a person can be the author of this.", cure="Sign in and do it.", rule="P11-10g"
        )
    return actor.person_id


def refuse_author(actor: Actor, author_id: int | None, what: str) -> None:
    """Nobody approves their own work, through whichever of their accounts (G-SOD-01)."""
    if actor.person_id is not None and actor.person_id == author_id:
        raise NotPermitted(
            f"You are the author of {what}.", cure="Somebody else decides on it.", rule="G-SOD-01"
        )
