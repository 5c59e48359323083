"""Bone by threshold: what is kept, what is filled, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.imaging.base import Volume
from devices.segmentation.base import SEGMENTERS, SegmentationRefused
from devices.segmentation.bone import segment
from mes.demo.dataset import analytic_head_phantom


def _ball(radius_mm: float = 14.0, *, steps: list[float] | None = None, tilt: float = 0.0) -> Volume:
    """A ball of 1000 HU in air, sampled where each voxel really lies."""
    heights = np.concatenate([[0.0], np.cumsum(steps or [1.0] * 35)])
    positions = np.stack([np.zeros_like(heights), np.zeros_like(heights), heights], axis=1)
    angle = np.radians(tilt)
    column = np.array([0.0, np.cos(angle), np.sin(angle)])
    shape = (len(heights), 40, 40)
    volume = Volume(np.zeros(shape, np.int16), positions, np.array([1.0, 0, 0]), column, (0.9, 0.9))
    points = volume.to_patient(np.argwhere(np.ones(shape, bool)))
    inside = np.linalg.norm(points - points.mean(axis=0), axis=1) <= radius_mm
    return replace(volume, voxels=np.where(inside, 1000, -1000).astype(np.int16).reshape(shape))


def test_it_is_found_by_name_and_says_what_it_is() -> None:
    result = SEGMENTERS["bone_threshold"](_ball(), {"lower_hu": 300})
    assert (result.tool.name, result.tool.validation_status) == ("bone_threshold", "research_only")
    assert result.parameters["lower_hu"] == 300
    assert result.mask.dtype == np.uint8
    assert result.components_found == 1


@settings(max_examples=15, deadline=None)
@given(
    st.floats(8, 13), st.floats(-20, 20), st.lists(st.sampled_from([0.6, 1.0, 1.7]), min_size=42, max_size=42)
)
def test_a_balls_volume_is_right_whatever_the_slices(radius: float, tilt: float, steps: list[float]) -> None:
    result = segment(_ball(radius, steps=steps, tilt=tilt), {})
    assert result.volume_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.04)


def _two_blocks() -> Volume:
    volume = _ball()
    voxels = np.full(volume.shape, -1000, np.int16)
    voxels[5:15, 5:15, 5:15] = 800
    voxels[5:10, 25:30, 25:30] = 800
    voxels[8:11, 8:11, 8:11] = -1000
    return replace(volume, voxels=voxels)


def test_the_largest_component_is_kept_and_its_cavity_filled() -> None:
    result = segment(_two_blocks(), {})
    assert result.components_found == 2
    assert result.mask.sum() == 1000
    assert result.mask[9, 9, 9] == 1
    assert result.component_ml == pytest.approx((973 * 0.81e-3, 125 * 0.81e-3))
    assert segment(_two_blocks(), {"fill_holes": False}).mask.sum() == 973


@pytest.mark.parametrize("index", [(7, 27, 27), (7, 33, 27)])
def test_a_seed_chooses_the_nearest_component(index: tuple[int, int, int]) -> None:
    volume = _two_blocks()
    seed = tuple(volume.to_patient([index])[0])
    assert segment(volume, {"seed_mm": seed}).mask.sum() == 125


def test_touching_by_an_edge_is_not_being_connected() -> None:
    volume = _ball()
    voxels = np.full(volume.shape, -1000, np.int16)
    voxels[5:10, 5:10, 5:10] = voxels[5:10, 10:14, 10:14] = 800
    result = segment(replace(volume, voxels=voxels), {"minimum_ml": 0})
    assert (result.components_found, result.mask.sum()) == (2, 125)


def test_both_ends_of_the_window_are_included() -> None:
    volume = _ball()
    voxels = np.full(volume.shape, -1000, np.int16)
    voxels[5, 5, 5:9] = [225, 226, 3071, 3072]
    assert segment(replace(volume, voxels=voxels), {"minimum_ml": 0}).mask.sum() == 2


@pytest.mark.parametrize(
    ("_case", "parameters", "reason"),
    [
        ("nothing there", {"lower_hu": 2000}, "no voxel lies between 2000 and 3071 HU"),
        ("too small", {"minimum_ml": 500}, "below the minimum of 500 mL"),
        ("backwards", {"lower_hu": 500, "upper_hu": 400}, "must ascend"),
        ("out of limits", {"lower_hu": -5000}, "must ascend within -1024"),
        ("not a number", {"lower_hu": float("nan")}, "finite"),
        ("text", {"lower_hu": "226"}, "finite"),
        ("unknown", {"threshold": 226}, "unknown parameters: threshold"),
        ("seed of two", {"seed_mm": (1, 2)}, "three finite numbers"),
        ("seed elsewhere", {"seed_mm": (9000, 0, 0)}, "outside the volume"),
        ("flag", {"fill_holes": "yes"}, "true or false"),
    ],
)
def test_a_result_that_cannot_be_is_refused_with_the_reason(
    _case: str, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SegmentationRefused, match=reason) as caught:
        segment(_ball(), parameters)
    assert caught.value.cure


def test_a_gap_inside_the_window_is_empty_and_says_so() -> None:
    volume = replace(_ball(), voxels=np.where(_ball().voxels > 0, 3500, -1000).astype(np.int16))
    with pytest.raises(SegmentationRefused, match="no voxel lies"):
        segment(volume, {})


def test_the_phantoms_skull_is_hollow_and_marked_on_the_left() -> None:
    volume = analytic_head_phantom()
    result = segment(volume, {})
    points = volume.to_patient(np.argwhere(result.mask))
    assert 700 < result.volume_ml < 1000
    assert points[:, 0].max() > 78 > -points[:, 0].min()
    middle = tuple(np.rint(volume.to_indices([(0, 0, 0)])[0]).astype(int))
    assert result.mask[middle] == 0
