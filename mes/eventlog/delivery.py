"""One event to one handler: at least one attempt, exactly one effect.

Inbox row, effect and the mark "done" are one transaction. A quick handler has it in the relay, under the lane's lock. A
queued handler computes in a worker without a transaction, then commits if its lease still holds. A failure is
recorded in a transaction of its own. All times are the database's: no clock of another machine moves a lease.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Now

from mes.eventlog.base import EVENT_TYPES, Actor, Recorded
from mes.eventlog.statements import run_prepared
from mes.eventlog.subscriptions import HANDLERS, Handler
from mes.eventlog.unit import Cause, caused_by, open_unit
from mes.exceptions import LeaseLost, described
from mes.models import Delivery, DeliveryStatus, EventRecord

log = logging.getLogger(__name__)

LaneKey = tuple[str, str, str]
Send = Callable[[str, int, str], None]
"""Puts (queue, delivery id, lease token) on the broker. Raises ConnectionError where that is away."""
SWEPT_AT_ONCE = 200
TOGETHER = 20
"""Events of one lane in one transaction: more would keep others waiting for what their handler locks."""


def recorded(record: EventRecord) -> Recorded[Any]:
    event_type = EVENT_TYPES[record.type]
    return Recorded(
        event=event_type.from_payload(json.loads(record.payload), record.schema_version),
        uid=record.uid,
        pos=record.pos,
        stream_type=record.stream_type,
        stream_id=record.stream_id,
        version=record.version,
        actor=Actor.parse(record.actor),
        reason=record.reason,
        correlation=record.correlation,
        recorded_at=record.recorded_at,
    )


def deliver_waiting(lane: LaneKey, most: int, send: Send) -> int:
    """Deliver the first open events of a lane, at most this many; returns how many had their effect. Raises as `deliver_next`.

    Those of a quick handler share one transaction, a unit of work each: the lane is locked, and the disk waited for, once.
    Where one of them fails none has happened, and each is tried by itself: a failure is its own event's alone.
    """
    handler = HANDLERS.get(lane[0])
    if most > 1 and handler is not None and not handler.queue:
        try:
            return _deliver_together(handler, lane, most)
        except Exception as failure:  # noqa: BLE001 - which of them it was is found out one by one
            log.info("%s: one of several events failed: %s", handler.id, described(failure))
    made = 0
    while made < most and deliver_next(lane, send):
        made += 1
    return made


def _deliver_together(handler: Handler, lane: LaneKey, most: int) -> int:
    with transaction.atomic():
        heads = _due_heads(lane, most)
        for head in heads:
            with open_unit(savepoint=False):
                _react_now(handler, head)
    return len(heads)


def deliver_next(lane: LaneKey, send: Send) -> bool:
    """Deliver the first open event of a lane, if it is due and no other relay holds the lane. True if it had its effect.

    Raises ConnectionError where a message could not be put on the broker; the delivery then waits for the next round.
    """
    head: Delivery | None = None
    token: UUID | None = None
    try:
        with open_unit():
            head = _due_head(lane)
            if head is None:
                return False
            handler = HANDLERS[head.handler]
            if handler.queue:
                token = _lend(head)
            else:
                _react_now(handler, head)
    except Exception as failure:
        if head is None:
            raise
        record_failure(head.pk, failure)
        return False
    if token is None:
        return True
    _put(head.pk, handler.queue, token, send)
    return False


LOCK_LANE = """
    SELECT 1 FROM mes_lane WHERE handler = %s AND stream_type = %s AND stream_id = %s FOR UPDATE SKIP LOCKED
"""
# Written so that the index over the open deliveries of a lane answers it.
HEADS_OF_LANE = """
    SELECT d.id, d.run, d.status = 'pending' AND d.next_at <= statement_timestamp(), e.pos, e.uid, e.stream_type,
        e.stream_id, e.version, e.type, e.schema_version, e.payload, e.actor, e.reason, e.correlation, e.recorded_at
    FROM (SELECT * FROM mes_delivery WHERE handler = %s AND stream_type = %s AND stream_id = %s
          AND status IN ('pending', 'sent', 'running', 'dead') ORDER BY version LIMIT %s) d
    JOIN mes_event e ON e.pos = d.event_id
    ORDER BY e.version
