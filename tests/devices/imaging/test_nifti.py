"""NIfTI in: RAS to LPS, and everything that is not a calibrated volume."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from devices.imaging.intake import read_images
from devices.imaging.nifti import affine_ras, write_nifti
from tests.devices.conftest import RealData
from tests.devices.imaging.making import codes, make_series, make_volume, refusal

pytestmark = pytest.mark.requirement("G-IMG-01")

GREY = np.linspace(-1000, 700, 210).astype(np.int16).reshape(5, 7, 6)


def _write(
    path: Path, data: np.ndarray | None = None, affine: np.ndarray | None = None, **header: Any
) -> Path:
    values = GREY if data is None else data
    nifti: Any = nib
    image = nifti.Nifti1Image(values, np.diag([-1.0, -1.0, 2.0, 1.0]) if affine is None else affine)
    image.header.set_xyzt_units("mm")
    data_bytes = image.to_bytes()
    raw = nifti.Nifti1Header(data_bytes[:348], check=False)
    for name, value in header.items():
        raw[name] = value
    path.write_bytes(raw.binaryblock + data_bytes[348:])
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("tilt", [0.0, -18.5])
def test_nifti_and_dicom_of_one_volume_agree(tmp_path: Path, name: str, tilt: float) -> None:
    volume = make_volume(tilt=tilt)
    write_nifti(volume, tmp_path / name)
    make_series(tmp_path / "s", volume)
    (tmp_path / name).rename(tmp_path / "upload")
    one, other = read_images(tmp_path / "upload"), read_images(tmp_path / "s")
    assert np.array_equal(one.volume.voxels, other.volume.voxels)
    corners = [(0, 0, 0), (5, 0, 0), (0, 6, 0), (0, 0, 4), (5, 6, 4)]
    assert np.abs(one.volume.to_patient(corners) - other.volume.to_patient(corners)).max() < 0.001
    assert ("gantry_tilt" in codes(one)) == (tilt != 0)
    assert one.identity.patient_id is None


def test_ras_becomes_lps_and_sides_stay_sides(tmp_path: Path) -> None:
    data = GREY.copy()
    data[4, 1, 2] = 777
    affine = np.array([[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]], dtype=float)
    volume = read_images(_write(tmp_path / "a.nii", data, affine)).volume
    marked = volume.to_patient(np.argwhere(volume.voxels == 777))
    assert np.allclose(marked, [[-18, -23, 38]])


def test_a_left_handed_image_keeps_every_voxel_in_its_place(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(-1000, 1000, (5, 7, 6)).astype(np.int16)
    affine = np.diag([1.0, -1.0, 2.0, 1.0])
    volume = read_images(_write(tmp_path / "a.nii", data, affine)).volume
    for i, j, k in [(0, 0, 0), (4, 6, 5), (2, 1, 3)]:
        x, y, z = affine[:3, :3] @ (i, j, k)
        found = np.rint(volume.to_indices([(-x, -y, z)])[0]).astype(int)
        assert volume.voxels[tuple(found)] == data[i, j, k]
    assert (np.diff(volume.heights_mm) > 0).all()


def test_a_written_affine_is_the_volumes(tmp_path: Path) -> None:
    volume = make_volume(tilt=10)
    ras = affine_ras(volume) @ [2, 3, 4, 1]
    assert np.allclose(ras[:3] * [-1, -1, 1], volume.to_patient([(4, 3, 2)])[0])


@pytest.mark.parametrize(
    ("_case", "arguments", "code"),
    [
        ("nan", {"data": np.full((5, 7, 6), np.nan, np.float32)}, "not_finite"),
        ("infinite", {"data": np.full((5, 7, 6), np.inf, np.float32)}, "not_finite"),
        ("not HU", {"data": np.full((5, 7, 6), 1e9, np.float32)}, "absurd_values"),
        ("four dimensions", {"data": np.zeros((5, 7, 6, 3), np.int16)}, "not_a_volume"),
        ("one slice", {"data": np.zeros((5, 7, 1), np.int16)}, "absurd_size"),
        ("colour", {"data": np.zeros((5, 7, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])}, "not_grey"),
        ("complex", {"data": np.zeros((5, 7, 6), np.complex64)}, "not_grey"),
        ("no orientation", {"sform_code": 0, "qform_code": 0}, "no_orientation"),
        ("metres", {"xyzt_units": 1}, "units"),
        ("huge voxels", {"affine": np.diag([900.0, 1, 1, 1])}, "bad_geometry"),
        ("flat", {"srow_z": [0, 0, 0, 0]}, "bad_geometry"),
        ("not a number", {"srow_x": [np.nan] * 4}, "bad_geometry"),
        (
            "a quaternion of no numbers beside an sform",
            {"qform_code": 1, "quatern_b": np.nan},
            "bad_geometry",
        ),
        ("two slices", {"data": np.zeros((5, 7, 2), np.int16)}, "too_few_slices"),
        ("four slices", {"data": np.zeros((5, 7, 4), np.int16)}, "too_few_slices"),
        ("inverted", {"scl_slope": -1.0}, "bad_scale"),
        ("infinite slope", {"scl_slope": np.inf}, "bad_scale"),
        ("slope of no number", {"scl_slope": np.nan}, "bad_scale"),
        ("infinite shift", {"scl_slope": 1.0, "scl_inter": np.inf}, "bad_scale"),
        ("huge slope", {"scl_slope": 1e30}, "absurd_values"),
        ("voxels in the header", {"vox_offset": 0.0}, "bad_layout"),
        ("voxels within the header", {"vox_offset": 100.0}, "bad_layout"),
        ("voxels at no byte", {"vox_offset": np.nan}, "bad_layout"),
        ("voxels behind the end", {"vox_offset": 1e9}, "truncated"),
        (
            "skewed in plane",
            {"affine": np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])},
            "bad_geometry",
        ),
    ],
)
def test_what_is_no_calibrated_volume_is_refused(
    tmp_path: Path, _case: str, arguments: dict[str, Any], code: str
) -> None:
    assert refusal(_write(tmp_path / "a.nii", **arguments)).codes == (code,)


@pytest.mark.parametrize("size", [-16, 0, 8, 33, 2**30])
def test_an_extension_of_an_impossible_size_is_refused(tmp_path: Path, size: int) -> None:
    whole = _write(tmp_path / "a.nii", vox_offset=384.0).read_bytes()
    extended = whole[:348] + b"\1\0\0\0" + np.array([size, 6], "<i4").tobytes() + bytes(24) + whole[352:]
    (tmp_path / "a.nii").write_bytes(extended)
    assert refusal(tmp_path / "a.nii").codes == ("bad_layout",)


def test_an_extension_is_skipped(tmp_path: Path) -> None:
    whole = _write(tmp_path / "a.nii", vox_offset=384.0).read_bytes()
    extended = whole[:348] + b"\1\0\0\0" + np.array([32, 6], "<i4").tobytes() + bytes(24) + whole[352:]
    (tmp_path / "a.nii").write_bytes(extended)
    assert np.array_equal(read_images(tmp_path / "a.nii").volume.voxels, GREY.transpose(2, 1, 0)[:, ::1])


def test_two_orientations_that_disagree_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nii", qform_code=1, sform_code=1, qoffset_x=33.0)
    assert refusal(path).codes == ("orientation_conflict",)


@pytest.mark.parametrize("cut", [300, 349, 360])
def test_a_truncated_image_is_refused(tmp_path: Path, cut: int) -> None:
    path = _write(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:cut])
    assert refusal(path).codes[0] in ("malformed", "truncated", "no_images")


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(-1000, 1000, (20, 20, 20)).astype(np.int16)
    packed = gzip.compress(_write(tmp_path / "a.nii", data).read_bytes())
    (tmp_path / "a.nii").write_bytes(packed[:-2000])
    assert refusal(tmp_path / "a.nii").codes == ("bad_gzip",)


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    head = _write(tmp_path / "a.nii").read_bytes()[:352]
    (tmp_path / "a.nii").write_bytes(gzip.compress(head + bytes(64 * 1024**2)))
    assert refusal(tmp_path / "a.nii").codes == ("zip_bomb",)


def test_sizes_a_header_only_claims_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nii", dim=[3, 4000, 4000, 90, 1, 1, 1, 1])
    assert refusal(path).codes == ("truncated",)
    assert refusal(_write(tmp_path / "b.nii", dim=[3, 30000, 4, 4, 1, 1, 1, 1])).codes == ("absurd_size",)


def test_two_images_in_one_upload_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    _write(tmp_path / "s" / "a.nii")
    _write(tmp_path / "s" / "b.nii")
    assert refusal(tmp_path / "s").codes == ("several_images",)


def test_a_real_image_reads_and_says_what_it_does_not_know(real_data: RealData) -> None:
    images = read_images(real_data("totalsegmentator-ct/example_ct.nii.gz"))
    assert images.volume.shape == (112, 101, 122)
    assert images.volume.acquisition.modality is None
    assert codes(images) == {"modality_unstated"}
    assert read_images(real_data("totalsegmentator-ct/example_ct_sm.nii.gz")).volume.shape[0] == 30


def _head() -> np.ndarray:
    """Air around soft tissue around bone, with the noise of a scanner."""
    noise = np.random.default_rng(7).normal(0, 12, (20, 20, 20))
    noise += np.kron([-1000, 40, 1100, 60], np.ones(5))
    return np.rint(noise)


@pytest.mark.parametrize(
    ("_case", "make", "words"),
    [
        ("labels", lambda hu: (hu > 300).astype(np.uint8), "2 different values"),
        ("a hundred labels", lambda hu: np.arange(8000).reshape(20, 20, 20) % 117, "from 0 to 116"),
        ("nought to one", lambda hu: ((hu + 1024) / 2200).astype(np.float32), "none is that of air"),
        ("scaled about nought", lambda hu: (hu / 1000).astype(np.float32), "none is that of air"),
        ("eight bits", lambda hu: np.clip((hu + 200) / 3, 0, 255).astype(np.uint8), "none is that of air"),
        ("plus 1024", lambda hu: (np.maximum(hu, -1024) + 1024).astype(np.uint16), "none is that of air"),
        ("plus 1000 with its noise", lambda hu: (hu + 1000).astype(np.int16), "none is that of air"),
        (
            "plus 1024, padded",
            lambda hu: np.where(hu < -1010, -976, hu + 1024).astype(np.int16),
            "about 1000",
        ),
        ("minus 1024", lambda hu: (hu - 1024).astype(np.int16), "lower than air"),
        ("a tenth", lambda hu: (hu / 10).astype(np.float32), "none is that of air"),
    ],
)
def test_values_that_cannot_be_hounsfield_units_are_refused(
    tmp_path: Path, _case: str, make: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    data = make(_head())
    refused = refusal(_write(tmp_path / "a.nii", data.astype(np.int16) if data.dtype.kind == "i" else data))
    assert refused.codes == ("not_hounsfield",)
    assert words in str(refused)
    assert refused.findings[0].cure == "Send in the DICOM series."


@pytest.mark.parametrize("padding", [-1024, -1500, -3024])
def test_hounsfield_units_with_padding_are_accepted(tmp_path: Path, padding: int) -> None:
    data = _head().astype(np.int16)
    data[:6] = padding
    assert codes(read_images(_write(tmp_path / "a.nii", data))) == {"modality_unstated"}
