"""The sealer: every settled event once, in one order, signed, however often it restarts."""

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import call_command
from django.db import ProgrammingError, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog import sealing
from mes.eventlog import witness as witnessing
from mes.eventlog.base import canonical
from mes.eventlog.sealing import LEAF_FIELDS, Sealer, leaf_content, load_key, public_keys, record_key
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import Verdict, verify
from mes.eventlog.waiting import refusal, seal_faults
from mes.eventlog.witness import WitnessAhead
from mes.guards import CURRENT_EPOCH, OPEN_EPOCH
from mes.models import Epoch, EventRecord, Leaf, Person, Seal
from mes.vault import KeyFault, key_in
from tests.mes.events import Happened
from tests.mes.logins import acting_as, refusals, tamper
from tests.mes.logins import refusal as refused_as
from tests.mes.makers import SYSTEM, make_person
from tests.patience import PATIENCE_S
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


@hypothesis_settings(max_examples=12)
@given(st.lists(st.none() | st.text() | st.integers(0, 2**53 - 1), min_size=19, max_size=19))
def test_a_leaf_covers_the_canonical_text_of_every_column(values: list[object]) -> None:
    event = dict(zip(LEAF_FIELDS, values, strict=True))
    assert leaf_content(event) == canonical(event).encode()
    digest = hashlib.sha256(b"lines").hexdigest()
    assert leaf_content(event, "lines") == canonical({**event, "changes": digest}).encode()


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
            commit.wait(PATIENCE_S)
            publish(early, Happened(), actor=SYSTEM)
        connections.close_all()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    try:
        assert written.wait(PATIENCE_S)
        happen(late)
        assert seal() == 0
    finally:
        commit.set()
        thread.join(PATIENCE_S)
    assert seal() == 2
    order = list(Leaf.objects.order_by("index").values_list("event__stream_id", flat=True))[2:]
    assert order == [str(early.pk), str(late.pk)]
    assert verdict().result == "VALID"


def test_whoever_only_reads_does_not_keep_the_sealer_waiting(
    seal: Callable[[], int], cluster: Cluster
) -> None:
    """Nor does one who holds the lock that it once took."""
    happen(make_person())
    with cluster.connect(SUPERUSER, connections.settings["default"]["NAME"]) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('mes_seal'))")
        assert seal() == 2


@pytest.mark.parametrize("login", [Role.AUDITOR.login, Role.SEALER.login])
def test_an_open_transaction_of_a_role_that_cannot_write_the_log_holds_nothing_back(
    seal: Callable[[], int], cluster: Cluster, login: str
) -> None:
    with (
        cluster.connect(login, connections.settings["default"]["NAME"]) as other,
        other.transaction(force_rollback=True),
    ):
        other.execute(f"ALTER ROLE {login} SET work_mem = '8MB'".encode())
        happen(make_person())
        assert seal() == 2


def test_what_may_yet_write_is_waited_for_beside_what_only_reads(
    seal: Callable[[], int], cluster: Cluster
) -> None:
    """A reader that may become a writer is one."""
    database = connections.settings["default"]["NAME"]
    with (
        cluster.connect(SUPERUSER, database) as superuser,
        cluster.connect(Role.AUDITOR.login, database) as reader,
    ):
        superuser.execute("GRANT lamina_app TO lamina_auditor WITH INHERIT FALSE")
        try:
            with reader.transaction(force_rollback=True):
                reader.execute("ALTER ROLE lamina_auditor SET work_mem = '8MB'")
                happen(make_person())
                assert seal() == 0
                superuser.execute("REVOKE lamina_app FROM lamina_auditor")
                assert seal() == 2
                with superuser.transaction():
                    superuser.execute("SELECT pg_current_xact_id()")
                    happen(make_person())
                    assert seal() == 0
        finally:
            superuser.execute("REVOKE lamina_app FROM lamina_auditor")
    assert seal() == 2


def test_a_sealer_that_refuses_is_told_by_health_at_once(
    seal: Callable[[], int], witness: Path, client: Client, verdict: Callable[[], Verdict]
) -> None:
    """An old backup was put back: the witness knows a later seal. Nothing waits for long yet, and the sealer is killed then."""
    happen(make_person())
    assert seal() == 2
    assert client.get("/healthz").json()["seals"] == "up"
    whole = witness.read_bytes()
    with witness.open("ab") as file:
        file.write(whole.replace(b'"tree_size": 2', b'"tree_size": 3'))
    with pytest.raises(WitnessAhead):
        seal()
    connections.close_all()
    answer = client.get("/healthz")
    assert (answer.json()["seals"], answer.status_code) == ("refused", 200)
    assert refusal() in json.dumps(asdict(verdict()))
    witness.write_bytes(whole)
    assert client.get("/healthz").json()["seals"] == "refused", "until a sealer could seal"
    assert seal() == 0
    assert (client.get("/healthz").json()["seals"], refusal()) == ("up", "")


