"""Which signatures the qualification of a printer rests on."""

from __future__ import annotations

import json

from mes.choices import Meaning
from mes.models import Signature
from mes.selectors import signatures_of
from printing.models import Printer

STEPS = {"installation": "approve_installation", "operation": "approve_operation"}
"""What is approved before a printer is qualified, in this order, and the move that each makes."""
QUALIFICATION = "qualification"


def qualification_signatures(printer: Printer, until: int | None = None) -> dict[str, Signature]:
    """The newest signature over each step, and over the qualification itself, whatever became of it since.

    until: the key of a signature; only it and those before it count.
    """
    found: dict[str, Signature] = {}
    given = signatures_of(printer, Meaning.APPROVED)
    for signature in given if until is None else given.filter(pk__lte=until):
        content = json.loads(signature.content)
        if content.get("step") in STEPS:
            found[content["step"]] = signature
        elif "valid_until" in content:
            found[QUALIFICATION] = signature
    return found
