"""The seal and the binding of a signature, and what `verify` says of each way to tamper with one (21 CFR 11.70)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from mes import VERSION, signing_seal
from mes.choices import Meaning, Role
from mes.eventlog.base import Actor, digest_of
from mes.eventlog.sealing import SealKey
from mes.eventlog.unit import open_unit
from mes.models import EventRecord, Person, Signature
from mes.services.signatures import Credentials, offset_in, sign
from mes.services.signing_policy import config_version
from mes.signing_seal import (
    SEALED,
    Standing,
    hash_of,
    integrity_of,
    manifest_digest,
    signatures_at_fault,
    signed_content,
    verify_signature,
)
from mes.standing import stands_for
from tests.mes.logins import tamper
from tests.mes.makers import make_person, make_signer, person_of
from tests.servers import Cluster

pytestmark = pytest.mark.django_db
MESH, MASK = "9f" * 32, "0a" * 32
CONTENT = {"record": "tested", "mesh": MESH, "files": [MASK, MESH], "version": 3}


def signed(
    actor: Actor,
    credentials: Credentials,
    content: dict[str, object] = CONTENT,
    subject: Person | None = None,
) -> Signature:
    with open_unit():
        return sign(
            subject=subject or person_of(actor),
            content=content,
            meaning=Meaning.APPROVED,
            actor=actor,
            credentials=credentials,
        )


@pytest.mark.requirement("ES-07", "ES-08", "K-11", "P11-50a")
def test_a_row_holds_all_that_a_signature_is() -> None:
    actor, credentials = make_signer(Role.QAX)
    Person.objects.filter(pk=person_of(actor).pk).update(credentials="MD", timezone="Asia/Tokyo")
    row = signed(actor, replace(credentials, comment="late entry"))
    person = person_of(actor)
    assert (row.printed_name, row.title, row.username) == (
        f"{person.full_name}, MD",
        "MD",
        credentials.username,
    )
    assert (row.timezone, row.utc_offset, row.signed_at.tzinfo) == ("Asia/Tokyo", "+09:00", UTC)
    assert (row.canon_id, row.method, row.components) == ("jcs-1", "user id + password", 2)
    assert (row.app_version, row.config_version) == (VERSION, config_version())
    assert row.attachments_digest == digest_of([MASK, MESH]), "each file once, sorted"
    assert len(row.seal) == 128


@pytest.mark.requirement("ES-08", "K-03")
def test_tz_rendered_local_and_utc() -> None:
    winter, summer = datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 7, 5, 8, tzinfo=UTC)
    assert [offset_in(at, "Europe/Berlin") for at in (winter, summer)] == ["+01:00", "+02:00"]
    assert offset_in(winter, "America/St_Johns") == "-03:30"


@pytest.mark.requirement("ES-09", "K-05")
def test_every_column_is_under_the_seal() -> None:
    row = signed(*make_signer(Role.QAX))
    columns = {field.attname for field in Signature._meta.concrete_fields}
    assert columns - set(SEALED) - set(signing_seal.BOUND) == {"id", "content", "seal"}
    assert integrity_of(row) is Standing.VALID
    for name in SEALED:
        before = getattr(row, name)
        changed = {int: 77, str: "x" * 64, type(None): uuid4()}.get(type(before), "2026-01-01")
        setattr(row, name, changed if name != "signed_at" else before.replace(microsecond=1))
        assert integrity_of(row) is Standing.ALTERED, name
        setattr(row, name, before)
    row.content = row.content.replace("tested", "tasted")
    assert integrity_of(row) is Standing.ALTERED


@pytest.mark.requirement("ES-09", "P11-70")
def test_signature_row_copied_to_other_record_invalid() -> None:
    actor, credentials = make_signer(Role.QAX)
    row, other = signed(actor, credentials), make_person()
    row.pk, row.uid, row.subject_id, row.seq = None, uuid4(), str(other.pk), 1
    row.series_id, row.position = row.series_id, row.position
    assert verify_signature(row) is Standing.INVALID_BINDING
    original = Signature.objects.latest("pk")
    assert verify_signature(original, subject=person_of(actor)) is Standing.VALID
    assert verify_signature(original, subject=other) is Standing.INVALID_BINDING


@pytest.mark.requirement("ES-09")
def test_a_row_sealed_by_another_key_is_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write to the database still lacks the server's key."""
    foreign = SealKey(Ed25519PrivateKey.generate())
    row = signed(*make_signer(Role.QAX))
    row.comment, row.key_id = "forged", foreign.id
    row.seal = foreign.sign(signing_seal.sealed_text(row))
    assert integrity_of(row) is Standing.ALTERED
    row.key_id, row.seal = signing_seal.signature_key().id, "no hexadecimal"
    assert integrity_of(row) is Standing.ALTERED


