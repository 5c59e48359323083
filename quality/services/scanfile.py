"""Whether a file can be a scan at all, looked at before a byte of it is kept.

Whatever is stored stays for good. Images, archives and documents may carry a patient's name, so they are turned away at
the door; what has the build of an STL or a PLY is stored, and a worker judges what it shows (G-INS-01).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from devices.mesh.io import PLY_COMMENT, STL_HEADER
from devices.mesh.ply import MAXIMUM_HEADER_BYTES, PlyRefused, ends_of, read_header
from mes.exceptions import InvalidInput

RULE = "G-INS-01"
BLOCK = 1 << 24
SHAPE = re.compile(
    rb"\s*(?:(?:facet|outer|vertex|endloop|endfacet)(?:\s+(?:normal|loop))?[\s\d.e+-]*)?$", re.IGNORECASE
)
STL_HEAD, STL_TRIANGLE = 84, 50
BEGINNING = MAXIMUM_HEADER_BYTES
AGAIN = "Export the scan as STL or PLY and send it again."
PLY_LINE = re.compile(
    rb"ply|format [\w .]+|element (?:vertex|face) \d+|property (?:list \w+ )?\w+ (?:[xyzstuv]|n[xyz]|red|green|blue|alpha|"
    rb"quality|confidence|intensity|flags|texture_[uv]|texnumber|texcoord|vertex_ind(?:ex|ices))"
)
"""Lines of a PLY's header that every scanner writes: what else it says may be anything."""
PLY_NUMBERS = re.compile(rb"(?:[\d\s.e+-]|\b(?:nan|inf)\b)*", re.IGNORECASE)
READABLE = re.compile(rb"[\x20-\x7e\x80-\xff]{6,}")
OWN = (STL_HEADER, PLY_COMMENT)
"""What Lamina writes into every file: it names nobody, whatever a patient is called."""


def require_scan_file(upload: BinaryIO | bytes | Path) -> str:
    """The media type of a scan, by its content. Raises InvalidInput where the content is neither STL nor PLY, or its size is not the one its header names.

    Leaves a stream where it stood.
    """
    if isinstance(upload, Path):
        with upload.open("rb") as file:
            return _required(file)
    with BytesIO(upload) if isinstance(upload, bytes) else nullcontext(upload) as file:
        return _required(file)


def texts_of_scan(upload: BinaryIO | bytes | Path) -> Iterator[str]:
    """Every free text of an STL or a PLY: the header or the names of its solids; comments, names of properties, and what can
    be read in elements beside the surface. Leaves a stream where it stood."""
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
        header = block.partition(b"end_header")[0].splitlines()
        yield from (_text(line) for line in header if line not in OWN and not PLY_LINE.fullmatch(line))
        yield from _beside_the_surface(file, block)
    elif not _is_text_stl(block):
        head = block[: STL_HEAD - 4]
        yield from () if head in OWN else (_text(head),)
    else:
        yield from _named_solids(file, block)


def _beside_the_surface(file: BinaryIO, head: bytes) -> Iterator[str]:
    """What a person can read behind the faces of a PLY: elements that no measurement looks at."""
    order, elements, start = read_header(head)
    place = file.tell() - len(head)
    if order == "ascii":
        file.seek(place + start)
        skipped = sum(element.count for element in elements[:2])
        yield from (_text(line) for line in islice((line for line in file if line.strip()), skipped, None))
    elif elements[2:]:
        file.seek(ends_of(file, order, elements[:2], place + start)[-1])
        yield from (_text(run) for run in READABLE.findall(file.read()))


def _text(raw: bytes) -> str:
    """As either of the two encodings that scanners write."""
    return f"{raw.decode(errors='replace')} {raw.decode('latin-1')}"


def _named_solids(file: BinaryIO, block: bytes) -> Iterator[str]:
    """A text STL may name a solid anywhere: what is no line of its shape, a block at a time."""
    rest = b""
    while block:
        *lines, rest = (rest + block).splitlines(keepends=True)
        yield from (_text(line) for line in lines if not SHAPE.match(line))
        block = file.read(BLOCK)
    if not SHAPE.match(rest):
        yield _text(rest)


def _look(file: BinaryIO) -> tuple[bytes, int]:
    place = file.tell()
    head = file.read(BEGINNING)
    size = file.seek(0, os.SEEK_END) - place
    file.seek(place)
    return head, size


def _required(file: BinaryIO) -> str:
    head, size = _look(file)
    if not head.strip(b"\0 \t\r\n"):
        raise InvalidInput("The file is empty.", cure="Export the scan again.", rule=RULE)
    if head[:4] in (b"ply\n", b"ply\r"):
        _require_ply(file, head, size)
        return "model/ply"
    if not _is_text_stl(head) and size != (told := _binary_size(head)):
        raise _no_scan(head, told, size)
    return "model/stl"


def _require_ply(file: BinaryIO, head: bytes, size: int) -> None:
    place = file.tell()
    try:
        told = _ply_size(file, head)
    except PlyRefused as refusal:
        raise InvalidInput(str(refusal), cure="Export the scan again.", rule=RULE) from refusal
    finally:
        file.seek(place)
    if told != size:
        raise _other_size(told, size)


def _ply_size(file: BinaryIO, head: bytes) -> int:
    """The size that a PLY's header names: of a text, up to the end of the last line that it announces, and blank ones."""
    order, elements, start = read_header(head)
    place = file.tell()
    if order != "ascii":
        return ends_of(file, order, elements, place + start)[-1] - place
    file.seek(place + start)
    left = sum(element.count for element in elements)
    told = start
    for line in file:
        told += len(line)
        if line.strip():
            left -= 1
            if left < 0 or not PLY_NUMBERS.fullmatch(line):
                return told - len(line)
    return told if not left else told + 2 * left


def _is_text_stl(head: bytes) -> bool:
    return head.lstrip()[:5].lower() == b"solid" and b"facet" in head[:4096].lower() and b"\0" not in head


def _binary_size(head: bytes) -> int:
    """The size that a binary STL's header names; 0 where there is no whole header."""
    if len(head) < STL_HEAD:
        return 0
    return STL_HEAD + STL_TRIANGLE * int.from_bytes(head[STL_HEAD - 4 : STL_HEAD], "little")


def _no_scan(head: bytes, told: int, size: int) -> InvalidInput:
    if b"STL" in head[:80]:
        return _other_size(told, size)
    text = "The content is neither STL nor PLY. Nothing of it was kept."
    return InvalidInput(text, cure=AGAIN, rule=RULE)


def _other_size(told: int, size: int) -> InvalidInput:
    text = f"The header announces a file of {told:,} bytes, this one has {size:,}. Nothing of it was kept."
    return InvalidInput(text, cure=AGAIN, rule=RULE)
