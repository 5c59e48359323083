"""Append-only by the database: grants and plain SQL triggers, generated from `mes.tables` and applied by the owner.

Idempotent, so it runs after every migration. The triggers read no session setting: nothing that the application's
role can do switches them off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mes.columnguards import another_moment, columns_of, readable_checks
from mes.registry import RegistrationError
from mes.tables import TABLES, Kind, StageGuard, Table

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

APP_GRANTS: dict[Kind, frozenset[str]] = {
    "record": frozenset({"SELECT", "INSERT"}),
    "working": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "session": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"}),
    "fixed": frozenset({"SELECT"}),
}
SEALER_WRITES = ("mes_leaf", "mes_seal")
SEALER_TURN = "mes_seal_turn"
"""To lock a row takes the right to change it: the sealer alone has that here."""
SEALER_READS = ("mes_event", "mes_epoch", "mes_field_change")
TRIGGER_WRITES = ("mes_field_change",)
OWNER = "lamina_owner"
ROLES = ("lamina_app", "lamina_sealer", "lamina_auditor")

REFUSE = """
CREATE OR REPLACE FUNCTION mes_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'K-01: % on % is refused: it is part of the record', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""

# A moment that the database gives is the moment of the statement, for whoever inserts (K-03).
REFUSE_MOMENT = """
CREATE OR REPLACE FUNCTION mes_refuse_moment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'K-03: INSERT on % is refused: the database gives its moments', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""

# The epoch as a constant, which the server writes into the plan of each statement: asking the table for it cost every event and
# every kept row as much as writing them. `verify` compares the two. A migration made the function first. Names are written with
# their schema in all functions: whose arguments fit exactly is taken before the server's own that takes anything.
CURRENT_EPOCH = """
DO $made$ BEGIN
    EXECUTE (SELECT pg_catalog.format(
        'CREATE OR REPLACE FUNCTION mes_current_epoch() RETURNS integer LANGUAGE sql STABLE AS %L',
        'SELECT ' || pg_catalog.max(number)) FROM public.mes_epoch);
END $made$;
"""

# Keeps a new row (11.10(e)). Arguments: the key column and, where a table has such, the columns beside the record and those kept
# as a digest.
# It runs as the owner, since nobody else inserts into the history; whoever writes a row has no say in it: what the
# text of a value depends on is set here, and so is where names are looked for.
KEEP = """
CREATE OR REPLACE FUNCTION mes_keep_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex'
    SET intervalstyle = 'iso_8601' AS $$
DECLARE
    kept jsonb := pg_catalog.to_jsonb(NEW);
    hidden text;
BEGIN
    IF TG_NARGS > 1 THEN
        kept := kept - TG_ARGV[1]::text[];
        FOREACH hidden IN ARRAY TG_ARGV[2]::text[] LOOP
            IF kept->>hidden IS NOT NULL THEN
                kept := kept || pg_catalog.jsonb_build_object(hidden, pg_catalog.encode(
                    pg_catalog.sha256(pg_catalog.convert_to(kept->>hidden, 'UTF8')), 'hex'));
            END IF;
        END LOOP;
    END IF;
    INSERT INTO public.mes_field_change (table_name, row_id, operation, row)
        VALUES (TG_TABLE_NAME, kept->>TG_ARGV[0], pg_catalog.lower(TG_OP), kept);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION mes_keep_change() FROM PUBLIC;
"""

# PostgreSQL names its transaction ids modulo nothing (xid8), but a logical restore starts a new counter.
OPEN_EPOCH = """
INSERT INTO mes_epoch (number) SELECT coalesce(max(number), 0) + 1 FROM mes_epoch
HAVING count(*) = 0
    OR EXISTS (SELECT 1 FROM mes_event WHERE epoch = (SELECT max(number) FROM mes_epoch)
              AND tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint);
