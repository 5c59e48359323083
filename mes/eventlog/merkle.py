"""Merkle tree hashing as in RFC 6962 §2.1: leaves and nodes hashed under different prefixes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256().hexdigest()


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree that keeps only its right edge: one hash for each perfect subtree, largest first."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._edge: list[bytes] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash (32 bytes)."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self._edge.pop(), carry)
            size >>= 1
        self._edge.append(carry)
        self.size += 1

    @property
    def root(self) -> str:
        """The Merkle tree hash, hex."""
        if not self._edge:
            return EMPTY_ROOT
        tree = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            tree = node_hash(left, tree)
        return tree.hex()
