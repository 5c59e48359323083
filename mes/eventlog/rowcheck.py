"""The checks of what the log speaks about: the live rows, the rows under them, and the stored files."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from itertools import groupby, islice
from operator import itemgetter

from django.db import connection
from django.db.models import Q

from mes.artefacts import ArtefactStore
from mes.eventlog.findings import LOST, Bad, fault_of
from mes.eventlog.rowdigests import digests_of
from mes.models import Artefact, EventRecord
from mes.tables import CHECKS, COVERED, ROOTS, Table

BATCH = 5000
QUIET = frozenset({"mes.lane", "mes.schedule", "mes.sign_in_source"})
"""Roots that come into being without an event: they steer deliveries, clocks and waits, and hold nothing
of the record."""

UNREADABLE = "the row is unreadable"
LastEvent = tuple[str, int, str, int, str, int]
"""Stream type, digest schema, stream id, version, digest, position."""


def check_rows() -> Generator[Bad]:
    """The last digest of every stream against its live row."""
    newest = EventRecord.objects.order_by("stream_type", "stream_id", "-version").distinct(
        "stream_type", "stream_id"
    )
    rows = newest.values_list("stream_type", "record_schema", "stream_id", "version", "record_digest", "pos")
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
            live |= {(kind, key): digest for key, digest in _read_digests(kind, ids, schema).items()}
    for kind, _, key, version, digest, pos in batch:
        name, found = f"{kind}/{key}@{version}", live.get((kind, key))
        if kind not in ROOTS:
            yield Bad("row", f"{name}: no such stream type", pos)
        elif found is None:
            yield Bad("row", f"{name}: the row was deleted", pos)
        elif found.startswith(UNREADABLE):
            yield Bad("row", f"{name}: {found}", pos)
        elif found != digest:
            yield Bad("row", f"{name}: the row differs from its event", pos)


def _read_digests(kind: str, ids: list[str], schema: int) -> dict[str, str]:
    """Digests by stream id; where a row cannot be read, what stood in the way."""
    try:
        return digests_of(kind, ids, schema)
    except LOST:
        raise
    except Exception as failure:  # noqa: BLE001 - whatever was written there, its row is named
        if len(ids) == 1:
            return {ids[0]: f"{UNREADABLE} ({fault_of(failure)})"}
        return {key: found for one in ids for key, found in _read_digests(kind, [one], schema).items()}


def check_origins() -> Generator[Bad]:
    """Every row of a root came into being with an event: one without a stream was slipped in behind the log."""
    for kind, table in ROOTS.items():
        if kind not in QUIET:
            yield from _slipped_in(kind, table)


def _slipped_in(kind: str, table: Table) -> Iterator[Bad]:
    if table.model is None:
        raise LookupError(f"{kind} has no model")
    key = table.model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.{key} FROM {table.name} t LEFT JOIN mes_stream s ON s.type = %s AND s.id = t.{key}::text "  # noqa: S608 - names of our own models
            f"WHERE s.id IS NULL ORDER BY t.{key} LIMIT 1",
            [kind],
        )
        for (found,) in cursor.fetchall():
            yield Bad("row", f"{kind}/{found}: the row stands without an event")


def check_covered() -> Generator[Bad]:
    """Rows that stand in the log only through a digest in their root (ADR 0004)."""
    for root, differing in COVERED.items():
        for key in differing():
            yield Bad("covered rows", f"{root}/{key}: the rows under it differ from its digest")


def check_declared(*whats: str) -> Generator[Bad]:
    """What others declared with `mes.tables.checked`, or of that what is named here: that the keys at hand are those of this
    record."""
    for what in whats or CHECKS:
        for fault in CHECKS[what]():
            yield Bad(what, fault)


def check_files(files: ArtefactStore | None, disposed: Collection[str] = ()) -> Generator[Bad]:
    """Every stored file is there, with the content that its name says (G-INT-01), or was disposed of."""
    if files is None:
        return
    for name in _file_names():
        if name in disposed and not files.path_of(name).is_file():
            continue
        if state := _state_of(files, name):
            yield Bad("file", f"{name}: {state}")


def _state_of(files: ArtefactStore, name: str) -> str:
    """What is wrong with a stored file; empty where nothing is."""
    try:
        if files.verify(name):
            return ""
        return "altered" if files.path_of(name).is_file() else "missing"
    except OSError as failure:
        return f"unreadable ({fault_of(failure)})"


def _file_names() -> Iterator[str]:
    """In the order they were stored, a batch at a time."""
    rows = Artefact.objects.order_by("created_at", "sha256").values_list("created_at", "sha256")
    batch = list(rows[:BATCH])
    while batch:
        yield from (name for _, name in batch)
        at, name = batch[-1]
        batch = list(rows.filter(Q(created_at__gt=at) | Q(created_at=at, sha256__gt=name))[:BATCH])
