"""That every event of a record stands under a signed seal, and that the seals are of one log (RFC 6962 2.1.1, 2.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mes.eventlog.merkle import consistency_proof
from mes.eventlog.proofs import Proof, proofs_of
from mes.eventlog.tiles import StoredTree
from mes.models import Leaf, Seal


def unsealed(positions: Sequence[int]) -> list[int]:
    """The events among these that no seal covers yet."""
    newest = Seal.objects.order_by("-tree_size").values_list("tree_size", flat=True).first() or 0
    covered = set(
        Leaf.objects.filter(event__in=positions, index__lt=newest).values_list("event_id", flat=True)
    )
    return [pos for pos in positions if pos not in covered]


def proofs_for(positions: Sequence[int]) -> dict[str, Any]:
    """Proofs of inclusion, the seals that they lead to, and of each pair of neighbouring seals the proof of consistency.

    The same events always have the same proofs. Raises NotProvable and RecordAltered as `mes.eventlog.proofs.proofs_of`.
    """
    proofs = proofs_of(positions)
    seals = {proof.tree_size: proof for proof in proofs}
    stored = StoredTree()
    return {
        "proofs": [_inclusion(proof) for proof in proofs],
        "seals": {
            str(size): {"text": one.seal_text, "signature": one.signature, "key_id": one.key_id}
            for size, one in sorted(seals.items())
        },
        "consistency": [
            {
                "from": old,
                "to": new,
                "path": [step.hex() for step in consistency_proof(stored.over, old, new)],
            }
            for old, new in pairwise(sorted(seals))
        ],
    }


def _inclusion(proof: Proof) -> dict[str, Any]:
    return {
        "pos": proof.event_pos,
        "leaf_index": proof.leaf_index,
        "leaf_hash": proof.leaf_hash,
        "tree_size": proof.tree_size,
        "path": list(proof.path),
    }
