"""The server's seal on a signature, and whether a row is still what was signed (21 CFR 11.70, K-05, ES-09).

`binding` is the SHA-256 of which signature of which version of which record it is; the seal (Ed25519) covers every
column, the record's by that binding. A row that is copied or moved to another record keeps its seal and loses its
binding; a row that is edited loses its seal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db.models import BigIntegerField, Model, TextField

from mes.compiled import Compiled, Slot, by_key
from mes.eventlog.base import canonical, digest_of
from mes.events import SigningKeyInForce
from mes.models import EventRecord, Signature
from mes.reading import once
from mes.registry import Registry
from mes.selectors import stream_of
from mes.serverkeys import SealKey, own_key, public_halves
from mes.tables import ROOTS, covered_by

CANON = "jcs-1"
DIGEST = re.compile(r"[0-9a-f]{64}")
GIVEN = "mes.signature_given"
BOUND = ("uid", "seq", "subject_type", "subject_id", "subject_version", "content_digest")
SEALED = (
    "canon_id", "attachments_digest", "meaning", "statement", "statement_version", "comment", "account_id", "username",
    "person_id", "printed_name", "title", "roles", "signed_at", "timezone", "utc_offset", "method", "components",
    "series_id", "position", "batch", "session_digest", "address", "agent", "app_version", "config_version",
    "prev_hash", "binding", "key_id",
)  # fmt: skip

Current = Callable[[Any, Mapping[str, Any]], Mapping[str, Any] | None]
CURRENT: Registry[Current] = Registry("content that is signed")


class Standing(StrEnum):
    """What a signature is worth today."""

    VALID = "VALID"
    ALTERED = "ALTERED"
    INVALID_BINDING = "INVALID_BINDING"
    SUPERSEDED = "SUPERSEDED"


def signed_content(subject_type: str, record: str) -> Callable[[Current], Current]:
    """Declare how a signed content (its `record`, of a root) would read today: a function of the root's row and of the
    content that was signed, None where it cannot change. A signature over something else is superseded (ES-10)."""

    def declare(current: Current) -> Current:
        CURRENT.add(f"{subject_type}:{record}", current)
        return current

    return declare


@cache
def _private(folder: Path) -> SealKey:
    return own_key(folder, "signing")


def signature_key() -> SealKey:
    """The server's signature key, made on the first day. Its public half lies beside it for whoever verifies."""
    return _private(settings.KEYS_DIR)


@cache
def signature_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    """Public keys by id, those of earlier years too."""
    return public_halves(folder, "signing")


def binding_of(row: Signature) -> str:
    return digest_of({name: getattr(row, name) for name in BOUND})


def sealed_text(row: Signature) -> bytes:
    """What the seal covers, canonical (RFC 8785)."""
    return canonical({name: getattr(row, name) for name in SEALED}).encode()


def hash_of(row: Signature) -> str:
    """What the next signature of the same record, and the event, say of this one."""
    return hashlib.sha256(sealed_text(row) + row.seal.encode()).hexdigest()


def manifest_digest(content: str) -> str:
    """Of every SHA-256 that a canonical content names: its files, meshes and plates, sorted, each once."""
    return digest_of(sorted(set(_digests(json.loads(content)))))


def _digests(value: Any) -> Iterator[str]:
    if isinstance(value, str) and DIGEST.fullmatch(value):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)


def seal(row: Signature) -> None:
    """Bind and seal a row that is about to be written."""
    key = signature_key()
    row.binding, row.key_id = binding_of(row), key.id
    row.seal = key.sign(sealed_text(row))


def new_in_force(row: Signature) -> SigningKeyInForce | None:
    """What the log has to be told with a signature that was just written: that it is the first under its key."""
    if _SEALED_WITH.first(key=row.key_id, but=row.pk) is not None:
        return None
    return SigningKeyInForce(key_id=row.key_id, public=_hex(signature_key().private.public_key()))


_SEALED_WITH = Compiled(
    lambda: (
        Signature.objects.filter(key_id=Slot("key", TextField()))
        .exclude(pk=Slot("but", BigIntegerField()))
        .order_by("-pk")
        .values_list("pk")[:1]
    )
)


def _hex(public: Ed25519PublicKey) -> str:
    return public.public_bytes_raw().hex()


