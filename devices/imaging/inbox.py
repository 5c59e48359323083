"""Where received objects are laid down: streamed, capped, named by their own digest, and on the disk before they are confirmed.

An *arrival* is one folder for what one sender sends in one go. It holds a note of who sent it and a lock for as long as its
receiver lives, so that what a killed process left behind is found and goes on (`left_behind`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from devices.imaging.sources import MAX_FILE_BYTES, MAX_TOTAL_BYTES
from mes import room

NOTE = "arrival.json"
SPOOL = ".spool"
ARRIVING = "arriving"
MAX_FILES = 20_000
KEPT_FREE = 512 * 1024**2
"""For the record itself, which goes on when no image is taken any more."""


class Spool:
    """A file that is being received. It takes what it is given without ever failing; what went wrong is said in `fault`.

    The reader of a network cannot stop in the middle of an object: the rest goes by, and the sender hears of it afterwards.
    """

    def __init__(self, root: Path, limit: int = MAX_FILE_BYTES) -> None:
        self.fault: OSError | None = None
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self.path = root / SPOOL / uuid4().hex
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stream = self.path.open("xb")
            if room.free_bytes(root) < KEPT_FREE:
                self._fail(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        except OSError as fault:
            self.fault = fault

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, part: bytes) -> int:
        if self.fault is None:
            try:
                self._take(part)
            except OSError as fault:
                self._fail(fault)
        return len(part)

    def _take(self, part: bytes) -> None:
        if self.size + len(part) > self._limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._stream.write(part)
        self._hash.update(part)
        self.size += len(part)

    def _fail(self, fault: OSError) -> None:
        """What is half-written goes at once: it would only take the room that is missing."""
        self.fault = fault
        self._stream.truncate(0)

    def seal(self) -> None:
        """On the disk, whole. Raises the fault that was met."""
        try:
            if self.fault is None:
                self._stream.flush()
                os.fsync(self._stream.fileno())
                return
        except OSError as fault:
            self.fault = fault
        raise self.fault

    def drop(self) -> None:
        """Close it, and remove it where nothing took it. Doing it twice changes nothing."""
        if stream := getattr(self, "_stream", None):
            try:
                stream.close()
            except OSError:
                self.fault = self.fault or OSError(errno.EIO, os.strerror(errno.EIO))
        self.path.unlink(missing_ok=True)


class Arriving:
    """What one sender sends in one go. Used by one thread."""

    def __init__(self, root: Path, sender: Mapping[str, Any]) -> None:
        self.root = root
        self.folder = root / ARRIVING / str(uuid4())
        self.folder.mkdir(mode=0o700, parents=True)
        self._size = 0
        self._names: set[str] = set()
        with (self.folder / NOTE).open("x") as note:
            json.dump(dict(sender), note)
            note.flush()
            os.fsync(note.fileno())
        self._lock = _locked(self.folder)
        _sync(self.folder.parent)

    def take(self, spool: Spool) -> str:
        """Keep what was received, under its digest; the same object twice is kept once. Raises OSError where it cannot be kept."""
        if len(self._names) >= MAX_FILES or self._size + spool.size > MAX_TOTAL_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        spool.seal()
        name = spool.digest
        if name not in self._names:
            spool.path.rename(self.folder / name)
            _sync(self.folder)
            self._names.add(name)
            self._size += spool.size
        return name

    def close(self) -> None:
        """Nothing more comes."""
        os.close(self._lock)


def sweep_spool(root: Path, older_than_s: float) -> None:
    """Remove objects of which the rest never came."""
    before = time.time() - older_than_s
    for path in (root / SPOOL).glob("*"):
        if path.lstat().st_mtime < before:
            path.unlink(missing_ok=True)


def left_behind(root: Path) -> Iterator[Path]:
    """Arrivals that nobody receives any more, each held meanwhile: their receiver ended, or could not record them."""
    folder = root / ARRIVING
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            held = _locked(path)
        except OSError:
            continue
        try:
            yield path
        finally:
            os.close(held)


def sender_of(arrival: Path) -> dict[str, Any]:
    """Who sent it; {} where its receiver ended before it had said so, and therefore before anything was confirmed."""
    try:
        said = json.loads((arrival / NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def objects_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != NOTE)


def arrival_id(arrival: Path) -> UUID:
    return UUID(arrival.name)


def _locked(folder: Path) -> int:
    """Raises OSError where somebody receives into it, or where it is gone."""
    held = os.open(folder / NOTE, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def _sync(folder: Path) -> None:
    """A name is on the disk when its folder is."""
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
