"""Review and release: the record is complete, a reviewer read its trail, a releaser who made nothing of it signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from devices.choices import Stage
from devices.lifecycle import DEVICE
from devices.models import Device, Kit
from devices.services.lifecycle import locked_device, move_content, move_device
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import TransitionRefused
from mes.lifecycle import GateResult, ask_gates, refuse_blocked
from mes.permissions import require
from mes.services.artefacts import store_artefact
from mes.services.signatures import Credentials, content_digest, sign
from quality.events import DeviceReleased, RecordReviewed
from quality.export.content import genealogy_of
from quality.export.verify_record import links_digest
from quality.models import RecordReview, ReleaseDecision
from quality.reports.base import REPORTS, record_bytes
from quality.selectors.record import Trail, events_in, streams_of, trail_of

SYSTEM = Actor.system("quality.release")
RECORD = "production_record"
COMPLETABLE = (Stage.INSPECTED_PASS, Stage.LABELLED)


@unit_of_work
def complete_record(*, device_id: int) -> bool:
    """Send the record to review if everything is there. True if it went; otherwise the checklist says what is missing."""
    require(SYSTEM, "quality.complete_record")
    device = locked_device(device_id)
    if device.stage not in COMPLETABLE or device.held:
        return False
    gates = ask_gates("device.complete_record", device, actor=SYSTEM)
    if not all(result.passed for result in gates):
        return False
    move_device(device, "complete_record", actor=SYSTEM, gates=gates)
    return True


def complete_records(of: QuerySet[Device]) -> None:
    """Send to review those of some devices that waited for a hold or a qualification which is over."""
    waiting = of.filter(stage__in=COMPLETABLE, held=False)
    for device_id in sorted(set(waiting.values_list("pk", flat=True))):
        complete_record(device_id=device_id)


def review_content(device: Device) -> dict[str, Any]:
    """What a reviewer signs: the digest of the list of events that stood in the trail."""
    trail = trail_of(device)
    return {
        "record": "record review",
        "events": trail.events,
        "last_pos": trail.last_pos,
        "trail_digest": trail.digest,
    }


@unit_of_work
def review_record(
    *, device_id: int, actor: Actor, credentials: Credentials, findings: str = ""
) -> RecordReview:
    """A reviewer has read the audit trail and signs what was read. Again, where something happened after a review."""
    device = locked_device(device_id)
    require(actor, "quality.review_record", device)
    content = review_content(device) | {"findings": findings.strip()}
    trail = Trail(content["events"], content["last_pos"], content["trail_digest"])
    if device.stage == Stage.REVIEWED:
        refuse_blocked(ask_gates("device.review", device, actor=actor))
        signature = sign(
            subject=device,
            content=content | {"device": device.code},
            meaning=Meaning.REVIEWED,
            actor=actor,
            credentials=credentials,
        )
    else:
        move = move_device(device, "review", actor=actor, credentials=credentials, content=content)
        signature = move.signed
    review = RecordReview.objects.create(
        device=device,
        events=trail.events,
        last_pos=trail.last_pos,
        trail_digest=trail.digest,
        findings=findings.strip(),
        reviewed_by=signature.person,
        signature=signature,
    )
    publish(
        device,
        RecordReviewed(
            device_id=device.pk,
            review_id=review.pk,
            events=trail.events,
            last_pos=trail.last_pos,
            trail_digest=trail.digest,
            findings=review.findings,
            signature_id=signature.pk,
        ),
        actor=actor,
    )
    return review


def release_checklist(
    device: Device, actor: Actor | None = None, kit: Kit | None = None
) -> tuple[GateResult, ...]:
    """Every gate of the release with its evidence, asked now, for the person who would release. kit: all of which would be."""
    return ask_gates("device.release", device, actor=actor, kit=kit)


def shown_record(device: Device) -> bytes:
    """The record as a releaser reads it before signing: canonical JSON up to the last event."""
    last = events_in(streams_of(device)).values_list("pos", flat=True).last() or 0
    return record_bytes(REPORTS[RECORD].gather(device, last))


def release_content(
    device: Device,
    checklist: tuple[GateResult, ...],
    record_sha256: str,
    kit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a releaser signs, beside the move itself: the digest of the record as shown, that of where its material
    came from, every gate's answer, and the kit that it is released with."""
    return {
        "record": "release",
        "device": device.code,
        "record_sha256": record_sha256,
        "genealogy": links_digest(genealogy_of(device)),
        "quantity": device.accepted,
        "checklist": [result.as_payload() for result in checklist],
        **({"kit": kit} if kit else {}),
    }


def release_digest(device: Device, details: dict[str, Any]) -> str:
    """The digest that the signing dialog shows and the signature must meet (ES-19)."""
    return content_digest(move_content(device, DEVICE.row("release", device.stage), details))


@unit_of_work
def release_device(*, device_id: int, actor: Actor, credentials: Credentials) -> ReleaseDecision:
    """Release a device, once, with the whole checklist and the record as it was shown.

    Raises TransitionRefused with the reason and cure of every gate that blocks; nothing is written then.
    """
    device = locked_device(device_id)
    require(actor, "quality.release_device", device)
    if device.stage == Stage.RELEASED:
        raise TransitionRefused(f"{device.code} is released already.", cure="Open its record.", rule="K-06")
    DEVICE.row("release", device.stage)
    checklist = release_checklist(device, actor)
    refuse_blocked(checklist)
    return record_release(device, checklist, shown_record(device), actor=actor, credentials=credentials)


def record_release(
    device: Device,
    checklist: tuple[GateResult, ...],
    shown: bytes,
    *,
    actor: Actor,
    credentials: Credentials,
    kit: Mapping[str, Any] | None = None,
) -> ReleaseDecision:
    """Sign and write the release of a locked device whose gates passed. shown: its record as the releaser read it."""
    record = store_artefact(shown, media_type="application/json")
    content = release_content(device, checklist, record.sha256, kit)
    move = move_device(
        device, "release", actor=actor, credentials=credentials, content=content, gates=checklist
    )
    decision = ReleaseDecision.objects.create(
        device=device,
        checklist=content["checklist"],
        quantity=device.released,
        record=record,
        released_by=move.signed.person,
        signature=move.signed,
    )
    publish(
        device,
        DeviceReleased(
            device_id=device.pk,
            decision_id=decision.pk,
            signature_id=move.signed.pk,
            record_sha256=record.sha256,
            genealogy=content["genealogy"],
            quantity=device.released,
            checklist=content["checklist"],
        ),
        actor=actor,
    )
    return decision
