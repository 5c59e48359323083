"""What the record costs: the same change saved plainly, by Lamina, with django-simple-history and with django-auditlog.

One row is locked, changed and saved. Lamina also writes the event, its digest, the deliveries and the field history, and
seals: the time of sealing counts. All four take turns in one run on one durable PostgreSQL. Then the whole way, through
service, log, relay and handler, and how fast `verify` reads what was written.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks.peers import packages
from benchmarks.work.cluster import PROJECT, cluster

PLAIN, OURS = "plain save", "Lamina"
KINDS = (PLAIN, OURS, "django-simple-history", "django-auditlog")
PEERS = ("django-simple-history==3.13.0", "django-auditlog==3.4.1")
ROWS_EACH = 20
ROUND_S = 4.0
ROUNDS = 5
SUSTAINED_S = 20.0
Rates = Mapping[str, Sequence[float]]


class Helper:
    """A process that answers each line of input with a line of output."""

    def __init__(self, module: str, *words: object, environment: dict[str, str]) -> None:
        argv = [sys.executable, "-m", f"benchmarks.work.ledger.{module}", *map(str, words)]
        self.process = subprocess.Popen(
            argv, cwd=PROJECT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Helper:
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, *words: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended with {self.process.wait()}")
        return line.strip()


def main() -> None:
    with cluster() as environment:
        environment |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.work.ledger.settings",
            "PYTHONPATH": str(packages("ledger", *PEERS)),
        }
        tables = [sys.executable, "-m", "benchmarks.work.ledger.tables", "400"]
        subprocess.run(tables, cwd=PROJECT, env=environment, check=True)
        one = _rates(environment, processes=1, threads=1)
        sixteen = _rates(environment, processes=2, threads=8)
        # Before the deliveries of these rounds are passed over, which `verify` would rightly name.
        verify = _verified(environment)
        changes = _sustained(environment)
    _show("one writer", one)
    _show("sixteen writers", sixteen)
    print(
        f"\nservice, log, relay and handler: {changes:.0f} changes per second, sustained for {SUSTAINED_S:.0f} s"
    )
    print(
        f"verify: {verify['per_second']} events per second over {verify['events']} events: {verify['result']}"
        + (f", {verify['first_bad']}" if verify["first_bad"] else "")
    )
    figures = {
        "ratio_plain_1": round(_ratio(one, OURS), 2),
        "ratio_plain_16": round(_ratio(sixteen, OURS), 2),
        "changes_per_s": round(changes),
        "verify_per_s": verify["per_second"],
    }
    print(json.dumps({"benchmark": "ledger", **figures}))


def _rates(environment: dict[str, str], *, processes: int, threads: int) -> Rates:
    """Saves per second of each kind, once per round and in turn, so that a noisy minute falls on all of them."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                Helper("writers", n * threads * ROWS_EACH, threads, ROWS_EACH, environment=environment)
            )
            for n in range(processes)
        ]
        sealer = stack.enter_context(Helper("sealer", environment=_as_sealer(environment)))
        for number in range(ROUNDS + 1):
            for kind in KINDS:
                rate = _round(writers, sealer, kind)
                if number:  # the first round warms every one of them up
                    found[kind].append(rate)
    return found


def _round(writers: Sequence[Helper], sealer: Helper, kind: str) -> float:
    for writer in writers:
        writer.ask(kind, ROUND_S)
    saved = sum(int(writer.answer()) for writer in writers)
    seconds = ROUND_S
    if kind == OURS:
        sealer.ask()
        seconds += float(sealer.answer())
    return saved / seconds


def _sustained(environment: dict[str, str]) -> float:
    """Changes per second from the service's call to the handler's effect, until the last one had its effect."""
    with ExitStack() as stack:
        backlog = stack.enter_context(Helper("backlog", environment=environment))
        backlog.ask("forget")
        backlog.answer()
        stack.enter_context(Helper("relay", environment=environment))
        writer = stack.enter_context(Helper("writers", 0, 4, ROWS_EACH, environment=environment))
        started = time.monotonic()
        writer.ask(OURS, SUSTAINED_S)
        saved = int(writer.answer())
        backlog.ask("await")
        backlog.answer()
        return saved / (time.monotonic() - started)


def _verified(environment: dict[str, str]) -> dict[str, object]:
    with Helper("sealer", environment=_as_sealer(environment)) as sealer:
        sealer.ask()
        sealer.answer()
    plain = environment | {"DJANGO_SETTINGS_MODULE": "mes.settings"}
    command = [sys.executable, "manage.py", "verify", "--json"]
    done = subprocess.run(command, cwd=PROJECT, env=plain, capture_output=True, text=True, check=False)
    verdict: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return verdict


def _as_sealer(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"LAMINA_ROLE": "sealer"}


def _ratio(rates: Rates, kind: str) -> float:
    """How many plain saves one save of this kind costs: the median over the rounds, each beside its own plain one."""
    return statistics.median(plain / own for plain, own in zip(rates[PLAIN], rates[kind], strict=True))


def _show(title: str, rates: Rates) -> None:
    print(f"\nledger: one change, {title}")
    print(f"{'':24}{'per second':>12}{'min':>8}{'max':>8}{'× plain':>10}")
    for kind in KINDS:
        own = rates[kind]
        print(
            f"{kind:24}{statistics.median(own):12.0f}{min(own):8.0f}{max(own):8.0f}{_ratio(rates, kind):10.2f}"
        )
