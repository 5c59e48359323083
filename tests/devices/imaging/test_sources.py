"""Hostile and damaged archives: a clear reason, and nothing written outside."""

from __future__ import annotations

import stat
import struct
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from devices.imaging import sources
from devices.imaging.intake import read_images
from tests.devices.imaging.making import make_series, refusal


def _zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_zip_reads_like_its_folder(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    packed = _zip(tmp_path / "upload", {f"deep/er/{path.name}": path.read_bytes() for path in paths})
    one, other = read_images(packed), read_images(tmp_path / "s")
    assert np.array_equal(one.volume.voxels, other.volume.voxels)
    assert one.volume.acquisition == other.volume.acquisition


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "..\\evil"])
def test_a_path_out_of_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    upload = tmp_path / "inner" / "u.zip"
    upload.parent.mkdir()
    refused = refusal(_zip(upload, {name: b"x"}))
    assert refused.codes == ("hostile_zip",)
    assert "evil" not in str(refused)
    assert sorted(tmp_path.rglob("*")) == [upload.parent, upload]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "u.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refusal(tmp_path / "u.zip").codes == ("hostile_zip",)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    data = bytearray(_zip(tmp_path / "u.zip", {"a": b"x" * 50}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "u.zip").write_bytes(data)
    assert refusal(tmp_path / "u.zip").codes == ("hostile_zip",)


def test_a_bomb_is_stopped_while_inflating(tmp_path: Path) -> None:
    packed = _zip(tmp_path / "u.zip", {"zeros": bytes(64 * 1024**2)})
    assert packed.stat().st_size < 100_000
    assert refusal(packed).codes == ("zip_bomb",)


def test_a_bomb_that_tells_its_size_is_not_inflated_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inflate(*_: object) -> int:
        raise AssertionError("nothing is inflated")

    monkeypatch.setattr(sources, "_inflate", inflate)
    packed = _zip(tmp_path / "u.zip", {"first": b"x", "zeros": bytes(64 * 1024**2)})
    assert refusal(packed).codes == ("zip_bomb",)
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 1000)
    assert refusal(packed).codes == ("too_large",)


def test_a_size_that_lies_does_not_help_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 1000)
    data = bytearray(_zip(tmp_path / "u.zip", {"a": bytes(5000)}, zipfile.ZIP_STORED).read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 10)
    (tmp_path / "u.zip").write_bytes(data)
    assert refusal(tmp_path / "u.zip").codes in (("too_large",), ("bad_zip",), ("no_images",))


@pytest.mark.parametrize("cap", ["MAX_TOTAL_BYTES", "MAX_FILE_BYTES"])
def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cap: str) -> None:
    monkeypatch.setattr(sources, cap, 1000)
    assert refusal(_zip(tmp_path / "u.zip", {"a": bytes(900), "b": bytes(1200)})).codes == ("too_large",)


@pytest.mark.parametrize(
    "build", [lambda p: _zip(p / "u.zip", dict.fromkeys(map(str, range(11)), b"x")), lambda p: p]
)
def test_too_many_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Callable[[Path], Path]
) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 10)
    for number in range(11):
        (tmp_path / str(number)).write_bytes(b"x")
    assert refusal(build(tmp_path)).codes == ("too_many_files",)


@pytest.mark.parametrize("cut", [10, 200, -10])
def test_a_damaged_zip_is_refused(tmp_path: Path, cut: int) -> None:
    paths = make_series(tmp_path / "s")
    packed = _zip(tmp_path / "u.zip", {path.name: path.read_bytes() for path in paths})
    packed.write_bytes(packed.read_bytes()[:cut])
    assert refusal(packed).codes == ("bad_zip",)


def test_a_flipped_byte_in_a_zip_is_found(tmp_path: Path) -> None:
    packed = _zip(tmp_path / "u.zip", {"Mustermann.dcm": b"y" * 500}, zipfile.ZIP_STORED)
    data = bytearray(packed.read_bytes())
    data[100] ^= 1
    packed.write_bytes(data)
    refused = refusal(packed)
    assert refused.codes == ("bad_zip",)
    assert "Mustermann" not in "".join(traceback.format_exception(refused))


def test_an_empty_zip_is_refused(tmp_path: Path) -> None:
    assert refusal(_zip(tmp_path / "u.zip", {})).codes == ("empty",)


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    make_series(tmp_path / "elsewhere")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "link").symlink_to(next((tmp_path / "elsewhere").iterdir()))
    assert refusal(tmp_path / "s").codes == ("empty",)
