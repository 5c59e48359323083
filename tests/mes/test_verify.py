"""`verify` names the first bad position of every kind of tampering, and says VALID otherwise.

Each case changes the real database as its superuser, with triggers and foreign keys switched off (R-16).
"""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connections

from mes.columnguards import check_name
from mes.embedded.roles import SUPERUSER, Role
from mes.eventlog import verify as verifying
from mes.eventlog.leaves import LEAF_FIELDS, leaf_content
from mes.eventlog.merkle import leaf_hash
from mes.eventlog.sealing import Sealer, SealKey, load_key, public_keys, seal_text
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import Bad, Verdict
from mes.eventlog.witness import Told
from mes.models import EventRecord, Leaf, Person, Seal
from mes.services.artefacts import artefact_path, store, store_artefact
from mes.tables import TABLES
from tests.mes.events import Happened
from tests.mes.logins import acting_as, refusal, tamper
from tests.mes.makers import SYSTEM, make_person
from tests.patience import PATIENCE_S
from tests.scenes import Scene, told
from tests.servers import DISPOSABLE, Cluster

pytestmark = [pytest.mark.requirement("K-02"), pytest.mark.requirement("P11-10a")]
Verify = Callable[[], Verdict]
Found = tuple[str, str, int | None]
WITNESS = "witness.jsonl"


def _seal_three_times() -> dict[str, bytes]:
    """A record of thirteen events under three seals, and two more that are not sealed yet. All of one stream.

    Returns the files of the sealer's keys, and the witness.
    """
    person, cluster = make_person(), Cluster(settings.VAR_DIR, DISPOSABLE)
    with TemporaryDirectory() as name:
        sealer = Sealer(load_key(Path(name)), Path(name) / WITNESS)
        for _ in range(3):
            _happen(person, 4)
            with acting_as(cluster, Role.SEALER.login):
                sealer.seal_once()
        _happen(person, 2)
        return {path.name: path.read_bytes() for path in Path(name).iterdir()}


Scene("sealed", make=make_person, roles=(), story=_seal_three_times)


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """The sealer's files lie beside it."""
    for name, content in (told("sealed") or {}).items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(content)
    return tmp_path / WITNESS


@pytest.fixture
def verify(undone: None, tmp_path: Path, witness: Path) -> Verify:
    """Of the record that was sealed three times. What is done to it is undone."""
    return lambda: verifying.verify(keys=public_keys(tmp_path), witness=witness)


@pytest.fixture
def living(committed_db: None, tmp_path: Path, witness: Path) -> Verify:
    """Of the same record, where others may write and seal meanwhile."""
    return lambda: verifying.verify(keys=public_keys(tmp_path), witness=witness)


@pytest.fixture
def person(db: None) -> Person:
    """Whose record it is."""
    return Person.objects.get()


def _happen(person: Person, times: int) -> None:
    for _ in range(times):
        with open_unit():
            publish(person, Happened(note="as it was"), actor=SYSTEM)


def _at(index: int) -> int:
    """The position of the event of a leaf."""
    return Leaf.objects.get(index=index).event_id


def _bad(found: Verdict) -> Found:
    assert found.result == "ALTERED"
    assert found.first_bad is not None
    return found.first_bad["what"], found.first_bad["where"], found.first_bad["pos"]


def _hash_of(pos: int) -> str:
    """What a forger writes into the leaf of an event that he changed."""
    return leaf_hash(leaf_content(EventRecord.objects.values(*LEAF_FIELDS).get(pos=pos))).hex()


def test_an_untouched_record_is_valid(verify: Verify) -> None:
    found = verify()
    assert (found.result, found.first_bad, found.events, found.sealed) == ("VALID", None, 15, 13)
    assert set(json.loads(found.as_json())) >= {"result", "events", "per_second", "first_bad"}


# --- events and leaves