@pytest.mark.requirement("ES-10")
def test_record_edit_supersedes(monkeypatch: pytest.MonkeyPatch) -> None:
    actor, credentials = make_signer(Role.QAX)
    row = signed(actor, credentials)
    assert verify_signature(row, content=CONTENT) is Standing.VALID
    assert verify_signature(row, content=CONTENT | {"version": 4}) is Standing.SUPERSEDED
    assert not stands_for(row, CONTENT | {"version": 4})
    now = dict(CONTENT)
    monkeypatch.setattr(signing_seal.CURRENT, "_things", dict(signing_seal.CURRENT.items()))
    signed_content("mes.person", "tested")(lambda person, content: now)
    assert verify_signature(row) is Standing.VALID
    now["version"] = 4
    assert verify_signature(row) is Standing.SUPERSEDED, "asked of whoever declared it"
    assert Signature.objects.filter(pk=row.pk).exists(), "it is kept"


@pytest.mark.requirement("ES-07")
def test_name_change_keeps_snapshot() -> None:
    actor, credentials = make_signer(Role.QAX)
    row, before = signed(actor, credentials), person_of(actor).full_name
    Person.objects.filter(pk=person_of(actor).pk).update(full_name="Jane Other")
    row.refresh_from_db()
    assert (row.printed_name, integrity_of(row)) == (before, Standing.VALID)
    assert signed(actor, credentials).printed_name == "Jane Other"


@pytest.mark.requirement("ES-09")
def test_signatures_of_a_record_are_a_chain() -> None:
    actor, credentials = make_signer(Role.QAX)
    other = make_person()
    rows = [signed(actor, credentials, subject=other) for _ in range(3)]
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.prev_hash for row in rows] == ["", hash_of(rows[0]), hash_of(rows[1])]
    told = EventRecord.objects.filter(type="mes.signature_given").latest("pos")
    assert json.loads(told.payload)["hash"] == hash_of(rows[2])
    assert list(signatures_at_fault()) == []


def test_what_a_manifest_lists() -> None:
    assert manifest_digest('{"a":1}') == digest_of([])
    assert manifest_digest(json.dumps({"a": [{"b": MESH}], "c": MESH.upper()})) == digest_of([MESH])


@pytest.mark.requirement("ES-09", "P11-70")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE mes_signature SET meaning = 'released' WHERE meaning = 'approved'", "ALTERED"),
        ("UPDATE mes_signature SET comment = 'x' WHERE seq = 2", "ALTERED"),
        (
            "UPDATE mes_signature SET printed_name = 'Nobody' WHERE seq = 1 AND meaning = 'approved'",
            "ALTERED",
        ),
        ("UPDATE mes_signature SET seal = repeat('0', 128) WHERE seq = 2", "ALTERED"),
        ("UPDATE mes_signature SET content = replace(content, '3', '4') WHERE seq = 2", "ALTERED"),
        ("UPDATE mes_signature SET subject_id = '999999' WHERE seq = 3", "INVALID_BINDING"),
        ("UPDATE mes_signature SET subject_version = 99 WHERE seq = 3", "INVALID_BINDING"),
        ("DELETE FROM mes_signature WHERE seq = 3", "deleted"),
        ("DELETE FROM mes_signature WHERE seq = 2", "not the next of its record"),
    ],
)
def test_verify_names_a_signature_that_was_tampered_with(
    committed_db: None, cluster: Cluster, statement: str, fault: str
) -> None:
    actor, credentials = make_signer(Role.QAX)
    for _ in range(3):
        signed(actor, credentials)
    assert list(signatures_at_fault()) == []
    tamper(cluster, statement)
    found = list(signatures_at_fault())
    assert found
    assert fault in found[0]


@pytest.mark.requirement("ES-09")
def test_a_row_put_in_behind_the_log_is_named(committed_db: None, cluster: Cluster) -> None:
    """Sealed with the right key and in the right place: what is missing is its event."""
    actor, credentials = make_signer(Role.QAX)
    row = signed(actor, credentials)
    uid = str(row.uid)
    row.pk, row.uid, row.seq, row.position, row.prev_hash = None, uuid4(), 2, 99, hash_of(row)
    signing_seal.seal(row)
    row.save(force_insert=True)
    (found,) = signatures_at_fault()
    assert "not the one that its event tells of" in found
    assert uid not in found


def test_the_key_lies_in_a_file_of_its_owner_alone() -> None:
    key = signing_seal.signature_key()
    assert (settings.KEYS_DIR / "signing.key").stat().st_mode & 0o077 == 0
    assert (settings.KEYS_DIR / f"signing-{key.id}.pub").exists()
