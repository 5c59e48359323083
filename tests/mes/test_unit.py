"""The unit of work: a change and its facts stand or fall together."""

import json
import threading
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from mes.eventlog.base import Actor, Recorded, canonical
from mes.eventlog.relay import relay_once
from mes.eventlog.unit import open_unit, publish, unit_of_work
from mes.exceptions import Conflict, PublishOutsideUnit
from mes.models import Delivery, EventRecord, Patient, Person, Stream
from mes.registry import RegistrationError
from mes.tables import ROOTS
from tests.mes.events import Followed, Happened, handling
from tests.mes.makers import SYSTEM, make_patient, make_person
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.requirement("EV-01")


@unit_of_work
def rename(*, person: Person, name: str, fail: bool = False) -> UUID:
    person.full_name = name
    person.save(update_fields=["full_name"])
    uid = publish(person, Happened(note=name), actor=SYSTEM)
    if fail:
        raise RuntimeError("after the change")
    return uid


def notes() -> list[str]:
    payloads = (
        EventRecord.objects.filter(type=Happened.name).order_by("pos").values_list("payload", flat=True)
    )
    return [json.loads(payload)["note"] for payload in payloads]


@pytest.mark.django_db
def test_an_event_outside_a_unit_is_refused() -> None:
    person = make_person()
    with pytest.raises(PublishOutsideUnit, match=r"test\.happened"):
        publish(person, Happened(), actor=SYSTEM)
    with transaction.atomic(), pytest.raises(PublishOutsideUnit):
        publish(person, Happened(), actor=SYSTEM)
    assert notes() == []


def test_a_failing_service_leaves_neither_change_nor_event(committed_db: None) -> None:
    person = make_person(full_name="Before")
    with pytest.raises(RuntimeError):
        rename(person=person, name="After", fail=True)
    person.refresh_from_db()
    assert (person.full_name, notes()) == ("Before", [])
    assert Stream.objects.get(type="mes.person", id=str(person.pk)).version == 1


def test_a_service_that_fails_inside_a_joined_unit_takes_only_its_own_part_with_it(
    committed_db: None,
) -> None:
    person, other = make_person(full_name="One"), make_person(full_name="Two")
    with open_unit():
        rename(person=person, name="One changed")
        with pytest.raises(RuntimeError):
            rename(person=other, name="Two changed", fail=True)
    person.refresh_from_db()
    other.refresh_from_db()
    assert (person.full_name, other.full_name, notes()) == ("One changed", "Two", ["One changed"])


def test_a_part_that_succeeded_falls_with_the_whole(committed_db: None) -> None:
    person = make_person(full_name="Before")

    @unit_of_work
    def fail_after_a_part() -> None:
        rename(person=person, name="After")
        raise RuntimeError("the whole fails")

    with pytest.raises(RuntimeError):
        fail_after_a_part()
    person.refresh_from_db()
    assert (person.full_name, notes()) == ("Before", [])


def test_versions_follow_each_other_within_and_across_units(committed_db: None) -> None:
    person = make_person()
    with open_unit():
        rename(person=person, name="a")
        rename(person=person, name="b")
    rename(person=person, name="c")
    found = EventRecord.objects.filter(stream_type="mes.person", stream_id=str(person.pk)).order_by("version")
    assert [(event.version, json.loads(event.payload).get("note")) for event in found] == [
        (1, None),
        (2, "a"),
        (3, "b"),
        (4, "c"),
    ]


@pytest.mark.django_db
def test_the_version_that_was_read_must_still_stand() -> None:
    person = make_person()

    @unit_of_work
    def change(expected: int) -> None:
        publish(person, Happened(), actor=SYSTEM, expected_version=expected)

    change(1)
    with pytest.raises(Conflict, match="at version 2, not 1"):
        change(1)
    assert len(notes()) == 1


def test_what_runs_on_commit_is_not_lost_in_the_finished_unit(committed_db: None) -> None:
    person = make_person()
    with open_unit():
        transaction.on_commit(lambda: rename(person=person, name="on commit"))
    assert notes() == ["on commit"]


