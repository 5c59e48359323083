"""Finds what is due and delivers it. Any number of relays may run: a lane is held by one at a time."""

from __future__ import annotations

import logging
import threading
import time

import redis
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import Count

from mes.eventlog import wake
from mes.eventlog.delivery import (
    TOGETHER,
    LaneKey,
    Send,
    bring_back_lost,
    deliver_next,
    deliver_waiting,
    run_queued,
)
from mes.eventlog.subscriptions import HANDLERS
from mes.models import Delivery
from mes.models.eventlog import OPEN_STATUSES
from mes.registry import RegistrationError

POLL_S = 0.2
SWEEP_S = 1.0
LANES_AT_ONCE = 200
EVENTS_PER_LANE = 100

log = logging.getLogger(__name__)

# Heads of lanes that are due. One pass over the open deliveries in the order of their index: a lane that stands still
# with thousands behind its dead head costs one to three milliseconds for each thousand; asking of each delivery whether
# an earlier one is open was measured at thirteen to twenty-eight. Found without a lock; `deliver_next` looks again under the lane's lock.
# A lane that no relay has held yet is made, so that there is something to lock: that costs no change anything.
DUE_LANES = """
    WITH due AS MATERIALIZED (
        SELECT handler, stream_type, stream_id, next_at, waiting FROM (
            SELECT DISTINCT ON (handler, stream_type, stream_id) handler, stream_type, stream_id, status, next_at,
                count(*) OVER (PARTITION BY handler, stream_type, stream_id) AS waiting
            FROM mes_delivery WHERE status IN ('pending', 'sent', 'running', 'dead')
            ORDER BY handler, stream_type, stream_id, version) head
        WHERE status = 'pending' AND next_at <= statement_timestamp()
        ORDER BY next_at LIMIT %s
    ), made AS (
        INSERT INTO mes_lane (handler, stream_type, stream_id)
        SELECT handler, stream_type, stream_id FROM due
        WHERE NOT EXISTS (SELECT 1 FROM mes_lane l WHERE (l.handler, l.stream_type, l.stream_id)
            = (due.handler, due.stream_type, due.stream_id))
        ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
    )
    SELECT handler, stream_type, stream_id, waiting FROM due ORDER BY next_at
"""


def refuse_unknown_handlers() -> None:
    """A handler id with open deliveries that no code declares would strand them: refuse to start, naming it."""
    waiting = Delivery.objects.filter(status__in=OPEN_STATUSES).exclude(handler__in=list(HANDLERS))
    if rows := list(waiting.values_list("handler").annotate(Count("pk")).order_by("handler")):
        named = ", ".join(f"{handler} ({count})" for handler, count in rows)
        raise RegistrationError(f"undelivered events wait for handlers that no longer exist: {named}")


def due_lanes() -> dict[LaneKey, int]:
    """Lanes whose first open delivery is due, each with how many are open; those that are new have their row from here on."""
    with connection.cursor() as cursor:
        cursor.execute(DUE_LANES, [LANES_AT_ONCE])
        return {(handler, kind, key): waiting for handler, kind, key, waiting in cursor.fetchall()}


def relay_once(send: Send, stop: threading.Event | None = None) -> int:
    """One round over everything that is due. Returns how many deliveries had their effect.

    Where the broker is away, queued handlers wait for the next round and quick ones go on.
    """
    made, broker_away = 0, False
    for lane, waiting in due_lanes().items():
        if stop is not None and stop.is_set():
            break
        if broker_away and _is_queued(lane):
            continue
        try:
            made += _deliver_lane(lane, min(waiting, EVENTS_PER_LANE), send)
        except ConnectionError:
            broker_away = True
            log.warning("the broker is away: queued handlers wait")
    return made


def deliver_here(lane: LaneKey) -> None:
    """Deliver the first event of a lane in this process, a queued handler's too, unless a relay or a worker has it: what
    somebody waits for at the console then needs no other process."""

    def send(_queue: str, key: int, token: str) -> None:
        run_queued(key, token)

    due_lanes()  # a lane that no relay has held yet is made, so that there is something to lock
    deliver_next(lane, send)


def _deliver_lane(lane: LaneKey, waiting: int, send: Send) -> int:
    """As many as were waiting, so that none is looked for in vain: what has come since is found in the next round."""
    made = 0
    while made < waiting and (more := deliver_waiting(lane, min(waiting - made, TOGETHER), send)):
        made += more
    return made


def _is_queued(lane: LaneKey) -> bool:
    handler = HANDLERS.get(lane[0])
    return handler is not None and bool(handler.queue)


def run(send: Send, stop: threading.Event) -> None:
    """Deliver until told to stop. A lost database or broker is waited for."""
    refuse_unknown_handlers()
    hint = Hint()
    swept = 0.0
    while not stop.is_set():
        try:
            made = relay_once(send, stop)
            if time.monotonic() - swept > SWEEP_S:
                swept = time.monotonic()
                bring_back_lost(send)
        except (OperationalError, InterfaceError, ConnectionError) as failure:
            log.warning("the relay waits: %s", type(failure).__name__)
            close_old_connections()
            made = 0
            stop.wait(1.0)
        if not made:
            hint.wait(POLL_S)


class Hint:
    """Waits for a wake-up or the poll interval, whichever comes first."""

    def __init__(self) -> None:
        self._pubsub: redis.client.PubSub | None = None

    def wait(self, seconds: float) -> None:
        started = time.monotonic()
        try:
            if self._pubsub is None:
                self._pubsub = wake.broker().pubsub()  # type: ignore[no-untyped-call]
                self._pubsub.subscribe(wake.CHANNEL)
            self._pubsub.get_message(timeout=seconds)
            # A burst of changes is one reason to look, not a thousand.
            while self._pubsub.get_message(timeout=0) is not None:
                pass
        except redis.RedisError:
            self._pubsub = None
            time.sleep(max(0.0, seconds - (time.monotonic() - started)))
