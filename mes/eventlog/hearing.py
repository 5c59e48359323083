"""What people say: the words that a service is given, read before it begins, whichever door they came through.

A parameter is a person's words by its name (`mes.text.WORDS`): a service cannot forget to read them, because it does not
read them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import BoundArguments, Parameter, signature
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


@dataclass(frozen=True)
class Call:
    """A call of a service with its words as they are kept. `said`: None where a rule of the house calls, or nobody said
    anything. `reasonless`: a person gives no reason to a service that asks for one."""

    arguments: BoundArguments
    said: Said | None
    reasonless: bool


def words_of(service: Callable[..., Any]) -> Callable[..., Call] | None:
    """What reads the words of a call; None for a service that is given none. The reading raises InvalidInput."""
    asked = signature(service)
    named = [name for name in asked.parameters if name in WORDS]
    if not named:
        return None
    needed = "reason" in named and asked.parameters["reason"].default is Parameter.empty

    def read(*args: Any, **kwargs: Any) -> Call:
        call = asked.bind(*args, **kwargs)
        given = {name: text for name in named if isinstance(text := call.arguments.get(name), str)}
        words = read_words(given)
        call.arguments.update(words)
        actor = call.arguments.get("actor")
        if not isinstance(actor, Actor) or actor.person_id is None:
            return Call(call, None, reasonless=False)
        said = {name: text for name, text in words.items() if text}
        return Call(call, _said(call, actor, said), reasonless=needed and "reason" not in said)

    return read


def _said(call: BoundArguments, actor: Actor, words: Mapping[str, str]) -> Said | None:
    if not words:
        return None
    people = {name for name in words if WORDS[name].person}
    return Said(
        texts=tuple(words[name] for name in words if name not in people),
        actor=actor,
        people=tuple(words[name] for name in people),
        about=tuple(row for row in call.arguments.values() if isinstance(row, Model)),
    )