def seal_is_signed(row: Signature) -> bool:
    """Whether the server's key sealed exactly these columns. Nothing is made: whoever verifies may have no private key."""
    if row.key_id not in signature_keys(settings.KEYS_DIR):
        signature_keys.cache_clear()
    keys = signature_keys(settings.KEYS_DIR)
    try:
        keys[row.key_id].verify(bytes.fromhex(row.seal), sealed_text(row))
    except (KeyError, InvalidSignature, ValueError):
        return False
    return True


def integrity_of(row: Signature) -> Standing:
    """Whether the row itself is what was signed, whatever became of the record since."""
    if not seal_is_signed(row):
        return Standing.ALTERED
    if binding_of(row) != row.binding:
        return Standing.INVALID_BINDING
    text = hashlib.sha256(row.content.encode()).hexdigest()
    if text != row.content_digest or manifest_digest(row.content) != row.attachments_digest:
        return Standing.ALTERED
    return Standing.VALID


def verify_signature(
    row: Signature, *, subject: Model | None = None, content: Mapping[str, Any] | None = None
) -> Standing:
    """The verdict on a signature, asked before each decision, print and export (ES-09).

    `subject`: the record that it is shown with, where it might be another one's. `content`: what the record says now;
    left out, it is asked of whoever declared it with `signed_content`.
    """
    standing = integrity_of(row)
    if standing is not Standing.VALID:
        return standing
    if subject is not None and stream_of(subject) != (row.subject_type, row.subject_id):
        return Standing.INVALID_BINDING
    today = content if content is not None else current_content(row)
    if today is not None and digest_of(today) != row.content_digest:
        return Standing.SUPERSEDED
    return Standing.VALID


def current_content(row: Signature) -> Mapping[str, Any] | None:
    """What would be signed today in place of what a signature covers; None where that cannot change."""
    signed = json.loads(row.content)
    declared = (
        CURRENT.get(f"{row.subject_type}:{signed.get('record', '')}") if isinstance(signed, dict) else None
    )
    found = _signed_about(row.subject_type, row.subject_id) if declared else None
    return declared(found, signed) if declared and found is not None else None


@once
def _signed_about(kind: str, key: str) -> Model | None:
    """The root's row. A page shows many signatures about the same one."""
    model = ROOTS[kind].model if kind in ROOTS else None
    return by_key(model, key) if model else None


@covered_by("mes.signing_series")
def signatures_at_fault() -> Iterator[str]:
    """For `manage.py verify`: every signature against its seal, its predecessor and its event, and none too many."""
    signature_keys.cache_clear()
    in_force = _in_force()
    given: dict[str, str] = {}
    for payload in EventRecord.objects.filter(type=GIVEN).order_by("pos").values_list("payload", flat=True):
        told = json.loads(payload)
        given[told["signature"]] = told["hash"]
    before: tuple[str, str, int, str] = ("", "", 0, "")
    for row in Signature.objects.order_by("subject_type", "subject_id", "seq").iterator():
        before, fault = _fault(row, before, given.pop(str(row.uid), ""))
        if not fault and row.key_id not in in_force:
            fault = "sealed with a key that never came into force"
        if fault:
            yield f"{row.series_id}, signature {row.pk} ({fault})"
    for uid in sorted(given):
        yield f"signature {uid} (deleted)"


def _in_force() -> set[str]:
    """Ids of the keys that the log tells of, where their public halves here are those that it tells of."""
    here = signature_keys(settings.KEYS_DIR)
    told = EventRecord.objects.filter(type=SigningKeyInForce.name).values_list("payload", flat=True)
    named = {key["key_id"]: key["public"] for key in map(json.loads, told)}
    return {name for name, public in named.items() if name in here and _hex(here[name]) == public}


def _fault(
    row: Signature, before: tuple[str, str, int, str], told: str
) -> tuple[tuple[str, str, int, str], str]:
    """This row as the next one's predecessor, and what is wrong with it."""
    standing, hashed = integrity_of(row), hash_of(row)
    same = before[:2] == (row.subject_type, row.subject_id)
    follows = (row.seq, row.prev_hash) == ((before[2] + 1, before[3]) if same else (1, ""))
    fault = "" if standing is Standing.VALID else str(standing)
    fault = fault or ("" if follows else "not the next of its record")
    fault = fault or ("" if told == hashed else "not the one that its event tells of")
    return (row.subject_type, row.subject_id, row.seq, hashed), fault
