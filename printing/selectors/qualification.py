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


def qualification_signatures(printer: Printer) -> dict[str, Signature]:
    """The newest signature over each step, and over the qualification itself, whatever became of it since."""
    found: dict[str, Signature] = {}
    for signature in signatures_of(printer, Meaning.APPROVED):
        content = json.loads(signature.content)
        if content.get("step") in STEPS:
            found[content["step"]] = signature
        elif "valid_until" in content:
            found[QUALIFICATION] = signature
    return found