@pytest.mark.parametrize(
    "change",
    [
        "tx = tx - 1",
        "epoch = epoch - 1",
        "uid = gen_random_uuid()",
        "stream_type = 'mes.patient'",
        "stream_id = '0'",
        "version = 99",
        "type = 'test.followed'",
        "schema_version = 2",
        'payload = \'{"note":"as it never was"}\'',
        "payload = payload || ' '",
        "actor = 'person:99'",
        "reason = 'x'",
        "correlation = gen_random_uuid()",
        "causation = gen_random_uuid()",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "recorded_at = 'infinity'",
        "software = software || '.1'",
        "record_schema = 99",
        "record_digest = repeat('0', 64)",
    ],
)
def test_an_edited_event(verify: Verify, cluster: Cluster, person: Person, change: str) -> None:
    """Every column; of two edited events the first is named."""
    pos = _at(6)
    tamper(
        cluster,
        f"ALTER TABLE mes_event DROP CONSTRAINT {check_name(TABLES['mes_event'])}",
        f"UPDATE mes_event SET {change} WHERE pos = {pos}",
        f"UPDATE mes_event SET reason = 'x' WHERE pos = {_at(9)}",
    )
    what, where, bad_pos = _bad(verify())
    assert (what, bad_pos) == ("event", pos)
    assert where.startswith(f"pos {pos}, leaf 6: ")
    assert where.endswith(" was altered")


