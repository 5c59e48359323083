"""What happens to a design when something that it stands on changes: its approvals hold no longer (ES-10)."""

from __future__ import annotations

from devices.choices import DesignStatus, Stage
from devices.events import DesignVoided
from devices.models import Design, Device
from devices.services.lifecycle import locked_device, move_device, record_progress
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import InvalidInput, TransitionRefused
from mes.permissions import require

SYSTEM = Actor.system("design")
OPEN = (DesignStatus.REQUESTED, DesignStatus.GENERATED, DesignStatus.REVIEWED, DesignStatus.APPROVED)


def void_design_work(device: Device, design: Design, *, actor: Actor, reason: str) -> None:
    """Void an open design of a locked device, and take the device back to before the design was frozen.

    Raises TransitionRefused where the device is beyond `design_frozen`.
    """
    if design.status not in OPEN:
        return
    design.status = DesignStatus.VOIDED
    design.reasons = [*design.reasons, {"code": "voided", "text": reason, "cure": "Request a new design."}]
    design.save(update_fields=["status", "reasons"])
    if device.stage != Stage.PLANNED:
        # A consequence of what the actor was allowed to do, so it happens by rule; the fact below names the actor.
        move_device(device, "void_design", actor=SYSTEM, reason=reason)
    event = DesignVoided(device_id=device.pk, design_id=design.pk, mesh_sha256=design.mesh_id)
    record_progress(device, event, actor=actor, reason=reason)


@unit_of_work
def void_design(*, device_id: int, actor: Actor, reason: str) -> Device:
    """Void the current design and everything signed about it, with a reason."""
    device = locked_device(device_id)
    require(actor, "devices.void_design", device)
    if not reason.strip():
        raise InvalidInput("Say why the design no longer holds.", rule="P11-10e")
    design = device.current_design
    if design is None or design.status not in OPEN:
        raise TransitionRefused(
            f"{device.code} has no design to void.",
            cure="Look at the device again: what it had was voided, refused or never made.",
            rule="K-06",
        )
    void_design_work(device, design, actor=actor, reason=reason.strip())
    return device
