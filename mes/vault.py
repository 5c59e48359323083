"""Sealing single values: AES-256-GCM, the key's id in the value, each value bound to its table, column and row (K-13).

Each patient's values are sealed under a data key of their own. The data key lies beside them, itself sealed (wrapped) by
a key of the ring, and every value lives as long as both. A database keeps what was overwritten in it (dead rows, WAL,
backups): a patient is erased when the key that wrapped the data key, and that of the index, are destroyed in their files.

A sealed value is `version(1) key-id(4) nonce(12) ciphertext+tag(16)`. Its head and its place are authenticated: a value
copied to another row or column does not open.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import stat
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured

VERSION = b"\x02"
KEY_BYTES, NONCE_BYTES, HEAD_BYTES = 32, 12, 5
LEAST_DISTINCT = 12
RING_FILES = ("vault.key", "vault_index.key")
RESTORE = "Restore it from the backup of your keys."


class KeyFault(ImproperlyConfigured):
    """A key that is missing, unreadable, short, predictable or readable by others: Lamina does not start with it."""


def key_in(path: Path, make: Callable[[], bytes]) -> bytes:
    """The key (hex) in a file of mode 0600, made on the first day. Two processes that come at once agree on one."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = write_beside(path, make().hex())
        try:
            # A link, unlike a rename, never replaces what another process has just written.
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.unlink(name)
    return bytes.fromhex(path.read_text().strip())


