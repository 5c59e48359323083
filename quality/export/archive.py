"""The one way in which a bundle is written: the same members, the same bytes.

Entries are stored, not compressed, so that no library's version changes a byte, and carry no date. The layout is the
verifier's own (`verify_record`), which compares every byte of an archive with it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mes.artefacts import CHUNK
from mes.exceptions import Refused
from quality.export.verify_record import directory_end, directory_entry, local_header

LARGEST = (1 << 32) - 1
"""Bytes of an archive without the 64-bit extensions."""


@dataclass(frozen=True)
class Member:
    """A file of a bundle. `source` is its content, or where that lies."""

    path: str
    size: int
    sha256: str
    crc: int
    source: bytes | Path


def member(path: str, source: bytes | Path) -> Member:
    """Read once for digest, size and checksum."""
    digest, crc, size = hashlib.sha256(), 0, 0
    for chunk in _chunks(source):
        digest.update(chunk)
        crc, size = zlib.crc32(chunk, crc), size + len(chunk)
    return Member(path, size, digest.hexdigest(), crc, source)


def write_archive(target: BinaryIO, members: Sequence[Member]) -> None:
    """Write the members in their order. Raises Refused where they are too large, or one changed since it was read."""
    if sum(one.size + 200 for one in members) > LARGEST:
        raise Refused(
            "The record with its files is larger than 4 GB, which one archive cannot hold.",
            cure="Fetch the files from the device's page one by one, and the record without them is its PDF and JSON.",
        )
    directory, at = b"", 0
    for one in members:
        name = one.path.encode("ascii")
        header = local_header(name, one.size, one.crc)
        target.write(header)
        _copy(one, target)
        directory += directory_entry(name, one.size, one.crc, at)
        at += len(header) + one.size
    target.write(directory + directory_end(len(members), len(directory), at))


def _copy(one: Member, target: BinaryIO) -> None:
    digest = hashlib.sha256()
    for chunk in _chunks(one.source):
        digest.update(chunk)
        target.write(chunk)
    if digest.hexdigest() != one.sha256:
        raise Refused(
            f"{one.path} changed while it was written.", cure="Find out what writes there.", rule="G-INT-01"
        )


def _chunks(source: bytes | Path) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def stated(members: Iterable[Member]) -> list[dict[str, str | int]]:
    """The members as the manifest has them."""
    return [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in members]
