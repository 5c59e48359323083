"""The front door: what becomes a volume, and what is refused with which reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread

from devices.imaging.base import ImagingRefused
from devices.imaging.intake import read_images
from devices.imaging.series import series_key
from tests.devices.imaging.making import (
    change,
    codes,
    make_series,
    make_volume,
    new_uid,
    refusal,
    set_stored,
)

pytestmark = pytest.mark.requirement("G-IMG-01")


def test_a_series_comes_back_as_it_was_written(tmp_path: Path) -> None:
    volume = make_volume()
    make_series(tmp_path / "s", volume)
    images = read_images(tmp_path / "s")
    assert np.array_equal(images.volume.voxels, volume.voxels)
    assert np.allclose(images.volume.positions, volume.positions)
    assert images.volume.spacing_ij == volume.spacing_ij
    assert (images.identity.patient_id, images.identity.family_name) == ("P-0815", "Mustermann")
    assert images.findings == ()
    assert [(one.images, one.used) for one in images.series] == [(6, True)]


def test_file_names_and_instance_numbers_do_not_matter(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    first = read_images(tmp_path / "s")
    numbers = list(range(1, len(paths) + 1))
    numbers = numbers[3:] + numbers[2::-1]
    other = tmp_path / "other"
    other.mkdir()
    for path, number in zip(paths, numbers, strict=True):
        change(path, InstanceNumber=number)
        shutil.copy(path, other / f"x{100 - number}")
    second = read_images(other)
    assert np.array_equal(first.volume.voxels, second.volume.voxels)
    assert np.array_equal(first.volume.positions, second.volume.positions)


def test_a_tilted_series_keeps_its_shear_and_says_so(tmp_path: Path) -> None:
    make_series(tmp_path / "s", make_volume(tilt=-18.5, step=2.5))
    images = read_images(tmp_path / "s")
    assert images.volume.tilt_degrees == pytest.approx(-18.5, abs=0.001)
    assert "gantry_tilt" in codes(images)
    assert np.allclose(np.diff(images.volume.positions, axis=0), [0, 0, 2.5])


def test_a_missing_slice_is_named_by_its_place(tmp_path: Path) -> None:
    make_series(tmp_path / "s")[3].unlink()
    refused = refusal(tmp_path / "s")
    assert refused.codes == ("missing_slice",)
    assert "1 slice is missing after slice 3: a gap of 4.000 mm" in str(refused)


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.parametrize(
    ("_case", "left", "stated", "first"),
    [
        ("six of 95, thickness", [0, 5, 27, 35, 50, 94], {"SliceThickness": 2.5}, 4),
        ("six of 95, spacing", [0, 5, 27, 35, 50, 94], {"SpacingBetweenSlices": 2.5, "SliceThickness": 3}, 4),
        ("a step that comes again", [0, 1, 2, 4, 6, 9, 12, 15], {"SliceThickness": None}, 1),
    ],
)
def test_a_series_of_which_little_is_left_misses_slices(
    tmp_path: Path, _case: str, left: list[int], stated: dict[str, Any], first: int
) -> None:
    paths = make_series(tmp_path / "s", make_volume((95, 7, 5), step=2.5))
    for number, path in enumerate(paths):
        if number in left:
            change(path, **{name: value for name, value in stated.items() if value})
            _without(path, *(name for name in SPACINGS if not stated.get(name)))
        else:
            path.unlink()
    refused = refusal(tmp_path / "s")
    assert set(refused.codes) == {"missing_slice"}
    assert f"{first} slice{'s are' if first > 1 else ' is'} missing after slice" in str(refused)


SPACINGS = ("SpacingBetweenSlices", "SliceThickness")


def _without(path: Path, *names: str) -> None:
    dataset = dcmread(path)
    for name in names:
        dataset.pop(name, None)
    dataset.save_as(path)


@pytest.mark.parametrize("runs", [(4.0, 7.0), (7.0, 4.0), (2.5, 7.5), (7.5, 2.5)])
def test_runs_of_one_step_each_are_a_protocol(tmp_path: Path, runs: tuple[float, float]) -> None:
    """The thicker half is the longer one, as over the posterior fossa and the rest of the head."""
    paths = make_series(tmp_path / "s", make_volume((14, 7, 5)))
    coarse = max(runs)
    steps = [step for step in runs for _ in range(9 if step == coarse else 4)]
    for path, height in zip(paths, [0.0, *np.cumsum(steps)], strict=True):
        change(path, ImagePositionPatient=["-20", "30", f"{height}"], SliceThickness=min(runs))
        _without(path, "SpacingBetweenSlices")
    images = read_images(tmp_path / "s")
    assert "uneven_spacing" in codes(images)
    assert images.volume.slice_spacings_mm == pytest.approx(steps)


def test_uneven_spacing_is_carried_and_named(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    change(paths[-1], ImagePositionPatient=["-20", "30", "-28.7"])
    images = read_images(tmp_path / "s")
    assert "uneven_spacing" in codes(images)
    assert images.volume.slice_spacings_mm == pytest.approx([2, 2, 2, 2, 3.3])


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    shutil.copy(paths[2], tmp_path / "s" / "again")
    images = read_images(tmp_path / "s")
    assert images.volume.shape[0] == 6
    assert "duplicates" in codes(images)


def test_the_same_picture_under_another_identifier_counts_once(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    shutil.copy(paths[2], tmp_path / "s" / "again")
    change(tmp_path / "s" / "again", SOPInstanceUID=new_uid())
    assert read_images(tmp_path / "s").volume.shape[0] == 6


def test_two_pictures_at_one_position_are_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    again = tmp_path / "s" / "again"
    shutil.copy(paths[2], again)
    set_stored(again, np.zeros((7, 5), np.int16), SOPInstanceUID=new_uid())
    assert refusal(tmp_path / "s").codes == ("same_position",)


def test_one_identifier_for_two_pictures_is_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    again = tmp_path / "s" / "again"
    shutil.copy(paths[2], again)
    set_stored(again, np.zeros((7, 5), np.int16))
    assert refusal(tmp_path / "s").codes == ("conflicting_images",)


@pytest.mark.usefixtures("tiny_series")
def test_several_series_are_listed_until_one_is_named(tmp_path: Path) -> None:
    make_series(tmp_path / "s" / "a")
    paths = make_series(tmp_path / "s" / "b", make_volume((5, 7, 5)))
    study = dcmread(next((tmp_path / "s" / "a").iterdir())).StudyInstanceUID
    for path in paths:
        change(path, StudyInstanceUID=study, SeriesNumber=7)
    refused = refusal(tmp_path / "s")
    assert refused.codes == ("several_series",)
    assert "series 1 (CT, 2 mm, 6 images, key " in str(refused)
    assert "series 7 (CT, 2 mm, 5 images, key " in str(refused)
    wanted = str(dcmread(paths[0]).SeriesInstanceUID)
    assert read_images(tmp_path / "s", series_uid=wanted).volume.shape[0] == 5
    by_key = read_images(tmp_path / "s", series_uid=series_key(wanted))
    assert by_key.volume.shape[0] == 5
    assert "chosen_series" in codes(by_key)
    assert wanted not in str(by_key.findings)
    assert refusal(tmp_path / "s", series_uid="1.2.3").codes == ("unknown_series",)


def test_localisers_and_screenshots_are_kept_apart_with_their_reasons(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    extras: tuple[dict[str, Any], ...] = (
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"BurnedInAnnotation": "YES"},
    )
    for number, values in enumerate(extras):
        extra = tmp_path / "s" / f"extra{number}"
        shutil.copy(paths[0], extra)
        change(extra, SOPInstanceUID=new_uid(), **values)
    (tmp_path / "s" / "notes.txt").write_text("Erika Mustermann")
    images = read_images(tmp_path / "s")
    assert sorted(file.code for file in images.rejected) == [
        "burned_in",
        "localiser",
        "not_dicom",
        "secondary_capture",
    ]
    assert images.volume.shape[0] == 6
    # The page and the API have the findings alone: they list what was left out as the command line does.
    for file in images.rejected:
        (said,) = (one for one in images.findings if one.code == f"rejected_{file.code}")
        assert file.why in said.message
        assert f"(number {file.ordinal})" in said.message


def test_two_patients_in_one_upload_are_refused_and_not_named(tmp_path: Path) -> None:
    make_series(tmp_path / "s" / "a")
    make_series(tmp_path / "s" / "b", patient_id="P-4711", family_name="Beispiel")
    refused = refusal(tmp_path / "s")
    assert "two_patients" in refused.codes
    said = " ".join(finding.message for finding in refused.findings)
    assert not any(secret in said for secret in ("Mustermann", "Beispiel", "P-0815", "P-4711"))


def test_unsigned_pixels_with_an_intercept_do_not_overflow(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    for path in paths:
        set_stored(path, np.full((7, 5), 20, np.uint16), RescaleIntercept="-1000")
    voxels = read_images(tmp_path / "s").volume.voxels
    assert voxels.dtype == np.int16
    assert (voxels == -980).all()


def test_each_slice_is_rescaled_by_its_own_slope(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    for number, path in enumerate(paths):
        set_stored(
            path, np.full((7, 5), 100, np.int16), RescaleSlope=str(1 + number / 2), RescaleIntercept="-1000"
        )
    voxels = read_images(tmp_path / "s").volume.voxels
    assert voxels.dtype == np.float32
    assert voxels[:, 0, 0].tolist() == [-900, -850, -800, -750, -700, -650]


def test_slices_of_another_scale_are_read_and_said(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    change(paths[2], RescaleSlope="2")
    assert "mixed_rescale" in codes(read_images(tmp_path / "s"))


def test_signed_and_unsigned_slices_are_no_one_volume(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    for path in paths[:3]:
        change(path, PixelRepresentation=0)
    assert refusal(tmp_path / "s").codes == ("mixed_representation",)


def test_every_second_slice_left_out_is_said(tmp_path: Path) -> None:
    """Their steps are even, so nothing but the numbers and the thickness tells."""
    paths = make_series(tmp_path / "s", make_volume((12, 7, 5)))
    for path in paths[1::2]:
        path.unlink()
    images = read_images(tmp_path / "s")
    assert images.volume.slice_spacing_mm == 4.0
    assert {f.severity for f in images.findings if f.code == "slices_left_out"} == {"warning"}
    assert "slices_left_out" not in codes(read_images(_whole(tmp_path / "w")))


def _whole(folder: Path) -> Path:
    make_series(folder, make_volume((12, 7, 5)))
    return folder


def test_padding_becomes_air(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    for path in paths:
        stored = np.full((7, 5), 40, np.int16)
        stored[:, 0] = -2000
        set_stored(path, stored, PixelPaddingValue=-2000)
    images = read_images(tmp_path / "s")
    assert (images.volume.voxels[:, :, 0] == -1000).all()
    assert (images.volume.voxels[:, :, 1:] == 40).all()
    assert any("20.0 %" in finding.message for finding in images.findings if finding.code == "padding")


def test_a_padding_value_in_the_range_of_tissue_cuts_no_holes(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        set_stored(path, np.zeros((7, 5), np.int16), PixelPaddingValue=0)
    images = read_images(tmp_path / "s")
    assert (images.volume.voxels == 0).all()
    assert "padding_is_tissue" in codes(images)


def test_unnamed_values_below_air_are_clamped(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        set_stored(path, np.full((7, 5), -3024, np.int16))
    images = read_images(tmp_path / "s")
    assert (images.volume.voxels == -1024).all()
    assert "below_air" in codes(images)


def test_overlays_in_the_unused_bits_are_refused(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        set_stored(path, np.full((7, 5), 0x8020, np.uint16), BitsStored=12, HighBit=11)
    assert refusal(tmp_path / "s").codes == ("bits_outside_stored",)


@pytest.mark.parametrize(
    ("_case", "values", "code"),
    [
        ("no slope", {"RescaleSlope": None}, "no_rescale"),
        ("zero slope", {"RescaleSlope": "0"}, "no_rescale"),
        ("inverted", {"RescaleSlope": "-1"}, "no_rescale"),
        ("huge intercept", {"RescaleIntercept": "1e30"}, "no_rescale"),
        ("huge slope", {"RescaleSlope": "1e308"}, "no_rescale"),
        ("a large slope", {"RescaleSlope": "1000"}, "absurd_values"),
        ("no position", {"ImagePositionPatient": None}, "no_series"),
        ("no spacing", {"PixelSpacing": None}, "no_series"),
        ("impossible orientation", {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "no_series"),
        ("absurd spacing", {"PixelSpacing": [500, 500]}, "no_series"),
        ("another kind", {"Modality": "PT"}, "no_series"),
    ],
)
def test_what_is_not_stated_is_not_guessed(
    tmp_path: Path, _case: str, values: dict[str, Any], code: str
) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, **values)
    assert refusal(tmp_path / "s").codes == (code,)


def test_one_slice_without_position_in_a_series_is_an_error(tmp_path: Path) -> None:
    change(make_series(tmp_path / "s")[5], ImagePositionPatient=None)
    assert refusal(tmp_path / "s").codes == ("damaged_slices",)


@pytest.mark.parametrize("turned", [[0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1], [0, 0, -1, 0, 1, 0]])
def test_a_turned_slice_is_refused(tmp_path: Path, turned: list[int]) -> None:
    """Turned about both of its axes, its row, or its column."""
    change(make_series(tmp_path / "s")[0], ImageOrientationPatient=turned)
    assert refusal(tmp_path / "s").codes == ("mixed_orientation",)


def test_mixed_sizes_and_spacings_are_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    change(paths[0], PixelSpacing=["0.8", "0.9"])
    set_stored(paths[1], np.zeros((5, 7), np.int16), Rows=5, Columns=7)
    assert set(refusal(tmp_path / "s").codes) == {"mixed_spacing", "mixed_size"}


@pytest.mark.parametrize("slot", [0, 3, 5])
def test_a_truncated_slice_is_never_left_out_silently(tmp_path: Path, slot: int) -> None:
    path = make_series(tmp_path / "s")[slot]
    path.write_bytes(path.read_bytes()[:-20])
    refused = refusal(tmp_path / "s")
    assert "damaged_slices" in refused.codes
    assert path.name not in str(refused)


def _cut(to: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:to]


def _without_first(lost: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[lost:]


@pytest.mark.parametrize(
    "left",
    [
        *map(_cut, (0, 100, 131, 132, 150, 200, 500)),
        *map(_without_first, (128, 132, 135, 400)),
        lambda whole: bytes(len(whole)),
        lambda _: b"\0" * 128 + b"DICM" + bytes(range(256)) * 4,
    ],
)
def test_a_file_lost_at_the_end_of_a_series_is_never_left_out_silently(
    tmp_path: Path, left: Callable[[bytes], bytes]
) -> None:
    path = make_series(tmp_path / "s", make_volume((8, 7, 5)))[-1]
    path.write_bytes(left(path.read_bytes()))
    refused = refusal(tmp_path / "s")
    assert refused.codes == ("lost_files",)
    assert "again, complete" in refused.findings[0].cure
    assert path.name not in str(refused)


def test_what_lies_beside_the_slices_on_a_disc_is_no_loss(tmp_path: Path) -> None:
    make_series(tmp_path / "s")
    beside = (
        b"README: DICOM is 1.2.840.10008.1.1\r\n", b"\xff\xd8\xff\xe0\0\x10JFIF", b"MZ\x90\0\x03\0\0\0", b"\0\0\0\x01Bud1\0\0", b"[autorun]\n",
        b"\0\x05\x16\x07\0\x02\0\0Mac OS X", b"\0\0\x01\0\x01\0\x10\x10", b"\x89PNG\r\n", b"%PDF-1.7", b"BM\x36\0", b"\n",
    )  # fmt: skip
    for number, content in enumerate(beside):
        (tmp_path / "s" / f"junk{number}").write_bytes(content)
    images = read_images(tmp_path / "s")
    assert [(one.code, one.severity) for one in images.findings] == [("rejected_not_dicom", "info")]
    assert len(images.rejected) == len(beside)


def test_names_of_files_are_never_repeated(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    (tmp_path / "s" / "Mustermann_Erika_19640812.txt").write_text("x")
    paths[4].write_bytes(paths[4].read_bytes()[:-20])
    paths[4].rename(tmp_path / "s" / "Mustermann_cut.dcm")
    refused = refusal(tmp_path / "s")
    assert not any("Mustermann" in finding.message for finding in refused.findings)


@pytest.mark.parametrize(
    ("values", "why", "cure"),
    [
        ({"BurnedInAnnotation": "YES"}, "6 files: each declares burned-in annotation", "without anything written"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "each is a localiser", "A localiser only shows"),
        ({"SOPInstanceUID": "1.2.x"}, "each has an identifier that is no DICOM UID", "of digits and dots"),
        ({"Rows": 65535}, "each has 65535 rows and 5 columns", "rows, columns, frames"),
        ({"ImagePositionPatient": None}, "each states no usable position", "each states its position"),
    ],
)  # fmt: skip
def test_a_series_without_a_slice_says_why_each_file_is_none_and_what_helps(
    tmp_path: Path, values: dict[str, Any], why: str, cure: str
) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, **values)
    (tmp_path / "s" / "notes").write_text("of a colleague")
    (error,) = (one for one in refusal(tmp_path / "s").findings if one.severity == "error")
    assert (error.code, why in error.message, cure in error.cure) == ("no_series", True, True)
    assert "; 1 file: it is not a DICOM file." in error.message


@pytest.mark.parametrize("uid", ["../../../../etc/x", "1.2.3; Mustermann", "1" * 65])
def test_an_identifier_that_is_none_is_rejected(tmp_path: Path, uid: str) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, SeriesInstanceUID=uid)
    refused = refusal(tmp_path / "s")
    assert {finding.code for finding in refused.findings} == {"no_series", "rejected_bad_identifier"}
    assert not any(uid in finding.message for finding in refused.findings)


def test_free_text_in_a_code_is_not_repeated(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, Modality="Mustermann Erika")
    refused = refusal(tmp_path / "s")
    assert refused.codes == ("no_series",)
    assert "(unknown, 2 mm, 6 images, key " in str(refused)


def test_deeply_nested_sequences_do_no_harm_and_are_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = make_series(tmp_path / "s")
    nested = b""
    for _ in range(3000):
        nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + nested
    data = paths[0].read_bytes()
    meta = 132 + 12 + int.from_bytes(data[140:144], "little")
    (tmp_path / "s" / "deep").write_bytes(data[:meta] + nested)
    assert refusal(tmp_path / "s").codes == ("lost_files",)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("_case", "content"),
    [("empty folder", None), ("empty file", b""), ("text", b"hello"), ("magic only", b"\0" * 128 + b"DICM")],
)
def test_an_upload_without_images_is_refused(tmp_path: Path, _case: str, content: bytes | None) -> None:
    (tmp_path / "s").mkdir()
    if content is not None:
        (tmp_path / "s" / "file").write_bytes(content)
    assert refusal(tmp_path / "s").codes in (("empty",), ("no_images",), ("no_series",))


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    assert refusal(paths[0]).codes == ("no_series",)
    assert refusal(tmp_path / "nowhere").codes == ("not_found",)


def test_lossy_images_are_flagged(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, LossyImageCompression="01")
    images = read_images(tmp_path / "s")
    assert images.volume.acquisition.lossy
    assert "lossy" in codes(images)


def test_many_frames_of_reference_are_warned_of(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, FrameOfReferenceUID=new_uid())
    assert "several_frames_of_reference" in codes(read_images(tmp_path / "s"))


def test_rows_and_columns_are_not_swapped(tmp_path: Path) -> None:
    make_series(tmp_path / "s", make_volume(spacing_ij=(0.545, 0.597)))
    dataset = dcmread(next((tmp_path / "s").iterdir()))
    assert [float(n) for n in dataset.PixelSpacing] == [0.597, 0.545]
    assert read_images(tmp_path / "s").volume.spacing_ij == (0.545, 0.597)


ODD = [
    Path(name)
    for name in pydicom.data.get_testdata_files()
    if not Path(name).name.endswith((".py", ".txt", ".json")) and Path(name).is_file()
]


@pytest.mark.parametrize("path", ODD, ids=lambda path: path.name)
def test_odd_and_broken_files_get_a_reason_and_never_a_traceback(path: Path) -> None:
    said, slices = _read(path)
    assert slices >= 2 or (said and all(said))


def test_an_odd_file_beside_a_series_takes_nothing_from_it_or_is_the_reason_of_the_refusal(
    tmp_path: Path,
) -> None:
    """A file that may have been a slice, or that names another patient, is never passed over: the upload is refused and says so."""
    make_series(tmp_path / "s")
    odd = tmp_path / "s" / "odd"
    taken = 0
    for path in ODD[::3]:
        shutil.copyfile(path, odd)
        try:
            images = read_images(tmp_path / "s")
        except ImagingRefused as refused:
            errors = [one for one in refused.findings if one.severity == "error"]
            assert all(one.message and one.cure for one in errors), path.name
            assert errors, path.name
            continue
        taken += 1
        assert images.volume.shape == (6, 7, 5), path.name
        assert [bool(file.why) for file in images.rejected] == [True] or len(images.series) == 2, path.name
    assert taken > 0


def _read(path: Path) -> tuple[list[str], int]:
    try:
        return [], read_images(path, modalities={"CT", "MR"}).volume.shape[0]
    except ImagingRefused as refused:
        return [finding.message for finding in refused.findings], 0


def test_a_gap_beside_an_uneven_step_is_still_a_gap(tmp_path: Path) -> None:
    """Where the header states no spacing, and the steps have no unit in common."""
    paths = make_series(tmp_path / "s", make_volume((8, 7, 5)))
    for path, height in zip(paths, np.cumsum([0, 2, 2, 2, 2, 4, 2, 2.7]), strict=True):
        change(path, ImagePositionPatient=["-20", "30", f"{height}"])
        _without(path, *SPACINGS)
    refused = refusal(tmp_path / "s")
    assert refused.codes[0] == "missing_slice"
    assert "1 slice is missing after slice 5" in str(refused)


def test_a_slice_beside_the_stack_is_named(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    x, y, z = dcmread(paths[2]).ImagePositionPatient
    change(paths[2], ImagePositionPatient=[f"{float(x) + 1}", y, z])
    assert "shifted_slices" in codes(read_images(tmp_path / "s"))


def test_a_stated_spacing_that_positions_contradict_is_said_and_not_used(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, SpacingBetweenSlices=3)
    images = read_images(tmp_path / "s")
    assert "spacing_from_positions" in codes(images)
    assert images.volume.slice_spacing_mm == pytest.approx(2.0)


def test_two_studies_of_one_patient_are_named(tmp_path: Path) -> None:
    make_series(tmp_path / "s" / "a")
    other, study = new_uid(), new_uid()
    for path in make_series(tmp_path / "s" / "b", make_volume((5, 7, 5))):
        change(path, StudyInstanceUID=study, SeriesInstanceUID=other)
    assert "several_studies" in codes(read_images(tmp_path / "s", series_uid=other))


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.parametrize(
    "somebody_else",
    [{"PatientID": "P-4711"}, {"PatientName": "Beispiel^Erika"}, {"PatientBirthDate": "19010101"}],
)
@pytest.mark.parametrize("kind", ["slice", "screenshot"])
def test_one_identifier_of_somebody_else_is_enough(
    tmp_path: Path, somebody_else: dict[str, str], kind: str
) -> None:
    """On a slice, and on a file that is no part of the volume."""
    paths = make_series(tmp_path / "s")
    screenshot = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"} if kind == "screenshot" else {}
    change(paths[-1], **somebody_else, **screenshot)
    assert "two_patients" in refusal(tmp_path / "s").codes


def test_images_without_a_series_identifier_are_named(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, SeriesInstanceUID=None)
    assert "no_series_uid" in codes(read_images(tmp_path / "s"))


@pytest.mark.parametrize("slices_with_air", [0, 1])
def test_a_scan_without_any_air_is_named(tmp_path: Path, slices_with_air: int) -> None:
    volume = make_volume()
    volume.voxels[: len(volume.voxels) - slices_with_air] = 40
    make_series(tmp_path / "s", volume)
    assert ("no_air" in codes(read_images(tmp_path / "s"))) is not bool(slices_with_air)


def test_values_that_are_said_to_be_no_hounsfield_units_are_named(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, RescaleType="US")
    images = read_images(tmp_path / "s")
    assert "rescale_not_hu" in codes(images)
    assert images.volume.acquisition.value_unit == "US"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"RescaleType": "MGML"}, "rescale_not_hu"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE", "MAXIMUM"]}, "projection"),
    ],
)
def test_what_says_to_be_no_cross_sections_in_hounsfield_units_is_refused(
    tmp_path: Path, values: dict[str, Any], code: str
) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, **values)
    assert refusal(tmp_path / "s").codes == (code,)


def test_what_says_to_be_no_cross_sections_of_the_scanner_is_named(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    for path in paths:
        change(path, ImageType=["DERIVED", "SECONDARY", "MPR"])
    change(paths[3], SliceThickness="10")
    images = read_images(tmp_path / "s")
    assert "not_original" in codes(images)
    assert images.volume.acquisition.image_type == "DERIVED\\SECONDARY\\MPR"
    assert images.volume.acquisition.slice_thickness_mm == 10.0


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(
    ("said", "other", "side"),
    [
        ({"Laterality": "R"}, {"Laterality": "R"}, "right"),
        ({"Laterality": "R", "ImageLaterality": "L"}, {"ImageLaterality": "L"}, "left"),
        ({"ImageLaterality": "L"}, {"ImageLaterality": "R"}, None),
        ({"ImageLaterality": "B"}, {"ImageLaterality": "B"}, None),
    ],
)
def test_the_side_that_every_slice_says_is_kept(
    tmp_path: Path, said: dict[str, str], other: dict[str, str], side: str | None
) -> None:
    for index, path in enumerate(make_series(tmp_path / "s")):
        change(path, **(said if index else other))
    assert read_images(tmp_path / "s").volume.acquisition.side == side


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.parametrize(("slices", "step"), [(2, 2.0), (4, 2.0), (6, 0.5)])
def test_a_few_slices_are_no_volume(tmp_path: Path, slices: int, step: float) -> None:
    make_series(tmp_path / "s", make_volume((slices, 7, 5), step=step))
    said = refusal(tmp_path / "s")
    assert said.codes == ("too_few_slices",)
    assert all(finding.cure for finding in said.findings if finding.severity == "error")
