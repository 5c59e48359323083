"""Every row against its history: whatever is changed behind the services is named, table by table and column by column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction

from mes.choices import Meaning
from mes.choices import Role as PersonRole
from mes.columnguards import another_moment, columns_of
from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog.base import Actor
from mes.eventlog.changes import changes_under
from mes.eventlog.findings import Bad
from mes.eventlog.historycheck import check_history, check_table, take_over
from mes.eventlog.rowcheck import check_origins, check_rows
from mes.eventlog.sealing import Sealer, load_key, public_keys
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import verify
from mes.exceptions import InvalidInput, SignatureRefused
from mes.management.commands.rebase_history import rebase_history
from mes.models import Account, EventRecord, FieldChange, Person, RoleGrant
from mes.services.accounts import name_contact, verify_contact
from mes.services.artefacts import store_artefact
from mes.services.credentials import check_secret
from mes.services.signatures import sign
from mes.tables import TABLES, Table
from mes.terminals import Terminal
from tests.mes.events import Happened
from tests.mes.logins import acting_as, tamper
from tests.mes.makers import PASSWORD, SYSTEM, make_account, make_patient, make_person, make_signer
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("P11-10e"), pytest.mark.requirement("K-01")]
KEPT = {name: table for name, table in TABLES.items() if table.has_history}
FIRST = {
    "bigint": "7", "integer": "7", "smallint": "7", "character varying": "'x'", "text": "'x'", "boolean": "false",
    "jsonb": '\'{"a": [1, 2]}\'', "timestamp with time zone": "'2026-01-01 00:00:00+00'", "date": "'2026-01-01'",
    "numeric": "7", "double precision": "0.1", "uuid": "'00000000-0000-0000-0000-000000000007'", "bytea": "'\\x07'",
    "inet": "'192.0.2.1'",
}  # fmt: skip
SECOND = {
    "bigint": "8", "integer": "8", "smallint": "8", "character varying": "'y'", "text": "'y'", "boolean": "true",
    "jsonb": '\'{"a": [2, 1]}\'', "timestamp with time zone": "'2026-01-01 00:00:00.000001+00'",
    "date": "'2026-01-02'", "numeric": "8", "double precision": "0.1000000000000001",
    "uuid": "'00000000-0000-0000-0000-000000000008'", "bytea": "'\\x08'", "inet": "'192.0.2.2'",
}  # fmt: skip
HERE = Terminal("", "192.0.2.7", "a browser")


def do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def types_of(table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", [table]
        )
        return dict(cursor.fetchall())


@pytest.fixture
def as_superuser(superuser: None, db: None) -> None:
    """One transaction that is rolled back, of somebody who may switch triggers off and take constraints away."""


def write_one(table: Table) -> None:
    """A row with any value in each column, as a service would leave it: kept by its trigger."""
    name, types = table.name, types_of(table.name)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid = %s::regclass",
            [name],
        )
        for (constraint,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {name} DROP CONSTRAINT "{constraint}"')
    columns = ", ".join(f'"{column}"' for column in types)
    if another_moment(table):
        do(f"ALTER TABLE {name} DISABLE TRIGGER {name}_moments_given")
    if table.stage:
        do(f"ALTER TABLE {name} DISABLE TRIGGER {name}_{table.stage.column}_guarded")
    do(f"INSERT INTO {name} ({columns}) VALUES ({', '.join(FIRST[kind] for kind in types.values())})")
    do(f"ALTER TABLE {name} DISABLE TRIGGER USER")


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def where(found: list[Bad]) -> list[str]:
    assert {bad.what for bad in found} <= {"history"}
    return [bad.where for bad in found]


def test_every_column_of_every_row_is_compared(as_superuser: None) -> None:
    assert len(KEPT) > 25
    for name, table in KEPT.items():
        with undone():
            write_one(table)
            assert where(list(check_table(table))) == [], name
            for column, kind in types_of(name).items():
                with undone():
                    do(f'UPDATE {name} SET "{column}" = {SECOND[kind]}')
                    found = where(list(check_table(table)))
                if column in table.beside:
                    assert found == [], (name, column)
                elif column == table.key:
                    assert [line.split(": ")[1][:12] for line in found] == ["the row stan", "the row was "], (
                        name
                    )
                else:
                    assert found, (name, column)
                    assert found[0].startswith(
                        f"{name}/{FIRST[types_of(name)[table.key]].strip(chr(39))}: {column} "
                    ), found


ALTERED = [
    ("mes_signature", "printed_name"),
    ("quality_measurement", "figures"),
    ("quality_measurement", "passed"),
    ("quality_post_process_step", "equipment"),
    ("printing_consumption", "quantity"),
    ("printing_qualified_triple", "valid_until"),
    ("quality_release_decision", "checklist"),
]


@pytest.mark.parametrize(("name", "column"), ALTERED)
def test_a_record_altered_with_its_triggers_off(as_superuser: None, name: str, column: str) -> None:
    write_one(TABLES[name])
    do(f'UPDATE {name} SET "{column}" = {SECOND[types_of(name)[column]]}')
    change = FieldChange.objects.get(table_name=name)
    assert where(list(check_table(TABLES[name]))) == [
        f"{name}/7: {column} differs from the last change ({change.pk})"
    ]


@pytest.mark.parametrize("name", ["quality_record_review", "quality_verdict", "quality_report"])
def test_a_record_deleted_with_its_triggers_off(as_superuser: None, name: str) -> None:
    write_one(TABLES[name])
    do(f"DELETE FROM {name}")
    change = FieldChange.objects.get(table_name=name)
    assert where(list(check_table(TABLES[name]))) == [
        f"{name}/7: the row was deleted (change {change.pk} speaks of it)"
    ]


@pytest.mark.parametrize("name", ["mes_signature", "mes_role_grant", "quality_verdict"])
def test_a_record_inserted_with_its_triggers_off(as_superuser: None, name: str) -> None:
    write_one(TABLES[name])
    do(
        "ALTER TABLE mes_field_change DISABLE TRIGGER USER",
        f"DELETE FROM mes_field_change WHERE table_name = '{name}'",
    )
    assert where(list(check_table(TABLES[name]))) == [
        f"{name}/7: the row stands without a change that wrote it"
    ]


# --- the application's role, which passes every trigger


@pytest.fixture
def person(committed_db: None) -> Person:
    person = make_person(PersonRole.QAX)
    make_account(person, "somebody")
    make_patient("MRN-77")
    assert list(check_history()) == []
    return person


def said_after(cluster: Cluster, statement: str) -> list[str]:
    """What is named once the application's own role said this, past every service."""
    with cluster.connect(Role.APP.login, connections.settings["default"]["NAME"]) as app:
        assert app.execute(statement.encode()).rowcount == 1
    with transaction.atomic():
        return where(list(check_history()))


