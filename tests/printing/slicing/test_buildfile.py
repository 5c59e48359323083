"""The build file: the same bytes for the same plate, and no change to it goes unseen."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from manifold3d import Manifold

from devices.mesh.solid import mesh_of
from printing.slicing.base import PlateItem, SlicedPlate
from printing.slicing.buildfile import BuildFileRefused, read_build_file, write_build_file
from printing.slicing.layers import slice_plate

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def plate() -> SlicedPlate:
    pose = np.eye(4)
    pose[:3, 3] = 10.0, 10.0, 4.0
    solid = Manifold.sphere(4.0, 48) - Manifold.cylinder(20.0, 1.0, 1.0, 24, True)
    item = PlateItem("D-1", mesh_of(solid), pose)
    return slice_plate(
        [item], layer_height_mm=0.5, pixel_mm=0.1, plate_size_mm=(20.0, 20.0, 30.0), exposure_s=2.0
    )


@pytest.fixture
def build(plate: SlicedPlate, tmp_path: Path) -> Path:
    path = tmp_path / "plate.zip"
    write_build_file(plate, path)
    return path


def rewritten(path: Path, change: Callable[[Members], None], *, packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def in_manifest(key: str, value: object) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest[key] = value
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def test_a_plate_comes_back_as_it_went(plate: SlicedPlate, build: Path) -> None:
    again = read_build_file(build)
    assert again.digest == plate.digest
    assert again.settings == plate.settings
    assert again.devices == plate.devices
    assert list(again.masks) == list(plate.masks)
    assert (again.volume_ml, again.print_seconds) == (plate.volume_ml, plate.print_seconds)
    for one, other in zip(again.layers, plate.layers, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.contours, other.contours, strict=True))


def test_the_same_plate_makes_the_same_bytes(plate: SlicedPlate, build: Path, tmp_path: Path) -> None:
    write_build_file(plate, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == build.read_bytes()


def swap_masks(members: Members) -> None:
    one, other = "layers/00003.png", "layers/00008.png"
    members[one], members[other] = members[other], members[one]


def swap_layers_with_their_lines(members: Members) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["layers"][3], manifest["layers"][8] = manifest["layers"][8], manifest["layers"][3]
    members["manifest.json"] = json.dumps(manifest).encode()
    swap_masks(members)
    one, other = "contours/00003.bin", "contours/00008.bin"
    members[one], members[other] = members[other], members[one]


def drop_last_layer(members: Members) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["layers"].pop()
    members["manifest.json"] = json.dumps(manifest).encode()
    last = len(manifest["layers"])
    del members[f"layers/{last:05d}.png"], members[f"contours/{last:05d}.bin"]


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("was changed", swap_masks),
        ("digest over", swap_layers_with_their_lines),
        ("digest over", drop_last_layer),
        ("other files", lambda members: members.update({"../../escape": b"x"})),
        ("other files", lambda members: members.pop("layers/00002.png")),
        ("contours are damaged", lambda members: members.update({"contours/00002.bin": b"\xff" * 64})),
        ("was changed", lambda members: members.update({"contours/00002.bin": b""})),
        ("not a 1-bit mask", lambda members: members.update({"layers/00002.png": b"\x89PNG"})),
        ("damaged or incomplete", lambda members: members.pop("manifest.json")),
        ("manifest has", lambda members: members.update({"manifest.json": b"{}"})),
        ("manifest has", lambda members: members.update({"manifest.json": b"["})),
        ("manifest has", in_manifest("volume_ml", "1")),
        ("manifest has", in_manifest("extra", 1)),
        ("manifest has", in_manifest("layers", [])),
        ("digest over", in_manifest("devices", [{"ref": "D-9", "transform": [1.0] * 16}])),
    ],
)
def test_any_change_is_seen(build: Path, words: str, change: Callable[[Members], None]) -> None:
    with pytest.raises(BuildFileRefused, match=words):
        read_build_file(rewritten(build, change))


def test_a_changed_exposure_is_seen(build: Path) -> None:
    def longer(members: Members) -> None:
        members["manifest.json"] = members["manifest.json"].replace(b'"lift_s": 4.0', b'"lift_s": 9.0')

    with pytest.raises(BuildFileRefused, match="digest over"):
        read_build_file(rewritten(build, longer))


def test_a_packed_member_is_refused_before_it_unpacks(build: Path) -> None:
    with pytest.raises(BuildFileRefused, match="packed"):
        read_build_file(rewritten(build, lambda members: None, packed=zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"not a zip at all"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plate.zip"
    path.write_bytes(content)
    with pytest.raises(BuildFileRefused, match="damaged"):
        read_build_file(path)


def test_a_truncated_archive_is_refused(build: Path) -> None:
    build.write_bytes(build.read_bytes()[:-200])
    with pytest.raises(BuildFileRefused, match="damaged"):
        read_build_file(build)


def test_a_failed_write_leaves_nothing_behind(
    plate: SlicedPlate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space"):
        write_build_file(plate, tmp_path / "plate.zip")
    assert list(tmp_path.iterdir()) == []
