"""The real database against the one table in code (K-01, K-02)."""

import re
from collections import defaultdict
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models

import devices.lifecycle
import printing.lifecycle
import quality.lifecycle
from mes.columnguards import another_moment, columns_of
from mes.eventlog.rowcheck import QUIET
from mes.guards import ROLES, column_grants_of, grants_of
from mes.lifecycle import Lifecycle
from mes.tables import ROOTS, TABLES
from tests.servers import BASE

OF_THE_LOG = {
    "mes_stream", "mes_event", "mes_lane", "mes_delivery", "mes_inbox", "mes_schedule", "mes_slot", "mes_leaf", "mes_seal",
    "mes_field_change",
}  # fmt: skip
UNGUARDED = {
    # Not stages of their own: copied from the stage, or from the tool that made the thing.
    ("devices_device", "phase"),
    ("devices_design", "validation_status"),
    ("devices_segmentation", "validation_status"),
    # Where something was found, not where it is.
    ("quality_nonconformance", "found_at_stage"),
}
pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-02")]


def rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def test_every_table_is_declared_and_every_declared_table_exists() -> None:
    real = {name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert real == {name for name in TABLES if not name.startswith("rig_")}


def test_the_real_grants_are_the_declared_ones() -> None:
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for relation, role, privilege in rows(
        "SELECT c.relname, coalesce(r.rolname, 'PUBLIC'), a.privilege_type FROM pg_class c "
        "CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a "
        "LEFT JOIN pg_roles r ON r.oid = a.grantee "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') "
        "AND a.grantee <> c.relowner"
    ):
        found[relation][role].add(privilege)
    for name, table in TABLES.items():
        assert found.pop(name, {}) == grants_of(table), name
    assert found == {}


def test_the_real_grants_on_columns_are_the_declared_ones() -> None:
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for relation, column, role, privilege in rows(
        "SELECT attrelid::regclass::text, attname, grantee::regrole::text, privilege_type "
        "FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) WHERE attacl IS NOT NULL AND attrelid >= 16384"
    ):
        found[relation, role, privilege].add(column)
    declared = {
        (name, role, privilege): set(columns)
        for name, table in TABLES.items()
        for role, privilege, columns in column_grants_of(table)
    }
    assert found == declared
    for name, table in TABLES.items():
        if table.secret:
            assert declared[name, "lamina_auditor", "SELECT"] == set(columns_of(table)) - {*table.secret}
    assert declared["mes_event", "lamina_app", "INSERT"].isdisjoint({"pos", "tx", "epoch", "recorded_at"})


def test_nobody_but_the_owner_owns_or_creates() -> None:
    owners = rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [("lamina_owner",)]
    for role in ROLES:
        (rights,) = rows(
            "SELECT has_schema_privilege(r.oid, 'public', 'CREATE'), "
            "has_database_privilege(r.oid, current_database(), 'CREATE'), "
            "has_database_privilege(r.oid, current_database(), 'TEMP'), "
            "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, "
            "EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid) "
            f"FROM pg_roles r WHERE rolname = '{role}'"
        )
        assert rights == (False,) * 5, role
        sequences = rows(
            "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' "
            f"AND has_sequence_privilege('{role}', format('%I.%I', schemaname, sequencename), 'USAGE, UPDATE')"
        )
        assert sequences == [], role


def test_every_kept_table_has_its_triggers_and_they_are_on() -> None:
    found = {
        (table, trigger)
        for table, trigger in rows(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
        )
    }
    expected = set()
    for name, table in TABLES.items():
        verbs = {"record": ("update", "delete", "truncate"), "working": ("delete", "truncate")}.get(
            table.kind, ()
        )
        expected |= {(name, f"{name}_no_{verb}") for verb in verbs}
        if table.stage:
            expected |= {(name, f"{name}_{table.stage.column}_{what}") for what in ("guarded", "moves")}
        if table.has_history:
            expected |= {(name, f"{name}_kept_{verb}") for verb in ("insert", "update")}
        if another_moment(table):
            expected.add((name, f"{name}_moments_given"))
    assert found == expected


def test_every_moment_and_number_of_a_kept_table_is_one_that_can_be_read() -> None:
    """By what the database says of its columns, not the models."""
    conditions: dict[str, str] = defaultdict(str)
    for table, condition in rows(
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
    ):
        conditions[table] += condition
    found = rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND (data_type LIKE 'timestamp%' OR data_type IN ('date', 'numeric', 'double precision', 'real'))"
    )
    kept = [(name, column) for name, column in found if TABLES[name].kind in ("record", "working")]
    assert len(kept) > 80
    for name, column in kept:
        low, high = re.escape(f"({column} >"), re.escape(f"({column} <")
        assert re.search(low, conditions[name].replace('"', "")), (name, column)
        assert re.search(high, conditions[name].replace('"', "")), (name, column)


