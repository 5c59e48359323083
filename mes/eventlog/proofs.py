"""Proofs that events stand under seals, for exports: whoever holds one needs the seal's public key and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from mes.eventlog.merkle import inclusion_proof, verify_inclusion
from mes.eventlog.sealing import RecordAltered, seal_text
from mes.eventlog.tiles import StoredTree
from mes.models import Leaf, Seal


class NotProvable(LookupError):
    """The event has no place under a seal: there is none, or it has not settled, or not been sealed yet."""


@dataclass(frozen=True)
class Proof:
    """That an event stands under a seal (RFC 6962 §2.1.1): `path` leads from its leaf to `root`, deepest step first.

    Hashes are hex. The seal is the first that covers the event, so the same event always has the same proof.
    """

    event_pos: int
    leaf_index: int
    leaf_hash: str
    tree_size: int
    path: tuple[str, ...]
    root: str
    seal_text: str
    signature: str
    key_id: str


def proof_of(event_pos: int) -> Proof:
    """Raises NotProvable for an event that is not sealed, RecordAltered where the stored tree proves nothing."""
    return proofs_of([event_pos])[0]


def proofs_of(positions: Iterable[int]) -> list[Proof]:
    """The proofs of many events, in the order asked; what they share of the tree is read once. Raises as `proof_of`."""
    wanted, stored = list(positions), StoredTree()
    first = Seal.objects.filter(tree_size__gt=OuterRef("index")).order_by("tree_size").values("tree_size")[:1]
    leaves = {
        leaf.event_id: leaf for leaf in Leaf.objects.filter(event__in=wanted).annotate(seal=Subquery(first))
    }
    seals = Seal.objects.in_bulk({leaf.seal for leaf in leaves.values()} - {None})
    return [_proof(pos, leaves.get(pos), seals, stored) for pos in wanted]


def _proof(pos: int, leaf: Any, seals: Mapping[int, Seal], stored: StoredTree) -> Proof:
    if leaf is None or leaf.seal is None:
        raise NotProvable(f"The event at {pos} is not sealed yet, or there is none.")
    seal = seals[leaf.seal]
    try:
        path = inclusion_proof(stored.over, leaf.index, seal.tree_size)
    except LookupError as missing:
        raise RecordAltered(f"No proof of the event at {pos}: {missing}.") from missing
    proven = verify_inclusion(
        bytes.fromhex(leaf.hash), leaf.index, seal.tree_size, path, bytes.fromhex(seal.root)
    )
    if not proven:
        raise RecordAltered(f"The stored tree does not lead from the event at {pos} to its seal.")
    return Proof(
        event_pos=pos,
        leaf_index=leaf.index,
        leaf_hash=leaf.hash,
        tree_size=seal.tree_size,
        path=tuple(step.hex() for step in path),
        root=seal.root,
        seal_text=seal_text(seal).decode(),
        signature=seal.signature,
        key_id=seal.key_id,
    )
