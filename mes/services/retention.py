"""How long a record is kept: the rules that apply to it now, and the clock that only ever moves forward (K-15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Model
from django.utils import timezone

from mes.choices import DisposalStage
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import RetentionSet
from mes.exceptions import InvalidInput, Reason
from mes.models import Disposal, Patient, RetentionClock, RetentionPeriod
from mes.permissions import require
from mes.retention import CLASSES, RECORDS_OF_PATIENTS, RULES
from mes.selectors import stream_of
from mes.tables import ROOTS

RULE = "K-15"
SET_BY_HAND = "extended"


@dataclass(frozen=True)
class Keeping:
    """`until`: the last day that the record is kept, None where no end is set; then `waits` says why.

    `periods`: {rule id: last day}. `rules`: every rule that applies, those without a date too.
    """

    until: date | None
    waits: str
    rules: tuple[str, ...]
    periods: dict[str, date]


def keeping_of(row: Model) -> Keeping:
    """What the rules and the clock say about a record today. Raises RegistrationError for a root without a class."""
    kind, key = stream_of(row)
    found = CLASSES[kind]
    facts = found.facts(row)
    rules = tuple(dict.fromkeys((*found.rules, *facts.rules)))
    endless = [RULES[rule] for rule in rules if RULES[rule].open_ended]
    periods = _periods(facts.begins, rules, facts.lifetime_years)
    clock = RetentionClock.objects.filter(record_root=kind, record_id=key).first()
    until = max([*periods.values(), *_promised(clock)], default=None)
    if facts.begins is None or endless or until is None:
        waits = facts.waits or ", ".join(f"{rule.id}: {rule.source}" for rule in endless) or "no end is set"
        return Keeping(None, waits, rules, periods)
    return Keeping(until, "", rules, periods)


def _periods(begins: date | None, rules: tuple[str, ...], lifetime: int) -> dict[str, date]:
    if begins is None:
        return {}
    dated = {rule: RULES[rule].until(begins, lifetime) for rule in rules}
    return {rule: day for rule, day in dated.items() if day is not None}


def _promised(clock: RetentionClock | None) -> list[date]:
    """What was ever set. The periods cannot be taken back, whatever stands in the clock."""
    if clock is None:
        return []
    return [clock.retain_until, *clock.periods.values_list("until", flat=True)]


def reason_of_rules(row: Model, on: date | None = None) -> Reason | None:
    """Why the rules keep a record on a day, by default today; None from the day after its last one."""
    keeping = keeping_of(row)
    if keeping.until is None:
        return Reason(f"No end is set: {keeping.waits}.", "Wait until a rule gives a date.", RULE)
    if (on or timezone.localdate()) > keeping.until:
        return None
    last = ", ".join(rule for rule, until in keeping.periods.items() if until == keeping.until)
    return Reason(f"It is kept until {keeping.until}.", "Wait until that day is over.", last or RULE)


def records_kept_of(patient: Patient) -> Iterator[Model]:
    """Every record of a patient that is not disposed of."""
    gone = Disposal.objects.filter(stage=DisposalStage.CARRIED_OUT).values_list("record_root", "record_id")
    for find in RECORDS_OF_PATIENTS.values():
        rows = list(find(patient))
        left = set(gone.filter(record_id__in=[row.pk for row in rows]))
        yield from (row for row in rows if stream_of(row) not in left)


@unit_of_work
def start_clock(*, row: Model, actor: Actor) -> RetentionClock | None:
    """Write down until when a record is kept, as soon as a rule gives a date. Never shortens; None where there is none."""
    require(actor, "mes.keep_clocks")
    keeping = keeping_of(row)
    if keeping.until is None:
        return None
    return _set(row, keeping.until, {rule: str(day) for rule, day in keeping.periods.items()}, "", actor)


@unit_of_work
def extend_retention(*, row: Model, until: date, reason: str, actor: Actor) -> RetentionClock:
    """Keep a record longer than its rules ask, for good. Raises InvalidInput for a day that is no later one."""
    require(actor, "mes.keep_clocks")
    keeping = keeping_of(row)
    if not reason.strip():
        raise InvalidInput("Say why the record is kept longer.", cure="Type it.", rule="P11-10e")
    if until <= (keeping.until or timezone.localdate()):
        raise InvalidInput(
            f"{until} is no later than the record is kept already.",
            cure="Retention is only ever extended; give a later day.",
            rule="K-15",
        )
    return _set(row, until, {SET_BY_HAND: str(until)}, reason.strip(), actor)


def _set(row: Model, until: date, rules: dict[str, str], reason: str, actor: Actor) -> RetentionClock:
    kind, key = stream_of(row)
    clock, fresh = RetentionClock.objects.select_for_update().get_or_create(
        record_root=kind, record_id=key, defaults={"retain_until": until}
    )
    if not fresh and clock.retain_until >= until:
        return clock
    clock.retain_until = until
    clock.save(update_fields=["retain_until"])
    RetentionPeriod.objects.create(clock=clock, until=until, rules=rules, reason=reason)
    event = RetentionSet(record_root=kind, record_id=key, until=str(until), rules=rules)
    publish(clock, event, actor=actor, reason=reason)
    return clock


def record_of(root: str, key: str) -> Any:
    """The row of a record by its stream. Raises LookupError where there is none."""
    model = ROOTS[root].model
    row = model._default_manager.filter(pk=key).first() if model else None
    if row is None:
        raise LookupError(f"{root}/{key} is not there")
    return row
