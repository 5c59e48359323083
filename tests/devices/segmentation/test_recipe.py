"""Recipes: what they are as data, that they give the same mask again, and what is refused; how far two masks agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.imaging.storage import load_volume, save_mask, save_volume
from devices.segmentation.agreement import agreement
from devices.segmentation.base import SEGMENTERS, SegmentationRefused, volume_ml
from devices.segmentation.editing import editing_faults, open_to_people, refuse_beyond
from devices.segmentation.operations.base import made
from devices.segmentation.recipe import Abandoned, applied, read_steps, recipe_digest, segment
from mes.artefacts import ArtefactStore
from tests.devices.makers import small_skull
from tests.devices.segmentation.test_operations import MIDDLE, UNEVEN, ball, ball_ml, filled, off, stack

STEPS: list[dict[str, Any]] = [
    {"operation": "preset", "parameters": {"tissue": "bone"}},
    {"operation": "close", "parameters": {"radius_mm": 2.5}},
    {"operation": "keep_largest", "parameters": {}},
    {"operation": "cut", "parameters": {"through_mm": [[0, 0, -10]], "normal": [0.2, 0.1, 1]}},
    {"operation": "paint", "parameters": {"stroke_mm": [[36, 0, 0], [0, 36, 0]], "radius_mm": 4.0}},
    {"operation": "smooth", "parameters": {"sigma_mm": 1.5}},
    {"operation": "refine_edge", "parameters": {}},
]


def stored(mask: np.ndarray[Any, Any], folder: Path) -> str:
    """The digest that the record would have of a mask."""
    save_mask(mask, folder / "mask.npz")
    with (folder / "mask.npz").open("rb") as file:
        return ArtefactStore(folder / "store").put(file).sha256


@pytest.mark.requirement("G-SEG-01")
def test_the_record_of_a_recipe_gives_the_same_mask_bit_for_bit(tmp_path: Path) -> None:
    volume = small_skull()
    first = segment(volume, {"steps": STEPS})
    record = json.loads(json.dumps(dict(first.parameters)))
    save_volume(volume, tmp_path / "volume.npz")
    itk: Any = SimpleITK.ProcessObject
    threads = itk.GetGlobalDefaultNumberOfThreads()
    try:
        itk.SetGlobalDefaultNumberOfThreads(1)
        again = segment(load_volume(tmp_path / "volume.npz"), {"steps": record["steps"]})
    finally:
        itk.SetGlobalDefaultNumberOfThreads(threads)
    assert stored(again.mask, tmp_path) == stored(first.mask, tmp_path)
    assert again.parameters == record
    assert first.volume_ml == pytest.approx(volume_ml(volume, first.mask))
    assert record["recipe_sha256"] == recipe_digest(record["steps"])
    assert all(step["version"] == "1.0" for step in record["steps"])


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=5), st.integers(0, 4))
def test_a_recipe_is_the_same_in_one_go_and_step_by_step(chosen: list[dict[str, Any]], at: int) -> None:
    volume = small_skull(4.0)
    operations = read_steps(chosen)
    whole = applied(volume, operations)
    parted = applied(volume, operations[at:], start=applied(volume, operations[:at]))
    assert (whole == parted).all()


def test_each_step_is_told_and_nothing_more_is_done_once_nobody_waits() -> None:
    told: list[int] = []
    answers = iter([False, False, True])
    with pytest.raises(Abandoned):
        applied(
            small_skull(4.0),
            read_steps(STEPS),
            after=lambda done, mask: told.append(done),
            abandoned=lambda: next(answers),
        )
    assert told == [1, 2]


@pytest.mark.parametrize(
    ("_case", "parameters", "reason"),
    [
        ("none", {"steps": []}, "a list of 1 to 200 steps"),
        ("not given", {}, "a list of 1 to 200 steps"),
        ("too many", {"steps": STEPS * 40}, "a list of 1 to 200 steps"),
        ("text", {"steps": "bone"}, "a list of 1 to 200 steps"),
        ("no object", {"steps": ["bone"]}, "a step is no object"),
        ("no operation", {"steps": [{}]}, "no operation ''"),
        ("another version", {"steps": [STEPS[0] | {"version": "0.9"}]}, "at version 1.0 here, and the record asks for 0.9"),
        ("odd parameters", {"steps": [{"operation": "preset", "parameters": [1]}]}, "the parameters are no object"),
        ("nothing left", {"steps": [{"operation": "threshold", "parameters": {"lower_hu": 2900}}]}, "leaves only 0.000 mL"),
        ("unknown", {"steps": STEPS, "window": 1}, "unknown parameters: window"),
        ("minimum", {"steps": STEPS, "minimum_ml": -1}, "minimum_ml must be"),
        ("too little", {"steps": STEPS, "minimum_ml": 9000}, "the minimum is 9000 mL"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_or_gives_nothing_is_refused(
    _case: str, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SegmentationRefused, match=reason) as caught:
        SEGMENTERS["recipe"](small_skull(4.0), parameters)
    assert caught.value.cure


# --- what a master leaves open

EDITING: dict[str, Any] = {"threshold": {"lower_hu": [150.0, 700.0]}, "keep_seeded": {}}


def test_a_person_stays_within_the_operations_and_limits_of_the_master() -> None:
    refuse_beyond(EDITING, made("threshold", {"lower_hu": 150, "upper_hu": 30000}))
    with pytest.raises(SegmentationRefused, match="lower_hu is 149, and the master allows 150 to 700"):
        refuse_beyond(EDITING, made("threshold", {"lower_hu": 149}))
    with pytest.raises(SegmentationRefused, match="does not leave 'dilate' to a person"):
        refuse_beyond(EDITING, made("dilate", {}))


def test_what_is_open_is_offered_with_the_masters_limits() -> None:
    offered = {
        kind.name: {one.name: one for one in parameters} for kind, parameters in open_to_people(EDITING)
    }
    assert list(offered) == ["keep_seeded", "threshold"]
    assert offered["threshold"]["lower_hu"].limits == (150.0, 700.0)
    assert offered["threshold"]["lower_hu"].default == 226.0
    assert offered["threshold"]["upper_hu"].limits == (-1024.0, 32767.0)


@pytest.mark.parametrize(
    ("editing", "fault"),
    [
        ([], "editing is no object"),
        ({"sharpen": {}}, "no operation 'sharpen'"),
        ({"dilate": 3}, "limits of dilate are no object"),
        ({"dilate": {"sigma_mm": [1, 2]}}, "dilate has no number 'sigma_mm'"),
        ({"dilate": {"radius_mm": [2, 1]}}, "no pair within 0.1 to 50"),
        ({"dilate": {"radius_mm": [0, 1]}}, "no pair within 0.1 to 50"),
        ({"dilate": {"radius_mm": 1}}, "no pair within"),
    ],
)
def test_editing_that_names_what_there_is_not_is_found(editing: Any, fault: str) -> None:
    found = list(editing_faults(editing))
    assert len(found) == 1
    assert fault in found[0]


# --- how far two masks agree


@pytest.mark.parametrize(("steps", "tilt"), [((1.0,), 0.0), (UNEVEN, -18.5)])
def test_two_balls_agree_as_far_as_they_share_their_space(steps: tuple[float, ...], tilt: float) -> None:
    volume = stack(steps=steps, tilt=tilt)
    apart, radius = 4.0, 8.0
    measured = agreement(volume, ball(volume, radius), ball(volume, radius, off(apart, 0, 0)))
    common = np.pi * (4 * radius + apart) * (2 * radius - apart) ** 2 / 12 / 1000
    assert measured.dice == pytest.approx(common / ball_ml(radius), abs=0.02)
    assert measured.first_ml == pytest.approx(ball_ml(radius), rel=0.03)
    assert measured.distance_max_mm == pytest.approx(apart, abs=0.9)


def test_the_same_mask_agrees_wholly_and_an_empty_one_is_no_reading() -> None:
    volume = stack()
    body = ball(volume, 7.0)
    same = agreement(volume, body, body)
    assert (same.dice, same.distance_max_mm) == (1.0, 0.0)
    with pytest.raises(SegmentationRefused, match="empty"):
        agreement(volume, body, np.zeros_like(body))
    with pytest.raises(SegmentationRefused, match="another volume"):
        agreement(volume, body, body[1:])


def test_a_contrast_filled_vessel_is_told_from_the_bone_beside_it_by_a_seed() -> None:
    volume = stack(steps=UNEVEN)
    bone, vessel = ball(volume, 6.0, off(-9, 0, 0)), ball(volume, 4.0, off(7, 0, 0))
    scan = filled(filled(volume, bone, 500), vessel, 320)
    seed = [float(one) for one in MIDDLE + np.array([7.0, 0, 0])]
    found = segment(
        scan, {"steps": [{"operation": "grow", "parameters": {"seeds_mm": [seed], "lower_hu": 150, "upper_hu": 600}}]}
    )  # fmt: skip
    assert (found.mask == vessel).all()
