"""Damaged keys are named by `verify`, which makes none; a damaged key signs nothing (K-05, K-13)."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as django_settings
from django.test import override_settings

from mes import signing_seal
from mes.choices import Role
from mes.eventlog.base import Actor
from mes.eventlog.sealing import SealKey, load_key
from mes.eventlog.unit import open_unit
from mes.eventlog.verify import verify
from mes.models import EventRecord, PatientIdentity, Signature
from mes.serverkeys import own_key, public_halves
from mes.services import signatures, vaultkeys
from mes.services.vaultkeys import vault
from mes.vault import KeyFault
from tests.mes.logins import tamper
from tests.mes.makers import make_patient, make_person, make_signer
from tests.mes.test_signing_seal import signed
from tests.scenes import Scene, told
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("K-05"), pytest.mark.requirement("K-13")]
PRIVATE = ("seal.key", "signing.key", "vault.key", "vault_index.key")


def _use_every_key() -> dict[str, bytes]:
    """Keys of every kind, in use. Returns their files."""
    with TemporaryDirectory() as name:
        keys = Path(shutil.copytree(django_settings.KEYS_DIR, Path(name) / "keys"))
        with override_settings(KEYS_DIR=keys):
            _forget()
            load_key(keys)
            make_patient("MRN 1")
            signed(*make_signer(Role.QAX))
            assert found() is None
        _forget()
        return {path.name: path.read_bytes() for path in keys.iterdir() if path.is_file()}


Scene("used_keys", make=make_person, roles=(), story=_use_every_key)


@pytest.fixture
def used_keys(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Those keys, where a test asks for them."""
    settings.KEYS_DIR = tmp_path / "keys"
    settings.KEYS_DIR.mkdir(mode=0o700)
    for name, content in (told("used_keys") or {}).items():
        (settings.KEYS_DIR / name).touch(mode=0o600)
        (settings.KEYS_DIR / name).write_bytes(content)
    _forget()
    yield settings.KEYS_DIR
    _forget()


def _forget() -> None:
    signing_seal._private.cache_clear()
    signing_seal.signature_keys.cache_clear()
    vaultkeys._compared.clear()


def found() -> dict[str, Any] | None:
    _forget()
    return verify(keys={}, witness=None).first_bad


def flip(path: Path, at: int = 7) -> None:
    text = path.read_text()
    path.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])


@pytest.mark.django_db
@pytest.mark.parametrize("name", PRIVATE)
def test_one_flipped_digit_of_a_key_is_named_and_nothing_is_made(used_keys: Path, name: str) -> None:
    flip(used_keys / name)
    before = {path.name: path.read_bytes() for path in used_keys.iterdir() if path.is_file()}
    bad = found()
    assert bad is not None
    assert bad["what"] == ("vault" if name.startswith("vault") else "keys")
    assert name in bad["where"]
    assert {path.name: path.read_bytes() for path in used_keys.iterdir() if path.is_file()} == before


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", ["seal", "signing"])
def test_a_damaged_key_signs_nothing(used_keys: Path, purpose: Any) -> None:
    flip(used_keys / f"{purpose}.key")
    with pytest.raises(KeyFault, match=f"{purpose}.key is damaged"):
        own_key(used_keys, purpose)
    (used_keys / f"{purpose}.key").write_text("gone")
    with pytest.raises(KeyFault, match="holds no key"):
        own_key(used_keys, purpose)


@pytest.mark.django_db
def test_a_key_that_was_taken_away_is_followed_by_a_new_one_and_the_old_still_verifies(
    used_keys: Path,
) -> None:
    old = own_key(used_keys, "signing").id
    (used_keys / "signing.key").unlink()
    assert found() is None
    new = own_key(used_keys, "signing").id
    assert {old, new} <= public_halves(used_keys, "signing").keys()
    assert found() is None


@pytest.mark.django_db
def test_verify_makes_no_public_half(used_keys: Path) -> None:
    (path,) = used_keys.glob("signing-*.pub")
    path.unlink()
    (used_keys / "signing.key").unlink()
    bad = found()
    assert bad is not None
    assert (bad["what"], bad["where"].split()[0]) == ("keys", path.name)
    assert not list(used_keys.glob("signing-*.pub"))


