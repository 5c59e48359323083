"""The push side of live screens. Lossy by design: nothing of the record depends on it.

State: the layer says that a printer's stream is at a version; whoever listens reads the database. Telemetry: the newest
values of each printer lie in the broker under (lease epoch, counter); the layer says that there are newer ones.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import redis
import redis.asyncio
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from printing.selectors.fleet import printer_versions

log = logging.getLogger(__name__)

GROUP = "fleet"
KEEP_S = 120
PAUSE_AFTER_FAILURE_S = 5.0
_silent_until = 0.0


def tell_after_commit(printer_id: int) -> None:
    """Once this unit is committed, say that the printer changed."""
    transaction.on_commit(partial(_tell, printer_id), robust=True)


def _tell(printer_id: int) -> None:
    """A lost word is repaired by the next heartbeat, so a silent broker is left alone for a while."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    message = {
        "type": "printer.moved",
        "printer": printer_id,
        "version": printer_versions([printer_id]).get(printer_id, 0),
    }
    try:
        async_to_sync(_send)(message)
    except (OSError, redis.RedisError) as failure:
        _silent_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
        log.info("live screens are told by heartbeat only: %s", type(failure).__name__)


async def _send(message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        await layer.group_send(GROUP, message)


class Telemetry:
    """The newest values of each printer, in the broker. One for each event loop; close it there."""

    def __init__(self) -> None:
        self._broker = redis.asyncio.Redis.from_url(
            settings.BROKER_URL, socket_timeout=1.0, socket_connect_timeout=1.0
        )

    async def put(self, printer_id: int, values: Mapping[str, Any]) -> None:
        """Replace a printer's values and say so. `values` carries "epoch" and "counter"."""
        await self._broker.set(_key(printer_id), json.dumps(values), ex=KEEP_S)
        await _send(
            {
                "type": "printer.telemetry",
                "printer": printer_id,
                "epoch": values["epoch"],
                "counter": values["counter"],
            }
        )

    async def get(self, printer_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        keys = list(printer_ids)
        if not keys:
            return {}
        found = await self._broker.mget([_key(key) for key in keys])
        return {key: json.loads(text) for key, text in zip(keys, found, strict=True) if text}

    async def close(self) -> None:
        await self._broker.aclose()


def _key(printer_id: int) -> str:
    return f"lamina:telemetry:{printer_id}"
