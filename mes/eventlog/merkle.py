"""Merkle trees as in RFC 6962 §2.1: hashes, inclusion proofs (§2.1.1) and consistency proofs (§2.1.2).

Leaves and nodes are hashed under different prefixes. What makes a proof asks for the hash of a range of leaves
(`Hashes`) and never for the leaves, so that a tree of any size can answer from what it has stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

EMPTY_ROOT = hashlib.sha256().hexdigest()
TILE = 256
"""Leaves below one stored node; 256 stored nodes lie below one of the next row, and so on."""

Hashes = Callable[[int, int], bytes]
"""(start, stop): the Merkle tree hash over the leaves start … stop - 1, as RFC 6962 writes MTH(D[start:stop])."""


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def left_half(size: int) -> int:
    """How many of `size` leaves (two or more) hang on the left: the largest power of two below it."""
    return 1 << ((size - 1).bit_length() - 1)


def perfect_parts(start: int, stop: int) -> Iterable[tuple[int, int]]:
    """The perfect subtrees of a range that begins where a subtree does, largest first: (first leaf, leaves)."""
    while start < stop:
        size = 1 << ((stop - start).bit_length() - 1)
        yield start, size
        start += size


def joined(parts: Sequence[bytes]) -> bytes:
    """The hash over perfect subtrees, largest first, of one range."""
    return reduce(lambda right, left: node_hash(left, right), reversed(parts[:-1]), parts[-1])


def folded(nodes: Sequence[bytes]) -> bytes:
    """The hash over a power of two of neighbouring nodes of one row."""
    while len(nodes) > 1:
        nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
    return nodes[0]


def hashes_over(leaves: Sequence[bytes]) -> Hashes:
    """The hashes of a tree whose leaf hashes are all at hand."""

    def over(start: int, stop: int) -> bytes:
        parts = perfect_parts(start, stop)
        return joined([folded(leaves[first : first + size]) for first, size in parts])

    return over


class Tree:
    """An append-only tree that keeps only its right edge: one hash for each perfect subtree, largest first."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._edge: list[bytes] = []
        for leaf in leaves:
            self.append(leaf)

    @classmethod
    def restored(cls, hashes: Hashes, size: int) -> Tree:
        """A tree of `size` leaves that goes on from its stored hashes."""
        tree = cls()
        tree.size = size
        tree._edge = [hashes(start, start + leaves) for start, leaves in perfect_parts(0, size)]
        return tree

    def append(self, leaf: bytes) -> tuple[bytes, ...]:
        """Add one leaf hash (32 bytes). Returns the hashes of the tiles it fills, of 256, 65,536 … leaves: mostly none."""
        carry, size, row = leaf, self.size, 1
        filled: tuple[bytes, ...] = ()
        while size & 1:
            carry = node_hash(self._edge.pop(), carry)
            size >>= 1
            if row % 8 == 0:
                filled = (*filled, carry)
            row += 1
        self._edge.append(carry)
        self.size += 1
        return filled

    @property
    def root(self) -> str:
        """The Merkle tree hash, hex."""
        return joined(self._edge).hex() if self._edge else EMPTY_ROOT


def inclusion_proof(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """What shows that leaf `index` stands in the tree of `size` leaves, deepest first. Raises ValueError outside it."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} does not stand among {size}")
    path, start, stop = [], 0, size
    while stop - start > 1:
        middle = start + left_half(stop - start)
        if index < middle:
            path.append(hashes(middle, stop))
            stop = middle
        else:
            path.append(hashes(start, middle))
            start = middle
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` leads from the hash of leaf `index` to the root over `size` leaves."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for other in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(other, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, other)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def consistency_proof(hashes: Hashes, old: int, new: int) -> list[bytes]:
    """What shows that the tree of `new` leaves begins with the tree of `old`. Raises ValueError unless 0 <= old <= new."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with {old}")
    if old == 0:
        return []
    path, start, stop = [], 0, new
    while old != stop:
        middle = start + left_half(stop - start)
        if old <= middle:
            path.append(hashes(middle, stop))
            stop = middle
        else:
            path.append(hashes(start, middle))
            start = middle
    # Where the old tree is the leftmost subtree, its root is known to whoever checks.
    return [*([hashes(start, stop)] if start else []), *reversed(path)]


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` shows that the tree of `new` leaves with `new_root` begins with the one of `old`."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        known = old_root == new_root if old else old_root.hex() == EMPTY_ROOT
        return known and not path
    steps = [*([old_root] if old & (old - 1) == 0 else []), *path]
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    return bool(steps) and _climbs(steps, node, last) == (old_root, new_root)


def _climbs(steps: Sequence[bytes], node: int, last: int) -> tuple[bytes, bytes] | None:
    """Both roots that the steps lead to (RFC 9162 §2.1.4.2), or None where they are too many or too few."""
    before = after = steps[0]
    for other in steps[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            before, after = node_hash(other, before), node_hash(other, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, other)
        node, last = node >> 1, last >> 1
    return (before, after) if last == 0 else None