@pytest.mark.django_db
def test_an_altered_public_half_is_named_and_not_what_was_signed_with_it(used_keys: Path) -> None:
    (path,) = used_keys.glob("signing-*.pub")
    flip(path)
    bad = found()
    assert bad is not None
    assert (bad["what"], bad["where"].split()[0]) == ("keys", path.name)


@pytest.mark.django_db
def test_a_key_that_the_log_does_not_tell_of_is_not_trusted(
    used_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody with the application's rights forges a signature, its event and a public key beside the others."""
    original = signed(*make_signer(Role.QAX))
    foreign = SealKey(Ed25519PrivateKey.generate())
    public = foreign.private.public_key().public_bytes_raw().hex()
    (used_keys / f"signing-{foreign.id}.pub").write_text(public)
    assert found() is None
    forged = Signature.objects.get(pk=original.pk)
    forged.pk, forged.uid, forged.prev_hash = None, uuid4(), signing_seal.hash_of(original)
    forged.seq, forged.position, forged.key_id = original.seq + 1, original.position + 1, foreign.id
    forged.binding = signing_seal.binding_of(forged)
    forged.seal = foreign.sign(signing_seal.sealed_text(forged))
    with open_unit():
        forged.save(force_insert=True)
        monkeypatch.setattr(signatures, "new_in_force", lambda _row: None)
        signatures._count(forged, forged.series, Actor.person(forged.person_id))
    bad = found()
    assert bad is not None
    assert "never came into force" in bad["where"]


@pytest.mark.django_db
@pytest.mark.requirement("ES-09")
def test_a_new_key_is_told_with_its_first_signature_and_once(used_keys: Path) -> None:
    def spoken() -> list[str]:
        events = EventRecord.objects.filter(type="mes.signing_key_in_force").order_by("pos")
        return [json.loads(payload)["key_id"] for payload in events.values_list("payload", flat=True)]

    first = own_key(used_keys, "signing").id
    assert spoken() == [first]
    signed(*make_signer(Role.QAX))
    assert spoken() == [first]
    (used_keys / "signing.key").unlink()
    _forget()
    signed(*make_signer(Role.QAX))
    assert spoken() == [first, own_key(used_keys, "signing").id]
    assert found() is None


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", ["seal", "signing"])
def test_a_public_half_that_is_not_what_its_name_says_is_none(used_keys: Path, purpose: Any) -> None:
    foreign = used_keys / f"{purpose}-{'0' * 16}.pub"
    shutil.copyfile(used_keys / f"{purpose}-{own_key(used_keys, purpose).id}.pub", foreign)
    bad = found()
    assert bad is not None
    assert (bad["what"], bad["where"]) == ("keys", f"{foreign.name} is not the key that its name says")
    foreign.write_text("no key")
    assert found() is not None


@pytest.mark.django_db
def test_without_any_private_key_everything_verifies(used_keys: Path) -> None:
    """An auditor, and the restored copy of a drill."""
    for name in PRIVATE:
        (used_keys / name).unlink()
    assert found() is None
    assert not {name for name in PRIVATE if (used_keys / name).exists()}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["vault.key", "vault_index.key"])
def test_a_lost_vault_key_is_named_and_not_replaced(used_keys: Path, name: str) -> None:
    (used_keys / name).unlink()
    bad = found()
    assert bad is not None
    assert "belong together" in bad["where"]
    with pytest.raises(KeyFault, match=f"{name} is missing"):
        vault()
    assert not (used_keys / name).exists()


@pytest.mark.parametrize(
    "change",
    [
        "sealed_given_name = set_byte(sealed_given_name, 20, 255 - get_byte(sealed_given_name, 20))",
        "data_key = set_byte(data_key, 20, 255 - get_byte(data_key, 20))",
        "patient_id_index = repeat('x', 64)",
    ],
)
def test_an_identity_that_does_not_open_is_named(
    undone: None, cluster: Cluster, used_keys: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    row = PatientIdentity.objects.latest("pk")
    monkeypatch.setattr("mes.eventlog.verify.check_history", lambda: (_ for _ in ()))
    tamper(cluster, f"UPDATE mes_patient_identity SET {change} WHERE id = {row.pk}")
    bad = found()
    assert bad is not None
    assert bad["what"] == "vault"
    assert f"patient {row.patient_id} does not open" in bad["where"]
