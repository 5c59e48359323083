"""Seals: a signed Merkle root over every event that can no longer be joined by an earlier one.

The sealer reads below the snapshot horizon of the current epoch: a transaction that is still open may yet add an
event with a smaller transaction id, and a leaf, once given, keeps its place for ever. Nothing else uses the horizon.
Each seal is copied to a witness outside the database's reach, which bounds what a truncation could hide.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.utils import timezone

from mes.eventlog.base import canonical, plain
from mes.eventlog.merkle import EMPTY_ROOT, Tree, leaf_hash
from mes.models import EventRecord, Leaf, Seal
from mes.vault import key_in

BATCH = 5000
LEAF_FIELDS = (
    "pos", "tx", "epoch", "uid", "stream_type", "stream_id", "version", "type", "schema_version", "payload", "actor",
    "reason", "correlation", "causation", "occurred_at", "recorded_at", "software", "record_schema",
    "record_digest",
)  # fmt: skip

log = logging.getLogger(__name__)

# Older epochs count as settled; in the current one, only what is below every running transaction.
SETTLED = """
    SELECT pos FROM mes_event
    WHERE (epoch, tx, pos) > (%s, %s, %s)
      AND (epoch < mes_current_epoch() OR tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
    ORDER BY epoch, tx, pos LIMIT %s
"""


@dataclass(frozen=True)
class SealKey:
    """The sealer's Ed25519 key. `id` is the start of the public key's SHA-256."""

    private: Ed25519PrivateKey

    @property
    def id(self) -> str:
        return key_id(self.private.public_key())

    def sign(self, content: bytes) -> str:
        return self.private.sign(content).hex()


def key_id(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def load_key(folder: Path) -> SealKey:
    """Read the seal key, making it on the first day. The public half lies beside it for whoever verifies."""
    secret = key_in(folder / "seal.key", lambda: Ed25519PrivateKey.generate().private_bytes_raw())
    key = SealKey(Ed25519PrivateKey.from_private_bytes(secret))
    public = folder / f"seal-{key.id}.pub"
    if not public.exists():
        public.write_text(key.private.public_key().public_bytes_raw().hex() + "\n")
    return key


def public_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    found = (
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(p.read_text())) for p in folder.glob("seal-*.pub")
    )
    return {key_id(key): key for key in found}


def leaf_content(event: dict[str, Any]) -> bytes:
    """What a leaf covers: every column of the event, canonical (RFC 8785).

    There are no floating-point numbers among the columns, so the standard library's encoder gives the canonical form,
    several times faster than the general one.
    """
    columns = {name: plain(event[name]) for name in LEAF_FIELDS}
    return json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seal_text(*, tree_size: int, root: str, prev_root: str, key: str, sealed_at: Any) -> bytes:
    return canonical(
        {
            "key_id": key,
            "prev_root": prev_root,
            "root": root,
            "sealed_at": plain(sealed_at),
            "tree_size": tree_size,
        }
    ).encode()


def seal_is_signed(seal: Seal, keys: dict[str, Ed25519PublicKey]) -> bool:
    text = seal_text(
        tree_size=seal.tree_size,
        root=seal.root,
        prev_root=seal.prev_root,
        key=seal.key_id,
        sealed_at=seal.sealed_at,
    )
    try:
        keys[seal.key_id].verify(bytes.fromhex(seal.signature), text)
    except (KeyError, InvalidSignature, ValueError):
        return False
    return True


class Sealer:
    """Holds the tree's edge between rounds, so a round costs only its new events."""

    def __init__(self, key: SealKey, witness: Path) -> None:
        self.key = key
        self.witness = witness
        self._tree: Tree | None = None

    def repeat_last(self) -> None:
        """Tell the witness the newest seal once more: a sealer that died between the two may have kept it back."""
        if seal := Seal.objects.order_by("-tree_size").first():
            self._tell_witness(seal)

    def seal_once(self) -> int:
        """Give leaves to what is settled and sign the new root. Returns the number of new leaves."""
        try:
            with transaction.atomic():
                return self._seal()
        except BaseException:
            self._tree = None
            raise

    def _seal(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('mes_seal'))")
            if not cursor.fetchone()[0]:
                return 0
        tree = self._current_tree()
        added = 0
        for batch in self._settled_batches():
            leaves = []
            for event in batch:
                hashed = leaf_hash(leaf_content(event))
                leaves.append(Leaf(index=tree.size, event_id=event["pos"], hash=hashed.hex()))
                tree.append(hashed)
            Leaf.objects.bulk_create(leaves)
            added += len(leaves)
        if added:
            self._sign(tree)
        return added

    def _current_tree(self) -> Tree:
        last = Leaf.objects.order_by("-index").values_list("index", flat=True).first()
        size = 0 if last is None else last + 1
        if self._tree is None or self._tree.size != size:
            hashes = Leaf.objects.order_by("index").values_list("hash", flat=True).iterator(chunk_size=BATCH)
            self._tree = Tree(bytes.fromhex(value) for value in hashes)
        return self._tree

    def _settled_batches(self) -> Iterator[list[dict[str, Any]]]:
        last = Leaf.objects.order_by("-index").select_related("event").first()
        after = (last.event.epoch, last.event.tx, last.event.pos) if last else (0, 0, 0)
        while True:
            with connection.cursor() as cursor:
                cursor.execute(SETTLED, [*after, BATCH])
                positions = [row[0] for row in cursor.fetchall()]
            if not positions:
                return
            events = EventRecord.objects.filter(pos__in=positions).order_by("epoch", "tx", "pos")
            batch = list(events.values(*LEAF_FIELDS))
            yield batch
            after = (batch[-1]["epoch"], batch[-1]["tx"], batch[-1]["pos"])

    def _sign(self, tree: Tree) -> None:
        previous = Seal.objects.order_by("-tree_size").first()
        prev_root = previous.root if previous else EMPTY_ROOT
        now = timezone.now()
        text = seal_text(
            tree_size=tree.size, root=tree.root, prev_root=prev_root, key=self.key.id, sealed_at=now
        )
        seal = Seal.objects.create(
            tree_size=tree.size,
            root=tree.root,
            prev_root=prev_root,
            key_id=self.key.id,
            signature=self.key.sign(text),
            sealed_at=now,
        )
        transaction.on_commit(lambda: self._tell_witness(seal))

    def _tell_witness(self, seal: Seal) -> None:
        line = json.dumps({"tree_size": seal.tree_size, "root": seal.root, "signature": seal.signature})
        self.witness.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # One write for the whole line: a killed sealer leaves no half of it.
            os.write(handle, line.encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)


def run(sealer: Sealer, stop: threading.Event) -> None:
    """Seal every ten seconds, or as soon as a thousand events wait. A lost database is waited for."""
    sealer.repeat_last()
    sealed_at = time.monotonic()
    while not stop.wait(1.0):
        try:
            due = time.monotonic() - sealed_at >= settings.SEAL_EVERY.total_seconds()
            if due or _waiting() >= settings.SEAL_EVENTS:
                sealer.seal_once()
                sealed_at = time.monotonic()
        except (OperationalError, InterfaceError) as failure:
            log.warning("the sealer waits: %s", type(failure).__name__)
            close_old_connections()
    sealer.seal_once()


def _waiting() -> int:
    newest = EventRecord.objects.order_by("-pos").values_list("pos", flat=True).first() or 0
    sealed = Leaf.objects.order_by("-index").values_list("event_id", flat=True).first() or 0
    return max(0, newest - sealed)
