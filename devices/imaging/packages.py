"""Whether the package of a 3MF, which is a zip, holds its parts and nothing else (APPNOTE.TXT 6.3, ISO/IEC 29500-2).

A zip has room for words that no reader of it shows: comments, extra fields, names that stand twice, bytes before, between and behind its
parts. Where the file is kept for good, such a place is empty or the file is refused (G-IMG-03).
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from devices.imaging.base import Finding, refuse_on_error

PARTS = re.compile(
    r"\[Content_Types\]\.xml|(?:\w+/)*_rels/[\w-]*(?:\.model)?\.rels|(?:\w+/)*[\w-]+\.model", re.ASCII
)
"""What a surface needs: types, relationships and models. All of it is text; a picture or somebody's settings cannot be looked through."""
LOCAL, LOCAL_BYTES, CENTRAL_BYTES, END_BYTES, END64_BYTES = (
    struct.Struct("<4s5H3I2H"),
    30,
    46,
    22,
    56 + 20 + 22,
)
EXTRAS = {0x0001: 28, 0x000A: 32, 0x5455: 13, 0x5855: 12, 0x7875: 11}
"""Extra fields that say sizes, times and owners by number, and how long each is at most."""
DESCRIBED, DESCRIPTOR_MAGIC = 0x8, b"PK\x07\x08"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CHUNK_BYTES = 1 << 16
HIDDEN = "hidden_words"
PLAINLY = "Export the part again as a plain 3MF, without comments, pictures and settings, or as STL."


def refuse_hidden(source: Path) -> None:
    """Raises ImagingRefused with every place of a package that may hold something besides its parts."""
    with zipfile.ZipFile(source) as package, source.open("rb") as stream:
        said = dict.fromkeys(_hidden(package, stream, source.stat().st_size))
    refuse_on_error([Finding(HIDDEN, "error", f"The package has {what}.", PLAINLY) for what in said])


def extras_of(source: Path) -> Iterator[bytes]:
    """The extra fields of a package's parts."""
    with zipfile.ZipFile(source) as package:
        yield from (info.extra for info in package.infolist())


def _hidden(package: zipfile.ZipFile, stream: BinaryIO, size: int) -> Iterator[str]:
    infos = sorted(package.infolist(), key=lambda info: info.header_offset)
    if package.comment or any(info.comment for info in infos):
        yield "a comment"
    if not all(PARTS.fullmatch(info.orig_filename) for info in infos):
        yield "parts besides models, their types and relationships"
        return
    if len({info.filename for info in infos}) < len(infos):
        yield "two parts of one name"
    if not all(_is_usual(info.extra) for info in infos):
        yield "an extra field that is no time"
    place = 0
    for info in infos:
        end = _end_of(info, stream) if info.header_offset == place else None
        if end is None:
            yield "bytes that belong to no part"
            return
        place = end
    directory = sum(CENTRAL_BYTES + len(info.orig_filename) + len(info.extra) for info in infos)
    if size - place - directory not in (END_BYTES, END64_BYTES) and not package.comment:
        yield "bytes that belong to no part"


def _end_of(info: zipfile.ZipInfo, stream: BinaryIO) -> int | None:
    """Where a part ends that fills its place to the last byte; None for one that does not."""
    stream.seek(info.header_offset)
    *_, named, more = LOCAL.unpack(stream.read(LOCAL_BYTES))
    name, extra = stream.read(named), stream.read(more)
    if name != info.orig_filename.encode() or not _is_usual(extra) or info.compress_type not in METHODS:
        return None
    body = stream.tell()
    if info.compress_type == zipfile.ZIP_DEFLATED and not _is_one_stream(stream, info.compress_size):
        return None
    end = body + info.compress_size
    return end + _described(info, stream, end) if info.flag_bits & DESCRIBED else end


def _described(info: zipfile.ZipInfo, stream: BinaryIO, place: int) -> int:
    """How many bytes behind a part repeat its checksum and sizes."""
    stream.seek(place)
    rest = stream.read(24)
    for form in ("<3I", "<I2Q"):
        plain = struct.pack(form, info.CRC, info.compress_size, info.file_size)
        for repeated in (DESCRIPTOR_MAGIC + plain, plain):
            if rest.startswith(repeated):
                return len(repeated)
    return 0


def _is_one_stream(stream: BinaryIO, size: int) -> bool:
    """Whether so many bytes from here are one deflated stream and nothing behind its end."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    while size and not inflating.eof:
        packed = stream.read(min(size, CHUNK_BYTES))
        inflating.decompress(packed)
        size -= len(packed)
    return not size and inflating.eof and not inflating.unused_data


def _is_usual(extra: bytes) -> bool:
    """Whether extra fields are numbers of the usual kinds, each as long as it says."""
    while extra:
        if len(extra) < 4:
            return False
        kind, length = struct.unpack_from("<2H", extra)
        if length > EXTRAS.get(kind, -1) or len(extra) < 4 + length:
            return False
        extra = extra[4 + length :]
    return True
