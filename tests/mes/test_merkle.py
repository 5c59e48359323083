"""Merkle proofs against the definitions of RFC 6962, written down as they stand there."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mes.eventlog.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    hashes_over,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

pytestmark = pytest.mark.requirement("K-02")
# RFC 6962 has no vectors of its own; these are those of the Certificate Transparency reference implementation.
CT_LEAVES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# (leaf, tree size, path) and (old size, new size, path), from the same place.
CT_INCLUSION = (
    (0, 1, ()),
    (
        0,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        5,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
)
CT_CONSISTENCY = (
    (1, 1, ()),
    (
        1,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        6,
        8,
        (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
)
LEAVES = [leaf_hash(str(number).encode()) for number in range(700)]
sizes = st.integers(1, len(LEAVES))


def mth(leaves: Sequence[bytes]) -> bytes:
    """§2.1, word for word."""
    if not leaves:
        return bytes.fromhex(EMPTY_ROOT)
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_below(len(leaves))
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path_of(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """§2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path_of(m, leaves[:k]), mth(leaves[k:])]
    return [*path_of(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """§2.1.2, word for word."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def test_roots_are_those_of_rfc_6962() -> None:
    tree = Tree()
    assert tree.root == EMPTY_ROOT
    for leaf, root in zip(CT_LEAVES, CT_ROOTS, strict=True):
        tree.append(leaf_hash(bytes.fromhex(leaf)))
        assert tree.root == root


def test_proofs_are_those_of_the_reference_implementation() -> None:
    hashes = hashes_over([leaf_hash(bytes.fromhex(leaf)) for leaf in CT_LEAVES])
    for index, size, path in CT_INCLUSION:
        assert [step.hex() for step in inclusion_proof(hashes, index, size)] == list(path)
    for old, new, path in CT_CONSISTENCY:
        assert [step.hex() for step in consistency_proof(hashes, old, new)] == list(path)


@given(st.data(), sizes)
def test_inclusion_proofs_are_those_of_the_definition_and_hold(data: st.DataObject, size: int) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(hashes_over(LEAVES), index, size)
    assert path == path_of(index, leaves)
    assert verify_inclusion(leaves[index], index, size, path, mth(leaves))


@given(st.data(), sizes)
def test_consistency_proofs_are_those_of_the_definition_and_hold(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    path = consistency_proof(hashes_over(LEAVES), old, new)
    assert path == subproof(old, LEAVES[:new], whole=True)
    assert verify_consistency(old, new, mth(LEAVES[:old]), mth(LEAVES[:new]), path)


def altered(data: st.DataObject, path: list[bytes]) -> list[bytes]:
    """The path with one bit flipped, one step too few, one too many, or two swapped."""
    at = data.draw(st.integers(0, len(path) - 1))
    flipped = bytes([path[at][0] ^ 1]) + path[at][1:]
    ways = [
        [*path[:at], flipped, *path[at + 1 :]],
        [*path[:at], *path[at + 1 :]],
        [*path[:at], path[at], *path[at:]],
        [*path, LEAVES[0]],
    ]
    if at:
        ways.append([*path[: at - 1], path[at], path[at - 1], *path[at + 1 :]])
    return data.draw(st.sampled_from(ways))


@given(st.data(), st.integers(2, len(LEAVES)))
def test_an_altered_inclusion_proof_does_not_hold(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_proof(hashes_over(LEAVES), index, size), mth(LEAVES[:size])
    assert not verify_inclusion(LEAVES[index], index, size, altered(data, path), root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    assert not verify_inclusion(LEAVES[index], other, size, path, root)


@given(st.data(), st.integers(2, len(LEAVES)))
def test_an_altered_consistency_proof_does_not_hold(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new - 1))
    path = consistency_proof(hashes_over(LEAVES), old, new)
    before, after = mth(LEAVES[:old]), mth(LEAVES[:new])
    assert not verify_consistency(old, new, before, after, altered(data, path))
    assert not verify_consistency(old, new, mth([*LEAVES[: old - 1], b"x" * 32]), after, path)
    assert not verify_consistency(old, new, before, mth([*LEAVES[: new - 1], b"x" * 32]), path)


def test_the_edges_of_consistency() -> None:
    empty, one = bytes.fromhex(EMPTY_ROOT), LEAVES[0]
    assert verify_consistency(0, 0, empty, empty, [])
    assert verify_consistency(0, 1, empty, one, [])
    assert not verify_consistency(0, 1, one, one, [])
    assert not verify_consistency(0, 1, empty, one, [one])
    assert not verify_consistency(1, 1, one, LEAVES[1], [])
    assert not verify_consistency(2, 1, one, one, [])
    assert not verify_consistency(1, 2, one, one, [])
    assert not verify_consistency(3, 5, one, one, [])
    for old, new in ((2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="does not begin"):
            consistency_proof(hashes_over(LEAVES), old, new)
    for index, size in ((1, 1), (-1, 1), (0, 0)):
        with pytest.raises(ValueError, match="does not stand"):
            inclusion_proof(hashes_over(LEAVES), index, size)
        assert not verify_inclusion(one, index, size, [], one)


@given(st.integers(0, len(LEAVES) - 1))
def test_a_tree_goes_on_from_its_stored_hashes(size: int) -> None:
    tree = Tree.restored(hashes_over(LEAVES), size)
    tree.append(LEAVES[size])
    assert (tree.size, tree.root) == (size + 1, mth(LEAVES[: size + 1]).hex())


def test_a_tree_tells_which_tiles_a_leaf_fills() -> None:
    tree = Tree()
    leaves = [leaf_hash(number.to_bytes(4)) for number in range(65536)]
    filled = [(number, tiles) for number, leaf in enumerate(leaves) if (tiles := tree.append(leaf))]
    assert [number for number, _ in filled] == list(range(255, 65536, 256))
    assert {len(tiles) for _, tiles in filled[:-1]} == {1}
    assert filled[1][1] == (mth(leaves[256:512]),)
    assert filled[-1][1] == (mth(leaves[65536 - 256 :]), mth(leaves))
