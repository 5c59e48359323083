"""What the database itself refuses, whatever the application is made to say (K-01, K-02, K-06)."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
from django.db import connections

from mes.columnguards import another_moment
from mes.embedded.roles import SUPERUSER, Role
from mes.guards import SEALER_WRITES, guard_statements
from mes.tables import TABLES, StageGuard, Table
from tests.mes.logins import refusal, refusals
from tests.mes.makers import make_person
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("K-01"), pytest.mark.requirement("K-02")]
DENIED = "42501"
APP = Role.APP.login
KEPT = [table for table in TABLES.values() if table.kind in ("record", "working")]
EVERYBODY = [Role.APP.login, Role.SEALER.login, Role.AUDITOR.login]
WAYS_AROUND = {
    "a table of one's own": "CREATE TABLE mine (a int)",
    "a temporary table": "CREATE TEMP TABLE mes_epoch (number int)",
    "a schema": "CREATE SCHEMA mine",
    "a function": "CREATE FUNCTION mes_current_epoch() RETURNS integer LANGUAGE sql AS 'SELECT 7'",
    "a function elsewhere": "CREATE FUNCTION pg_temp.now() RETURNS integer LANGUAGE sql AS 'SELECT 7'",
    "a function replaced": "CREATE OR REPLACE FUNCTION mes_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "the history's function replaced": "CREATE OR REPLACE FUNCTION mes_keep_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "a function that runs as somebody else": "CREATE FUNCTION mine() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM mes_event'",
    "a function that runs as oneself": "ALTER FUNCTION mes_keep_change() SECURITY INVOKER",
    "a function dropped": "DROP FUNCTION mes_keep_change() CASCADE",
    "a code block": "DO $$ BEGIN DELETE FROM mes_event; END $$",
    "triggers off": "ALTER TABLE mes_event DISABLE TRIGGER ALL",
    "the history's trigger off": "ALTER TABLE mes_person DISABLE TRIGGER mes_person_kept_update",
    "a trigger dropped": "DROP TRIGGER mes_event_no_update ON mes_event",
    "the history's trigger dropped": "DROP TRIGGER mes_person_kept_update ON mes_person",
    "a trigger of one's own": "CREATE TRIGGER mine BEFORE UPDATE ON mes_person FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "the history's function on another table": "CREATE TRIGGER mine AFTER INSERT ON mes_lane FOR EACH ROW EXECUTE FUNCTION mes_keep_change('id', '{}', '{}')",
    "a rule": "CREATE RULE mine AS ON INSERT TO mes_field_change DO INSTEAD NOTHING",
    "a view": "CREATE VIEW mine AS SELECT * FROM mes_event",
    "a policy": "ALTER TABLE mes_event ENABLE ROW LEVEL SECURITY",
    "a column dropped": "ALTER TABLE mes_event DROP COLUMN reason",
    "a column renamed": "ALTER TABLE mes_person RENAME COLUMN full_name TO other",
    "an owner changed": "ALTER TABLE mes_event OWNER TO CURRENT_USER",
    "a table dropped": "DROP TABLE mes_event",
    "a table emptied": "TRUNCATE mes_field_change",
    "replication": "SET session_replication_role = replica",
    "another role": "SET ROLE lamina_owner",
    "another login": "SET SESSION AUTHORIZATION lamina_owner",
    "rights given": "GRANT DELETE ON mes_event TO CURRENT_USER; DELETE FROM mes_event",
    "membership": "GRANT lamina_owner TO CURRENT_USER",
    "a program": "COPY mes_event TO PROGRAM 'cat'",
    "a file of the server written": "COPY mes_event TO '/tmp/mine'",
    "a file of the server read": "SELECT pg_read_file('/etc/passwd')",
    "a large object from a file": "SELECT lo_import('/etc/passwd')",
    "a large object to a file": "SELECT lo_export(1, '/tmp/mine')",
    "a counter set back": "SELECT setval('mes_event_pos_seq', 1)",
    "the history's counter set back": "SELECT setval('mes_field_change_id_seq', 1)",
    "history inserted": "INSERT INTO mes_field_change (table_name, row_id, operation, row) VALUES ('mes_person', '1', 'update', '{}')",
    "history copied in": "COPY mes_field_change (table_name, row_id, operation, row) FROM STDIN",
    "history altered": "UPDATE mes_field_change SET row = '{}'",
    "history merged": "MERGE INTO mes_field_change c USING mes_person p ON false WHEN NOT MATCHED THEN INSERT (table_name) VALUES ('x')",
    "history deleted": "DELETE FROM mes_field_change",
    "an epoch": "INSERT INTO mes_epoch (number) VALUES (9)",
}  # fmt: skip
NOT_TOLD = {
    "a large object": "SELECT lo_from_bytea(0, '\\x41')",
    "an empty large object": "SELECT lo_creat(-1)",
    "the lock of the seals": "SELECT 1 FROM mes_seal_turn FOR UPDATE",
    "a share in the lock of the seals": "SELECT 1 FROM mes_seal_turn FOR KEY SHARE",
    "the table of that lock": "LOCK TABLE mes_seal_turn IN ROW EXCLUSIVE MODE",
    "a message in the journal": "SELECT pg_logical_emit_message(true, 'a', 'b')",
}
EVENT = (
    "INSERT INTO mes_event (uid, stream_type, stream_id, version, type, schema_version, payload, actor, reason, correlation, "
    "occurred_at, software, record_schema, record_digest{more}) VALUES (gen_random_uuid(), 'test', '1', 1, 'test', 1, '{{}}', "
    "'system:test', '', gen_random_uuid(), now(), '1', 1, ''{value})"
)
Says = Callable[[str], str]


@pytest.fixture
def app_is_told(django_db_setup: None, cluster: Cluster) -> Iterator[Says]:
    with refusals(cluster, APP) as say:
        yield say


@pytest.fixture
def owner_is_told(committed_db: None, cluster: Cluster) -> Iterator[Says]:
    with refusals(cluster, Role.OWNER.login) as say:
        yield say


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


@pytest.mark.parametrize("way", WAYS_AROUND)
def test_nobody_finds_a_way_around(cluster: Cluster, django_db_setup: None, way: str) -> None:
    """Said to the shared database: whatever went through would be rolled back, and nothing does."""
    for login in EVERYBODY:
        assert refusal(cluster, login, WAYS_AROUND[way]) == DENIED, login


@pytest.mark.parametrize(
    "table", ["mes_leaf (index, event_id, hash) VALUES (0, 1, '')", "mes_seal DEFAULT VALUES"]
)
def test_only_the_sealer_seals(cluster: Cluster, django_db_setup: None, table: str) -> None:
    for login in (Role.APP.login, Role.AUDITOR.login):
        assert refusal(cluster, login, f"INSERT INTO {table}") == DENIED, login


@pytest.mark.parametrize("way", NOT_TOLD)
def test_who_only_reads_keeps_nobody_waiting_and_writes_nothing(
    cluster: Cluster, django_db_setup: None, way: str
) -> None:
    for login in (APP, Role.AUDITOR.login):
        assert refusal(cluster, login, NOT_TOLD[way]) == DENIED, login


@pytest.mark.parametrize("what", ["SELECT pg_try_advisory_lock(1)", "SELECT pg_current_xact_id()"])
def test_an_auditor_holds_no_lock_and_no_transaction(
    cluster: Cluster, django_db_setup: None, what: str
) -> None:
    assert refusal(cluster, Role.AUDITOR.login, what) == DENIED
    assert refusal(cluster, APP, what) == ""


@pytest.mark.requirement("P11-10e")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("recorded_at", "'2031-05-05'"),
        ("tx", "900000000000000"),
        ("epoch", "1"),
        ("pos", "7"),
        ("pos", "DEFAULT"),
    ],
)
def test_the_database_alone_says_when_and_where_an_event_stands(
    cluster: Cluster, django_db_setup: None, column: str, value: str
) -> None:
    assert refusal(cluster, APP, EVENT.format(more="", value="")) == ""
    assert refusal(cluster, APP, EVENT.format(more=f", {column}", value=f", {value}")) == DENIED
    override = EVENT.format(more="", value="").replace(") VALUES", ") OVERRIDING SYSTEM VALUE VALUES")
    assert (
        refusal(cluster, APP, override.replace("(uid,", "(pos, uid,").replace("VALUES (", "VALUES (7, "))
        == DENIED
    )


@pytest.mark.requirement("P11-10e")
def test_a_moment_that_the_database_gives_is_the_moment_of_the_statement(
    cluster: Cluster, django_db_setup: None
) -> None:
    given = [table for table in TABLES.values() if another_moment(table)]
    assert len(given) > 40
    for login in (APP, Role.OWNER.login):
        with refusals(cluster, login) as say:
            for table in given:
                column = another_moment(table).split()[0].removeprefix("NEW.")
                forged = f"INSERT INTO {table.name} ({column}) VALUES ('2031-05-05')"
                assert say(forged) == DENIED, table.name
                honest = f"INSERT INTO {table.name} DEFAULT VALUES"
                assert say(honest) in ("", "23502", "23514"), table.name


def test_an_auditor_and_the_sealer_change_nothing(cluster: Cluster, django_db_setup: None) -> None:
    for login in EVERYBODY[1:]:
        with refusals(cluster, login) as say:
            for table, verb in product(KEPT, ("DELETE FROM", "TRUNCATE", "INSERT INTO")):
                if login == Role.SEALER.login and table.name in SEALER_WRITES:
                    continue
                rest = " DEFAULT VALUES" if verb == "INSERT INTO" else ""
                assert say(f"{verb} {table.name}{rest}") == DENIED, (login, verb, table.name)


def test_the_sealer_writes_seals_and_nothing_else(django_db_setup: None, cluster: Cluster) -> None:
    for statement in (
        "UPDATE mes_leaf SET hash = ''",
        "DELETE FROM mes_seal",
        "INSERT INTO mes_stream VALUES ('a', 'b', 1)",
        "SELECT * FROM mes_person",
    ):
        assert refusal(cluster, Role.SEALER.login, statement) == DENIED, statement
    assert refusal(cluster, Role.SEALER.login, "SELECT count(*) FROM mes_event") == ""


@pytest.mark.requirement("K-13")
def test_an_auditor_reads_everything_but_secrets(django_db_setup: None, cluster: Cluster) -> None:
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
