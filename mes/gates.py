"""What must be true before the kernel forgets who a patient is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mes.exceptions import Reason
from mes.lifecycle import Verdict, blocked, gate, passed
from mes.models import Patient
from mes.registry import Registry
from mes.services.holds import held_by

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


KEEPING.add("legal hold", legal_hold)


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
