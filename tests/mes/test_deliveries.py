"""One delivery: at least one attempt, exactly one effect, and what an operator may do with one that was given up."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from mes.choices import Role
from mes.eventlog import delivery, relay
from mes.eventlog.base import Actor, Recorded
from mes.eventlog.delivery import LaneKey, bring_back_lost, deliver_next, deliver_waiting, run_queued
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput, LeaseLost, NotPermitted, Refused
from mes.models import Delivery, DeliveryStatus, EventRecord, Person
from mes.registry import RegistrationError
from mes.selectors import dead_deliveries
from mes.services.deliveries import replay_delivery, retry_delivery, skip_delivery
from tests.mes.events import Followed, Happened, handling
from tests.mes.makers import SYSTEM, make_person
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db
Sent = list[tuple[str, int, str]]


@unit_of_work
def happen(person: Person, note: str = "") -> None:
    publish(person, Happened(note=note), actor=SYSTEM)


def follow(happened: Recorded[Happened]) -> None:
    """An effect that is not idempotent."""
    root = Person.objects.get(pk=happened.stream_id)
    publish(root, Followed(note=happened.event.note), actor=SYSTEM)


def effects() -> int:
    return EventRecord.objects.filter(type=Followed.name).count()


def lane_of(person: Person, handler: str = "test.react") -> LaneKey:
    """A relay that looks for what is due makes the lanes that it finds."""
    relay.due_lanes()
    return handler, "mes.person", str(person.pk)


def nowhere(*_: object) -> None:
    raise AssertionError("nothing is sent here")


def the_delivery() -> Delivery:
    return Delivery.objects.get(handler="test.react")


@pytest.fixture
def sent() -> Sent:
    return []


@pytest.fixture
def send(sent: Sent) -> Callable[[str, int, str], None]:
    return lambda queue, key, token: sent.append((queue, key, token))


@pytest.fixture
def operator() -> Actor:
    return Actor.person(make_person(Role.SYS).pk)


@pytest.fixture
def three_attempts(settings: object) -> None:
    settings.DELIVERY_ATTEMPTS = 3  # type: ignore[attr-defined]
    settings.DELIVERY_RETRY_FIRST = timedelta(0)  # type: ignore[attr-defined]


class Failing:
    """Fails until it is told to work."""

    def __init__(self) -> None:
        self.broken = True
        self.tries = 0

    def __call__(self, happened: Recorded[Happened]) -> None:
        self.tries += 1
        if self.broken:
            raise RuntimeError("Doe^Jane")
        follow(happened)


def deliver_until_still(person: Person) -> None:
    while deliver_next(lane_of(person), nowhere) or the_first_open(person) == DeliveryStatus.PENDING:
        pass


def the_first_open(person: Person) -> str | None:
    open_ones = Delivery.objects.filter(stream_id=str(person.pk), handler="test.react")
    return (
        open_ones.exclude(status__in=("done", "skipped"))
        .order_by("version")
        .values_list("status", flat=True)
        .first()
    )


def test_a_quick_handler_has_its_effect_once() -> None:
    person = make_person()
    with handling(follow):
        happen(person)
        assert deliver_next(lane_of(person), nowhere)
        assert not deliver_next(lane_of(person), nowhere)
    assert (effects(), the_delivery().status) == (1, DeliveryStatus.DONE)


def test_what_waits_in_a_lane_is_delivered_in_one_transaction_and_in_order(committed_db: None) -> None:
    person, seen = make_person(), list[int]()

    def note(happened: Recorded[Happened]) -> None:
        seen.append(happened.version)
        follow(happened)

    with handling(note):
        for _ in range(4):
            happen(person)
        assert deliver_waiting(lane_of(person), 3, nowhere) == 3
        assert deliver_waiting(lane_of(person), 9, nowhere) == 1
        assert deliver_waiting(lane_of(person), 9, nowhere) == 0
    assert seen == sorted(seen)
    assert (len(seen), effects()) == (4, 4)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mes_inbox WHERE handler = 'test.react' GROUP BY xmin ORDER BY 1")
        assert [count for (count,) in cursor.fetchall()] == [1, 3]


def test_of_several_events_the_one_that_fails_fails_alone(three_attempts: None) -> None:
    person, poison = make_person(), set[int]()

    def react(happened: Recorded[Happened]) -> None:
        follow(happened)
        if happened.version in poison:
            raise RuntimeError("Doe^Jane")

    with handling(react):
        for _ in range(4):
            happen(person)
        versions = sorted(Delivery.objects.filter(handler="test.react").values_list("version", flat=True))
        poison.add(versions[2])
        assert deliver_waiting(lane_of(person), 4, nowhere) == 2
        told = Delivery.objects.filter(handler="test.react").order_by("version")
        assert list(told.values_list("status", "attempts")) == [
            ("done", 0), ("done", 0), ("pending", 1), ("pending", 0)
        ]  # fmt: skip
        assert effects() == 2
        poison.clear()
        assert deliver_waiting(lane_of(person), 4, nowhere) == 2
    assert effects() == 4


def test_what_a_worker_computes_is_lent_one_by_one(sent: Sent, send: Callable[[str, int, str], None]) -> None:
    """However many wait: the relay computes nothing, and the lane goes on when the first has come back."""
    person, computed = make_person(), list[int]()
    with handling(lambda happened: lambda: computed.append(happened.version), queue="imaging"):
        for _ in range(3):
            happen(person)
        assert deliver_waiting(lane_of(person), 4, send) == 0
        assert deliver_waiting(lane_of(person), 4, send) == 0
    assert (len(sent), computed) == (1, [])


@pytest.mark.parametrize("queue", ["", "imaging"])
def test_a_delivery_set_back_by_hand_does_not_have_its_effect_again(
    queue: str, sent: Sent, send: Callable[[str, int, str], None]
) -> None:
    """The inbox: whatever brought the delivery back, one run has one effect."""
    person = make_person()
    react = (lambda happened: lambda: follow(happened)) if queue else follow
    with handling(react, queue=queue):
        happen(person)
        for _ in range(2):
            deliver_next(lane_of(person), send)
            while sent:
                run_queued(*sent.pop()[1:])
            assert (effects(), the_delivery().status) == (1, DeliveryStatus.DONE)
            Delivery.objects.filter(handler="test.react").update(status=DeliveryStatus.PENDING)


def test_a_quick_handler_that_fails_leaves_no_effect_and_is_retried_later(three_attempts: None) -> None:
    person, failing = make_person(), Failing()

    def effect_then_failure(happened: Recorded[Happened]) -> None:
        follow(happened)
        failing(happened)

    with handling(effect_then_failure):
        happen(person)
        assert not deliver_next(lane_of(person), nowhere)
    found = the_delivery()
    assert (effects(), found.status, found.attempts) == (0, DeliveryStatus.PENDING, 1)


def test_the_text_of_a_foreign_failure_is_neither_stored_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    person = make_person()
    with handling(Failing()), caplog.at_level(logging.DEBUG):
        happen(person)
        deliver_next(lane_of(person), nowhere)
    assert the_delivery().last_error.startswith("RuntimeError (test_deliveries.py:")
    assert "Doe" not in the_delivery().last_error + caplog.text


def test_waits_between_attempts_double_and_have_a_limit() -> None:
    first = settings.DELIVERY_RETRY_FIRST
    for attempts in range(1, 30):
        expected = min(first * 2 ** (attempts - 1), timedelta(minutes=10))
        assert 0.8 * expected <= delivery.backoff(attempts) <= 1.2 * expected


def test_a_delivery_that_waits_for_its_next_attempt_is_left_alone() -> None:
    person = make_person()
    with handling(follow):
        happen(person)
        Delivery.objects.update(next_at=timezone.now() + timedelta(seconds=30))
        assert not relay.due_lanes()
        assert not deliver_next(lane_of(person), nowhere)
    assert effects() == 0


@pytest.mark.requirement("EV-03")
def test_a_poison_event_holds_only_its_own_stream_and_handler(three_attempts: None) -> None:
    sick, well = make_person(), make_person()

    def choke_on_poison(happened: Recorded[Happened]) -> None:
        if happened.event.note == "poison":
            raise RuntimeError
        follow(happened)

    with handling(choke_on_poison), handling(follow, id="test.other"):
        happen(sick, "poison")
        happen(sick, "behind it")
        happen(well, "elsewhere")
        for _ in range(10):
            relay.relay_once(nowhere)
    by_lane = {
        (row.handler, row.stream_id, row.version): row.status
        for row in Delivery.objects.filter(handler__startswith="test.")
    }
    assert by_lane.pop(("test.react", str(sick.pk), 2)) == DeliveryStatus.DEAD
    assert by_lane.pop(("test.react", str(sick.pk), 3)) == DeliveryStatus.PENDING
    assert set(by_lane.values()) == {DeliveryStatus.DONE}
    assert [row.version for row in dead_deliveries()] == [2]


def test_an_operator_retries_a_dead_delivery_and_the_lane_goes_on(
    three_attempts: None, operator: Actor
) -> None:
    person, failing = make_person(), Failing()
    with handling(failing):
        happen(person, "first")
        happen(person, "second")
        deliver_until_still(person)
        failing.broken = False
        retry_delivery(delivery_id=dead_deliveries().get().pk, actor=operator, reason="the cause is gone")
        deliver_until_still(person)
    assert effects() == 2
    fact = EventRecord.objects.get(type="mes.delivery_retried")
    assert (fact.actor, fact.reason, fact.stream_type) == (str(operator), "the cause is gone", "mes.lane")


@pytest.mark.requirement("P11-10e")
def test_an_operator_skips_a_dead_delivery_with_a_reason(three_attempts: None, operator: Actor) -> None:
    person, failing = make_person(), Failing()
    with handling(failing):
        happen(person, "first")
        happen(person, "second")
        deliver_until_still(person)
        failing.broken = False
        dead = dead_deliveries().get().pk
        with pytest.raises(InvalidInput):
            skip_delivery(delivery_id=dead, actor=operator, reason="  ")
        assert dead_deliveries().exists()
        skip_delivery(delivery_id=dead, actor=operator, reason="superseded")
        deliver_until_still(person)
    assert effects() == 1
    assert EventRecord.objects.get(type="mes.delivery_skipped").reason == "superseded"


def test_a_replay_is_a_new_run_with_a_new_effect(operator: Actor) -> None:
    person = make_person()
    with handling(follow):
        happen(person)
        deliver_next(lane_of(person), nowhere)
        done = the_delivery().pk
        for run in (2, 3):
            replay_delivery(delivery_id=done, actor=operator, reason="the template was wrong")
            assert deliver_next(lane_of(person), nowhere)
            assert (effects(), the_delivery().run) == (run, run)
    assert EventRecord.objects.filter(type="mes.delivery_replayed").count() == 2


def test_nobody_reaches_into_a_lane_that_is_at_work(
    operator: Actor, sent: Sent, send: Callable[[str, int, str], None]
) -> None:
    person = make_person()
    with handling(lambda happened: lambda: follow(happened), queue="imaging"):
        happen(person, "first")
        happen(person, "second")
        deliver_next(lane_of(person), send)
        run_queued(*sent.pop()[1:])
        deliver_next(lane_of(person), send)
        done = Delivery.objects.get(status=DeliveryStatus.DONE).pk
        with pytest.raises(Conflict):
            replay_delivery(delivery_id=done, actor=operator, reason="too early")


def test_only_the_operator_operates_and_only_what_is_there(operator: Actor) -> None:
    with pytest.raises(NotPermitted, match="System administrator"):
        retry_delivery(delivery_id=1, actor=Actor.person(make_person(Role.OPR).pk))
    with pytest.raises(Refused, match="is not given up"):
        retry_delivery(delivery_id=10**9, actor=operator)


def test_a_message_is_taken_once(sent: Sent, send: Callable[[str, int, str], None]) -> None:
    person = make_person()
    with handling(lambda happened: lambda: follow(happened), queue="slicing"):
        happen(person)
        deliver_next(lane_of(person), send)
        ((queue, key, token),) = sent
        assert queue == "slicing"
        assert run_queued(key, token)
        assert not run_queued(key, token)
    assert effects() == 1


@pytest.mark.requirement("EV-03")
def test_a_result_whose_lease_ended_is_refused(sent: Sent, send: Callable[[str, int, str], None]) -> None:
    """The first attempt comes back while the second is computing: only the second one's result is written."""
    person = make_person()

    def compute_too_long(happened: Recorded[Happened]) -> Callable[[], None]:
        Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert bring_back_lost(send) == 1
        assert not deliver_next(lane_of(person), send)
        assert delivery._take(*_message(sent))
        return lambda: follow(happened)

    with handling(compute_too_long, queue="imaging"):
        happen(person)
        deliver_next(lane_of(person), send)
        assert not run_queued(*sent.pop()[1:])
    assert effects() == 0
    assert the_delivery().status == DeliveryStatus.RUNNING


