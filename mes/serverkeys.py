"""The server's own keys (Ed25519): `seal.key` signs the tree of the log, `signing.key` seals signatures.

The public half of each lies beside it, as `seal-ID.pub`, and stays when the key is replaced: what was signed in earlier
years is verified with it. Whoever only verifies has the public halves alone, and makes nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mes.vault import RESTORE, KeyFault, key_in, write_beside

Purpose = Literal["seal", "signing"]
PURPOSES: tuple[Purpose, ...] = ("seal", "signing")


@dataclass(frozen=True)
class SealKey:
    """An Ed25519 key of the server. `id` is the start of the public key's SHA-256."""

    private: Ed25519PrivateKey

    @property
    def id(self) -> str:
        return key_id(self.private.public_key())

    def sign(self, content: bytes) -> str:
        return self.private.sign(content).hex()


def key_id(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def own_key(folder: Path, purpose: Purpose) -> SealKey:
    """The server's key, made where there is none. Its public half is on the disk before anything is signed with it.

    Raises KeyFault where the file is damaged: it leads to none of the public halves beside it.
    """
    path = folder / f"{purpose}.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        # Of two processes that come at once, the second finds what the first has made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make(path, purpose)
        key = private_key(path)
        if not any(folder.glob(f"{purpose}-*.pub")):
            _publish(folder, purpose, key)
    finally:
        os.close(lock)
    if not (folder / f"{purpose}-{key.id}.pub").is_file():
        raise KeyFault(
            f"{path} is damaged or another site's: {purpose}-{key.id}.pub is not beside it. {RESTORE}"
        )
    return key


def _make(path: Path, purpose: Purpose) -> None:
    key = SealKey(Ed25519PrivateKey.generate())
    _publish(path.parent, purpose, key)
    key_in(path, key.private.private_bytes_raw)


def _publish(folder: Path, purpose: Purpose, key: SealKey) -> None:
    path = folder / f"{purpose}-{key.id}.pub"
    os.replace(write_beside(path, key.private.public_key().public_bytes_raw().hex() + "\n"), path)


def private_key(path: Path) -> SealKey:
    """Raises KeyFault where the file holds no key."""
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii", errors="replace").strip())
        return SealKey(Ed25519PrivateKey.from_private_bytes(secret))
    except ValueError:
        raise KeyFault(f"{path} holds no key. {RESTORE}") from None


def public_halves(folder: Path, purpose: Purpose) -> dict[str, Ed25519PublicKey]:
    """Public keys by id, those of earlier years too. A file that is not the key of its name is none (`faults_in`)."""
    found = ((path, _public_in(path)) for path in sorted(folder.glob(f"{purpose}-*.pub")))
    return {
        key_id(key): key
        for path, key in found
        if key is not None and path.name == f"{purpose}-{key_id(key)}.pub"
    }


def _public_in(path: Path) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text(errors="replace")))
    except ValueError:
        return None


def faults_in(folder: Path) -> Iterator[str]:
    """What is wrong with the server's keys in a folder; a private half that is not here is no fault."""
    for purpose in PURPOSES:
        halves = public_halves(folder, purpose)
        for path in sorted(folder.glob(f"{purpose}-*.pub")):
            if path.stem.removeprefix(f"{purpose}-") not in halves:
                yield f"{path.name} is not the key that its name says"
        if (folder / f"{purpose}.key").exists():
            yield from _mismatch(folder / f"{purpose}.key", halves)


def _mismatch(path: Path, halves: dict[str, Ed25519PublicKey]) -> Iterator[str]:
    try:
        key = private_key(path)
    except KeyFault:
        yield f"{path.name} holds no key"
        return
    if key.id not in halves:
        yield f"{path.name} was altered: its public half is not among those beside it"
