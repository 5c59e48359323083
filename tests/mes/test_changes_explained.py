"""An edit past the services explains itself by no event: neither by one that stands beside it, nor by a copy of one of its own
row's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connections, transaction

from mes.embedded.roles import Role
from mes.eventlog.base import Actor
from mes.eventlog.changecheck import changes_at_fault, check_changes
from mes.eventlog.rowcheck import check_rows
from mes.eventlog.rowdigests import digests_of
from mes.eventlog.unit import open_unit, publish
from mes.models import AccessToken, Account, EventRecord, Patient
from mes.services.tokens import issue_token, revoke_token
from mes.tables import ROOTS, TABLES
from tests.mes.events import Happened
from tests.mes.logins import acting_as
from tests.mes.makers import SYSTEM, make_account, make_patient, make_person
from tests.mes.test_history import FIRST, SECOND, as_superuser, do, types_of, undone, write_one
from tests.servers import Cluster

__all__ = ["as_superuser"]
pytestmark = [pytest.mark.requirement("P11-10e"), pytest.mark.requirement("K-01")]
# What somebody writes beside an edit: the newest event of a stream, as the next one.
COPIED = """
    INSERT INTO mes_event (uid, stream_type, stream_id, version, type, schema_version, payload, actor, reason, correlation,
        occurred_at, software, record_schema, record_digest)
    SELECT gen_random_uuid(), stream_type, stream_id, version + 1, type, schema_version, payload, actor, reason,
        gen_random_uuid(), now(), software, record_schema, record_digest
    FROM mes_event WHERE stream_type = '{root}' AND stream_id = '{key}' ORDER BY version DESC LIMIT 1;
    UPDATE mes_stream SET version = version + 1 WHERE type = '{root}' AND id = '{key}';
"""


@pytest.fixture
def accounts(committed_db: None) -> tuple[Account, Account]:
    """The one that is edited, and the one whose password is known."""
    edited, known = (make_account(make_person(), name) for name in ("edited", "known"))
    make_patient("MRN-78")
    assert faults() == []
    return edited, known


def faults() -> list[str]:
    with transaction.atomic():
        return [bad.where for bad in (*check_rows(), *check_changes())]


def edit(cluster: Cluster, statement: str, root: str, key: object) -> list[str]:
    """What is found once the application's own role ran a statement beside a copied event."""
    with cluster.connect(Role.APP.login, connections.settings["default"]["NAME"]) as app:
        app.execute(f"BEGIN; {statement}; {COPIED.format(root=root, key=key)} COMMIT".encode())
    return faults()


def actor_of(account: Account) -> Actor:
    assert account.person_id is not None
    return Actor.person(account.person_id)


def stolen(account: Account, other: Account) -> str:
    return (
        f"UPDATE mes_account SET password = (SELECT password FROM mes_account WHERE id = {other.pk}) "
        f"WHERE id = {account.pk}"
    )


@pytest.mark.requirement("P11-300d")
def test_an_event_of_another_account_explains_no_new_password(
    accounts: tuple[Account, Account], cluster: Cluster
) -> None:
    edited, known = accounts
    found = edit(cluster, stolen(edited, known), "mes.account", known.pk)
    assert any(text.startswith(f"mes_account/{edited.pk}: update without an event") for text in found), found


@pytest.mark.requirement("P11-300d")
def test_a_copied_event_of_the_account_explains_no_new_password(
    accounts: tuple[Account, Account], cluster: Cluster
) -> None:
    """Not even once a true event followed, whose digest fits."""
    edited, known = accounts
    found = edit(cluster, stolen(edited, known), "mes.account", edited.pk)
    assert any("the row differs from its event" in text for text in found), found
    with open_unit():
        publish(edited, Happened(), actor=SYSTEM)
    (found_later,) = faults()
    assert found_later.startswith(
        f"mes_account/{edited.pk}: the digest of its event is that of another state"
    )


@pytest.mark.requirement("P11-300b")
@pytest.mark.parametrize("root", ["mes.account", "mes.access_token"])
def test_a_key_stays_with_the_account_that_it_was_given_to(
    accounts: tuple[Account, Account], cluster: Cluster, root: str
) -> None:
    edited, known = accounts
    issue_token(account=known, name="mine", valid_for=timedelta(1), actor=actor_of(known))
    token = AccessToken.objects.get()
    assert faults() == []
    key = {"mes.account": edited.pk, "mes.access_token": token.pk}[root]
    found = edit(cluster, f"UPDATE mes_access_token SET account_id = {edited.pk}", root, key)
    assert found
    revoke_token(token_id=token.pk, actor=actor_of(edited))
    assert any(text.startswith(f"mes_access_token/{token.pk}: ") for text in faults())


def test_what_no_digest_covers_is_written_once(accounts: tuple[Account, Account], cluster: Cluster) -> None:
    patient = Patient.objects.get()
    statement = "UPDATE mes_patient SET created_at = '2026-01-01'"
    (found,) = edit(cluster, statement, "mes.patient", patient.pk)
    assert found.startswith(f"mes_patient/{patient.pk}: update of what stands: created_at is written once")


ONCE = [
    "mes_artefact",
    "mes_signature",
    "quality_calibration",
    "quality_measurement",
    "quality_nonconformance",
]


@pytest.mark.parametrize("name", ONCE)
def test_a_row_that_stands_is_not_written_again(as_superuser: None, name: str) -> None:
    """By the owner, who switches off the trigger that refuses it and leaves on the one that keeps it."""
    table = TABLES[name]
    write_one(table)
    columns = sorted(types_of(name).keys() - {table.key} - {*table.digest_schemas.get(1, ()), "units"})
    do(
        f"ALTER TABLE {name} ENABLE TRIGGER {name}_kept_update",
        f"ALTER TABLE {name} ENABLE TRIGGER {name}_kept_insert",
    )
    for column in columns:
        with undone():
            do(f'UPDATE {name} SET "{column}" = {SECOND[types_of(name)[column]]}')
            assert any(": update of what stands: " in text for text in found_of(name)), column
    with undone():
        do(f"DELETE FROM {name}")
        values = ", ".join(FIRST[kind] for kind in types_of(name).values())
        do(f"INSERT INTO {name} VALUES ({values})")
        assert any(": insert of what stands: " in text for text in found_of(name))


def found_of(name: str) -> list[str]:
    key = FIRST[types_of(name)[TABLES[name].key]].strip("'")
    return [bad.where for bad in changes_at_fault([(name, key)])]


def test_every_secret_stands_in_the_digest_of_its_row(
    accounts: tuple[Account, Account], cluster: Cluster
) -> None:
    """As the digest of what is stored; an auditor, who does not see that, checks it by the history."""
    for root, table in ROOTS.items():
        covered = {*table.digest_schemas[table.current_schema], *table.beside}
        assert {*table.secret} <= covered, root
    edited, _ = accounts
    schema, key = ROOTS["mes.account"].current_schema, str(edited.pk)
    told = EventRecord.objects.filter(stream_type="mes.account", stream_id=key).latest("version")
    with acting_as(cluster, Role.AUDITOR.login):
        assert digests_of("mes.account", [key], schema) == {key: told.record_digest}
        assert faults() == []
    Account.objects.filter(pk=edited.pk).update(password="another")
    assert digests_of("mes.account", [key], schema) != {key: told.record_digest}


def test_every_table_says_whose_events_speak_for_it() -> None:
    for name, table in TABLES.items():
        if table.has_history and not name.startswith("rig_"):
            assert table.root or table.spoken or table.without_event, name
            assert {*table.spoken} <= {*ROOTS}, name
