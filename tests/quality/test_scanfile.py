"""A PLY is as long as its header says, and what can be read in it is looked at (K-13)."""

from __future__ import annotations

from io import BytesIO
from struct import pack

import pytest

from mes.exceptions import InvalidInput
from quality.services.scanfile import require_scan_file, texts_of_scan

pytestmark = pytest.mark.requirement("K-13")

NAMED = b"Zz-Canary Jane 1961-02-03"
HEAD = (
    b"ply\nformat %b 1.0\n%belement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    b"element face 2\nproperty list uchar int vertex_indices\n%bend_header\n"
)
VERTICES = b"".join(pack("<fff", i, i % 2, 0.5) for i in range(3))
TRIANGLES = 2 * (b"\x03" + pack("<iii", 0, 1, 2))
MIXED = b"\x03" + pack("<iii", 0, 1, 2) + b"\x04" + pack("<iiii", 0, 1, 2, 0)
LINES = b"0 0 0\n1 0 nan\n0 1 0.5\n3 0 1 2\n3 0 1 2\n"
NOTES = b"element note 1\nproperty list uchar uchar text\n"


def binary(faces: bytes = TRIANGLES, behind: bytes = b"", elements: bytes = b"") -> bytes:
    return HEAD % (b"binary_little_endian", b"", elements) + VERTICES + faces + behind


def text(behind: bytes = b"", lines: bytes = LINES, elements: bytes = b"") -> bytes:
    return HEAD % (b"ascii", b"", elements) + lines + behind


@pytest.mark.parametrize(
    "whole",
    [binary(), binary(MIXED), text(), text(b"\n\n")],
    ids=["triangles", "polygons", "lines", "blank lines"],
)
def test_a_file_as_its_header_says_is_a_scan(whole: bytes) -> None:
    stream = BytesIO(b"before" + whole)
    stream.seek(6)
    assert require_scan_file(stream) == "model/ply"
    assert not any("Canary" in said for said in texts_of_scan(stream))
    assert stream.tell() == 6


@pytest.mark.parametrize(
    "other",
    [
        binary(behind=NAMED),
        binary(MIXED, behind=NAMED),
        binary()[:-1],
        binary(MIXED)[:-1],
        text(NAMED + b"\n"),
        text(b"1961 02 03\n"),
        text(lines=LINES.replace(b"nan", NAMED)),
        text(lines=LINES[:-9]),
    ],
)
def test_a_file_that_is_longer_or_shorter_than_its_header_says_is_refused(other: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"announce|more bytes"):
        require_scan_file(other)


@pytest.mark.parametrize(
    "more",
    [
        binary(behind=pack("<B", len(NAMED)) + NAMED, elements=NOTES),
        binary(behind=pack("<B3B", 3, 1, 2, 3), elements=NOTES),
        text(b"25 1961-02-03\n", elements=NOTES),
    ],
)
def test_there_is_no_place_beside_the_surface(more: bytes) -> None:
    with pytest.raises(InvalidInput, match="besides vertices and faces"):
        require_scan_file(more)


@pytest.mark.parametrize(
    "named",
    [
        HEAD % (b"ascii", b"", b"property float Zz_Canary_1961-02-03\n") + LINES,
        HEAD % (b"ascii", b"obj_info Canary of 1961-02-03\n", b"") + LINES,
    ],
    ids=["a property", "a note"],
)
def test_what_can_be_read_beside_the_surface_is_looked_at(named: bytes) -> None:
    assert any("1961-02-03" in said for said in texts_of_scan(named))