def test_every_column_is_edited_above() -> None:
    """`pos` itself is what the leaf points at: an event moved to another position is a deleted one."""
    (mark,) = [mark for mark in test_an_edited_event.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    assert {change.split(" = ")[0] for change in mark.args[1]} == set(LEAF_FIELDS) - {"pos"}


def test_an_edited_event_whose_leaf_was_made_to_fit(verify: Verify, cluster: Cluster) -> None:
    """A leaf is not signed: the seal above it is."""
    pos = _at(6)
    tamper(cluster, f"UPDATE mes_event SET reason = 'x' WHERE pos = {pos}")
    tamper(cluster, f"UPDATE mes_leaf SET hash = '{_hash_of(pos)}' WHERE index = 6")
    assert _bad(verify()) == ("seal", "tree size 9: the leaves 5 to 8 do not lead to its root", _at(5))


def test_an_edited_leaf(verify: Verify, cluster: Cluster, person: Person) -> None:
    tamper(cluster, "UPDATE mes_leaf SET hash = upper(hash) WHERE index = 6")
    assert _bad(verify()) == (
        "event",
        f"pos {_at(6)}, leaf 6: mes.person/{person.pk}@7 was altered",
        _at(6),
    )


def test_edited_tiles_of_a_leaf(verify: Verify, cluster: Cluster) -> None:
    tamper(cluster, f"UPDATE mes_leaf SET tiles = '{'0' * 64}' WHERE index = 6")
    assert _bad(verify()) == ("leaf", f"pos {_at(6)}, leaf 6: its tiles were altered", _at(6))


def test_a_deleted_event(verify: Verify, cluster: Cluster) -> None:
    pos = _at(5)
    tamper(cluster, f"DELETE FROM mes_event WHERE pos = {pos}")
    assert _bad(verify()) == ("event", f"pos {pos}, leaf 5: the event was deleted", pos)


def test_an_event_moved_to_another_position(verify: Verify, cluster: Cluster) -> None:
    pos = _at(5)
    tamper(cluster, f"UPDATE mes_event SET pos = 1000 WHERE pos = {pos}")
    assert _bad(verify()) == ("event", f"pos {pos}, leaf 5: the event was deleted", pos)


def test_a_deleted_leaf(verify: Verify, cluster: Cluster) -> None:
    pos = _at(5)
    tamper(cluster, "DELETE FROM mes_leaf WHERE index = 5")
    assert _bad(verify()) == ("leaf", f"pos {pos}, leaf 5: the leaf was deleted", pos)


def test_an_event_deleted_with_its_leaf(verify: Verify, cluster: Cluster) -> None:
    pos = _at(5)
    tamper(cluster, "DELETE FROM mes_leaf WHERE index = 5", f"DELETE FROM mes_event WHERE pos = {pos}")
    where = f"leaf 5: it was deleted with its event (the next is leaf 6, pos {_at(6)})"
    assert _bad(verify()) == ("event", where, None)


def test_an_event_deleted_with_its_leaf_and_the_others_moved_up(verify: Verify, cluster: Cluster) -> None:
    pos, next_pos = _at(5), _at(6)
    tamper(
        cluster,
        f"DELETE FROM mes_leaf WHERE event_id = {pos}",
        f"DELETE FROM mes_event WHERE pos = {pos}",
        "UPDATE mes_leaf SET index = -index WHERE index > 5",
        "UPDATE mes_leaf SET index = -index - 1 WHERE index < 0",
    )
    assert _bad(verify()) == ("seal", "tree size 9: the leaves 5 to 8 do not lead to its root", next_pos)


def test_two_events_that_changed_places(verify: Verify, cluster: Cluster, person: Person) -> None:
    a, b = _at(3), _at(4)
    tamper(
        cluster,
        f"UPDATE mes_event SET version = -1 WHERE pos = {a}",
        f"UPDATE mes_event SET version = 4 WHERE pos = {b}",
        f"UPDATE mes_event SET version = 5 WHERE pos = {a}",
    )
    assert _bad(verify()) == ("event", f"pos {a}, leaf 3: mes.person/{person.pk}@5 was altered", a)


def test_two_leaves_that_changed_places(verify: Verify, cluster: Cluster) -> None:
    """Each still fits its event; the order in which they were settled does not."""
    a, b = _at(3), _at(4)
    tamper(
        cluster,
        "UPDATE mes_leaf SET index = -1 WHERE index = 3",
        "UPDATE mes_leaf SET index = 3 WHERE index = 4",
        "UPDATE mes_leaf SET index = 4 WHERE index = -1",
    )
    where = f"pos {a}, leaf 4: it was settled before pos {b}, the leaf before"
    assert _bad(verify()) == ("order", where, a)


COPIED = (
    "epoch, stream_type, stream_id, type, schema_version, payload, actor, reason, correlation, occurred_at, "
    "recorded_at, software, record_schema, record_digest"
)


def _insert_event(cluster: Cluster, index: int) -> int:
    """Slip in a copy of the event of a leaf, with its transaction id, as if it had always been there. Returns its position."""
    tamper(
        cluster,
        f"INSERT INTO mes_event (tx, uid, version, {COPIED}) "
        f"SELECT tx, gen_random_uuid(), 16, {COPIED} FROM mes_event WHERE pos = {_at(index)}",
        "UPDATE mes_stream SET version = 16 WHERE type = 'mes.person'",
    )
    found: int = EventRecord.objects.order_by("-pos").values_list("pos", flat=True)[0]
    return found


def test_an_inserted_event(verify: Verify, cluster: Cluster) -> None:
    pos = _insert_event(cluster, 2)
    where = f"pos {pos}: stands before the last sealed event and was never sealed"
    assert _bad(verify()) == ("event", where, pos)


def test_an_inserted_event_with_a_leaf_in_its_place(verify: Verify, cluster: Cluster) -> None:
    pos = _insert_event(cluster, 6)
    tamper(
        cluster,
        "UPDATE mes_leaf SET index = -index WHERE index > 6",
        "UPDATE mes_leaf SET index = -index + 1 WHERE index < 0",
        f"INSERT INTO mes_leaf (index, event_id, hash) VALUES (7, {pos}, '{_hash_of(pos)}')",
    )
    assert _bad(verify()) == ("seal", "tree size 9: the leaves 5 to 8 do not lead to its root", _at(5))


def test_an_inserted_event_with_a_leaf_at_the_end(verify: Verify, cluster: Cluster) -> None:
    pos = _insert_event(cluster, 12)
    tamper(cluster, f"INSERT INTO mes_leaf (index, event_id, hash) VALUES (13, {pos}, '{_hash_of(pos)}')")
    assert _bad(verify()) == ("seal", f"pos {pos}, leaf 13: no seal covers it", pos)


@pytest.mark.parametrize(("column", "value"), [("tx", "900000000000000"), ("epoch", "2")])
def test_an_event_that_the_sealer_would_never_come_to(
    verify: Verify, cluster: Cluster, column: str, value: str
) -> None:
    pos = _pos_of(15)
    tamper(cluster, f"UPDATE mes_event SET {column} = {value} WHERE pos = {pos}")
    what, where, found = _bad(verify())
    assert (what, found) == ("event", pos)
    assert where.endswith(" has not begun")


def test_an_event_that_waits_for_long_is_told(verify: Verify, cluster: Cluster) -> None:
    pos = _pos_of(14)
    tamper(cluster, f"UPDATE mes_event SET recorded_at = now() WHERE pos >= {pos}")
    assert verify().late is None
    tamper(cluster, f"UPDATE mes_event SET recorded_at = now() - interval '62 s' WHERE pos = {pos}")
    found = verify()
    assert found.result == "VALID"
    assert found.late is not None
    assert found.late["pos"] == pos
    assert 60 < found.late["seconds"] < 600


def test_a_truncated_tail_of_events(verify: Verify, cluster: Cluster) -> None:
    pos = _at(9)
    tamper(cluster, f"DELETE FROM mes_event WHERE pos >= {pos}")
    assert _bad(verify()) == ("event", f"pos {pos}, leaf 9: the event was deleted", pos)


def test_a_truncated_tail_of_events_and_leaves(verify: Verify, cluster: Cluster) -> None:
    tamper(cluster, f"DELETE FROM mes_event WHERE pos >= {_at(9)}", "DELETE FROM mes_leaf WHERE index >= 9")
    where = "leaf 9: it was deleted (the seal of tree size 13 covers it)"
    assert _bad(verify()) == ("event", where, None)


def _put_old_state_back(cluster: Cluster, size: int) -> None:
    """The database as it was when the tree had `size` leaves: what an old backup holds."""
    tamper(
        cluster,
        f"DELETE FROM mes_seal WHERE tree_size > {size}",
        f"DELETE FROM mes_event WHERE pos >= {_at(size)}",
        f"DELETE FROM mes_leaf WHERE index >= {size}",
        f"UPDATE mes_stream SET version = {size} WHERE type = 'mes.person'",
    )


def test_a_truncated_tail_of_everything_is_told_by_the_witness(verify: Verify, cluster: Cluster) -> None:
    _put_old_state_back(cluster, 9)
    assert _bad(verify()) == ("witness", "line 3: the seal of tree size 13 is gone or different", None)


def test_without_a_witness_nobody_knows_of_a_tail_that_is_gone(
    verify: Verify, cluster: Cluster, tmp_path: Path
) -> None:
    """Why there is one."""
    _put_old_state_back(cluster, 9)
    assert verifying.verify(keys=public_keys(tmp_path), witness=None).result == "VALID"


def test_an_old_backup_that_was_put_back_and_went_on(
    living: Verify, cluster: Cluster, person: Person, witness: Path, tmp_path: Path
) -> None:
    """What happened after the backup is gone; what happens now would get its places in the tree."""
    _put_old_state_back(cluster, 9)
    _happen(person, 5)
    before = witness.read_bytes()
    with acting_as(cluster, Role.SEALER.login), pytest.raises(RuntimeError, match="tree size 13"):
        Sealer(load_key(tmp_path), witness).seal_once()
    assert witness.read_bytes() == before
    assert Leaf.objects.count() == 9
    assert _bad(living()) == ("witness", "line 3: the seal of tree size 13 is gone or different", None)


# --- seals


def _replace_seal(cluster: Cluster, size: int, key: SealKey, **changes: Any) -> None:
    seal = Seal.objects.get(tree_size=size)
    seal.key_id = key.id
    for name, value in changes.items():
        setattr(seal, name, value)
    tamper(
        cluster,
        f"UPDATE mes_seal SET key_id = '{key.id}', sealed_at = '{seal.sealed_at.isoformat()}', root = '{seal.root}', "
        f"signature = '{key.sign(seal_text(seal))}' WHERE tree_size = {size}",
    )


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("sealed_at = sealed_at - interval '1 day'", "its signature is wrong, or of a key that is not known"),
        ("signature = upper(signature)", "its signature is wrong, or of a key that is not known"),
        ("key_id = repeat('0', 16)", "its signature is wrong, or of a key that is not known"),
        ("root = repeat('0', 64)", "the leaves 5 to 8 do not lead to its root"),
        ("prev_root = repeat('0', 64)", "its signature is wrong, or of a key that is not known"),
        ("prev_size = 4", "its signature is wrong, or of a key that is not known"),
        ("prev_seal = repeat('0', 64)", "its signature is wrong, or of a key that is not known"),
        ("consistency = upper(consistency)", "it does not show that it follows that of tree size 5"),
        ("consistency = substr(consistency, 66)", "it does not show that it follows that of tree size 5"),
    ],
)
def test_an_edited_seal(verify: Verify, cluster: Cluster, change: str, where: str) -> None:
    tamper(cluster, f"UPDATE mes_seal SET {change} WHERE tree_size = 9")
    pos = _at(5) if "lead" in where else None
    assert _bad(verify()) == ("seal", f"tree size 9: {where}", pos)


