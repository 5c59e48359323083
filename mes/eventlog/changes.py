"""The history of rows as the log binds it: the leaf of an event covers the field changes that came since the event before.

In settled order (epoch, tx, pos), the first event of a transaction covers every change of its own transaction, and of those
before it that published nothing. Once the event is settled so are they, hence a leaf never changes (ADR 0010).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from django.db import connection

CHANGE_TEXT = """pg_catalog.json_build_array(c.id, c.epoch, c.tx, c.table_name, c.row_id, c.operation,
    pg_catalog.to_char(c.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), c.row)::text"""
"""SQL: one change `c` as it is hashed, a line of JSON; `row` as PostgreSQL writes the stored jsonb."""

# The newest event that is settled before `e`: where it is of the same transaction, `e` covers nothing.
CHANGES_TEXT = f"""(
    SELECT pg_catalog.string_agg({CHANGE_TEXT}, E'\\n' ORDER BY c.epoch, c.tx, c.id)
    FROM (SELECT coalesce(pg_catalog.max(p.epoch), 0) AS epoch, coalesce(pg_catalog.max(p.tx), 0) AS tx FROM (
        SELECT epoch, tx FROM mes_event WHERE (epoch, tx, pos) < (e.epoch, e.tx, e.pos)
        ORDER BY epoch DESC, tx DESC, pos DESC LIMIT 1) p) before
    JOIN mes_field_change c ON (c.epoch, c.tx) > (before.epoch, before.tx) AND (c.epoch, c.tx) <= (e.epoch, e.tx)
)"""  # noqa: S608 - a constant
"""SQL: the changes that the leaf of the event `e` covers, one line each in settled order; null where there are none."""


EVERY_CHANGE = f"SELECT c.epoch, c.tx, {CHANGE_TEXT} FROM mes_field_change c ORDER BY c.epoch, c.tx, c.id"  # noqa: S608 - a constant
"""SQL: (epoch, tx, line) of all changes, in settled order."""
CHANGES_BETWEEN = EVERY_CHANGE.replace(
    " ORDER BY", " WHERE (c.epoch, c.tx) > (%s, %s) AND (c.epoch, c.tx) <= (%s, %s) ORDER BY"
)
"""SQL: of those after one transaction and up to another."""


class Covering:
    """Hands events, in settled order without a gap, the changes that their leaves cover: one walk through both instead of
    a search for each event."""

    def __init__(self, changes: Iterator[tuple[int, int, str]]) -> None:
        self._changes = changes
        self._next = next(changes, None)

    def of(self, epoch: int, tx: int) -> str | None:
        """The lines of everything up to this transaction that no event before took; None where there is nothing."""
        lines = []
        while self._next is not None and self._next[:2] <= (epoch, tx):
            lines.append(self._next[2])
            self._next = next(self._changes, None)
        return "\n".join(lines) if lines else None


def digest_of_changes(lines: str) -> str:
    """What stands in a leaf: SHA-256 of the lines of `CHANGES_TEXT`."""
    return hashlib.sha256(lines.encode()).hexdigest()


def changes_under(positions: Iterable[int]) -> dict[int, str]:
    """By position, the lines of what the leaf of that event covers; without those that cover nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT e.pos, {CHANGES_TEXT} FROM mes_event e WHERE e.pos = ANY(%s)",  # noqa: S608 - a constant
            [list(positions)],
        )
        return {pos: lines for pos, lines in cursor.fetchall() if lines is not None}
