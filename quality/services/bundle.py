"""Writing a device's bundle: gather in one snapshot, render, sign, and write the archive. The record is not changed."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connection, transaction
from django.template.loader import render_to_string

from devices.models import Device
from mes.eventlog.base import canonical
from mes.eventlog.proofs import NotProvable
from mes.eventlog.sealing import RecordAltered
from mes.exceptions import Refused
from mes.reading import reading
from mes.services.artefacts import artefact_path
from mes.signing_seal import signature_key
from quality.export import verify_record
from quality.export.archive import Member, member, stated, write_archive
from quality.export.content import Subject, genealogy_of, newest_moment, record_of, signatures_of
from quality.export.keys import public_files
from quality.export.proofs import proofs_for, unsealed
from quality.reports.agreement import disagreements, disagreements_alone
from quality.reports.base import REPORTS
from quality.reports.page import page_of
from quality.reports.pdf import write_pdf
from quality.services.reports import pictures_of

POLL_S = 0.5
NAMED = 20
"""Positions that a refusal names; their number it always says."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that is ready to be written. `record_sha256` is the digest of its record.json."""

    name: str
    record_sha256: str
    events: int
    members: tuple[Member, ...]

    def write(self, target: BinaryIO) -> None:
        write_archive(target, self.members)


def bundle_of(subject: Subject, *, wait_s: float = 0.0) -> Bundle:
    """The bundle of a device, or of an order or a lot without one, as its record stands. Seals are waited for up to `wait_s` seconds.

    Raises Refused where events are not sealed by then (P11-10b), where a file is missing or altered (G-INT-01), or where
    the log does not lead to its seals or anything else of the record is not as it was written (P11-10a).
    """
    with one_snapshot():
        record = record_of(subject)
        signatures, genealogy = signatures_of(record), genealogy_of(subject)
        faults = disagreements(subject) if isinstance(subject, Device) else disagreements_alone(subject)
    positions = [event["pos"] for event in record["events"]]
    _wait_for_seals(subject, positions, wait_s)
    proofs = _proofs(subject, positions)
    text = canonical(record).encode()
    documents = {
        "record.json": text,
        "record.pdf": _pdf(subject, record, text),
        "audit.csv": verify_record.audit_csv(record),
        "signatures.json": _json(signatures),
        "genealogy.json": _json(genealogy),
        "genealogy.csv": verify_record.genealogy_csv(genealogy),
        "proofs.json": _json(proofs),
        "verify_record.py": Path(verify_record.__file__).read_bytes(),
        **_keys(proofs, signatures),
    }
    _refuse_altered(subject, [*faults, *faults_in(documents, text)])
    members = [member(path, content) for path, content in documents.items()]
    members += [_artefact(item) for item in record["artefacts"] if "disposed" not in item]
    members.sort(key=lambda one: one.path)
    signed = _signed(record, members)
    found = next(one for one in members if one.path == "record.json")
    name = f"DHR_{subject.serial}.zip" if isinstance(subject, Device) else f"RECORD_{subject.code}.zip"
    return Bundle(name, found.sha256, len(positions), (*members, *signed))


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Everything read inside is of one moment, and nothing is written: what is asked twice is read once."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), reading():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _wait_for_seals(subject: Subject, positions: list[int], wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while waiting := unsealed(positions):
        if time.monotonic() >= until:
            named = ", ".join(map(str, waiting[:NAMED])) + (" …" if len(waiting) > NAMED else "")
            raise Refused(
                f"UNSEALED: {len(waiting)} events of {subject.code} stand under no seal yet, at the positions {named}.",
                cure="Wait ten seconds and ask again (--wait does that), or see whether the sealer runs.",
                rule="P11-10b",
            )
        time.sleep(POLL_S)


def _proofs(subject: Subject, positions: list[int]) -> dict[str, Any]:
    try:
        return proofs_for(positions)
    except (RecordAltered, NotProvable) as contradiction:
        raise Refused(
            f"ALTERED: the record of {subject.code} cannot be proven. {contradiction}",
            cure="Run `manage.py verify`, which names the first bad position, and do not use the record meanwhile.",
            rule="P11-10a",
        ) from contradiction


def faults_in(documents: Mapping[str, bytes], record: bytes) -> list[str]:
    """What the stand-alone verifier finds in a bundle's documents before they are one. `record`: the record with its unsealed
    events too."""
    check = verify_record.Check(io.BytesIO())
    check.texts = dict(documents)
    found = check.findings(check.events, check.seals)
    check.texts["record.json"] = record
    return [*found, *check.findings(check.streams, check.rows, check.signatures)]


def _refuse_altered(subject: Subject, faults: Sequence[str]) -> None:
    """No copy says of an altered record that it is good: what `verify_integrity` finds is asked here too (P11-10a)."""
    if faults:
        more = f" And {len(faults) - NAMED} more." if len(faults) > NAMED else ""
        raise Refused(
            f"ALTERED: the record of {subject.code} is not as it was written. {'; '.join(faults[:NAMED])}.{more}",
            cure="Verify the record at its page, have `manage.py verify` run, and do not use the record meanwhile.",
            rule="P11-10a",
        )


def _json(value: Any) -> bytes:
    return canonical(value).encode()


def _pdf(subject: Subject, record: dict[str, Any], text: bytes) -> bytes:
    """The record for people, with every signature (21 CFR 11.50(b)) and its own JSON inside."""
    report, told = REPORTS["production_record"], record["report"]
    digest = member("record.json", text).sha256
    gone = {item["sha256"] for item in record["artefacts"] if "disposed" in item}
    pictures = pictures_of(told, subject, besides=gone) if isinstance(subject, Device) else {}
    html = render_to_string(report.template, page_of(told, digest, pictures))
    moment = datetime.fromisoformat(newest_moment(record))
    return write_pdf(html, record=told, attached=text, title=f"{told['title']} {subject.code}", dated=moment)


def _keys(proofs: dict[str, Any], signatures: dict[str, Any]) -> dict[str, bytes]:
    names = {f"seal-{seal['key_id']}" for seal in proofs["seals"].values()}
    names |= {f"signing-{row['key_id']}" for row in signatures["signatures"] if "key_id" in row}
    names.add(f"signing-{signature_key().id}")
    return {f"keys/{name}": content for name, content in public_files(settings.KEYS_DIR, names).items()}


def _artefact(item: dict[str, Any]) -> Member:
    """An original, checked against its name as it is read."""
    path = artefact_path(item["sha256"])
    found = member(f"artefacts/{item['sha256']}", path) if path.is_file() else None
    if found is None or found.sha256 != item["sha256"]:
        state = "missing" if found is None else "altered"
        raise Refused(
            f"File {item['sha256'][:12]} ({item['named_by']}) is {state}.",
            cure="Restore it from a backup; do not use the record meanwhile.",
            rule="G-INT-01",
        )
    return found


def _signed(record: dict[str, Any], members: list[Member]) -> tuple[Member, Member]:
    key = signature_key()
    manifest = _json(
        {
            "schema": verify_record.SCHEMA,
            "device": record["device"],
            "serial": record["serial"],
            "mode": record["mode"],
            "files": stated(members),
            "key_id": key.id,
        }
    )
    signature = f"{key.sign(manifest)}\n".encode()
    return member(verify_record.MANIFEST, manifest), member(verify_record.SIGNATURE, signature)
