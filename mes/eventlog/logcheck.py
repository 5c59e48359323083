"""The checks of the log itself: every event against its leaf, every seal, every stream, and the witness.

All of them stream through the record in one order and keep nothing of it, so a log of any size needs the same memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection

from mes.eventlog.changes import EVERY_CHANGE, Covering, changes_under
from mes.eventlog.findings import LOST, Bad, Unreadable, fault_of
from mes.eventlog.leaves import COLUMNS, EVENT_TEXT, leaf_text, settled_order
from mes.eventlog.merkle import Tree, leaf_hash
from mes.eventlog.sealing import follows, seal_digest, seal_is_signed
from mes.eventlog.witness import Told, Witness
from mes.models import Seal

BATCH = 2000
WITH_LEAVES = f"""
    SELECT {EVENT_TEXT}, l.index, l.event_id, l.hash, l.tiles
    FROM mes_leaf l LEFT JOIN mes_event e ON e.pos = l.event_id ORDER BY l.index
"""  # noqa: S608 - the columns are a constant


def check_leaves(keys: dict[str, Ed25519PublicKey]) -> Generator[Bad]:
    """Each leaf against its event in settled order, each seal where the tree reaches its size, and what has no leaf."""
    with (
        ThreadPoolExecutor(1) as ahead,
        closing(_streamed(EVERY_CHANGE, ahead)) as changes,
        closing(_streamed(WITH_LEAVES, ahead)) as leaves,
    ):
        walk = _Walk(keys, Covering(changes))
        for row in leaves:
            yield from walk.take(row)
        yield from walk.end()


def _streamed(statement: str, ahead: Executor) -> Generator[tuple[Any, ...]]:
    """Rows through a cursor of the server: as psycopg has them, without Django's conversions.

    The server looks for the next rows while these are hashed, which makes use of a second core.
    """
    connection.ensure_connection()
    with connection.connection.cursor(f"lamina_{id(statement)}") as cursor:
        cursor.execute(statement)
        coming = ahead.submit(cursor.fetchmany, BATCH)
        try:
            while rows := coming.result():
                coming = ahead.submit(cursor.fetchmany, BATCH)
                yield from rows
        finally:
            coming.result()


def _seals() -> Iterator[Seal]:
    """In order. Raises Unreadable, naming the first seal that cannot be read."""
    ordered = Seal.objects.order_by("tree_size")
    try:
        yield from ordered.iterator(chunk_size=BATCH)
    except LOST:
        raise
    except Exception:
        for size in ordered.values_list("tree_size", flat=True):
            _read_seal(size)
        raise


def _read_seal(size: int) -> None:
    try:
        Seal.objects.get(pk=size)
    except LOST:
        raise
    except Exception as failure:
        where = f"tree size {size}: the seal is unreadable ({fault_of(failure)})"
        raise Unreadable(Bad("seal", where)) from failure


class _Walk:
    """The tree as it grows again leaf by leaf, and the seals beside it."""

    def __init__(self, keys: dict[str, Ed25519PublicKey], covering: Covering) -> None:
        self._keys, self._covering = keys, covering
        self._tree = Tree()
        self._order = (0, 0, 0)
        self._seals = _seals()
        self._seal = next(self._seals, None)
        self._before: Seal | None = None
        self._unsealed: int | None = None
        """Position of the first event since the last seal."""

    def take(self, row: tuple[Any, ...]) -> Iterator[Bad]:
        columns, (index, pos, written, tiles) = row[:COLUMNS], row[COLUMNS:]
        if index != self._tree.size:
            yield self._gap(pos, index)
        if columns[0] is None:
            yield Bad("event", f"pos {pos}, leaf {index}: the event was deleted", pos)
            return
        order = settled_order(columns)
        hashed = leaf_hash(leaf_text(columns, self._covering.of(*order[:2])))
        if hashed.hex() != written:
            # Where leaves are gone or out of order, the walk's share is not this event's: asked for itself, it is.
            hashed = leaf_hash(leaf_text(columns, changes_under([pos]).get(pos)))
        if hashed.hex() != written:
            yield Bad("event", f"pos {pos}, leaf {index}: {_name(columns)} was altered", pos)
        if order <= self._order:
            last = self._order[2]
            yield Bad(
                "order", f"pos {pos}, leaf {index}: it was settled before pos {last}, the leaf before", pos
            )
        filled = self._tree.append(hashed)
        if (filled or tiles) and b"".join(filled).hex() != tiles:
            yield Bad("leaf", f"pos {pos}, leaf {index}: its tiles were altered", pos)
        self._order = order
        if self._unsealed is None:
            self._unsealed = pos
        if self._seal is not None and self._tree.size == self._seal.tree_size:
            yield from self._at_seal(self._seal)

    def _gap(self, pos: int, index: int) -> Bad:
        missing = self._tree.size
        found = _unsealed_between(self._order, pos)
        if found is None:
            return Bad(
                "event",
                f"leaf {missing}: it was deleted with its event (the next is leaf {index}, pos {pos})",
            )
        return Bad("leaf", f"pos {found}, leaf {missing}: the leaf was deleted", found)

    def _at_seal(self, seal: Seal) -> Iterator[Bad]:
        size, before = seal.tree_size, self._before
        if seal.root != self._tree.root:
            first = before.tree_size if before else 0
            yield Bad(
                "seal",
                f"tree size {size}: the leaves {first} to {size - 1} do not lead to its root",
                self._unsealed,
            )
        if not seal_is_signed(seal, self._keys):
            yield Bad("seal", f"tree size {size}: its signature is wrong, or of a key that is not known")
        if not follows(seal, before):
            yield _broken_link(seal, before)
        self._before, self._seal, self._unsealed = seal, next(self._seals, None), None

    def end(self) -> Iterator[Bad]:
        size = self._tree.size
        if self._seal is not None:
            yield Bad(
                "event",
                f"leaf {size}: it was deleted (the seal of tree size {self._seal.tree_size} covers it)",
            )
        if self._unsealed is not None:
            first = self._before.tree_size if self._before else 0
            yield Bad("seal", f"pos {self._unsealed}, leaf {first}: no seal covers it", self._unsealed)
        pos = _first_unsealed_before(self._order)
        if pos is not None:
            yield Bad("event", f"pos {pos}: stands before the last sealed event and was never sealed", pos)


def _name(columns: tuple[Any, ...]) -> str:
    """stream_type/stream_id@version."""
    return f"{columns[14]}/{columns[13]}@{columns[18]}"


def _broken_link(seal: Seal, before: Seal | None) -> Bad:
    """Where a seal does not follow the one before it: a later seal speaks for the one it was made upon."""
    size = before.tree_size if before else 0
    if seal.prev_size != size:
        return Bad(
            "seal", f"tree size {seal.prev_size}: the seal is gone, which that of {seal.tree_size} follows"
        )
    if before and seal.prev_root == before.root and seal.prev_seal != seal_digest(before):
        return Bad(
            "seal", f"tree size {size}: it is not the seal which that of tree size {seal.tree_size} follows"
        )
    return Bad(
        "seal", f"tree size {seal.tree_size}: it does not show that it follows that of tree size {size}"
    )


def _unsealed_between(after: tuple[int, int, int], pos: int) -> int | None:
    """The first event without a leaf that stands after `after` and before the event at `pos`."""
    return _scalar(
        "SELECT e.pos FROM mes_event e LEFT JOIN mes_leaf l ON l.event_id = e.pos WHERE l.event_id IS NULL "
        "AND (e.epoch, e.tx, e.pos) > (%s, %s, %s) AND (e.epoch, e.tx, e.pos) < "
        "(SELECT epoch, tx, pos FROM mes_event WHERE pos = %s) ORDER BY e.epoch, e.tx, e.pos LIMIT 1",
        [*after, pos],
    )


def _first_unsealed_before(last: tuple[int, int, int]) -> int | None:
    """An event that stands before the last sealed one and has no leaf was slipped in, or overtaken."""
    return _scalar(
        "SELECT e.pos FROM mes_event e LEFT JOIN mes_leaf l ON l.event_id = e.pos WHERE l.event_id IS NULL "
        "AND (e.epoch, e.tx, e.pos) < (%s, %s, %s) ORDER BY e.epoch, e.tx, e.pos LIMIT 1",
        list(last),
    )


def _scalar(statement: str, values: list[Any]) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found = cursor.fetchone()
        return int(found[0]) if found else None


# The snapshot sees nothing of a transaction that begins after it; its own, where it has one, began before.
AHEAD = """
    SELECT e.pos, e.epoch, e.tx FROM mes_event e WHERE (e.epoch, e.tx) >= (mes_current_epoch(), greatest(
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint, 1 + pg_current_xact_id_if_assigned()::text::bigint))
    ORDER BY e.epoch, e.tx, e.pos LIMIT 1
