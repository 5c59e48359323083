"""Segmentations that other programs made: voxels come back where they were, and what does not belong to the images is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread

from devices.imaging.base import ImagingRefused, Volume
from devices.imaging.labelled import Choice, Origin
from devices.imaging.nifti import affine_ras
from devices.imaging.segments import Fitted, fit, list_segments
from tests.devices.imaging.labelling import LABELS, NAMED, block, write_label_seg, write_map, write_seg
from tests.devices.imaging.making import make_series, make_volume

pytestmark = pytest.mark.requirement("G-SEG-01")
OURS = Origin("1.2.3.2", "1.2.3.1", "")
ONE = Choice((1,))


@pytest.fixture(scope="module")
def volume() -> Volume:
    return make_volume()


def fitted(source: Path, volume: Volume, choice: Choice = ONE, **given: Any) -> Fitted:
    return fit(source, choice, volume, **({"origin": OURS} | given))


def refused(ask: Callable[[], Any]) -> str:
    with pytest.raises(ImagingRefused) as caught:
        ask()
    assert all(one.cure for one in caught.value.findings)
    return caught.value.codes[0]


@pytest.mark.parametrize("tilt", [0.0, 15.0])
def test_a_dicom_segmentation_gives_its_voxels_back(tmp_path: Path, tilt: float) -> None:
    """35 pixels a frame: no frame but the first begins with a byte."""
    volume = make_volume(tilt=tilt)
    mask, other = block(volume), block(volume, at=3)
    sent = write_seg(tmp_path / "a", volume, {4: mask, 9: other})
    found = list_segments(sent)
    assert [(one.number, one.label, one.algorithm) for one in found.segments] == [
        (4, LABELS[0], "AUTOMATIC"), (9, LABELS[1], "AUTOMATIC"),
    ]  # fmt: skip
    assert (found.format, found.kind, found.identity.patient_id) == ("DICOM SEG", "binary", "P-0815")
    assert np.array_equal(fitted(sent, volume, Choice((4,))).mask, mask)
    assert np.array_equal(fitted(sent, volume, Choice((9,))).mask, other)


def test_segments_that_overlap_are_joined_and_counted(tmp_path: Path, volume: Volume) -> None:
    mask, other = block(volume), block(volume, at=3)
    both = fitted(write_seg(tmp_path / "a", volume, {1: mask, 2: other}), volume, Choice((1, 2)))
    assert np.array_equal(both.mask, mask | other)
    assert both.said["overlapping_voxels"] == np.count_nonzero(mask & other) > 0


def test_what_is_kept_says_who_made_it_and_names_nobody(tmp_path: Path, volume: Volume) -> None:
    sent = write_seg(
        tmp_path / "Mustermann",
        volume,
        {1: block(volume)},
        labels=("Mustermann jaw",),
        ManufacturerModelName=NAMED,
    )
    said = fitted(sent, volume, names=lambda text: "mustermann" in text.lower()).said
    assert "Mustermann" not in repr(said)
    assert "Roe" not in repr(said)
    assert said["maker"] == {"manufacturer": "Segmenters", "software": "3.1"}
    assert said["segments"] == [{"number": 1, "algorithm": "AUTOMATIC", "algorithm_name": "net 3"}]
    assert (said["frame_of_reference"], said["study"], said["series"]) == ("same", "same", "unstated")


def test_fractions_count_from_the_threshold_that_was_stated(tmp_path: Path, volume: Volume) -> None:
    fractions = block(volume) * np.uint8(102)
    fractions[2, 2, 2] = 255
    sent = write_seg(tmp_path / "a", volume, {1: fractions}, fractional=True)
    assert list_segments(sent).kind == "fractional"
    assert refused(lambda: fitted(sent, volume)) == "fractional"
    assert np.array_equal(fitted(sent, volume, Choice((1,), threshold=0.4)).mask, fractions >= 102)
    assert fitted(sent, volume, Choice((1,), threshold=0.5)).mask.sum() == 1


def test_a_label_map_gives_its_voxels_back_whichever_way_it_is_stored(tmp_path: Path, volume: Volume) -> None:
    labels = block(volume).astype(np.int16) * 7
    labels[3, 2, 2] = 3
    found = list_segments(write_map(tmp_path / "a.nii.gz", volume, labels))
    assert [(one.number, one.voxels) for one in found.segments] == [
        (3, 1),
        (7, np.count_nonzero(labels == 7)),
    ]
    assert np.array_equal(fitted(tmp_path / "a.nii.gz", volume, Choice((7,))).mask, labels == 7)
    turned = affine_ras(volume) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    turned[:3, 3] = (affine_ras(volume) @ [volume.shape[2] - 1, volume.shape[1] - 1, 0, 1])[:3]
    write_map(tmp_path / "b.nii", volume, labels[:, ::-1, ::-1], affine=turned)
    again = fitted(tmp_path / "b.nii", volume, Choice((7,)))
    assert np.array_equal(again.mask, labels == 7)
    assert not again.said["resampled"]


@pytest.mark.parametrize(("kind", "background"), [(np.uint8, 0), (np.uint16, 300)])
def test_a_dicom_label_map_gives_its_voxels_back(
    tmp_path: Path, volume: Volume, kind: type[np.unsignedinteger[Any]], background: int
) -> None:
    mask, other = block(volume), block(volume, at=3)
    labels = np.full(volume.shape, background, kind)
    labels[mask == 1], labels[other == 1] = 4, 9
    sent = write_label_seg(tmp_path / "a", volume, labels, background=background)
    found = list_segments(sent)
    assert found.kind == "labels"
    assert [(one.number, one.label) for one in found.segments] == [(4, "label 4"), (9, "label 9")]
    for chosen in ((4,), (9,), (4, 9)):
        assert np.array_equal(fitted(sent, volume, Choice(chosen)).mask, np.isin(labels, chosen))
    assert refused(lambda: fitted(sent, volume, Choice((background or 1,)))) == "no_such_segment"


def test_another_grid_is_refused_or_sampled_at_the_nearest_where_that_was_said(
    tmp_path: Path, volume: Volume
) -> None:
    fine = make_volume((12, 14, 10), spacing_ij=(0.25, 0.4), step=1.0)
    moved = replace(fine, positions=fine.positions - [0.125, 0.2, 0.5])
    coarse = block(volume)
    labels = np.kron(coarse, np.ones((2, 2, 2), np.uint8)).astype(np.int16)
    sent = write_map(tmp_path / "a.nii", moved, labels)
    assert refused(lambda: fitted(sent, volume)) == "other_grid"
    sampled = fitted(sent, volume, Choice((1,), resample=True))
    assert np.array_equal(sampled.mask, coarse)
    assert sampled.said["resampled"]


def test_empty_frames_that_a_file_leaves_out_stay_empty_when_it_is_resampled(
    tmp_path: Path, volume: Volume
) -> None:
    mask = block(volume)
    mask[2] = mask[4] = 0
    beside = replace(volume, positions=volume.positions + np.array([0.2, 0.0, 0.0]))
    sent = write_seg(tmp_path / "a", beside, {1: mask})
    assert refused(lambda: fitted(sent, volume)) == "other_grid"
    assert np.array_equal(fitted(sent, volume, Choice((1,), resample=True)).mask, mask)


@pytest.mark.parametrize("resample", [False, True])
def test_nothing_is_lost_outside_the_images(tmp_path: Path, volume: Volume, resample: bool) -> None:
    shift = volume.row_direction * volume.spacing_ij[0] * (2.3 if resample else 2.0)
    beside = replace(volume, positions=volume.positions + shift)
    sent = write_seg(tmp_path / "a", beside, {1: block(volume)})
    assert refused(lambda: fitted(sent, volume, Choice((1,), resample=resample))) == "outside"


def test_a_crop_of_the_grid_is_the_same_grid(tmp_path: Path, volume: Volume) -> None:
    start = volume.positions[1:] + volume.row_direction * volume.spacing_ij[0]
    crop = replace(volume, voxels=volume.voxels[1:, :, 1:], positions=start)
    mask = block(volume)
    sent = write_seg(tmp_path / "a", crop, {1: mask[1:, :, 1:]})
    assert np.array_equal(fitted(sent, volume).mask, mask)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"FrameOfReferenceUID": "1.2.3.9"}, "other_frame_of_reference"),
        ({"StudyInstanceUID": "1.2.3.9"}, "other_study"),
        ({"Rows": 5000}, "absurd_size"),
        ({"NumberOfFrames": 60_000}, "absurd_size"),
        ({"NumberOfFrames": 40}, "truncated"),
        ({"PixelData": b"\1\0"}, "truncated"),
        ({"SegmentSequence": None}, "bad_segments"),
        ({"SegmentationType": "LABELMAP"}, "unknown_kind"),
        ({"SegmentationType": "HEATMAP"}, "unknown_kind"),
        ({"PerFrameFunctionalGroupsSequence": None}, "no_geometry"),
    ],
)
def test_a_segmentation_that_cannot_be_used_is_refused(
    tmp_path: Path, volume: Volume, said: dict[str, Any], code: str
) -> None:
    sent = write_seg(tmp_path / "a", volume, {1: block(volume)}, **said)
    assert refused(lambda: fitted(sent, volume)) == code


def test_positions_that_are_no_numbers_are_refused(tmp_path: Path, volume: Volume) -> None:
    sent = write_seg(tmp_path / "a", volume, {1: block(volume)})
    first = f"{volume.positions[1][2]:.10g}"
    data = sent.read_bytes()
    assert first.encode() in data
    sent.write_bytes(data.replace(first.encode(), b"nan".ljust(len(first))))
    assert refused(lambda: fitted(sent, volume)) == "no_geometry"
    affine = affine_ras(volume)
    affine[0, 3] = np.nan
    write_map(tmp_path / "b.nii", volume, block(volume).astype(np.int16), affine=affine)
    assert refused(lambda: fitted(tmp_path / "b.nii", volume)) == "bad_geometry"


def test_what_is_no_segmentation_is_refused(tmp_path: Path, volume: Volume) -> None:
    image = make_series(tmp_path / "series")[0]
    assert refused(lambda: list_segments(image)) == "wrong_type"
    assert refused(lambda: list_segments(tmp_path / "series")) == "several_files"
    (tmp_path / "text").write_bytes(b"no image at all")
    assert refused(lambda: list_segments(tmp_path / "text")) == "wrong_type"
    (tmp_path / "none").write_bytes(b"")
    assert refused(lambda: list_segments(tmp_path / "none")) == "wrong_type"
    whole = write_seg(tmp_path / "a", volume, {1: block(volume)}).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:700])
    assert refused(lambda: list_segments(tmp_path / "cut")) in ("wrong_type", "truncated", "absurd_size")
    write_map(tmp_path / "b.nii", volume, volume.voxels)
    assert refused(lambda: list_segments(tmp_path / "b.nii")) == "no_labels"
    write_map(tmp_path / "c.nii", volume, np.zeros(volume.shape, np.int16))
    assert refused(lambda: list_segments(tmp_path / "c.nii")) == "bad_segments"


def test_a_liver_from_another_program_is_the_label_image_that_it_was_written_from(
    real_data: Callable[[str], Path],
) -> None:
    """Made by dcmqi; three slices are too few for a study, so their grid is laid down here."""
    folder = real_data("dcmqi-seg/segmentations/24x38x3")
    slices = sorted(
        (dcmread(path, stop_before_pixels=True) for path in (folder / "image").iterdir()),
        key=lambda one: float(one.ImagePositionPatient[2]),
    )
    first = slices[0]
    between_rows, between_columns = (float(mm) for mm in first.PixelSpacing)
    volume = Volume(
        np.zeros((len(slices), first.Rows, first.Columns), np.int16),
        np.array([one.ImagePositionPatient for one in slices], dtype=np.float64),
        np.array(first.ImageOrientationPatient[:3], dtype=np.float64),
        np.array(first.ImageOrientationPatient[3:], dtype=np.float64),
        (between_columns, between_rows),
    )
    ours = Origin(first.FrameOfReferenceUID, first.StudyInstanceUID, first.SeriesInstanceUID)
    found = fitted(folder / "seg" / "label.seg", volume, origin=ours)
    label: Any = SimpleITK.ReadImage(str(folder / "nrrd" / "label.nrrd"))
    assert np.array_equal(found.mask, SimpleITK.GetArrayFromImage(label) > 0)
    assert (found.said["frame_of_reference"], found.said["series"]) == ("same", "same")
    assert found.said["segments"][0]["label"] == "Liver"


def test_a_segment_that_is_not_there_or_has_no_voxel_is_refused(tmp_path: Path, volume: Volume) -> None:
    sent = write_seg(tmp_path / "a", volume, {1: block(volume), 2: np.zeros(volume.shape, np.uint8)})
    for choice, code in (
        (Choice((3,)), "no_such_segment"),
        (Choice(()), "no_such_segment"),
        (Choice((2,)), "empty_segment"),
    ):
        assert refused(lambda choice=choice: fitted(sent, volume, choice)) == code  # type: ignore[misc]  # a default binds it
