"""The production record of one device (DHR; ISO 13485 7.5.1, regulatory record 2.1): sections A to R, every event, every
gate's answer, every signature with printed name, times and meaning (21 CFR 11.50), and the digest of every file.

Patients appear by token alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from devices.models import Device, DeviceMaster
from mes.eventlog.base import Actor, plain
from mes.models import Artefact, EventRecord, Signature
from mes.signing_seal import Standing, verify_signature
from quality.reports.base import report
from quality.reports.finishing import finishing_sections
from quality.reports.making import making_sections
from quality.reports.origin import origin_sections
from quality.reports.papers import paper_blocks
from quality.selectors.record import (
    events_in,
    files_of,
    names_of,
    signatures_in,
    streams_of,
    supply_streams_of,
)

SCHEMA = "lamina.production_record/1"


def notice_of(master: DeviceMaster) -> str:
    """What every page of a record says of what was made, where it is no medical device for a patient."""
    return master.route.notice.replace(" · ", " - ")


@report("production_record", title="Production record", template="quality/reports/production_record.html")
def production_record(device: Device, last_pos: int) -> Mapping[str, Any]:
    """Everything that is recorded about a device up to a position of the log. The same log gives the same record."""
    streams = streams_of(device)
    events = list(events_in([*streams, *supply_streams_of(device)], last_pos))
    until = max((event.occurred_at for event in events), default=device.created_at)
    names = names_in(events)
    sections = (
        *origin_sections(device, events),
        *making_sections(device, events),
        *finishing_sections(device, events, names),
    )
    record = {
        "schema": SCHEMA,
        "title": "Production record",
        "device": device.code,
        "serial": device.serial,
        "order": device.order.code,
        "case": device.order.patient.token,
        "master": str(device.master),
        "device_type": device.master.title,
        "notice": notice_of(device.master),
        "status": status_at(device, events),
        "last_pos": last_pos,
        "as_of": until,
        "sections": {section.letter: section.as_record() for section in sections},
        "gates": gate_answers(events),
        "signatures": [
            signature_block(signature)
            for signature in signatures_in([*streams, *supply_streams_of(device)]).filter(
                signed_at__lte=until
            )
        ],
        "papers": paper_blocks(events),
        "events": [event_line(event, names) for event in events],
        "files": file_lines(device, last_pos),
        "people": [{"id": key, "name": name} for key, name in sorted(names.items())],
    }
    found: Mapping[str, Any] = plain(record)
    return found


def status_at(device: Device, events: list[EventRecord]) -> str:
    """The stage that the last event about it named, so that an older record is told as it was."""
    for event in reversed(events):
        if event.type == "devices.device_stage_changed" and event.stream_id == str(device.pk):
            return str(json.loads(event.payload)["target"])
    return "planned"


def names_in(events: list[EventRecord]) -> dict[int, str]:
    ids = {Actor.parse(event.actor).person_id for event in events}
    return names_of(person_id for person_id in ids if person_id is not None)


def event_line(event: EventRecord, names: Mapping[int, str]) -> dict[str, Any]:
    actor = Actor.parse(event.actor)
    return {
        "pos": event.pos,
        "uid": event.uid,
        "stream": f"{event.stream_type}/{event.stream_id}",
        "version": event.version,
        "type": event.type,
        "actor": event.actor,
        "name": names[actor.person_id] if actor.person_id is not None else f"Lamina ({actor.id})",
        "at": event.occurred_at,
        "reason": event.reason,
        "payload": json.loads(event.payload),
        "record_digest": event.record_digest,
    }


def gate_answers(events: list[EventRecord]) -> list[dict[str, Any]]:
    """Every gate that was asked, with its outcome and the evidence it looked at, in the order of the log."""
    found = []
    for event in events:
        payload = json.loads(event.payload)
        for answer in payload.get("gates") or ():
            move = payload.get("transition") or event.type.partition(".")[2]
            found.append({"pos": event.pos, "at": event.occurred_at, "asked_for": move, **answer})
    return found


def signature_block(signature: Signature) -> dict[str, Any]:
    """What 21 CFR 11.50 asks for, and whether the signature still covers what was signed (11.70)."""
    standing = verify_signature(signature)
    withdrawal = getattr(signature, "withdrawal", None)
    return {
        "id": signature.pk,
        "uid": signature.uid,
        "printed_name": signature.printed_name,
        "user_id": signature.account.username,
        "person_id": signature.person_id,
        "roles": signature.roles,
        "meaning": signature.meaning,
        "statement": signature.statement,
        "comment": signature.comment,
        "signed_at_utc": signature.signed_at,
        "signed_at_local": local_time(signature.signed_at, signature.timezone),
        "timezone": signature.timezone,
        "utc_offset": signature.utc_offset,
        "method": signature.method,
        "components": signature.components,
        "series": signature.series_id,
        "position": signature.position,
        "software": signature.app_version,
        "configuration": signature.config_version,
        "subject": f"{signature.subject_type}/{signature.subject_id}",
        "subject_version": signature.subject_version,
        "content": json.loads(signature.content),
        "content_digest": signature.content_digest,
        "attachments_digest": signature.attachments_digest,
        "prev_hash": signature.prev_hash,
        "key_id": signature.key_id,
        "seal": signature.seal,
        "standing": str(standing),
        "withdrawn_because": withdrawal.reason if withdrawal else None,
        "intact": standing in (Standing.VALID, Standing.SUPERSEDED),
    }


def local_time(at: datetime, zone: str) -> str:
    """ISO 8601 with the offset of the signer's zone (ES-08)."""
    return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def file_lines(device: Device, last_pos: int) -> list[dict[str, Any]]:
    named = files_of(device, last_pos)
    known = Artefact.objects.in_bulk(list(named))
    return [
        {
            "sha256": digest,
            "size": known[digest].size if digest in known else None,
            "media_type": known[digest].media_type if digest in known else None,
            "named_by": path,
        }
        for digest, path in sorted(named.items())
    ]
