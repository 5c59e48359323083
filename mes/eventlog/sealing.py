"""Seals: a signed Merkle root over every event that can no longer be joined by an earlier one.

The sealer reads below the horizon of the current epoch (`mes.eventlog.horizon`): a transaction that is still open may yet add
an event with a smaller transaction id, and a leaf, once given, keeps its place for ever. Nothing else uses the horizon.
Each seal names the whole of the one before it, proves that its tree begins with that one's, and is told to a witness
outside the database's reach, which bounds what a truncation could hide.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.utils import timezone

from mes.eventlog.base import canonical
from mes.eventlog.changes import CHANGES_BETWEEN, Covering
from mes.eventlog.horizon import horizon
from mes.eventlog.leaves import (
    EVENT_TEXT,
    LEAF_FIELDS,
    EventText,
    leaf_content,
    leaf_text,
    settled_order,
)
from mes.eventlog.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    leaf_hash,
    verify_consistency,
)
from mes.eventlog.tiles import StoredTree
from mes.eventlog.waiting import oldest_waiting, open_transactions
from mes.eventlog.witness import Witness, WitnessAhead
from mes.models import EventRecord, Leaf, Seal
from mes.serverkeys import SealKey, key_id, own_key, public_halves
from mes.vault import KeyFault

__all__ = [
    "LEAF_FIELDS", "RecordAltered", "SealKey", "Sealer", "follows", "key_id", "leaf_content",
    "load_key", "public_keys", "record_key", "run", "seal_digest", "seal_is_signed", "seal_text",
]  # fmt: skip

BATCH = 5000
SEAL_AT_MOST = 50_000
"""Leaves under one new seal: a long backlog is sealed in parts, each of which stays whatever happens to the next."""

Settled = tuple[int, int, int]
"""(epoch, tx, pos)."""

log = logging.getLogger(__name__)

# Older epochs count as settled; in the current one, only what is below every running transaction that may yet write.
SETTLED = f"""
    SELECT {EVENT_TEXT} FROM mes_event e
    WHERE (e.epoch, e.tx, e.pos) > (%s, %s, %s)
      AND (e.epoch < mes_current_epoch() OR e.tx < %s)
    ORDER BY e.epoch, e.tx, e.pos LIMIT %s
"""  # noqa: S608 - the columns are a constant


class RecordAltered(RuntimeError):
    """What is stored does not lead to the seals any more: nothing is signed over it. `manage.py verify` says where."""


def load_key(folder: Path) -> SealKey:
    """The seal key, made on the first day. Raises KeyFault where its file is damaged."""
    return own_key(folder, "seal")


def record_key(folder: Path, *, renew: bool = False) -> SealKey:
    """The key that seals this record. One that is lost is not made anew by itself: whoever took it away could have the
    record sealed by another without anybody hearing of it. `renew`: somebody decided that there is to be another; the database
    may be down then, as an embedded one is while nothing seals at the start.

    Raises KeyFault, which is a refusal to seal until a sealer seals.
    """
    here = (folder / "seal.key").exists()
    try:
        if not here and not renew and (newest := _newest()):
            raise KeyFault(
                f"seal.key is missing, and the record has seals made with key {newest.key_id}. Put it back from the backup of "
                "the keys; where it is lost for good, `manage.py seal --new-key` makes another."
            )
        if here and renew:
            raise KeyFault("seal.key is here: move it where it is kept before another is made.")
        return load_key(folder)
    except KeyFault as fault:
        if not renew:
            _refuse(str(fault))
        raise


def public_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    return public_halves(folder, "seal")


# --- what a seal says


def seal_text(seal: Seal) -> bytes:
    """What the key signs: canonical JSON of everything but the signature and the proof, which proves itself."""
    return canonical(
        {
            "key_id": seal.key_id,
            "prev_root": seal.prev_root,
            "prev_seal": seal.prev_seal,
            "prev_size": seal.prev_size,
            "root": seal.root,
            "sealed_at": seal.sealed_at,
            "tree_size": seal.tree_size,
        }
    ).encode()


def seal_digest(seal: Seal | None) -> str:
    """What the next seal calls this one by: SHA-256 of text and signature, so that neither can be replaced alone."""
    return hashlib.sha256(seal_text(seal) + seal.signature.encode()).hexdigest() if seal else EMPTY_ROOT


def seal_is_signed(seal: Seal, keys: dict[str, Ed25519PublicKey]) -> bool:
    try:
        signature = bytes.fromhex(seal.signature)
        keys[seal.key_id].verify(signature, seal_text(seal))
    except (KeyError, InvalidSignature, ValueError):
        return False
    # Hexadecimal could be written otherwise; one byte changed is one byte changed.
    return signature.hex() == seal.signature


def follows(seal: Seal, before: Seal | None) -> bool:
    """Whether a seal names exactly the one before it, and proves that its tree begins with that one's."""
    named = (before.tree_size, before.root, seal_digest(before)) if before else (0, EMPTY_ROOT, EMPTY_ROOT)
    try:
        path = [bytes.fromhex(step) for step in seal.consistency.split()]
        roots = bytes.fromhex(seal.prev_root), bytes.fromhex(seal.root)
    except ValueError:
        return False
    return (
        (seal.prev_size, seal.prev_root, seal.prev_seal) == named
        and seal.consistency == _written(path)
        and verify_consistency(seal.prev_size, seal.tree_size, *roots, path)
    )


