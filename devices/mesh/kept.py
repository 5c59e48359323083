"""What was computed of the last few surfaces: the same bone, or the same part, is asked about again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import sha256
from typing import Generic, TypeVar

from devices.mesh.base import Mesh

Found = TypeVar("Found")


class Kept(Generic[Found]):
    """Results by what they were computed from; of more than `most` the oldest go. For what depends on nothing else."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[Hashable, Found] = {}

    def of(self, key: Hashable, compute: Callable[[], Found]) -> Found:
        found = self._found.get(key)
        if found is None:
            found = compute()
            self._found[key] = found
            for old in list(self._found)[: -self._most]:
                self._found.pop(old, None)
        return found


def digest_of(mesh: Mesh) -> bytes:
    """SHA-256 over the vertices and faces as they are numbered."""
    return sha256(mesh.vertices.tobytes() + mesh.faces.tobytes()).digest()
