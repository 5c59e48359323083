"""The digest of a root's row, over the fields that a schema lists: what each event carries, and what `verify` recomputes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import Field

from mes.columnguards import as_kept
from mes.eventlog.base import digest_of
from mes.eventlog.statements import Statement, run_prepared
from mes.tables import ROOTS, Table


def digests_of(kind: str, ids: Iterable[str], schema: int) -> dict[str, str]:
    """SHA-256 of the root rows as the database has them now, by stream id, over the fields that a schema lists. A row that is
    gone has none. Who may not read secret columns gets what the history last kept of them."""
    with transaction.atomic():
        closed = bool(ROOTS[kind].secret) and not _reads_all(ROOTS[kind].name)
        (rows,) = run_prepared(root_rows(kind, ids, schema, closed=closed))
    return dict(digested(kind, schema, rows))


def _reads_all(table: str) -> bool:
    (((allowed,),),) = run_prepared(("SELECT has_table_privilege(%s, 'SELECT')", [table]))
    return bool(allowed)


def root_rows(kind: str, ids: Iterable[str], schema: int, *, closed: bool = False) -> Statement:
    """One row is asked for by `=`: over an array, the database would plan the statement anew each time."""
    wanted = list(ids)
    sql, key = _reading(kind, schema, alone=len(wanted) == 1, closed=closed)
    found = [key.to_python(one) for one in wanted]
    return sql, found if len(found) == 1 else [found]


@cache
def _reading(kind: str, schema: int, *, alone: bool, closed: bool) -> tuple[str, Field[Any, Any]]:
    """The statement that reads a root's row or rows, and the field of its key. Raises LookupError for a root without a model.

    `closed`: secret columns come from the history.
    """
    table = ROOTS[kind]
    if table.model is None:
        raise LookupError(f"{kind} has no model")
    meta = table.model._meta
    names = [cast("Field[Any, Any]", meta.get_field(name)).column for name in table.digest_schemas[schema]]
    columns = ", ".join(_value(table, str(name), closed=closed) for name in names)
    key: Field[Any, Any] = meta.pk
    kind_of_key = key.db_type(connection)
    those = f"%s::{kind_of_key}" if alone else f"ANY(%s::{kind_of_key}[])"
    read = f'SELECT "{key.column}", {columns} FROM {meta.db_table} WHERE "{key.column}" = {those}'  # noqa: S608 - our own names
    return read, key


def _value(table: Table, column: str, *, closed: bool) -> str:
    """SQL: a column of a root as its digest takes it, hidden ones as the history has them: no secret is part of an event."""
    if column not in table.hidden:
        return f'"{column}"'
    if closed and column in table.secret:
        return (
            f"(SELECT c.row->>'{column}' FROM mes_field_change c WHERE c.table_name = '{table.name}' "  # noqa: S608 - our own names
            f'AND c.row_id = {table.name}."{table.key}"::text ORDER BY c.id DESC LIMIT 1)'
        )
    return as_kept(f'"{column}"')


@cache
def _readers(kind: str, schema: int) -> tuple[tuple[str, Any], ...]:
    """The fields of a schema, and for those that need one what turns the column's value into Python's."""
    table = ROOTS[kind]
    meta = table.model._meta if table.model else None
    if meta is None:
        raise LookupError(f"{kind} has no model")
    return tuple(
        (name, getattr(meta.get_field(name), "from_db_value", None)) for name in table.digest_schemas[schema]
    )


def digested(kind: str, schema: int, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    readers = _readers(kind, schema)
    for key, *values in rows:
        content = {
            name: value if read is None else read(value, None, connection)
            for (name, read), value in zip(readers, values, strict=True)
        }
        yield str(key), digest_of({"type": kind, "id": str(key), "schema": schema, **content})
