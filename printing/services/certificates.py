"""What the file of a lot's certificate may be, judged by its content alone: PDF, PNG, JPEG or text in UTF-8."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from mes.exceptions import InvalidInput

RULE = "G-MAT-03"
LIMIT = 20 * 1024 * 1024
BEGINNINGS = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}
TEXT = "text/plain"
MEDIA_TYPES = (*BEGINNINGS.values(), TEXT)
CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r")


def read_certificate(file: BinaryIO | bytes | Path) -> tuple[bytes, str]:
    """The bytes of a certificate and its media type. Raises InvalidInput for nothing, too much or anything else."""
    content = _content(file)
    if not content:
        raise InvalidInput("The certificate file is empty.", cure="Send it again.", rule=RULE)
    if len(content) > LIMIT:
        raise InvalidInput(
            f"The certificate is larger than {LIMIT / 1e6:.0f} MB.", cure="Send a smaller file.", rule=RULE
        )
    for beginning, media_type in BEGINNINGS.items():
        if content.startswith(beginning):
            return content, media_type
    if _is_text(content):
        return content, TEXT
    raise InvalidInput(
        "The certificate is neither PDF, PNG, JPEG nor text.",
        cure="Send it as the supplier issued it, in one of these.",
        rule=RULE,
    )


def _content(file: BinaryIO | bytes | Path) -> bytes:
    if isinstance(file, bytes):
        return file
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(LIMIT + 1)
    return file.read(LIMIT + 1)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return CONTROLS.isdisjoint(content)