def write_beside(path: Path, text: str) -> str:
    """A new file of mode 0600 beside `path`, on the disk for good. Returns its name."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return name


def place(table: str, column: str, row: int) -> str:
    """What a value is bound to. Names of tables and columns hold neither sign."""
    return f"{table}.{column}:{row}"


@dataclass(frozen=True)
class Key:
    """A secret of 32 bytes. `id` (8 hex digits) stands in every value that it sealed, and says nothing about it."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(b"lamina key id" + self.secret).hexdigest()[:8]

    def seal(self, value: bytes, *, bound_to: str) -> bytes:
        head, nonce = VERSION + bytes.fromhex(self.id), os.urandom(NONCE_BYTES)
        return head + nonce + AESGCM(self.secret).encrypt(nonce, value, head + bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Raises cryptography's InvalidTag where the value, its key or its place is not the sealed one."""
        sealed = bytes(sealed)
        head, nonce, body = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:][:NONCE_BYTES], sealed[17:]
        return AESGCM(self.secret).decrypt(nonce, body, head + bound_to.encode())

    def derived(self, purpose: str) -> bytes:
        """32 bytes for another purpose, which live as long as this key."""
        return hmac.new(self.secret, f"lamina {purpose}".encode(), hashlib.sha256).digest()

    def keyed_hash(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


def key_id_of(sealed: bytes) -> str:
    """Which key sealed a value."""
    return bytes(sealed)[1:HEAD_BYTES].hex()


def new_key() -> Key:
    return Key(AESGCM.generate_key(8 * KEY_BYTES))


@dataclass(frozen=True)
class KeyRing:
    """The keys of one file, one in each line as 64 hex digits, the newest first."""

    path: Path
    keys: tuple[Key, ...]

    @classmethod
    def from_file(cls, path: Path) -> KeyRing:
        """Made on the first day. Raises KeyFault, which names the file and the cure and shows nothing of a key."""
        if not path.exists():
            key_in(path, lambda: new_key().secret)
        _refuse_readable(path)
        keys = tuple(_key_of(line, path) for line in _text_of(path).split())
        if not keys:
            raise KeyFault(f"{path} holds no key. {RESTORE}")
        if len({key.id for key in keys}) != len(keys):
            raise KeyFault(f"{path} holds one key twice. {RESTORE}")
        return cls(path, keys)

    @property
    def newest(self) -> Key:
        return self.keys[0]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(key.id for key in self.keys)

    def __getitem__(self, key_id: str) -> Key:
        for key in self.keys:
            if key.id == key_id:
                return key
        raise KeyFault(f"{self.path} does not hold the key {key_id}. {RESTORE}")

    def with_key(self, key: Key) -> KeyRing:
        """The same ring with a newer key, written to its file."""
        return self._kept((key, *self.keys))

    def only(self, needed: Iterable[str]) -> KeyRing:
        """The same ring with the needed keys alone, written to its file. The newest always stays."""
        wanted = frozenset(needed) | {self.newest.id}
        return self._kept(tuple(key for key in self.keys if key.id in wanted))

    def _kept(self, keys: tuple[Key, ...]) -> KeyRing:
        """Only one process at a time may do this (`mes.services.vaultkeys.ROTATING`)."""
        self.destroy_left()
        new = write_beside(self.path, "\n".join(key.secret.hex() for key in keys))
        # The old file keeps a name until its content is overwritten: whoever is killed in between leaves it to be found.
        os.link(self.path, self.path.with_name(f".{self.path.name}.old"))
        os.replace(new, self.path)
        _sync(self.path.parent)
        self.destroy_left()
        return KeyRing(self.path, keys)

    def destroy_left(self) -> None:
        """Overwrite and remove what a change of this file, finished or killed, has left beside it."""
        for left in self.path.parent.glob(f".{self.path.name}.*"):
            if left.samefile(self.path):
                left.unlink()
            else:
                destroy_file(left)
        _sync(self.path.parent)


def destroy_file(path: Path) -> None:
    """Overwrite a file with zeros, on the disk, then remove it. What a file system or a disk copies elsewhere by itself
    is not reached: there the disk's encryption has to (docs/operators.md)."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _text_of(path: Path) -> str:
    """A ring's file as it is now, never one that is being destroyed."""
    while True:
        with path.open(encoding="ascii", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file.read()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_unusable(folder: Path) -> None:
    """Raises KeyFault where a ring's file is there and cannot be used. Makes nothing."""
    for name in RING_FILES:
        if (folder / name).exists():
            KeyRing.from_file(folder / name)


def _refuse_readable(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFault(f"{path} has mode {mode:04o}; others could read it. Run: chmod 600 {path}")


def _key_of(line: str, path: Path) -> Key:
    try:
        secret = bytes.fromhex(line)
    except ValueError:
        raise KeyFault(f"{path} holds a line that is no key. {RESTORE}") from None
    if len(secret) != KEY_BYTES:
        raise KeyFault(f"{path} holds a key of {len(secret)} bytes instead of {KEY_BYTES}. {RESTORE}")
    if _is_predictable(secret):
        raise KeyFault(f"{path} holds a default or typed key, which others can guess. {RESTORE}")
    return Key(secret)


def _is_predictable(secret: bytes) -> bool:
    """Zeros, repetitions, counted bytes and typed words. Chance makes such a key less often than once in 10^12."""
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    typed = all(0x20 <= byte < 0x7F for byte in secret)
    return len(set(secret)) < LEAST_DISTINCT or len(steps) < LEAST_DISTINCT or typed


def normal(value: str) -> str:
    """How an identifier is compared: compatibility forms (NFKC) as one, without case, spaces and invisible marks."""
    shown = "".join(
        letter for letter in unicodedata.normalize("NFKC", value) if unicodedata.category(letter) != "Cf"
    )
    return "".join(unicodedata.normalize("NFKC", shown.casefold()).split())


@dataclass(frozen=True)
class Vault:
    """Two rings: `ring` wraps the patients' data keys, `index` hashes identifiers for exact search."""

    ring: KeyRing
    index: KeyRing

    @classmethod
    def in_folder(cls, folder: Path) -> Vault:
        ring, index = (KeyRing.from_file(folder / name) for name in RING_FILES)
        return cls(ring, index)

    def unwrap(self, wrapped: bytes, *, bound_to: str) -> Key:
        """A data key. Raises KeyFault where its wrapping key is not here, InvalidTag where it is not the wrapped one."""
        return Key(self.ring[key_id_of(wrapped)].open(wrapped, bound_to=bound_to))

    def wrap(self, data_key: Key, key_id: str, *, bound_to: str) -> bytes:
        return self.ring[key_id].seal(data_key.secret, bound_to=bound_to)

    def blind_index(self, value: str, key_id: str) -> str:
        """A keyed hash (hex) of `normal(value)`: for exact search and uniqueness."""
        return self.index[key_id].keyed_hash(normal(value))

    def blind_indexes(self, value: str) -> list[str]:
        """Under every key of the ring: while the index is moved to a new key, rows stand under either."""
        return [self.blind_index(value, key.id) for key in self.index.keys]
