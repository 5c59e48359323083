"""Other roles of the database, for tests of what they may do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from django.db import connections

from mes.embedded.roles import SUPERUSER, Role
from tests.servers import Cluster


@contextmanager
def acting_as(cluster: Cluster, login: str) -> Iterator[None]:
    """Django's default connection under another login, in every thread."""
    default = connections.settings["default"]
    before = {"USER": default["USER"], "PASSWORD": default["PASSWORD"]}
    password = cluster.address(login, default["NAME"])["password"]
    try:
        connections.close_all()
        default.update(USER=login, PASSWORD=password)
        yield
    finally:
        connections.close_all()
        default.update(before)


def apply_as_app() -> None:
    """From now on, and until the transaction ends, the superuser is what the application's role is."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = origin; SET LOCAL search_path TO DEFAULT")
        cursor.execute(f"SET LOCAL ROLE {Role.APP.login}")


def tamper(cluster: Cluster, *statements: str) -> None:
    """What only a superuser can do: change the record with every trigger and every foreign key switched off.

    In a test that is `undone` it happens inside of that test's transaction.
    """
    default = connections["default"]
    if default.in_atomic_block and default.settings_dict["USER"] == SUPERUSER:
        with default.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE; SET LOCAL session_replication_role = replica")
            # Where the server's own names come first, nothing new could be made beside them.
            cursor.execute("SET LOCAL search_path = public")
            for statement in statements:
                cursor.execute(statement)
                assert cursor.rowcount != 0, f"changed nothing: {statement}"
        apply_as_app()
        return
    with cluster.connect(SUPERUSER, connections.settings["default"]["NAME"]) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount != 0, f"changed nothing: {statement}"


@contextmanager
def refusals(cluster: Cluster, login: str) -> Iterator[Callable[[str], str]]:
    """Over one connection of a login: the SQLSTATE with which it is refused a statement; empty where that went through (and is
    rolled back)."""
    with cluster.connect(login, connections.settings["default"]["NAME"]) as connection:

        def say(statement: str) -> str:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement.encode())
            except psycopg.Error as error:
                return error.sqlstate or "unknown"
            return ""

        yield say


def refusal(cluster: Cluster, login: str, statement: str) -> str:
    """The same of one statement, over a connection that nothing was said on before."""
    with refusals(cluster, login) as say:
        return say(statement)
