"""`verify` names what was altered of the log's own workings, and of what guards the database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections

from mes.columnguards import check_name, columns_of
from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog.catalogs import servers_own_names
from mes.eventlog.deliverycheck import check_clock, check_deliveries
from mes.eventlog.findings import Bad
from mes.eventlog.guardcheck import check_guards
from mes.eventlog.historycheck import check_table
from mes.eventlog.momentcheck import check_moments
from mes.eventlog.relay import relay_once
from mes.eventlog.schedules import tick
from mes.eventlog.schemacheck import SCHEMA, WRITTEN, schema_text
from mes.eventlog.sealing import Sealer, load_key, public_keys
from mes.eventlog.statements import rows
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import verify
from mes.models import Delivery, DeliveryStatus, EventRecord, Person
from mes.services.deliveries import replay_delivery, skip_delivery
from mes.tables import TABLES
from mes.validation.installation import grants_are_declared
from tests.mes.events import Happened, handling
from tests.mes.logins import acting_as, tamper
from tests.mes.makers import SYSTEM, make_person
from tests.scenes import Scene, told
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("K-01"), pytest.mark.requirement("P11-10a")]
DATABASE_WIDE = {
    "ALTER ROLE lamina_owner SUPERUSER BYPASSRLS": "ALTER ROLE lamina_owner NOSUPERUSER NOBYPASSRLS",
    "CREATE ROLE rig_eve IN ROLE lamina_owner": "DROP ROLE rig_eve",
    "ALTER ROLE lamina_app SUPERUSER": "ALTER ROLE lamina_app NOSUPERUSER",
    "GRANT lamina_owner TO lamina_app": "REVOKE lamina_owner FROM lamina_app",
}
GUARDS = {
    "ALTER TABLE mes_event DISABLE TRIGGER ALL": "mes_event: the trigger ",
    "ALTER TABLE mes_event ENABLE ALWAYS TRIGGER mes_event_no_update": "mes_event: the trigger mes_event_no_update is switched off",
    "DROP TRIGGER mes_event_no_update ON mes_event": "mes_event: the trigger mes_event_no_update was dropped",
    "DROP TRIGGER devices_device_kept_update ON devices_device": "devices_device: the trigger devices_device_kept_update was dropped",
    "CREATE TRIGGER mine BEFORE UPDATE ON mes_person FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()": "mes_person: the trigger mine is none of Lamina's",
    "CREATE OR REPLACE TRIGGER mes_person_kept_update AFTER UPDATE ON mes_person FOR EACH ROW WHEN (false) EXECUTE FUNCTION mes_keep_change('id', '{}', '{}')": "mes_person: the trigger mes_person_kept_update was replaced",
    "CREATE OR REPLACE FUNCTION mes_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'": "the function mes_refuse was replaced",
    "CREATE OR REPLACE FUNCTION mes_current_epoch() RETURNS integer LANGUAGE sql STABLE AS 'SELECT 7'": "the function mes_current_epoch was replaced",
    "ALTER FUNCTION mes_keep_change() SECURITY INVOKER": "the function mes_keep_change was replaced",
    "ALTER FUNCTION mes_keep_change() SET timezone = 'Asia/Kolkata'": "the function mes_keep_change was replaced",
    "ALTER FUNCTION mes_keep_change() OWNER TO lamina_app": "the function mes_keep_change belongs to lamina_app",
    "ALTER FUNCTION mes_current_epoch() IMMUTABLE": "the function mes_current_epoch was replaced",
    "CREATE FUNCTION mine() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT'": "the function mine() is none of Lamina's",
    "CREATE FUNCTION mes_refuse(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'": "the function mes_refuse(integer) is none of Lamina's",
    "CREATE AGGREGATE max (bigint) (SFUNC = int8larger, STYPE = bigint)": "the aggregate max(bigint) is none of Lamina's",
    "CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)": "the operator =(text,text) is none of Lamina's",
    "CREATE CAST (date AS bytea) WITH INOUT AS ASSIGNMENT": "the cast date as bytea is none of Lamina's",
    "CREATE VIEW public.mine AS SELECT 1 AS one": "the view mine is none of Lamina's",
    "CREATE SCHEMA mine": "the schema mine is none of Lamina's",
    "CREATE DOMAIN public.mine AS text": "the type mine is none of Lamina's",
    "CREATE TABLE heir () INHERITS (mes_event)": "heir inherits from mes_event",
    "ALTER TABLE mes_event OWNER TO lamina_app": "mes_event belongs to lamina_app",
    "CREATE RULE mine AS ON INSERT TO mes_field_change DO INSTEAD NOTHING": "the rule on mes_field_change is none of Lamina's",
    "ALTER TABLE mes_event ENABLE ROW LEVEL SECURITY": "mes_event has a rule or a policy, or is no table",
    "GRANT UPDATE, DELETE ON mes_event TO lamina_app": "mes_event: lamina_app was given DELETE, UPDATE",
    "GRANT INSERT (tx) ON mes_event TO lamina_app": "mes_event: lamina_app was given INSERT (tx)",
    "GRANT DELETE ON mes_event TO PUBLIC": "mes_event: PUBLIC was given DELETE",
    "REVOKE INSERT ON mes_person FROM lamina_app": "mes_person: INSERT was taken from lamina_app",
    f"ALTER TABLE mes_seal DROP CONSTRAINT {check_name(TABLES['mes_seal'])}": "mes_seal: the check ",
    f"ALTER TABLE mes_seal DROP CONSTRAINT {check_name(TABLES['mes_seal'])}; ALTER TABLE mes_seal ADD CONSTRAINT "
    f"{check_name(TABLES['mes_seal'])} CHECK (true)": "mes_seal: the check ",
    "ALTER TABLE quality_gauge DROP CONSTRAINT gauge_accuracy": "quality_gauge: the constraint gauge_accuracy was dropped",
    "ALTER TABLE mes_account DROP CONSTRAINT mes_account_username_key": "mes_account: the constraint mes_account_username_key was dropped",
    "ALTER TABLE mes_event DROP CONSTRAINT event_stream_version": "mes_event: the constraint event_stream_version was dropped",
    "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE quality_calibration DROP CONSTRAINT %I', conname) FROM pg_constraint WHERE conrelid = 'quality_calibration'::regclass AND contype = 'f' LIMIT 1); END $$": "quality_calibration: the constraint quality_calibration_",
    "ALTER TABLE mes_event ALTER reason DROP NOT NULL": "mes_event: the column reason was changed",
    "ALTER TABLE mes_event ALTER recorded_at SET DEFAULT statement_timestamp() - interval '3 hours'": "mes_event: the column recorded_at was changed",
    "ALTER TABLE mes_event ADD COLUMN mine text": "mes_event: the column mine is none of Lamina's",
    "ALTER TABLE quality_gauge ALTER accuracy_mm TYPE numeric": "quality_gauge: the column accuracy_mm was changed",
    "CREATE UNIQUE INDEX mine ON mes_event (actor, pos)": "mes_event: the index mine is none of Lamina's",
    "ALTER SEQUENCE mes_event_pos_seq CACHE 5": "mes_event: the sequence mes_event_pos_seq was changed",
    "ALTER TABLE mes_epoch SET UNLOGGED": "mes_epoch: the table was changed",
    "ALTER SCHEMA public OWNER TO lamina_app": "the role lamina_app: makes tables",
    "ALTER DATABASE {database} SET search_path = public": "a setting for everybody: search_path=public",
    "GRANT CREATE ON SCHEMA public TO lamina_app": "the role lamina_app: makes tables",
    "ALTER ROLE lamina_app IN DATABASE {database} SET session_replication_role = replica": "a setting for lamina_app: session_replication_role=replica",
}  # fmt: skip


TYPES = """
    SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'mes_person'::regclass AND attnum > 0
