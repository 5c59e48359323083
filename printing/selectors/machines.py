"""Which machine a printer is, and what it is qualified for. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from mes.eventlog.base import plain
from printing.models import Printer, PrintJob, QualifiedTriple


def other_machine(kind: str, serial: str, reported: Mapping[str, Any]) -> str:
    """What a machine says that it is, in words, where that is not the registered model and serial; else "".

    What it cannot tell is empty and compared with nothing.
    """
    model, number = (str(reported.get(name, "")).strip() for name in ("model", "serial"))
    if model in ("", kind) and number in ("", serial):
        return ""
    said = f"model {model or 'unknown'}, serial {number or 'unknown'}"
    return f"The machine says that it is {said}; registered is {kind}, serial {serial}."


def standing_triples(printer: Printer) -> QuerySet[QualifiedTriple]:
    """What a printer's newest qualification covers, newest first. Each takes the place of all before it: what was not shown
    to work again after a repair does not count (G-PRN-04)."""
    newest = printer.triples.order_by("-pk").values("signature_id")[:1]
    return printer.triples.filter(signature_id=newest).order_by("-pk")


def machine_now(job: PrintJob) -> dict[str, Any]:
    """What stands about the printer of a job now, kept with the job when it is started: who it is, as registered and as
    it says itself; its firmware; until when it is qualified and calibrated; and the qualification the job stands on."""
    printer, build = job.printer, job.build
    triple = standing_triples(printer).filter(parameters_id=build.parameters_id).first()
    return {
        "name": printer.name,
        "kind": printer.kind,
        "serial": printer.serial,
        "firmware": printer.firmware,
        "reported": printer.reported,
        "qualified_until": plain(printer.qualified_until),
        "calibrated_until": plain(printer.calibrated_until),
        "parameters": str(build.parameters),
        "parameters_digest": build.parameters_digest,
        "qualification": triple.pk if triple else None,
        "combination_until": plain(triple.valid_until) if triple else None,
    }
