"""Volumes and masks on disk: the same bytes for the same content, and a clear no to anything else."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.imaging.base import Acquisition
from devices.imaging.storage import StoredFileRefused, load_mask, load_volume, save_mask, save_volume
from tests.devices.imaging.making import make_volume


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_volume_comes_back_exactly(tmp_path: Path, dtype: type) -> None:
    facts = Acquisition(
        "DICOM", modality="CT", kernel="B70s", kvp=120.0, acquired_on=date(2026, 11, 2), lossy=True
    )
    plain = make_volume(tilt=-18.5)
    volume = replace(plain, voxels=plain.voxels.astype(dtype), acquisition=facts)
    save_volume(volume, tmp_path / "v")
    again = load_volume(tmp_path / "v")
    assert again.voxels.dtype == dtype
    assert np.array_equal(again.voxels, volume.voxels)
    assert np.array_equal(again.positions, volume.positions)
    assert np.array_equal(again.column_direction, volume.column_direction)
    assert (again.spacing_ij, again.acquisition) == (volume.spacing_ij, facts)


def test_the_same_volume_gives_the_same_digest_and_another_does_not(tmp_path: Path) -> None:
    save_volume(make_volume(), tmp_path / "1")
    save_volume(make_volume(), tmp_path / "2")
    save_volume(load_volume(tmp_path / "1"), tmp_path / "3")
    save_volume(make_volume(step=2.0001), tmp_path / "4")
    assert _sha(tmp_path / "1") == _sha(tmp_path / "2") == _sha(tmp_path / "3") != _sha(tmp_path / "4")


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(0, 2**32))
def test_any_mask_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], seed: int
) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, shape).astype(np.uint8)
    path = tmp_path_factory.mktemp("mask") / "m"
    save_mask(mask, path)
    assert np.array_equal(load_mask(path), mask)


@pytest.mark.parametrize(
    "mask", [np.full((2, 2, 2), 2, np.uint8), np.zeros((2, 2), np.uint8), np.zeros((2, 2, 2), np.int16)]
)
def test_what_is_no_mask_is_not_written(tmp_path: Path, mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="zeros and ones"):
        save_mask(mask, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v"
    save_volume(make_volume(), path)
    whole = path.read_bytes()
    save_mask(np.ones((2, 2, 2), np.uint8), tmp_path / "m")
    _mix(tmp_path / "m", path, tmp_path / "mixed")
    with pytest.raises(StoredFileRefused, match="not of the format"):
        load_volume(tmp_path / "mixed")
    for content in (
        b"",
        b"hello",
        whole[:100],
        whole[:-30],
        whole.replace(b"lamina-volume-1", b"lamina-volume-9"),
    ):
        path.write_bytes(content)
        with pytest.raises(StoredFileRefused):
            load_volume(path)
    with pytest.raises(StoredFileRefused):
        load_volume(tmp_path / "nowhere")


def _mix(mask: Path, volume: Path, mixed: Path) -> None:
    with (
        zipfile.ZipFile(volume) as source,
        zipfile.ZipFile(mask) as other,
        zipfile.ZipFile(mixed, "w") as target,
    ):
        target.writestr("header.npy", other.read("header.npy"))
        for name in source.namelist():
            if name != "header.npy":
                target.writestr(name, source.read(name))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    with (tmp_path / "v").open("wb") as stream:
        np.savez(stream, header=np.array([{"format": "x"}], dtype=object))
    with pytest.raises(StoredFileRefused):
        load_volume(tmp_path / "v")


def test_compressed_members_are_refused_before_they_inflate(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "v.npz", header=np.zeros(10_000_000, np.uint8))
    with pytest.raises(StoredFileRefused, match="not written by this program"):
        load_volume(tmp_path / "v.npz")


def test_inconsistent_geometry_is_refused(tmp_path: Path) -> None:
    volume = make_volume()
    object.__setattr__(volume, "positions", volume.positions[::-1])
    save_volume(volume, tmp_path / "v")
    with pytest.raises(StoredFileRefused, match="ascend"):
        load_volume(tmp_path / "v")