"""
SHADOW = """
    CREATE FUNCTION public.jsonb_build_object({types}) RETURNS jsonb LANGUAGE sql STABLE AS
    $$ SELECT row FROM public.mes_field_change WHERE table_name = 'mes_person' ORDER BY id DESC LIMIT 1 $$
"""


def first(check: Callable[[], Iterator[Bad]]) -> str:
    found = next(iter(check()), None)
    return found.where if found else ""


def happen(person: Person) -> int:
    with open_unit():
        uid = publish(person, Happened(), actor=SYSTEM)
    return EventRecord.objects.get(uid=uid).pos


def _deliver_three() -> list[int]:
    """Positions of four events: three had their reaction, one waits for it."""
    with handling(lambda _: None):
        person = make_person()
        happened = [happen(person) for _ in range(3)]
        while relay_once(lambda *_: None):
            pass
        happened.append(happen(person))
        assert verify(keys={}, witness=None).first_bad is None
    return happened


Scene("delivered", make=make_person, roles=(), story=_deliver_three)


@pytest.fixture
def delivered() -> Iterator[list[int]]:
    """Where a test asks for them: those positions, in a database in which that happened, while the handler is there."""
    with handling(lambda _: None):
        yield told("delivered") or []


def test_an_event_that_the_database_recorded_too_early(
    committed_db: None, cluster: Cluster, tmp_path: Path
) -> None:
    """A default that was shifted for a while and put back: only what was written meanwhile tells."""
    person = make_person()
    happen(person)
    tamper(cluster, "UPDATE mes_event SET recorded_at = recorded_at - interval '1 day'")
    with acting_as(cluster, Role.SEALER.login):
        Sealer(load_key(tmp_path), tmp_path / "witness").seal_once()
    assert first(check_moments) == ""
    late = happen(person)
    tamper(cluster, f"UPDATE mes_event SET recorded_at = recorded_at - interval '3 hours' WHERE pos = {late}")
    assert first(check_moments).startswith(f"pos {late}: recorded 10")
    assert first(check_moments).endswith("s earlier than the seal before it")
    last = happen(person)
    tamper(cluster, f"UPDATE mes_event SET recorded_at = recorded_at - interval '9 hours' WHERE pos = {last}")
    assert first(check_moments).startswith(f"pos {last}: recorded 21")
    bad = verify(keys=public_keys(tmp_path), witness=None).first_bad
    assert bad == {"what": "moment", "where": first(check_moments), "pos": last}
    with acting_as(cluster, Role.SEALER.login):
        Sealer(load_key(tmp_path), tmp_path / "witness").seal_once()
    tamper(cluster, f"UPDATE mes_event SET recorded_at = recorded_at + interval '6 hours' WHERE pos = {last}")
    assert first(check_moments).startswith(f"pos {late}: recorded 10")


def test_untouched_guards_are_as_they_should_be(committed_db: None, cluster: Cluster) -> None:
    assert list(check_guards()) == []
    for login in (Role.AUDITOR.login, Role.OWNER.login):
        with acting_as(cluster, login):
            assert list(check_guards()) == [], login


@pytest.mark.parametrize("change", GUARDS)
def test_a_guard_that_is_no_more(undone: None, cluster: Cluster, change: str) -> None:
    tamper(
        cluster,
        change.format(database=connections.settings["default"]["NAME"]) if "{database}" in change else change,
    )
    bad = next(iter(check_guards()))
    assert bad.what == "guard"
    assert bad.where.startswith(GUARDS[change])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("ALTER TABLE mes_event DISABLE TRIGGER ALL", "guard"),
        ("UPDATE mes_slot SET due_at = due_at + interval '1 s'", "slot"),
    ],
)
def test_verify_asks_for_guards_and_the_clock(undone: None, cluster: Cluster, change: str, what: str) -> None:
    """For each of the ways, which the other tests name one by one."""
    assert tick() > 0
    tamper(cluster, change)
    verdict = verify(keys={}, witness=None)
    assert verdict.result == "ALTERED"
    assert verdict.first_bad is not None
    assert verdict.first_bad["what"] == what


def test_a_function_that_gives_the_old_value_back(committed_db: None, cluster: Cluster) -> None:
    """Its arguments fit exactly, so it would be taken before the server's own: neither is it taken, nor does it go unseen."""
    make_person()
    columns = [name for name in columns_of(TABLES["mes_person"]) if name not in TABLES["mes_person"].beside]
    with cluster.connect(SUPERUSER, connections.settings["default"]["NAME"]) as superuser:
        types: dict[str, str] = dict(superuser.execute(TYPES).fetchall())
        shadow = SHADOW.format(types=", ".join(f"text, {types[name]}" for name in columns))
        superuser.execute(shadow.encode())
    tamper(cluster, "UPDATE mes_person SET timezone = 'Europe/Paris'")
    assert "timezone differs from the last change" in first(lambda: check_table(TABLES["mes_person"]))
    assert first(check_guards).startswith("the function jsonb_build_object(text,bigint")
    assert verify(keys={}, witness=None).result == "ALTERED"