def test_a_seal_replaced_under_another_key(verify: Verify, cluster: Cluster) -> None:
    _replace_seal(cluster, 9, SealKey(Ed25519PrivateKey.generate()))
    where = "tree size 9: its signature is wrong, or of a key that is not known"
    assert _bad(verify()) == ("seal", where, None)


def test_a_seal_replaced_under_the_same_key(
    verify: Verify, cluster: Cluster, tmp_path: Path, witness: Path
) -> None:
    """Signed as it should be, at another time: the seal that was made upon it, and the witness, know the real one."""
    earlier = Seal.objects.get(tree_size=5).sealed_at
    _replace_seal(cluster, 9, load_key(tmp_path), sealed_at=earlier)
    where = "tree size 9: it is not the seal which that of tree size 13 follows"
    assert _bad(verify()) == ("seal", where, None)
    assert _bad(verifying.verify(keys=public_keys(tmp_path), witness=None)) == ("seal", where, None)


def test_the_last_seal_replaced_under_the_same_key_is_told_by_the_witness(
    verify: Verify, cluster: Cluster, tmp_path: Path
) -> None:
    _replace_seal(cluster, 13, load_key(tmp_path), sealed_at=Seal.objects.get(tree_size=5).sealed_at)
    assert _bad(verify()) == ("witness", "line 3: the seal of tree size 13 is gone or different", None)
    # Whoever holds the key can rewrite the end of a record that nobody witnessed.
    assert verifying.verify(keys=public_keys(tmp_path), witness=None).result == "VALID"


