"""The pitfalls of turning scans into parts, by number: which tests hold each, and the tests that stand nowhere else."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from manifold3d import Manifold
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, RLELossless

from devices.imaging.base import AIR_HU, Volume
from devices.imaging.glance import glance
from devices.imaging.intake import read_images
from devices.imaging.standard import dcmread
from devices.mesh.solid import NotASolid, mesh_of, solid_of
from devices.mesh.surface import SurfaceRefused, isosurface
from devices.segmentation.bone import segment
from tests.devices.conftest import RealData
from tests.devices.imaging.making import change, codes, make_series, make_volume, new_uid, set_stored
from tests.servers import BASE

PITFALLS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("slices in the order of files or numbers", ("imaging/test_intake::test_file_names_and_instance_numbers_do_not_matter",)),
    2: ("gantry tilt lost or taken from its tag", (
        "mesh/test_surface_real::test_a_tilted_scan_meets_the_untilted_truth",
        "imaging/test_intake_real::test_the_phantoms_tilt_and_step",
        "imaging/test_intake::test_a_tilted_series_keeps_its_shear_and_says_so",
    )),
    3: ("tags of spacing that lie", (
        "imaging/test_intake_real::test_compressed_slices_and_a_thickness_that_lies",
        "imaging/test_intake::test_a_stated_spacing_that_positions_contradict_is_said_and_not_used",
        "imaging/test_pitfalls::test_a_negative_spacing_between_slices_is_not_used",
    )),
    4: ("missing slices and uneven steps", (
        "imaging/test_intake_real::test_what_is_no_volume_is_refused",
        "imaging/test_intake::test_a_missing_slice_is_named_by_its_place",
        "imaging/test_pitfalls::test_a_tilted_scan_of_two_runs_keeps_every_step_at_the_vertices",
    )),
    5: ("duplicates, and what is no volume", (
        "imaging/test_intake::test_the_same_file_twice_counts_once",
        "imaging/test_intake::test_two_pictures_at_one_position_are_refused",
        "imaging/test_intake::test_one_identifier_for_two_pictures_is_refused",
    )),
    6: ("localisers and screenshots among the slices", (
        "imaging/test_intake::test_localisers_and_screenshots_are_kept_apart_with_their_reasons",
        "imaging/test_pitfalls::test_a_whole_study_is_its_volumes_and_the_rest_with_its_reasons",
    )),
    7: ("rescale that overflows, or is of another slice", (
        "imaging/test_intake::test_unsigned_pixels_with_an_intercept_do_not_overflow",
        "imaging/test_intake::test_each_slice_is_rescaled_by_its_own_slope",
        "imaging/test_intake_real::test_the_untilted_phantom_lies_where_its_positions_say",
    )),
    8: ("padding taken for tissue", (
        "imaging/test_intake::test_padding_becomes_air",
        "imaging/test_pitfalls::test_no_surface_stands_on_the_circle_of_padding",
    )),
    9: ("rows and columns swapped", ("imaging/test_intake::test_rows_and_columns_are_not_swapped",)),
    10: ("left and right swapped", (
        "imaging/test_nifti::test_nifti_and_dicom_of_one_volume_agree",
        "imaging/test_nifti::test_ras_becomes_lps_and_sides_stay_sides",
        "mesh/test_surface::test_a_marker_stays_on_its_side",
        "mesh/test_surface::test_faces_look_outwards_in_every_orientation",
    )),
    11: ("the patient's coordinates lost", (
        "mesh/test_surface_real::test_the_mesh_lies_where_the_positions_say",
        "mesh/test_surface::test_a_ball_is_where_it_is_however_it_was_scanned",
    )),
    12: ("units of a file that states none", ("mesh/test_io::test_a_wrong_unit_is_noticed",)),
    13: ("open where the scan ends", ("mesh/test_surface::test_a_mask_cut_by_every_border_is_closed",)),
    14: ("a level met exactly", ("mesh/test_surface::test_a_half_level_makes_no_triangle_without_area",)),
    15: ("kernel and thickness unknown to who decides", (
        "test_segmentations::test_what_the_protocol_does_not_allow_is_blocked_with_value_and_limit",
    )),
    16: ("simplified in silence", ("mesh/test_surface::test_every_step_says_what_it_cost",)),
    17: ("a boolean that fails in silence", ("imaging/test_pitfalls::test_a_boolean_keeps_the_volume_and_what_is_open_is_refused",)),
    18: ("layers that lose volume", ("../printing/slicing/test_layers::test_the_layers_hold_the_meshs_volume",)),
    19: ("inspection that absorbs a defect", (
        "mesh/test_compare::test_a_bump_of_0_30_mm_is_measured_as_0_30_and_the_rest_as_nothing",
        "mesh/test_compare::test_a_shrink_of_half_a_percent_shows_and_is_never_absorbed",
        "mesh/test_compare::test_a_mirrored_part_is_another_part",
    )),
    20: ("distance to the nearest vertex", ("mesh/test_compare::test_distance_is_to_the_face_and_not_to_the_nearest_vertex",)),
    21: ("frames of reference", (
        "imaging/test_intake::test_many_frames_of_reference_are_warned_of",
        "imaging/test_intake_real::test_the_chest_of_275_frames_of_reference",
        "imaging/test_mixing::test_two_scans_among_one_another_are_two_series_to_choose_from",
    )),
    22: ("the wrong patient, and names that are not ASCII", (
        "imaging/test_intake::test_two_patients_in_one_upload_are_refused_and_not_named",
        "imaging/test_damage::test_names_in_other_character_sets_are_read",
    )),
    23: ("a name in the pixels", (
        "imaging/test_intake::test_localisers_and_screenshots_are_kept_apart_with_their_reasons",
        "imaging/test_pitfalls::test_a_screenshot_is_told_by_its_class_even_where_it_denies_annotation",
    )),
    24: ("files cut, damaged, without a beginning", (
        "imaging/test_intake::test_odd_and_broken_files_get_a_reason_and_never_a_traceback",
        "imaging/test_intake::test_an_odd_file_beside_a_series_takes_nothing_from_it_or_is_the_reason_of_the_refusal",
        "imaging/test_damage::test_a_damaged_slice",
        "imaging/test_intake::test_a_truncated_slice_is_never_left_out_silently",
    )),
    25: ("files without an ending", ("imaging/test_pitfalls::test_files_are_known_by_content_and_not_by_their_ending",)),
    26: ("enhanced multi-frame objects", (
        "imaging/test_intake_real::test_multi_frame_gives_the_volume_of_its_single_frames",
        "imaging/test_pitfalls::test_an_enhanced_object_is_the_volume_of_its_frames",
    )),
    27: ("compression that loses values", (
        "imaging/test_intake::test_lossy_images_are_flagged",
        "imaging/test_intake_real::test_every_lossless_syntax_gives_the_same_values",
        "imaging/test_pitfalls::test_a_lossless_syntax_changes_nothing",
    )),
    28: ("a slope that is no whole number", ("imaging/test_pitfalls::test_a_fractional_slope_is_not_cut_off",)),
}  # fmt: skip


@cache
def _functions(place: str) -> set[str]:
    tree = ast.parse((BASE / "tests" / "devices" / f"{place}.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_pitfall_has_its_tests() -> None:
    assert list(PITFALLS) == list(range(1, 29))
    for number, (_, tests) in PITFALLS.items():
        assert tests, number
        for test in tests:
            place, _, name = test.partition("::")
            assert name in _functions(place), f"{number}: {test}"


@pytest.mark.requirement("G-IMG-01")
def test_a_negative_spacing_between_slices_is_not_used(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        change(path, SpacingBetweenSlices="-2.51")
    images = read_images(tmp_path / "s")
    assert images.volume.slice_spacings_mm == pytest.approx([2.0] * 5)
    assert images.volume.acquisition.nominal_slice_spacing_mm == -2.51
    assert "spacing_from_positions" in codes(images)


STEPS = (*(4.002,) * 13, 1.081, *(6.999,) * 13)


@pytest.mark.requirement("G-IMG-01")
def test_a_tilted_scan_of_two_runs_keeps_every_step_at_the_vertices(tmp_path: Path) -> None:
    """A column of bone through all slices, whose own ends a surface shows: bone begins and ends half a step from each."""
    source = make_volume((len(STEPS) + 1, 9, 9), tilt=18.5)
    normal = source.normal
    heights = np.concatenate(([0.0], np.cumsum(STEPS)))
    # The table runs along z while the slices stay tilted: one step along the normal is longer along the table.
    positions = source.positions[0] + heights[:, None] * np.array([0.0, 0.0, 1.0]) / normal[2]
    voxels = np.full(source.shape, AIR_HU, dtype=np.int16)
    voxels[:, 3:6, 3:6] = 1000
    make_series(
        tmp_path / "s",
        Volume(voxels, positions, source.row_direction, source.column_direction, source.spacing_ij),
    )
    images = read_images(tmp_path / "s")
    assert {"uneven_spacing", "gantry_tilt"} <= codes(images)
    assert images.volume.tilt_degrees == pytest.approx(18.5, abs=0.05)
    assert images.volume.slice_spacings_mm == pytest.approx(STEPS, abs=0.001)
    mesh = isosurface(images.volume, segment(images.volume, {"lower_hu": 200}).mask, 199.5)
    # On the sides of the column, every slice has vertices at its own height.
    reached = np.unique(np.round(mesh.vertices @ normal - positions[0] @ normal, 4))
    for height in heights:
        assert np.abs(reached - height).min() < 0.01


@pytest.mark.requirement("G-IMG-01")
def test_a_whole_study_is_its_volumes_and_the_rest_with_its_reasons(real_data: RealData) -> None:
    seen = glance(real_data("phantom-head/S21610"))
    assert sorted(image.size[2] for image in seen.images if image.usable) == [54, 58]
    assert {"localiser", "secondary_capture"} <= {file.code for file in seen.rejected}
    assert all(file.reason for file in seen.rejected)


@pytest.mark.requirement("G-IMG-01")
def test_no_surface_stands_on_the_circle_of_padding(tmp_path: Path) -> None:
    """The reconstruction is a circle; outside of it a scanner writes -1500. A skin drawn at any level lies on the body alone."""
    source = make_volume((6, 24, 24), spacing_ij=(1.0, 1.0))
    j, i = np.indices((24, 24)) - 11.5
    outside, body = j**2 + i**2 > 11**2, j**2 + i**2 < 5**2
    stored = np.where(body, 40, np.where(outside, -1500, AIR_HU)).astype(np.int16)
    for path in make_series(tmp_path / "s", source):
        set_stored(path, stored, PixelPaddingValue=-1500)
    volume = read_images(tmp_path / "s").volume
    assert volume.voxels.min() == AIR_HU
    # Just below air, where the circle would show, nothing lies outside: there is no surface to draw.
    with pytest.raises(SurfaceRefused, match="no surface"):
        isosurface(volume, (volume.voxels > -1010).astype(np.uint8), -1010.5)
    skin = isosurface(volume, (volume.voxels > -900).astype(np.uint8), -900.5)
    centre = volume.to_patient([(2.5, 11.5, 11.5)])[0]
    assert np.linalg.norm((skin.vertices - centre)[:, :2], axis=1).max() < 7


def test_a_boolean_keeps_the_volume_and_what_is_open_is_refused() -> None:
    one, other = Manifold.sphere(5.0, 48), Manifold.cube((6.0, 6.0, 6.0)).translate((1.0, -2.0, 0.5))
    both, joined = solid_of(mesh_of(one ^ other)), solid_of(mesh_of(one + other))
    assert one.volume() + other.volume() == pytest.approx(both.volume() + joined.volume(), rel=1e-6)
    cut = mesh_of(one)
    with pytest.raises(NotASolid):
        solid_of(type(cut)(cut.vertices, cut.faces[1:]))
    with pytest.raises(NotASolid):
        solid_of(mesh_of(one ^ other.translate((50.0, 0.0, 0.0))))


@pytest.mark.requirement("G-IMG-03")
@pytest.mark.parametrize("said", ["NO", None])
def test_a_screenshot_is_told_by_its_class_even_where_it_denies_annotation(
    tmp_path: Path, said: str | None
) -> None:
    make_series(tmp_path / "s")
    shot = make_series(tmp_path / "shot")[0]
    change(shot, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID=new_uid())
    if said:
        change(shot, BurnedInAnnotation=said)
    shot.rename(tmp_path / "s" / "shot")
    images = read_images(tmp_path / "s")
    assert [file.code for file in images.rejected] == ["secondary_capture"]
    assert len(images.used) == 6


@pytest.mark.requirement("G-IMG-01")
def test_files_are_known_by_content_and_not_by_their_ending(tmp_path: Path) -> None:
    for number, path in enumerate(make_series(tmp_path / "s")):
        path.rename(path.with_name(("I{}", "{}", "{}.jpg")[number % 3].format(number)))
    assert read_images(tmp_path / "s").volume.shape == (6, 7, 5)


def _enhanced(paths: list[Path], place: Path) -> None:
    """One multi-frame object of a series of single frames: geometry in the groups of each frame, in an order of its own."""
    frames = [dcmread(path) for path in reversed(paths)]
    whole = frames[0]
    groups = []
    for frame in frames:
        placed, group = Dataset(), Dataset()
        placed.ImagePositionPatient = frame.ImagePositionPatient
        group.PlanePositionSequence = Sequence([placed])
        groups.append(group)
    turned, sized, scaled, shared = Dataset(), Dataset(), Dataset(), Dataset()
    turned.ImageOrientationPatient = whole.ImageOrientationPatient
    sized.PixelSpacing, sized.SliceThickness = whole.PixelSpacing, whole.SliceThickness
    scaled.RescaleSlope, scaled.RescaleIntercept, scaled.RescaleType = (
        whole.RescaleSlope,
        whole.RescaleIntercept,
        "HU",
    )
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([turned]), Sequence([sized])
    shared.PixelValueTransformationSequence = Sequence([scaled])
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    whole.PerFrameFunctionalGroupsSequence = Sequence(groups)
    whole.PixelData = b"".join(frame.PixelData for frame in frames)
    whole.NumberOfFrames = len(frames)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(whole, keyword)
    whole.save_as(place)


@pytest.mark.requirement("G-IMG-01")
def test_an_enhanced_object_is_the_volume_of_its_frames(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s", make_volume(tilt=12.0))
    single = read_images(tmp_path / "s").volume
    _enhanced(paths, tmp_path / "enhanced")
    multi = read_images(tmp_path / "enhanced").volume
    assert np.array_equal(single.voxels, multi.voxels)
    assert np.allclose(single.positions, multi.positions)
    assert single.spacing_ij == multi.spacing_ij
    assert multi.tilt_degrees == pytest.approx(12.0, abs=0.01)


@pytest.mark.requirement("G-IMG-01")
def test_a_lossless_syntax_changes_nothing(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "s")
    plain = read_images(tmp_path / "s").volume
    for path in paths:
        dataset = dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    packed = read_images(tmp_path / "s").volume
    assert packed.acquisition.transfer_syntax == RLELossless
    assert not packed.acquisition.lossy
    assert np.array_equal(plain.voxels, packed.voxels)


@pytest.mark.requirement("G-IMG-01")
def test_a_fractional_slope_is_not_cut_off(tmp_path: Path) -> None:
    for path in make_series(tmp_path / "s"):
        set_stored(path, np.full((7, 5), 2001, np.int16), RescaleSlope="0.4885", RescaleIntercept="-1000")
    voxels = read_images(tmp_path / "s").volume.voxels
    assert voxels.dtype == np.float32
    assert voxels == pytest.approx(2001 * 0.4885 - 1000, abs=1e-3)
