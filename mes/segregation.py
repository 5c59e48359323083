"""Segregation of duties: who, by what the record says they did, may not perform an action on a thing (G-SOD-01).

Rules are registered with `@segregated` beside what they are about; `mes.permissions.can` asks them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mes.eventlog.base import Actor
from mes.exceptions import Reason
from mes.registry import Registry

Parts = Mapping[int, str]
"""By person: what they did, as the end of a sentence that begins with "You"."""


@dataclass(frozen=True)
class Segregation:
    """A rule that some people, by what the record says they did, may not perform an action on a thing."""

    name: str
    actions: tuple[str, ...]
    rule: str
    title: str
    cure: str
    parts: Callable[[Any], Parts]


SEGREGATIONS: Registry[Segregation] = Registry("segregation")
Rule = Callable[[Any], Parts]


def segregated(*actions: str, cure: str, rule: str = "G-SOD-01") -> Callable[[Rule], Rule]:
    """Register who may not perform actions on a subject, by person and from the record (events, signatures).

    The function gets the subject and answers with the people who are barred and what they did. Its docstring's first line
    is its title. An account is no way around it: persons are compared.
    """

    def declare(parts: Rule) -> Rule:
        title = (parts.__doc__ or parts.__name__.replace("_", " ")).strip().splitlines()[0].rstrip(".")
        name = f"{parts.__module__}.{parts.__name__}"
        SEGREGATIONS.add(name, Segregation(name, actions, rule, title, cure, parts))
        return parts

    return declare


def segregation_of(action: str) -> list[Segregation]:
    return [rule for rule in SEGREGATIONS.values() if action in rule.actions]


def segregation_reasons(actor: Actor, action: str, subject: Any) -> tuple[Reason, ...]:
    """Why this person may not do this to this thing, by what they did to it before."""
    if actor.person_id is None:
        return ()
    found = ((rule, rule.parts(subject).get(actor.person_id)) for rule in segregation_of(action))
    return tuple(Reason(f"You {did}.", rule.cure, rule.rule) for rule, did in found if did)