def test_no_other_role_says_or_takes_back_that_the_sealer_refuses(
    committed_db: None, cluster: Cluster
) -> None:
    for login in (Role.APP.login, Role.AUDITOR.login):
        with acting_as(cluster, login), pytest.raises(ProgrammingError, match="permission denied"):
            sealing._write_refusal("made up")


@pytest.mark.requirement("K-05")
def test_a_lost_seal_key_is_not_replaced_by_itself(
    seal: Callable[[], int], cluster: Cluster, keys: Path, verdict: Callable[[], Verdict]
) -> None:
    """Whoever took it away would have the record sealed with another from then on; nothing is signed meanwhile."""
    happen(make_person())
    with acting_as(cluster, Role.SEALER.login):
        first = record_key(keys).id
    assert seal() == 2
    kept = (keys / "seal.key").read_bytes()
    (keys / "seal.key").unlink()
    with (
        acting_as(cluster, Role.SEALER.login),
        pytest.raises(KeyFault, match="is missing, and the record has seals"),
    ):
        record_key(keys)
    assert not (keys / "seal.key").exists()
    assert f"made with key {first}" in verdict().refusal
    assert "seal.key is missing" in seal_faults()[0].text
    key_in(keys / "seal.key", lambda: bytes.fromhex(kept.decode()))
    with acting_as(cluster, Role.SEALER.login):
        assert record_key(keys).id == first
        with pytest.raises(KeyFault, match="is here"):
            record_key(keys, renew=True)
        (keys / "seal.key").unlink()
        with CaptureQueriesContext(connections["default"]) as asked:
            second = record_key(keys, renew=True).id
        assert list(asked) == [], "the database of a site that does not start is down"
    happen(make_person())
    assert seal() == 2
    assert (verdict().result, verdict().refusal, seal_faults()) == ("VALID", "", [])
    assert first != second == Seal.objects.latest("tree_size").key_id


