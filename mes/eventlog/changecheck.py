"""The checks of every change in the history: an event of its own transaction explains it, and what is written once stays.

An event explains a change only on the stream that speaks for the row (`mes.tables`), and only with a digest that no other
state of that row has: an event copied into the transaction of somebody's own edit explains nothing. Each check is one statement of
the server, so nothing is kept in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

from django.db import connection
from django.db.models import Field, Model

from mes.columnguards import columns_of
from mes.eventlog.findings import Bad
from mes.eventlog.statements import rows
from mes.tables import ROOTS, TABLES, Table

REBASED = "mes.history_rebase"
EVERYTHING = "true"
THESE = "(c.table_name, c.row_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"

# `rules`: of each table the root that speaks for its rows, and others of which any stream does.
UNSPOKEN = """
    WITH said AS (
        SELECT c.id, c.table_name, c.row_id, c.operation, c.epoch, c.tx,
            CASE WHEN c.operation <> 'rebase' THEN r.root END AS root, {stream} AS stream,
            CASE WHEN c.operation = 'rebase' THEN ARRAY['{rebased}'] ELSE r.others END AS others
        FROM mes_field_change c LEFT JOIN jsonb_to_recordset(%s::jsonb)
            AS r(table_name text, root text, others text[], alone boolean) ON r.table_name = c.table_name
        WHERE r.alone IS NOT TRUE AND {scope}
    ), unspoken AS MATERIALIZED (
        SELECT id, table_name, row_id, operation FROM said
        WHERE NOT EXISTS (SELECT 1 FROM mes_event e WHERE e.epoch = said.epoch AND e.tx = said.tx
                AND e.stream_type = said.root AND e.stream_id = said.stream)
            AND NOT EXISTS (SELECT 1 FROM mes_event e WHERE e.epoch = said.epoch AND e.tx = said.tx
                AND e.stream_type = ANY (said.others))
    )
    SELECT * FROM unspoken ORDER BY id LIMIT 1
"""
# `moving`: the columns that may change once a row stands; none of a row that is written once. Keys that only the newer row has
# came with a migration.
REWRITTEN = """
    WITH rewritten AS MATERIALIZED (
        SELECT c.id, c.table_name, c.row_id, c.operation, (
            SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_each(before.row)
            WHERE (c.row->key = value) IS NOT TRUE AND NOT key = ANY (r.moving)) AS names
        FROM mes_field_change c JOIN jsonb_to_recordset(%s::jsonb) AS r(table_name text, moving text[])
            ON r.table_name = c.table_name
        LEFT JOIN LATERAL (SELECT p.row FROM mes_field_change p
            WHERE p.table_name = c.table_name AND p.row_id = c.row_id AND p.id < c.id ORDER BY p.id DESC LIMIT 1) before ON true
        WHERE {scope} AND ((c.operation = 'insert' AND before.row IS NOT NULL) OR (c.operation = 'update' AND (
            before.row IS NULL OR r.moving = '{{}}' OR (c.row - r.moving <> before.row - r.moving
            AND before.row - r.moving <> (SELECT coalesce(jsonb_object_agg(key, value), '{{}}')
                FROM jsonb_each(c.row - r.moving) WHERE before.row ? key)))))
    )
    SELECT * FROM rewritten ORDER BY id LIMIT 1
"""
# What a root's row was when its transaction ended, over the columns of the schema that its event's digest has.
MISDIGESTED = """
    WITH told AS (
        SELECT DISTINCT ON (c.table_name, c.row_id, c.epoch, c.tx) c.id, c.table_name, c.row_id, e.record_schema, e.record_digest,
            md5((SELECT jsonb_object_agg(key, value) FROM jsonb_each(c.row) WHERE key = ANY (r.columns))::text) AS state
        FROM mes_field_change c JOIN jsonb_to_recordset(%s::jsonb) AS r(table_name text, root text, schema int, columns text[])
            ON r.table_name = c.table_name
        JOIN mes_event e ON e.epoch = c.epoch AND e.tx = c.tx AND e.stream_type = r.root AND e.stream_id = c.row_id
            AND e.record_schema = r.schema
        WHERE c.operation <> 'rebase'
        ORDER BY c.table_name, c.row_id, c.epoch, c.tx, c.id DESC, e.version DESC
    ), copied AS MATERIALIZED (
        SELECT max(id) AS id, table_name, row_id FROM told GROUP BY table_name, row_id, record_schema, record_digest
        HAVING count(DISTINCT state) > 1
        UNION ALL
        SELECT max(id) AS id, table_name, row_id FROM told GROUP BY table_name, row_id, record_schema, state
        HAVING count(DISTINCT record_digest) > 1
    )
    SELECT id, table_name, row_id FROM copied ORDER BY id LIMIT 1
