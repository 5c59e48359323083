"""What an erasure leaves on the disk opens with nothing that is left, wherever it was interrupted (K-13)."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from django.test import override_settings

from mes import vault as vault_module
from mes.choices import Role
from mes.embedded.roles import SUPERUSER
from mes.eventlog.base import Actor, Recorded
from mes.eventlog.delivery import recorded
from mes.eventlog.unit import open_unit
from mes.eventlog.verify import verify
from mes.exceptions import Conflict
from mes.handlers import destroy_keys
from mes.models import EventRecord, Patient, PatientIdentity, VaultRotation
from mes.services import vaultkeys
from mes.services.erasure import approve_erasure, request_erasure
from mes.services.patients import open_identity, patient_with
from mes.services.vaultkeys import TABLE, begin_rotation, move_rows
from mes.vault import Key, KeyRing, new_key, normal, place
from tests.mes.makers import make_patient, make_person, make_signer
from tests.mes.test_rotation import give_own_keys
from tests.scenes import Scene, told
from tests.servers import Cluster

pytestmark = pytest.mark.requirement("K-13")
SECRET = re.compile(rb"[0-9a-f]{64}")
SEALED = ("sealed_patient_id", "sealed_family_name", "sealed_given_name", "sealed_birth_date")


@pytest.fixture
def own_keys(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.KEYS_DIR = tmp_path / "keys"
    vaultkeys._compared.clear()
    yield settings.KEYS_DIR
    vaultkeys._compared.clear()


def erase(patient: Patient) -> Recorded[Any]:
    """Two people sign. Returns the fact that the worker answers."""
    officer = Actor.person(make_person(Role.PRV).pk)
    request = request_erasure(patient=patient, reason="The patient asks", actor=officer)
    for role in (Role.PRV, Role.QAR):
        actor, typed = make_signer(role)
        approve_erasure(request_id=request.pk, role=role, actor=actor, credentials=typed)
    return recorded(EventRecord.objects.get(type="mes.patient_identity_erased", stream_id=str(patient.pk)))


def destroy(fact: Recorded[Any]) -> None:
    """As the worker does it."""
    effect: Callable[[], object] = destroy_keys(fact)
    with open_unit():
        effect()


def keys_on_disk(folder: Path) -> list[Key]:
    """Everything in any file of the folder, hidden ones too, that could be a key."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        Key(bytes.fromhex(found.decode())) for path in files for found in SECRET.findall(path.read_bytes())
    ]


def recovered(row: PatientIdentity, keys: list[Key]) -> list[bytes]:
    """What somebody with an old copy of a row and these keys can read of it."""
    found = [
        normal("MRN 4711").encode()
        for key in keys
        if key.keyed_hash(normal("MRN 4711")) == row.patient_id_index
    ]
    for key in keys:
        try:
            secret = key.open(bytes(row.data_key), bound_to=place(TABLE, "data_key", row.patient_id))
        except InvalidTag:
            continue
        found += [
            Key(secret).open(getattr(row, name), bound_to=place(TABLE, name, row.patient_id))
            for name in SEALED
        ]
    return found


@pytest.mark.faults
def test_nothing_in_heap_wal_and_keys_leads_back_to_an_erased_patient(
    fault_cluster: Cluster, settings: Any
) -> None:
    """All that a database keeps is looked for on its disk; then every key that is left is tried on it."""
    settings.KEYS_DIR = give_own_keys(fault_cluster.layout.root)
    others = [make_patient(f"MRN {number}") for number in range(20)]
    patient = make_patient("MRN 4711", "Forgotten")
    before = PatientIdentity.objects.get(patient=patient)
    assert b"Forgotten" in recovered(before, keys_on_disk(settings.KEYS_DIR)), "the test can see"
    fact = erase(patient)
    destroy(fact)
    with fault_cluster.connect(SUPERUSER) as superuser:
        superuser.execute("CHECKPOINT")
    pieces = {name: bytes(getattr(before, name)) for name in ("data_key", *SEALED)}
    pieces["index"] = before.patient_id_index.encode()
    kept = b"".join(
        path.read_bytes()
        for folder in ("base", "pg_wal")
        for path in (fault_cluster.layout.postgres / folder).rglob("*")
        if path.is_file()
    )
    # A boundary between two pages of the log may part one of them; more than one cannot be missed by chance.
    missed = {name for name, piece in pieces.items() if piece not in kept}
    assert len(missed) <= 1, f"it is on the disk still, but for {missed}"
    left = keys_on_disk(settings.KEYS_DIR)
    assert left
    assert recovered(before, left) == []
    assert [open_identity(one).patient_id for one in others] == [f"MRN {number}" for number in range(20)]
    assert patient_with("MRN 3") == others[3]
    told = EventRecord.objects.get(type="mes.identity_keys_destroyed")
    assert told.stream_id == str(patient.pk)
    assert verify(keys={}, witness=None).first_bad is None


