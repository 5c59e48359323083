"""The database's roles and who may use which: the web process never holds more than `app`.

| role    | may                                                        | used by                     |
| owner   | own the schema, migrate, set grants and triggers           | `prepare_database` alone    |
| app     | what the grants give it: no table of its own, no DELETE    | everything else             |
| sealer  | read the log, insert leaves and seals                      | `seal` alone                |
| auditor | read                                                       | a person, with `verify`     |
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import LiteralString
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mes.embedded.keyfiles import read_or_create
from mes.embedded.layout import Layout

DATABASE = "lamina"
SUPERUSER = "postgres"


class Role(StrEnum):
    OWNER = "owner"
    APP = "app"
    SEALER = "sealer"
    AUDITOR = "auditor"

    @property
    def login(self) -> str:
        """The name that PostgreSQL knows the role by."""
        return f"lamina_{self.value}"


VARIABLES: Mapping[Role, str] = {
    Role.APP: "DATABASE_URL",
    Role.OWNER: "DATABASE_OWNER_URL",
    Role.SEALER: "DATABASE_SEALER_URL",
    Role.AUDITOR: "DATABASE_AUDITOR_URL",
}


# Functions of the server that everybody may call, and with which somebody who only reads could write (large objects), hold locks
# that others ask for, or use up transaction ids. Whoever needs one has it by name. A transaction with an id can still be had (by
# setting something for oneself): the sealer waits for none of a role that cannot write (`mes.eventlog.horizon`).
CLOSED_FUNCTIONS: LiteralString = r"""
DO $$
DECLARE one regprocedure;
BEGIN
    FOR one IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (
        proname ~ '^(lo_|pg_advisory_|pg_try_advisory_)' OR proname IN (
            'loread', 'lowrite', 'pg_current_xact_id', 'txid_current', 'pg_logical_emit_message'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
        IF one::text ~ '^(pg_advisory_|pg_try_advisory_|pg_current_xact_id)' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lamina_owner, lamina_app', one);
        END IF;
    END LOOP;
END $$
"""


class DatabaseNotNamed(ImproperlyConfigured):
    """Your own server is used, but the address for this role is missing, or is not a PostgreSQL address."""


def address(role: Role, layout: Layout, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What libpq needs to connect as `role`: from the role's variable, or the embedded server's address.

    Once `DATABASE_URL` names a server of your own, no role falls back to the embedded one.
    """
    named = environment.get(VARIABLES[role], "")
    if named:
        return from_url(named)
    if environment.get(VARIABLES[Role.APP]):
        raise DatabaseNotNamed(
            f"DATABASE_URL names a server of your own, so {VARIABLES[role]} must name it too, as the role {role.value}."
        )
    return embedded_address(role.login, layout, password_file(role.login, layout))


def embedded_address(login: str, layout: Layout, password: Path, database: str = DATABASE) -> dict[str, str]:
    """The address of the embedded server for one login."""
    return {
        "host": str(layout.socket_folder("postgres")),
        "port": "5432",
        "dbname": database,
        "user": login,
        "password": read_or_create(password),
    }


def password_file(login: str, layout: Layout) -> Path:
    return layout.keys / f"{login}_password"


def from_url(url: str) -> dict[str, str]:
    """A `postgresql://` address as libpq's parameters; the host may stand in the query, as for a socket folder."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or len(parts.path) < 2:
        raise DatabaseNotNamed("A database address reads postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    found = {
        "host": unquote(parts.hostname or ""),
        "port": str(parts.port or 5432),
        "dbname": unquote(parts.path[1:]),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    return found | dict(parse_qsl(parts.query))


def connect(where: Mapping[str, str], *, seconds: int = 10) -> psycopg.Connection:
    """A plain connection in autocommit, without Django."""
    return psycopg.connect(make_conninfo("", **where), autocommit=True, connect_timeout=seconds)


def bootstrap(layout: Layout) -> None:
    """Create the roles, their passwords and the database; safe to repeat at every start.

    PUBLIC loses everything on the database, so a role sees it only by a grant, and `app` cannot even make a
    temporary table.
    """
    superuser = embedded_address(SUPERUSER, layout, password_file(SUPERUSER, layout), "postgres")
    with connect(superuser) as connection:
        for role in Role:
            _ensure_role(connection, role.login, read_or_create(password_file(role.login, layout)))
        _ensure_database(connection, DATABASE)
        # Roles of Lamina's have no business there.
        connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")
    with connect({**superuser, "dbname": DATABASE}) as connection:
        connection.execute(CLOSED_FUNCTIONS)


def close_to_public(connection: psycopg.Connection, database: str) -> None:
    """Take PUBLIC's rights on `database` and let Lamina's roles connect."""
    name = sql.Identifier(database)
    logins = sql.SQL(", ").join(sql.Identifier(role.login) for role in Role)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, logins))


def _ensure_role(connection: psycopg.Connection, login: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login]).fetchone()
    verb = sql.SQL("ALTER ROLE {}" if known else "CREATE ROLE {}").format(sql.Identifier(login))
    # Hashed here, so that the password never stands in a statement.
    hashed = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    rights = sql.SQL("WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}")
    connection.execute(verb + sql.SQL(" ") + rights.format(sql.Literal(hashed)))


def _ensure_database(connection: psycopg.Connection, database: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        create = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(create.format(sql.Identifier(database), sql.Identifier(Role.OWNER.login)))
    close_to_public(connection, database)
