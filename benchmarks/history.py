"""What the history of rows costs: one update with its trigger and without, and how fast `verify` compares every row.

Server time of updates of one row each, in batches that take turns; then 100,000 rows with three changes each.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys

import psycopg
from psycopg import sql

from mes.embedded.roles import SUPERUSER, VARIABLES, Role
from tests.servers import BASE, FAITHFUL, ROOT, Cluster, seeded, url

UPDATES = 2000
ROUNDS = 9
ROWS = 100_000
ONE_PRINTER = """
    INSERT INTO printing_printer (name, kind, serial, driver, connection, firmware, qualification, held, hold_reason, holds,
        clearance_needed, link, machine, run, operation, foreign_run, registered_by_id, last_material_id)
    VALUES ('Printer', 'msla', 'S-1', 'simulated', '{"host": "a"}', '1.2.3', 'commissioning', false, '', '[]',
        '', 'online', 'idle', '', '', '', 1, 1)
"""
MANY_UPDATES = sql.SQL("""
    DO $$ BEGIN FOR i IN 1..{} LOOP
        UPDATE printing_printer SET run = i::text, operation_since = clock_timestamp(); COMMIT;
    END LOOP; END $$
""")
MANY_PEOPLE = """
    INSERT INTO mes_person (full_name, credentials, timezone, active, external)
    SELECT 'Person ' || n, 'MD', 'UTC', true, false FROM generate_series(1, %s) n
"""


def main() -> None:
    place = ROOT / "bench-history"
    cluster = seeded(place, FAITHFUL)
    cluster.start_postgres()
    try:
        with cluster.connect(SUPERUSER) as connection:
            cost = _cost(connection)
            _fill(connection)
        checked = _checked(cluster)
    finally:
        cluster.stop()
        shutil.rmtree(place)
    print(f"\nhistory\nupdate, µs: {cost}\ncheck of {ROWS} rows, s: {checked}")
    print(json.dumps({"benchmark": "history", "update_us": cost, "check_s": checked, "rows": ROWS}))


def _cost(connection: psycopg.Connection) -> dict[str, float]:
    """Median microseconds of one update of a row of 22 columns, in its transaction, without and with the trigger."""
    connection.execute("SET synchronous_commit = off")
    connection.execute("ALTER TABLE printing_printer DISABLE TRIGGER USER")
    connection.execute("SET session_replication_role = replica")
    for (name,) in connection.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 'printing_printer'::regclass"
    ).fetchall():
        connection.execute(f'ALTER TABLE printing_printer DROP CONSTRAINT "{name}"')
    connection.execute(ONE_PRINTER)
    connection.execute("SET session_replication_role = origin")
    taken: dict[str, list[float]] = {"plain": [], "kept": []}
    for _ in range(ROUNDS):
        for state, verb in (("plain", "DISABLE"), ("kept", "ENABLE")):
            connection.execute(f"ALTER TABLE printing_printer {verb} TRIGGER printing_printer_kept_update")
            taken[state].append(_updates(connection))
    plain, kept = (statistics.median(taken[state]) for state in ("plain", "kept"))
    return {
        "plain": round(plain, 1),
        "kept": round(kept, 1),
        "more": round(kept - plain, 1),
        "ratio": round(kept / plain, 2),
    }


def _updates(connection: psycopg.Connection) -> float:
    """Microseconds of one update, each committed."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    connection.execute(MANY_UPDATES.format(sql.Literal(UPDATES)))
    after = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row
    assert after
    return float((after[0] - row[0]).total_seconds()) * 1e6 / UPDATES


def _fill(connection: psycopg.Connection) -> None:
    """As many people, each changed twice; then events for the transactions that did."""
    connection.execute(MANY_PEOPLE, [ROWS])
    for statement in (
        "UPDATE mes_person SET timezone = 'Europe/Paris'",
        "UPDATE mes_person SET credentials = 'MD, PhD'",
        "ANALYZE",
    ):
        connection.execute(statement.encode())


def _checked(cluster: Cluster) -> dict[str, float]:
    environment = cluster.environment() | {VARIABLES[Role.APP]: url(cluster.address(Role.APP.login))}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=BASE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


CHECK = """
import json, resource, time
import django
django.setup()
from django.db import transaction
from mes.eventlog.changecheck import check_changes
from mes.eventlog.historycheck import SETTINGS, _differing, _gone, _rows
from mes.tables import TABLES
found = {}
with transaction.atomic():
    _rows(SETTINGS)
    for name, check in (("differs", _differing), ("gone", _gone)):
        started = time.monotonic()
        bad = list(check(TABLES["mes_person"]))
        found[name] = round(time.monotonic() - started, 2)
        assert bad == [], bad
    started = time.monotonic()
    list(check_changes())
    found["changes explained"] = round(time.monotonic() - started, 2)
found["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps(found))
"""

if __name__ == "__main__":
    main()
