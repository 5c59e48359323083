"""Operations on masks against bodies whose volume and edges are known, on uneven, anisotropic and tilted stacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.base import SegmentationRefused, volume_ml
from devices.segmentation.operations.base import OPERATIONS, made
from devices.segmentation.space import Mask, blurred, dilated, eroded, labelled, room_around

UNEVEN = (0.6, 1.0, 1.7)
MIDDLE = np.array([10.0, -5.0, 100.0])


def stack(
    *, steps: tuple[float, ...] | list[float] = (1.0,), size: int = 44, slices: int = 36, tilt: float = 0.0
) -> Volume:
    """Air, 0.9 mm between columns and 0.7 mm between rows, centred on `MIDDLE`; the steps are repeated as often as needed."""
    heights = np.concatenate([[0.0], np.cumsum(np.resize(steps, slices - 1))])
    angle = np.radians(tilt)
    row, column = np.array([1.0, 0, 0]), np.array([0.0, np.cos(angle), np.sin(angle)])
    along = np.array([0.0, 0.0, 1.0])
    corner = -0.5 * (size - 1) * (0.9 * row + 0.7 * column) - along * heights[-1] / 2
    positions = MIDDLE + corner + heights[:, None] * along
    return Volume(np.full((slices, size, size), -1000, np.int16), positions, row, column, (0.9, 0.7))


def points_of(volume: Volume) -> NDArray[np.float64]:
    return volume.to_patient(np.argwhere(np.ones(volume.shape, bool))).reshape(*volume.shape, 3)


def off(x: float, y: float, z: float) -> NDArray[np.float64]:
    """The point so far from the middle, mm."""
    return np.asarray(MIDDLE + np.array([x, y, z]))


def ball(volume: Volume, radius_mm: float, at: Any = MIDDLE) -> Mask:
    """The voxels whose centres lie in a ball."""
    inside: Mask = (np.linalg.norm(points_of(volume) - np.asarray(at), axis=-1) <= radius_mm).astype(np.uint8)
    return inside


def ball_ml(radius_mm: float) -> float:
    return float(4 / 3 * np.pi * radius_mm**3 / 1000)


def mean_radius(volume: Volume, mask: Mask) -> float:
    """The radius of the ball that has the volume of a mask, mm."""
    return float((volume_ml(volume, mask) * 3000 / (4 * np.pi)) ** (1 / 3))


def run(name: str, volume: Volume, mask: Mask | None = None, **values: Any) -> Mask:
    before = np.zeros(volume.shape, np.uint8) if mask is None else mask
    kept = before.copy()
    result = made(name, values).apply(volume, before)
    assert (before == kept).all(), f"{name} changed what it was given"
    assert result.dtype == np.uint8
    assert result.shape == volume.shape
    assert result.max(initial=0) <= 1
    assert not np.shares_memory(result, before)
    return result


def filled(volume: Volume, mask: Mask, hu: float) -> Volume:
    return replace(volume, voxels=np.where(mask, hu, volume.voxels).astype(np.int16))


@settings(max_examples=6, deadline=None)
@given(st.sampled_from([(1.0,), UNEVEN]), st.sampled_from([0.0, -18.5]), st.floats(1.0, 4.0))
def test_a_ball_grows_and_shrinks_by_millimetres_whatever_the_slices(
    steps: tuple[float, ...], tilt: float, radius: float
) -> None:
    volume = stack(steps=steps, tilt=tilt)
    inside = ball(volume, 9.0)
    grown, shrunk = dilated(volume, inside, radius), eroded(volume, inside, radius)
    for found, wanted in ((grown, 9 + radius), (shrunk, 9 - radius)):
        assert mean_radius(volume, found) == pytest.approx(wanted, abs=0.5)
    far = np.linalg.norm(points_of(volume) - MIDDLE, axis=-1)
    sideways = 0.6 if tilt else 1e-3
    assert far[grown == 1].max() <= 9 + radius + sideways
    assert far[(inside == 1) & (shrunk == 0)].min() >= 9 - radius - 1.7


def test_one_voxel_grows_to_exactly_those_within_the_radius() -> None:
    volume = stack(steps=UNEVEN)
    point = np.zeros(volume.shape, np.uint8)
    point[18, 20, 21] = 1
    apart = np.linalg.norm(points_of(volume) - points_of(volume)[18, 20, 21], axis=-1)
    assert (dilated(volume, point, 3.5) == (apart <= 3.5)).all()
    assert dilated(volume, point, 0.5).sum() == 1


def test_a_ball_on_a_tilted_stack_is_followed_through_its_shear_to_the_nearest_pixel() -> None:
    volume = stack(tilt=30.0)
    point = np.zeros(volume.shape, np.uint8)
    point[18, 22, 22] = 1
    apart = np.linalg.norm(points_of(volume) - points_of(volume)[18, 22, 22], axis=-1)
    grown, pixel = dilated(volume, point, 8.0) == 1, 0.5
    assert apart[grown].max() <= 8.0 + pixel
    assert grown[apart <= 8.0 - pixel].all()


def test_nothing_is_eroded_at_the_edge_of_the_images() -> None:
    volume = stack()
    half = np.zeros(volume.shape, np.uint8)
    half[:, :20] = 1
    found = run("erode", volume, half, radius_mm=2.0)
    assert (found[:, :17] == 1).all()
    assert not found[:, 18:].any()


def test_opening_cuts_a_bridge_and_keeps_the_balls() -> None:
    volume = stack()
    two = ball(volume, 7.0, off(-9, 0, 0)) | ball(volume, 7.0, off(9, 0, 0))
    points = points_of(volume) - MIDDLE
    bridge = (np.abs(points[..., 0]) < 9) & (np.hypot(points[..., 1], points[..., 2]) < 1.3)
    opened = run("open", volume, two | bridge.astype(np.uint8), radius_mm=2.0)
    assert labelled(two | bridge.astype(np.uint8))[1] == 1
    assert labelled(opened)[1] == 2
    assert volume_ml(volume, opened) == pytest.approx(2 * ball_ml(7), rel=0.03)


def test_closing_bridges_a_narrow_gap_and_not_the_edge_of_the_images() -> None:
    volume = stack()
    slabs = np.zeros(volume.shape, np.uint8)
    slabs[:, 4:16], slabs[:, 18:30] = 1, 1
    closed = run("close", volume, slabs, radius_mm=1.5)
    assert (closed[4:-4, 4:30, 4:-4] == 1).all()
    assert not closed[:, :4].any()
    assert not closed[:, 30:].any()


@pytest.mark.parametrize("tilt", [0.0, 16.5])
def test_a_threshold_and_its_combinations(tilt: float) -> None:
    volume = stack(tilt=tilt)
    outer, inner = ball(volume, 11.0), ball(volume, 6.0)
    volume = filled(filled(volume, outer, 400), inner, 1200)
    bone = run("threshold", volume, lower_hu=300, upper_hu=3000)
    assert volume_ml(volume, bone) == pytest.approx(ball_ml(11), rel=0.03)
    assert (
        run("threshold", volume, bone, lower_hu=1000, upper_hu=3000, combine="remove") == outer - inner
    ).all()
    assert (run("threshold", volume, bone, lower_hu=1000, upper_hu=3000, combine="within") == inner).all()
    assert (run("threshold", volume, inner, lower_hu=400, upper_hu=400, combine="add") == outer).all()
    assert (run("preset", volume, tissue="bone") == outer).all()
    assert not run("preset", volume, tissue="teeth").any()
    assert (run("preset", volume, tissue="skin") == outer).all()


def test_growing_takes_what_hangs_together_with_a_seed_and_says_where_none_would_grow() -> None:
    volume = stack(steps=UNEVEN, tilt=-18.5)
    left, right = ball(volume, 5.0, off(-8, 0, 0)), ball(volume, 5.0, off(8, 0, 0))
    volume = filled(volume, left | right, 300)
    seed = (off(-8, 0, 0)).tolist()
    assert (run("grow", volume, seeds_mm=[seed], lower_hu=200, upper_hu=400) == left).all()
    both = run("grow", volume, left, seeds_mm=[(off(8, 0, 0)).tolist()], lower_hu=200, combine="add")
    assert (both == left | right).all()
    with pytest.raises(SegmentationRefused, match="has -1000 HU, outside the window"):
        run("grow", volume, seeds_mm=[MIDDLE.tolist()])
    with pytest.raises(SegmentationRefused, match="outside the volume"):
        run("grow", volume, seeds_mm=[[900, 0, 0]])


def test_components_are_kept_by_size_by_seed_and_by_volume() -> None:
    volume = stack(steps=UNEVEN)
    big, middle, small = (
        ball(volume, radius, off(shift, 0, 0)) for radius, shift in ((6.0, -11), (4.0, 3), (1.5, 14))
    )
    every = big | middle | small
    assert (run("keep_largest", volume, every) == big).all()
    assert (run("keep_largest", volume, every, count=2) == big | middle).all()
    at = [(off(3, 0, 0)).tolist()]
    assert (run("keep_seeded", volume, every, seeds_mm=at) == middle).all()
    assert (run("keep_seeded", volume, every, seeds_mm=at, what="drop") == big | small).all()
    assert (run("remove_small", volume, every, minimum_ml=0.1) == big | middle).all()
    with pytest.raises(SegmentationRefused, match="does not lie in the mask"):
        run("keep_seeded", volume, every, seeds_mm=[(off(9, 9, 9)).tolist()])


def test_holes_are_filled_in_space_or_in_slices_up_to_a_volume() -> None:
    volume = stack()
    shell = ball(volume, 11.0) - ball(volume, 6.0)
    full = ball(volume, 11.0)
    assert (run("fill_holes", volume, shell) == full).all()
    assert (run("fill_holes", volume, shell, maximum_ml=0.5) == shell).all()
    pipe = shell.copy()
    pipe[:18] = 0
    assert (run("fill_holes", volume, pipe) == pipe).all()
    slices = run("fill_holes", volume, pipe, where="slices")
    assert (slices[18:] == full[18:]).all()
    assert not slices[:18].any()


def test_a_box_and_a_plane_cut_in_patient_coordinates() -> None:
    volume = stack(steps=UNEVEN, tilt=16.5)
    body, points = ball(volume, 10.0), points_of(volume)
    corners = [(off(9, -3, 4)).tolist(), (off(-4, 8, -9)).tolist()]
    relative = points - MIDDLE
    box = ((relative >= [-4, -3, -9]) & (relative <= [9, 8, 4])).all(axis=-1)
    assert (run("crop", volume, body, corners_mm=corners) == body * box).all()
    assert (run("crop", volume, body, corners_mm=corners, what="drop") == body * ~box).all()
    plane: dict[str, Any] = {"through_mm": [MIDDLE.tolist()], "normal": [1.0, 2.0, -1.0]}
    ahead, behind = run("cut", volume, body, **plane), run("cut", volume, body, **plane, keep="behind")
    assert (ahead == body * (relative @ [1, 2, -1] >= 0)).all()
    assert (ahead + behind == body).all()


def test_streaks_go_and_bone_and_metal_stay() -> None:
    volume = stack(steps=(2.0,), slices=20, size=80)
    points = points_of(volume) - MIDDLE
    bone, metal = ball(volume, 9.0, off(12, 0, 0)), ball(volume, 2.5, off(-10, 0, 0))
    streaks = (np.abs(points[..., 1]) < 0.5) & (np.abs(points[..., 2]) < 0.5) & (points[..., 0] < -13)
    volume = filled(filled(filled(volume, bone, 900), streaks, 900), metal, 4000)
    mask = run("threshold", volume, lower_hu=300, upper_hu=32000)
    assert mask[streaks].all()
    cleaned = run("metal_cleanup", volume, mask, streak_mm=2.0)
    assert not cleaned[streaks].any()
    assert cleaned[metal == 1].all()
    assert volume_ml(volume, cleaned & bone) == pytest.approx(volume_ml(volume, bone), rel=0.03)
    without = run("metal_cleanup", volume, mask, streak_mm=2.0, metal="remove")
    assert not without[metal == 1].any()
    near = run("metal_cleanup", volume, mask, streak_mm=2.0, reach_mm=1.0)
    assert (near[:, :, 44:] == mask[:, :, 44:]).all()
    assert (run("metal_cleanup", volume, mask, metal_hu=5000) == mask).all()


@pytest.mark.parametrize("steps", [(1.0,), UNEVEN])
def test_smoothing_takes_specks_away_and_keeps_the_volume(steps: tuple[float, ...]) -> None:
    volume = stack(steps=steps)
    chance = np.random.default_rng(4)
    body = ball(volume, 10.0)
    noisy = body ^ (chance.random(volume.shape) < 0.04).astype(np.uint8)
    smooth = run("smooth", volume, noisy, sigma_mm=1.0)
    assert labelled(noisy)[1] > 500
    assert labelled(smooth)[1] == 1
    assert volume_ml(volume, smooth) == pytest.approx(ball_ml(10), rel=0.03)
    assert np.count_nonzero(smooth ^ body) < 0.04 * body.sum()


def test_a_stroke_is_a_line_of_balls_in_millimetres() -> None:
    volume = stack(steps=UNEVEN, tilt=-18.5)
    start, end = off(-8, -2, -3), off(8, 2, 3)
    stroke: dict[str, Any] = {"stroke_mm": [start.tolist(), MIDDLE.tolist(), end.tolist()], "radius_mm": 3.0}
    line = end - start
    share = np.clip((points_of(volume) - start) @ line / (line @ line), 0, 1)
    near = np.linalg.norm(points_of(volume) - start - share[..., None] * line, axis=-1) <= 3.0
    painted = run("paint", volume, **stroke)
    assert (painted == near).all()
    assert not run("paint", volume, painted, **stroke, what="erase").any()
    dot = run("paint", volume, stroke_mm=[MIDDLE.tolist()], radius_mm=5.0)
    assert volume_ml(volume, dot) == pytest.approx(ball_ml(5), rel=0.06)
    assert not run("paint", volume, stroke_mm=[[800, 800, 800]], radius_mm=5.0).any()


@pytest.mark.parametrize("steps", [(1.0,), UNEVEN])
def test_the_edge_moves_to_where_the_image_has_it(steps: tuple[float, ...]) -> None:
    volume = stack(steps=steps)
    sharp = ball(volume, 10.0)
    room = room_around(volume, np.ones(volume.shape, np.uint8), 0.0)
    assert room is not None
    soft = blurred(room.stack, sharp.astype(np.float32), 1.2) * 2000 - 1000
    volume = replace(volume, voxels=np.rint(soft).astype(np.int16))
    wide = run("threshold", volume, lower_hu=-700)
    refined = run("refine_edge", volume, wide, band_mm=2.5)
    half = mean_radius(volume, (volume.voxels >= 0).view(np.uint8))
    assert mean_radius(volume, wide) > half + 0.6
    assert mean_radius(volume, refined) == pytest.approx(half, abs=0.15)


def test_an_empty_mask_stays_empty_and_an_image_without_anything_is_no_fault() -> None:
    volume = stack()
    needed: dict[str, Any] = {
        "corners_mm": [[0, 0, 0], [1, 1, 1]],
        "through_mm": [[0, 0, 0]],
        "stroke_mm": [[0, 0, 0]],
    }
    for name, kind in OPERATIONS.items():
        if name in ("grow", "keep_seeded", "paint"):
            continue
        values: dict[str, Any] = {p.name: needed[p.name] for p in kind.declared() if p.name in needed}
        assert not run(name, volume, **values).any(), name


@pytest.mark.parametrize(
    ("_case", "name", "values", "reason"),
    [
        ("unknown", "sharpen", {}, "no operation 'sharpen'"),
        ("another's parameter", "dilate", {"sigma_mm": 1}, "has no parameter 'sigma_mm'"),
        ("too large", "dilate", {"radius_mm": 51}, "radius_mm must be a number from 0.1 to 50 mm"),
        ("not a number", "dilate", {"radius_mm": float("nan")}, "radius_mm must be a number"),
        ("truth", "dilate", {"radius_mm": True}, "radius_mm must be a number"),
        ("text", "smooth", {"sigma_mm": "1"}, "sigma_mm must be a number"),
        ("no choice", "preset", {"tissue": "brain"}, "tissue must be one of bone, teeth"),
        ("unhashable", "preset", {"tissue": ["bone"]}, "tissue must be one of"),
        ("no point", "grow", {}, "seeds_mm must be 1 to 100 points"),
        ("two numbers", "grow", {"seeds_mm": [[1, 2]]}, "three numbers, x, y and z"),
        ("far away", "grow", {"seeds_mm": [[1, 2, 1e6]]}, "three numbers"),
        ("one corner", "crop", {"corners_mm": [[1, 2, 3]]}, "corners_mm must be 2 points"),
        (
            "no direction",
            "cut",
            {"through_mm": [[1, 2, 3]], "normal": [0, 0, 0]},
            "a direction that is not zero",
        ),
        (
            "upside down",
            "threshold",
            {"lower_hu": 300, "upper_hu": 200},
            "the window of 300 to 200 HU is empty",
        ),
    ],
)
def test_parameters_out_of_their_limits_are_refused_with_the_reason(
    _case: str, name: str, values: dict[str, Any], reason: str
) -> None:
    volume = stack(slices=4, size=6)
    with pytest.raises(SegmentationRefused, match=reason) as caught:
        made(name, values).apply(volume, np.zeros(volume.shape, np.uint8))
    assert caught.value.cure


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(SegmentationRefused) as caught:
        made("paint", {"radius_mm": -1, "what": "blur", "colour": "red"})
    assert len(caught.value.reasons) == 4


def test_every_operation_is_declared_with_units_limits_and_words() -> None:
    assert len(OPERATIONS) == 17
    for name, kind in OPERATIONS.items():
        assert kind.version.count(".") == 1, name
        assert kind.does().endswith("."), name
        for parameter in kind.declared():
            assert parameter.label, (name, parameter.name)
            if parameter.kind == "number":
                low, high = parameter.limits
                assert low <= parameter.default <= high, (name, parameter.name)
                assert parameter.unit or parameter.name == "count", (name, parameter.name)
