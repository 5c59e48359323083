"""Slices out of the stored files: the voxels that the volume has there, turned as the screen has it, with their geometry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devices.imaging.base import Volume
from devices.imaging.render import VIEWS
from devices.imaging.slices import hu_slice, mask_slice, screen_geometry
from devices.imaging.storage import (
    StoredFileRefused,
    load_mask,
    load_volume,
    map_mask,
    map_volume,
    save_mask,
    save_volume,
)
from tests.devices.imaging.making import make_volume

X, Y, Z = np.eye(3)
TURNED = {
    "axial": (X, Y),
    "feet first": (-X, Y),
    "coronal stack": (X, -Z),
    "sagittal stack": (Y, -Z),
}


def oriented(row: np.ndarray, column: np.ndarray) -> Volume:
    """The block of `make_volume` as a stack of this orientation, every voxel with a value of its own."""
    base = make_volume()
    normal = np.cross(row, column)
    positions = np.array([-20.0, 30.0, -40.0]) + np.arange(base.shape[0])[:, None] * 2.0 * normal
    voxels = np.arange(base.voxels.size, dtype=np.int16).reshape(base.shape)
    return replace(base, voxels=voxels, positions=positions, row_direction=row, column_direction=column)


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("plane", VIEWS)
def test_a_pixel_is_the_voxel_that_lies_there_in_the_patient(name: str, plane: str, tmp_path: Path) -> None:
    volume = oriented(*TURNED[name])
    save_volume(volume, tmp_path / "volume.npz")
    mask = (volume.voxels % 3 == 0).astype(np.uint8)
    save_mask(mask, tmp_path / "mask.npz")
    mapped, bits = map_volume(tmp_path / "volume.npz"), map_mask(tmp_path / "mask.npz")
    assert isinstance(mapped.voxels, np.memmap)
    told = screen_geometry(mapped)["planes"][plane]
    depth, (right, right_sign), (down, down_sign) = VIEWS[plane]
    for index in (0, told["count"] - 1):
        shown, inside = hu_slice(mapped, plane, index), mask_slice(bits, mapped, plane, index)
        assert shown.shape == inside.shape == (told["rows"], told["columns"])
        assert (inside == (shown % 3 == 0)).all()
        kji = np.argwhere(np.isin(volume.voxels, shown))
        points = volume.to_patient(kji)
        assert np.ptp(points[:, depth]) < 1e-9
        where = {int(volume.voxels[tuple(at)]): point for at, point in zip(kji, points, strict=True)}
        across, along = (
            where[int(shown[0, 1])] - where[int(shown[0, 0])],
            where[int(shown[1, 0])] - where[int(shown[0, 0])],
        )
        assert across[right] * right_sign == pytest.approx(told["right_mm"][1])
        assert along[down] * down_sign == pytest.approx(told["down_mm"][1])


def test_the_shear_of_a_tilted_stack_is_told_and_nothing_is_resampled(tmp_path: Path) -> None:
    volume = make_volume(tilt=18.5)
    save_volume(volume, tmp_path / "volume.npz")
    planes = screen_geometry(map_volume(tmp_path / "volume.npz"))["planes"]
    sideways = planes["sagittal"]["shift_mm"]
    step = np.diff(sideways)
    assert abs(step) == pytest.approx(2.0 * np.sin(np.radians(18.5)))
    assert set(planes["coronal"]["shift_mm"]) == set(planes["axial"]["shift_mm"]) == {0.0}
    assert np.diff(planes["sagittal"]["down_mm"]) == pytest.approx(2.0 * np.cos(np.radians(18.5)))


def test_what_is_mapped_is_what_is_loaded(tmp_path: Path) -> None:
    volume = make_volume()
    save_volume(volume, tmp_path / "volume.npz")
    save_mask((volume.voxels > 0).astype(np.uint8), tmp_path / "mask.npz")
    assert (map_volume(tmp_path / "volume.npz").voxels == load_volume(tmp_path / "volume.npz").voxels).all()
    every = np.arange(volume.voxels.size).reshape(volume.shape)
    assert (map_mask(tmp_path / "mask.npz").at(every) == load_mask(tmp_path / "mask.npz")).all()
    for read in (map_volume, map_mask):
        with pytest.raises(StoredFileRefused):
            read(tmp_path / ("mask.npz" if read is map_volume else "volume.npz"))


def test_values_that_are_no_whole_numbers_are_rounded_for_the_screen(tmp_path: Path) -> None:
    volume = make_volume()
    voxels = np.full(volume.shape, 1e6, np.float32)
    voxels[0] = -10.6
    save_volume(replace(volume, voxels=voxels), tmp_path / "volume.npz")
    mapped = map_volume(tmp_path / "volume.npz")
    assert set(np.unique(hu_slice(mapped, "axial", 0))) == {-11}
    assert set(np.unique(hu_slice(mapped, "axial", 1))) == {32767}


@pytest.mark.parametrize(("plane", "index", "fault"), [("oblique", 0, KeyError), ("axial", 99, IndexError), ("axial", -1, IndexError)])  # fmt: skip
def test_there_is_no_slice_beyond_the_volume(plane: str, index: int, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        hu_slice(make_volume(), plane, index)


def test_a_mask_of_another_volume_is_not_laid_over_this_one(tmp_path: Path) -> None:
    save_mask(np.ones((3, 3, 3), np.uint8), tmp_path / "mask.npz")
    with pytest.raises(ValueError, match="another volume"):
        mask_slice(map_mask(tmp_path / "mask.npz"), make_volume(), "axial", 0)