def copied(name: str, **changed: str) -> str:
    """SQL: a copy of the first row of a table, with some columns otherwise."""
    given = [word.removeprefix("NEW.") for word in another_moment(TABLES[name]).split() if "NEW." in word]
    columns = [column for column in columns_of(TABLES[name]) if column not in ("id", *given)]
    values = ", ".join(changed.get(column, column) for column in columns)
    return f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM {name} LIMIT 1"


BEHIND = {
    "mes_role_grant: insert": copied("mes_role_grant", role="'SEC'"),
    "mes_account: update": "UPDATE mes_account SET password = 'stolen' WHERE username = 'somebody'",
    "mes_account: insert": copied("mes_account", username="'second'"),
    "mes_patient_identity: update": "UPDATE mes_patient_identity SET patient_id_index = 'x'",
}


@pytest.mark.parametrize("what", BEHIND)
def test_a_row_written_past_the_services(person: Person, cluster: Cluster, what: str) -> None:
    name, verb = what.split(": ")
    (found,) = said_after(cluster, BEHIND[what])
    assert found.startswith(f"{name}/")
    assert f": {verb} without an event (change " in found


def test_a_signature_copied_past_the_services(person: Person, cluster: Cluster) -> None:
    """Signed for one record, copied to another (11.70)."""
    actor, typed = make_signer(PersonRole.QAR)
    with open_unit():
        sign(
            subject=person,
            content={"record": "a record"},
            meaning=Meaning.REVIEWED,
            actor=actor,
            credentials=typed,
        )
        publish(person, Happened(), actor=SYSTEM)
    assert list(check_history()) == []
    moved = {"subject_id": "'999'", "uid": "gen_random_uuid()", "position": "position + 1"}
    (found,) = said_after(cluster, copied("mes_signature", **moved))
    assert found.startswith("mes_signature/")
    assert ": insert without an event" in found


# --- the history itself


