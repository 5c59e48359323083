"""Whether a file can be a scan at all, looked at before a byte of it is kept.

Whatever is stored stays for good. Images, archives and documents may carry a patient's name, so they are turned away at
the door; what has the build of an STL or a PLY, from its first byte to its last, is stored, and a worker judges what it
shows (G-INS-01). Bytes behind the last triangle would be stored with it and be seen by nobody: there is no place for them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from devices.mesh.io import PLY_COMMENT, STL_HEADER
from devices.mesh.ply import MAXIMUM_HEADER_BYTES, PlyRefused, header_texts, require_whole
from mes.exceptions import InvalidInput

RULE = "G-INS-01"
BLOCK = 1 << 24
SHAPE = re.compile(
    rb"\s*(?:(?:facet|outer|vertex|endloop|endfacet)(?:\s+(?:normal|loop))?[\s\d.e+-]*)?$", re.IGNORECASE
)
STL_HEAD, STL_TRIANGLE = 84, 50
UNKEPT = "Nothing of it was kept."
BEGINNING = MAXIMUM_HEADER_BYTES
OWN = (STL_HEADER, PLY_COMMENT)
"""What Lamina writes into every file: it names nobody, whatever a patient is called."""


def require_scan_file(upload: BinaryIO | bytes | Path) -> str:
    """The media type of a scan, by its content. Raises InvalidInput where the content is neither STL nor PLY, or it holds less or more than its header announces.

    Leaves a stream where it stood.
    """
    if isinstance(upload, Path):
        with upload.open("rb") as file:
            return _required(file)
    with BytesIO(upload) if isinstance(upload, bytes) else nullcontext(upload) as file:
        place = file.tell()
        found = _required(file)
        file.seek(place)
        return found


def texts_of_scan(upload: BinaryIO | bytes | Path) -> Iterator[str]:
    """Every free text of an STL or a PLY: the header or the names of its solids; comments and names of properties. Leaves a
    stream where it stood."""
    if isinstance(upload, Path):
        with upload.open("rb") as file:
            yield from _texts(file)
        return
    with BytesIO(upload) if isinstance(upload, bytes) else nullcontext(upload) as file:
        place = file.tell()
        yield from _texts(file)
        file.seek(place)


def _texts(file: BinaryIO) -> Iterator[str]:
    block = file.read(BEGINNING)
    if block[:4] in (b"ply\n", b"ply\r"):
        yield from (_text(line) for line in header_texts(block) if line not in OWN)
    elif not _is_text_stl(block):
        head = block[: STL_HEAD - 4]
        yield from () if head in OWN else (_text(head),)
    else:
        yield from _named_solids(file, block)


def _text(raw: bytes) -> str:
    """As either of the two encodings that scanners write."""
    return f"{raw.decode(errors='replace')} {raw.decode('latin-1')}"


def _named_solids(file: BinaryIO, block: bytes) -> Iterator[str]:
    """A text STL may name a solid anywhere: what is no line of its shape."""
    return (_text(line) for line in _lines(file, block) if not SHAPE.match(line))


def _lines(file: BinaryIO, block: bytes) -> Iterator[bytes]:
    """Read a block at a time, however long a line is."""
    rest = b""
    while block:
        *lines, rest = (rest + block).splitlines(keepends=True)
        yield from lines
        block = file.read(BLOCK)
    yield rest


def _required(file: BinaryIO) -> str:
    place, head = file.tell(), file.read(BEGINNING)
    size = file.seek(0, os.SEEK_END) - place
    file.seek(place)
    if not head.strip(b"\0 \t\r\n"):
        raise InvalidInput("The file is empty.", cure="Export the scan again.", rule=RULE)
    if head[:4] in (b"ply\n", b"ply\r"):
        _require_ply(file, size)
        return "model/ply"
    if _is_text_stl(head):
        _require_end(file)
    elif size != (told := _binary_size(head)):
        raise _no_scan(head, told, size)
    return "model/stl"


def _require_ply(file: BinaryIO, size: int) -> None:
    try:
        require_whole(file, size)
    except PlyRefused as refusal:
        raise InvalidInput(f"{refusal} {UNKEPT}", cure="Export the scan again.", rule=RULE) from refusal


def _require_end(file: BinaryIO) -> None:
    """Behind a solid of a text STL comes another one, or nothing."""
    ended = False
    for line in _lines(file, file.read(BLOCK)):
        word = line.lstrip()[:8].lower()
        if ended and word and not word.startswith(b"solid"):
            raise InvalidInput(
                f"Something lies behind the last solid of the file. {UNKEPT}",
                cure="Export the scan again.",
                rule=RULE,
            )
        ended = word == b"endsolid" or (ended and not word)


def _is_text_stl(head: bytes) -> bool:
    return head.lstrip()[:5].lower() == b"solid" and b"facet" in head[:4096].lower() and b"\0" not in head


def _binary_size(head: bytes) -> int:
    """The size that a binary STL's header names; 0 where there is no whole header."""
    if len(head) < STL_HEAD:
        return 0
    return STL_HEAD + STL_TRIANGLE * int.from_bytes(head[STL_HEAD - 4 : STL_HEAD], "little")


def _no_scan(head: bytes, told: int, size: int) -> InvalidInput:
    text = f"The content is neither STL nor PLY. {UNKEPT}"
    if b"STL" in head[:80]:
        text = f"The header announces a file of {told:,} bytes, this one has {size:,}. {UNKEPT}"
    return InvalidInput(text, cure="Export the scan as STL or PLY and send it again.", rule=RULE)
