"""Up to which transaction the log can no longer be joined by an earlier event.

A transaction that is open may yet write; but not where its role may write nothing that a seal covers. What only readers have
open holds nothing back: any role may begin a transaction with an id, by setting something for itself.
"""

from __future__ import annotations

from mes.eventlog.statements import rows
from mes.guards import SEALER_TURN, SEALER_WRITES

# In this order. Whoever holds a lock on its id when the locks are read, and had that id before the first statement, was there,
# under one process id, all the while between: the sessions in between tell its role.
RUNNING = """
    SELECT pg_snapshot_xmax(s)::text::bigint, ARRAY(SELECT xip::text::bigint FROM pg_snapshot_xip(s) AS xip)
    FROM pg_current_snapshot() AS s
"""
FRESH = "SELECT pg_stat_clear_snapshot()"
SESSIONS = "SELECT pid, usesysid FROM pg_stat_activity WHERE usesysid IS NOT NULL"
HOLDERS = """
    SELECT transactionid::text::bigint, pid FROM pg_locks
    WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock' AND pid IS NOT NULL
"""
# As itself or as any role that it may become. Superusers and whoever makes roles may become any.
READERS = """
    SELECT u.oid FROM pg_roles u WHERE u.oid = ANY(%s::oid[]) AND NOT EXISTS (
        SELECT 1 FROM pg_roles r WHERE pg_has_role(u.oid, r.oid, 'MEMBER') AND (r.rolsuper OR r.rolcreaterole OR r.rolreplication
            OR EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
                AND c.relname <> ALL(%s) AND (c.relowner = r.oid OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
                    OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')))))
"""
IDS = 2**32
"""A lock tells the lower half of an id alone."""


def horizon() -> int:
    """The first transaction id of the current epoch that may yet write what a seal covers, or has not begun."""
    ((upper, running),) = rows(RUNNING)
    if not running:
        return int(upper)
    rows(FRESH)
    roles: dict[int, int] = dict(rows(SESSIONS))
    holders: dict[int, int] = dict(rows(HOLDERS))
    held_by = {tx: roles.get(holders.get(tx % IDS, 0)) for tx in running}
    asked = [str(role) for role in held_by.values() if role is not None]
    readers = {role for (role,) in rows(READERS, asked, [*SEALER_WRITES, SEALER_TURN])}
    # The server tells the role `None` of what it holds itself, and of a session that is just ending.
    return int(min((tx for tx, role in held_by.items() if role not in readers), default=upper))
