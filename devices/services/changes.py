"""Asking for changes: a design goes back to its designer with a comment and with places on it, before it is approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devices.choices import DesignStatus
from devices.events import DesignRejected
from devices.models import ChangeRequest
from devices.services.authors import author_of
from devices.services.designs import standing_design
from devices.services.lifecycle import locked_device, record_progress
from mes.eventlog.base import Actor
from mes.eventlog.unit import say, unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.permissions import require
from mes.text import text_fault

MOST_PLACES = 30
LONGEST_NOTE = 300
FURTHEST_MM = 3000.0
"""No point of a patient's images lies further from their origin."""


@unit_of_work
def request_changes(
    *,
    device_id: int,
    actor: Actor,
    reason: str,
    places: Sequence[Mapping[str, Any]] = (),
    revision: int | None = None,
) -> ChangeRequest:
    """Send the design back, before it is approved, saying what to change and where. Anyone who may review or approve it.

    places: as `ChangeRequest.places`. revision: which design the asker looked at, where they say it.
    Raises InvalidInput with everything that cannot be taken, Conflict where another revision stands by now,
    TransitionRefused where none awaits a decision.
    """
    device = locked_device(device_id)
    require(actor, "devices.reject_design", device)
    marked = _checked(reason, places)
    for place in marked:
        say(text=place["note"], actor=actor)
    design = standing_design(device, DesignStatus.GENERATED, DesignStatus.REVIEWED)
    if revision is not None and revision != design.revision:
        raise Conflict(
            f"Revision {design.revision} stands by now; you looked at revision {revision}.",
            cure="Look at the newer one.",
            rule="ES-19",
        )
    asked = ChangeRequest.objects.create(
        device=device,
        design=design,
        asked_by_id=author_of(actor),
        comment=reason.strip(),
        places=marked,
    )
    design.status = DesignStatus.REJECTED
    design.save(update_fields=["status"])
    event = DesignRejected(
        device_id=device.pk, design_id=design.pk, change_request_id=asked.pk, places=marked
    )
    record_progress(device, event, actor=actor, reason=reason)
    return asked


def _checked(reason: str, places: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    faults = [] if reason.strip() else [Reason("Say what to change.", "Write a comment.", "P11-10e")]
    if len(places) > MOST_PLACES:
        faults.append(
            Reason(f"More than {MOST_PLACES} places are marked.", "Say several things at one place.", "")
        )
    read = [_place(number, place, faults) for number, place in enumerate(places[:MOST_PLACES], start=1)]
    if faults:
        raise InvalidInput(faults)
    return read


def _place(number: int, place: Mapping[str, Any], faults: list[Reason]) -> dict[str, Any]:
    at, note = _point(place.get("at_mm")), str(place.get("note", "")).strip()
    if at is None:
        text = f"Place {number} is no point."
        faults.append(Reason(text, f"Give x, y, z in mm, each within ±{FURTHEST_MM:g}, or remove it.", ""))
    if fault := text_fault(f"What is said of place {number}", note, longest=LONGEST_NOTE):
        faults.append(fault)
    return {"at_mm": at, "note": note}


def _point(given: Any) -> list[float] | None:
    """Three finite numbers, to a micrometre; None for anything else."""
    if not isinstance(given, (list, tuple)) or len(given) != 3:
        return None
    if not all(isinstance(part, (int, float)) and abs(part) <= FURTHEST_MM for part in given):
        return None
    return [round(float(part), 3) for part in given]
