"""What arrives is opened in a process of its own: it answers as if it were ours, and may die of what it reads."""

from __future__ import annotations

import os
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless

from devices.imaging import confined
from devices.imaging.base import ImagingRefused
from devices.imaging.child import Answer, Limits, facts_of
from devices.imaging.confined import TOO_LONG, keep, read
from devices.imaging.glance import glance
from devices.imaging.intake import read_images
from devices.imaging.storage import load_volume
from tests.devices.imaging.making import change, make_series, new_uid
from tests.inprocess import Confined as Child
from tests.inprocess import InProcess

pytestmark = pytest.mark.requirement("G-IMG-01")
MIB = 1024**2
NESTED = 2000


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_series(tmp_path_factory.mktemp("confined") / "s", patient_id="P-1")[0].parent


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "scratch"
    assert not (tmp_path / "scratch").exists(), "what was unpacked is gone"


def _refused(source: Path, scratch: Path, limits: Limits | None = None) -> tuple[str, ...]:
    with Child(scratch, limits) as child, pytest.raises(ImagingRefused) as refused:
        read(child, source)
    return refused.value.codes


def test_the_child_reads_what_the_library_reads_and_holds_to_its_limits(
    series: Path, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgres://secret")
    here, limits = read_images(series), Limits(memory_bytes=4096 * MIB, file_bytes=100 * MIB)
    with Child(scratch, limits) as child:
        found = read(child, series)
        process = Path(f"/proc/{child._process.pid}")
        told = (process / "limits").read_text()
        surroundings = (process / "environ").read_bytes()
        report, images, volume = keep(
            child,
            tmp_path,
            key=b"k" * 16,
            identity={
                "patient_id": "P-1",
                "family_name": "Mustermann",
                "given_name": "Erika",
                "birth_date": "1970-01-01",
            },
        )
    assert (found.identity, found.findings) == (here.identity, here.findings)
    assert {**found.facts, "acquisition": None} == {**facts_of(here.volume), "acquisition": None}
    assert (load_volume(volume).voxels == here.volume.voxels).all()
    assert report["files"] == len(here.used)
    assert b"Mustermann" not in images.read_bytes()
    for name, most in (
        ("Max address space", 4096 * MIB),
        ("Max file size", 100 * MIB),
        ("Max cpu time", limits.cpu_s),
        ("Max core file size", 0),
        ("Max open files", limits.open_files),
    ):
        (line,) = (line for line in told.splitlines() if line.startswith(name))
        assert line.removeprefix(name).split()[:2] == [str(most)] * 2, name
    assert b"secret" not in surroundings


def test_a_glance_is_the_same_from_outside(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "Child", Child)
    assert confined.glanced(series) == glance(series)


def test_a_child_that_dies_is_a_refusal(series: Path, scratch: Path) -> None:
    with Child(scratch) as child:
        os.kill(child._process.pid, signal.SIGSEGV)
        with pytest.raises(ImagingRefused, match="SIGSEGV") as refused:
            read(child, series)
    assert refused.value.codes == ("unreadable",)


def test_a_child_that_takes_too_long_is_ended(series: Path, scratch: Path) -> None:
    assert _refused(series, scratch, Limits(wall_s=0.05)) == (TOO_LONG.code,)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no JSON",
        "[]",
        '{"answer": 1}',
        '{"answer": {}}',
        '{"answer": {"objects": [{"name": "../../a"}]}}',
    ],
)
def test_a_child_that_answers_beside_the_question_is_a_refusal(
    line: str, series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it read may speak through it: a name of its own would lead out of the folder."""

    class Turned(InProcess):
        def ask(self, request: Mapping[str, Any]) -> Answer:
            return confined.answered(line)

    monkeypatch.setattr(confined, "Child", Turned)
    with pytest.raises(ImagingRefused), confined.reader(series.parent) as child:
        read(child, series)
    with pytest.raises(ImagingRefused):
        confined.glanced(series)
    names = {path.name for path in series.iterdir()}
    found = confined.sorted_objects(series)
    assert {one.name for one in found} == names
    assert not any(one.readable for one in found)


def test_more_than_the_memory_of_one_upload_is_refused(tmp_path: Path, scratch: Path) -> None:
    """A header that tells of as many voxels as the file has, and a file that is all hole."""
    image = tmp_path / "image.nii"
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 1024, 1024, 150, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    image.write_bytes(header)
    os.truncate(image, 352 + 2 * 1024 * 1024 * 150)
    assert _refused(image, scratch, Limits(memory_bytes=380 * MIB)) == ("too_much_memory",)


def test_more_than_the_disk_space_of_one_upload_is_refused(tmp_path: Path, scratch: Path) -> None:
    with zipfile.ZipFile(tmp_path / "u.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(12 * MIB))
    assert _refused(tmp_path / "u.zip", scratch, Limits(file_bytes=MIB)) == ("too_large",)


def _bomb(path: Path) -> None:
    """A kilobyte of JPEG 2000 that tells of an image of sixty thousand by sixty thousand."""
    side = 60_000
    size = struct.pack(">HIIIIIIIIH", 0, side, side, 0, 0, side, side, 0, 0, 1) + bytes([15, 1, 1])
    coding = bytes([0, 0, 0, 1, 0, 5, 4, 4, 0, 1])
    steps = bytes([0x40, *([0x80] * 16)])
    marked = b"".join(
        marker + struct.pack(">H", len(body) + 2) + body
        for marker, body in ((b"\xff\x51", size), (b"\xff\x52", coding), (b"\xff\x5c", steps))
    )
    tile = struct.pack(">HHIBB", 10, 0, 0, 0, 1)
    stream = b"\xff\x4f" + marked + b"\xff\x90" + tile + b"\xff\x93" + bytes(64) + b"\xff\xd9"
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)


def _nested(path: Path) -> None:
    """Sequences within sequences, as bytes: pydicom itself would not write them."""
    opened = struct.pack("<HHI", 0x0008, 0x1115, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closed = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(new_uid())
    dataset.ReferencedSeriesSequence = Sequence([])
    dataset.save_as(path, enforce_file_format=True)
    begin = path.read_bytes()[:-8]
    path.write_bytes(begin + opened * NESTED + closed * NESTED)


@pytest.mark.parametrize(("spoil", "code"), [(_bomb, "undecodable"), (_nested, "lost_files")])
def test_hostile_slices_are_refused_with_a_reason(
    spoil: Callable[[Path], None], code: str, tmp_path: Path, scratch: Path
) -> None:
    paths = make_series(tmp_path / "s")
    spoil(paths[3])
    codes = _refused(paths[0].parent, scratch, Limits(memory_bytes=4096 * MIB, wall_s=20.0))
    assert code in codes


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"SOPInstanceUID": "../../../../etc/x"}, "bad_identifier"),
        ({"Rows": 65535, "Columns": 65535}, "absurd_size"),
        ({"NumberOfFrames": 2**31 - 1}, "absurd_size"),
    ],
)
def test_headers_that_tell_tales_are_no_slices(values: dict[str, Any], code: str, tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    change(paths[3], **values)
    with pytest.raises(ImagingRefused) as refused:
        read_images(paths[0].parent)
    assert f"rejected_{code}" in {finding.code for finding in refused.value.findings}