def test_a_deadlock_is_retried_as_a_whole(committed_db: None) -> None:
    one, two = make_person(), make_person()
    both_hold_one = threading.Barrier(2, timeout=PATIENCE_S)
    tries: list[str] = []

    @unit_of_work
    def lock_both(first: Person, second: Person, name: str) -> None:
        tries.append(name)
        Person.objects.select_for_update().get(pk=first.pk)
        if tries.count(name) == 1:
            both_hold_one.wait()
        Person.objects.select_for_update().get(pk=second.pk)
        rename(person=first, name=name)

    def run(first: Person, second: Person, name: str) -> None:
        try:
            lock_both(first, second, name)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(one, two, "a")),
        threading.Thread(target=run, args=(two, one, "b")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(notes()) == ["a", "b"]
    assert len(tries) == 3, "one of the two was the victim, and ran again"


def test_a_serialisation_failure_is_retried_and_anything_else_is_not(committed_db: None) -> None:
    person = make_person()
    tries: list[int] = []

    @unit_of_work
    def change(code: str) -> None:
        tries.append(1)
        rename(person=person, name=f"try {len(tries)}")
        if len(tries) < 3:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}'; END $$")

    change("40001")
    assert notes() == ["try 3"]
    tries.clear()
    with pytest.raises(OperationalError):
        change("55P03")
    assert (len(tries), notes()) == (1, ["try 3"])


@pytest.mark.django_db
def test_what_a_handler_publishes_points_back_at_the_event() -> None:
    person = make_person()
    with handling(lambda happened: rename_again(happened, person)):
        rename(person=person, name="first")
        assert relay_once(lambda *_: None) == 1
    cause = EventRecord.objects.get(type=Happened.name)
    effect = EventRecord.objects.get(type=Followed.name)
    assert (effect.causation, effect.correlation) == (cause.uid, cause.correlation)
    assert cause.causation is None


def rename_again(happened: Recorded[Happened], person: Person) -> None:
    publish(person, Followed(note=happened.event.note), actor=Actor.system("test"))


@pytest.mark.django_db
def test_facts_of_one_unit_share_a_correlation_and_others_do_not() -> None:
    person = make_person()
    with open_unit():
        rename(person=person, name="a")
        rename(person=person, name="b")
    rename(person=person, name="c")
    a, b, c = (
        EventRecord.objects.filter(type=Happened.name).order_by("pos").values_list("correlation", flat=True)
    )
    assert a == b != c


@pytest.mark.django_db
def test_a_root_must_be_declared_and_saved() -> None:
    with open_unit(), pytest.raises(ValueError, match="no row"):
        publish(Person(full_name="nobody"), Happened(), actor=SYSTEM)
    patient = make_patient()
    with open_unit(), pytest.raises(RegistrationError):
        publish(patient.identity, Happened(), actor=SYSTEM)


@pytest.mark.django_db
def test_a_payload_without_canonical_form_leaves_nothing() -> None:
    person = make_person(full_name="Before")

    @unit_of_work
    def publish_nan() -> None:
        rename(person=person, name="After")
        publish(person, Happened(note=float("nan")), actor=SYSTEM)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="not representable"):
        publish_nan()
    person.refresh_from_db()
    assert (person.full_name, notes()) == ("Before", [])


@pytest.mark.django_db
def test_round_trips_of_a_published_change() -> None:
    """One change of one root with two handlers: streams and digest in one trip, event and deliveries in one. A rise here is a slower system."""
    person = make_person()
    with (
        handling(lambda _: None, id="test.one"),
        handling(lambda _: None, id="test.two"),
        CaptureQueriesContext(connection) as queries,
    ):
        rename(person=person, name="counted")
    sent = [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert sent == ["UPDATE", "INSERT", "SELECT", "WITH"]
    assert Delivery.objects.filter(event__type=Happened.name).count() == 2


@pytest.mark.django_db
def test_the_statements_of_the_record_are_planned_once_and_kept() -> None:
    person = make_person()
    for _ in range(10):
        rename(person=person, name="Anew")
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE generic_plans > 0")
        kept = " ".join(statement for (statement,) in cursor.fetchall())
    assert all(
        name in kept for name in ("INSERT INTO mes_stream", "INSERT INTO mes_event", "FROM mes_person")
    )


@pytest.mark.django_db
def test_a_unit_over_many_roots_reads_their_digests_together() -> None:
    people = [make_person() for _ in range(10)]
    with CaptureQueriesContext(connection) as queries, open_unit():
        for person in people:
            publish(person, Happened(), actor=SYSTEM)
    sent = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert [sql.split()[0] for sql in sent] == ["INSERT", "SELECT", "INSERT"]
    assert EventRecord.objects.filter(type=Happened.name).values("record_digest").distinct().count() == 10


@pytest.mark.django_db
def test_the_digest_covers_the_row_as_it_is_after_the_change() -> None:
    patient = make_patient()
    before = EventRecord.objects.get(stream_type="mes.patient").record_digest
    with open_unit():
        publish(patient, Happened(), actor=SYSTEM)
        Patient.objects.filter(pk=patient.pk).update(erased=True)
    after = EventRecord.objects.get(type=Happened.name)
    assert after.record_digest != before
    assert after.record_schema == ROOTS["mes.patient"].current_schema
    assert after.payload == canonical({"note": ""})
