"""Moving a device: the only place that writes a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from devices.choices import Stage
from devices.events import DeviceStageChanged
from devices.lifecycle import DEVICE, PHASES, POINTS, UNHELD
from devices.models import Device
from devices.models.devices import COUNTS
from devices.selectors.evidence import bone_of, evidence_digest
from devices.selectors.progress import phase_of
from mes.compiled import by_keys
from mes.eventlog.base import Actor, Event
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Refused, SignatureRefused, TransitionRefused
from mes.lifecycle import GateResult, Transition, ask_gates, refuse_blocked
from mes.locking import locked_row
from mes.models import Signature
from mes.permissions import require
from mes.services.signatures import Credentials, sign

CHANGEABLE = (Stage.PLANNED, Stage.DESIGN_FROZEN)
OWNED = {"freeze_design": "approve_design", "void_design": "void_design"}
"""Moves that change more than the stage, and the service that makes them."""


@dataclass(frozen=True)
class Move:
    """A move that was made."""

    device: Device
    row: Transition
    gates: tuple[GateResult, ...]
    signature: Signature | None

    @property
    def signed(self) -> Signature:
        """The signature of a move to which the table gives a meaning. Raises LookupError of any other."""
        if self.signature is None:
            raise LookupError(f"{self.row.name} is not signed")
        return self.signature


_WHOLE = by_keys(
    lambda: Device.objects.select_related(
        "order__patient",
        "master",
        "material",
        "current_study",
        "current_segmentation",
        "current_design",
    )
)


def locked_device(device_id: int) -> Device:
    """The device, its row locked for this unit. Raises InvalidInput where there is none."""
    device = locked_row(_WHOLE, device_id)
    if device is None:
        raise InvalidInput("There is no such device.", cure="Look at the list of devices.")
    return device


@unit_of_work
def advance_device(
    *,
    device_id: int,
    transition: str,
    actor: Actor,
    credentials: Credentials | None = None,
    reason: str = "",
    content: Mapping[str, Any] | None = None,
) -> Device:
    """Move a device along one row of the table, or raise with every reason why not.

    content: what a signature of this move covers besides the move itself (see `move_content`).
    Raises NotPermitted, TransitionRefused, SignatureRefused.
    """
    if transition in OWNED:
        raise InvalidInput(
            f"'{transition}' is not a bare move.", cure=f"Use {OWNED[transition]}.", rule="K-06"
        )
    return move_device(
        locked_device(device_id),
        transition,
        actor=actor,
        credentials=credentials,
        reason=reason,
        content=content,
    ).device


def move_device(
    device: Device,
    transition: str,
    *,
    actor: Actor,
    credentials: Credentials | None = None,
    reason: str = "",
    content: Mapping[str, Any] | None = None,
    gates: tuple[GateResult, ...] | None = None,
) -> Move:
    """As `advance_device`, for a device that the calling service has locked.

    gates: what this move's gates answered this actor since then, where the service had to know it first.
    """
    known_transition(transition)
    require(actor, f"devices.{transition}", device)
    row = DEVICE.row(transition, device.stage)
    refuse_held(device, row.name)
    gates = ask_gates(f"device.{transition}", device, actor=actor) if gates is None else gates
    refuse_blocked(gates)
    signature = _signed(device, row, actor, credentials, content)
    device.stage = row.target
    count_units(device)
    event = DeviceStageChanged(
        device_id=device.pk,
        transition=row.name,
        source=row.source,
        target=row.target,
        gates=[result.as_payload() for result in gates],
        signature_id=signature.pk if signature else None,
    )
    record_progress(device, event, "stage", *COUNTS, actor=actor, reason=reason)
    return Move(device, row, gates, signature)


def count_units(device: Device) -> None:
    """What the stage that a device has just been given means for its units. Of a lot, inspection and disposal have
    counted one by one before (K-08)."""
    if device.stage == Stage.INSPECTED_PASS and not device.is_lot:
        device.accepted = device.quantity
    elif device.stage == Stage.NONCONFORMING:
        device.accepted = 0
    elif device.stage == Stage.SCRAPPED:
        device.accepted, device.scrapped = 0, device.quantity
    elif device.stage == Stage.RELEASED:
        device.released = device.accepted


def known_transition(transition: str) -> None:
    if f"device.{transition}" not in DEVICE.names:
        raise InvalidInput(
            f"A device has no move '{transition[:40]}'.",
            cure="See the table in docs/lifecycle.md.",
            rule="K-06",
        )


def _signed(
    device: Device,
    row: Transition,
    actor: Actor,
    credentials: Credentials | None,
    content: Mapping[str, Any] | None,
) -> Signature | None:
    if row.meaning is None:
        return None
    if credentials is None:
        raise SignatureRefused(
            f"'{row.name}' needs the signature “{row.meaning.label}”.",
            cure="Type your user id and password.",
            rule="G-SIG-01",
        )
    shown = move_content(device, row, content)
    return sign(subject=device, content=shown, meaning=row.meaning, actor=actor, credentials=credentials)


def move_content(device: Device, row: Transition, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a signature of a move covers: the device, the move, every file the device stands on, and the details."""
    study, bone, design = device.current_study, bone_of(device), device.current_design
    return {
        "record": "device move",
        "device": device.code,
        "serial": device.serial,
        "order": device.order.code,
        "move": row.name,
        "from": str(row.source),
        "to": str(row.target),
        "master": str(device.master),
        "material": device.material.code,
        "artefacts": {
            "volume": study.volume_id if study else None,
            "surface": bone.surface_id if bone else None,
            "design": design.mesh_id if design else None,
            **({"scan": study.surface_id} if study and study.surface_id else {}),
        },
        "details": dict(details or {}),
    }