def _message(sent: Sent) -> tuple[int, UUID]:
    _, key, token = sent.pop()
    return key, UUID(token)


def test_the_lease_check_itself_names_the_delivery() -> None:
    person = make_person()
    with handling(lambda happened: None, queue="imaging"):
        happen(person)
        with pytest.raises(LeaseLost, match=str(the_delivery().pk)):
            delivery._require_lease(the_delivery(), uuid4())


def test_a_message_that_the_broker_lost_is_sent_again(
    sent: Sent, send: Callable[[str, int, str], None]
) -> None:
    person = make_person()
    with handling(lambda happened: lambda: follow(happened), queue="imaging"):
        happen(person)
        deliver_next(lane_of(person), send)
        assert bring_back_lost(send) == 0
        Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert bring_back_lost(send) == 1
        first, second = sent
        assert first == second
        assert run_queued(*second[1:])
        assert not run_queued(*first[1:])
    assert effects() == 1


def test_a_worker_that_dies_every_time_is_given_up(
    three_attempts: None, sent: Sent, send: Callable[[str, int, str], None]
) -> None:
    person = make_person()
    with handling(lambda happened: None, queue="imaging"):
        happen(person)
        for _ in range(3):
            deliver_next(lane_of(person), send)
            delivery._take(*_message(sent))
            Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            bring_back_lost(send)
    assert (the_delivery().status, the_delivery().attempts) == (DeliveryStatus.DEAD, 3)


