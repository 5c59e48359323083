"""What the database itself refuses, whatever the application is made to say (K-01, K-02, K-06)."""

from collections.abc import Callable
from itertools import product

import pytest
from django.db import connections

from mes.embedded.roles import SUPERUSER, Role
from mes.guards import guard_statements
from mes.tables import TABLES, StageGuard, Table
from tests.mes.logins import refusal
from tests.mes.makers import make_person
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("K-01"), pytest.mark.requirement("K-02")]
DENIED = "42501"
APP = Role.APP.login
KEPT = [table for table in TABLES.values() if table.kind in ("record", "working")]
Says = Callable[[str], str]
WAYS_AROUND = (
    "CREATE TABLE mine (a int)",
    "CREATE TEMP TABLE mes_epoch (number int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mes_current_epoch() RETURNS integer LANGUAGE sql AS 'SELECT 7'",
    "CREATE OR REPLACE FUNCTION mes_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER TABLE mes_event DISABLE TRIGGER ALL",
    "ALTER TABLE mes_event DROP COLUMN reason",
    "DROP TRIGGER mes_event_no_update ON mes_event",
    "DROP TABLE mes_event",
    "SET session_replication_role = replica",
    "SET ROLE lamina_owner",
    "GRANT DELETE ON mes_event TO lamina_app; DELETE FROM mes_event",
    "INSERT INTO mes_leaf (index, event_id, hash) VALUES (0, 1, '')",
    "INSERT INTO mes_seal VALUES (1, '', '', '', '', now())",
    "INSERT INTO mes_epoch (number) VALUES (9)",
    "SELECT setval('mes_event_pos_seq', 1)",
    "COPY mes_event TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
)


@pytest.fixture
def app_is_told(committed_db: None, cluster: Cluster) -> Says:
    return lambda statement: refusal(cluster, APP, statement)


@pytest.fixture
def owner_is_told(committed_db: None, cluster: Cluster) -> Says:
    return lambda statement: refusal(cluster, Role.OWNER.login, statement)


def column_of(table: Table) -> str:
    assert table.model is not None
    return str(table.model._meta.concrete_fields[0].column)


def test_the_application_deletes_and_truncates_nothing(app_is_told: Says) -> None:
    for table, verb in product(KEPT, ("DELETE FROM", "TRUNCATE")):
        assert app_is_told(f"{verb} {table.name}") == DENIED, (verb, table.name)


def test_the_application_changes_no_record(app_is_told: Says) -> None:
    records = [table for table in TABLES.values() if table.kind in ("record", "fixed") and table.model]
    assert len(records) >= 7
    for table in records:
        column = column_of(table)
        assert app_is_told(f'UPDATE {table.name} SET "{column}" = "{column}"') == DENIED, table.name


def test_even_the_owner_does_not_slip(owner_is_told: Says, committed_db: None) -> None:
    """Triggers stop mistakes of whoever has every right: the owner has to switch them off knowingly."""
    make_person()
    assert owner_is_told("UPDATE mes_event SET reason = 'x'") == DENIED
    assert owner_is_told("DELETE FROM mes_event") == DENIED
    assert owner_is_told("DELETE FROM mes_person") == DENIED
    for table in KEPT:
        assert owner_is_told(f"TRUNCATE {table.name} CASCADE") == DENIED, table.name


def test_the_application_finds_no_way_around(app_is_told: Says) -> None:
    for statement in WAYS_AROUND:
        assert app_is_told(statement) == DENIED, statement


def test_the_sealer_writes_seals_and_nothing_else(committed_db: None, cluster: Cluster) -> None:
    for statement in (
        "UPDATE mes_leaf SET hash = ''",
        "DELETE FROM mes_seal",
        "INSERT INTO mes_stream VALUES ('a', 'b', 1)",
        "SELECT * FROM mes_person",
    ):
        assert refusal(cluster, Role.SEALER.login, statement) == DENIED, statement
    assert refusal(cluster, Role.SEALER.login, "SELECT count(*) FROM mes_event") == ""


@pytest.mark.requirement("K-13")
def test_an_auditor_reads_everything_but_secrets(committed_db: None, cluster: Cluster) -> None:
    for statement in (
        "SELECT password FROM mes_account",
        "SELECT digest FROM mes_access_token",
        "SELECT sealed_family_name FROM mes_patient_identity",
        "SELECT * FROM django_session",
        "INSERT INTO mes_stream VALUES ('a', 'b', 1)",
    ):
        assert refusal(cluster, Role.AUDITOR.login, statement) == DENIED, statement
    for statement in ("SELECT * FROM mes_event", "SELECT username, person_id FROM mes_account"):
        assert refusal(cluster, Role.AUDITOR.login, statement) == "", statement


@pytest.mark.requirement("K-06")
def test_a_stage_starts_and_moves_only_as_declared(committed_db: None, cluster: Cluster) -> None:
    """On a table of its own, so that the guard is tested and not one package's stages."""
    guard = StageGuard("stage", ("planned", "imported"), (("planned", "made"), ("made", "shipped")))
    declared = Table("rig_thing", "working", stage=guard)
    database = connections.settings["default"]["NAME"]
    with cluster.connect(Role.OWNER.login, database) as owner:
        owner.execute("CREATE TABLE rig_thing (id int PRIMARY KEY, stage text)")
        TABLES.add(declared.name, declared)
        try:
            for _ in range(2):
                owner.execute("\n".join(guard_statements()).encode())
        finally:
            del TABLES._things[declared.name]
    with cluster.connect(APP, database) as app:
        app.execute("INSERT INTO rig_thing VALUES (1, 'planned'), (2, 'imported')")
        app.execute("UPDATE rig_thing SET stage = 'made' WHERE id = 1")
        app.execute("UPDATE rig_thing SET stage = 'made' WHERE id = 1")
    violation = "23514"
    for statement in (
        "INSERT INTO rig_thing VALUES (3, 'shipped')",
        "INSERT INTO rig_thing VALUES (3, NULL)",
        "UPDATE rig_thing SET stage = 'planned' WHERE id = 1",
        "UPDATE rig_thing SET stage = 'shipped' WHERE id = 2",
        "UPDATE rig_thing SET stage = NULL WHERE id = 1",
        "INSERT INTO rig_thing VALUES (1, 'planned') ON CONFLICT (id) DO UPDATE SET stage = 'planned'",
    ):
        for login in (APP, Role.OWNER.login, SUPERUSER):
            assert refusal(cluster, login, statement) == violation, (login, statement)
    assert refusal(cluster, APP, "UPDATE rig_thing SET stage = 'shipped' WHERE id = 1") == ""


def test_applying_the_guards_again_changes_nothing(committed_db: None, cluster: Cluster) -> None:
    database = connections.settings["default"]["NAME"]
    count = "SELECT count(*), (SELECT count(*) FROM mes_epoch) FROM pg_trigger WHERE NOT tgisinternal"
    with cluster.connect(Role.OWNER.login, database) as owner:
        before = owner.execute(count).fetchone()
        owner.execute("\n".join(guard_statements()).encode())
        assert owner.execute(count).fetchone() == before
