"""Who acts behind a request."""

from __future__ import annotations

from django.http import HttpRequest

from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted


def actor_of(request: HttpRequest) -> Actor:
    """The person behind the signed-in account. A program's account has none and may not act."""
    person_id = getattr(request.user, "person_id", None)
    if person_id is None:
        raise NotPermitted("This account belongs to no person.", cure="Sign in with a personal account.")
    return Actor.person(person_id)
