"""`verify` names the first bad position of every kind of tampering, and says VALID otherwise."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connections

from mes.embedded.roles import Role
from mes.eventlog import verify as verifying
from mes.eventlog.merkle import leaf_hash
from mes.eventlog.sealing import LEAF_FIELDS, Sealer, SealKey, leaf_content, load_key, public_keys, seal_text
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import Bad, Verdict
from mes.models import EventRecord, Leaf, Person, Seal
from mes.services.artefacts import artefact_path, store, store_artefact
from tests.mes.events import Happened
from tests.mes.logins import acting_as, tamper
from tests.mes.makers import SYSTEM, make_person
from tests.servers import Cluster

pytestmark = pytest.mark.requirement("K-02")


@pytest.fixture
def person(committed_db: None) -> Person:
    return make_person()


@pytest.fixture
def verify(person: Person, cluster: Cluster, tmp_path: Path) -> Callable[[], Verdict]:
    """A record of twelve events in three seals, and two more that are not sealed yet."""
    witness = tmp_path / "witness.jsonl"
    sealer = Sealer(load_key(tmp_path), witness)
    for _ in range(3):
        _happen(person, 4)
        with acting_as(cluster, Role.SEALER.login):
            sealer.seal_once()
    _happen(person, 2)
    return lambda: verifying.verify(keys=public_keys(tmp_path), witness=witness)


def _happen(person: Person, times: int) -> None:
    for _ in range(times):
        with open_unit():
            publish(person, Happened(note="as it was"), actor=SYSTEM)


def _at(index: int) -> int:
    """The position of the event of a leaf."""
    return Leaf.objects.get(index=index).event_id


def _bad(found: Verdict) -> tuple[str, str]:
    assert found.result == "ALTERED"
    assert found.first_bad is not None
    return found.first_bad["what"], found.first_bad["where"]


def test_an_untouched_record_is_valid(verify: Callable[[], Verdict]) -> None:
    found = verify()
    assert (found.result, found.first_bad, found.events, found.sealed) == ("VALID", None, 15, 13)


@pytest.mark.parametrize(
    "column",
    [
        'payload = \'{"note":"as it never was"}\'',
        "actor = 'person:99'",
        "recorded_at = now()",
        "reason = 'x'",
    ],
)
def test_an_edited_event(verify: Callable[[], Verdict], cluster: Cluster, column: str) -> None:
    pos = _at(6)
    tamper(cluster, f"UPDATE mes_event SET {column} WHERE pos IN ({pos}, {_at(9)})")
    what, where = _bad(verify())
    assert what == "event"
    assert where.startswith(f"pos {pos}, leaf 6")


def test_an_edited_event_whose_leaf_was_made_to_fit(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    """Whoever recomputes the leaf cannot sign the root again."""
    pos = _at(6)
    tamper(cluster, f"UPDATE mes_event SET reason = 'x' WHERE pos = {pos}")
    content = EventRecord.objects.values(*LEAF_FIELDS).get(pos=pos)
    tamper(cluster, f"UPDATE mes_leaf SET hash = '{leaf_hash(leaf_content(content)).hex()}' WHERE index = 6")
    assert _bad(verify()) == ("seal", "tree size 9: root, predecessor or signature is wrong")


def test_a_deleted_event(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    tamper(cluster, f"DELETE FROM mes_event WHERE pos = {_at(5)}")
    assert _bad(verify())[1].startswith("leaf 5: it, or its event, was deleted")


def test_a_deleted_event_with_its_leaf_and_the_others_moved_up(
    verify: Callable[[], Verdict], cluster: Cluster
) -> None:
    pos = _at(5)
    tamper(
        cluster,
        f"DELETE FROM mes_leaf WHERE event_id = {pos}",
        f"DELETE FROM mes_event WHERE pos = {pos}",
        "UPDATE mes_leaf SET index = -index WHERE index > 5",
        "UPDATE mes_leaf SET index = -index - 1 WHERE index < 0",
    )
    assert _bad(verify())[0] == "seal"


def test_two_swapped_events(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    a, b = _at(3), _at(4)
    tamper(
        cluster,
        f"UPDATE mes_event SET version = -1 WHERE pos = {a}",
        f"UPDATE mes_event SET version = 4 WHERE pos = {b}",
        f"UPDATE mes_event SET version = 5 WHERE pos = {a}",
    )
    assert _bad(verify())[1].startswith(f"pos {a}, leaf 3")


def test_two_swapped_leaves(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    first = _at(3)
    tamper(
        cluster,
        "UPDATE mes_leaf SET index = -1 WHERE index = 3",
        "UPDATE mes_leaf SET index = 3 WHERE index = 4",
        "UPDATE mes_leaf SET index = 4 WHERE index = -1",
    )
    assert _bad(verify()) == ("order", f"pos {first}, leaf 4: sealed out of settled order")


def test_an_inserted_event(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    """With an old transaction id, as if it had always been there."""
    columns = (
        "epoch, stream_type, stream_id, type, schema_version, payload, actor, reason, correlation, occurred_at, "
        "recorded_at, software, record_schema, record_digest"
    )
    tamper(
        cluster,
        f"INSERT INTO mes_event (tx, uid, version, {columns}) "
        f"SELECT tx, gen_random_uuid(), 16, {columns} FROM mes_event WHERE pos = {_at(2)}",
        "UPDATE mes_stream SET version = 16 WHERE type = 'mes.person'",
    )
    inserted = EventRecord.objects.order_by("-pos").values_list("pos", flat=True).first()
    assert _bad(verify()) == (
        "event",
        f"pos {inserted}: stands before the last sealed event and was never sealed",
    )


def test_a_truncated_tail_is_told_by_the_witness(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    tamper(
        cluster,
        "DELETE FROM mes_seal WHERE tree_size = 13",
        f"DELETE FROM mes_event WHERE pos >= {_at(9)}",
        "DELETE FROM mes_leaf WHERE index >= 9",
        "UPDATE mes_stream SET version = 9 WHERE type = 'mes.person'",
    )
    assert _bad(verify()) == ("witness", "line 3: the seal of tree size 13 is gone or different")


def test_a_tail_cut_off_under_its_seal(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    tamper(
        cluster,
        f"DELETE FROM mes_event WHERE pos >= {_at(9)}",
        "DELETE FROM mes_leaf WHERE index >= 9",
        "UPDATE mes_stream SET version = 9 WHERE type = 'mes.person'",
    )
    assert _bad(verify()) == ("seal", "tree size 13: only 9 leaves stand with their events")


def test_leaves_whose_seal_is_gone_from_the_witness_too(
    verify: Callable[[], Verdict], cluster: Cluster, tmp_path: Path
) -> None:
    witness = tmp_path / "witness.jsonl"
    witness.write_text("".join(witness.read_text().splitlines(keepends=True)[:2]))
    tamper(cluster, "DELETE FROM mes_seal WHERE tree_size = 13")
    assert _bad(verify()) == ("seal", "tree size 13: the last leaf has no seal")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mes_stream SET version = 99 WHERE type = 'mes.person'",
        "UPDATE mes_event SET version = 0 WHERE version = 14",
    ],
)
def test_versions_that_do_not_follow_each_other(
    verify: Callable[[], Verdict], cluster: Cluster, statement: str
) -> None:
    tamper(cluster, statement)
    assert _bad(verify())[0] == "stream"


def test_events_of_no_known_type_of_stream(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    tamper(
        cluster,
        "UPDATE mes_event SET stream_type = 'mes.nothing', stream_id = '7', version = 1 WHERE version = 15",
        "UPDATE mes_stream SET version = 14 WHERE type = 'mes.person'",
        "INSERT INTO mes_stream (type, id, version) VALUES ('mes.nothing', '7', 1)",
    )
    assert _bad(verify()) == ("row", "mes.nothing/7: no such stream type")


def test_a_removed_last_event_that_was_not_sealed_yet(
    verify: Callable[[], Verdict], cluster: Cluster
) -> None:
    tamper(cluster, "DELETE FROM mes_event WHERE pos = (SELECT max(pos) FROM mes_event)")
    assert _bad(verify())[0] == "stream"


def test_an_altered_seal(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    tamper(cluster, "UPDATE mes_seal SET sealed_at = sealed_at - interval '1 day' WHERE tree_size = 9")
    assert _bad(verify()) == ("seal", "tree size 9: root, predecessor or signature is wrong")


def test_a_seal_replaced_under_another_key(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    forger = SealKey(Ed25519PrivateKey.generate())
    seal = Seal.objects.get(tree_size=9)
    text = seal_text(
        tree_size=9, root=seal.root, prev_root=seal.prev_root, key=forger.id, sealed_at=seal.sealed_at
    )
    tamper(
        cluster,
        f"UPDATE mes_seal SET key_id = '{forger.id}', signature = '{forger.sign(text)}' WHERE tree_size = 9",
    )
    assert _bad(verify()) == ("seal", "tree size 9: root, predecessor or signature is wrong")


def test_a_seal_taken_out(verify: Callable[[], Verdict], cluster: Cluster) -> None:
    tamper(cluster, "DELETE FROM mes_seal WHERE tree_size = 9")
    assert _bad(verify()) == ("seal", "tree size 13: root, predecessor or signature is wrong")


def test_a_row_edited_behind_the_back_of_the_log(
    verify: Callable[[], Verdict], cluster: Cluster, person: Person
) -> None:
    tamper(cluster, f"UPDATE mes_person SET active = false WHERE id = {person.pk}")
    assert _bad(verify()) == ("row", f"mes.person/{person.pk}@15: the row differs from its event")


def test_a_row_deleted_behind_the_back_of_the_log(
    verify: Callable[[], Verdict], cluster: Cluster, person: Person
) -> None:
    tamper(cluster, f"DELETE FROM mes_person WHERE id = {person.pk}")
    assert _bad(verify())[0] == "row"


def test_an_altered_witness(verify: Callable[[], Verdict], tmp_path: Path) -> None:
    witness = tmp_path / "witness.jsonl"
    lines = witness.read_text().splitlines()
    heard = json.loads(lines[1])
    witness.write_text("\n".join([lines[0], json.dumps(heard | {"root": "0" * 64}), lines[2]]))
    assert _bad(verify()) == ("witness", "line 2: the seal of tree size 9 is gone or different")
    witness.write_text("\n".join([*lines[:2], lines[2][:20]]))
    assert _bad(verify()) == ("witness", "line 3: unreadable")


def test_a_witness_shorter_than_the_seals(verify: Callable[[], Verdict], tmp_path: Path) -> None:
    """All but the newest seal must be in it: that one may not have been told yet."""
    witness = tmp_path / "witness.jsonl"
    lines = witness.read_text().splitlines(keepends=True)
    witness.write_text("".join(lines[:2]))
    assert verify().result == "VALID"
    for kept in (lines[:1], lines[2:], []):
        witness.write_text("".join(kept))
        size = 5 if lines[0] not in kept else 9
        assert _bad(verify()) == (
            "witness",
            f"it does not hold the seal of tree size {size}: it was shortened",
        )


@pytest.mark.requirement("G-INT-01")
@pytest.mark.parametrize("state", ["altered", "missing"])
def test_a_stored_file_that_is_not_what_its_name_says(
    committed_db: None, settings: Any, tmp_path: Path, state: str
) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    artefact = store_artefact(b"as it was", media_type="model/stl")

    def verdict() -> Verdict:
        return verifying.verify(keys={}, witness=None, files=store())

    assert verdict().result == "VALID"
    path = artefact_path(artefact)
    path.unlink()
    if state == "altered":
        path.write_bytes(b"as it never was")
    assert _bad(verdict()) == ("file", f"{artefact.sha256}: {state}")


def test_it_may_run_beside_the_living_system(
    verify: Callable[[], Verdict], person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed between two of its checks does not look like tampering."""

    def check_witness_while_others_write(_told: list[str]) -> Iterator[Bad]:
        thread = threading.Thread(target=_rename, args=(person,))
        thread.start()
        thread.join(10)
        yield from ()

    monkeypatch.setattr(verifying, "check_witness", check_witness_while_others_write)
    found = verify()
    assert (found.result, found.first_bad, found.events) == ("VALID", None, 15)
    assert EventRecord.objects.count() == 16


def _rename(person: Person) -> None:
    with open_unit():
        Person.objects.filter(pk=person.pk).update(full_name="Renamed Meanwhile")
        publish(person, Happened(), actor=SYSTEM)
    connections.close_all()
