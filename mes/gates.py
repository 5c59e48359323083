"""What must be true before the kernel forgets who a patient is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mes.exceptions import Reason
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.models import Patient
from mes.registry import Registry

Keeping = Callable[[Patient], Reason | None]
KEEPING: Registry[Keeping] = Registry("duty to keep an identity")
"""Who answers whether a patient's identity has to be kept: legal holds and retention register here."""


def duties_to_keep(patient: Patient) -> list[Reason]:
    return [reason for duty in KEEPING.values() if (reason := duty(patient)) is not None]


@gate("G-PRV-01", "patient.erase")
def nothing_has_to_be_kept(patient: Patient, **_: Any) -> Verdict:
    """No legal hold and no retention rule keeps the patient's identity (K-15)."""
    if not len(KEEPING):
        return not_applicable("Nothing here knows of legal holds and retention.")
    reasons = duties_to_keep(patient)
    if reasons:
        return blocked(
            " ".join(reason.text for reason in reasons),
            cure=" ".join(reason.cure for reason in reasons if reason.cure) or "Wait until the duty ends.",
            rules=[reason.rule for reason in reasons],
        )
    return passed(asked=list(KEEPING))