def test_what_a_service_changes_is_kept_with_old_and_new_values(person: Person) -> None:
    grant = RoleGrant.objects.get(person=person)
    with open_unit():
        RoleGrant.objects.filter(pk=grant.pk).update(revoked=True)
        publish(grant, Happened(), actor=SYSTEM)
    before, after = FieldChange.objects.filter(table_name="mes_role_grant", row_id=str(grant.pk)).order_by(
        "id"
    )
    assert (before.operation, after.operation) == ("insert", "update")
    assert {key for key in after.row if after.row[key] != before.row[key]} == {"revoked"}
    assert list(check_history()) == []


def test_an_update_that_changes_nothing_is_no_change(person: Person) -> None:
    count = FieldChange.objects.count()
    Person.objects.filter(pk=person.pk).update(full_name=person.full_name)
    Account.objects.update(last_login="2026-01-01T00:00:00Z")
    assert FieldChange.objects.count() == count


@pytest.mark.requirement("K-13")
def test_no_secret_and_no_identity_stands_in_the_history(person: Person) -> None:
    account = Account.objects.get()
    text = " ".join(str(row) for row in FieldChange.objects.values_list("row", flat=True))
    assert account.password not in text
    for name, table in KEPT.items():
        for row in FieldChange.objects.filter(table_name=name).values_list("row", flat=True):
            assert all(row[column] is None or len(row[column]) == 64 for column in table.hidden), name
            assert not set(table.beside) & set(row)


def test_a_session_setting_does_not_change_what_is_kept(person: Person) -> None:
    with transaction.atomic():
        do(
            "SET LOCAL timezone = 'Asia/Kolkata'",
            "SET LOCAL extra_float_digits = -15",
            "SET LOCAL bytea_output = 'escape'",
        )
        with open_unit():
            do(copied("mes_role_grant", role="'SEC'"))
            publish(RoleGrant.objects.latest("pk"), Happened(), actor=SYSTEM)
        kept = FieldChange.objects.filter(table_name="mes_role_grant").latest("id")
    assert kept.row["granted_at"].endswith("+00:00")
    assert list(check_history()) == []


def test_an_auditor_checks_the_history_without_reading_secrets(person: Person, cluster: Cluster) -> None:
    with acting_as(cluster, Role.AUDITOR.login):
        assert list(check_history()) == []
    with acting_as(cluster, SUPERUSER), transaction.atomic():
        do("ALTER TABLE mes_account DISABLE TRIGGER USER", "UPDATE mes_account SET is_active = false")
    with acting_as(cluster, Role.AUDITOR.login):
        (found,) = where(list(check_history()))
    assert "is_active differs" in found


# --- after a migration that took a column away


def test_an_owner_takes_rows_over_and_says_why(person: Person, cluster: Cluster) -> None:
    table = TABLES["mes_person"]
    with acting_as(cluster, SUPERUSER), transaction.atomic():
        do("ALTER TABLE mes_person DISABLE TRIGGER USER", "UPDATE mes_person SET credentials = 'MD'")
        assert len(list(check_table(table))) == 1
        rows = Person.objects.count()
        assert rebase_history(table, "0099: credentials are printed otherwise") == rows
        assert list(check_history()) == []
        event = EventRecord.objects.get(type="mes.history_rebased")
        assert (event.actor, event.reason) == ("system:mes.owner", "0099: credentials are printed otherwise")
        assert rebase_history(table, "again") == 0
        transaction.set_rollback(True)


def test_a_column_that_came_later_is_no_difference_and_one_that_went_is(as_superuser: None) -> None:
    write_one(TABLES["mes_person"])
    do("ALTER TABLE mes_field_change DISABLE TRIGGER USER")
    with undone():
        do("UPDATE mes_field_change SET row = row - 'timezone'")
        assert list(check_table(TABLES["mes_person"])) == []
    do("UPDATE mes_field_change SET row = row || '{\"gone\": 1}'")
    (found,) = where(list(check_table(TABLES["mes_person"])))
    assert ": gone differs from the last change" in found


def test_only_the_owner_takes_rows_over(person: Person) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        take_over(TABLES["mes_person"])


# --- the history and the seals


