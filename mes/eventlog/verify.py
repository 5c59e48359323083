"""Recompute everything and name the first bad position.

What is checked: versions of every stream without gaps; each leaf against its event, in settled order; events below
the horizon that have no leaf; each seal's root and signature; the witness against the seals (a truncated tail); and
the last digest of every stream against its live row (a row edited behind the log's back); the digests that roots hold
over other rows (`mes.tables.covered_by`); the seals against the witness (a shortened witness); and every stored file
against its name.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction

from mes.artefacts import ArtefactStore
from mes.eventlog.merkle import EMPTY_ROOT, Tree, leaf_hash
from mes.eventlog.sealing import LEAF_FIELDS, leaf_content, seal_is_signed
from mes.eventlog.unit import digests_of
from mes.models import Artefact, EventRecord, Leaf, Seal
from mes.tables import COVERED, ROOTS

BATCH = 5000
LastEvent = tuple[str, int, str, int, str]
"""Stream type, digest schema, stream id, version, digest."""


@dataclass(frozen=True)
class Bad:
    """The first thing that is not as it was written."""

    what: str
    where: str


@dataclass(frozen=True)
class Verdict:
    result: str
    events: int
    sealed: int
    per_second: int
    first_bad: dict[str, str] | None

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def verify(
    *, keys: dict[str, Ed25519PublicKey], witness: Path | None, files: ArtefactStore | None = None
) -> Verdict:
    """Check the whole record, the log in one snapshot: it may run beside the living system.

    Without a witness, or without a store of files, that is not asked. `per_second` counts the log alone.
    """
    started = time.monotonic()
    # Read before the snapshot: a seal is told to the witness after its commit, so these must all stand in it.
    told = _lines(witness)
    with _one_snapshot():
        checks = (
            check_leaves(keys), check_witness(told), check_told(witness), check_streams(), check_rows(),
            check_covered(),
        )  # fmt: skip
        bad = next((finding for check in checks for finding in check), None)
        events, sealed = EventRecord.objects.count(), Leaf.objects.count()
        names = list(Artefact.objects.order_by("created_at", "pk").values_list("pk", flat=True))
    took = time.monotonic() - started
    bad = bad or next(check_files(files, names), None)
    return Verdict(
        result="ALTERED" if bad else "VALID",
        events=events,
        sealed=sealed,
        per_second=int(events / max(took, 1e-6)),
        first_bad=asdict(bad) if bad else None,
    )


@contextmanager
def _one_snapshot() -> Iterator[None]:
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def check_streams() -> Iterator[Bad]:
    """Versions 1..n of every stream, and the stream's own counter equal to n."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(s.type, e.stream_type), coalesce(s.id, e.stream_id), s.version, e.n, e.low, e.high "
            "FROM mes_stream s FULL JOIN (SELECT stream_type, stream_id, count(*) n, min(version) low, "
            "max(version) high FROM mes_event GROUP BY 1, 2) e ON e.stream_type = s.type AND e.stream_id = s.id "
            "WHERE s.version IS DISTINCT FROM e.n OR e.low <> 1 OR e.high <> e.n ORDER BY 1, 2"
        )
        for kind, key, version, count, _low, high in cursor.fetchall():
            yield Bad("stream", f"{kind}/{key}: counter {version}, {count} events, last version {high}")


def check_leaves(keys: dict[str, Ed25519PublicKey]) -> Iterator[Bad]:
    """Each leaf against its event in settled order, and each seal where the tree reaches its size."""
    seals = {seal.tree_size: seal for seal in Seal.objects.order_by("tree_size")}
    tree, before, prev_root = Tree(), (0, 0, 0), EMPTY_ROOT
    for event in _events_with_leaves():
        index, hashed = event["leaf__index"], event["leaf__hash"]
        place = f"pos {event['pos']}, leaf {index}"
        order = (event["epoch"], event["tx"], event["pos"])
        if index != tree.size:
            yield Bad("event", f"leaf {tree.size}: it, or its event, was deleted (next is {place})")
        if order <= before:
            yield Bad("order", f"{place}: sealed out of settled order")
        content = leaf_hash(leaf_content(event))
        if content.hex() != hashed:
            yield Bad(
                "event",
                f"{place}: {event['stream_type']}/{event['stream_id']}@{event['version']} was altered",
            )
        tree.append(content)
        before = order
        if seal := seals.pop(tree.size, None):
            if seal.root != tree.root or seal.prev_root != prev_root or not seal_is_signed(seal, keys):
                yield Bad("seal", f"tree size {seal.tree_size}: root, predecessor or signature is wrong")
            prev_root = seal.root
    for size in seals:
        yield Bad("seal", f"tree size {size}: only {tree.size} leaves stand with their events")
    if tree.size and not Seal.objects.filter(tree_size=tree.size).exists():
        yield Bad("seal", f"tree size {tree.size}: the last leaf has no seal")
    yield from _unsealed_below(before)


