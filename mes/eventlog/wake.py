"""A hint that something is due. It may be lost: relays poll anyway, so a dead broker costs delay, never data."""

from __future__ import annotations

import logging
import time
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CHANNEL = "lamina:wake"
PAUSE_AFTER_FAILURE_S = 5.0
# A relay that was woken looks again until it finds nothing: in a burst, one hint in this time is enough.
BETWEEN_HINTS_S = 0.05

log = logging.getLogger(__name__)
_silent_until = 0.0


@cache
def broker() -> redis.Redis:
    # A hint is sent once: the client's own retries would slow the change that it follows.
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(
        settings.BROKER_URL, socket_timeout=0.2, socket_connect_timeout=0.2, retry=once
    )


def relays() -> None:
    """Tell waiting relays to look now. In a burst, or after a failure, stay silent for a while instead of slowing every change."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    _silent_until = time.monotonic() + BETWEEN_HINTS_S
    try:
        broker().publish(CHANNEL, b"")
    except redis.RedisError:
        _silent_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
        log.info("the broker does not answer; relays find their work by polling")