def test_a_sealer_that_has_to_wait_says_so(
    seal: Callable[[], int], cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    happen(make_person())
    with cluster.connect(SUPERUSER, connections.settings["default"]["NAME"]) as other, other.transaction():
        other.execute("SELECT 1 FROM mes_seal_turn FOR UPDATE")
        assert seal() == 0
    assert "the sealer waits: another sealer, or a backup, has its turn" in caplog.text
    assert seal() == 2


def test_a_sealer_that_is_late_says_who_writes_for_so_long(
    seal: Callable[[], int], cluster: Cluster, caplog: pytest.LogCaptureFixture, client: Client
) -> None:
    happen(make_person())
    with (
        cluster.connect(Role.APP.login, connections.settings["default"]["NAME"]) as other,
        other.transaction(),
    ):
        other.execute("SELECT pg_current_xact_id()")
        happen(make_person())
        tamper(cluster, "UPDATE mes_event SET recorded_at = recorded_at - interval '62 s'")
        with acting_as(cluster, Role.SEALER.login):
            sealing._say_if_late()
        assert "the sealer is late: the event at " in caplog.text
        assert f"{Role.APP.login} (process {other.info.backend_pid})" in caplog.text
        assert client.get("/healthz").json()["seals"] == "late"
    assert seal() == 4
    assert client.get("/healthz").json()["seals"] == "up"


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
            thread.join(PATIENCE_S)
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


class Died(BaseException):
    """What `kill -9` looks like from inside: nothing of the rest happens."""


def _half_a_line(handle: int, content: bytes) -> int:
    REAL_WRITE(handle, content[: len(content) // 2])
    raise Died


REAL_WRITE = os.write
DEATHS: dict[str, tuple[object, str]] = {
    "before the leaves": (sealing, "_settled_batches"),
    "before the seal": (sealing.SealKey, "sign"),
    "after the seal, before the commit": (Seal, "save"),
    "after the commit, before the witness": (witnessing.Witness, "tell"),
    "in the middle of a line to the witness": (os, "write"),
}


@pytest.mark.parametrize("when", DEATHS)
def test_a_sealer_that_dies_leaves_a_record_that_the_next_one_goes_on_with(
    committed_db: None,
    cluster: Cluster,
    keys: Path,
    witness: Path,
    monkeypatch: pytest.MonkeyPatch,
    verdict: Callable[[], Verdict],
    seal: Callable[[], int],
    when: str,
) -> None:
    happen(make_person(), 2)
    assert seal() == 3
    happen(make_person(), 2)

    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(*DEATHS[when], _half_a_line if when.startswith("in") else die)
        with pytest.raises(Died):
            seal()
    happen(make_person())
    committed = not when.startswith(("before", "after the seal"))
    assert seal() == (2 if committed else 5)
    told = [
        json.loads(line)["tree_size"] for line in witness.read_bytes().splitlines() if line.endswith(b"}")
    ]
    assert told == ([3, 6, 8] if committed else [3, 8])
    found = verdict()
    assert (found.result, found.first_bad, found.sealed) == ("VALID", None, 8)


SEAL_FOR_EVER = """
import sys, django
django.setup()
from pathlib import Path
from mes.eventlog.sealing import Sealer, load_key
sealer = Sealer(load_key(Path(sys.argv[1])), Path(sys.argv[2]))
print("ready", flush=True)
while True:
    sealer.seal_once()
"""


@pytest.mark.faults
@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_sealer_that_is_killed_at_any_moment_harms_nothing(
    committed_db: None,
    cluster: Cluster,
    keys: Path,
    witness: Path,
    verdict: Callable[[], Verdict],
    seal: Callable[[], int],
    kills: int,
) -> None:
    person, chance = make_person(), random.Random(7)  # noqa: S311 - repeatable on purpose
    environment = cluster.environment(connections.settings["default"]["NAME"])
    environment |= {
        "LAMINA_ROLE": "sealer",
        "DJANGO_SETTINGS_MODULE": "mes.settings",
        "LAMINA_VAR": str(keys.parent),
    }
    for _ in range(kills):
        sealer = subprocess.Popen(
            [sys.executable, "-c", SEAL_FOR_EVER, str(keys), str(witness)],
            cwd=BASE,
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert sealer.stdout is not None
        with sealer.stdout:
            assert sealer.stdout.readline() == b"ready\n"
            for _ in range(chance.randint(3, 12)):
                happen(person)
            sealer.kill()
            sealer.wait()
    seal()
    found = verdict()
    assert (found.result, found.first_bad) == ("VALID", None)
    assert found.sealed == found.events


def test_a_sealer_that_waits_for_the_other_loses_nothing(
    committed_db: None, cluster: Cluster, keys: Path, witness: Path, verdict: Callable[[], Verdict]
) -> None:
    """Two sealers by turns: each finds the tree as the other left it."""
    with acting_as(cluster, SUPERUSER):
        pair = [Sealer(load_key(keys), witness) for _ in range(2)]
        for turn in range(6):
            happen(make_person())
            assert pair[turn % 2].seal_once() == 2
    assert verdict().result == "VALID"


def test_a_long_backlog_is_sealed_in_parts(
    seal: Callable[[], int], verdict: Callable[[], Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 4)
    monkeypatch.setattr(sealing, "SEAL_AT_MOST", 8)
    happen(make_person(), 20)
    assert seal() == 21
    assert list(Seal.objects.order_by("tree_size").values_list("tree_size", flat=True)) == [8, 16, 21]
    assert verdict().result == "VALID"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mes_leaf SET hash = repeat('0', 64) WHERE index = 2",
        "DELETE FROM mes_leaf WHERE index = 4",
        "UPDATE mes_seal SET root = repeat('0', 64)",
    ],
)
def test_nothing_is_signed_over_leaves_that_do_not_lead_to_their_seal(
    seal: Callable[[], int], cluster: Cluster, witness: Path, change: str
) -> None:
    happen(make_person(), 4)
    seal()
    tamper(cluster, change)
    happen(make_person())
    with pytest.raises((sealing.RecordAltered, WitnessAhead)):
        seal()
    assert Seal.objects.count() == len(witness.read_text().splitlines()) == 1


def test_a_witness_that_cannot_be_written_stops_the_sealing_after_one_seal(
    seal: Callable[[], int], witness: Path, verdict: Callable[[], Verdict]
) -> None:
    """So that never more than the newest seal is untold."""
    happen(make_person())
    seal()
    kept = witness.read_bytes()
    witness.unlink()
    witness.mkdir()
    for _ in range(2):
        happen(make_person())
        with pytest.raises(OSError):  # noqa: PT011 - which one is the file system's choice
            seal()
    assert Seal.objects.count() == 1
    witness.rmdir()
    witness.write_bytes(kept)
    assert seal() == 4
    assert verdict().result == "VALID"


def test_the_running_sealer_outlives_a_contradiction_and_says_so(
    seal: Callable[[], int], cluster: Cluster, keys: Path, witness: Path, caplog: pytest.LogCaptureFixture
) -> None:
    happen(make_person())
    seal()
    with witness.open("ab") as file:
        file.write(witnessing.Told(99, "0" * 64, "0" * 128).line())
    with acting_as(cluster, Role.SEALER.login), sealing._outlived():
        Sealer(load_key(keys), witness).seal_once()
    assert "the sealer seals nothing: The witness knows a seal of tree size 99" in caplog.text


@pytest.mark.requirement("P11-10d")
def test_the_sealer_reads_the_log_and_adds_leaves_and_seals_alone(
    seal: Callable[[], int], cluster: Cluster
) -> None:
    happen(make_person())
    seal()
    may = {
        "SELECT 1 FROM mes_event",
        "SELECT 1 FROM mes_epoch",
        "SELECT 1 FROM mes_leaf",
        "SELECT 1 FROM mes_seal",
        "INSERT INTO mes_leaf (index, event_id, hash) VALUES (-1, -1, '')",
    }
    may_not = {
        f"{verb} {table}{rest}"
        for table in ("mes_event", "mes_leaf", "mes_seal", "mes_epoch", "mes_stream")
        for verb, rest in (("DELETE FROM", ""), ("TRUNCATE", ""), ("ALTER TABLE", " DISABLE TRIGGER ALL"))
    } | {
        "UPDATE mes_event SET reason = ''",
        "UPDATE mes_leaf SET hash = ''",
        "UPDATE mes_seal SET root = ''",
        "SELECT 1 FROM mes_person",
        "SELECT 1 FROM mes_patient",
        "INSERT INTO mes_epoch (number) VALUES (9)",
        "INSERT INTO mes_stream (type, id, version) VALUES ('a', 'b', 1)",
    }
    with refusals(cluster, Role.SEALER.login) as say:
        assert {statement: say(statement) for statement in may_not} == dict.fromkeys(may_not, "42501")
        # The fourth fails at its foreign key, which is asked after the grant.
        assert {say(statement) for statement in may} <= {"", "23503"}
    for statement in (
        "INSERT INTO mes_leaf (index, event_id, hash) VALUES (-1, -1, '')",
        "DELETE FROM mes_seal",
    ):
        assert refused_as(cluster, Role.APP.login, statement) == "42501"


def test_after_a_logical_restore_a_new_epoch_goes_on(
    seal: Callable[[], int], verdict: Callable[[], Verdict], cluster: Cluster
) -> None:
    """Old events carry larger transaction ids than the new cluster gives: they count as settled, new ones follow."""
    person = make_person()
    happen(person, 2)
    for table in ("mes_event", "mes_field_change"):
        tamper(cluster, f"UPDATE {table} SET tx = tx + 1000000000")
    for _ in range(2):
        with cluster.connect(Role.OWNER.login, connections.settings["default"]["NAME"]) as owner:
            owner.execute((OPEN_EPOCH + CURRENT_EPOCH).encode())
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
    # The history of rows names the transaction that its event names.
    tamper(
        cluster,
        f"UPDATE mes_field_change c SET tx = 8 + e.pos - {first} FROM mes_event e WHERE e.tx = c.tx",
        f"UPDATE mes_event SET tx = 8 + pos - {first}",
    )
    assert seal() == 12
    order = list(Leaf.objects.order_by("index").values_list("event__tx", flat=True))
    assert order == list(range(8, 20))
    assert verdict().result == "VALID"


@pytest.mark.faults
def test_the_commands_seal_and_verify(
    committed_db: None,
    cluster: Cluster,
    tmp_path: Path,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    person = make_person()
    happen(person, 3)
    run = _commands(cluster, tmp_path)
    assert "4 new leaves" in run("seal", "--once", role="sealer").stdout
    settings.KEYS_DIR, settings.WITNESS_DIR = tmp_path / "keys", tmp_path / "witness"
    with pytest.raises(SystemExit) as ended:
        call_command("verify", "--json")
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["result"] == "VALID"
    tamper(cluster, f"UPDATE mes_person SET full_name = 'Somebody Else' WHERE id = {person.pk}")
    found = run("verify", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout.splitlines()[-1])["first_bad"]["what"] == "row"


def _commands(cluster: Cluster, place: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = cluster.environment(connections.settings["default"]["NAME"]) | {
        "LAMINA_VAR": str(place),
        "DJANGO_SETTINGS_MODULE": "mes.settings",
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
            timeout=PATIENCE_S,
        )

    return run
