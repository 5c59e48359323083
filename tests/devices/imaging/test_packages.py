"""The zip of a 3MF holds its parts and nothing else: every place where words could hide is empty, or the file is refused."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import pytest

from devices.imaging.base import ImagingRefused
from devices.imaging.packages import extras_of, refuse_hidden

pytestmark = pytest.mark.requirement("G-IMG-03")
MODEL = "3D/3dmodel.model"
TIME = b"UT\x05\0\x01\0\0\0\0"


def package(name: str = MODEL, content: bytes = b"<model/>", method: int = 8, **said: bytes) -> bytes:
    """Types and a model, of which something is said, or of all of it."""
    data, info = io.BytesIO(), zipfile.ZipInfo(name)
    info.comment, info.extra, info.compress_type = said.get("comment", b""), said.get("extra", b""), method
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        archive.writestr(info, content)
        archive.comment = said.get("of_package", b"")
    return data.getvalue()


def with_more_behind_its_stream() -> bytes:
    """A model whose place holds more than its deflated stream, which no reader unpacks."""
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data, info = io.BytesIO(), zipfile.ZipInfo(MODEL)
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(info, deflating.compress(b"<model/>") + deflating.flush() + b"hidden")
        info.compress_type, info.file_size, info.CRC = zipfile.ZIP_DEFLATED, 8, zlib.crc32(b"<model/>")
    with zipfile.ZipFile(data) as archive:
        assert archive.read(MODEL) == b"<model/>"
    return data.getvalue()


def without_a_way_back(between: bytes = b"") -> bytes:
    """As a program writes that cannot go back in its file: sizes stand behind each part."""

    class Forwards(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise OSError

    data = Forwards()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MODEL, b"<model/>")
        assert archive.fp is not None
        archive.fp.write(between)
        archive.writestr("_rels/.rels", b"<Relationships/>")
    return data.getvalue()


def laid(folder: Path, data: bytes) -> Path:
    (folder / "package").write_bytes(data)
    return folder / "package"


@pytest.mark.parametrize(
    "data",
    [
        package(),
        package(extra=TIME),
        package("3D/Objects/body-2.model"),
        package("3D/_rels/3dmodel.model.rels"),
        package(method=zipfile.ZIP_STORED),
        without_a_way_back(),
    ],
)
def test_a_plain_package_hides_nothing(data: bytes, tmp_path: Path) -> None:
    refuse_hidden(laid(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (package(of_package=b"hidden"), "a comment"),
        (package(comment=b"hidden"), "a comment"),
        (package(extra=b"\x99\x99\x06\0hidden"), "an extra field"),
        (package(extra=b"UT\x0e\0hidden by some"), "an extra field"),
        (package(extra=TIME + b"hi"), "an extra field"),
        (package("Metadata/notes.txt"), "parts besides models"),
        (package("Metadata/thumbnail.png"), "parts besides models"),
        (package("3D/", b""), "parts besides models"),
        (package("3D/na me.model"), "parts besides models"),
        (b"PK\x03\x04hidden" + package(), "bytes that belong to no part"),
        (package() + b"hidden", "bytes that belong to no part"),
        (package(method=zipfile.ZIP_BZIP2), "bytes that belong to no part"),
        (without_a_way_back(between=b"hidden"), "bytes that belong to no part"),
        (with_more_behind_its_stream(), "bytes that belong to no part"),
    ],
)
def test_what_no_reader_shows_is_refused_wherever_it_stands(data: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ImagingRefused) as refusal:
        refuse_hidden(laid(tmp_path, data))
    found = refusal.value.findings
    assert said in " ".join(one.message for one in found)
    assert all(one.cure.startswith("Export the part again") for one in found)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    """One reader takes the first and another the last."""
    with pytest.raises(ImagingRefused, match="two parts of one name"):
        refuse_hidden(laid(tmp_path, package("[Content_Types].xml")))


def test_what_extra_fields_say_can_be_looked_through(tmp_path: Path) -> None:
    assert list(extras_of(laid(tmp_path, package(extra=TIME)))) == [b"", TIME]