def record_progress(device: Device, event: Event, *changed: str, actor: Actor, reason: str = "") -> None:
    """Save what changed on a locked device, bring its projections up to date, and publish the fact."""
    before = device.phase
    device.phase = phase_of(device) if device.stage == Stage.PLANNED else PHASES.get(device.stage, before)
    device.evidence_digest = evidence_digest(device)
    fields = {*changed, "phase", "evidence_digest"}
    if device.phase != before or "stage" in fields:
        device.changed_at = timezone.now()
        fields.add("changed_at")
    device.save(update_fields=sorted(fields))
    publish(device, event, actor=actor, reason=reason)


def refuse_made(device: Device, what: str) -> None:
    """What is being made, or was made, keeps what it was made from (G-DES-02). Raises TransitionRefused beyond `design_frozen`."""
    if device.stage in CHANGEABLE:
        return
    raise TransitionRefused(
        f"{device.code} is at '{Stage(device.stage).label}': {what}.",
        cure="Take it out of the queue first."
        if device.stage == Stage.QUEUED
        else "What is wrong with it is a nonconformance; another device is made from other images or another design.",
        rule="G-DES-02",
    )


def refuse_held(device: Device, transition: str) -> None:
    """A hold blocks every move that brings the device nearer to the patient."""
    if device.held and transition not in UNHELD:
        raise TransitionRefused(
            f"{device.code} is on hold: {device.hold_reason}",
            cure="A quality reviewer lifts the hold once its reason is gone.",
            rule="G-NC-01",
        )


def check_transition(device: Device, transition: str, actor: Actor | None = None) -> tuple[GateResult, ...]:
    """Ask the gates of a move or point without moving: for screens. A hold and a wrong stage are answers too."""
    if f"device.{transition}" not in (*DEVICE.names, *POINTS):
        known_transition(transition)
    answers = [_as_result(refusal) for refusal in _plain_refusals(device, transition)]
    return (*answers, *ask_gates(f"device.{transition}", device, actor=actor))


def _plain_refusals(device: Device, transition: str) -> list[Refused]:
    found: list[Refused] = []
    try:
        refuse_held(device, transition)
    except Refused as refusal:
        found.append(refusal)
    try:
        if f"device.{transition}" not in POINTS:
            DEVICE.row(transition, device.stage)
    except Refused as refusal:
        found.append(refusal)
    return found


def _as_result(refusal: Refused) -> GateResult:
    reason = refusal.reasons[0]
    return GateResult(reason.rule, "The lifecycle allows the move", "block", reason.text, reason.cure, {})
