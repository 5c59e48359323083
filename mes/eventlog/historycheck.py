"""The checks of every row against its history: what was written is what stands there, and an event speaks of it.

Each is one statement of the server per table that returns the first row that differs, so nothing is kept in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from django.db import connection

from mes.columnguards import as_kept, columns_of
from mes.eventlog.changecheck import check_changes
from mes.eventlog.findings import Bad
from mes.eventlog.statements import rows
from mes.tables import TABLES, Table

# What the text of a value depends on, as the trigger that kept it has it.
SETTINGS = """SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';
SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL jit = off"""

# Rows whose newest change does not have them as they are; `live` as `_live` gives it.
REBASE = """
    INSERT INTO mes_field_change (table_name, row_id, operation, row)
    SELECT '{table}', live.id, 'rebase', live.row FROM ({live}) live
    WHERE live.row IS DISTINCT FROM (SELECT row FROM mes_field_change
        WHERE table_name = '{table}' AND row_id = live.id ORDER BY id DESC LIMIT 1)
"""

# Keys that only the row has came with a later migration. One that only the history has was taken away.
DIFFERS = """
    SELECT live.id, kept.id, (SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_each(kept.row)
        WHERE (live.row->key = value) IS NOT TRUE) FROM ({live}) live
    LEFT JOIN LATERAL (SELECT id, row {visible} AS row FROM mes_field_change
        WHERE table_name = '{table}' AND row_id = live.id ORDER BY id DESC LIMIT 1) kept ON true
    WHERE kept.row IS NULL OR (live.row <> kept.row AND kept.row <> (
        SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(live.row) WHERE kept.row ? key))
    LIMIT 1
"""
# Asked for the first, the server would look for each in turn: it expects to find one soon.
GONE = """
    WITH gone AS MATERIALIZED (
        SELECT c.row_id, c.id FROM mes_field_change c LEFT JOIN {table} t ON t.{key}::text = c.row_id
        WHERE c.table_name = '{table}' AND t.{key} IS NULL)
    SELECT row_id, id FROM gone ORDER BY id LIMIT 1
"""


def check_history() -> Generator[Bad]:
    """Changes that no event explains, then every table: rows that differ, were slipped in, or are gone."""
    rows(SETTINGS)
    yield from check_changes()
    for table in TABLES.values():
        if table.has_history:
            yield from check_table(table)


def check_table(table: Table) -> Iterator[Bad]:
    """The first row that differs from its history or has none, and the first that is gone."""
    yield from _differing(table)
    yield from _gone(table)


def take_over(table: Table) -> int:
    """Keep the rows of a table as they are now, whatever their history says. Only the owner may. Returns how many."""
    rows(SETTINGS)
    with connection.cursor() as cursor:
        cursor.execute(REBASE.format(table=table.name, live=_live(table)[0]))
        return int(cursor.rowcount)


def _differing(table: Table) -> Iterator[Bad]:
    live, visible = _live(table)
    for key, change, names in rows(DIFFERS.format(live=live, visible=visible, table=table.name)):
        if change is None:
            yield Bad("history", f"{table.name}/{key}: the row stands without a change that wrote it")
        else:
            yield Bad("history", f"{table.name}/{key}: {names} differs from the last change ({change})")


def _gone(table: Table) -> Iterator[Bad]:
    for key, change in rows(GONE.format(table=table.name, key=table.key)):
        yield Bad("history", f"{table.name}/{key}: the row was deleted (change {change} speaks of it)")


def _live(table: Table) -> tuple[str, str]:
    """The rows as their history has them: (their SQL, what is left out of the history beside them).

    An auditor, who may not read secret columns, compares the others.
    """
    closed = {*table.beside} if _reads_all(table.name) else {*table.beside, *table.secret}
    values = []
    for column in columns_of(table):
        if column in closed:
            continue
        if column in table.hidden:
            kept = as_kept(f't."{column}"')
            values.append(f"'{column}', {kept}")
        else:
            values.append(f"'{column}', t.\"{column}\"")
    parts = " || ".join(
        f"pg_catalog.jsonb_build_object({', '.join(values[first : first + 40])})"
        for first in range(0, len(values), 40)
    )
    left_out = f"- '{{{','.join(sorted(closed))}}}'::text[]" if closed else ""
    return f"SELECT t.{table.key}::text AS id, {parts} AS row FROM {table.name} t", left_out  # noqa: S608 - names of our own models


def _reads_all(table: str) -> bool:
    ((allowed,),) = rows("SELECT has_table_privilege(%s, 'SELECT')", table)
    return bool(allowed)
