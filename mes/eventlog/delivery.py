"""One event to one handler: at least one attempt, exactly one effect.

A quick handler's effect, its inbox row and the mark "done" are one transaction, holding the lane's lock. A queued
handler computes in a worker without a transaction, then commits effect, inbox and mark together, if its lease still
holds. A failure is recorded in a transaction of its own.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from mes.eventlog.base import EVENT_TYPES, Actor, Recorded
from mes.eventlog.subscriptions import HANDLERS, Effect, Handler
from mes.eventlog.unit import Cause, caused_by, open_unit
from mes.exceptions import LeaseLost
from mes.models import Delivery, DeliveryStatus, EventRecord, Inbox, Lane
from mes.models.eventlog import OPEN_STATUSES

log = logging.getLogger(__name__)

LaneKey = tuple[str, str, str]
Send = Callable[[str, int, str], None]
"""Puts (queue, delivery id, lease token) on the broker."""


def recorded(record: EventRecord) -> Recorded[Any]:
    event_type = EVENT_TYPES[record.type]
    return Recorded(
        event=event_type.from_payload(json.loads(record.payload)),
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


def deliver_next(lane: LaneKey, send: Send) -> bool:
    """Deliver the first open event of a lane, if it is due and no other relay holds the lane. True if it moved on."""
    delivery_id = None
    try:
        with open_unit():
            if not _lock_lane(lane):
                return False
            delivery = _head(lane)
            if (
                delivery is None
                or delivery.status != DeliveryStatus.PENDING
                or delivery.next_at > timezone.now()
            ):
                return False
            delivery_id = delivery.pk
            handler = HANDLERS[delivery.handler]
            if handler.queue:
                _send_to_worker(handler, delivery, send)
                return False
            with _caused_by(delivery.event):
                handler.react(recorded(delivery.event))
                _finish(delivery)
        return True
    except Exception as failure:
        if delivery_id is None:
            raise
        record_failure(delivery_id, failure)
        return False


def _lock_lane(lane: LaneKey) -> bool:
    handler, stream_type, stream_id = lane
    held = Lane.objects.select_for_update(skip_locked=True)
    return bool(
        held.filter(handler=handler, stream_type=stream_type, stream_id=stream_id).values_list("pk").first()
    )


def _head(lane: LaneKey) -> Delivery | None:
    handler, stream_type, stream_id = lane
    open_ones = Delivery.objects.filter(
        handler=handler, stream_type=stream_type, stream_id=stream_id, status__in=OPEN_STATUSES
    )
    return open_ones.select_related("event").order_by("version").first()


@contextmanager
def _caused_by(record: EventRecord) -> Iterator[None]:
    """Events that a handler publishes in the same unit point back at the one it reacts to."""
    with caused_by(Cause(record.correlation, record.uid)):
        yield


def _finish(delivery: Delivery) -> None:
    """Mark the effect as happened. The inbox row refuses a second effect of the same run."""
    Inbox.objects.create(handler=delivery.handler, event_id=delivery.event_id, run=delivery.run)
    Delivery.objects.filter(pk=delivery.pk).update(
        status=DeliveryStatus.DONE, lease_token=None, lease_until=None, last_error=""
    )


def _send_to_worker(handler: Handler, delivery: Delivery, send: Send) -> None:
    token = uuid4()
    Delivery.objects.filter(pk=delivery.pk).update(
        status=DeliveryStatus.SENT,
        lease_token=token,
        lease_until=timezone.now() + settings.DELIVERY_QUEUE_LEASE,
    )
    delivery_id = delivery.pk
    transaction.on_commit(lambda: send(handler.queue, delivery_id, str(token)))


def run_queued(delivery_id: int, token: str) -> bool:
    """What a worker does with a message: take the delivery, compute, commit. False where the message is out of date."""
    lease = _take(delivery_id, UUID(token))
    if lease is None:
        log.info("delivery %s: an older message, or one taken already", delivery_id)
        return False
    delivery = Delivery.objects.select_related("event").get(pk=delivery_id)
    handler = HANDLERS[delivery.handler]
    try:
        with _kept_alive(delivery_id, lease):
            effect = handler.react(recorded(delivery.event))
        _commit(delivery, lease, effect)
    except LeaseLost:
        log.warning("delivery %s: the lease ended before the result was ready", delivery_id)
        return False
    except Exception as failure:  # noqa: BLE001 - recorded on the delivery, and shown to the operator
        record_failure(delivery_id, failure, lease=lease)
        return False
    return True


def _take(delivery_id: int, token: UUID) -> UUID | None:
    lease = uuid4()
    taken = Delivery.objects.filter(pk=delivery_id, status=DeliveryStatus.SENT, lease_token=token).update(
        status=DeliveryStatus.RUNNING,
        lease_token=lease,
        lease_until=timezone.now() + settings.DELIVERY_RUN_LEASE,
    )
    return lease if taken else None


def _commit(delivery: Delivery, lease: UUID, effect: Effect | None) -> None:
    with _caused_by(delivery.event), open_unit():
        held = Delivery.objects.select_for_update().filter(
            pk=delivery.pk, status=DeliveryStatus.RUNNING, lease_token=lease
        )
        if not held.exists():
            raise LeaseLost(f"delivery {delivery.pk}")
        if effect is not None:
            effect()
        _finish(delivery)


@contextmanager
def _kept_alive(delivery_id: int, lease: UUID) -> Iterator[None]:
    """Renew the lease from a thread (with a connection of its own) while the handler computes."""
    stop = threading.Event()

    def renew() -> None:
        period = settings.DELIVERY_RUN_LEASE.total_seconds() / 3
        while not stop.wait(period):
            Delivery.objects.filter(pk=delivery_id, lease_token=lease).update(
                lease_until=timezone.now() + settings.DELIVERY_RUN_LEASE
            )
        connection.close()

    thread = threading.Thread(target=renew, daemon=True, name=f"lease-{delivery_id}")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def backoff(attempts: int) -> timedelta:
    """1 s doubled each time, at most ten minutes, with jitter."""
    seconds = min(settings.DELIVERY_RETRY_FIRST.total_seconds() * 2 ** (attempts - 1), 600.0)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret


def record_failure(delivery_id: int, failure: BaseException, *, lease: UUID | None = None) -> None:
    """Count the attempt, in a transaction of its own. After the last one the delivery is dead and holds its lane."""
    with transaction.atomic():
        rows = Delivery.objects.select_for_update().filter(pk=delivery_id)
        rows = rows.filter(lease_token=lease) if lease else rows.filter(status=DeliveryStatus.PENDING)
        delivery = rows.first()
        if delivery is None:
            return
        attempts = delivery.attempts + 1
        dead = attempts >= settings.DELIVERY_ATTEMPTS
        # The type and the place of the failure, not its text: an exception's text may carry what no log may hold.
        log.error(
            "delivery %s to %s failed (attempt %s)", delivery_id, delivery.handler, attempts, exc_info=failure
        )
        Delivery.objects.filter(pk=delivery_id).update(
            attempts=attempts,
            status=DeliveryStatus.DEAD if dead else DeliveryStatus.PENDING,
            next_at=timezone.now() + backoff(attempts),
            lease_token=None,
            lease_until=None,
            last_error=f"{type(failure).__name__}: {failure}"[:2000],
        )


def bring_back_lost(send: Send) -> int:
    """Sweep: send again what the broker lost, and give back what a dead worker held. Returns how many moved."""
    now = timezone.now()
    unsent = Delivery.objects.filter(status=DeliveryStatus.SENT, lease_until__lt=now)
    moved = 0
    for delivery in unsent.values("pk", "handler", "lease_token")[:200]:
        # The same token again: of several messages for one delivery, the first to arrive wins.
        renewed = Delivery.objects.filter(
            pk=delivery["pk"],
            status=DeliveryStatus.SENT,
            lease_token=delivery["lease_token"],
            lease_until__lt=now,
        ).update(lease_until=now + settings.DELIVERY_QUEUE_LEASE)
        if renewed:
            send(HANDLERS[delivery["handler"]].queue, delivery["pk"], str(delivery["lease_token"]))
            moved += 1
    lost = Delivery.objects.filter(status=DeliveryStatus.RUNNING, lease_until__lt=now)
    limit = settings.DELIVERY_ATTEMPTS - 1
    ended = {"lease_token": None, "lease_until": None, "attempts": F("attempts") + 1}
    moved += lost.filter(attempts__gte=limit).update(
        status=DeliveryStatus.DEAD, last_error="the worker died each time", **ended
    )
    return moved + lost.filter(attempts__lt=limit).update(
        status=DeliveryStatus.PENDING, next_at=now, last_error="the worker died", **ended
    )