def _written(path: Iterable[bytes]) -> str:
    return " ".join(step.hex() for step in path)


# --- the sealer


class Sealer:
    """Holds the tree's edge between rounds, so a round costs only its new events."""

    def __init__(self, key: SealKey, witness: Path) -> None:
        self.key = key
        self.witness = Witness(witness)
        self._tree: Tree | None = None

    def repeat_last(self) -> None:
        """Tell the witness the newest seal, if a sealer died before it could. Raises WitnessAhead."""
        self.witness.catch_up(_newest())

    def seal_once(self) -> int:
        """Give leaves to what is settled and sign the new root. Returns the number of new leaves.

        Raises WitnessAhead or RecordAltered rather than sign what contradicts an earlier seal, and OSError where the
        witness cannot be written.
        """
        total = 0
        try:
            while added := self._round():
                total += added
        except (RecordAltered, WitnessAhead) as contradiction:
            self._tree = None
            _refuse(str(contradiction))
            raise
        except BaseException:
            self._tree = None
            raise
        return total

    def _round(self) -> int:
        with transaction.atomic():
            refused = _turn()
            if refused is None:
                log.warning("the sealer waits: another sealer, or a backup, has its turn")
                return 0
            newest = _newest()
            # Before the next one, and under the lock: the newest seal is the only one that may be untold.
            self.witness.catch_up(newest)
            if refused:
                # Read anew: what was remembered from before may hide what another sealer found.
                self._tree = None
            tree = self._tree_under(newest)
            added = self._give_leaves(tree)
            if added:
                seal = self._sign(tree, newest)
            if refused:
                _write_refusal("")
        if added:
            self.witness.tell(seal)
        return added

    def _tree_under(self, newest: Seal | None) -> Tree:
        size = newest.tree_size if newest else 0
        if self._tree is None or self._tree.size != size:
            self._tree = _restored(size)
        if self._tree.root != (newest.root if newest else EMPTY_ROOT):
            raise RecordAltered(f"The {size} leaves do not lead to the root of their seal.")
        return self._tree

    def _give_leaves(self, tree: Tree) -> int:
        before = tree.size
        for after, batch in _settled_batches():
            rows = []
            covering = Covering(iter(_changes_between(after, settled_order(batch[-1]))))
            for columns in batch:
                epoch, tx, pos = settled_order(columns)
                hashed = leaf_hash(leaf_text(columns, covering.of(epoch, tx)))
                index = tree.size
                tiles = b"".join(tree.append(hashed))
                rows.append((index, pos, hashed.hex(), tiles.hex()))
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY mes_leaf (index, event_id, hash, tiles) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        return tree.size - before

    def _sign(self, tree: Tree, newest: Seal | None) -> Seal:
        size = newest.tree_size if newest else 0
        seal = Seal(
            tree_size=tree.size,
            root=tree.root,
            prev_size=size,
            prev_root=newest.root if newest else EMPTY_ROOT,
            prev_seal=seal_digest(newest),
            consistency=_written(consistency_proof(StoredTree().over, size, tree.size)),
            key_id=self.key.id,
            sealed_at=timezone.now(),
        )
        seal.signature = self.key.sign(seal_text(seal))
        if not follows(seal, newest):
            raise RecordAltered(f"The tree of {tree.size} leaves does not begin with the sealed {size}.")
        seal.save(force_insert=True)
        return seal


