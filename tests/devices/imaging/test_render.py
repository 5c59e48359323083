"""Slices as pictures: the right side on the right side, and the proportions of the patient."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from devices.imaging.base import Volume
from devices.imaging.render import slice_count, slice_png
from tests.devices.imaging.making import make_volume


def _volume() -> Volume:
    """40 slices of 2 mm, 30 rows of 1 mm, 20 columns of 0.5 mm."""
    volume = make_volume((40, 30, 20), spacing_ij=(0.5, 1.0))
    return replace(volume, voxels=np.full((40, 30, 20), -1000, np.int16))


def _picture(volume: Volume, plane: str, index: int, mask: np.ndarray | None = None) -> np.ndarray:
    data = slice_png(volume, plane, index, window=2000, level=0, mask=mask)  # type: ignore[arg-type]
    return np.asarray(Image.open(BytesIO(data)))


@pytest.mark.parametrize(
    ("plane", "index", "where"),
    [("axial", 30, "left top"), ("coronal", 8, "left top"), ("sagittal", 4, "left top")],
)
def test_a_marker_in_front_right_above_is_seen_there(plane: str, index: int, where: str) -> None:
    """Low i is the patient's right, low j is anterior, high k is superior: on screen left, top or left, and top."""
    volume = _volume()
    volume.voxels[28:33, 6:10, 3:6] = 1000
    picture = _picture(volume, plane, index)[:, :, 0].astype(int)
    rows, columns = np.nonzero(picture > 250)
    height, width = picture.shape
    assert (
        where
        == f"{'left' if columns.mean() < width / 2 else 'right'} {'top' if rows.mean() < height / 2 else 'bottom'}"
    )


@pytest.mark.parametrize(
    ("plane", "size"), [("axial", (9.5, 29)), ("coronal", (9.5, 78)), ("sagittal", (29, 78))]
)
def test_proportions_are_the_patients(plane: str, size: tuple[float, float]) -> None:
    height, width, _ = _picture(_volume(), plane, 0).shape
    assert width / height == pytest.approx(size[0] / size[1], rel=0.06)


def test_turned_storage_does_not_turn_the_picture() -> None:
    """The same patient, with rows stored back to front and slices from above, looks the same."""
    volume = _volume()
    volume.voxels[28:33, 6:10, 3:6] = 1000
    mirrored = Volume(
        np.ascontiguousarray(volume.voxels[::-1, :, ::-1]).astype(np.int16),
        (volume.positions + np.array([9.5, 0, 0]))[::-1],
        -volume.row_direction,
        volume.column_direction,
        volume.spacing_ij,
    )
    assert np.array_equal(_picture(volume, "axial", 30), _picture(mirrored, "axial", 9))


def test_the_mask_is_outlined_and_tinted() -> None:
    volume = _volume()
    mask = np.zeros(volume.shape, np.uint8)
    mask[:, 10:20, 5:15] = 1
    picture, plain = _picture(volume, "axial", 20, mask), _picture(volume, "axial", 20)
    outlined = (picture == [255, 176, 0]).all(axis=2)
    assert outlined.sum() > 20
    assert not (plain == [255, 176, 0]).all(axis=2).any()
    assert (picture[30, 10] != plain[30, 10]).any()
    assert not outlined[30, 10]


def test_a_tilted_stack_looks_straight_from_the_side() -> None:
    """A vertical rod in the patient is a vertical bar on the sagittal picture, however the gantry stood."""
    volume = make_volume((40, 60, 8), spacing_ij=(1.0, 1.0), tilt=-18.5)
    kji = np.argwhere(np.ones(volume.shape, bool))
    y = volume.to_patient(kji)[:, 1].reshape(volume.shape)
    voxels = np.where(np.abs(y - y.mean()) < 3, 1000, -1000).astype(np.int16)
    picture = _picture(replace(volume, voxels=voxels), "sagittal", 4)[:, :, 0].astype(int)
    middles = [np.flatnonzero(row > 200).mean() for row in picture[10:-10] if (row > 200).sum() > 3]
    tan = abs(np.polyfit(range(len(middles)), middles, 1)[0])
    assert len(middles) > 40
    # The screen's axes are the scanner's normal and rows, so a plumb rod leans by the tilt itself and not by twice it.
    assert np.degrees(np.arctan(tan)) == pytest.approx(18.5, abs=0.7)


def test_what_cannot_be_shown_is_refused() -> None:
    volume = _volume()
    assert [slice_count(volume, plane) for plane in ("axial", "coronal", "sagittal")] == [40, 30, 20]
    for arguments, error in (
        (("oblique", 0, 100), ValueError),
        (("axial", 40, 100), IndexError),
        (("axial", -1, 100), IndexError),
        (("axial", 0, 0), ValueError),
    ):
        plane, index, window = arguments
        with pytest.raises(error):
            slice_png(volume, plane, index, window=window, level=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mask"):
        slice_png(volume, "axial", 0, window=100, level=0, mask=np.zeros((2, 2, 2), np.uint8))
