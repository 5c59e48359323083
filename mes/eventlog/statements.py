"""How the record's statements reach the server: those of every change prepared once per connection, and sent together
where nothing lies between them; what nearly every click asks prepared likewise; those of the checks as they are.

Django's cursor sends each statement as text, to be parsed and planned again, and waits for each answer. The record's own
few statements are always the same, so they go through the driver's prepared statements, inside Django's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

Statement = tuple[str, Sequence[Any]]


def run_prepared(*statements: Statement, commits: bool = False) -> list[list[tuple[Any, ...]]]:
    """Run statements in the given order in one round trip, in the open transaction. Returns the rows of each.

    Each sees what was committed when it began, not when the first did. `commits`: the transaction ends with them, one trip
    earlier than Django would end it; the commit that Django asks for afterwards finds nothing to do.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a statement of the record runs inside a transaction")
    if connection.queries_logged:
        connection.queries_log.extend({"sql": sql.strip(), "time": ""} for sql, _ in statements)
    with _driver() as driver:
        cursors = [psycopg.Cursor(driver) for _ in statements]
        if len(statements) == 1 and not commits:
            cursors[0].execute(*statements[0], prepare=True)
        else:
            with driver.pipeline():
                for cursor, (sql, values) in zip(cursors, statements, strict=True):
                    cursor.execute(sql, values, prepare=True)
                if commits:
                    psycopg.Cursor(driver).execute("COMMIT")
        return [_rows_of(cursor) for cursor in cursors]


def ask_prepared(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of one question that is asked often, inside a transaction or outside of any."""
    if connection.queries_logged:
        connection.queries_log.append({"sql": sql, "time": ""})
    with _driver() as driver:
        return _rows_of(psycopg.Cursor(driver).execute(sql, values, prepare=True))


def rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement; none for a statement that returns none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values) or None)
        return list(cursor.fetchall()) if cursor.description else []


def _rows_of(cursor: psycopg.Cursor[Any]) -> list[tuple[Any, ...]]:
    """None for a statement that returns no rows. The number of columns is asked for, not their description: that is made
    anew, column by column, each time."""
    return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


@contextmanager
def _driver() -> Iterator[psycopg.Connection[Any]]:
    """The connection under Django's, its errors told as Django's are."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        yield connection.connection