def _turn() -> str | None:
    """Locks the row of `SealTurn` until the transaction ends, if nobody else has it. Returns the refusal that stands there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT refusal FROM mes_seal_turn FOR UPDATE SKIP LOCKED")
        found = cursor.fetchone()
    return None if found is None else str(found[0])


def _refuse(why: str) -> None:
    """Nothing is signed from now on, whatever becomes of this sealer, until one seals (`mes.eventlog.waiting`)."""
    with _outlived():
        _write_refusal(why)


def _write_refusal(why: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mes_seal_turn SET refusal = %s WHERE refusal <> %s", [why, why])


def _newest() -> Seal | None:
    return Seal.objects.order_by("-tree_size").first()


def _restored(size: int) -> Tree:
    try:
        return Tree.restored(StoredTree().over, size)
    except LookupError as missing:
        raise RecordAltered(f"The sealed tree cannot be read: {missing}.") from missing


def _settled_batches() -> Iterator[tuple[Settled, list[EventText]]]:
    """What is settled and has no leaf, up to what one seal takes: each batch with what it comes after."""
    last = Leaf.objects.order_by("-index").select_related("event").first()
    after = (last.event.epoch, last.event.tx, last.event.pos) if last else (0, 0, 0)
    below = horizon()
    for _ in range(SEAL_AT_MOST // BATCH):
        with connection.cursor() as cursor:
            cursor.execute(SETTLED, [*after, below, BATCH])
            batch: list[EventText] = cursor.fetchall()
        if batch:
            yield after, batch
        if len(batch) < BATCH:
            return
        after = settled_order(batch[-1])


def _changes_between(after: Settled, last: Settled) -> list[tuple[int, int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(CHANGES_BETWEEN, [*after[:2], *last[:2]])
        found: list[tuple[int, int, str]] = cursor.fetchall()
    return found


def run(sealer: Sealer, stop: threading.Event) -> None:
    """Seal every ten seconds, or as soon as a thousand events wait.

    A lost database or witness is waited for. A record that contradicts its seals is not sealed: that is said in the
    log each time, until somebody has looked.
    """
    due = time.monotonic()
    while not stop.wait(1.0):
        with _outlived():
            if time.monotonic() >= due or _waiting() >= settings.SEAL_EVENTS:
                due = time.monotonic() + settings.SEAL_EVERY.total_seconds()
                sealer.seal_once()
                _say_if_late()
    sealer.seal_once()


def _say_if_late() -> None:
    waiting = oldest_waiting()
    if waiting is not None and waiting.is_late:
        log.warning(
            "the sealer is late: the event at %s has waited for %.0f s. Open transactions: %s",
            waiting.pos,
            waiting.seconds,
            ", ".join(open_transactions()) or "none",
        )


@contextmanager
def _outlived() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, OSError) as failure:
        log.warning("the sealer waits: %s", type(failure).__name__)
        close_old_connections()
    except (RecordAltered, WitnessAhead) as contradiction:
        log.error("the sealer seals nothing: %s", contradiction)


def _waiting() -> int:
    newest = EventRecord.objects.order_by("-pos").values_list("pos", flat=True).first() or 0
    sealed = Leaf.objects.order_by("-index").values_list("event_id", flat=True).first() or 0
    return max(0, newest - sealed)