def _events_with_leaves() -> Iterator[dict[str, Any]]:
    events = EventRecord.objects.filter(leaf__isnull=False).order_by("leaf__index")
    yield from events.values(*LEAF_FIELDS, "leaf__index", "leaf__hash").iterator(chunk_size=BATCH)


def _unsealed_below(last: tuple[int, int, int]) -> Iterator[Bad]:
    """An event that stands before the last sealed one and has no leaf was slipped in, or overtaken."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.pos FROM mes_event e LEFT JOIN mes_leaf l ON l.event_id = e.pos "
            "WHERE l.event_id IS NULL AND (e.epoch, e.tx, e.pos) < (%s, %s, %s) ORDER BY e.pos LIMIT 1",
            last,
        )
        for (pos,) in cursor.fetchall():
            yield Bad("event", f"pos {pos}: stands before the last sealed event and was never sealed")


def _lines(witness: Path | None) -> list[str]:
    return witness.read_text().splitlines() if witness and witness.exists() else []


def check_witness(told: list[str]) -> Iterator[Bad]:
    """Every seal that the witness heard of must still stand."""
    roots = dict(Seal.objects.values_list("tree_size", "root"))
    for number, line in enumerate(told, start=1):
        try:
            size, root = itemgetter("tree_size", "root")(json.loads(line))
        except (ValueError, KeyError, TypeError):
            yield Bad("witness", f"line {number}: unreadable")
            continue
        if roots.get(size) != root:
            yield Bad("witness", f"line {number}: the seal of tree size {size} is gone or different")


def check_told(witness: Path | None) -> Iterator[Bad]:
    """The witness heard of every seal but possibly the newest, which it is told just after."""
    if witness is None:
        return
    sizes = list(Seal.objects.order_by("tree_size").values_list("tree_size", flat=True))
    if sizes and not witness.exists():
        yield Bad("witness", "seals stand, but the witness is missing")
        return
    heard = {json.loads(line)["tree_size"] for line in _lines(witness)}
    for size in sizes[:-1]:
        if size not in heard:
            yield Bad("witness", f"it does not hold the seal of tree size {size}: it was shortened")


def check_files(files: ArtefactStore | None, names: Iterable[str]) -> Iterator[Bad]:
    """Every stored file is there, with the content that its name says (G-INT-01)."""
    if files is None:
        return
    for name in names:
        if not files.verify(name):
            state = "altered" if files.path_of(name).is_file() else "missing"
            yield Bad("file", f"{name}: {state}")


def check_covered() -> Iterator[Bad]:
    """Rows that stand in the log only through a digest in their root (ADR 0004)."""
    for root, differing in COVERED.items():
        for key in differing():
            yield Bad("covered rows", f"{root}/{key}: the rows under it differ from its digest")


def check_rows() -> Iterator[Bad]:
    """The last digest of every stream against its live row."""
    newest = EventRecord.objects.order_by("stream_type", "stream_id", "-version").distinct(
        "stream_type", "stream_id"
    )
    rows = newest.values_list("stream_type", "record_schema", "stream_id", "version", "record_digest")
    for batch in _batches(rows.iterator(chunk_size=BATCH)):
        yield from _differing(batch)


def _batches(rows: Iterator[LastEvent]) -> Iterator[list[LastEvent]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _differing(batch: list[LastEvent]) -> Iterator[Bad]:
    live: dict[tuple[str, str], str] = {}
    by_schema = sorted(batch, key=itemgetter(0, 1))
    for (kind, schema), group in groupby(by_schema, key=itemgetter(0, 1)):
        ids = [row[2] for row in group]
        if kind in ROOTS:
            live |= {(kind, key): digest for key, digest in digests_of(kind, ids, schema).items()}
    for kind, _, key, version, digest in batch:
        if kind not in ROOTS:
            yield Bad("row", f"{kind}/{key}: no such stream type")
        elif live.get((kind, key)) != digest:
            yield Bad("row", f"{kind}/{key}@{version}: the row differs from its event")
