"""The check of the tables themselves: their columns, defaults, constraints and unique indexes stand as the migrations made them.

`schema.txt` beside this file holds what they made; `manage.py catalogue --schema` writes it, and a test compares. Indexes that
only make something faster are whoever's who runs the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from mes.eventlog.statements import rows
from mes.tables import TABLES

WRITTEN = Path(__file__).with_name("schema.txt")
WORD = re.compile(r"\(('(?:[^']|'')*'::character varying)\)::text")
RESTORED = re.compile(rf"ARRAY\[({WORD.pattern}(?:, {WORD.pattern})*)\]")
Part = tuple[str, str]
"""Table and part, such as `column recorded_at`."""

# As the server writes it with `pg_catalog` alone in the path. NOT NULL is told with its column, whatever the server's version.
SCHEMA = """
WITH t AS (SELECT oid, relname::text AS name, relkind, relpersistence FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f', 'v', 'm'))
SELECT name, 'table', relkind::text || ' ' || relpersistence::text FROM t
UNION ALL
SELECT name, 'column ' || attname, format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE attidentity WHEN '' THEN '' ELSE ' IDENTITY ' || attidentity::text END
    || CASE attgenerated WHEN '' THEN '' ELSE ' GENERATED' END || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
    FROM t JOIN pg_attribute a ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef d ON adrelid = t.oid AND adnum = attnum
UNION ALL
SELECT name, 'constraint ' || conname::text, pg_get_constraintdef(k.oid) FROM t JOIN pg_constraint k ON conrelid = t.oid
    WHERE contype <> 'n'
UNION ALL
SELECT name, 'index ' || i.relname, pg_get_indexdef(x.indexrelid)
    || CASE WHEN indisvalid AND indisready AND indislive AND indimmediate THEN '' ELSE ' NOT IN FORCE' END
    FROM t JOIN pg_index x ON indrelid = t.oid AND (indisunique OR indisexclusion) JOIN pg_class i ON i.oid = indexrelid
UNION ALL
SELECT name, 'sequence ' || s.relname, format('%s to %s by %s, keeps %s, cycles %s', seqmin, seqmax, seqincrement, seqcache, seqcycle)
    FROM t JOIN pg_depend d ON refobjid = t.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
    JOIN pg_sequence q ON seqrelid = d.objid JOIN pg_class s ON s.oid = seqrelid
"""


def schema_faults() -> Iterator[str]:
    """Every part of a table of the record that was changed, dropped or added, one sentence each."""
    wanted = written_schema()
    tables = {table for table, _ in wanted}
    found = {(table, part): text for table, part, text in told(rows(SCHEMA)) if table in tables}
    for table, part in sorted({*wanted, *found}):
        if (table, part) not in found:
            yield f"{table}: the {part} was dropped"
        elif (table, part) not in wanted:
            yield f"{table}: the {part} is none of Lamina's"
        elif found[table, part] != wanted[table, part]:
            yield f"{table}: the {part} was changed"


def told(found: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The rows of `SCHEMA`, each definition on one line and as it was first written."""
    return ((table, part, as_written(" ".join(text.split()))) for table, part, text in found)


def as_written(text: str) -> str:
    """A definition in the form in which a migration leaves it: one that came back from a dump casts each word of a list by
    itself instead of the list, and means the same."""
    return RESTORED.sub(lambda found: "(ARRAY[" + WORD.sub(r"\1", found[1]) + "])::text[]", text)


@cache
def written_schema() -> dict[Part, str]:
    """What the migrations made."""
    lines = (line.split(" | ", 2) for line in WRITTEN.read_text(encoding="utf-8").splitlines())
    return {(table, part): text for table, part, text in lines}


def schema_text(found: Iterable[tuple[str, ...]]) -> str:
    """The rows of `SCHEMA` as `schema.txt` has them: those of the tables that Lamina knows."""
    return "".join(f"{' | '.join(row)}\n" for row in sorted(told(found)) if row[0] in TABLES)