"""


def check_ahead() -> Generator[Bad]:
    """No event is of a transaction, or an epoch, that has not begun: the sealer would never come to it (K-02)."""
    with connection.cursor() as cursor:
        cursor.execute(AHEAD)
        for pos, epoch, tx in cursor.fetchall():
            yield Bad("event", f"pos {pos}: its transaction {tx} of epoch {epoch} has not begun", pos)


# --- streams


def check_streams() -> Generator[Bad]:
    """Versions 1..n of every stream, and the stream's own counter equal to n."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(s.type, e.stream_type) kind, coalesce(s.id, e.stream_id) id, s.version, e.n "
            "FROM mes_stream s FULL JOIN (SELECT stream_type, stream_id, count(*) n, min(version) low, "
            "max(version) high FROM mes_event GROUP BY 1, 2) e ON e.stream_type = s.type AND e.stream_id = s.id "
            "WHERE s.version IS DISTINCT FROM e.n OR e.low <> 1 OR e.high <> e.n ORDER BY 1, 2 LIMIT 1"
        )
        for kind, key, version, count in cursor.fetchall():
            yield _broken_stream(kind, key, version, count or 0)


def _broken_stream(kind: str, key: str, version: int | None, count: int) -> Bad:
    missing = _scalar(
        "SELECT wanted FROM generate_series(1, greatest(%s, %s)) wanted WHERE NOT EXISTS (SELECT 1 FROM mes_event "
        "WHERE stream_type = %s AND stream_id = %s AND version = wanted) ORDER BY wanted LIMIT 1",
        [version or 0, count, kind, key],
    )
    if missing is not None:
        return Bad(
            "stream", f"{kind}/{key}@{missing}: the event is missing (counter {version}, {count} events)"
        )
    return Bad("stream", f"{kind}/{key}: the counter says {version}, there are {count} events")


