"""G-LAT-01: which side of the patient a design lies on, where the images hold the whole bone and where they do not."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices.choices import Side
from devices.imaging.base import Volume
from devices.imaging.storage import save_volume
from devices.mesh.base import Mesh
from devices.mesh.io import write_stl
from devices.mesh.midline import mirror_plane
from devices.mesh.surface import Smoothing, surface_of_mask
from devices.models import Design, Device, Order
from devices.segmentation.base import SEGMENTERS
from devices.selectors.devices import devices
from devices.services.designs import DesignMade, NotDesigned, record_design, request_design, review_design
from devices.services.generating import compute_design
from devices.services.laterality import lateral_margins_mm, side_faults
from devices.services.lifecycle import check_transition
from mes.choices import Role
from mes.demo.dataset import analytic_head_phantom
from mes.exceptions import InvalidInput
from mes.services.artefacts import store_artefact
from tests.devices.makers import (
    GUIDE_VALUES,
    Staff,
    lying,
    make_design,
    make_master,
    make_order,
    make_person,
    make_planned,
    make_segmentation,
    make_study,
    small_skull,
)

RIGHT = GUIDE_VALUES["landmark_mm"]
COLUMNS = 49
ACROSS_MM = 27
"""Voxels of the small skull from the right that a cut leaves: 4 mm beyond its middle."""


@pytest.fixture(autouse=True)
def artefacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"


def cropped(volume: Volume, first: int, last: int) -> Volume:
    """The columns from first to last, as somebody exports a part of a series."""
    positions = volume.positions + first * volume.spacing_ij[0] * volume.row_direction
    voxels: Any = np.ascontiguousarray(volume.voxels[:, :, first:last])
    return dataclasses.replace(volume, voxels=voxels, positions=positions)


def _bone(whole: bool) -> tuple[Volume, Mesh]:
    return skull_of_columns(0, COLUMNS if whole else ACROSS_MM)


@cache
def skull_of_columns(first: int, last: int) -> tuple[Volume, Mesh]:
    return bone_of(cropped(small_skull(), first, last))


@cache
def phantom() -> Mesh:
    """The head phantom of every other voxel: its sides differ by what is far larger."""
    fine = analytic_head_phantom()
    coarse = dataclasses.replace(
        fine,
        voxels=fine.voxels[::2, ::2, ::2].copy(),
        positions=fine.positions[::2],
        spacing_ij=(2.0 * fine.spacing_ij[0], 2.0 * fine.spacing_ij[1]),
    )
    return bone_of(coarse)[1]


def bone_of(volume: Volume) -> tuple[Volume, Mesh]:
    parameters = {"lower_hu": 300.0, "upper_hu": 3071.0}
    mask = SEGMENTERS["bone_threshold"](volume, parameters).mask
    surface = surface_of_mask(
        volume, mask, level=299.5, smoothing=Smoothing(), tolerance_mm=0.05, samples=1000
    )
    return volume, surface.mesh


def ready(staff: Staff, tmp_path: Path, *, whole: bool, **fields: Any) -> Device:
    """A planned device with images of the small skull, whole or cut beyond its middle."""
    device, (volume, mesh) = make_planned(staff, **fields), _bone(whole)
    study = make_study(device, staff)
    save_volume(volume, tmp_path / "volume.npz")
    study.volume = store_artefact(tmp_path / "volume.npz", media_type="application/x-npz")
    study.save()
    surface = store_artefact(write_stl(mesh), media_type="model/stl")
    make_segmentation(device, staff, surface=surface)
    return device


def made(device: Device, staff: Staff, **values: Any) -> DesignMade | NotDesigned:
    design = request_design(
        device_id=device.pk, values={**GUIDE_VALUES, "extent_mm": 9.0, **values}, actor=staff[Role.DSN].actor
    )
    outcome = compute_design(design.pk)
    record_design(design_id=design.pk, outcome=outcome)
    return outcome


def said(outcome: DesignMade | NotDesigned) -> str:
    assert isinstance(outcome, NotDesigned)
    return " ".join(reason["text"] + " " + reason["cure"] for reason in outcome.reasons)


def blocking(device: Device) -> dict[str, str]:
    results = check_transition(devices().get(pk=device.pk), "freeze_design")
    return {result.gate: f"{result.reason} {result.cure}" for result in results if not result.passed}


# --- the plane


@pytest.mark.requirement("G-LAT-01")
def test_the_middle_is_the_symmetry_of_the_skull_and_not_the_middle_of_its_box() -> None:
    """The phantom's box is not symmetric: one side has more on it."""
    mesh = phantom()
    box = (mesh.vertices[:, 0].min() + mesh.vertices[:, 0].max()) / 2
    middle = mirror_plane(mesh)
    assert abs(box) > 1.0
    assert middle.offset_mm == pytest.approx(0.0, abs=0.3)
    assert middle.normal[0] == pytest.approx(1.0, abs=1e-3)
    assert (middle.matched > 0.95, middle.uncertainty_mm < 1.0) == (True, True)


