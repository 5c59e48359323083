"""Scans of papers: whether a file is one that somebody can open and read, judged by its content alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image, ImageFile, UnidentifiedImageError

from mes.exceptions import InvalidInput

LIMIT = 20 * 1024 * 1024
LARGEST_PIXELS = 85_000_000
"""An A3 sheet at 600 dpi has 70 million. Above, Pillow itself warns."""
IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg"}
"""MPO: what some cameras make of a JPEG, with a second picture behind it."""
BROKEN = (OSError, SyntaxError, ValueError)
PDF = b"%PDF-"
# Readers take a PDF that begins a little late, and zeros behind it: some scanners write both.
FIRST_BYTES, LAST_BYTES = 1024, 2048
# Where the last cross-reference stands, which every reader of a PDF begins with (ISO 32000-2, 7.5.5).
START = re.compile(rb"startxref\s+(\d{1,10})\s+%%EOF")
CROSS_REFERENCE = re.compile(rb"\s*(?:xref\b|\d+\s+\d+\s+obj\b)")


def kind_of_scan(scan: bytes, *, rule: str) -> str:
    """The media type of a scan. Raises InvalidInput for anything but a readable PDF, PNG or JPEG of at most 20 MiB.

    A picture is read to its end, so one that was cut off, or only begins like one, is refused.
    """
    kind = "" if len(scan) > LIMIT else _kind_of(scan)
    if not kind:
        raise InvalidInput(
            "The scan is no PDF, PNG or JPEG that can be read, or is larger than 20 MiB.",
            cure="Scan the paper again, and open the file before you send it.",
            rule=rule,
        )
    return kind


def _kind_of(scan: bytes) -> str:
    if PDF in scan[:FIRST_BYTES]:
        return "application/pdf" if _has_cross_reference(scan) else ""
    try:
        with Image.open(BytesIO(scan), formats=("PNG", "JPEG")) as picture:
            kind = IMAGES[str(picture.format)]
            if picture.width * picture.height > LARGEST_PIXELS:
                return ""
            _read_to_the_end(picture)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, *BROKEN):
        return ""
    return kind


def _read_to_the_end(picture: Image.Image) -> None:
    """Raises one of BROKEN. The pixels are never held: a PNG is read by the checksums of its chunks, and of a JPEG an eighth of
    the lines and columns is kept."""
    if picture.format == "PNG":
        picture.verify()
        return
    picture.draft(None, (1, 1))
    with _to_the_last_byte():
        picture.load()


@contextmanager
def _to_the_last_byte() -> Iterator[None]:
    """A picture that was cut off is refused, also in a process that draws reports: WeasyPrint lets pass what Pillow would not."""
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _has_cross_reference(scan: bytes) -> bool:
    """Where the file says that it stands, counted from the file's first byte or from the document's."""
    starts = START.findall(scan.rstrip(b"\0\t\n\f\r ")[-LAST_BYTES:])
    begins = (0, scan.index(PDF))
    return bool(starts) and any(CROSS_REFERENCE.match(scan, int(starts[-1]) + begin) for begin in begins)
