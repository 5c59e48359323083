"""Who is the author of a thing."""

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