@pytest.mark.requirement("G-LAT-01")
def test_a_turned_and_shifted_skull_keeps_its_middle() -> None:
    mesh = phantom()
    turn = np.radians(8.0)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    moved = Mesh(mesh.vertices @ matrix.T + [37.0, -11.0, 5.0], mesh.faces)
    middle = mirror_plane(moved)
    left = matrix @ [30.0, 20.0, 0.0] + [37.0, -11.0, 5.0]
    assert middle.lateral_mm(left[None])[0] == pytest.approx(30.0, abs=0.7)


@pytest.mark.requirement("G-LAT-01")
def test_a_bone_that_lost_a_side_is_not_its_own_mirror_image() -> None:
    assert mirror_plane(_bone(False)[1]).matched < 0.7


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(
    ("first", "last", "cut"), [(0, COLUMNS, ""), (0, ACROSS_MM, "left"), (22, COLUMNS, "right")]
)
@pytest.mark.parametrize("flipped", [False, True])
def test_where_the_images_cut_the_bone_is_told_by_side(
    first: int, last: int, cut: str, flipped: bool
) -> None:
    """Also where the columns run from left to right, as in images that were turned."""
    volume, mesh = skull_of_columns(first, last)
    if flipped:
        span = volume.spacing_ij[0] * (volume.shape[2] - 1) * volume.row_direction
        voxels: Any = np.ascontiguousarray(volume.voxels[::-1, :, ::-1])
        volume = dataclasses.replace(
            volume,
            voxels=voxels,
            positions=volume.positions[::-1] + span,
            row_direction=-volume.row_direction,
        )
    left, right = lateral_margins_mm(volume, mesh)
    assert [side for side, margin in (("left", left), ("right", right)) if margin < 1.0] == [cut] * bool(cut)


