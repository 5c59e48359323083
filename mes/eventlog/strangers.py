"""What stands in the database that Lamina did not make and that can give a statement another meaning.

A function whose arguments fit exactly is taken before the server's own of the same name that takes anything: whoever made it
would say what the record holds. Lamina makes no operator, cast, view, schema or extension, so whatever there is of them is
somebody's. Read within `mes.eventlog.catalogs.servers_own_names`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mes.eventlog.statements import rows
from mes.tables import TABLES

FIRST_OWN = 16384
"""The server numbers what it brings along below; what anybody makes, from here on."""

# By catalog: what it is called, its name, and which rows do not count. plpgsql is numbered anew where a server was upgraded.
KINDS = {
    "pg_proc": ("CASE t.prokind WHEN 'a' THEN 'aggregate' ELSE 'function' END", "t.oid::regprocedure::text", "t.proname ~ '^plpgsql_' AND t.pronamespace = 'pg_catalog'::regnamespace"),
    "pg_operator": ("'operator'", "t.oid::regoperator::text", "false"),
    "pg_cast": ("'cast'", "format_type(t.castsource, NULL) || ' as ' || format_type(t.casttarget, NULL)", "false"),
    "pg_opclass": ("'operator class'", "t.opcname", "false"),
    "pg_conversion": ("'conversion'", "t.conname", "false"),
    "pg_language": ("'language'", "t.lanname", "t.lanname = 'plpgsql'"),
    "pg_event_trigger": ("'event trigger'", "t.evtname", "false"),
    "pg_extension": ("'extension'", "t.extname", "t.extname = 'plpgsql'"),
    "pg_foreign_server": ("'foreign server'", "t.srvname", "false"),
    # Temporary ones are a session's own.
    "pg_namespace": ("'schema'", "t.nspname", "t.nspname ~ '^pg_(toast_)?temp_'"),
    # Each table has a type of its rows, each type one of its arrays.
    "pg_type": ("'type'", "t.oid::regtype::text", "t.typrelid <> 0 OR t.typcategory = 'A'"),
    "pg_rewrite": ("CASE t.rulename WHEN '_RETURN' THEN 'view' ELSE 'rule on' END", "t.ev_class::regclass::text", "false"),
}  # fmt: skip
STRANGERS = "\nUNION ALL ".join(
    f"SELECT {kind}, {name} FROM {catalog} t WHERE t.oid >= {FIRST_OWN} AND NOT ({without})"  # noqa: S608 - constants
    for catalog, (kind, name, without) in KINDS.items()
)
# Rows of an heir stand among its parent's; a subscription writes while triggers do not fire.
OTHERS = """
SELECT i.inhrelid::regclass::text || ' inherits from ' || p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_class c ON c.oid = i.inhrelid WHERE p.relnamespace = 'public'::regnamespace AND p.relname = ANY(%s) AND c.relkind <> 'I'
UNION ALL SELECT 'the subscription ' || s.subname || ' writes here' FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = current_database()
"""


def strangers(functions: Collection[str]) -> Iterator[str]:
    """What is none of Lamina's, one sentence each. `functions`: the names of those that Lamina made, which take no arguments."""
    ours = {("function", f"public.{name}()") for name in functions}
    for kind, name in sorted({*rows(STRANGERS)} - ours):
        yield f"the {kind} {name.replace('public.', '')} is none of Lamina's"
    for (sentence,) in rows(OTHERS, list(TABLES)):
        yield sentence.replace("public.", "")
