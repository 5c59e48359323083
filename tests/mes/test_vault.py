"""Keys, rings and sealed values (K-13). Nothing here needs a database."""

import os
import threading
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from mes.vault import KeyFault, KeyRing, Vault, key_id_of, new_key, normal, place
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.requirement("K-13")
HERE = place("mes_patient_identity", "sealed_family_name", 1)


def ring_in(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "vault.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_value_opens_only_in_its_table_column_and_row() -> None:
    key = new_key()
    sealed = key.seal(b"Doe", bound_to=HERE)
    assert key.open(sealed, bound_to=HERE) == b"Doe"
    for moved in (
        place("mes_patient_identity", "sealed_family_name", 2),
        place("mes_patient_identity", "sealed_given_name", 1),
        place("mes_person", "sealed_family_name", 1),
        "",
    ):
        with pytest.raises(InvalidTag):
            key.open(sealed, bound_to=moved)


def test_no_byte_of_a_value_can_be_altered() -> None:
    key = new_key()
    sealed = key.seal(b"Doe", bound_to=HERE)
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(InvalidTag):
            key.open(bytes(altered), bound_to=HERE)


def test_another_key_does_not_open_and_the_value_names_its_own() -> None:
    key = new_key()
    sealed = key.seal(b"Doe", bound_to=HERE)
    assert key_id_of(sealed) == key.id
    with pytest.raises(InvalidTag):
        new_key().open(sealed, bound_to=HERE)


def test_equal_values_look_different_and_are_found_by_their_index(tmp_path: Path) -> None:
    vault, key = Vault.in_folder(tmp_path), new_key()
    assert key.seal(b"Doe", bound_to=HERE) != key.seal(b"Doe", bound_to=HERE)
    found = vault.blind_index("MRN 4711", vault.index.newest.id)
    assert found in vault.blind_indexes(" mrn4711 ")
    assert found not in vault.blind_indexes("MRN 4712")


def test_the_index_has_a_key_of_its_own(tmp_path: Path) -> None:
    vault = Vault.in_folder(tmp_path)
    assert not vault.ring.ids & vault.index.ids
    assert vault.blind_index("x", vault.index.newest.id) != vault.ring.newest.keyed_hash(normal("x"))


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("MRN 4711", "mrn4711"),
        (" MRN\t4711 ", "MRN\N{NO-BREAK SPACE}4711"),
        ("ＭＲＮ４７１１", "MRN4711"),
        ("STRASSE-1", "Straße-1"),
        ("4711\N{ZERO WIDTH SPACE}", "4711"),
        ("e\N{COMBINING ACUTE ACCENT}1", "É1"),
    ],
)
def test_identifiers_are_compared_by_a_stated_normal_form(typed: str, same: str) -> None:
    assert normal(typed) == normal(same)


@pytest.mark.parametrize(("one", "other"), [("4711", "47-11"), ("O1", "01"), ("4711", "04711"), ("é", "e")])
def test_what_tells_two_identifiers_apart_is_kept(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_a_data_key_opens_where_it_was_wrapped_and_nowhere_else(tmp_path: Path) -> None:
    vault, key = Vault.in_folder(tmp_path), new_key()
    wrapped = vault.wrap(key, vault.ring.newest.id, bound_to="mes_patient_identity.data_key:1")
    assert vault.unwrap(wrapped, bound_to="mes_patient_identity.data_key:1") == key
    with pytest.raises(InvalidTag):
        vault.unwrap(wrapped, bound_to="mes_patient_identity.data_key:2")


def test_a_new_key_is_the_newest_and_the_older_still_open(tmp_path: Path) -> None:
    old = KeyRing.from_file(tmp_path / "vault.key")
    sealed = old.newest.seal(b"Doe", bound_to=HERE)
    old.with_key(new_key())
    ring = KeyRing.from_file(tmp_path / "vault.key")
    assert ring.newest.id not in old.ids
    assert ring[key_id_of(sealed)].open(sealed, bound_to=HERE) == b"Doe"
    assert ring.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]
    assert KeyRing.from_file(ring.only([]).path).ids == {ring.newest.id}
    with pytest.raises(KeyFault, match="does not hold the key"):
        KeyRing.from_file(ring.path)[old.newest.id]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no key"),
        ("not hex", "no key"),
        ("ab" * 16, "16 bytes instead of 32"),
        ("ab" * 33, "33 bytes instead of 32"),
        ("00" * 32, "default"),
        ("0123456789abcdef" * 4, "default"),
        (bytes(range(32)).hex(), "default"),
        (b"change me, this is a long secret".hex(), "default"),
        ("\N{SNOWMAN}", "no key"),
    ],
)
def test_a_bad_key_file_stops_the_start(tmp_path: Path, text: str, says: str) -> None:
    path = ring_in(tmp_path, text)
    with pytest.raises(KeyFault, match=says) as fault:
        KeyRing.from_file(path)
    assert str(path) in str(fault.value)
    assert len(text) < 4 or text not in str(fault.value)


def test_one_key_twice_is_refused(tmp_path: Path) -> None:
    line = os.urandom(32).hex()
    with pytest.raises(KeyFault, match="twice"):
        KeyRing.from_file(ring_in(tmp_path, f"{line}\n{line}\n"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_that_others_may_read_stops_the_start(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyFault, match="chmod 600"):
        KeyRing.from_file(ring_in(tmp_path, os.urandom(32).hex(), mode))


def test_processes_that_come_at_once_agree_on_one_key(tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=PATIENCE_S)
    ids: list[str] = []

    def come() -> None:
        together.wait()
        ids.append(KeyRing.from_file(tmp_path / "keys" / "vault.key").newest.id)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (len(ids), len(set(ids))) == (8, 1)
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["vault.key"]
    assert (tmp_path / "keys" / "vault.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_printed() -> None:
    key = new_key()
    assert key.secret.hex() not in f"{key!r} {key} {KeyRing(Path('x'), (key,))!r}"
    assert repr(key.secret) not in repr(key)
