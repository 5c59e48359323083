"""Sealing single values: AES-256-GCM, the key's id in the value, bound to its column and row.

A sealed value is `version(1) key-id(4) nonce(12) ciphertext+tag`. The row it belongs to is authenticated, so a value
copied to another row does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"


def key_in(path: Path, make: Callable[[], bytes]) -> bytes:
    """The key (hex) in a file of mode 0600, made on the first day. Two processes that come at once agree on one."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(make().hex())
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, never replaces what another process has just written.
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.unlink(name)
    return bytes.fromhex(path.read_text().strip())


class Vault:
    """Seals and opens values with the key in a file of mode 0600."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._index_key = hashlib.sha256(b"blind index" + key).digest()
        self.key_id = hashlib.sha256(b"key id" + key).digest()[:4]

    @classmethod
    def from_file(cls, path: Path) -> Vault:
        """Open the vault; the key is made on the first day."""
        return cls(key_in(path, lambda: AESGCM.generate_key(256)))

    def seal(self, value: str, *, bound_to: str) -> bytes:
        nonce = os.urandom(12)
        head = VERSION + self.key_id
        return head + nonce + self._aead.encrypt(nonce, value.encode(), head + bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> str:
        """Raises cryptography's InvalidTag where the value, its key or its row is not the sealed one."""
        sealed = bytes(sealed)
        head, nonce, body = sealed[:5], sealed[5:17], sealed[17:]
        return self._aead.decrypt(nonce, body, head + bound_to.encode()).decode()

    def blind_index(self, value: str) -> str:
        """A keyed hash (hex) of a value without case and spaces: for exact search and uniqueness."""
        normal = "".join(value.split()).casefold()
        return hmac.new(self._index_key, normal.encode(), hashlib.sha256).hexdigest()
