"""Events as a person reads them: what happened, to what, by whom, and every value that stands in the log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from mes.compiled import by_key
from mes.dashboard.changes import Changes, changes_of
from mes.dashboard.naming import with_names
from mes.dashboard.words import word_for
from mes.eventlog.base import EVENT_TYPES, Actor
from mes.models import EventRecord, Person, Signature, TrainingRecord
from mes.tables import ROOTS

LETTERS = {
    "devices.device": "D",
    "devices.order": "O",
    "printing.lot": "L",
    "printing.build": "B",
    "printing.printer": "M",
    "printing.job": "J",
    "quality.nonconformance": "N",
    "quality.package": "K",
    "mes.emergency_access": "E",
    "mes.erasure_request": "R",
    "mes.legal_hold": "H",
    "mes.disposal": "Z",
    "quality.gauge": "G",
    "mes.station": "T",
    "devices.arrival": "A",
    "devices.kit": "C",
}
STREAMS = {letter: kind for kind, letter in LETTERS.items()}
PAGES = {
    "D": "device",
    "O": "order",
    "L": "lot",
    "B": "build",
    "M": "printer",
    "E": "emergency",
    "R": "erasure",
    "H": "hold",
    "Z": "disposal",
    "G": "gauge",
    "K": "package",
    "A": "arrival",
    "C": "kit",
}
ICONS = {
    "refused": "ban", "failed": "circle-x", "rejected": "circle-x", "held": "hand-stop", "approved": "writing-sign",
    "signed": "writing-sign", "released": "shield-check", "reviewed": "eye", "received": "upload", "stage_changed": "arrow-right",
    "created": "pencil", "loaded": "bottle", "consumed": "droplet", "started": "player-play", "finished": "flag",
    "uncertain": "help-circle", "opened": "flag",
}  # fmt: skip

NAMED = re.compile(r"^([A-Za-z][A-Za-z_. ]*?)\s*[/ ]\s*([0-9]{1,18})$", re.ASCII)
ASIDE = re.compile(r"\s*\((?=[^)]*[\d_])(?:[^()]|\([^()]*\))*\)")
SENTENCE = re.compile(r".*?\.(?= |$)")


@dataclass(frozen=True)
class Subject:
    """What an event is about: its public code where it has one, and where to look at it."""

    text: str
    url: str
    asked: str = ""
    """What the audit trail is narrowed to it by."""


@dataclass(frozen=True)
class Told:
    """One event, told. `sentence` is the documentation of its type; `details` is the payload without the gates."""

    record: EventRecord
    title: str
    sentence: str
    who: str
    by_person: bool
    subject: Subject
    details: dict[str, Any]
    gates: list[dict[str, Any]]
    icon: str
    changes: Changes


def subject_of(stream_type: str, stream_id: str) -> Subject:
    letter = LETTERS.get(stream_type, "")
    if not letter or not stream_id.isdigit():
        return Subject(
            f"{_last(stream_type)} {_last(stream_id)}", "", f"{stream_type.rpartition('.')[2]}/{stream_id}"
        )
    code = f"{letter}{int(stream_id):07d}"
    return Subject(code, reverse(PAGES[letter], args=[code]) if letter in PAGES else "", code)


def named_stream(asked: str) -> tuple[str, str] | None:
    """The stream behind "person/12", as the audit trail names a record that has no code; also "person 12" and
    "mes.person/12". A signature is told on the stream of what it signs, a training on the person's."""
    found = NAMED.match(asked)
    if found is None:
        return None
    kind, key = found[1].lower().replace(" ", "_"), found[2]
    if kind in ELSEWHERE:
        return ELSEWHERE[kind](int(key))
    kinds = [root for root in ROOTS if ALSO.get(kind, kind) in (root, root.rpartition(".")[2])]
    return (kinds[0], str(int(key))) if kinds else None


def _signed(key: int) -> tuple[str, str] | None:
    row = by_key(Signature, key)
    return (row.subject_type, row.subject_id) if row else None


def _trained(key: int) -> tuple[str, str] | None:
    row = by_key(TrainingRecord, key)
    return ("mes.person", str(row.person_id)) if row else None


ELSEWHERE: dict[str, Callable[[int], tuple[str, str] | None]] = {"signature": _signed, "training": _trained}
ALSO = {"role": "role_grant", "drill": "restore_drill"}


def _last(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def names_of_actors(records: Iterable[EventRecord]) -> dict[str, str]:
    """Printed names of the persons who acted, by actor text; one query."""
    actors = {record.actor: Actor.parse(record.actor).person_id for record in records}
    people = Person.objects.in_bulk([pk for pk in actors.values() if pk is not None])
    return {text: str(people[pk]) for text, pk in actors.items() if pk in people}


def told(records: Sequence[EventRecord]) -> list[Told]:
    names = names_of_actors(records)
    payloads = with_names([json.loads(record.payload) for record in records])
    changes = changes_of(records)
    return [
        _told(record, payload, names, changes.get(record.pos, Changes()))
        for record, payload in zip(records, payloads, strict=True)
    ]


def _told(record: EventRecord, payload: dict[str, Any], names: dict[str, str], changes: Changes) -> Told:
    gates = payload.pop("gates", None) or []
    kind = EVENT_TYPES.get(record.type)
    words = record.type.rpartition(".")[2]
    return Told(
        record=record,
        title=_title(words, payload),
        sentence=_sentence(kind.__doc__ or "") if kind else "",
        who=names.get(record.actor) or _system_name(record.actor),
        by_person=record.actor.startswith("person:"),
        subject=subject_of(record.stream_type, record.stream_id),
        details=payload,
        gates=[gate for gate in gates if isinstance(gate, dict)],
        icon=next((icon for part, icon in ICONS.items() if part in words), "circle-dot"),
        changes=changes,
    )


def _sentence(documentation: str) -> str:
    """The first sentence of an event's documentation, for people: without clauses, rules and names of fields."""
    words = ASIDE.sub("", " ".join(documentation.split()))
    first = SENTENCE.match(words)
    return (first[0] if first else words).replace("`", "").replace("_", " ")


def _title(words: str, payload: dict[str, Any]) -> str:
    """The event's name as words; a move of a stage says from where to where."""
    if words.endswith("stage_changed") and {"source", "target"} <= set(payload):
        return f"{word_for(payload['source']).text.capitalize()} → {word_for(payload['target']).text}"
    return words.replace("_", " ").capitalize()


def _system_name(actor: str) -> str:
    part = Actor.parse(actor).id
    return f"Lamina · {part.replace('.', ' ').replace('_', ' ')}"
