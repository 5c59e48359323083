"""Scans of papers: a file that only begins like one is none."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image, ImageFile

from mes.exceptions import InvalidInput
from mes.services.papers import LARGEST_PIXELS, kind_of_scan
from tests.mes.makers import make_paper


def picture(kind: str) -> bytes:
    file = BytesIO()
    Image.radial_gradient("L").save(file, kind)
    return file.getvalue()


PNG, JPEG, PDF = picture("PNG"), picture("JPEG"), make_paper()
# The width and height of a PNG stand in its first chunk, whose checksum is not looked at before the pixels are.
HUGE = PNG[:16] + LARGEST_PIXELS.to_bytes(4, "big") + (2).to_bytes(4, "big") + PNG[24:]


@pytest.mark.requirement("ES-20")
@pytest.mark.parametrize(
    ("scan", "kind"),
    [
        (PDF, "application/pdf"),
        (PDF + b"\r\n", "application/pdf"),
        (PDF + bytes(3000), "application/pdf"),
        (b"\n" * 5 + PDF, "application/pdf"),
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
    ],
    ids=["PDF", "PDF with a line behind it", "PDF with zeros behind it", "late PDF", "PNG", "JPEG"],
)
def test_a_scan_is_known_by_its_content(scan: bytes, kind: str) -> None:
    assert kind_of_scan(scan, rule="ES-20") == kind


@pytest.mark.requirement("ES-20")
@pytest.mark.parametrize(
    "scan",
    [
        b"",
        b"<html>",
        PNG[:8] + b"and forty-two bytes of nothing that anybody can see",
        PNG[: len(PNG) // 2],
        PNG[:200] + bytes(8) + PNG[208:],
        HUGE,
        JPEG[:200],
        JPEG[: len(JPEG) // 2],
        b"%PDF-1.7 signed by hand",
        PDF[: len(PDF) // 2],
        PDF.replace(b"startxref\n", b"startxref\n9"),
        picture("GIF"),
        b"%PDF-" + bytes(20 * 1024 * 1024),
    ],
    ids=[
        "nothing", "a page", "PNG's beginning", "half a PNG", "altered PNG", "huge PNG", "JPEG's beginning",
        "half a JPEG", "PDF's beginning", "half a PDF", "PDF without its table", "GIF", "too large",
    ],
)  # fmt: skip
def test_what_nobody_can_read_is_no_scan(scan: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody else in the process lets pictures be cut off."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(InvalidInput, match="ES-20: The scan is no PDF, PNG or JPEG that can be read"):
        kind_of_scan(scan, rule="ES-20")
