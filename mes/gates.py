"""What must be true before the kernel forgets who a patient is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.utils import timezone

from mes.exceptions import Reason
from mes.lifecycle import Verdict, blocked, gate, passed
from mes.models import Patient
from mes.registry import Registry
from mes.retention import RULES
from mes.services.holds import held_by
from mes.services.retention import keeping_of, records_kept_of

Keeping = Callable[[Patient], Reason | None]
KEEPING: Registry[Keeping] = Registry("duty to keep an identity")
"""Who answers whether a patient's identity has to be kept: legal holds and retention register here."""


def legal_hold(patient: Patient) -> Reason | None:
    """A legal hold that reaches a patient keeps the identity too, until two people release it."""
    holds = held_by(patient)
    if not holds:
        return None
    codes = ", ".join(hold.code for hold in holds)
    return Reason(f"Legal hold {codes} reaches this patient.", "Wait until it is released.", "K-15")


def retention(patient: Patient) -> Reason | None:
    """An identity is kept as long as a record that it belongs to: erasure does not reach what a law orders to keep
    (GDPR Art. 17(3)(b), ISO 13485 4.2.5)."""
    kept = [(row, keeping_of(row)) for row in records_kept_of(patient)]
    kept = [(row, how) for row, how in kept if how.until is None or how.until >= timezone.localdate()]
    if not kept:
        return None
    row, longest = max(kept, key=lambda one: one[1].until or date.max)
    others = f" and {len(kept) - 1} more records of this patient" if len(kept) > 1 else ""
    rules = ", ".join(f"{rule} ({RULES[rule].source})" for rule in longest.rules)
    if longest.until is None:
        text = f"Retention keeps {row}{others} without an end yet, as {longest.waits}: {rules}."
        return Reason(text, "Wait until its last day is set and over, or refuse with this reason.", "K-15")
    text = f"Retention keeps {row}{others} until {longest.until:%d %b %Y}: {rules}."
    return Reason(text, f"Wait until {longest.until:%d %b %Y} is over, or refuse with this reason.", "K-15")


KEEPING.add("legal hold", legal_hold)
KEEPING.add("retention", retention)


def duties_to_keep(patient: Patient) -> list[Reason]:
    return [reason for duty in KEEPING.values() if (reason := duty(patient)) is not None]


@gate("G-PRV-01", "patient.erase")
def nothing_has_to_be_kept(patient: Patient, **_: Any) -> Verdict:
    """No legal hold and no retention rule keeps the patient's identity (K-15)."""
    reasons = duties_to_keep(patient)
    if reasons:
        return blocked(
            " ".join(reason.text for reason in reasons),
            cure=" ".join(reason.cure for reason in reasons if reason.cure) or "Wait until the duty ends.",
            rules=[reason.rule for reason in reasons],
        )
    return passed(asked=list(KEEPING))