@pytest.mark.parametrize("change", DATABASE_WIDE)
def test_a_role_that_may_more_than_it_should(undone: None, cluster: Cluster, change: str) -> None:
    role = "lamina_owner" if "lamina_app" not in change else "lamina_app"
    tamper(cluster, change)
    assert first(check_guards).startswith(f"the role {role}: ")
    tamper(cluster, DATABASE_WIDE[change])
    assert first(check_guards) == ""


def test_what_is_set_for_a_role_is_found(undone: None, cluster: Cluster) -> None:
    tamper(cluster, "ALTER ROLE lamina_app SET search_path = 'public'")
    assert first(check_guards) == "a setting for lamina_app: search_path=public"


def test_the_schema_is_what_the_migrations_make(db: None) -> None:
    with servers_own_names():
        assert WRITTEN.read_text() == schema_text(rows(SCHEMA)), "run: manage.py catalogue --schema"


def test_an_operators_own_role_may_read(committed_db: None, cluster: Cluster) -> None:
    """For `verify` and for the qualification alike."""
    with cluster.connect(SUPERUSER, connections.settings["default"]["NAME"]) as superuser:
        superuser.execute("CREATE ROLE rig_reports")
        superuser.execute("GRANT SELECT ON mes_event TO rig_reports")
        superuser.execute("GRANT UPDATE ON mes_seal_turn TO rig_reports")
        assert (first(check_guards), grants_are_declared()[1]) == ("", True)
        superuser.execute("GRANT UPDATE ON mes_event TO rig_reports")
        assert first(check_guards) == "mes_event: rig_reports was given UPDATE"
        assert grants_are_declared() == (first(check_guards), False)
        superuser.execute("DROP OWNED BY rig_reports; DROP ROLE rig_reports")