@pytest.mark.django_db
def test_erasures_that_come_together_share_one_rotation(own_keys: Path) -> None:
    patients = [make_patient(f"MRN {number}") for number in range(3)]
    facts = [erase(patient) for patient in patients[:2]]
    for fact in facts:
        destroy(fact)
    assert VaultRotation.objects.count() == 2, "one for each of the two keys"
    assert EventRecord.objects.filter(type="mes.identity_keys_destroyed").count() == 2
    assert open_identity(patients[2]).patient_id == "MRN 2"


@pytest.mark.django_db
def test_an_erasure_during_a_rotation_takes_the_newer_key_too(own_keys: Path) -> None:
    patients = [make_patient(f"MRN {number}") for number in range(3)]
    rotation = begin_rotation(purpose="wrap")
    move_rows(rotation_id=rotation.pk, batch=1)
    before = PatientIdentity.objects.get(patient=patients[0])
    assert before.data_key_id == rotation.new_key_id
    destroy(erase(patients[0]))
    assert recovered(before, keys_on_disk(own_keys)) == []
    assert [open_identity(one).patient_id for one in patients[1:]] == ["MRN 1", "MRN 2"]


@pytest.mark.django_db
def test_while_another_process_rotates_it_waits_for_its_next_turn(
    own_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = erase(make_patient("MRN 4711"))
    with monkeypatch.context() as patch:
        patch.setattr(vaultkeys, "_lock", lambda *_: False)
        with pytest.raises(Conflict, match="Another process rotates"):
            destroy_keys(fact)
    assert not EventRecord.objects.filter(type="mes.identity_keys_destroyed").exists()
    destroy(fact)


@dataclass(frozen=True)
class Erased:
    """An erasure that two people signed and no worker has answered, and the row and the keys as they were."""

    fact: Recorded[Any]
    row: PatientIdentity
    keys: dict[str, bytes]


def _erase_one_of_three() -> Erased:
    with TemporaryDirectory() as name, override_settings(KEYS_DIR=Path(name)):
        vaultkeys._compared.clear()
        for number in range(2):
            make_patient(f"MRN {number}")
        patient = make_patient("MRN 4711", "Forgotten")
        row = PatientIdentity.objects.get(patient=patient)
        fact = erase(patient)
        keys = {path.name: path.read_bytes() for path in Path(name).iterdir() if path.is_file()}
        return Erased(fact, row, keys)


Scene("erased", make=make_person, roles=(), story=_erase_one_of_three)


@pytest.fixture
def erased(db: None, own_keys: Path) -> Erased:
    """Where a test asks for it: told once."""
    found = told("erased")
    assert isinstance(found, Erased)
    own_keys.mkdir(mode=0o700)
    for name, content in found.keys.items():
        (own_keys / name).touch(mode=0o600)
        (own_keys / name).write_bytes(content)
    return found


STEPS = [(os, "link", 4), (os, "replace", 4), (vault_module, "write_beside", 4), (vault_module, "destroy_file", 4),
         (vault_module, "_sync", 4), (vaultkeys, "finish_rotation", 2), (vaultkeys, "forget_keys", 2)]  # fmt: skip
DEATHS = [(owner, name, nth) for owner, name, times in STEPS for nth in range(1, times + 1)]
"""Each step as often as it is taken, of what is synchronised the first four."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name", "nth"), DEATHS, ids=[f"{name}-{nth}" for _, name, nth in DEATHS])
def test_killed_anywhere_and_asked_again_it_leaves_nothing(
    erased: Erased,
    own_keys: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    nth: int,
    after: bool,
) -> None:
    others = list(Patient.objects.exclude(pk=erased.fact.stream_id).order_by("pk"))
    assert b"Forgotten" in recovered(erased.row, keys_on_disk(own_keys)), "the test can see"
    step = getattr(owner, name)
    calls: list[str] = []

    def die(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == nth and not after:
            raise KeyboardInterrupt
        result = step(*args, **kwargs)
        if len(calls) == nth:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(KeyboardInterrupt):
            destroy_keys(erased.fact)
    assert [open_identity(one).patient_id for one in others] == ["MRN 0", "MRN 1"]
    destroy(erased.fact)
    assert recovered(erased.row, keys_on_disk(own_keys)) == []
    assert {path.name for path in own_keys.iterdir() if "vault" in path.name} == {
        "vault.key",
        "vault_index.key",
    }
    assert [open_identity(one).patient_id for one in others] == ["MRN 0", "MRN 1"]


def test_an_old_ring_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    """Whoever still holds the old file open reads zeros."""
    ring = KeyRing.from_file(tmp_path / "vault.key")
    with ring.path.open("rb") as held:
        ring.with_key(new_key()).only([])
        assert set(held.read()) == {0}
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]


def test_a_reader_never_sees_a_ring_that_is_being_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opened the file a moment before the next one took its place."""
    path = KeyRing.from_file(tmp_path / "vault.key").path
    stat = os.path.samestat
    changed: list[bool] = []

    def change(*of: Any) -> bool:
        if not changed:
            changed.append(True)
            shutil.copy(path, tmp_path / "new")
            os.replace(tmp_path / "new", path)
            return stat(of[0], path.stat())
        return stat(*of)

    monkeypatch.setattr("mes.vault.os.path.samestat", change)
    assert KeyRing.from_file(path).keys
    assert changed