"""
EVENT_COLUMNS = (
    "pos", "uid", "stream_type", "stream_id", "version", "type", "schema_version", "payload", "actor", "reason",
    "correlation", "recorded_at",
)  # fmt: skip


def _due_head(lane: LaneKey) -> Delivery | None:
    return next(iter(_due_heads(lane, 1)), None)


def _due_heads(lane: LaneKey, most: int) -> list[Delivery]:
    """Lock the lane and find its first open deliveries, as far as they are due. None where another relay is inside.

    The second statement sees what was committed before the lock was taken.
    """
    locked, heads = run_prepared((LOCK_LANE, lane), (HEADS_OF_LANE, (*lane, most)))
    due = takewhile(itemgetter(2), heads if locked else ())
    return [_delivery(lane[0], *head) for head in due]


def _delivery(handler: str, key: int, run: int, _due: bool, *columns: Any) -> Delivery:
    event = EventRecord(**dict(zip(EVENT_COLUMNS, columns, strict=True)))
    return Delivery(id=key, handler=handler, run=run, event=event)


def _react_now(handler: Handler, delivery: Delivery) -> None:
    def effect() -> None:
        if handler.react(recorded(delivery.event)) is not None:
            raise TypeError(f"handler {handler.id} has no queue, so it writes and returns nothing")

    _have_effect(delivery, effect)


# A run that the inbox knows already had its effect: however its delivery came back, only the mark is made.
ENTER_INBOX = """
    WITH done AS (
        UPDATE mes_delivery SET status = 'done', lease_token = NULL, lease_until = NULL, last_error = '' WHERE id = %s
    )
    INSERT INTO mes_inbox (handler, event_id, run) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1
"""


def _have_effect(delivery: Delivery, effect: Callable[[], object]) -> None:
    """Inbox row, mark and effect, in the running unit. What the effect publishes points back at the event."""
    entry = (delivery.pk, delivery.handler, delivery.event_id, delivery.run)
    (entered,) = run_prepared((ENTER_INBOX, entry))
    if entered:
        with caused_by(Cause(delivery.event.correlation, delivery.event.uid)):
            effect()
    else:
        log.warning("delivery %s: the inbox knows run %s already", delivery.pk, delivery.run)


def _lend(delivery: Delivery) -> UUID:
    """Mark a delivery as sent, under a new token. Its lane waits until it comes back."""
    token = uuid4()
    Delivery.objects.filter(pk=delivery.pk).update(
        status=DeliveryStatus.SENT,
        lease_token=token,
        lease_until=Now() + settings.DELIVERY_QUEUE_LEASE,
    )
    return token


def _put(delivery_id: int, queue: str, token: UUID, send: Send) -> None:
    try:
        send(queue, delivery_id, str(token))
    except ConnectionError:
        sent = Delivery.objects.filter(pk=delivery_id, status=DeliveryStatus.SENT, lease_token=token)
        sent.update(
            status=DeliveryStatus.PENDING,
            next_at=Now() + settings.DELIVERY_RETRY_FIRST,
            lease_token=None,
            lease_until=None,
        )
        raise


def run_queued(delivery_id: int, token: str) -> bool:
    """What a worker does with a message: take the delivery, compute, commit. False where the message is out of date."""
    lease = _take(delivery_id, UUID(token))
    if lease is None:
        log.info("delivery %s: an older message, or one taken already", delivery_id)
        return False
    delivery = Delivery.objects.select_related("event").get(pk=delivery_id)
    try:
        with _kept_alive(delivery_id, lease):
            effect = HANDLERS[delivery.handler].react(recorded(delivery.event))
        _commit(delivery, lease, effect or _nothing)
    except LeaseLost:
        log.warning("delivery %s: the lease ended before the result was ready", delivery_id)
        return False
    except Exception as failure:  # noqa: BLE001 - recorded on the delivery, and shown to the operator
        record_failure(delivery_id, failure, lease=lease)
        return False
    return True


def _nothing() -> None:
    """The effect of a handler that found nothing to do."""


def _take(delivery_id: int, token: UUID) -> UUID | None:
    """Exchange the message's token for a lease of this attempt alone, so that a second message finds nothing."""
    lease = uuid4()
    taken = Delivery.objects.filter(pk=delivery_id, status=DeliveryStatus.SENT, lease_token=token).update(
        status=DeliveryStatus.RUNNING,
        lease_token=lease,
        lease_until=Now() + settings.DELIVERY_RUN_LEASE,
    )
    return lease if taken else None


