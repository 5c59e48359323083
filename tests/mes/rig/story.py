"""What the tests do with the rig, and what must hold afterwards."""

import json
import os
import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import connections

from mes.eventlog.unit import publish, unit_of_work
from mes.models import Delivery, DeliveryStatus, EventRecord, Patient, Person
from tests.mes.makers import make_patient, make_person
from tests.mes.processes import wait_until
from tests.mes.rig.events import Noticed, Poked
from tests.mes.rig.handlers import QUEUED, QUICK, RIG

Pair = tuple[Person, Patient]


def make_pairs(count: int) -> list[Pair]:
    """Roots to poke, each with the root that mirrors what its handlers did."""
    return [(make_person(), make_patient()) for _ in range(count)]


@unit_of_work
def poke(*, root: Person, mirror: Patient) -> None:
    publish(root, Poked(mirror=mirror.pk), actor=RIG)


def poke_from_threads(pairs: list[Pair], *, writers: int, each: int, seed: int = 0) -> None:
    """`writers` threads, `each` pokes by every one of them, over the pairs in a seeded random order."""

    def write(number: int) -> None:
        chance = random.Random(f"{seed}-{number}")  # noqa: S311 - repeatable on purpose
        try:
            for _ in range(each):
                root, mirror = chance.choice(pairs)
                poke(root=root, mirror=mirror)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))


def delivered(handlers: tuple[str, ...] = (QUICK, QUEUED)) -> bool:
    open_ones = Delivery.objects.filter(handler__in=handlers).exclude(status=DeliveryStatus.DONE)
    return not open_ones.exists()


def await_delivered(seconds: float, handlers: tuple[str, ...] = (QUICK, QUEUED)) -> None:
    if not wait_until(lambda: delivered(handlers), seconds, step=0.1):
        left = Counter(Delivery.objects.filter(handler__in=handlers).values_list("handler", "status"))
        raise AssertionError(f"still open after {seconds} s: {left}")


def effects(handler: str) -> list[tuple[str, int]]:
    """(stream, version) of each effect that a handler had, in the order they were committed."""
    notes = EventRecord.objects.filter(type=Noticed.name).order_by("pos").values_list("payload", flat=True)
    found = (json.loads(payload) for payload in notes)
    return [(note["stream"], note["version"]) for note in found if note["handler"] == handler]


def require_whole(pokes: int, handlers: tuple[str, ...] = (QUICK, QUEUED)) -> None:
    """Nothing lost, nothing twice, versions without gaps, every lane in order."""
    poked = [
        (stream, version)
        for stream, version in EventRecord.objects.filter(type=Poked.name).values_list("stream_id", "version")
    ]
    assert len(poked) == pokes
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for kind, key, version in EventRecord.objects.values_list("stream_type", "stream_id", "version"):
        versions[kind, key].append(version)
    for found in versions.values():
        assert sorted(found) == list(range(1, len(found) + 1))
    for handler in handlers:
        had = effects(handler)
        assert Counter(had) == Counter(poked), f"{handler}: effects differ from events"
        for stream in {stream for stream, _ in had}:
            order = [version for key, version in had if key == stream]
            assert order == sorted(order), f"{handler}: stream {stream} out of order"


def overlaps(journal: Path, handler: str) -> list[str]:
    """Places of the journal where a process came into a lane that another one had not left."""
    inside: dict[str, str] = {}
    found = []
    for number, line in enumerate(journal.read_text().splitlines(), start=1):
        who, stream, version, process, what = line.split()
        if who != handler:
            continue
        if what == "enter":
            if stream in inside:
                found.append(f"line {number}: {process} entered {stream}@{version}, {inside[stream]} inside")
            inside[stream] = process
        else:
            inside.pop(stream, None)
    return found


def journal_of(journal: Path, handler: str) -> list[tuple[str, str]]:
    """(what, process) of each line that a handler wrote."""
    lines = [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []
    return [(what, process) for who, _, _, process, what in lines if who == handler]


def processes_of(journal: Path, handler: str) -> set[str]:
    return {process for _, process in journal_of(journal, handler)}


def a_seed() -> int:
    """The seed of a random test: printed, and repeatable with LAMINA_TEST_SEED."""
    seed = int(os.environ.get("LAMINA_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"LAMINA_TEST_SEED={seed}")  # noqa: T201 - pytest shows it where the test fails
    return seed
