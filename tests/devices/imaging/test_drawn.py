"""The door for drawn parts: what a file says besides its shape, and what is no part at all."""

from __future__ import annotations

import gzip
import io
import zipfile
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from devices.imaging.base import ImagingRefused
from devices.imaging.drawn import read_part, texts_of
from devices.imaging.naming import Named, names_person
from devices.imaging.scans import Declared
from devices.mesh.io import STL_RECORD, write_ply, write_stl
from devices.mesh.scan import scan_format
from devices.mesh.threemf import Part, write_3mf
from tests.devices.makers import make_block
from tests.devices.scanning import NAMED, ascii_stl, obj

pytestmark = pytest.mark.requirement("G-IMG-03")
ERIKA = partial(names_person, Named("LM-0815", "Mustermann", "Erika", "1964-08-12"))
LANG = partial(names_person, Named("4711", "Lang", "Millimeter", "1970-01-01"))
MM = Declared("mm", "LPS")


def files(said: bytes) -> dict[str, bytes]:
    """A block in every format, with something said in each place that has room for a word."""
    block, words = make_block((20.0, 15.0, 5.0)), said.decode()
    return {
        "STL": said.ljust(80)[:80] + write_stl(block)[80:],
        "ASCII STL": ascii_stl(block).replace(NAMED, said),
        "PLY": write_ply(block).replace(b"comment Lamina", b"comment " + said),
        "OBJ": obj(block).replace(NAMED, said),
        "3MF": write_3mf([Part(words, block)], title="bracket"),
        "3MF title": write_3mf([Part("body", block)], title=words),
    }


def laid(folder: Path, data: bytes) -> Path:
    (folder / "000001").write_bytes(data)
    return folder / "000001"


def codes(path: Path, declared: Declared = MM) -> set[str]:
    with pytest.raises(ImagingRefused) as refused:
        read_part(path, declared, ERIKA)
    return {one.code for one in refused.value.findings}


@pytest.mark.parametrize("said", [b"guide of MUSTERMANN, E.", b"lm 0815", b"b. 12.08.1964"])
def test_a_file_that_names_its_patient_is_refused_wherever_it_does(said: bytes, tmp_path: Path) -> None:
    for data in files(said).values():
        assert codes(laid(tmp_path, data)) == {"names_patient"}


def test_words_of_a_format_are_taken_for_nobody(tmp_path: Path) -> None:
    for data in files(b"FreeCAD bracket").values():
        path = laid(tmp_path, data)
        part = read_part(path, MM, LANG)
        assert part.facts["acquisition"]["triangles"] == 12
        found = scan_format(path)
        assert found
        assert any("bracket" in text for text in texts_of(path, found))


def zipped(**entries: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return data.getvalue()


def changed(name: str = "3D/more.model", data: bytes = b"<model/>", of_package: bytes = b"") -> bytes:
    """A 3MF with one more part, and something said of the package itself."""
    package = io.BytesIO(bracket())
    with zipfile.ZipFile(package, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        archive.comment = of_package
    return package.getvalue()


@cache
def bracket() -> bytes:
    return write_3mf([Part("body", make_block((20.0, 15.0, 5.0)))], title="bracket")


def xml(said: str, encoding: str = "utf-8") -> bytes:
    return changed(data=f"<model>{said}</model>".encode(encoding))


def test_a_package_has_nothing_but_what_can_be_looked_through(tmp_path: Path) -> None:
    for data in (
        changed(of_package=b"hidden"),
        xml("<![CDATA[hidden]]>"),
        xml("<?hidden ?>"),
        changed(data=gzip.compress(b"<model/>")),
        changed(data=b"<model/>\0"),
    ):
        assert codes(laid(tmp_path, data)) == {"hidden_words"}


@pytest.mark.parametrize(
    ("said", "encoding"),
    [
        ('<metadata name="Title">Mustermann &gt; x</metadata>', "utf-8"),
        ("<metadata>x > Mustermann > x</metadata>", "utf-8"),
        ("<object name=\"&#77;ustermann\"/>", "utf-8"),
        ("<!-- Mustermann -->", "utf-16"),
        ("<Mustermann:x xmlns:Mustermann=\"y\"/>", "utf-8"),
        ("<vertex Mustermann=\"1\"/>", "utf-8"),
        ("<metadata>12 August 1964</metadata>", "utf-8"),
        ("<item partnumber=\"12081964\"/>", "utf-8"),
    ],
)  # fmt: skip
def test_every_text_of_a_package_is_looked_through(said: str, encoding: str, tmp_path: Path) -> None:
    assert codes(laid(tmp_path, xml(said, encoding))) == {"names_patient"}


def test_an_stl_holds_its_shape_and_a_header_that_is_looked_through(tmp_path: Path) -> None:
    whole = files(b"x")["STL"]
    for encoding in ("utf-16-le", "utf-16-be"):
        header = b"\x01" + "Mustermann".encode(encoding)
        assert codes(laid(tmp_path, header.ljust(80, b"\0") + whole[80:])) == {"names_patient"}
    for place, hidden in ((84 + 48, b"MM"), (84, b"MUSTERMANN E")):
        inside = whole[:place] + hidden + whole[place + len(hidden) :]
        assert codes(laid(tmp_path, inside)) == {"hidden_words"}
    coloured = np.frombuffer(whole, dtype=STL_RECORD, offset=84).copy()
    coloured["attribute"], coloured["normal"] = 0x7FFF, 0.0
    part = read_part(laid(tmp_path, whole[:84] + coloured.tobytes()), MM, ERIKA)
    assert part.facts["acquisition"]["triangles"] == 12


def test_a_part_that_inflates_without_end_or_is_named_after_somebody_is_refused(tmp_path: Path) -> None:
    assert codes(laid(tmp_path, changed("3D/Mustermann.model", b"<model/>"))) == {"names_patient"}
    assert codes(laid(tmp_path, changed("bomb.model", b" " * 18_000_000))) == {"zip_bomb"}


def test_what_is_no_single_part_is_refused_with_its_reason(tmp_path: Path) -> None:
    stl = files(b"x")["STL"]
    (tmp_path / "folder").mkdir()
    laid(tmp_path / "folder", stl)
    assert codes(tmp_path / "folder") == {"several_files"}
    assert codes(laid(tmp_path, zipped(part=stl))) == {"several_files"}
    assert codes(laid(tmp_path, stl[:-30])) == {"truncated"}
    assert codes(laid(tmp_path, b"\0" * 4000)) == {"empty"}
    assert codes(laid(tmp_path, b"%PDF-1.7 " * 400)) == {"wrong_type"}
    assert codes(laid(tmp_path, stl[:84] + b"\xff" * (len(stl) - 84))) == {"not_finite"}
    far = stl[:96] + b"\x00\x00\x80\x46" * 9 + stl[132:]
    assert codes(laid(tmp_path, far), Declared("m", "LPS")) == {"absurd_size"}
    assert codes(laid(tmp_path, stl), Declared("", "LPS")) == {"unit_unknown"}
    assert codes(laid(tmp_path, stl), Declared("mm", "LPI")) == {"scan_undeclared"}
    hidden = files(b"x")["PLY"] + b"Mustermann"
    assert codes(laid(tmp_path, hidden)) & {"wrong_size", "bad_header"}
