"""The sealer on demand: a line of input seals what is settled, a line of output says how many seconds that took."""

from __future__ import annotations

import sys
import time

from django.conf import settings

from mes.eventlog.sealing import Sealer, load_key


def main() -> None:
    sealer = Sealer(load_key(settings.KEYS_DIR), settings.WITNESS_DIR / "seals.jsonl")
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.monotonic()
        sealer.seal_once()
        print(time.monotonic() - started, flush=True)


main()
