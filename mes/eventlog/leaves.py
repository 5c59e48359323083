"""What a leaf covers: the canonical text (RFC 8785) of every column of its event, and the digest of the field changes that
came with it (`mes.eventlog.changes`).

The sealer and `verify` read the columns as text and put the same canonical text together several times faster than
the general encoder (ADR 0009). A test holds both against `canonical` for any values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring as quoted  # type: ignore[attr-defined, unused-ignore]
from typing import Any

from mes.eventlog.base import plain
from mes.eventlog.changes import digest_of_changes

LEAF_FIELDS = (
    "pos", "tx", "epoch", "uid", "stream_type", "stream_id", "version", "type", "schema_version", "payload", "actor",
    "reason", "correlation", "causation", "occurred_at", "recorded_at", "software", "record_schema",
    "record_digest",
)  # fmt: skip

EventText = tuple[Any, ...]
"""The columns of an event as `EVENT_TEXT` gives them; `causation` may be None."""


def _as_text(column: str) -> str:
    if column in ("occurred_at", "recorded_at"):
        return f"pg_catalog.to_char(e.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    return f"e.{column}::text"


EVENT_TEXT = ", ".join(_as_text(column) for column in sorted(LEAF_FIELDS))
"""SQL: every column of the event `e` as its canonical text has it, in the order of their names."""
COLUMNS = len(LEAF_FIELDS)


def leaf_content(event: Mapping[str, Any], changes: str | None = None) -> bytes:
    """What a leaf covers, from the columns by name and the lines of its changes (`changes_under`), if there are any.

    There are no floating-point numbers among the columns, so the standard library's encoder gives the canonical form.
    """
    columns = {name: plain(event[name]) for name in LEAF_FIELDS}
    if changes is not None:
        columns["changes"] = digest_of_changes(changes)
    return json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf_text(columns: EventText, changes: str | None = None) -> bytes:
    """What a leaf covers, from the columns that `EVENT_TEXT` gives and the lines of its changes, if there are any."""
    (
        actor, causation, correlation, epoch, occurred_at, payload, pos, reason, record_digest, record_schema,
        recorded_at, schema_version, software, stream_id, stream_type, tx, type_, uid, version,
    ) = columns  # fmt: skip
    # Numbers, UUIDs and moments hold nothing that JSON escapes.
    cause = f'"{causation}"' if causation else "null"
    bound = f'"changes":"{digest_of_changes(changes)}",' if changes is not None else ""
    return (
        f'{{"actor":{quoted(actor)},"causation":{cause},{bound}"correlation":"{correlation}","epoch":{epoch},'
        f'"occurred_at":"{occurred_at}","payload":{quoted(payload)},"pos":{pos},"reason":{quoted(reason)},'
        f'"record_digest":{quoted(record_digest)},"record_schema":{record_schema},"recorded_at":"{recorded_at}",'
        f'"schema_version":{schema_version},"software":{quoted(software)},"stream_id":{quoted(stream_id)},'
        f'"stream_type":{quoted(stream_type)},"tx":{tx},"type":{quoted(type_)},"uid":"{uid}","version":{version}}}'
    ).encode()


def settled_order(columns: EventText) -> tuple[int, int, int]:
    """(epoch, tx, pos): the order of the leaves."""
    return int(columns[3]), int(columns[15]), int(columns[6])