def test_without_a_broker_queued_handlers_wait_and_quick_ones_go_on() -> None:
    tried: list[int] = []

    def away(_queue: str, key: int, _token: str) -> None:
        tried.append(key)
        raise ConnectionError

    people = [make_person() for _ in range(3)]
    with handling(lambda happened: None, id="test.queued", queue="imaging"), handling(follow):
        for person in people:
            happen(person)
        assert relay.relay_once(away) == 3
        waiting = Delivery.objects.filter(handler="test.queued")
        assert {row.status for row in waiting} == {DeliveryStatus.PENDING}
    assert (effects(), len(tried)) == (3, 1)


def test_a_quick_handler_returns_nothing() -> None:
    """A handler that meant to have a queue and has none would lose its effect silently."""
    person = make_person()
    with handling(lambda happened: lambda: follow(happened)):
        happen(person)
        assert not deliver_next(lane_of(person), nowhere)
    assert the_delivery().last_error.startswith("TypeError")


def test_an_unknown_handler_with_open_deliveries_refuses_to_start() -> None:
    person = make_person()
    with handling(follow, id="test.renamed"):
        happen(person)
        relay.refuse_unknown_handlers()
    with pytest.raises(RegistrationError, match=r"test\.renamed \(1\)"):
        relay.run(nowhere, threading.Event())