"""


def apply_guards(connection: BaseDatabaseWrapper) -> None:
    """Apply grants and triggers, as the owner. Tables unknown to `mes.tables` stay closed to everyone else."""
    with connection.cursor() as cursor:
        cursor.execute("\n".join(guard_statements()))


def guard_statements() -> Iterator[str]:
    """Every statement, in order."""
    roles = ", ".join(ROLES)
    yield "SET LOCAL lock_timeout = '30s';"
    yield OPEN_EPOCH
    yield CURRENT_EPOCH
    yield REFUSE
    yield REFUSE_MOMENT
    yield KEEP
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {roles};"
    yield f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {roles};"
    yield f"GRANT USAGE ON SCHEMA public TO {roles};"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {roles};"
    for declared in TABLES.values():
        yield from _grants(declared)
        yield from _triggers(declared)
        yield from readable_checks(declared)


def _grants(declared: Table) -> Iterator[str]:
    for role, privileges in grants_of(declared).items():
        yield f"GRANT {', '.join(sorted(privileges))} ON {declared.name} TO {role};"
    for role, verb, columns in column_grants_of(declared):
        yield f"GRANT {verb} ({', '.join(columns)}) ON {declared.name} TO {role};"


def grants_of(declared: Table) -> dict[str, frozenset[str]]:
    """Privileges on the whole table, by role. The test of the real grants compares with this."""
    granted = {"lamina_app": APP_GRANTS[declared.kind] - ({"INSERT"} if declared.given else set())}
    if declared.name in TRIGGER_WRITES:
        granted["lamina_app"] = APP_GRANTS["fixed"]
    if declared.name in SEALER_WRITES:
        granted["lamina_app"] = APP_GRANTS["fixed"]
        granted["lamina_sealer"] = APP_GRANTS["record"]
    elif declared.name == SEALER_TURN:
        granted["lamina_sealer"] = frozenset({"SELECT", "UPDATE"})
    elif declared.name in SEALER_READS:
        granted["lamina_sealer"] = APP_GRANTS["fixed"]
    if declared.kind != "session" and not declared.secret:
        granted["lamina_auditor"] = APP_GRANTS["fixed"]
    return granted


def column_grants_of(declared: Table) -> list[tuple[str, str, list[str]]]:
    """Privileges on single columns: (role, privilege, columns)."""
    granted = []
    if declared.given:
        _refuse_unknown(declared)
        others = [column for column in columns_of(declared) if column not in declared.given]
        granted.append(("lamina_app", "INSERT", others))
    if declared.secret:
        granted.append(("lamina_auditor", "SELECT", shown_columns(declared)))
    return granted


def shown_columns(declared: Table) -> list[str]:
    """The columns of a table with secrets that an auditor reads."""
    _refuse_unknown(declared)
    return [column for column in columns_of(declared) if column not in declared.secret]


def _triggers(declared: Table) -> Iterator[str]:
    if declared.kind == "record":
        yield _refusing(declared.name, "update", "BEFORE UPDATE", "ROW")
    if declared.kind in ("record", "working"):
        yield _refusing(declared.name, "delete", "BEFORE DELETE", "ROW")
        yield _refusing(declared.name, "truncate", "BEFORE TRUNCATE", "STATEMENT")
    if declared.stage:
        yield from _stage_triggers(declared.name, declared.stage)
    yield from _given(declared)
    yield from _keeping(declared)


def _given(declared: Table) -> Iterator[str]:
    """Costs an insert a comparison: the function is called only to refuse."""
    name = f"{declared.name}_moments_given"
    if condition := another_moment(declared):
        yield (
            f"CREATE OR REPLACE TRIGGER {name} BEFORE INSERT ON {declared.name} FOR EACH ROW WHEN ({condition}) "
            "EXECUTE FUNCTION mes_refuse_moment();"
        )
    else:
        yield f"DROP TRIGGER IF EXISTS {name} ON {declared.name};"


def _keeping(declared: Table) -> Iterator[str]:
    """Two triggers, so that an update that changes nothing costs nothing."""
    table = declared.name
    if not declared.has_history:
        yield f"DROP TRIGGER IF EXISTS {table}_kept_insert ON {table};"
        yield f"DROP TRIGGER IF EXISTS {table}_kept_update ON {table};"
        return
    _refuse_unknown(declared)
    beside = _array(declared.beside)
    changed = "OLD.* IS DISTINCT FROM NEW.*"
    if declared.beside:
        changed = f"pg_catalog.to_jsonb(OLD.*) - {beside}::text[] IS DISTINCT FROM pg_catalog.to_jsonb(NEW.*) - {beside}::text[]"
    more = f", {beside}, {_array(declared.hidden)}" if declared.beside or declared.hidden else ""
    keep = f"FOR EACH ROW %s EXECUTE FUNCTION mes_keep_change('{declared.key}'{more});"
    yield f"CREATE OR REPLACE TRIGGER {table}_kept_insert AFTER INSERT ON {table} {keep % ''}"
    yield f"CREATE OR REPLACE TRIGGER {table}_kept_update AFTER UPDATE ON {table} {keep % f'WHEN ({changed})'}"


def _array(columns: tuple[str, ...]) -> str:
    return f"'{{{','.join(columns)}}}'"


def _refuse_unknown(declared: Table) -> None:
    """A misspelt column would be kept as it is."""
    columns = set(columns_of(declared))
    if unknown := {*declared.beside, *declared.hidden, *declared.given} - columns:
        raise RegistrationError(f"{declared.name} has no columns {sorted(unknown)}")


def _refusing(table: str, what: str, when: str, level: str) -> str:
    return (
        f"CREATE OR REPLACE TRIGGER {table}_no_{what} {when} ON {table} "
        f"FOR EACH {level} EXECUTE FUNCTION mes_refuse();"
    )


def _stage_triggers(table: str, guard: StageGuard) -> Iterator[str]:
    """K-06 in the database: a row starts where the table says, and moves only along the literal pairs. A row that stays where
    it is costs a comparison."""
    column, name = guard.column, f"{table}_{guard.column}"
    starts = " OR ".join(f"NEW.{column} = '{stage}'" for stage in guard.initial)
    pairs = " OR ".join(
        f"(OLD.{column} = '{source}' AND NEW.{column} = '{target}')" for source, target in guard.pairs
    )
    yield f"""
CREATE OR REPLACE FUNCTION {name}_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' AND ({starts}) IS NOT TRUE THEN
        RAISE EXCEPTION 'K-06: {table} cannot start as %', NEW.{column} USING ERRCODE = 'check_violation';
    ELSIF TG_OP = 'UPDATE' AND ({pairs}) IS NOT TRUE THEN
        RAISE EXCEPTION 'K-06: {table} cannot go from % to %', OLD.{column}, NEW.{column}
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;"""
    guarded, each = f"ON {table} FOR EACH ROW", f"EXECUTE FUNCTION {name}_guard();"
    moves = f"WHEN (OLD.{column}::text IS DISTINCT FROM NEW.{column}::text)"
    yield f"CREATE OR REPLACE TRIGGER {name}_guarded BEFORE INSERT {guarded} {each}"
    yield f"CREATE OR REPLACE TRIGGER {name}_moves BEFORE UPDATE {guarded} {moves} {each}"