@pytest.mark.requirement("P11-10e")
def test_only_what_is_no_part_of_the_record_has_no_history() -> None:
    """Written out here a second time, so that nobody takes a table out of the history in passing."""
    kept = {name for name, table in TABLES.items() if table.kind in ("record", "working")}
    without = {name for name in kept if not name.startswith("rig_") and not TABLES[name].has_history}
    assert without == OF_THE_LOG | {
        "printing_fleet_lease",
        "printing_contact",
        "printing_preparation",
        "devices_draft_progress",
    }
    assert {name for name, table in TABLES.items() if table.without_event} == {
        "mes_artefact",
        "mes_fresh_proof",
    }
    assert {(name, *table.beside) for name, table in TABLES.items() if table.beside} == {
        ("mes_account", "last_login"),
        ("mes_station", "token", "former_token", "rotated_at"),
    }
    assert {(name, *table.digested) for name, table in TABLES.items() if table.digested} == {
        ("mes_signature", "content")
    }


@pytest.mark.requirement("P11-10e")
def test_nobody_but_the_triggers_owner_writes_the_history() -> None:
    """The function runs as its owner, looks names up where it is told to, and cannot be tied to another table."""
    ((definer, settings, owner, public),) = rows(
        "SELECT prosecdef, proconfig, proowner::regrole::text, "
        "EXISTS (SELECT 1 FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee <> proowner) "
        "FROM pg_proc WHERE proname = 'mes_keep_change'"
    )
    assert (definer, owner, public) == (True, "lamina_owner", False)
    assert "search_path=pg_catalog, pg_temp" in settings
    definers = rows("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
    assert definers == [("mes_keep_change",)]
    assert grants_of(TABLES["mes_field_change"])["lamina_app"] == {"SELECT"}


@pytest.mark.requirement("K-06")
def test_every_stage_is_guarded_in_the_database() -> None:
    """A column that reads like a stage has a guard, or is named here with the reason."""
    stagelike = {
        (name, column)
        for name, table in TABLES.items()
        if table.has_history
        for column in columns_of(table)
        if re.search(r"(^|_)(stage|status|state|phase|lifecycle|qualification)$", column)
    }
    guarded = {(name, table.stage.column) for name, table in TABLES.items() if table.stage}
    assert stagelike - guarded == UNGUARDED
    guards = [set(table.stage.pairs) for table in TABLES.values() if table.stage]
    lifecycles = [
        life
        for module in (devices.lifecycle, printing.lifecycle, quality.lifecycle)
        for life in vars(module).values()
        if isinstance(life, Lifecycle)
    ]
    assert len(lifecycles) >= 9
    for life in lifecycles:
        assert set(life.pairs) in guards, life.kind


def test_migrations_are_complete() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def ours() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.db_table in TABLES and not _is_django(model)]


def _is_django(model: type[models.Model]) -> bool:
    return model.__module__.startswith(("django.", "allauth."))


@pytest.mark.requirement("K-01")
def test_models_lose_nothing_and_hide_nothing() -> None:
    """No cascade, no many-to-many rows to remove, no save() of its own, a table name that says its package."""
    for model in ours():
        assert model._meta.db_table.startswith(f"{model._meta.app_label}_"), model
        assert TABLES[model._meta.db_table].model is model
        assert "save" not in vars(model), model
        assert "delete" not in vars(model), model
        assert not model._meta.local_many_to_many, model
        for field in model._meta.local_fields:
            if isinstance(field, models.ForeignKey):
                assert field.remote_field.on_delete is models.PROTECT, field


def test_roots_digest_fields_that_exist() -> None:
    for name, table in ROOTS.items():
        if name.startswith("rig."):
            continue
        assert table.kind == "working", name
        assert table.model is not None
        columns = {field.attname for field in table.model._meta.concrete_fields}
        assert sorted(table.digest_schemas) == list(range(1, len(table.digest_schemas) + 1)), name
        for schema, listed in table.digest_schemas.items():
            assert set(listed) <= columns | {field.name for field in table.model._meta.concrete_fields}, (
                name,
                schema,
            )


def test_what_verify_does_not_compare_is_listed_for_operators() -> None:
    """Whatever has no history, holds nothing of the record, or stands beside it, with every column of that."""
    text = (BASE / "docs" / "operators.md").read_text()
    listed = text[text.index("Not compared, because") : text.index("An event that is not sealed yet")]
    own = {name: one for name, one in TABLES.items() if one.model is not None}
    bare = {
        name
        for name, one in own.items()
        if one.kind == "session" or (one.no_history and name not in OF_THE_LOG)
    }
    beside = {column for one in own.values() for column in one.beside}
    quiet = {ROOTS[root].name for root in QUIET}
    assert {name for name in bare | beside | quiet if f"`{name}`" not in listed} == set()
