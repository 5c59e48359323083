"""Elements that are decoded once for a whole upload say of each file what pydicom says of it alone."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from devices.imaging.dicom import ASKED, BEGINNING_BYTES, Header, Rejection, quiet, read_header, sorted_out
from devices.imaging.elements import Elements
from devices.imaging.sources import opened
from tests.devices.imaging.making import change, make_series

ODD = Path(pydicom.data.__file__).parent / "test_files"


def headers(folder: Path) -> list[Header]:
    elements = Elements()
    with opened(folder) as files:
        read = [read_header(file, elements=elements) for file in files]
    return [one for said in read if (one := said.header if isinstance(said, Rejection) else said)]


def alone(path: Path) -> dict[str, Any] | None:
    """None for what pydicom cannot decode at one go."""
    with quiet(), suppress(Exception):
        found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=ASKED)
        return {one.keyword: one.value for one in found}
    return None


def test_files_of_every_kind_read_one_after_the_other_say_what_each_says_alone() -> None:
    """Character sets, byte orders, transfer syntaxes and private dialects, as pydicom brings them for its own tests."""
    compared = 0
    for header in headers(ODD):
        told = alone(header.file.path)
        if told is None:
            continue
        assert {one.keyword: one.value for one in header.dataset} == told, header.file.path.name
        assert {name: header.dataset.get(name) for name in told} == told, header.file.path.name
        compared += 1
    assert compared > 60


def test_equal_elements_are_decoded_once_and_others_are_not_taken_for_them(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s")[:3]:
        change(path, SpecificCharacterSet="ISO_IR 144" if path.name.endswith("1") else "ISO_IR 100")
    first, second, third = headers(tmp_path / "s")[:3]
    same = [one["PatientName"] for one in (first.dataset, second.dataset, third.dataset)]
    assert len({id(one) for one in same}) == 2, "one for each character set"
    assert len({str(one.dataset.SOPInstanceUID) for one in (first, second, third)}) == 3


def test_a_vr_that_another_element_decides_is_decided_for_each_file(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")[:2]
    for path, signed in zip(paths, (0, 1), strict=True):
        dataset = change(path, PixelRepresentation=signed)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.PixelPaddingValue = -2000 if signed else 63536
        dataset.save_as(path, implicit_vr=True, little_endian=True)
    found = {header.file.path: header.dataset.get("PixelPaddingValue") for header in headers(tmp_path / "s")}
    assert [found[path] for path in paths] == [63536, -2000]


@pytest.mark.parametrize("longer", [0, 1])
def test_a_header_may_end_where_the_first_short_read_does(tmp_path: Path, longer: int) -> None:
    path = make_series(tmp_path / "s")[0]
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0029, "LAMINA", create=True)
    block.add_new(1, "OB", b"")
    dataset.save_as(path)
    (shorter,) = headers(path)
    block[1].value = b"\0" * (BEGINNING_BYTES - 4 - shorter.pixels_at + 2 * longer)
    dataset.save_as(path)
    (read,) = headers(path)
    assert read.pixels_at == BEGINNING_BYTES - 4 + 2 * longer
    assert dict(read.dataset.items()) == dict(shorter.dataset.items())


def test_a_deflated_file_is_refused_wherever_it_says_so_and_never_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zlib, "decompress", lambda *_: pytest.fail("it was inflated"))
    path = make_series(tmp_path / "s")[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
    for private in (b"", b"\0" * BEGINNING_BYTES):
        if private:
            dataset.file_meta.PrivateInformation = private
        dataset.save_as(path, enforce_file_format=True)
        with opened(path) as files:
            assert [one.file.code for one in sorted_out(files)[2]] == ["deflated"]
