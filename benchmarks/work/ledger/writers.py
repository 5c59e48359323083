"""Writers in one process: `KIND SECONDS` on a line of input, how many changes were saved on a line of output."""

from __future__ import annotations

import json
import sys
import threading
import time

from django.db import connection

from benchmarks.work.ledger.changes import CHANGES, MODELS


def main(first: int, threads: int, rows: int) -> None:
    """Rows `first` and on belong to this process; each thread keeps to its own."""
    print("ready", flush=True)
    for line in sys.stdin:
        kind, seconds = json.loads(line)
        keys = list(MODELS[kind]._default_manager.order_by("pk").values_list("pk", flat=True))
        mine = [keys[first + n * rows : first + (n + 1) * rows] for n in range(threads)]
        counts = [0] * threads
        until = time.monotonic() + seconds
        workers = [
            threading.Thread(target=_write, args=(kind, mine[n], until, counts, n)) for n in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(sum(counts), flush=True)


def _write(kind: str, keys: list[int], until: float, counts: list[int], mine: int) -> None:
    change = CHANGES[kind]
    try:
        number = 0
        while time.monotonic() < until:
            change(keys[number % len(keys)], number)
            number += 1
        counts[mine] = number
    finally:
        connection.close()


main(*map(int, sys.argv[1:]))
