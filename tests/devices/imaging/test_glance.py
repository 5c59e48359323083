"""What tells one series of an upload from another, before any is read: by codes and positions, and never by words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from devices.imaging.glance import Seen, glance
from devices.services.held import told_apart
from tests.devices.imaging.making import change, make_series, make_volume, new_uid

pytestmark = pytest.mark.requirement("G-IMG-01")


def of(folder: Path, number: int) -> Seen:
    return next(image for image in glance(folder).images if image.number == number)


def series(folder: Path, number: int, tilt: float = 0.0) -> list[Path]:
    paths, uid = make_series(folder, make_volume((12, 7, 5), tilt=tilt)), new_uid()
    for path in paths:
        change(path, SeriesInstanceUID=uid, SeriesNumber=number, BodyPartExamined="HEAD", ConvolutionKernel="YA",
               SeriesDescription="Mustermann head")  # fmt: skip
    return paths


def test_a_series_is_told_by_its_codes_and_positions_and_not_by_its_description(tmp_path: Path) -> None:
    series(tmp_path / "one", 1)
    series(tmp_path / "two", 2, tilt=-18.5)
    straight, tilted = of(tmp_path, 1), of(tmp_path, 2)
    assert straight.spacing_mm == pytest.approx((0.5, 0.8, 2.0))
    assert (straight.tilt_degrees, tilted.tilt_degrees) == (0.0, -18.5)
    assert tilted.shows[0] == "HEAD"
    said = told_apart(tilted)
    assert "Series 2: CT, head original primary axial, 12 slices of 5 × 7" in said
    assert "gantry tilt -18.50°, kernel YA" in said
    assert "Mustermann" not in said


def test_uneven_slices_are_said_before_a_series_is_chosen(tmp_path: Path) -> None:
    heights = np.cumsum([0.0, *(4.0,) * 6, *(7.0,) * 5])
    for path, height in zip(series(tmp_path / "one", 1), heights, strict=True):
        change(path, ImagePositionPatient=[-20.0, 30.0, float(height)])
    seen = of(tmp_path, 1)
    assert seen.uneven
    assert "(unevenly)" in told_apart(seen)


def test_what_is_no_stack_has_no_spacing(tmp_path: Path) -> None:
    paths = series(tmp_path / "one", 1)
    change(paths[3], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    seen = of(tmp_path, 1)
    assert (seen.spacing_mm, seen.tilt_degrees) == ((), None)
    assert told_apart(seen)