# --- what is made


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
def test_a_landmark_on_the_left_of_what_is_left_of_a_right_half_is_not_the_patients_left(
    tmp_path: Path,
) -> None:
    staff = Staff()
    device = ready(staff, tmp_path, whole=False, side="left")
    outcome = made(device, staff, landmark_mm=[-9.0, 0.0, 38.9])
    assert "The images cut the bone on the patient's left" in said(outcome)
    assert "midline_x_mm" in said(outcome)
    assert "G-LAT-01" in blocking(device)


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
def test_a_given_middle_judges_a_cut_bone_and_needs_the_reviewer(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path, whole=False, side="right")
    assert "the patient's middle cannot be found" in said(made(device, staff))
    outcome = made(device, staff, midline_x_mm=0.0)
    assert isinstance(outcome, DesignMade), said(outcome)
    design = Design.objects.latest("pk")
    assert design.values["midline_x_mm"] == 0.0
    assert "the author's word: x = 0 mm" in design.warnings[-1]
    assert "prescribes 'drill depth 12 mm'; no value of the design is bound to it" in design.warnings[-2]
    assert design.measures["lateral_high_mm"] < -2.0
    assert "nobody confirmed it" in blocking(device)["G-LAT-01"]
    second = make_person(Role.DSN)
    review_design(device_id=device.pk, actor=second.actor, credentials=second.typed())
    assert "G-LAT-01" not in blocking(device)


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(("side", "middle", "text"), [
    ("left", 0.0, "lies on the patient's right"), ("right", 300.0, "outside the images"),
])  # fmt: skip
def test_a_given_middle_does_not_make_a_wrong_side_right(
    tmp_path: Path, side: str, middle: float, text: str
) -> None:
    staff = Staff()
    device = ready(staff, tmp_path, whole=False, side=side)
    assert text in said(made(device, staff, midline_x_mm=middle))


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
def test_a_given_middle_may_not_contradict_a_whole_bone(tmp_path: Path) -> None:
    staff = Staff()
    device = ready(staff, tmp_path, whole=True, side="left")
    assert "from the bone's plane of symmetry" in said(made(device, staff, midline_x_mm=-46.0))


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(("side", "own", "others"), [
    ("right", RIGHT, [([28.0, 0.0, 28.0], "lies on the patient's left")]),
    ("left", [28.0, 0.0, 28.0], [(RIGHT, "lies on the patient's right"),
        ([0.1, 0.0, 40.0], "crosses the patient's middle"), ([5.0, 0.0, 39.7], "crosses the patient's middle")]),
])  # fmt: skip
def test_a_design_is_made_on_the_ordered_side_alone(tmp_path: Path, side: str, own: Any, others: Any) -> None:
    staff = Staff()
    device = ready(staff, tmp_path, whole=True, side=side)
    for landmark, text in others:
        refusal = said(made(device, staff, landmark_mm=landmark))
        assert text in refusal
        assert f"on the {side} side of the patient" in refusal
        assert "right side." not in refusal
    outcome = made(device, staff, landmark_mm=own)
    assert isinstance(outcome, DesignMade), said(outcome)


# --- the gate


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(("wanted", "measures", "text"), [
    ("left", lying(40.0), ""), ("right", lying(-40.0), ""),
    ("right", lying(40.0), "its centre 40.0 mm from the middle"),
    ("left", lying(0.007), "crosses the patient's middle, reaching 10.0 mm onto the right"),
    ("left", lying(9.0), "crosses"), ("left", lying(11.0), "comes within 1.0 mm"), ("left", lying(12.5), ""),
    ("left", lying(12.5, midline_uncertainty_mm=3.0), "known to 3.0 mm"),
    ("left", lying(40.0, bone_to_right_edge_mm=0.2), "cut the bone on the patient's right"),
    ("left", lying(40.0, midline_matched_share=0.6), "60%"),
    ("left", {"lateral_offset_mm": 40.0}, "not known"),
])  # fmt: skip
def test_the_side_is_known_with_its_uncertainty_or_not_at_all(
    wanted: str, measures: dict[str, float], text: str
) -> None:
    faults = " ".join(fault.text for fault in side_faults(wanted, measures, given=False))
    assert (text in faults) if text else not faults


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
def test_the_gate_judges_the_stored_measures_again() -> None:
    staff = Staff()
    device = make_planned(staff, side="left")
    make_study(device, staff)
    make_segmentation(device, staff)
    make_design(device, staff, measures={"minimum_wall_mm": 1.5, **lying(0.007)})
    assert "request a design on the left side of the patient" in blocking(device)["G-LAT-01"]


# --- the order


@pytest.mark.django_db
@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize("side", [Side.NONE, Side.BILATERAL])
def test_the_master_says_for_which_sides_it_is_made(side: str) -> None:
    make_master()
    before = Order.objects.count()
    with pytest.raises(InvalidInput, match="not made for the side") as refused:
        make_order(side=side)
    assert refused.value.reasons[0].rule == "G-LAT-01"
    assert "left, right" in refused.value.reasons[0].cure
    assert Order.objects.count() == before
