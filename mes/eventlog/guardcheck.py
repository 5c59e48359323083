"""The check of what keeps the record from being changed: triggers, functions, CHECKs, grants and roles stand as `mes.guards`
made them. `manage.py prepare_database` makes them again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Generator, Iterator
from typing import Any

from mes.columnguards import check_name, readable_condition
from mes.eventlog.catalogs import servers_own_names
from mes.eventlog.findings import Bad
from mes.eventlog.rolecheck import role_faults
from mes.eventlog.schemacheck import schema_faults
from mes.eventlog.statements import rows
from mes.eventlog.strangers import strangers
from mes.guards import OWNER, ROLES, SEALER_TURN, column_grants_of, grants_of, guard_statements
from mes.tables import TABLES

FUNCTION = re.compile(
    r"CREATE OR REPLACE FUNCTION (\w+)\(\) RETURNS \w+ LANGUAGE plpgsql(.*?)AS \$\$(.*?)\$\$", re.DOTALL
)
TRIGGER = re.compile(r"CREATE OR REPLACE (TRIGGER (\w+) .*? ON (\w+).*?);", re.DOTALL)
SETTING = re.compile(r"SET (\w+) = ('[^']*'|\w+(?:, \w+)*)")
FUNCTIONS = """
    SELECT proname, prosrc, prosecdef, provolatile, coalesce(proconfig, '{}'), pg_get_userbyid(proowner)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND pronargs = 0
"""
TRIGGERS = """
    SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid, true), t.tgenabled = 'O', t.tgisinternal
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relname = ANY(%s)
        AND c.relnamespace = 'public'::regnamespace
"""
CHECKS = """
    SELECT c.relname, conname, pg_get_constraintdef(k.oid, true) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE conname = ANY(%s) AND c.relnamespace = 'public'::regnamespace
"""
GRANTS = """
    SELECT c.relname, a.grantee = c.relowner, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, '' FROM pg_class c
    CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relname = ANY(%s) AND c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT c.relname, a.grantee = c.relowner, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, f.attname FROM pg_class c
    JOIN pg_attribute f ON f.attrelid = c.oid AND f.attacl IS NOT NULL
    CROSS JOIN LATERAL aclexplode(f.attacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relname = ANY(%s) AND c.relnamespace = 'public'::regnamespace
"""
RELATIONS = """
    SELECT c.relname, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relhasrules, c.relkind = 'r' FROM pg_class c
    WHERE c.relname = ANY(%s) AND c.relnamespace = 'public'::regnamespace
"""


def check_guards() -> Generator[Bad]:
    """The first guard that is missing, another or too many. Says nothing of tables that Lamina does not know."""
    with servers_own_names():
        for finding in (_functions, _triggers, _checks, _relations, schema_faults, grant_faults, role_faults):
            yield from (Bad("guard", where) for where in finding())


def _functions() -> Iterator[str]:
    wanted: dict[str, list[Any]] = {}
    for name, header, body in FUNCTION.findall("\n".join(guard_statements())):
        settings = {_bare(f"{key}={value}") for key, value in SETTING.findall(header)}
        wanted[name] = [body, "SECURITY DEFINER" in header, "v", settings]
    ((epoch,),) = rows("SELECT max(number) FROM public.mes_epoch")
    wanted["mes_current_epoch"] = [f"SELECT {epoch}", False, "s", set()]
    found = {name: rest for name, *rest in rows(FUNCTIONS)}
    for name in sorted(wanted):
        if name not in found:
            yield f"the function {name} was dropped"
            continue
        *what, settings, owner = found[name]
        if [*what, {_bare(one) for one in settings}] != wanted[name]:
            yield f"the function {name} was replaced"
        elif owner != OWNER:
            yield f"the function {name} belongs to {owner}"
    yield from strangers(wanted)


def _triggers() -> Iterator[str]:
    wanted = {
        (table, name): _bare(f"CREATE {text}")
        for text, name, table in TRIGGER.findall("\n".join(guard_statements()))
    }
    found = {}
    for table, name, text, enabled, internal in rows(TRIGGERS, list(TABLES)):
        if not enabled:
            yield f"{table}: the trigger {name} is switched off"
        if not internal:
            found[table, name] = _bare(text)
    for table, name in sorted({*wanted, *found}):
        if (table, name) not in found:
            yield f"{table}: the trigger {name} was dropped"
        elif (table, name) not in wanted:
            yield f"{table}: the trigger {name} is none of Lamina's"
        elif found[table, name] != wanted[table, name]:
            yield f"{table}: the trigger {name} was replaced"


def _checks() -> Iterator[str]:
    wanted = {
        (name, check_name(table)): _bare(f"CHECK {condition}")
        for name, table in TABLES.items()
        if (condition := readable_condition(table))
    }
    names = [check for _, check in wanted]
    found = {(table, name): _bare(text).removesuffix("notvalid") for table, name, text in rows(CHECKS, names)}
    for table, name in sorted(wanted):
        if found.get((table, name)) != wanted[table, name]:
            yield f"{table}: the check {name} was dropped or replaced"


def _relations() -> Iterator[str]:
    for name, owner, policies, rules, is_table in rows(RELATIONS, list(TABLES)):
        if owner != OWNER:
            yield f"{name} belongs to {owner}"
        if policies or rules or not is_table:
            yield f"{name} has a rule or a policy, or is no table"


def grant_faults() -> Iterator[str]:
    """Rights of roles on Lamina's tables that the code does not declare and that weaken the record, or that are missing (K-02)."""
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, table in TABLES.items():
        for role, privileges in grants_of(table).items():
            wanted[name, role] |= privileges
        for role, privilege, columns in column_grants_of(table):
            wanted[name, role] |= {f"{privilege} ({column})" for column in columns}
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table_name, is_owner, role, privilege, column in rows(GRANTS, list(TABLES), list(TABLES)):
        if not is_owner:
            found[table_name, role].add(f"{privilege} ({column})" if column else privilege)
    for name, role in sorted({*wanted, *found}):
        more = found[name, role] - wanted[name, role]
        if role not in ROLES and role != "PUBLIC":
            more = {right for right in more if not _is_allowed_to_others(name, right)}
        if more:
            yield f"{name}: {role} was given {', '.join(sorted(more))}"
        if less := wanted[name, role] - found[name, role]:
            yield f"{name}: {', '.join(sorted(less))} was taken from {role}"


def _is_allowed_to_others(table: str, right: str) -> bool:
    """An operator's own roles may read, and take backups."""
    return right.startswith("SELECT") or (table == SEALER_TURN and right.startswith("UPDATE"))


def _bare(text: str) -> str:
    """What PostgreSQL writes otherwise than it was written: spaces, brackets, quotes of names, their schema, case."""
    return re.sub(r"""[\s()";']|::text\[\]|\b(public|pg_catalog)\.""", "", text).casefold()
