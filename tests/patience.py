"""How long a test waits for what must come. A busy machine is slow, and a sound one never waits so long."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import connection

PATIENCE_S = 120.0


def await_waiting(or_until: Callable[[], bool] = lambda: False) -> None:
    """Until somebody waits for a lock of the database, or something else came that shows nobody does."""
    ends = time.monotonic() + PATIENCE_S
    with connection.cursor() as cursor:
        while time.monotonic() < ends:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] or or_until():
                return
            time.sleep(0.02)
    raise AssertionError("the second did not wait for the first")