"""


def check_changes() -> Iterator[Bad]:
    """The first change that no event explains, the first of what is written once, and the first whose event is about another
    state of its row."""
    yield from _explained(EVERYTHING)
    for change, table, key in rows(MISDIGESTED, json.dumps(_covered())):
        yield Bad(
            "history", f"{table}/{key}: the digest of its event is that of another state (change {change})"
        )


def changes_at_fault(changed: Iterable[tuple[str, str]]) -> Iterator[Bad]:
    """Of some rows alone, by table and key: the first change that no event explains, and the first of what is written once."""
    wanted = list(changed)
    yield from _explained(THESE, [table for table, _ in wanted], [key for _, key in wanted])


def _explained(scope: str, *keys: list[str]) -> Iterator[Bad]:
    unspoken = UNSPOKEN.format(stream=_stream(), rebased=REBASED, scope=scope)
    for change, table, key, operation in rows(unspoken, json.dumps(_rules()), *keys):
        yield Bad("history", f"{table}/{key}: {operation} without an event (change {change})")
    rewritten = REWRITTEN.format(scope=scope)
    for change, table, key, operation, names in rows(rewritten, json.dumps(_moving()), *keys):
        what = f"{names} is written once" if names else "the row is written once"
        yield Bad("history", f"{table}/{key}: {operation} of what stands: {what} (change {change})")


def _kept() -> list[Table]:
    return [table for table in TABLES.values() if table.has_history]


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "table_name": table.name,
            "root": table.root or next((root for root, path in table.spoken.items() if path), None),
            "others": [root for root, path in table.spoken.items() if not path],
            "alone": bool(table.without_event),
        }
        for table in _kept()
    ]


def _moving() -> list[dict[str, Any]]:
    """Of a record nothing moves; of a root, what its digest covers; of other rows everything may, as their root tells."""
    found = []
    for table in _kept():
        if table.kind == "record":
            found.append({"table_name": table.name, "moving": []})
        else:
            alone = table.root and not table.spoken
            columns = _digested(table, table.current_schema) if alone else columns_of(table)
            found.append({"table_name": table.name, "moving": columns})
    return found


def _covered() -> list[dict[str, Any]]:
    return [
        {"table_name": table.name, "root": root, "schema": schema, "columns": _digested(table, schema)}
        for root, table in ROOTS.items()
        if table.has_history
        for schema in table.digest_schemas
    ]


def _digested(table: Table, schema: int) -> list[str]:
    """The columns that a schema lists."""
    if table.model is None:
        raise LookupError(f"{table.name} has no model")
    fields = (table.model._meta.get_field(name) for name in table.digest_schemas[schema])
    return [str(cast("Field[Any, Any]", field).column) for field in fields]


@cache
def _stream() -> str:
    """SQL: the key of the stream that speaks for a change `c`."""
    paths = "\n".join(
        f"WHEN '{table.name}' THEN {_leading(table, path)}"
        for table in _kept()
        for path in table.spoken.values()
        if path
    )
    return f"CASE c.table_name {paths} ELSE c.row_id END"


def _leading(table: Table, path: str) -> str:
    """SQL: the key of the row that foreign keys lead to from a change `c`."""
    first, *others = path.split("__")
    field = _foreign(table.model, first)
    found = f"c.row->>'{field.column}'"
    for name in others:
        near = field.related_model._meta
        field = _foreign(field.related_model, name)
        key = near.pk
        found = (
            f'(SELECT n."{field.column}"::text FROM {near.db_table} n '  # noqa: S608 - names of our own models
            f'WHERE n."{key.column}" = ({found})::{key.db_type(connection)})'
        )
    return found


def _foreign(model: type[Model] | None, name: str) -> Any:
    if model is None:
        raise LookupError(f"{name} leads nowhere")
    return model._meta.get_field(name)