@pytest.mark.parametrize(
    ("change", "number", "what"),
    [
        ("UPDATE mes_delivery SET status = 'skipped'", 0, "skipped in run 1, but the inbox holds 1 runs"),
        ("UPDATE mes_delivery SET status = 'skipped' WHERE event_id = {3}", 3, "skipped in run 1, but events speak of 0 skips"),
        ("UPDATE mes_delivery SET status = 'done' WHERE event_id = {3}", 3, "done in run 1, but the inbox holds 0 runs"),
        ("UPDATE mes_delivery SET status = 'pending' WHERE event_id = {1}", 1, "pending in run 1, but the inbox holds 1"),
        ("UPDATE mes_delivery SET status = 'pending', run = 2 WHERE event_id = {1}", 1, "pending in run 2, but events speak of 0 skips and 0 replays"),
        ("UPDATE mes_delivery SET next_at = '9000-01-01' WHERE event_id = {3}", 3, "it waits until 9000-01-01"),
        ("UPDATE mes_delivery SET status = 'sent', lease_until = '9000-01-01' WHERE event_id = {3}", 3, "it waits until 9000"),
        ("UPDATE mes_delivery SET version = version + 90 WHERE event_id = {1}", 1, "it names another stream or version"),
        ("UPDATE mes_delivery SET stream_id = '0' WHERE event_id = {1}", 1, "it names another stream or version"),
        ("UPDATE mes_delivery SET handler = 'test.other' WHERE event_id = {1}", 1, "the delivery was deleted (the inbox speaks of it)"),
        ("UPDATE mes_delivery SET event_id = -7 WHERE event_id = {1}", None, "there is no such event"),
        ("DELETE FROM mes_delivery WHERE event_id = {1}", 1, "the delivery was deleted (the inbox speaks of it)"),
        ("DELETE FROM mes_delivery WHERE event_id = {3}", 3, "the delivery was deleted"),
        ("DELETE FROM mes_inbox WHERE event_id = {1}", 1, "done in run 1, but the inbox holds 0 runs"),
        ("UPDATE mes_inbox SET run = 5 WHERE event_id = {1}", 1, "done in run 1, but the inbox holds 1 runs"),
        ("INSERT INTO mes_inbox (handler, event_id, run) VALUES ('test.react', {3}, 1)", 3, "pending in run 1, but the inbox"),
    ],
)  # fmt: skip
def test_a_delivery_altered_behind_the_log(
    undone: None, delivered: list[int], cluster: Cluster, change: str, number: int | None, what: str
) -> None:
    tamper(cluster, change.format(*delivered))
    pos = -7 if number is None else delivered[number]
    assert what in first(check_deliveries)
    assert first(check_deliveries).startswith(f"pos {pos} to ")


