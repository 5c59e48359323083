"""Is the record of a device as it was written? Asked by a person at a page, answered with what and where (11.10(a))."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from devices.models import Device
from mes.artefacts import ArtefactStore
from mes.eventlog.base import Actor, canonical
from mes.eventlog.proofs import NotProvable
from mes.eventlog.sealing import RecordAltered
from mes.exceptions import Refused
from mes.permissions import require
from mes.services.artefacts import store
from quality.export.content import record_of, signatures_of
from quality.export.keys import public_files
from quality.export.proofs import proofs_for, unsealed
from quality.export.verify_record import FAULTS
from quality.reports.agreement import disagreements
from quality.services.bundle import faults_in, one_snapshot

VALID, ALTERED, UNVERIFIABLE = "VALID", "ALTERED", "UNVERIFIABLE"


@dataclass
class Integrity:
    """`altered`: what is not as it was written, and where. `open`: what cannot be said yet, and why. `disposed`: files that were
    destroyed after their time, and `certificates` under which."""

    events: int = 0
    files: int = 0
    disposed: int = 0
    certificates: list[str] = field(default_factory=list)
    signatures: int = 0
    seconds: float = 0.0
    altered: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    @property
    def result(self) -> str:
        if self.altered:
            return ALTERED
        return UNVERIFIABLE if self.open else VALID


def verify_integrity(device: Device, actor: Actor) -> Integrity:
    """Recompute everything about a device: leaves, proofs, seals, streams, rows, signatures and files.

    The checks of the log are those of the stand-alone verifier, over what the database says now.
    """
    require(actor, "quality.verify_integrity")
    started, found = time.monotonic(), Integrity()
    with one_snapshot():
        try:
            record = record_of(device)
            signatures = signatures_of(record)
        except (LookupError, *FAULTS) as fault:
            found.altered.append(f"The record cannot be read: {type(fault).__name__}.")
            return found
        kept = [item for item in record["artefacts"] if "disposed" not in item]
        found.events, found.files = len(record["events"]), len(kept)
        found.disposed = len(record["artefacts"]) - len(kept)
        found.certificates = sorted({item["disposed"] for item in record["artefacts"] if "disposed" in item})
        found.signatures = len(signatures["signatures"])
        _check_log(record, signatures, found)
        found.altered.extend(disagreements(device))
    found.altered.extend(_files(kept, store()))
    found.seconds = round(time.monotonic() - started, 2)
    return found


def _check_log(record: dict[str, Any], signatures: dict[str, Any], found: Integrity) -> None:
    positions = [event["pos"] for event in record["events"]]
    waiting = set(unsealed(positions))
    if waiting:
        named = ", ".join(map(str, sorted(waiting)[:20]))
        found.open.append(
            f"{len(waiting)} events stand under no seal yet, at the positions {named}: look again in ten seconds."
        )
    try:
        proofs = proofs_for([pos for pos in positions if pos not in waiting])
        names = {f"seal-{seal['key_id']}" for seal in proofs["seals"].values()}
        names |= {f"signing-{row['key_id']}" for row in signatures["signatures"] if "key_id" in row}
        keys = public_files(settings.KEYS_DIR, names)
    except (RecordAltered, NotProvable) as contradiction:
        found.altered.append(str(contradiction))
        return
    except Refused as refusal:
        found.open.extend(str(reason) for reason in refusal.reasons)
        return
    sealed = {**record, "events": [event for event in record["events"] if event["pos"] not in waiting]}
    texts = {
        "record.json": canonical(sealed).encode(),
        "proofs.json": canonical(proofs).encode(),
        "signatures.json": canonical(signatures).encode(),
        **{f"keys/{name}": content for name, content in keys.items()},
    }
    found.altered.extend(faults_in(texts, canonical(record).encode()))


def _files(kept: list[dict[str, Any]], files: ArtefactStore) -> Iterator[str]:
    for item in kept:
        if not files.verify(item["sha256"]):
            state = "altered" if files.path_of(item["sha256"]).is_file() else "missing"
            yield f"File {item['sha256']} ({item['named_by']}) is {state}."
