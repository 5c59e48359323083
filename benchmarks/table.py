"""Runs rows round-robin, each in a process of its own, and prints one table and one line of JSON."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """A command and what was measured of it: seconds of the whole process."""

    name: str
    command: Sequence[str]
    seconds: list[float] = field(default_factory=list)
    says: str = ""

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


def measure(rows: Sequence[Row], *, rounds: int = 3) -> None:
    """Every row once per round, so that a noisy minute falls on all of them."""
    for _ in range(rounds):
        for row in rows:
            started = time.perf_counter()
            done = subprocess.run(row.command, capture_output=True, text=True, check=False)
            row.seconds.append(time.perf_counter() - started)
            if done.returncode:
                raise SystemExit(f"{row.name} failed:\n{done.stderr[-2000:]}")
            row.says = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


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
