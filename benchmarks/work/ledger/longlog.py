"""Write a long log the fast way (COPY, as the owner of a throw-away database would), then seal it.

`python -m benchmarks.work.ledger.longlog EVENTS`. Every event is a whole one: its stream has a row whose digest it carries, and
thirty events; payloads are as long as those of the services. Prints one JSON line: events, seconds of sealing.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from mes.eventlog.base import canonical
from mes.eventlog.rowdigests import digests_of
from mes.eventlog.sealing import Sealer, load_key
from mes.tables import ROOTS

EVENTS_EACH = 30
TOGETHER = 1000
"""Events of one transaction."""
COLUMNS = (
    "uid", "stream_type", "stream_id", "version", "type", "schema_version", "payload", "actor", "reason",
    "correlation", "causation", "occurred_at", "software", "record_schema", "record_digest",
)  # fmt: skip
SCHEMA = ROOTS["mes.person"].current_schema
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def main(events: int) -> None:
    streams = -(-events // EVENTS_EACH)
    # A row and the first event of its stream belong to one transaction: `verify` asks for that.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mes_person (full_name, credentials, timezone, active, external) "
            "SELECT 'Person ' || n, 'MD', 'Europe/Paris', true, false FROM generate_series(1, %s) n RETURNING id",
            [streams],
        )
        keys = [str(key) for (key,) in cursor.fetchall()]
        cursor.execute(
            "INSERT INTO mes_stream (type, id, version) SELECT 'mes.person', unnest(%s::text[]), 0", [keys]
        )
        _write(keys, range(min(streams, events)))
    with connection.cursor() as cursor:
        for first in range(streams, events, TOGETHER):
            _write(keys, range(first, min(first + TOGETHER, events)))
        cursor.execute(
            "UPDATE mes_stream s SET version = (SELECT count(*) FROM mes_event e WHERE e.stream_type = s.type AND e.stream_id = s.id)"
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    sealer = Sealer(load_key(settings.KEYS_DIR), settings.WITNESS_DIR / "seals.jsonl")
    started = time.monotonic()
    sealed = sealer.seal_once()
    while sealed < events:  # an autovacuum that still runs holds the horizon back
        time.sleep(0.2)
        sealed += sealer.seal_once()
    print(json.dumps({"events": events, "sealed": sealed, "seal_s": round(time.monotonic() - started, 2)}))


def _write(keys: list[str], numbers: range) -> None:
    """Neighbouring events belong to many streams, as those of a busy site do."""
    people = {keys[number % len(keys)] for number in numbers}
    known = digests_of("mes.person", people, SCHEMA)
    statement = f"COPY mes_event ({', '.join(COLUMNS)}) FROM STDIN"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        for number in numbers:
            copy.write_row(_event(number, keys[number % len(keys)], number // len(keys) + 1, known))


def _event(number: int, key: str, version: int, known: dict[str, str]) -> tuple[object, ...]:
    uid = UUID(hashlib.sha256(str(number).encode()).hexdigest()[:32])
    payload = canonical(
        {
            "device_id": number,
            "transition": "start_post_processing",
            "source": "built",
            "target": "post_processing",
            "gates": {"G-PP-01": "passed", "G-PP-02": "passed", "G-INT-01": "passed"},
            "signature_id": None,
            "mesh_sha256": hashlib.sha256(uid.bytes).hexdigest(),
            "note": 'geprüft: "wie gezeigt"',
        }
    )
    return (
        uid, "mes.person", key, version, "devices.device_stage_changed", 1, payload, f"person:{number % 40}",
        "as planned", uid, uid if number % 2 else None, STARTED + timedelta(milliseconds=137 * number), "1.0", SCHEMA,
        known[key],
    )  # fmt: skip


main(int(sys.argv[1]))