def test_a_seal_over_another_root_under_the_same_key(
    verify: Verify, cluster: Cluster, tmp_path: Path
) -> None:
    _replace_seal(cluster, 9, load_key(tmp_path), root="0" * 64)
    assert _bad(verify()) == ("seal", "tree size 9: the leaves 5 to 8 do not lead to its root", _at(5))


@pytest.mark.parametrize(
    ("size", "where"),
    [
        (5, "tree size 5: the seal is gone, which that of 9 follows"),
        (9, "tree size 9: the seal is gone, which that of 13 follows"),
        (13, "pos {pos}, leaf 9: no seal covers it"),
    ],
)
def test_a_seal_taken_out(verify: Verify, cluster: Cluster, size: int, where: str) -> None:
    tamper(cluster, f"DELETE FROM mes_seal WHERE tree_size = {size}")
    pos = _at(9) if size == 13 else None
    assert _bad(verify()) == ("seal", where.format(pos=pos), pos)


def test_leaves_whose_seal_is_gone_from_the_witness_too(
    verify: Verify, cluster: Cluster, witness: Path
) -> None:
    witness.write_text("".join(witness.read_text().splitlines(keepends=True)[:2]))
    tamper(cluster, "DELETE FROM mes_seal WHERE tree_size = 13")
    assert _bad(verify()) == ("seal", f"pos {_at(9)}, leaf 9: no seal covers it", _at(9))


# --- streams


def test_the_last_event_deleted_before_it_was_sealed(
    verify: Verify, cluster: Cluster, person: Person
) -> None:
    tamper(cluster, "DELETE FROM mes_event WHERE pos = (SELECT max(pos) FROM mes_event)")
    where = f"mes.person/{person.pk}@15: the event is missing (counter 15, 14 events)"
    assert _bad(verify()) == ("stream", where, None)


@pytest.mark.parametrize("counter", [14, 16])
def test_a_changed_counter_of_a_stream(
    verify: Verify, cluster: Cluster, person: Person, counter: int
) -> None:
    tamper(cluster, f"UPDATE mes_stream SET version = {counter} WHERE type = 'mes.person'")
    name = f"mes.person/{person.pk}"
    where = {
        14: f"{name}: the counter says 14, there are 15 events",
        16: f"{name}@16: the event is missing (counter 16, 15 events)",
    }
    assert _bad(verify()) == ("stream", where[counter], None)


