"""Recompute everything and name the first bad position.

What is checked, in this order: the server's own keys, with which the rest is checked; each leaf against its event, in settled order, and the tiles that leaves keep; each
seal's root, signature, consistency proof and the seal it follows; events before the last sealed one that have no leaf, and those whose transaction has
not begun;
the witness against the seals, both ways (a truncated tail, an old backup put back, a shortened witness); the versions of every
stream without gaps, and its counter; the moments at which events were recorded; the last digest of every stream against its live row, and rows without a stream;
the digests that roots hold over other rows (`mes.tables.covered_by`); every row of every table against its history;
deliveries, inbox, slots and epochs against the log; what guards the database against what it should be; the keys at hand
against the record (`mes.tables.checked`); and every stored file against its name. Nothing is written. What cannot be read
was not written by Lamina either, and is named like what differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction

from mes.artefacts import ArtefactStore
from mes.eventlog.deliverycheck import check_clock, check_deliveries
from mes.eventlog.fileowners import disposed_files
from mes.eventlog.findings import Bad, first_bad
from mes.eventlog.guardcheck import check_guards
from mes.eventlog.historycheck import check_history
from mes.eventlog.logcheck import check_ahead, check_leaves, check_streams, check_witness
from mes.eventlog.momentcheck import check_moments
from mes.eventlog.rowcheck import (
    check_covered,
    check_declared,
    check_files,
    check_origins,
    check_rows,
)
from mes.eventlog.waiting import oldest_waiting, refusal
from mes.eventlog.witness import Witness
from mes.models import EventRecord, Leaf

__all__ = ["Bad", "Verdict", "check_covered", "verify"]


@dataclass(frozen=True)
class Verdict:
    """`per_second` counts events over the time that the log alone took; `seconds` is that of everything.

    `disposed`: files that certificates of destruction explain. `late`: the first event that has waited for its seal longer than
    a sealer that works lets it, and for how many seconds; a site that stood still has one as well, so it makes nothing altered.
    `refusal`: why the sealer seals nothing, as it said last.
    """

    result: str
    events: int
    sealed: int
    per_second: int
    seconds: float
    first_bad: dict[str, Any] | None
    disposed: int = 0
    late: dict[str, Any] | None = None
    refusal: str = ""

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def verify(
    *, keys: dict[str, Ed25519PublicKey], witness: Path | None, files: ArtefactStore | None = None
) -> Verdict:
    """Check the whole record, in one snapshot: it may run beside the living system.

    Without a witness, or without a store of files, that is not asked.
    """
    started = time.monotonic()
    told = Witness(witness) if witness else None
    # Before the snapshot: a seal is told after its commit, so what is heard by now must stand in it.
    heard = told.size() if told else 0
    disposed: set[str] = set()
    # A key that was altered would make a liar of everything that was signed with it.
    bad = first_bad(("keys", check_declared("keys")))
    with _one_snapshot():
        events, sealed = EventRecord.objects.count(), Leaf.objects.count()
        bad = bad or first_bad(
            ("log", check_leaves(keys)),
            *([("witness", check_witness(told, heard))] if told else ()),
            ("event", check_ahead()),
            ("stream", check_streams()),
            ("moment", check_moments()),
        )
        log_took = time.monotonic() - started
        bad = bad or first_bad(
            ("row", check_rows()),
            ("row", check_origins()),
            ("covered rows", check_covered()),
            ("history", check_history()),
            ("delivery", check_deliveries()),
            ("clock", check_clock()),
            ("guard", check_guards()),
        )
        if files:
            bad = bad or first_bad(("certificate of destruction", _explained(disposed)))
        waiting, refused = oldest_waiting(), refusal()
    # Outside the snapshot: keys may change meanwhile; hashing every file takes long, and a file never changes.
    bad = bad or first_bad(("keys", check_declared()), ("file", check_files(files, disposed)))
    return Verdict(
        result="ALTERED" if bad else "VALID",
        events=events,
        sealed=sealed,
        per_second=int(events / max(log_took, 1e-6)),
        seconds=round(time.monotonic() - started, 3),
        first_bad=asdict(bad) if bad else None,
        disposed=len(disposed),
        late=asdict(waiting) if waiting and waiting.is_late else None,
        refusal=refused,
    )


def _explained(disposed: set[str]) -> Generator[Bad]:
    """Adds the files that certificates explain; finds nothing itself."""
    disposed |= disposed_files().keys()
    yield from ()


@contextmanager
def _one_snapshot() -> Iterator[None]:
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
