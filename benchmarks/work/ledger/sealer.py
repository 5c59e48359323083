"""The sealer as it runs in production, on demand: a line of input starts it, the next stops it. A line of output then says how
many seconds it took, after the stop, until all that is settled was sealed."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import connection

from mes.eventlog.sealing import Sealer, load_key, run


def main() -> None:
    sealer = Sealer(load_key(settings.KEYS_DIR), settings.WITNESS_DIR / "seals.jsonl")
    print("ready", flush=True)
    with ThreadPoolExecutor(1) as beside:
        for _ in sys.stdin:
            stop = threading.Event()
            sealing = beside.submit(_run, sealer, stop)
            print("sealing", flush=True)
            sys.stdin.readline()
            stopped = time.monotonic()
            stop.set()
            sealing.result()
            print(time.monotonic() - stopped, flush=True)


def _run(sealer: Sealer, stop: threading.Event) -> None:
    try:
        run(sealer, stop)
    finally:
        connection.close()


main()