def test_a_stream_whose_counter_is_gone(verify: Verify, cluster: Cluster, person: Person) -> None:
    tamper(cluster, "DELETE FROM mes_stream WHERE type = 'mes.person'")
    where = f"mes.person/{person.pk}: the counter says None, there are 15 events"
    assert _bad(verify()) == ("stream", where, None)


def test_an_unsealed_event_with_another_version(verify: Verify, cluster: Cluster, person: Person) -> None:
    tamper(cluster, "UPDATE mes_event SET version = 0 WHERE version = 14")
    where = f"mes.person/{person.pk}@14: the event is missing (counter 15, 15 events)"
    assert _bad(verify()) == ("stream", where, None)


# --- rows


def test_events_of_no_known_type_of_stream(verify: Verify, cluster: Cluster) -> None:
    pos = _pos_of(15)
    tamper(
        cluster,
        f"UPDATE mes_event SET stream_type = 'mes.nothing', stream_id = '7', version = 1 WHERE pos = {pos}",
        "UPDATE mes_stream SET version = 14 WHERE type = 'mes.person'",
        "INSERT INTO mes_stream (type, id, version) VALUES ('mes.nothing', '7', 1)",
    )
    assert _bad(verify()) == ("row", "mes.nothing/7@1: no such stream type", pos)


def _pos_of(version: int) -> int:
    found: int = EventRecord.objects.values_list("pos", flat=True).get(
        stream_type="mes.person", version=version
    )
    return found


def test_a_row_edited_behind_the_log(verify: Verify, cluster: Cluster, person: Person) -> None:
    tamper(cluster, f"UPDATE mes_person SET active = false WHERE id = {person.pk}")
    where = f"mes.person/{person.pk}@15: the row differs from its event"
    assert _bad(verify()) == ("row", where, _pos_of(15))


def test_a_row_deleted_behind_the_log(verify: Verify, cluster: Cluster, person: Person) -> None:
    tamper(cluster, f"DELETE FROM mes_person WHERE id = {person.pk}")
    assert _bad(verify()) == ("row", f"mes.person/{person.pk}@15: the row was deleted", _pos_of(15))


def test_a_row_inserted_behind_the_log(verify: Verify, cluster: Cluster) -> None:
    tamper(
        cluster,
        "INSERT INTO mes_person (id, full_name, credentials, timezone, active, external) VALUES (4711, 'Nobody', '', 'UTC', true, false)",
    )
    assert _bad(verify()) == ("row", "mes.person/4711: the row stands without an event", None)


def test_a_seal_that_cannot_be_read(verify: Verify, cluster: Cluster) -> None:
    """Nobody writes one; after the CHECK was dropped it is named, and nothing fails."""
    change = "UPDATE mes_seal SET sealed_at = 'infinity' WHERE tree_size = 9"
    assert refusal(cluster, SUPERUSER, f"SET session_replication_role = replica; {change}") == "23514"
    tamper(cluster, f"ALTER TABLE mes_seal DROP CONSTRAINT {check_name(TABLES['mes_seal'])}", change)
    assert _bad(verify()) == ("seal", "tree size 9: the seal is unreadable (DataError)", None)


def test_a_row_under_a_schema_that_nobody_knows(verify: Verify, cluster: Cluster, person: Person) -> None:
    pos = _pos_of(15)
    tamper(cluster, f"UPDATE mes_event SET record_schema = 77 WHERE pos = {pos}")
    where = f"mes.person/{person.pk}@15: the row is unreadable (KeyError)"
    assert _bad(verify()) == ("row", where, pos)


@pytest.mark.parametrize("broken", ["check_rows", "check_covered", "check_history", "disposed_files"])
def test_a_check_that_fails_is_a_finding(
    verify: Verify, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, broken: str
) -> None:
    """And gives way to one that knows the row."""
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"

    def fail() -> Any:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        yield

    monkeypatch.setattr(verifying, broken, (lambda: [*fail()]) if broken == "disposed_files" else fail)
    found = verifying.verify(keys=public_keys(tmp_path), witness=None, files=store())
    assert found.first_bad is not None
    assert found.first_bad["where"] == "unreadable: DataError"


# --- the witness


