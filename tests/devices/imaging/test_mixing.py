"""Several scans under one series identifier: told apart where each is whole, refused where not, and one scan left whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from devices.imaging.glance import glance
from devices.imaging.intake import read_images
from tests.devices.imaging.making import change, codes, make_series, make_volume, new_uid, refusal

pytestmark = pytest.mark.requirement("G-IMG-01")
UIDS = (new_uid(), new_uid())
TWO = [
    ("StudyInstanceUID", UIDS, "study"),
    ("FrameOfReferenceUID", UIDS, "frame of reference"),
    ("PatientPosition", ("HFS", "FFS"), "patient position"),
    ("KVP", ("80", "140"), "kVp"),
    ("ConvolutionKernel", ("B20", "B70"), "kernel"),
    ("ImageType", (["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "SECONDARY", "AXIAL"]), "kind of image"),
    ("AcquisitionNumber", (1, 2), "acquisition"),
    ("AcquisitionDate", ("20261102", "20261103"), "day"),
    ("AcquisitionTime", ("120000", "150000"), "time"),
]


def _series(folder: Path, keyword: str, value: Callable[[int], Any], slices: int = 12) -> Path:
    for index, path in enumerate(make_series(folder, make_volume((slices, 7, 5)))):
        change(path, **{keyword: value(index)})
    return folder


@pytest.mark.parametrize(("keyword", "values", "trait"), TWO, ids=[keyword for keyword, _, _ in TWO])
def test_two_scans_among_one_another_are_two_series_to_choose_from(
    tmp_path: Path, keyword: str, values: tuple[Any, Any], trait: str
) -> None:
    folder = _series(tmp_path / "s", keyword, lambda index: values[index % 2])
    refused = refusal(folder)
    assert refused.codes == ("several_series",)
    assert str(refused).count(f"6 images, one of several that differ in {trait}, key ") == 2
    keys = [seen.key for seen in glance(folder).images]
    assert len(set(keys)) == 2
    heights = []
    for key in keys:
        images = read_images(folder, series_uid=key)
        assert images.volume.shape[0] == 6
        assert [one.used for one in images.series].count(True) == 1
        heights.append(images.volume.positions[0, 2])
    assert sorted(heights) == [-40.0, -38.0]
    uid = str(dcmread(next(folder.iterdir())).SeriesInstanceUID)
    assert refusal(folder, series_uid=uid).codes == ("several_series",)


@pytest.mark.parametrize(("keyword", "values", "trait"), TWO[:6], ids=[keyword for keyword, _, _ in TWO[:6]])
def test_a_few_slices_of_another_scan_are_refused_with_the_reason(
    tmp_path: Path, keyword: str, values: tuple[Any, Any], trait: str
) -> None:
    refused = refusal(_series(tmp_path / "s", keyword, lambda index: values[index == 3]))
    assert refused.codes == ("mixed_series",)
    assert f"differ in {trait}." in str(refused)
    assert "Export each scan" in refused.findings[0].cure


def test_two_sexes_are_two_patients(tmp_path: Path) -> None:
    refused = refusal(_series(tmp_path / "s", "PatientSex", lambda index: "MF"[index % 2]))
    assert refused.codes == ("two_patients",)


def test_acquisitions_that_follow_one_another_are_one_scan_and_named(tmp_path: Path) -> None:
    images = read_images(_series(tmp_path / "s", "AcquisitionNumber", lambda index: 1 + index // 4))
    assert codes(images) == {"several_acquisitions"}
    assert images.volume.shape[0] == 12


def test_acquisitions_that_overlap_are_two(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", "AcquisitionNumber", lambda index: 1 if index < 6 or index == 8 else 2)
    assert refusal(folder).codes == ("several_series",)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AcquisitionTime", lambda index: f"1200{index:02}.5"),
        ("AcquisitionTime", lambda index: f"12{index:02}30"),
        ("AcquisitionDateTime", lambda index: f"202611021200{index * 7 % 12:02}.25"),
        ("FrameOfReferenceUID", lambda _: new_uid()),
        ("KVP", lambda index: "120" if index else None),
    ],
)
def test_what_differs_from_slice_to_slice_of_one_scan_parts_nothing(
    tmp_path: Path, keyword: str, value: Callable[[int], Any]
) -> None:
    images = read_images(_series(tmp_path / "s", keyword, value))
    assert images.volume.shape[0] == 12
    assert codes(images) <= {"several_frames_of_reference"}


def test_the_scans_are_the_same_in_any_order_of_files(tmp_path: Path) -> None:
    folder = _series(tmp_path / "s", "KVP", lambda index: ("80", "140")[index % 2])
    first = glance(folder).images
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        path.rename(folder / f"x{number:02}")
    assert glance(folder).images == first
    volumes = [read_images(folder, series_uid=one.key).volume for one in first]
    assert not np.array_equal(volumes[0].positions, volumes[1].positions)


DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")


@pytest.mark.requirement("G-IMG-02")
@pytest.mark.parametrize(
    ("others", "day", "code", "severity"),
    [
        ("20261101", date(2026, 11, 1), "several_dates", "warning"),
        ("20150101", None, "several_dates", "error"),
        ("", None, "dates_missing", "warning"),
    ],
)
def test_one_recent_slice_makes_no_recent_images(
    tmp_path: Path, others: str, day: date | None, code: str, severity: str
) -> None:
    for number, path in enumerate(make_series(tmp_path / "s")):
        change(path, **(dict.fromkeys(DATES, others) if number else {}))
        change(path, AcquisitionDate=None)
    if severity == "error":
        assert refusal(tmp_path / "s").codes == (code,)
        return
    images = read_images(tmp_path / "s")
    assert images.volume.acquisition.acquired_on == day
    assert [(one.code, one.severity) for one in images.findings] == [(code, severity)]
