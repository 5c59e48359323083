"""Changing the vault's keys: while the site runs, again after a kill, and never losing anybody (K-13)."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import Conflict
from mes.models import EventRecord, PatientIdentity, VaultRotation
from mes.services import vaultkeys
from mes.services.patients import Identity, open_identity, patient_with, pseudonym_key, register_patient
from mes.services.vaultkeys import Purpose, begin_rotation, move_rows, refuse_lost_keys, rotate, vault
from mes.vault import KeyFault, KeyRing, Vault, new_key
from tests.mes.makers import make_patient, make_person
from tests.patience import PATIENCE_S
from tests.servers import BASE, Cluster

pytestmark = pytest.mark.requirement("K-13")


@pytest.fixture(autouse=True)
def own_keys(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """A rotation would take the keys of every other test with it."""
    settings.KEYS_DIR = tmp_path / "keys"
    vaultkeys._compared.clear()
    yield settings.KEYS_DIR
    vaultkeys._compared.clear()


def rows() -> list[Any]:
    return list(
        PatientIdentity.objects.order_by("pk").values("data_key_id", "index_key_id", "patient_id_index")
    )


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", ["wrap", "index"])
def test_every_patient_moves_and_the_old_key_goes(own_keys: Path, purpose: Purpose) -> None:
    patients = [make_patient(f"MRN {number}") for number in range(5)]
    pseudonyms = [pseudonym_key(patient, "uids") for patient in patients]
    identities = [open_identity(patient) for patient in patients]
    old = Vault.in_folder(own_keys)
    rotation = rotate(purpose=purpose, batch=2)
    assert (rotation.done, rotation.moved) == (True, 5)
    new = Vault.in_folder(own_keys)
    rings = (old.ring, new.ring) if purpose == "wrap" else (old.index, new.index)
    assert rings[0].ids.isdisjoint(rings[1].ids)
    assert rings[1].ids == {rotation.new_key_id}
    assert {row[vaultkeys.KEY_COLUMN[purpose]] for row in rows()} == {rotation.new_key_id}
    assert [open_identity(patient) for patient in patients] == identities
    assert [pseudonym_key(patient, "uids") for patient in patients] == pseudonyms
    assert [patient_with(f"mrn{number}") for number in range(5)] == patients
    told = (
        EventRecord.objects.filter(stream_type="mes.vault_rotation")
        .order_by("pos")
        .values_list("type", flat=True)
    )
    assert [name.removeprefix("mes.vault_") for name in told] == [
        "rotation_begun", "rows_moved", "rows_moved", "rows_moved", "rotation_finished",
    ]  # fmt: skip


@pytest.mark.django_db
def test_the_sealed_values_themselves_are_not_touched() -> None:
    make_patient()
    before = PatientIdentity.objects.values("sealed_family_name", "data_key").get()
    rotate(purpose="wrap", batch=10)
    after = PatientIdentity.objects.values("sealed_family_name", "data_key").get()
    assert bytes(before["sealed_family_name"]) == bytes(after["sealed_family_name"])
    assert bytes(before["data_key"]) != bytes(after["data_key"])


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["begin_rotation", "move_rows", "finish_rotation", "forget_keys"])
def test_it_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Stopped right after each step, it begins no second rotation and leaves no second key."""
    patients = [make_patient(f"MRN {number}") for number in range(4)]
    step = getattr(vaultkeys, place)

    def die(*args: Any, **kwargs: Any) -> None:
        step(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(vaultkeys, place, die)
    with pytest.raises(KeyboardInterrupt):
        rotate(purpose="wrap", batch=2)
    monkeypatch.undo()
    for patient in patients:
        open_identity(patient)
    rotate(purpose="wrap", batch=2)
    finished = VaultRotation.objects.filter(done=True)
    assert (
        finished.count()
        == VaultRotation.objects.count()
        == (2 if place in ("finish_rotation", "forget_keys") else 1)
    )
    assert vault().ring.ids == {finished.order_by("-pk")[0].new_key_id}
    for patient in patients:
        open_identity(patient)


@pytest.mark.django_db
def test_a_key_made_by_a_rotation_that_died_before_its_first_row_is_used(own_keys: Path) -> None:
    make_patient()
    left = KeyRing.from_file(own_keys / "vault.key").with_key(new_key()).newest.id
    assert begin_rotation(purpose="wrap").new_key_id == left


@pytest.mark.django_db
def test_the_old_key_stays_while_a_row_needs_it(own_keys: Path) -> None:
    for number in range(3):
        make_patient(f"MRN {number}")
    rotation = begin_rotation(purpose="wrap")
    move_rows(rotation_id=rotation.pk, batch=1)
    vaultkeys.forget_keys("wrap")
    assert len(Vault.in_folder(own_keys).ring.ids) == 2
    with pytest.raises(Conflict, match="still stand under older keys"):
        vaultkeys.finish_rotation(rotation_id=rotation.pk)


@pytest.mark.django_db
def test_new_patients_are_sealed_under_the_new_key_from_the_first_moment() -> None:
    make_patient("MRN 1")
    rotation = begin_rotation(purpose="wrap")
    patient = make_patient("MRN 2")
    assert PatientIdentity.objects.get(patient=patient).data_key_id == rotation.new_key_id


@pytest.mark.django_db
def test_while_the_index_moves_a_patient_is_found_under_either_key_and_not_registered_twice() -> None:
    first, second = make_patient("MRN 1"), make_patient("MRN 2")
    rotation = begin_rotation(purpose="index")
    move_rows(rotation_id=rotation.pk, batch=1)
    assert len({row["index_key_id"] for row in rows()}) == 2
    assert (patient_with("mrn1"), patient_with("mrn2")) == (first, second)
    assert (make_patient("MRN 1"), make_patient("MRN 2")) == (first, second)


@pytest.mark.django_db
def test_keys_of_another_installation_are_noticed_before_anything_is_sealed(own_keys: Path) -> None:
    make_patient("MRN 1")
    for name in ("vault.key", "vault_index.key"):
        path = own_keys / name
        kept = path.read_text()
        path.write_text(os.urandom(32).hex())
        with pytest.raises(KeyFault, match=f"{name} does not hold the keys"):
            refuse_lost_keys(Vault.in_folder(own_keys))
        with pytest.raises(KeyFault, match="Restore it from the backup"):
            make_patient("MRN 2")
        path.write_text(kept)
    make_patient("MRN 2")


def test_the_site_goes_on_meanwhile(committed_db: None) -> None:
    """People register and open patients without a failure while both keys change, again and again."""
    actor = Actor.person(make_person(Role.ORD).pk)
    stop, failures, made = threading.Event(), [], []

    def work(lane: int) -> None:
        try:
            number = 0
            while not stop.is_set():
                number += 1
                identity = Identity(f"MRN {lane}-{number}", "Example", "Alex", "1970-01-01")
                patient = register_patient(identity=identity, actor=actor)
                assert open_identity(patient) == identity
                assert patient_with(identity.patient_id) == patient
                made.append((patient, identity))
        except Exception as failure:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(repr(failure))
        finally:
            connections.close_all()

    lanes = [threading.Thread(target=work, args=(lane,)) for lane in range(3)]
    for lane in lanes:
        lane.start()
    while len(made) < 10 and not failures:
        time.sleep(0.02)
    for _ in range(2):
        rotate(purpose="wrap", batch=3)
        rotate(purpose="index", batch=3)
    stop.set()
    for lane in lanes:
        lane.join(PATIENCE_S)
    assert failures == []
    for patient, identity in made:
        assert open_identity(patient) == identity
        assert patient_with(identity.patient_id) == patient
    found = Vault.in_folder(vault().ring.path.parent)
    assert {row["data_key_id"] for row in rows()} == found.ring.ids
    assert {row["index_key_id"] for row in rows()} == found.index.ids


def test_a_second_rotation_at_once_is_refused(committed_db: None) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        vaultkeys._lock("pg_try_advisory_lock", vaultkeys.ROTATING)
        entered.set()
        leave.wait(PATIENCE_S)
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    assert entered.wait(PATIENCE_S)
    try:
        with pytest.raises(CommandError, match="Another process rotates"):
            call_command("rotate_vault_key")
    finally:
        leave.set()
        other.join(PATIENCE_S)


def give_own_keys(place: Path) -> Path:
    """The servers' passwords as they are, and no vault yet."""
    shared, own = place / "keys", place / "own-keys"
    own.mkdir(mode=0o700)
    for path in shared.iterdir():
        if path.is_file() and "vault" not in path.name:
            (own / path.name).touch(mode=0o600)
            (own / path.name).write_bytes(path.read_bytes())
    shared.unlink()
    return own.rename(shared)


@pytest.mark.faults
@pytest.mark.parametrize("killed_at", [(10,), pytest.param((5, 20, 40), marks=pytest.mark.slow)])
def test_killed_again_and_again_it_ends(
    fault_cluster: Cluster, settings: Any, killed_at: tuple[int, ...]
) -> None:
    """`kill -9` in the middle of the real command."""
    settings.KEYS_DIR = give_own_keys(fault_cluster.layout.root)
    patients = [make_patient(f"MRN {number}") for number in range(60)]
    command = [sys.executable, "manage.py", "rotate_vault_key", "--batch", "1", "--skip-checks"]
    environment = fault_cluster.environment()
    moved = 0
    for target in killed_at:
        process = subprocess.Popen(command, cwd=BASE, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while moved < target and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
            moved = VaultRotation.objects.values_list("moved", flat=True).first() or 0
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        assert [open_identity(patient).patient_id for patient in patients[:3]] == ["MRN 0", "MRN 1", "MRN 2"]
    done = subprocess.run(command, cwd=BASE, env=environment, capture_output=True, text=True, check=True)
    rotation = VaultRotation.objects.get()
    assert (rotation.done, rotation.moved) == (True, 60)
    assert rotation.new_key_id in done.stdout
    assert vault().ring.ids == {rotation.new_key_id}
    for number, patient in enumerate(patients):
        assert open_identity(patient).patient_id == f"MRN {number}"
