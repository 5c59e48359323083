"""The hashes of the sealed tree, read from what the leaves table keeps (ADR 0009).

A leaf keeps the hash of each perfect subtree of 256, 65,536 … leaves that ends with it. Any hash of the tree then
costs at most 256 stored hashes per row of tiles, however large the tree.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from mes.eventlog.merkle import TILE, folded, joined, perfect_parts


class StoredTree:
    """Answers `Hashes`. What was read is kept, so it is made for one proof, or for many about one state of the tree."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def over(self, start: int, stop: int) -> bytes:
        """The hash over the leaves start … stop - 1. Raises LookupError where a stored hash is missing."""
        return joined([self._perfect(first, size) for first, size in perfect_parts(start, stop)])

    def _perfect(self, start: int, size: int) -> bytes:
        row = (size.bit_length() - 1) // 8
        span = TILE**row
        number, at = divmod(start // span, TILE)
        nodes = self._tile(row, number)[at : at + size // span]
        if len(nodes) != size // span:
            raise LookupError(f"a hash below leaf {start + size - 1} is missing")
        return folded(nodes)

    def _tile(self, row: int, number: int) -> list[bytes]:
        """Up to 256 neighbouring hashes of one row: of leaves (row 0), of tiles (row 1), of tiles of tiles."""
        known = self._tiles.get((row, number))
        if known is None:
            hashes = _leaves(number) if row == 0 else _filled(row, number)
            known = self._tiles[row, number] = [bytes.fromhex(value) for value in hashes]
        return known


def _leaves(number: int) -> list[str]:
    return _column(
        "SELECT hash FROM mes_leaf WHERE index >= %s AND index < %s ORDER BY index",
        [number * TILE, (number + 1) * TILE],
    )


def _filled(row: int, number: int) -> list[str]:
    span = TILE**row
    ends = [(number * TILE + at + 1) * span - 1 for at in range(TILE)]
    return _column(
        "SELECT substr(tiles, %s, 64) FROM mes_leaf WHERE index = ANY(%s) ORDER BY index",
        [64 * (row - 1) + 1, ends],
    )


def _column(statement: str, values: list[Any]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [value for (value,) in cursor.fetchall()]
