"""Files addressed by their SHA-256. A file is complete under its name, or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mes.exceptions import InvalidInput

CHUNK = 1 << 20
DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredFile:
    sha256: str
    size: int


class ArtefactStore:
    """A folder of immutable files: `ab/abcdef…`. Name on disk is the digest, never a word of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, sha256: str) -> Path:
        """Raises InvalidInput for anything but a digest, so that no name leads out of the folder."""
        if not DIGEST.fullmatch(sha256):
            raise InvalidInput("This is no SHA-256 digest.", cure="Give its 64 hexadecimal digits.")
        return self.folder / sha256[:2] / sha256

    def put(self, source: BinaryIO, *, limit: int | None = None) -> StoredFile:
        """Hash while streaming, then move into place. Raises InvalidInput beyond `limit` bytes; nothing is left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".incoming-")
        try:
            with os.fdopen(handle, "wb") as target:
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if limit is not None and size > limit:
                        raise InvalidInput(
                            f"The file is larger than {limit / 1e6:.0f} MB.", cure="Send a smaller file."
                        )
                    digest.update(chunk)
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            place = self.path_of(digest.hexdigest())
            place.parent.mkdir(exist_ok=True)
            os.chmod(name, 0o440)
            with _folder_locked(place.parent, fcntl.LOCK_SH):
                os.replace(name, place)
            make_durable(place.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return StoredFile(digest.hexdigest(), size)

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        with self.path_of(sha256).open("rb") as file:
            yield file

    def remove(self, sha256: str, *, put_before: datetime | None = None) -> bool:
        """Take a file out of the store, for good. False where it was gone already, or was not put in before a moment."""
        path = self.path_of(sha256)
        if not path.exists():
            return False
        with _folder_locked(path.parent, fcntl.LOCK_EX):
            if put_before is not None and path.stat().st_mtime >= put_before.timestamp():
                return False
            path.unlink()
        make_durable(path.parent)
        return True

    def verify(self, sha256: str, progress: Callable[[int], None] | None = None) -> bool:
        """Whether the file still has the content that its name says."""
        path = self.path_of(sha256)
        if not path.is_file():
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                if progress:
                    progress(len(chunk))
        return digest.hexdigest() == sha256


@contextmanager
def _folder_locked(folder: Path, how: int) -> Iterator[None]:
    """No file is removed between the look at it and its end while somebody puts it in again."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def make_durable(folder: Path) -> None:
    """A new name survives a power cut only when its folder is written out too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