def _commit(delivery: Delivery, lease: UUID, effect: Callable[[], object]) -> None:
    with open_unit():
        _require_lease(delivery, lease)
        _have_effect(delivery, effect)


def _require_lease(delivery: Delivery, lease: UUID) -> None:
    """Lock the delivery, if this attempt still owns it. A result computed under a lease that ended is not written."""
    owned = Delivery.objects.select_for_update().filter(
        pk=delivery.pk, status=DeliveryStatus.RUNNING, lease_token=lease
    )
    if owned.values_list("pk").first() is None:
        raise LeaseLost(f"delivery {delivery.pk}")


@contextmanager
def _kept_alive(delivery_id: int, lease: UUID) -> Iterator[None]:
    """Renew the lease from a thread (with a connection of its own) while the handler computes."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_renew, args=(delivery_id, lease, stop), daemon=True, name=f"lease-{delivery_id}"
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _renew(delivery_id: int, lease: UUID, stop: threading.Event) -> None:
    period = settings.DELIVERY_RUN_LEASE.total_seconds() / 3
    try:
        while not stop.wait(period):
            try:
                Delivery.objects.filter(pk=delivery_id, lease_token=lease).update(
                    lease_until=Now() + settings.DELIVERY_RUN_LEASE
                )
            except (OperationalError, InterfaceError) as failure:
                log.warning("delivery %s: the lease is not renewed: %s", delivery_id, type(failure).__name__)
                close_old_connections()
    finally:
        connection.close()


def backoff(attempts: int) -> timedelta:
    """1 s doubled each time, at most ten minutes, with jitter."""
    seconds = min(settings.DELIVERY_RETRY_FIRST.total_seconds() * 2 ** (attempts - 1), 600.0)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret


def record_failure(delivery_id: int, failure: BaseException, *, lease: UUID | None = None) -> None:
    """Count the attempt, in a transaction of its own. After the last one the delivery is dead and holds its lane."""
    what = described(failure)
    with transaction.atomic():
        rows = Delivery.objects.select_for_update().filter(pk=delivery_id)
        rows = rows.filter(lease_token=lease) if lease else rows.filter(status=DeliveryStatus.PENDING)
        delivery = rows.first()
        if delivery is None:
            return
        attempts = delivery.attempts + 1
        dead = attempts >= settings.DELIVERY_ATTEMPTS
        log.error("delivery %s to %s, attempt %s: %s", delivery_id, delivery.handler, attempts, what)
        Delivery.objects.filter(pk=delivery_id).update(
            attempts=attempts,
            status=DeliveryStatus.DEAD if dead else DeliveryStatus.PENDING,
            next_at=Now() + backoff(attempts),
            lease_token=None,
            lease_until=None,
            last_error=what[:2000],
        )


def bring_back_lost(send: Send) -> int:
    """Sweep: send again what the broker lost, and give back what a dead worker held. Returns how many moved."""
    return _give_back_abandoned() + _send_again(send)


def _send_again(send: Send) -> int:
    """The same token again: of several messages for one delivery, the first to arrive wins."""
    with transaction.atomic():
        lost = list(_overdue(DeliveryStatus.SENT).values_list("pk", "handler", "lease_token"))
        Delivery.objects.filter(pk__in=[pk for pk, _, _ in lost]).update(
            lease_until=Now() + settings.DELIVERY_QUEUE_LEASE
        )
    for pk, handler, token in lost:
        if token is not None:
            _put(pk, HANDLERS[handler].queue, token, send)
    return len(lost)


def _give_back_abandoned() -> int:
    with transaction.atomic():
        pks = list(_overdue(DeliveryStatus.RUNNING).values_list("pk", flat=True))
        last = Q(attempts__gte=settings.DELIVERY_ATTEMPTS - 1)
        status = Case(When(last, then=Value("dead")), default=Value("pending"))
        return Delivery.objects.filter(pk__in=pks).update(
            status=status,
            next_at=Now(),
            last_error="the worker died, or stopped renewing its lease",
            lease_token=None,
            lease_until=None,
            attempts=F("attempts") + 1,
        )


def _overdue(status: DeliveryStatus) -> QuerySet[Delivery]:
    """Deliveries whose lease ran out, locked; a worker that is committing at this moment is left alone."""
    overdue = Delivery.objects.filter(status=status, lease_until__lt=Now()).order_by("pk")
    return overdue.select_for_update(skip_locked=True)[:SWEPT_AT_ONCE]