def test_a_lane_in_use_is_passed_over_at_once(committed_db: None) -> None:
    """The lane's lock: a second relay neither enters the lane nor waits for it."""
    person = make_person()
    inside, leave = threading.Event(), threading.Event()

    def slow(happened: Recorded[Happened]) -> None:
        inside.set()
        assert leave.wait(PATIENCE_S)
        follow(happened)

    def other_relay() -> None:
        deliver_next(lane_of(person), nowhere)
        connections.close_all()

    with handling(slow):
        happen(person)
        thread = threading.Thread(target=other_relay)
        thread.start()
        try:
            assert inside.wait(PATIENCE_S)
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
            assert not deliver_next(lane_of(person), nowhere)
            assert the_delivery().attempts == 0, "it waited for the other relay until it gave up"
        finally:
            leave.set()
            thread.join(PATIENCE_S)
    assert (effects(), the_delivery().status, the_delivery().attempts) == (1, DeliveryStatus.DONE, 0)


def test_the_lease_is_renewed_while_a_handler_computes(
    committed_db: None, settings: object, sent: Sent, send: Callable[[str, int, str], None]
) -> None:
    settings.DELIVERY_RUN_LEASE = timedelta(seconds=0.3)  # type: ignore[attr-defined]
    person = make_person()

    def compute(happened: Recorded[Happened]) -> Callable[[], None]:
        threading.Event().wait(1.0)
        assert bring_back_lost(send) == 0
        return lambda: follow(happened)

    with handling(compute, queue="imaging"):
        happen(person)
        deliver_next(lane_of(person), send)
        assert run_queued(*sent.pop()[1:])
    assert effects() == 1
