"""Who took part in making a device, and what happened after its review."""

from __future__ import annotations

import json

from django.db.models import Q

from devices.models import Device
from mes.eventlog.base import Actor
from mes.models import EventRecord, Signature
from quality.models import RecordReview
from quality.selectors.record import events_in, signatures_in, streams_of

NOT_MAKING = frozenset(
    {
        "devices.device_held",
        "devices.device_resumed",
        "quality.record_reviewed",
        "quality.production_record_rendered",
        "quality.device_released",
        "devices.kit_released",
        "devices.kit_shipped",
        "mes.handwritten_uploaded",
        "mes.handwritten_verified",
    }
)
"""Facts whose actor neither made nor inspected the device. Everything else counts as taking part (fails closed)."""
NOT_MAKING_MOVES = frozenset({"complete_record", "review", "release", "ship", "deliver"})
REVIEWING = frozenset(
    {
        "quality.review_record",
        "quality.release_device",
        "quality.release_kit",
        "quality.ship_kit",
        "devices.review",
        "devices.release",
    }
)


def unreviewed_events(device: Device, review: RecordReview) -> list[EventRecord]:
    """What happened after a review, apart from the review itself."""
    later = events_in(streams_of(device)).filter(pos__gt=review.last_pos)
    return [event for event in later if not _is_review(event)]


def _is_review(event: EventRecord) -> bool:
    if event.type == "quality.record_reviewed":
        return True
    if event.type == "mes.instructions_followed":
        return json.loads(event.payload)["action"] in REVIEWING
    return (
        event.type == "devices.device_stage_changed"
        and json.loads(event.payload).get("transition") in NOT_MAKING_MOVES
    )


def _signs_review(signature: Signature) -> bool:
    """A review, or that the scan of a paper is a true copy."""
    content = json.loads(signature.content)
    return (
        content.get("record") in ("record review", "handwritten signature")
        or content.get("move") in NOT_MAKING_MOVES
    )


def took_part(device: Device) -> dict[int, list[str]]:
    """Who took part in making or inspecting a device, by person, with the facts that say so (G-REL-02).

    Actors of events and signers, whichever account they used; acts of review, hold and release do not count.
    """
    streams = streams_of(device)
    parts: dict[int, list[str]] = {}
    for event in events_in(streams):
        person_id = Actor.parse(event.actor).person_id
        if person_id is not None and event.type not in NOT_MAKING and not _is_review(event):
            parts.setdefault(person_id, []).append(event.type)
    for signature in signatures_in(streams):
        if not _signs_review(signature):
            parts.setdefault(signature.person_id, []).append(f"signed: {signature.meaning}")
    return {person: list(dict.fromkeys(facts)) for person, facts in parts.items()}


def makers_of(device: Device) -> dict[int, list[str]]:
    """Who printed or post-processed a device: an inspector must be none of them (G-INS-01)."""
    streams = streams_of(device)
    parts: dict[int, list[str]] = {}
    making = Q(type__startswith="printing.") | Q(type="quality.post_process_step_recorded")
    for event in events_in(streams).filter(making):
        person_id = Actor.parse(event.actor).person_id
        if person_id is not None:
            parts.setdefault(person_id, []).append(event.type)
    return {person: list(dict.fromkeys(facts)) for person, facts in parts.items()}
