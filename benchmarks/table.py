"""Runs rows round-robin, each in a process of its own, and prints one table and one line of JSON. Memory is the peak of the process."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

# The largest a child has been is only told to its parent, and one begins as large as its parent: so each gets a small one.
MEASURED = (
    "import resource, subprocess, sys; rc = subprocess.call(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(rc)"
)


@dataclass
class Row:
    """A command and what was measured of it: seconds of the whole process, or those that it states itself, as JSON."""

    name: str
    command: Sequence[str]
    seconds: list[float] = field(default_factory=list)
    says: str = ""
    states_seconds: bool = False
    peak_mb: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def median_mb(self) -> float:
        return statistics.median(self.peak_mb)


def measure(rows: Sequence[Row], *, rounds: int = 3) -> None:
    """Every row once per round, so that a noisy minute falls on all of them."""
    for _ in range(rounds):
        for row in rows:
            _run(row)


def _run(row: Row) -> None:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *row.command], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{row.name} failed:\n{done.stderr[-2000:]}")
    *said, peak = done.stdout.strip().splitlines()
    row.says = said[-1] if said else ""
    if row.states_seconds:
        stated = json.loads(row.says)
        seconds, row.says = stated["seconds"], stated["says"]
    row.seconds.append(seconds)
    row.peak_mb.append(int(peak) / 1024)


def show(title: str, rows: Sequence[Row], **figures: object) -> None:
    """The table, then one line of JSON: each row's median, and its ratio to the first row (ours)."""
    print(f"\n{title}")
    print(f"{'':32}{'median s':>10}{'min':>8}{'max':>8}{'ratio':>8}  result")
    for row in rows:
        ratio = row.median_s / rows[0].median_s
        print(
            f"{row.name:32}{row.median_s:10.2f}{min(row.seconds):8.2f}{max(row.seconds):8.2f}{ratio:8.2f}  {row.says[:80]}"
        )
    medians = {row.name: round(row.median_s, 3) for row in rows}
    print(json.dumps({"benchmark": title, "median_s": medians, **figures}))