# --- the witness


def check_witness(witness: Witness, heard: int) -> Generator[Bad]:
    """Every seal that the witness was told of stands as it was told, and it was told of every seal but the newest.

    `heard`: how many bytes it held before the snapshot that is checked; what came later may be about later seals.
    """
    seals = _seals()
    seal = next(seals, None)
    if seal is not None and not witness.path.exists():
        yield Bad("witness", "seals stand, but the witness is missing")
        return
    last: Told | None = None
    for number, end, line in witness.lines():
        told = _parsed(line)
        if told is None:
            yield Bad("witness", f"line {number}: unreadable")
        if told is None or told == last:
            continue
        while seal is not None and seal.tree_size < told.tree_size:
            yield _untold(seal)
            seal = next(seals, None)
        if seal is None and end > heard:
            return
        if seal is None or Told.of(seal) != told:
            yield Bad(
                "witness", f"line {number}: the seal of tree size {told.tree_size} is gone or different"
            )
        else:
            last, seal = told, next(seals, None)
    if seal is not None and next(seals, None) is not None:
        yield _untold(seal)


def _parsed(line: bytes) -> Told | None:
    try:
        return Told.parse(line)
    except ValueError:
        return None


def _untold(seal: Seal) -> Bad:
    return Bad("witness", f"it does not hold the seal of tree size {seal.tree_size}: it was shortened")