ALTERED_HISTORY = [
    "UPDATE mes_field_change SET row = row || '{\"full_name\": \"Nobody\"}' WHERE table_name = 'mes_person'",
    "UPDATE mes_field_change SET changed_at = changed_at - interval '1 s' WHERE table_name = 'mes_person'",
    "UPDATE mes_field_change SET row_id = row_id || '0' WHERE table_name = 'mes_person'",
    "UPDATE mes_field_change SET operation = 'update' WHERE table_name = 'mes_person'",
    "DELETE FROM mes_field_change WHERE table_name = 'mes_person'",
    "INSERT INTO mes_field_change (epoch, tx, table_name, row_id, operation, row) SELECT epoch, tx, 'mes_person', '1', 'update', row FROM mes_field_change WHERE table_name = 'mes_person'",
]


def test_a_changed_history_does_not_fit_its_leaf(person: Person, cluster: Cluster, tmp_path: Path) -> None:
    witness = tmp_path / "seals.jsonl"
    with acting_as(cluster, Role.SEALER.login):
        Sealer(load_key(tmp_path), witness).seal_once()
    first = EventRecord.objects.order_by("pos")[0].pos
    with acting_as(cluster, SUPERUSER):
        assert verify(keys=public_keys(tmp_path), witness=witness).result == "VALID"
        for change in ALTERED_HISTORY:
            with undone():
                tamper(cluster, change)
                found = verify(keys=public_keys(tmp_path), witness=witness).first_bad
            assert found is not None, change
            assert (found["what"], found["pos"]) == ("event", first), change


def test_a_change_without_an_event_is_under_the_next_leaf(
    person: Person, cluster: Cluster, tmp_path: Path
) -> None:
    """Files come before the event that names them (K-07)."""
    store_artefact(b"a scan", media_type="model/stl")
    with open_unit():
        publish(person, Happened(), actor=SYSTEM)
    newest = EventRecord.objects.latest("pos").pos
    assert "mes_artefact" in changes_under([newest])[newest]
    with acting_as(cluster, Role.SEALER.login):
        Sealer(load_key(tmp_path), tmp_path / "w").seal_once()
    tamper(
        cluster,
        "UPDATE mes_artefact SET media_type = 'text/html'",
        "UPDATE mes_field_change SET row = row || '{\"media_type\": \"text/html\"}' WHERE table_name = 'mes_artefact'",
    )
    found = verify(keys=public_keys(tmp_path), witness=tmp_path / "w").first_bad
    assert found is not None
    assert found["pos"] == newest


@pytest.mark.requirement("ES-15")
@pytest.mark.parametrize("quietly", ["failures = 0", "failures = 1"])
def test_a_count_of_failures_that_was_lowered_quietly_is_found(person: Person, quietly: str) -> None:
    """The application's own role could otherwise guess passwords for ever."""
    account = Account.objects.get(username="somebody")
    for _ in range(2):
        with suppress(SignatureRefused):
            check_secret(account, password="a wrong one", purpose="sign-in", terminal=HERE)
    assert [*check_rows(), *check_history()] == []
    do(f"UPDATE mes_account SET {quietly} WHERE id = {account.pk}")
    assert [bad.what for bad in check_rows()] == ["row"]
    do(f"UPDATE mes_sign_in_source SET failures = 0 WHERE network = '{HERE.network}'")
    assert any("without an event" in bad.where for bad in check_history())


@pytest.mark.requirement("ES-15")
@pytest.mark.parametrize("table", ["mes_account", "mes_sign_in_source"])
def test_a_count_of_failures_is_never_negative(person: Person, table: str) -> None:
    with suppress(SignatureRefused):
        check_secret(Account.objects.get(username="somebody"), password="x", purpose="sign-in", terminal=HERE)
    with pytest.raises(IntegrityError, match="failures_counted"), transaction.atomic():
        do(f"UPDATE {table} SET failures = -1000000")


def test_wrong_and_right_secrets_leave_nothing_unspoken(person: Person) -> None:
    """The door counts failures and forgets them; every change of an account, a session or an address is a fact."""
    account = Account.objects.get(username="somebody")
    for given in ("wrong horse battery staple", PASSWORD):
        with suppress(SignatureRefused):
            check_secret(account, password=given, purpose="sign-in", terminal=HERE)
    contact = name_contact(person=person, address="a@example.org", actor=SYSTEM)
    with pytest.raises(InvalidInput):
        verify_contact(contact_id=contact.pk, code="00000000", actor=Actor.person(person.pk))
    assert [*check_rows(), *check_origins(), *check_history()] == []
    assert Account.objects.get(pk=account.pk).failures == 0
    assert EventRecord.objects.filter(type="mes.contact_closed").count() == 1
