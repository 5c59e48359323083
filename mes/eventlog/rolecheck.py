"""The check of the database's roles: what each may do besides its grants, who else may act as it, what is set for it, and whose
the database is. Read within `mes.eventlog.catalogs.servers_own_names`."""

from __future__ import annotations

from collections.abc import Iterator

from mes.eventlog.statements import rows
from mes.guards import OWNER, ROLES

READER = "lamina_auditor"
"""Whoever is a member of it may read, as any role of an operator's own may."""

RIGHTS = """
    SELECT r.rolname, concat_ws(', ', CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'makes roles' END,
        CASE WHEN rolcreatedb THEN 'makes databases' END, CASE WHEN rolreplication THEN 'replicates' END,
        CASE WHEN rolbypassrls THEN 'passes policies' END,
        CASE WHEN r.rolname <> %s AND has_database_privilege(r.oid, current_database(), 'CREATE') THEN 'makes schemas' END,
        CASE WHEN r.rolname <> %s AND has_database_privilege(r.oid, current_database(), 'TEMP') THEN 'makes temporary tables' END,
        CASE WHEN r.rolname <> %s AND has_schema_privilege(r.oid, 'public', 'CREATE') THEN 'makes tables' END,
        (SELECT 'is also ' || string_agg(m.roleid::regrole::text, ', ') FROM pg_auth_members m WHERE m.member = r.oid),
        (SELECT 'is also whom ' || string_agg(o.rolname, ', ' ORDER BY o.rolname) || ' may act as' FROM pg_auth_members m
            JOIN pg_roles o ON o.oid = m.member WHERE m.roleid = r.oid AND NOT o.rolsuper AND r.rolname <> %s))
    FROM pg_roles r WHERE r.rolname = ANY(%s)
"""
# For everybody, or for the database, what steers memory, plans, logs and patience is an operator's to choose.
SETTINGS = r"""
    SELECT coalesce(r.rolname, 'everybody') || ': ' || setting FROM pg_db_role_setting s
    CROSS JOIN unnest(setconfig) AS setting LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND (r.rolname = ANY(%s)
        OR setrole = 0 AND setting !~ '^(log_|auto_explain\.|track_|enable_|jit|\w*work_mem=|\w+_(cost|timeout|io_concurrency|cache_size)=|max_parallel_)')
    ORDER BY 1
"""
OWNERS = """
    SELECT r.rolname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
    WHERE d.datname = current_database() AND r.rolname <> %s AND NOT r.rolsuper
    UNION ALL
    SELECT r.rolname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
    WHERE n.nspname = 'public' AND r.rolname <> ALL(%s) AND NOT r.rolsuper
"""


def role_faults() -> Iterator[str]:
    """One sentence for each role that is not as it was made, each setting, and each owner that is none of Lamina's."""
    all_roles = [*ROLES, OWNER]
    found = dict(rows(RIGHTS, OWNER, OWNER, OWNER, READER, all_roles))
    for role in all_roles:
        if role not in found:
            yield f"the role {role} is gone"
        elif found[role]:
            yield f"the role {role}: {found[role]}"
    for (setting,) in rows(SETTINGS, all_roles):
        yield f"a setting for {setting}"
    for (owner,) in rows(OWNERS, OWNER, ["pg_database_owner", OWNER]):
        yield f"the database belongs to {owner}"
