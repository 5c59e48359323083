"""How fast `manage.py verify` reads a long log, and how much memory that takes, at two lengths.

`per_second` is what verify itself says: events over the time of the log part (leaves, seals, witness, streams).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

from benchmarks.table import MEASURED
from mes.embedded.roles import SUPERUSER, VARIABLES, Role
from tests.servers import BASE, FAITHFUL, ROOT, seeded, url

LENGTHS = (200_000, 400_000)
ROUNDS = 3


def main() -> None:
    print(f"\nverify\n{'events':>10}{'seal s':>10}{'per second':>13}{'all s':>9}{'MB':>7}")
    figures = [_measured(events) for events in LENGTHS]
    print(json.dumps({"benchmark": "verify", "lengths": figures}))


def _measured(events: int) -> dict[str, Any]:
    place = ROOT / f"bench-{events}"
    # What a run that was stopped has left: its witness knows another log.
    shutil.rmtree(place, ignore_errors=True)
    cluster = seeded(place, FAITHFUL)
    cluster.start_postgres()
    try:
        # One login that may write what `app`, `sealer` and `owner` write between them.
        environment = cluster.environment() | {VARIABLES[Role.APP]: url(cluster.address(SUPERUSER))}
        written = _run(environment, "-m", "benchmarks.work.ledger.longlog", str(events))
        environment[VARIABLES[Role.APP]] = url(cluster.address(Role.APP.login))
        rounds = [_run(environment, "manage.py", "verify", "--json") for _ in range(ROUNDS)]
    finally:
        cluster.stop()
        shutil.rmtree(place)
    best = max(rounds, key=lambda found: found["per_second"])
    assert all(found["result"] == "VALID" for found in rounds), rounds
    rates = sorted(found["per_second"] for found in rounds)
    print(
        f"{events:10}{written['seal_s']:10.1f}{rates[len(rates) // 2]:13}{best['seconds']:9.1f}{best['memory_mb']:7.0f}"
    )
    return {
        "events": events,
        "per_second": rates,
        "memory_mb": best["memory_mb"],
        "seal_s": written["seal_s"],
        "seconds": best["seconds"],
    }


def _run(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, *arguments],
        cwd=BASE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    *_, said, memory = done.stdout.strip().splitlines()
    return {**json.loads(said), "memory_mb": int(memory) / 1024}
