"""A parcel: files that come in by parts, on a folder of their own. How much of them is there, the disk says.

The parts are the bytes of all files one behind the other. A part that was half-written when the machine stopped leaves a
prefix, and the next part goes on behind it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PIECE_BYTES = 4 * 1024**2
"""What a sender hashes by: the digest of a parcel is that of the digests of its pieces, each of this size but the last."""
LOCK, FILES = "lock", "files"


def make_parcel(folder: Path, files: int) -> None:
    (folder / FILES).mkdir(mode=0o700, parents=True)
    for number in range(files):
        _file(folder, number).touch(mode=0o600)
    (folder / LOCK).touch(mode=0o600)


def _file(folder: Path, number: int) -> Path:
    return folder / FILES / f"{number + 1:06d}"


@contextmanager
def alone_with(folder: Path) -> Iterator[None]:
    """One sender at a time. Raises BlockingIOError where another one writes, FileNotFoundError where the parcel is gone."""
    with (folder / LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def offset_of(folder: Path, sizes: Sequence[int]) -> int:
    """How many bytes are there, from the first on without a gap."""
    offset = 0
    for number, size in enumerate(sizes):
        held = min(_file(folder, number).stat().st_size, size)
        offset += held
        if held < size:
            break
    return offset


def append(folder: Path, sizes: Sequence[int], offset: int, part: bytes) -> int:
    """Write a part behind what is there, and on the disk. Returns the new offset. Raises OSError; what is there then is whole
    up to `offset_of`."""
    begin = 0
    for number, size in enumerate(sizes):
        place = offset - begin
        if part and place < size:
            own, part = part[: size - place], part[size - place :]
            with _file(folder, number).open("r+b") as stream:
                stream.seek(place)
                stream.write(own)
                stream.flush()
                os.fsync(stream.fileno())
            offset += len(own)
        begin += size
    return offset


def parcel_digest(folder: Path, sizes: Sequence[int]) -> str:
    """SHA-256 over the SHA-256 of every piece."""
    whole, piece, held = hashlib.sha256(), hashlib.sha256(), 0
    for number in range(len(sizes)):
        with _file(folder, number).open("rb") as stream:
            while chunk := stream.read(PIECE_BYTES - held):
                piece.update(chunk)
                held += len(chunk)
                if held == PIECE_BYTES:
                    whole.update(piece.digest())
                    piece, held = hashlib.sha256(), 0
    if held:
        whole.update(piece.digest())
    return whole.hexdigest()


def unpacked(folder: Path, sizes: Sequence[int]) -> Path:
    """The upload as one path: the folder of its files, or its only file."""
    return _file(folder, 0) if len(sizes) == 1 else folder / FILES
