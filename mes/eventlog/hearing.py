"""What people say: the words that a service is given, read before it begins, whichever door they came through.

A parameter is a person's words by its name (`mes.text.WORDS`): a service cannot forget to read them, because it does not
read them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import BoundArguments, signature
from typing import Any

from django.db.models import Model

from mes.eventlog.base import Actor
from mes.text import WORDS, read_words


@dataclass(frozen=True)
class Said:
    """What one person said in a unit. `people`: names of people. `about`: the rows that the service was called with."""

    texts: tuple[str, ...]
    actor: Actor
    people: tuple[str, ...] = ()
    about: tuple[Model, ...] = ()


def words_of(service: Callable[..., Any]) -> Callable[..., tuple[BoundArguments, Said | None]] | None:
    """What reads the words of a call: its arguments with the words in them as they are kept, and who said what. None for a
    service that is given none. Nothing is said by a rule of the house. The reading raises InvalidInput."""
    asked = signature(service)
    named = [name for name in asked.parameters if name in WORDS]
    if not named:
        return None

    def read(*args: Any, **kwargs: Any) -> tuple[BoundArguments, Said | None]:
        call = asked.bind(*args, **kwargs)
        given = {name: text for name in named if isinstance(text := call.arguments.get(name), str)}
        words = read_words(given)
        call.arguments.update(words)
        return call, _said(call, {name: text for name, text in words.items() if text})

    return read


def _said(call: BoundArguments, words: Mapping[str, str]) -> Said | None:
    actor = call.arguments.get("actor")
    if not words or not isinstance(actor, Actor) or actor.person_id is None:
        return None
    people = {name for name in words if WORDS[name].person}
    return Said(
        texts=tuple(words[name] for name in words if name not in people),
        actor=actor,
        people=tuple(words[name] for name in people),
        about=tuple(row for row in call.arguments.values() if isinstance(row, Model)),
    )
