"""The record of an order or a lot by itself, where no device came of it: in the shape of a production record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from devices.models import Order
from mes.models import Artefact, EventRecord
from quality.reports.base import Fact, Section
from quality.reports.papers import paper_blocks
from quality.reports.production_record import (
    event_line,
    gate_answers,
    names_in,
    notice_of,
    signature_block,
)
from quality.selectors.record import Alone, files_alone, signatures_in, streams_alone

SCHEMA = "lamina.subject_record/1"


def report_alone(subject: Alone, told: Sequence[EventRecord], content: str) -> Mapping[str, Any]:
    """Everything that is recorded about it. `content`: the canonical text of its row."""
    names = names_in(list(told))
    return {
        "schema": SCHEMA,
        **_head(subject),
        "device": subject.code,
        "serial": "",
        "last_pos": told[-1].pos,
        "as_of": max(event.occurred_at for event in told),
        "sections": {"A": _facts(content).as_record()},
        "gates": gate_answers(list(told)),
        "signatures": [signature_block(row) for row in signatures_in(streams_alone(subject))],
        "papers": paper_blocks(told),
        "events": [event_line(event, names) for event in told],
        "files": _files(subject),
        "people": [{"id": key, "name": name} for key, name in sorted(names.items())],
    }


def _head(subject: Alone) -> dict[str, Any]:
    if isinstance(subject, Order):
        return {
            "title": "Record of an order",
            "order": subject.code,
            "case": subject.patient.token,
            "master": str(subject.master),
            "device_type": subject.master.title,
            "notice": notice_of(subject.master),
            "status": str(subject.stage),
        }
    return {
        "title": "Record of a lot",
        "order": "",
        "case": "",
        "master": str(subject.material),
        "device_type": subject.material.name,
        "notice": "",
        "status": str(subject.state),
    }


def _facts(content: str) -> Section:
    row = json.loads(content)
    facts = tuple(
        Fact(name, name.replace("_", " ").capitalize(), value) for name, value in sorted(row.items())
    )
    return Section("A", "As it stands", facts=facts)


def _files(subject: Alone) -> list[dict[str, Any]]:
    named = files_alone(subject)
    known = Artefact.objects.in_bulk(list(named))
    return [
        {"sha256": key, "size": row.size, "media_type": row.media_type, "named_by": named[key]}
        for key, row in sorted(known.items())
    ]
