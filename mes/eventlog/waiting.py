"""How long events wait for their seal, who keeps the sealer from it, and when nothing more is signed because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection

from mes.exceptions import Reason

LATE = timedelta(minutes=1)
"""Six rounds of the sealer. A backup of a large record takes longer, and is said to make seals wait. Health says
so; signing goes on until `SEALS_OVERDUE`."""
RULE = "G-INT-01"

OLDEST = """
    WITH last AS (
        SELECT e.epoch, e.tx, e.pos FROM mes_leaf l JOIN mes_event e ON e.pos = l.event_id ORDER BY l.index DESC LIMIT 1)
    SELECT e.pos, extract(epoch FROM statement_timestamp() - e.recorded_at)::float AS seconds FROM mes_event e
    WHERE (e.epoch, e.tx, e.pos) > (
        coalesce((SELECT epoch FROM last), 0), coalesce((SELECT tx FROM last), 0), coalesce((SELECT pos FROM last), 0))
    ORDER BY e.epoch, e.tx, e.pos LIMIT 1
"""
# The views of the server hide another role's transactions, but not its locks: each one that writes holds its own id.
HOLDERS = """
    SELECT DISTINCT coalesce(a.usename, '?') || ' (process ' || l.pid || ')' FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'transactionid' AND l.granted AND l.pid <> pg_backend_pid() ORDER BY 1 LIMIT 5
"""
REFUSAL = "SELECT coalesce(max(refusal), '') FROM mes_seal_turn"
# Both in one question: every signature asks it.
AT_FAULT = f"SELECT ({REFUSAL}), (SELECT seconds FROM ({OLDEST}) AS oldest)"  # noqa: S608 - constants


@dataclass(frozen=True)
class Waiting:
    """The first event without a seal, and for how long it has waited, by the database's clock."""

    pos: int
    seconds: float

    @property
    def is_late(self) -> bool:
        return self.seconds > LATE.total_seconds()


def oldest_waiting() -> Waiting | None:
    """None where everything is sealed."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        found = cursor.fetchone()
    return Waiting(*found) if found else None


def open_transactions() -> list[str]:
    """Who has written and not ended yet: a seal covers what came before the oldest of those that may write the record."""
    with connection.cursor() as cursor:
        cursor.execute(HOLDERS)
        return [holder for (holder,) in cursor.fetchall()]


def refusal() -> str:
    """Why the sealer refuses to seal; empty where it does not. One that was killed since then has taken nothing back."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSAL)
        return str(cursor.fetchone()[0])


def seal_faults() -> list[Reason]:
    """Why nothing can be signed now: the sealer says that the record contradicts its seals or the witness, or that its key
    is lost, or has sealed nothing for longer than `SEALS_OVERDUE`, so that nobody knows what it would say (K-14)."""
    with connection.cursor() as cursor:
        cursor.execute(AT_FAULT)
        refused, seconds = cursor.fetchone()
    found = []
    if refused:
        found.append(
            Reason(
                f"Nothing is sealed, and nothing is signed: {refused}",
                "The administrator runs `manage.py verify` and puts right what it names; signing goes on with the next seal.",
                RULE,
            )
        )
    if seconds is not None and seconds > settings.SEALS_OVERDUE.total_seconds():
        found.append(
            Reason(
                f"Nothing was sealed for {seconds / 60:.0f} minutes: whether the record is intact is not known.",
                "The administrator starts the sealer, or ends what it waits for; signing goes on with the next seal.",
                RULE,
            )
        )
    return found
