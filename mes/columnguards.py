"""What the database itself says about single columns: which values can be read back, and which it alone gives.

Generated from the models, as `mes.guards` generates grants and triggers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from django.db.models.functions import Now

from mes.tables import Table

# PostgreSQL stores infinite moments, dates before Christ or after the year 9999, and numbers that are none; Python reads none
# of them, so one such value would hide its row, and every list that it stands in, from everybody.
READABLE = {
    "DateField": ("{} >= '0001-01-01'::date", "{} <= '9999-12-31'::date"),
    "DateTimeField": (
        "{} >= '0001-01-01 00:00:00+00'::timestamp with time zone",
        "{} <= '9999-12-31 00:00:00+00'::timestamp with time zone",
    ),
    "DecimalField": ("{} > '-Infinity'::numeric", "{} < 'Infinity'::numeric"),
    "FloatField": ("{} > '-Infinity'::double precision", "{} < 'Infinity'::double precision"),
}
# A CHECK, not a trigger: it holds for a superuser too, whose session switched triggers off. Rows that stand are not
# looked at, so that an altered record can still be opened, and verified.
ADD_CHECK = """
DO $$
DECLARE old name;
BEGIN
    FOR old IN SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass
        AND starts_with(conname, '{table}_readable') AND conname <> '{name}'
    LOOP
        EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I', old);
    END LOOP;
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = '{table}'::regclass AND conname = '{name}') THEN
        ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID;
    END IF;
END $$;
"""


def columns_of(declared: Table) -> list[str]:
    """Every column of a table's model."""
    if declared.model is None:
        return []
    return [field.column for field in declared.model._meta.concrete_fields if field.column]


def as_kept(column: str) -> str:
    """SQL of a hidden column as the history has it: the SHA-256 (hex) of its value as text; null where it has none.

    A stored verifier is a salted argon2 hash or a keyed hash of a random secret, so its digest, which stands in the log for
    good, helps nobody to guess what it was made from.
    """
    return f"encode(sha256(convert_to(to_jsonb({column}) #>> '{{}}', 'UTF8')), 'hex')"


def readable_condition(declared: Table) -> str:
    """SQL that holds where every moment and number of a row can be read; empty where it has none."""
    if declared.model is None or declared.kind not in ("record", "working"):
        return ""
    parts = [
        f"({part.format(field.column)})"
        for field in declared.model._meta.concrete_fields
        for part in READABLE.get(field.get_internal_type(), ())
    ]
    return " AND ".join(parts)


def check_name(declared: Table) -> str:
    """Tells its condition, so that a changed model gets another CHECK."""
    return f"{declared.name}_readable_{hashlib.sha256(readable_condition(declared).encode()).hexdigest()[:8]}"


def readable_checks(declared: Table) -> Iterator[str]:
    """The CHECK of a table's moments and numbers."""
    if condition := readable_condition(declared):
        yield ADD_CHECK.format(table=declared.name, name=check_name(declared), condition=condition)


def another_moment(declared: Table) -> str:
    """SQL that holds where a new row brings a moment that the database gives by itself; empty where it gives none.

    Tables without a history are the log's own, or no part of the record.
    """
    if declared.model is None or not declared.has_history:
        return ""
    given = [field for field in declared.model._meta.concrete_fields if isinstance(field.db_default, Now)]
    return " OR ".join(f"NEW.{field.column} IS DISTINCT FROM statement_timestamp()" for field in given)
