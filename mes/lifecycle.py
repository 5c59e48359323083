"""Lifecycles and gates: a literal table says which moves exist, gates say whether one may happen now.

A gate answers *before* a transition; a handler reacts *after*. Every gate registered for a transition is asked, and
all reasons return together. Gates fail closed (K-14): an exception is a refusal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from mes.choices import Meaning
from mes.eventlog.base import canonical
from mes.exceptions import Reason, Refused, TransitionRefused, described
from mes.reading import one_reading, reading
from mes.registry import Registry

log = logging.getLogger(__name__)

POINTS = ("patient.erase",)
"""Moves of the kernel that gates stand before, and that are no row of a lifecycle."""


@dataclass(frozen=True)
class Transition:
    """One row of a lifecycle. `trigger` is "person" or "system"; `meaning` is the signature it needs, if any."""

    name: str
    source: str
    target: str
    trigger: str = "system"
    meaning: Meaning | None = None


def shown(word: str) -> str:
    """A state's label where it has one, else the word without its underscores."""
    return str(getattr(word, "label", "")) or word.replace("_", " ")


@dataclass(frozen=True)
class Lifecycle:
    """The life of one kind of thing, as a table. `kind` prefixes the names that gates are registered for."""

    kind: str
    table: tuple[Transition, ...]

    def row(self, name: str, source: str) -> Transition:
        """The row of a move. Raises TransitionRefused, naming what can come next, where there is none."""
        for row in self.table:
            if row.name == name and row.source == source:
                return row
        possible = ", ".join(sorted({shown(row.target) for row in self.moves_from(source)}))
        raise TransitionRefused(
            f"This {shown(self.kind).lower()} is '{self._label(source)}' and cannot {shown(name).lower()} from there.",
            cure=f"What can come next: {possible}." if possible else "Nothing comes after it.",
            rule="K-06",
        )

    def _label(self, state: str) -> str:
        """A state's name as people see it, also where it comes from the database as its key."""
        known = {str(end): end for row in self.table for end in (row.source, row.target)}
        return shown(known.get(state, state))

    def moves_from(self, source: str) -> tuple[Transition, ...]:
        return tuple(row for row in self.table if row.source == source)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple((row.source, row.target) for row in self.table)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(f"{self.kind}.{row.name}" for row in self.table)


@dataclass(frozen=True)
class Verdict:
    """What a gate function answers: use `passed`, `blocked` or `not_applicable`."""

    outcome: str
    reason: str = ""
    cure: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


def passed(**evidence: Any) -> Verdict:
    return Verdict("pass", evidence=evidence)


def blocked(reason: str, *, cure: str, **evidence: Any) -> Verdict:
    return Verdict("block", reason, cure, evidence)


def not_applicable(reason: str) -> Verdict:
    return Verdict("n/a", reason)


@dataclass(frozen=True)
class GateResult:
    """One gate's answer, as it is stored in the event with the evidence that was looked at."""

    gate: str
    title: str
    outcome: str
    reason: str
    cure: str
    evidence: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        return self.outcome != "block"

    def as_payload(self) -> dict[str, Any]:
        return {
            "gate": self.gate,
            "title": self.title,
            "outcome": self.outcome,
            "reason": self.reason,
            "cure": self.cure,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True)
class Gate:
    id: str
    title: str
    transitions: tuple[str, ...]
    check: Callable[..., Verdict]


GATES: Registry[Gate] = Registry("gate")


def gate(id: str, *transitions: str) -> Callable[[Callable[..., Verdict]], Callable[..., Verdict]]:
    """Register a gate for transitions named "kind.name". The function gets the subject, and what it names of the
    context (keyword-only). Its docstring's first line is its title. One id may have several functions."""

    def declare(check: Callable[..., Verdict]) -> Callable[..., Verdict]:
        title = (check.__doc__ or check.__name__.replace("_", " ")).strip().splitlines()[0].rstrip(".")
        GATES.add(f"{id}:{check.__name__}", Gate(id, title, transitions, check))
        return check

    return declare


def ask_gates(transition: str, subject: Any, **context: Any) -> tuple[GateResult, ...]:
    """Ask every gate of a transition, as of one moment: a gate looks and changes nothing. Never raises for a gate that
    fails: it blocks."""
    gates = [gate for gate in GATES.values() if transition in gate.transitions]
    try:
        # Mostly every gate answers: one savepoint is enough for them all.
        with one_reading(), transaction.atomic():
            return tuple(_result(gate, _verdict(gate, subject, context)) for gate in gates)
    except Exception:  # noqa: BLE001 - whichever gate it was is found, told and logged below
        # Afresh, and each for itself: what one raises neither answers for another nor leaves anything behind.
        with reading():
            return tuple(_ask(gate, subject, context) for gate in gates)


def _ask(gate: Gate, subject: Any, context: Mapping[str, Any]) -> GateResult:
    try:
        with transaction.atomic():
            verdict = _verdict(gate, subject, context)
    except Refused as refusal:
        verdict = _refusal(refusal)
    except Exception as failure:  # noqa: BLE001 - fails closed: whatever went wrong is a refusal (K-14)
        log.error("gate %s could not be evaluated: %s", gate.id, described(failure))
        verdict = blocked(
            f"could not be evaluated ({type(failure).__name__})",
            cure="Ask the system's operator: the log of this moment names the cause.",
        )
    return _result(gate, verdict)


def _verdict(gate: Gate, subject: Any, context: Mapping[str, Any]) -> Verdict:
    verdict = gate.check(subject, **context)
    if not isinstance(verdict, Verdict):
        raise TypeError(f"{gate.id} answered {type(verdict).__name__}, not a verdict")
    canonical(verdict.evidence)
    return verdict


def _result(gate: Gate, verdict: Verdict) -> GateResult:
    return GateResult(gate.id, gate.title, verdict.outcome, verdict.reason, verdict.cure, verdict.evidence)


def _refusal(refusal: Refused) -> Verdict:
    """What a service refused while a gate looked is the gate's answer, in the service's own words (K-14)."""
    return blocked(
        " ".join(reason.text for reason in refusal.reasons),
        cure=" ".join(reason.cure for reason in refusal.reasons if reason.cure),
        rules=sorted({reason.rule for reason in refusal.reasons if reason.rule}),
    )


def refuse_blocked(results: Iterable[GateResult]) -> None:
    """Raise TransitionRefused with every blocking gate's reason and cure."""
    reasons = [Reason(result.reason, result.cure, result.gate) for result in results if not result.passed]
    if reasons:
        raise TransitionRefused(reasons)
