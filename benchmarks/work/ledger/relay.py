"""A relay that knows the benchmark's handler. A line of output for each second says how many deliveries are still open."""

from __future__ import annotations

from benchmarks.work.ledger import changes
from mes.eventlog import relay
from mes.stopping import stop_on_signals


def nothing_queued(queue: str, delivery: int, token: str) -> None:
    raise AssertionError(f"the benchmark's handler {changes.note_hold.__name__} has no queue")


print("ready", flush=True)
relay.run(nothing_queued, stop_on_signals())
