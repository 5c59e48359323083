"""Real series with known faults: each finding that must be made, on the data where others are silently wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from devices.imaging.base import ImagingRefused
from devices.imaging.intake import read_images
from tests.devices.conftest import RealData
from tests.devices.imaging.making import codes, refusal

pytestmark = pytest.mark.requirement("G-IMG-01")
GEOMETRY = "dicom2nifti-geometry"
SYNTAXES = ["compressed", "compressed_j2k", "compressed_jpeg", "compressed_jpegls"]


@pytest.mark.parametrize(("folder", "angle", "step"), [("S2010", -18.5, 2.371), ("S3010", 16.5, 2.397)])
def test_the_phantoms_tilt_and_step(real_data: RealData, folder: str, angle: float, step: float) -> None:
    images = read_images(real_data(f"phantom-head/S21610/{folder}"))
    assert images.volume.tilt_degrees == pytest.approx(angle, abs=0.05)
    assert images.volume.slice_spacing_mm == pytest.approx(step, abs=0.001)
    assert {"gantry_tilt", "spacing_from_positions"} <= codes(images)


def test_a_whole_study_lists_its_series_and_sets_the_rest_apart(real_data: RealData) -> None:
    refused = refusal(real_data("phantom-head/S21610"))
    assert refused.codes == ("several_series",)
    assert "series 201 (CT, 2.5 mm, 54 images, key " in str(refused)
    assert "series 301 (CT, 2.5 mm, 58 images, key " in str(refused)
    assert {"rejected_localiser", "rejected_secondary_capture", "rejected_dicomdir"} <= {
        f.code for f in refused.findings
    }


def test_a_series_is_chosen_out_of_a_whole_study(real_data: RealData) -> None:
    alone = read_images(real_data("phantom-head/S21610/S3010"))
    wanted = alone.series[0].series_uid
    images = read_images(real_data("phantom-head/S21610"), series_uid=wanted)
    assert np.array_equal(images.volume.voxels, alone.volume.voxels)
    assert images.volume.acquisition == alone.volume.acquisition
    assert [one.used for one in images.series] == [one.series_uid == wanted for one in images.series]
    assert {file.code for file in images.rejected} == {"localiser", "secondary_capture", "dicomdir"}


def test_the_untilted_phantom_lies_where_its_positions_say(real_data: RealData) -> None:
    volume = read_images(real_data("phantom-head/S21570/S2030")).volume
    assert volume.shape == (140, 512, 512)
    assert volume.tilt_degrees == pytest.approx(0, abs=1e-6)
    assert volume.positions[[0, -1], 2] == pytest.approx([694.21, 833.21])
    assert int(np.median(volume.voxels[:, :40, :40])) == pytest.approx(-1000, abs=30)


def test_compressed_slices_and_a_thickness_that_lies(real_data: RealData) -> None:
    images = read_images(real_data("totalsegmentator-ct/example_ct_dicom"))
    assert images.volume.slice_spacing_mm == pytest.approx(2.0)
    assert images.volume.acquisition.slice_thickness_mm == 3.0
    assert not images.volume.acquisition.lossy
    assert {"spacing_from_positions", "no_series_uid"} <= codes(images)


@pytest.mark.parametrize(
    ("_case", "folder", "code", "words"),
    [
        (
            "GE, 5 5 10",
            "sliceincrement/001",
            "missing_slice",
            "1 slice is missing after slice 3: a gap of 10.000 mm",
        ),
        ("Siemens, tilted too", "sliceincrement/002", "missing_slice", "1 slice is missing after slice 3"),
        ("four at one place", "notavolume/001", "same_position", "4 different images share positions"),
    ],
)
def test_what_is_no_volume_is_refused(
    real_data: RealData, _case: str, folder: str, code: str, words: str
) -> None:
    refused = refusal(real_data(f"{GEOMETRY}/failing/{folder}"))
    assert refused.codes == (code,)
    assert words in str(refused)


def test_tilt_is_named_beside_the_missing_slice(real_data: RealData) -> None:
    refused = refusal(real_data(f"{GEOMETRY}/failing/sliceincrement/002"))
    assert next(f.message for f in refused.findings if f.code == "gantry_tilt").startswith(
        "The gantry was tilted by -15.50"
    )


def test_mixed_orientations_are_refused(real_data: RealData) -> None:
    refused = refusal(real_data(f"{GEOMETRY}/failing/sliceorientation/001"), modalities={"MR"})
    assert "mixed_orientation" in refused.codes


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.usefixtures("tiny_series")
def test_every_lossless_syntax_gives_the_same_values(real_data: RealData, syntax: str) -> None:
    other = read_images(real_data(f"{GEOMETRY}/generic/compressed_rle/001"), modalities={"MR"})
    packed = read_images(real_data(f"{GEOMETRY}/generic/{syntax}/001"), modalities={"MR"})
    assert np.array_equal(other.volume.voxels, packed.volume.voxels)
    assert not packed.volume.acquisition.lossy


@pytest.mark.usefixtures("tiny_series")
def test_multi_frame_gives_the_volume_of_its_single_frames(real_data: RealData) -> None:
    single = read_images(real_data("dcmqi-seg/segmentations/24x38x3/image")).volume
    multi = read_images(real_data("dcmqi-seg/segmentations/24x38x3/multiframe/mf.dcm")).volume
    assert np.array_equal(single.voxels, multi.voxels)
    assert np.allclose(single.positions, multi.positions)
    assert single.spacing_ij == multi.spacing_ij


@pytest.mark.parametrize("folder", ["philips_enhanced/anatomical/001", "siemens_multiframe/anatomical/001"])
def test_enhanced_and_mosaic_objects_get_an_answer(real_data: RealData, folder: str) -> None:
    source = real_data(f"{GEOMETRY}/{folder}")
    assert _answer(source)


def _answer(source: Path) -> object:
    try:
        return read_images(source, modalities={"MR"}).volume.shape
    except ImagingRefused as refused:
        return refused.codes


@pytest.mark.slow
def test_the_chest_of_275_frames_of_reference(real_data: RealData) -> None:
    images = read_images(real_data("chest-ct"))
    assert images.volume.shape == (275, 512, 512)
    assert images.volume.slice_spacing_mm == pytest.approx(1.0)
    assert images.volume.voxels.min() == -1000
    assert int(images.volume.voxels.sum(dtype=np.int64)) == -44_693_634_796
    assert "several_frames_of_reference" in codes(images)
