"""The sealer: every settled event once, in one order, signed, however often it restarts."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog import sealing
from mes.eventlog.base import canonical
from mes.eventlog.sealing import LEAF_FIELDS, Sealer, leaf_content, load_key, public_keys
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import Verdict, verify
from mes.guards import OPEN_EPOCH
from mes.models import Epoch, EventRecord, Leaf, Person, Seal
from tests.mes.events import Happened
from tests.mes.logins import acting_as, tamper
from tests.mes.makers import SYSTEM, make_person
from tests.servers import BASE, Cluster

pytestmark = pytest.mark.requirement("K-02")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    load_key(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    return tmp_path / "witness" / "seals.jsonl"


@pytest.fixture
def seal(committed_db: None, cluster: Cluster, keys: Path, witness: Path) -> Iterator[Callable[[], int]]:
    """Seal as the role `sealer`, each time as a sealer that has just started."""

    def seal_once() -> int:
        with acting_as(cluster, Role.SEALER.login):
            return Sealer(load_key(keys), witness).seal_once()

    return seal_once  # type: ignore[return-value]


@pytest.fixture
def verdict(keys: Path, witness: Path) -> Callable[[], Verdict]:
    return lambda: verify(keys=public_keys(keys), witness=witness)


def happen(person: Person, times: int = 1) -> None:
    for _ in range(times):
        with open_unit():
            publish(person, Happened(), actor=SYSTEM)


@given(st.lists(st.none() | st.text() | st.integers(0, 2**53 - 1), min_size=19, max_size=19))
def test_a_leaf_covers_the_canonical_text_of_every_column(values: list[object]) -> None:
    event = dict(zip(LEAF_FIELDS, values, strict=True))
    assert leaf_content(event) == canonical(event).encode()


def test_a_leaf_covers_every_column_of_an_event() -> None:
    assert set(LEAF_FIELDS) == {field.attname for field in EventRecord._meta.concrete_fields}


def test_everything_settled_is_sealed_once_and_signed(
    seal: Callable[[], int], verdict: Callable[[], Verdict], witness: Path
) -> None:
    happen(make_person(), 4)
    assert (seal(), seal()) == (5, 0)
    happen(make_person(), 2)
    assert seal() == 3
    first, second = Seal.objects.order_by("tree_size")
    assert (first.tree_size, second.tree_size, second.prev_root) == (5, 8, first.root)
    assert [json.loads(line)["tree_size"] for line in witness.read_text().splitlines()] == [5, 8]
    found = verdict()
    assert (found.result, found.events, found.sealed, found.first_bad) == ("VALID", 8, 8, None)


def test_an_event_of_a_transaction_still_open_is_waited_for(
    seal: Callable[[], int], verdict: Callable[[], Verdict]
) -> None:
    """The horizon: an open transaction has a lower id than a later one that commits first."""
    early, late = make_person(), make_person()
    assert seal() == 2
    written, commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with open_unit():
            Person.objects.filter(pk=early.pk).update(timezone="Europe/Paris")
            written.set()
            commit.wait(20)
            publish(early, Happened(), actor=SYSTEM)
        connections.close_all()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    try:
        assert written.wait(10)
        happen(late)
        assert seal() == 0
    finally:
        commit.set()
        thread.join(20)
    assert seal() == 2
    order = list(Leaf.objects.order_by("index").values_list("event__stream_id", flat=True))[2:]
    assert order == [str(early.pk), str(late.pk)]
    assert verdict().result == "VALID"


def test_two_sealers_at_once_give_each_event_one_leaf(
    committed_db: None, cluster: Cluster, keys: Path, witness: Path, verdict: Callable[[], Verdict]
) -> None:
    people = [make_person() for _ in range(40)]
    stop = threading.Event()
    failures: list[BaseException] = []

    def keep_sealing() -> None:
        sealer = Sealer(load_key(keys), witness)
        try:
            while not stop.is_set():
                sealer.seal_once()
            sealer.seal_once()
        except BaseException as failure:  # noqa: BLE001 - shown by the test
            failures.append(failure)
        finally:
            connections.close_all()

    # Superuser, so that the events and the seals can be written over one login.
    with acting_as(cluster, SUPERUSER):
        threads = [threading.Thread(target=keep_sealing) for _ in range(2)]
        for thread in threads:
            thread.start()
        for person in people:
            happen(person)
        stop.set()
        for thread in threads:
            thread.join(20)
        Sealer(load_key(keys), witness).seal_once()
    assert failures == []
    assert Leaf.objects.count() == EventRecord.objects.count() == 80
    assert verdict().result == "VALID"


def test_a_sealer_that_died_before_it_told_the_witness_tells_it_when_it_starts(
    seal: Callable[[], int], witness: Path, keys: Path, verdict: Callable[[], Verdict]
) -> None:
    happen(make_person())
    seal()
    witness.unlink()
    assert (verdict().first_bad or {})["where"] == "seals stand, but the witness is missing"
    Sealer(load_key(keys), witness).repeat_last()
    assert len(witness.read_text().splitlines()) == 1
    assert verdict().result == "VALID"


def test_a_failing_round_leaves_nothing_and_the_next_one_starts_afresh(
    committed_db: None, cluster: Cluster, keys: Path, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(make_person(), 3)
    with acting_as(cluster, Role.SEALER.login):
        sealer = Sealer(load_key(keys), witness)
        with monkeypatch.context() as broken:
            broken.setattr(sealing.SealKey, "sign", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                sealer.seal_once()
        assert (Leaf.objects.count(), witness.exists()) == (0, False)
        assert sealer.seal_once() == 4


def test_after_a_logical_restore_a_new_epoch_goes_on(
    seal: Callable[[], int], verdict: Callable[[], Verdict], cluster: Cluster
) -> None:
    """Old events carry larger transaction ids than the new cluster gives: they count as settled, new ones follow."""
    person = make_person()
    happen(person, 2)
    tamper(cluster, "UPDATE mes_event SET tx = tx + 1000000000")
    for _ in range(2):
        with cluster.connect(Role.OWNER.login, connections.settings["default"]["NAME"]) as owner:
            owner.execute(OPEN_EPOCH.encode())
    assert list(Epoch.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    happen(person, 2)
    assert seal() == 5
    assert list(Leaf.objects.order_by("index").values_list("event__epoch", flat=True)) == [1, 1, 1, 2, 2]
    assert verdict().result == "VALID"


def test_one_key_is_made_and_its_public_half_lies_beside_it(tmp_path: Path) -> None:
    made = {load_key(tmp_path).id for _ in range(3)}
    assert set(public_keys(tmp_path)) == made
    assert (tmp_path / "seal.key").stat().st_mode & 0o777 == 0o600
    assert all(isinstance(key, Ed25519PublicKey) for key in public_keys(tmp_path).values())


def test_leaves_stand_in_the_order_of_numbers_not_of_their_digits(
    seal: Callable[[], int], verdict: Callable[[], Verdict], cluster: Cluster
) -> None:
    happen(make_person(), 11)
    first = EventRecord.objects.order_by("pos").values_list("pos", flat=True)[0]
    tamper(cluster, f"UPDATE mes_event SET tx = 8 + pos - {first}")
    assert seal() == 12
    order = list(Leaf.objects.order_by("index").values_list("event__tx", flat=True))
    assert order == list(range(8, 20))
    assert verdict().result == "VALID"


@pytest.mark.faults
def test_the_commands_seal_and_verify(committed_db: None, cluster: Cluster, tmp_path: Path) -> None:
    person = make_person()
    happen(person, 3)
    run = _commands(cluster, tmp_path)
    assert "4 new leaves" in run("seal", "--once", role="sealer").stdout
    found = run("verify", "--json")
    assert (found.returncode, json.loads(found.stdout.splitlines()[-1])["result"]) == (0, "VALID")
    tamper(cluster, f"UPDATE mes_person SET full_name = 'Somebody Else' WHERE id = {person.pk}")
    found = run("verify", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout.splitlines()[-1])["first_bad"]["what"] == "row"


def _commands(cluster: Cluster, place: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = cluster.environment(connections.settings["default"]["NAME"]) | {
        "LAMINA_VAR": str(place),
        "DJANGO_SETTINGS_MODULE": "tests.mes.rig.settings",
        "PATH": os.environ["PATH"],
    }

    def run(*arguments: str, role: str = "app") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=BASE,
            env=environment | {"LAMINA_ROLE": role},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
