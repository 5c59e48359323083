"""Kits leave together: one act releases every device of a kit, one act ships them, all or none (G-REL-01, G-SHP-01).

The secret is typed once, and every device gets its own decision and its own signature, over its own record and checklist and
the digest of the kit that it belongs to (ES-05).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devices.choices import KitStage
from devices.lifecycle import DEVICE
from devices.models import Device, Kit
from devices.selectors.kits import kit_facts, members_of
from devices.services.kits import locked_kit, record_kit_release, record_kit_shipment, refuse_fixed
from devices.services.lifecycle import Move, locked_device, move_content, move_device
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import Reason, TransitionRefused
from mes.lifecycle import GateResult, ask_gates
from mes.permissions import require
from mes.services.signatures import Credentials, Together, content_digest, refuse_other
from quality.models import ReleaseDecision
from quality.services.release import record_release, release_checklist, release_content, shown_record

Gates = tuple[GateResult, ...]


@dataclass(frozen=True)
class Part:
    """What is decided about one device of a kit. content: what its signature covers; record: as its releaser reads it."""

    device: Device
    gates: Gates
    content: Mapping[str, Any]
    record: bytes = b""

    @property
    def digest(self) -> str:
        return content_digest(self.content)


# --- released together


@unit_of_work
def release_kit(*, kit_id: int, actor: Actor, credentials: Credentials) -> list[ReleaseDecision]:
    """Release every device of a kit, or none. Raises TransitionRefused with the reasons and cures of every gate of every device that
    blocks, and ContentChanged where the kit is no longer the one that was shown (ES-19); nothing is written then."""
    kit = locked_kit(kit_id)
    require(actor, "quality.release_kit", kit)
    refuse_fixed(kit)
    members = _locked_members(kit)
    for device in members:
        require(actor, "quality.release_device", device)
    facts, asked = kit_facts(kit, members), [release_checklist(one, actor, kit) for one in members]
    _refuse_blocked(members, asked)
    parts = _to_release(members, asked, facts)
    refuse_other(_whole("kit release", kit, facts, parts), credentials)
    together = Together(Meaning.RELEASED, whole=facts["digest"])
    decisions = [
        record_release(
            part.device,
            part.gates,
            part.record,
            actor=actor,
            credentials=replace(credentials, digest=part.digest, together=together),
            kit=facts,
        )
        for part in parts
    ]
    record_kit_release(kit, signature_ids=[one.signature_id for one in decisions], actor=actor)
    return decisions


def kit_release_content(kit: Kit, actor: Actor) -> dict[str, Any]:
    """What a releaser is shown and signs: every device, by the digest of what its own signature covers.

    Raises TransitionRefused while a device is not where a release begins."""
    members = members_of(kit)
    facts, asked = kit_facts(kit, members), [release_checklist(one, actor, kit) for one in members]
    return _whole("kit release", kit, facts, _to_release(members, asked, facts))


def kit_checklist(kit: Kit, actor: Actor | None) -> dict[str, Gates]:
    """Every gate of the release of every device, asked now, by the device's code."""
    return {one.code: release_checklist(one, actor, kit) for one in members_of(kit)}


def _to_release(members: Sequence[Device], asked: Sequence[Gates], facts: Mapping[str, Any]) -> list[Part]:
    """Each content is taken before the first device is released: what was shown is what every one is signed over."""
    return [_release_of(one, gates, facts) for one, gates in zip(members, asked, strict=True)]


def _release_of(device: Device, gates: Gates, facts: Mapping[str, Any]) -> Part:
    record = shown_record(device)
    details = release_content(device, gates, hashlib.sha256(record).hexdigest(), facts)
    content = move_content(device, DEVICE.row("release", device.stage), details)
    return Part(device, gates, content, record)


# --- shipped together


@unit_of_work
def ship_kit(*, kit_id: int, actor: Actor, credentials: Credentials) -> list[Move]:
    """Ship every device of a released kit, or none. Raises as `release_kit`."""
    kit = locked_kit(kit_id)
    require(actor, "quality.ship_kit", kit)
    if kit.stage != KitStage.RELEASED:
        raise TransitionRefused(
            f"{kit.code} is not released as a whole.", cure="Release it first.", rule="G-SHP-01"
        )
    members = _locked_members(kit)
    asked = [ask_gates("device.ship", one, actor=actor, kit=kit) for one in members]
    _refuse_blocked(members, asked)
    facts = kit_facts(kit, members)
    parts = _to_ship(members, asked, facts)
    refuse_other(_whole("kit shipment", kit, facts, parts), credentials)
    together = Together(Meaning.PERFORMED, whole=facts["digest"])
    moves = [
        move_device(
            part.device,
            "ship",
            actor=actor,
            credentials=replace(credentials, digest=part.digest, together=together),
            content={"kit": facts},
            gates=part.gates,
        )
        for part in parts
    ]
    record_kit_shipment(kit, signature_ids=[move.signed.pk for move in moves], actor=actor)
    return moves


def kit_shipment_content(kit: Kit) -> dict[str, Any]:
    """What whoever ships a kit is shown and signs. Raises TransitionRefused while a device is not where a shipment begins."""
    members = members_of(kit)
    facts = kit_facts(kit, members)
    return _whole("kit shipment", kit, facts, _to_ship(members, [()] * len(members), facts))


def _to_ship(members: Sequence[Device], asked: Sequence[Gates], facts: Mapping[str, Any]) -> list[Part]:
    return [
        Part(one, gates, move_content(one, DEVICE.row("ship", one.stage), {"kit": facts}))
        for one, gates in zip(members, asked, strict=True)
    ]


# --- shared


def _locked_members(kit: Kit) -> list[Device]:
    """The members of a locked kit, locked by number. Who belongs to it changes under the lock of the kit alone."""
    return [locked_device(one.pk) for one in members_of(kit)]


def _whole(record: str, kit: Kit, facts: Mapping[str, Any], parts: Iterable[Part]) -> dict[str, Any]:
    return {
        "record": record,
        "patient": kit.patient.token,
        **facts,
        "contents": {part.device.code: part.digest for part in parts},
    }


def _refuse_blocked(members: Sequence[Device], asked: Sequence[Gates]) -> None:
    """Everything that any gate of any device says against it; what they say alike, once. A device that is not as far is said by the
    gates of the others."""
    said: dict[Reason, list[str]] = {}
    for device, gates in zip(members, asked, strict=True):
        for gate in gates:
            if not gate.passed:
                said.setdefault(Reason(gate.reason, gate.cure, gate.gate), []).append(device.code)
    if said:
        raise TransitionRefused([_named(codes, reason) for reason, codes in said.items()])


def _named(codes: Sequence[str], reason: Reason) -> Reason:
    return Reason(f"{', '.join(codes)}: {reason.text}", reason.cure, reason.rule)