def test_verify_asks_for_deliveries(undone: None, delivered: list[int], cluster: Cluster) -> None:
    tamper(cluster, "UPDATE mes_delivery SET status = 'skipped'")
    verdict = verify(keys={}, witness=None)
    assert verdict.result == "ALTERED"
    assert verdict.first_bad is not None
    assert verdict.first_bad["what"] == "delivery"


def test_every_delivery_of_a_lane_deleted(undone: None, delivered: list[int], cluster: Cluster) -> None:
    tamper(
        cluster,
        "DELETE FROM mes_delivery WHERE handler = 'test.react'",
        "DELETE FROM mes_inbox WHERE handler = 'test.react'",
    )
    assert first(check_deliveries).endswith(": the lane stands without a delivery")


def test_what_an_operator_did_is_in_order(
    delivered: list[int], drain: Callable[[], int], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mes.services.deliveries.require", lambda *_: None)
    one, waiting = (Delivery.objects.get(event_id=delivered[number]) for number in (0, 3))
    replay_delivery(delivery_id=one.pk, actor=SYSTEM, reason="once more")
    assert first(check_deliveries) == ""
    Delivery.objects.filter(pk=waiting.pk).update(status=DeliveryStatus.DEAD)
    skip_delivery(delivery_id=waiting.pk, actor=SYSTEM, reason="not needed")
    drain()
    assert first(check_deliveries) == ""
    tamper(cluster, f"UPDATE mes_delivery SET status = 'pending' WHERE id = {waiting.pk}")
    assert "pending in run 1, but events speak of 1 skips" in first(check_deliveries)
    tamper(cluster, f"DELETE FROM mes_delivery WHERE id = {waiting.pk}")
    assert first(check_deliveries).endswith("the delivery was deleted (an event speaks of it)")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE mes_slot SET due_at = due_at + interval '1 s'", "the slot was deleted"),
        ("DELETE FROM mes_slot WHERE id = (SELECT min(id) FROM mes_slot)", "the slot was deleted"),
        ("INSERT INTO mes_slot (job, due_at) VALUES ('a.job', now())", "the slot stands without its event"),
        ("UPDATE mes_epoch SET number = 7", "epoch 7: one before it is gone"),
        ("UPDATE mes_epoch SET opened_at = opened_at + interval '30 days'", "epoch 1: opened after its first event"),
        ("DELETE FROM mes_epoch", "there is no epoch 1"),
    ],
)  # fmt: skip
def test_the_clock_altered_behind_the_log(undone: None, cluster: Cluster, change: str, what: str) -> None:
    assert tick() > 0
    assert first(check_clock) == ""
    tamper(cluster, change)
    assert first(check_clock).endswith(what)