def test_an_edited_witness(verify: Verify, witness: Path) -> None:
    lines = witness.read_text().splitlines(keepends=True)
    heard = json.loads(lines[1])
    for changes in ({"root": "0" * 64}, {"signature": "0" * 128}):
        witness.write_text("".join([lines[0], json.dumps(heard | changes) + "\n", lines[2]]))
        where = "line 2: the seal of tree size 9 is gone or different"
        assert _bad(verify()) == ("witness", where, None)
    for line in (
        lines[1].replace(", ", ","),
        lines[1].upper(),
        "[]\n",
        '{"tree_size": 9}\n',
        lines[1][:20] + "\n",
    ):
        witness.write_text("".join([lines[0], line, lines[2]]))
        assert _bad(verify()) == ("witness", "line 2: unreadable", None)


def test_a_witness_line_torn_by_a_power_cut(
    living: Verify, witness: Path, cluster: Cluster, tmp_path: Path
) -> None:
    """The next sealer tells it again; until then nobody can read it."""
    whole = witness.read_bytes()
    for length in (1, 20, 100):
        torn = whole[: len(b"".join(whole.splitlines(keepends=True)[:2])) + length]
        witness.write_bytes(torn)
        assert _bad(living()) == ("witness", "line 3: unreadable", None)
        with acting_as(cluster, Role.SEALER.login):
            Sealer(load_key(tmp_path), witness).repeat_last()
        assert witness.read_bytes().startswith(torn + b"\n")
        assert living().result == "VALID"


def test_a_shortened_witness(verify: Verify, witness: Path) -> None:
    """All but the newest seal must be in it: that one may not have been told yet."""
    lines = witness.read_text().splitlines(keepends=True)
    witness.write_text("".join(lines[:2]))
    assert verify().result == "VALID"
    for kept, size in ((lines[:1], 9), (lines[1:], 5), (lines[::2], 9), ([], 5)):
        witness.write_text("".join(kept))
        where = f"it does not hold the seal of tree size {size}: it was shortened"
        assert _bad(verify()) == ("witness", where, None)
    witness.unlink()
    assert _bad(verify()) == ("witness", "seals stand, but the witness is missing", None)


def test_a_witness_with_a_seal_too_many(verify: Verify, witness: Path) -> None:
    with witness.open("ab") as file:
        file.write(Told(14, "0" * 64, "0" * 128).line())
    assert _bad(verify()) == ("witness", "line 4: the seal of tree size 14 is gone or different", None)


def test_a_seal_told_twice_is_no_harm(verify: Verify, witness: Path) -> None:
    lines = witness.read_text().splitlines(keepends=True)
    witness.write_text("".join([*lines[:2], lines[1], lines[2], lines[2]]))
    assert verify().result == "VALID"


# --- files


@pytest.mark.requirement("G-INT-01")
@pytest.mark.parametrize("state", ["altered", "missing"])
def test_a_stored_file_that_is_not_what_its_name_says(
    undone: None, witness: Path, settings: Any, tmp_path: Path, state: str
) -> None:
    """One byte of the second of three."""
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    files = [store_artefact(f"as it was {number}".encode(), media_type="model/stl") for number in range(3)]

    def verdict() -> Verdict:
        return verifying.verify(keys=public_keys(tmp_path), witness=witness, files=store())

    assert verdict().result == "VALID"
    path = artefact_path(files[1])
    content = path.read_bytes()
    path.unlink()
    if state == "altered":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert _bad(verdict()) == ("file", f"{files[1].sha256}: {state}", None)


# --- beside the living system


def test_it_may_run_beside_the_living_system(
    living: Verify, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed between two of its checks does not look like tampering."""

    def check_witness_while_others_write(*_: object) -> Iterator[Bad]:
        thread = threading.Thread(target=_rename, args=(person,))
        thread.start()
        thread.join(PATIENCE_S)
        yield from ()

    monkeypatch.setattr(verifying, "check_witness", check_witness_while_others_write)
    found = living()
    assert (found.result, found.first_bad, found.events) == ("VALID", None, 15)
    assert EventRecord.objects.count() == 16


def _rename(person: Person) -> None:
    with open_unit():
        Person.objects.filter(pk=person.pk).update(full_name="Renamed Meanwhile")
        publish(person, Happened(), actor=SYSTEM)
    connections.close_all()
