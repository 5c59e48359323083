"""Whether a file can be a scan at all, looked at before a byte of it is kept.

Whatever is stored stays for good. Images, archives and documents may carry a patient's name, so they are turned away at
the door; what has the build of an STL or a PLY is stored, and a worker judges what it shows (G-INS-01).
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from devices.mesh.ply import MAXIMUM_HEADER_BYTES, PlyRefused, read_header
from mes.exceptions import InvalidInput

RULE = "G-INS-01"
STL_HEAD, STL_TRIANGLE = 84, 50
BEGINNING = MAXIMUM_HEADER_BYTES


def require_scan_file(upload: BinaryIO | bytes | Path) -> str:
    """The media type of a scan, by its content. Raises InvalidInput where the content is neither STL nor PLY, or its size is not the one its header names.

    Reads the beginning only, and leaves a stream where it stood.
    """
    if isinstance(upload, Path):
        with upload.open("rb") as file:
            return _required(*_look(file))
    with BytesIO(upload) if isinstance(upload, bytes) else nullcontext(upload) as file:
        return _required(*_look(file))


def _look(file: BinaryIO) -> tuple[bytes, int]:
    place = file.tell()
    head = file.read(BEGINNING)
    size = file.seek(0, os.SEEK_END) - place
    file.seek(place)
    return head, size


def _required(head: bytes, size: int) -> str:
    if not head.strip(b"\0 \t\r\n"):
        raise InvalidInput("The file is empty.", cure="Export the scan again.", rule=RULE)
    if head[:4] in (b"ply\n", b"ply\r"):
        _require_ply(head)
        return "model/ply"
    if not _is_text_stl(head) and size != (told := _binary_size(head)):
        raise _no_scan(head, told, size)
    return "model/stl"


def _require_ply(head: bytes) -> None:
    try:
        read_header(head)
    except PlyRefused as refusal:
        raise InvalidInput(str(refusal), cure="Export the scan again.", rule=RULE) from refusal


def _is_text_stl(head: bytes) -> bool:
    return head.lstrip()[:5].lower() == b"solid" and b"facet" in head[:4096].lower() and b"\0" not in head


def _binary_size(head: bytes) -> int:
    """The size that a binary STL's header names; 0 where there is no whole header."""
    if len(head) < STL_HEAD:
        return 0
    return STL_HEAD + STL_TRIANGLE * int.from_bytes(head[STL_HEAD - 4 : STL_HEAD], "little")


def _no_scan(head: bytes, told: int, size: int) -> InvalidInput:
    text = "The content is neither STL nor PLY. Nothing of it was kept."
    if b"STL" in head[:80]:
        text = (
            f"The header announces a file of {told:,} bytes, this one has {size:,}. Nothing of it was kept."
        )
    return InvalidInput(text, cure="Export the scan as STL or PLY and send it again.", rule=RULE)
