"""The check of the moments at which the database says that it recorded events: none was recorded before the one before it, nor
before a seal that does not cover it (21 CFR 11.10(e))."""

from __future__ import annotations

from collections.abc import Generator

from mes.eventlog.findings import Bad
from mes.eventlog.statements import rows

ALLOWED = "5 minutes"
"""What explains that an event is recorded before one with a smaller position, or before a seal that does not cover it: its
statement waited for a lock (10 s at most) after its moment was taken, its transaction stood open (60 s idle at most) after it was
written, a seal of many leaves was computed for a minute, or the clocks of the two machines differ. A clock that is set back by
more is a finding, since nobody could tell it from a moment that somebody chose."""

APART = """CASE WHEN pg_catalog.isfinite({0}) AND pg_catalog.isfinite({1}) THEN
    pg_catalog.round(extract(epoch FROM {1} - {0}))::bigint END"""
# In the order in which positions are given, which is that in which the statements ran.
BEFORE_ANOTHER = f"""
    SELECT pos, {APART.format("recorded_at", "before")} FROM (SELECT pos, recorded_at, pg_catalog.max(recorded_at) OVER (
        ORDER BY pos ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM mes_event) e
    WHERE recorded_at < before - interval '{ALLOWED}' ORDER BY pos LIMIT 1
"""  # noqa: S608 - a constant
# Of the events of each seal, with the seal before; then of those that wait for theirs, with the newest.
BEFORE_A_SEAL = f"""
    SELECT e.pos, {APART.format("e.recorded_at", "b.sealed_at")} FROM mes_seal b JOIN mes_seal s ON s.prev_size = b.tree_size
    CROSS JOIN LATERAL (SELECT event_id FROM mes_leaf WHERE index >= b.tree_size AND index < s.tree_size OFFSET 0) l
    JOIN mes_event e ON e.pos = l.event_id WHERE e.recorded_at < b.sealed_at - interval '{ALLOWED}'
    UNION ALL
    SELECT e.pos, {APART.format("e.recorded_at", "b.sealed_at")} FROM (SELECT sealed_at FROM mes_seal ORDER BY tree_size DESC LIMIT 1) b
    JOIN mes_event e ON (e.epoch, e.tx, e.pos) > (SELECT n.epoch, n.tx, n.pos FROM mes_leaf l
        JOIN mes_event n ON n.pos = l.event_id ORDER BY l.index DESC LIMIT 1)
    WHERE e.recorded_at < b.sealed_at - interval '{ALLOWED}'
    ORDER BY 1 LIMIT 1
"""  # noqa: S608 - a constant


def check_moments() -> Generator[Bad]:
    """The first event that was recorded before the one before it, then the first that was recorded before a seal without it."""
    for statement, what in ((BEFORE_ANOTHER, "the event before it"), (BEFORE_A_SEAL, "the seal before it")):
        for pos, apart in rows(statement):
            early = "at no moment" if apart is None else f"{apart} s earlier than {what}"
            yield Bad("moment", f"pos {pos}: recorded {early}", pos)
