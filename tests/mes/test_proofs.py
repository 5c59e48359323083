"""Proofs for exports, and the stored tree that answers them without reading every leaf."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog.changes import changes_under
from mes.eventlog.leaves import LEAF_FIELDS, leaf_content
from mes.eventlog.merkle import (
    Tree,
    consistency_proof,
    hashes_over,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)
from mes.eventlog.proofs import NotProvable, proof_of, proofs_of
from mes.eventlog.sealing import RecordAltered, Sealer, load_key, public_keys
from mes.eventlog.tiles import StoredTree
from mes.eventlog.unit import open_unit, publish
from mes.models import EventRecord, Leaf, Seal
from tests.mes.events import Happened
from tests.mes.logins import acting_as, tamper
from tests.mes.makers import SYSTEM, make_person
from tests.servers import Cluster

pytestmark = pytest.mark.requirement("K-02")
MANY = 66_000
"""More than one tile of tiles."""


@pytest.fixture
def seal(committed_db: None, cluster: Cluster, tmp_path: Path) -> Callable[[int], int]:
    """State facts in one unit each hundred, and seal them."""
    person, sealer = make_person(), Sealer(load_key(tmp_path), tmp_path / "seals.jsonl")

    def happen_and_seal(times: int) -> int:
        with open_unit():
            for _ in range(times):
                publish(person, Happened(), actor=SYSTEM)
        with acting_as(cluster, Role.SEALER.login):
            return sealer.seal_once()

    return happen_and_seal


def test_a_proof_leads_from_the_event_to_a_signed_root(seal: Callable[[int], int], tmp_path: Path) -> None:
    """Checked with nothing but the proof, the event's columns and the public key."""
    for times in (600, 3, 1):
        seal(times)
    keys = public_keys(tmp_path)
    positions = list(EventRecord.objects.order_by("pos").values_list("pos", flat=True))
    for pos in (*positions[:2], positions[300], *positions[-5:]):
        proof = proof_of(pos)
        event = EventRecord.objects.values(*LEAF_FIELDS).get(pos=pos)
        content = leaf_content(event, changes_under([pos]).get(pos))
        assert leaf_hash(content).hex() == proof.leaf_hash
        path = [bytes.fromhex(step) for step in proof.path]
        assert verify_inclusion(
            leaf_hash(content), proof.leaf_index, proof.tree_size, path, bytes.fromhex(proof.root)
        )
        assert f'"root":"{proof.root}"' in proof.seal_text
        assert f'"tree_size":{proof.tree_size}' in proof.seal_text
        keys[proof.key_id].verify(bytes.fromhex(proof.signature), proof.seal_text.encode())


def test_the_same_event_has_the_same_proof_for_ever(seal: Callable[[int], int]) -> None:
    seal(5)
    pos = Leaf.objects.get(index=2).event_id
    before = proof_of(pos)
    seal(40)
    assert proof_of(pos) == before
    assert before.tree_size == 6


def test_many_proofs_read_the_tree_once(seal: Callable[[int], int]) -> None:
    seal(600)
    positions = list(Leaf.objects.order_by("-index").values_list("event_id", flat=True)[:100])
    with CaptureQueriesContext(connection) as asked:
        found = proofs_of(positions)
    assert [proof.event_pos for proof in found] == positions
    assert len(asked) < 10


def test_what_is_not_sealed_has_no_proof(seal: Callable[[int], int]) -> None:
    seal(1)
    with open_unit():
        uid = publish(make_person(), Happened(), actor=SYSTEM)
    unsealed = EventRecord.objects.get(uid=uid).pos
    for pos in (unsealed, unsealed + 1000):
        with pytest.raises(NotProvable, match=f"{pos} is not sealed"):
            proof_of(pos)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mes_leaf SET hash = repeat('0', 64) WHERE index = 2",
        "UPDATE mes_leaf SET tiles = repeat('0', 64) WHERE index = 255",
        "DELETE FROM mes_leaf WHERE index = 255",
        "DELETE FROM mes_leaf WHERE index = 4",
        "UPDATE mes_seal SET root = repeat('0', 64)",
    ],
)
def test_an_altered_tree_proves_nothing(seal: Callable[[int], int], cluster: Cluster, change: str) -> None:
    seal(600)
    pos = Leaf.objects.get(index=300 if "tiles" in change or "255" in change else 3).event_id
    tamper(cluster, change)
    with pytest.raises(RecordAltered):
        proof_of(pos)


@pytest.fixture
def leaves(committed_db: None, cluster: Cluster) -> Iterator[list[bytes]]:
    """A tree of leaves alone, written as the sealer writes them."""
    tree, hashes = Tree(), [leaf_hash(number.to_bytes(4)) for number in range(MANY)]
    with cluster.connect(SUPERUSER, connection.settings_dict["NAME"]) as owner:
        owner.execute("SET session_replication_role = replica")
        with owner.cursor().copy("COPY mes_leaf (index, event_id, hash, tiles) FROM STDIN") as copy:
            for index, hashed in enumerate(hashes):
                copy.write_row((index, index + 1, hashed.hex(), b"".join(tree.append(hashed)).hex()))
    yield hashes
    assert tree.root == StoredTree().over(0, MANY).hex()


def test_the_stored_tree_is_the_tree_and_reads_little_of_it(leaves: list[bytes]) -> None:
    over = hashes_over(leaves)
    for index in (0, 255, 256, 65_535, 65_536, MANY - 1):
        stored = StoredTree()
        with CaptureQueriesContext(connection) as asked:
            path = inclusion_proof(stored.over, index, MANY)
        assert path == inclusion_proof(over, index, MANY)
        assert len(asked) <= 6
        assert sum(map(len, stored._tiles.values())) <= 6 * 256
    for old in (1, 256, 65_536, 65_537, MANY - 1, MANY):
        assert consistency_proof(StoredTree().over, old, MANY) == consistency_proof(over, old, MANY)
    assert Tree.restored(StoredTree().over, MANY).root == over(0, MANY).hex()


def test_a_hash_that_is_not_stored_is_named(leaves: list[bytes]) -> None:
    with pytest.raises(LookupError, match=f"below leaf {MANY} is missing"):
        StoredTree().over(MANY - 1, MANY + 1)


def test_the_key_that_signs_is_known_to_who_verifies(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert isinstance(public_keys(tmp_path)[key.id], Ed25519PublicKey)
    assert Seal._meta.get_field("key_id").max_length == len(key.id)
    assert hashlib.sha256(public_keys(tmp_path)[key.id].public_bytes_raw()).hexdigest().startswith(key.id)
