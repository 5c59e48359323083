"""What must hold when processes die, stop and lose their broker: nothing lost, nothing twice, everything in order.

Real PostgreSQL, real Valkey, real relays and Celery workers. Random tests print their seed; LAMINA_TEST_SEED repeats one.
"""

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import connections

from mes.models import EventRecord
from tests.mes.processes import Fleet, wait_until
from tests.mes.rig import story
from tests.mes.rig.events import Noticed
from tests.mes.rig.handlers import QUEUED, QUICK
from tests.patience import PATIENCE_S
from tests.servers import Cluster

pytestmark = [pytest.mark.faults, pytest.mark.requirement("EV-03")]
KINDS = ("relay", "worker", "child")


@pytest.fixture
def fleet(committed_db: None, cluster: Cluster, valkey: redis.Redis, tmp_path: Path) -> Iterator[Fleet]:
    started = Fleet(cluster, tmp_path)
    yield started
    started.stop()


def test_eight_writers_and_four_relays_lose_nothing_and_keep_the_order(fleet: Fleet) -> None:
    pairs = story.make_pairs(12)
    kinds = ("relay", "relay", "relay", "relay", "worker")
    fleet.await_ready(*[fleet.start(kind, {"RIG_QUICK_S": "0.004"}, wait=False) for kind in kinds])
    story.poke_from_threads(pairs, writers=8, each=15)
    story.await_delivered(PATIENCE_S)
    story.require_whole(120)
    assert story.overlaps(fleet.journal, QUICK) == []
    # The lane keeps others out before they try: nobody ever found that somebody else had the effect first.
    assert "the inbox knows" not in fleet.everything_said("relay")
    assert len(story.processes_of(fleet.journal, QUICK)) > 1, "one relay did everything: this shows nothing"


@pytest.mark.parametrize("each", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_killing_relays_and_workers_delays_and_changes_nothing(fleet: Fleet, each: int) -> None:
    seed = story.a_seed()
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    pairs = story.make_pairs(6)
    kinds = ("relay", "relay", "worker", "worker")
    slow = {"RIG_QUICK_S": "0.01", "RIG_QUEUED_S": "0.03"}
    fleet.await_ready(*[fleet.start(kind, slow, wait=False) for kind in kinds])
    writing = threading.Thread(
        target=story.poke_from_threads, args=(pairs,), kwargs={"writers": 2, "each": 50, "seed": seed}
    )
    writing.start()
    for kind in chance.sample(KINDS, each * len(KINDS), counts=[each] * len(KINDS)):
        time.sleep(chance.uniform(0.2, 0.8))
        _kill_one(fleet, chance, kind, slow)
    writing.join()
    story.await_delivered(60)
    story.require_whole(100)


def _kill_one(fleet: Fleet, chance: random.Random, kind: str, environment: dict[str, str]) -> None:
    if kind == "child":
        fleet.kill_child(chance.choice(fleet.names("worker")))
        return
    fleet.kill(chance.choice(fleet.names(kind)))
    fleet.start(kind, environment, wait=False)


def test_an_erased_broker_and_a_killed_database_cost_only_time(
    fault_cluster: Cluster, tmp_path: Path
) -> None:
    fleet = Fleet(fault_cluster, tmp_path)
    faults = (_erase_broker, _kill_broker, _erase_broker, _kill_database, _erase_broker)
    try:
        pairs = story.make_pairs(4)
        slow = {"RIG_QUEUED_S": "0.02"}
        fleet.await_ready(*[fleet.start(kind, slow, wait=False) for kind in ("relay", "worker")])
        for number, fault in enumerate(faults):
            story.poke_from_threads(pairs, writers=2, each=10, seed=number)
            fault(fault_cluster)
        story.await_delivered(60)
        story.require_whole(100)
    finally:
        fleet.stop()


def _erase_broker(cluster: Cluster) -> None:
    with redis.Redis.from_url(cluster.valkey.url) as client:
        client.flushall()


def _kill_broker(cluster: Cluster) -> None:
    cluster.kill("valkey")
    time.sleep(0.5)
    cluster.start_valkey()


def _kill_database(cluster: Cluster) -> None:
    cluster.kill("postgres")
    time.sleep(0.5)
    cluster.start_postgres()
    connections.close_all()


def test_a_worker_that_slept_past_its_lease_is_refused(fleet: Fleet) -> None:
    (root, mirror), *_ = story.make_pairs(1)
    late = fleet.start("worker", {"RIG_QUEUED_S": "1"}, wait=False)
    fleet.await_ready(late, fleet.start("relay", wait=False))
    story.poke(root=root, mirror=mirror)
    assert wait_until(lambda: bool(_entered(fleet)), PATIENCE_S)
    fleet.pause(late)
    # The second worker takes its time, so that the first one comes back before it has committed.
    second = fleet.start("worker", {"RIG_QUEUED_S": "3"})
    assert wait_until(lambda: len(set(_entered(fleet))) == 2, PATIENCE_S)
    fleet.resume(late)
    story.await_delivered(PATIENCE_S)
    story.require_whole(1)
    assert "the lease ended" in fleet.said(late)
    assert "the lease ended" not in fleet.said(second)
    assert _process_of_effect() == _entered(fleet)[-1]


def _entered(fleet: Fleet) -> list[int]:
    return [int(process) for what, process in story.journal_of(fleet.journal, QUEUED) if what == "enter"]


def _process_of_effect() -> int:
    payloads = EventRecord.objects.filter(type=Noticed.name).values_list("payload", flat=True)
    notes = [json.loads(payload) for payload in payloads]
    (process,) = [note["process"] for note in notes if note["handler"] == QUEUED]
    return int(process)
