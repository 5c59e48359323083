"""A plan is carried out in stages that no limit forbids; every mould is closed; what would collide is refused by tooth and depth."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from devices.generators.base import DesignRefused
from devices.generators.dental.arch_model import label_plate
from devices.generators.dental.frames import Landmarks, occlusal_frame, tooth_frames
from devices.generators.dental.poses import pose
from devices.generators.dental.series import Series, SeriesLimits, StageMould, make_mould, prepare_series
from devices.generators.dental.teeth import LabelledScan, checked_scan
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.rims import capped, rims
from devices.mesh.solid import mesh_of
from devices.planning.fdi import along_arch, neighbours
from devices.planning.movements import STRATEGIES, Movement, Treatment, read_treatment
from devices.planning.staging import ORDERS, StepLimits, stage_treatment
from mes.exceptions import InvalidInput, Reason
from tests.devices.generators.arches import analytic_arch, mirrored

ROW = (43, 42, 41, 31, 32, 33)
LINES = ("2", "D12")
PLAN: dict[str, Any] = {
    "movements": {
        "41": {"buccal_mm": 0.5, "rotation_deg": 3.0},
        "33": {"torque_deg": 2.5, "occlusal_mm": 0.3},
    },
    "reductions": [{"teeth": [41, 42], "amount_mm": 0.2, "before_stage": 2}],
    "attachments": [{"tooth": 33, "mesial_mm": 0.0, "occlusal_mm": 2.0}],
}


@pytest.fixture(scope="module")
def scan() -> LabelledScan:
    return analytic_arch(ROW, gap_mm=0.5, spacing_mm=0.75)


@pytest.fixture(scope="module")
def series(scan: LabelledScan) -> Series:
    return prepared(scan, PLAN)


@pytest.fixture(scope="module")
def plain(scan: LabelledScan) -> Series:
    """Nothing but movements: each crown's surface is that of the scan."""
    return prepared(scan, {"movements": PLAN["movements"]})


@pytest.fixture(scope="module")
def moulded(series: Series) -> StageMould:
    return make_mould(series, 2, LINES)


def prepared(scan: LabelledScan, plan: Mapping[str, Any], **limits: Any) -> Series:
    return prepare_series(scan.mesh, scan.labels, read_treatment(plan, scan.teeth), SeriesLimits(**limits))


def test_teeth_stand_in_their_row_from_right_to_left() -> None:
    assert along_arch((31, 43, 41)) == (43, 41, 31)
    assert neighbours((17, 15, 14)) == ((17, 15), (15, 14))


@pytest.mark.parametrize("numbers", [(19, 11, 12), (11, 12, 41), ()], ids=["no tooth", "both arches", "none"])
def test_numbers_that_are_no_arch_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput):
        along_arch(numbers)


def test_axes_mean_the_same_on_both_sides(scan: LabelledScan) -> None:
    frames = tooth_frames(scan, occlusal_frame(scan))
    middle = scan.mesh.vertices[:, 0].mean()
    for right, left in ((43, 33), (42, 32), (41, 31)):
        for name in ("mesial", "buccal", "occlusal"):
            one, other = getattr(frames[right], name), getattr(frames[left], name)
            assert one == pytest.approx(other * (-1.0, 1.0, 1.0), abs=0.2), name
        assert frames[right].mesial[0] > 0 > frames[left].mesial[0]
        assert (frames[left].origin[0] - middle) * frames[left].buccal[0] > 0
        assert frames[right].buccal[1] < 0, "the front is anterior"


@pytest.mark.requirement("G-LAT-01")
def test_a_mirrored_scan_is_refused(scan: LabelledScan) -> None:
    wrong = mirrored(scan)
    with pytest.raises(DesignRefused, match="mirrored"):
        occlusal_frame(wrong)


def test_picked_landmarks_decide_the_axes(scan: LabelledScan) -> None:
    arch = occlusal_frame(scan)
    plain = tooth_frames(scan, arch)[42]
    picked = Landmarks(
        mesial=plain.origin + plain.mesial + 0.3 * plain.buccal,
        distal=plain.origin - plain.mesial - 0.3 * plain.buccal,
        occlusal=plain.origin + 6.0 * arch.axes[2],
    )
    frame = tooth_frames(scan, arch, {42: picked})[42]
    assert frame.occlusal == pytest.approx(arch.axes[2], abs=1e-6)
    assert float(frame.mesial @ plain.mesial) == pytest.approx(1 / np.hypot(1.0, 0.3), abs=0.03)


@pytest.mark.parametrize(
    ("name", "turned", "towards"),
    [
        ("rotation_deg", "mesial", "buccal"),
        ("tip_deg", "occlusal", "mesial"),
        ("torque_deg", "occlusal", "buccal"),
    ],
)
def test_an_angle_turns_what_it_says(scan: LabelledScan, name: str, turned: str, towards: str) -> None:
    for frame in tooth_frames(scan, occlusal_frame(scan)).values():
        placed = pose(frame, Movement(**{name: 10.0}))
        axis = placed.turn @ getattr(frame, turned)
        assert float(axis @ getattr(frame, towards)) == pytest.approx(np.sin(np.deg2rad(10.0)), abs=1e-9)
        assert placed.moved(frame.origin[None])[0] == pytest.approx(frame.origin)
        assert placed.back(placed.moved(frame.origin[None] + 3.0))[0] == pytest.approx(frame.origin + 3.0)


# --- the plan


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    "plan",
    [
        {"movements": {"99": {"buccal_mm": 1.0}}},
        {"movements": {"17": {"buccal_mm": 1.0}}},
        {"movements": {"41": {"sideways_mm": 1.0}}},
        {"movements": {"41": {"buccal_mm": float("nan")}}},
        {"movements": {"41": {"buccal_mm": 9.0}}},
        {"reductions": [{"teeth": [41, 32], "amount_mm": 0.2}]},
        {"reductions": [{"teeth": [41, 31], "amount_mm": 0.6}]},
        {"reductions": [{"teeth": [41, 31], "amount_mm": 0.2, "before_stage": 0}]},
        {"attachments": [{"tooth": 41}]},
        {"attachments": [{"tooth": 41, "mesial_mm": 0.0, "occlusal_mm": 2.0, "width_mm": 50.0}]},
        {"wishes": []},
        {"strategy": "at_once"},
    ],
    ids=lambda plan: str(plan)[:60],
)  # fmt: skip
def test_a_plan_that_cannot_be_meant_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_treatment(plan, ROW)


def test_equal_plans_have_one_form() -> None:
    again = {**PLAN, "movements": {**dict(reversed(PLAN["movements"].items())), "32": {"tip_deg": 0.0}}}
    one, other = read_treatment(PLAN, ROW).canonical(), read_treatment(again, ROW).canonical()
    assert one == other
    assert list(one["movements"]) == ["33", "41"]
    assert read_treatment(one, ROW).canonical() == one


movements = st.builds(Movement, *[st.floats(-1.0, 1.0)] * 3, *[st.floats(-8.0, 8.0)] * 3)


@pytest.mark.requirement("G-DES-01")
@settings(max_examples=25)
@given(
    plan=st.dictionaries(st.sampled_from(ROW), movements, min_size=1),
    strategy=st.sampled_from(STRATEGIES),
)
def test_no_tooth_passes_its_limit_and_every_tooth_arrives(plan: dict[int, Movement], strategy: str) -> None:
    treatment = dataclasses.replace(read_treatment({}, ROW), movements=plan, strategy=strategy)
    if all(LIMITS.steps(one) == 0 for one in plan.values()):
        return
    staging = stage_treatment(treatment, LIMITS)
    for row in staging.table():
        assert row["translation_mm"] <= LIMITS.translation_mm + 1e-6
        assert row["rotation_deg"] <= LIMITS.rotation_deg + 1e-6
    last = staging.at(staging.count)
    assert {tooth: one for tooth, one in plan.items() if LIMITS.steps(one)} == last
    assert set(staging.at(0).values()) <= {Movement()}


LIMITS = StepLimits()


@pytest.mark.parametrize(
    ("strategy", "windows"),
    [
        ("front_first", {43: (0, 2), 46: (2, 5)}),
        ("back_first", {46: (0, 3), 43: (3, 5)}),
        ("together", {43: (0, 3), 46: (0, 3)}),
        ("each_at_its_pace", {43: (0, 2), 46: (0, 3)}),
    ],
)
def test_a_strategy_says_which_teeth_set_off_when(strategy: str, windows: dict[int, tuple[int, int]]) -> None:
    plan = {"movements": {"43": {"buccal_mm": 0.5}, "46": {"mesial_mm": 0.75}}, "strategy": strategy}
    assert stage_treatment(read_treatment(plan, (43, 44, 46)), LIMITS).windows == windows
    assert set(ORDERS) == set(STRATEGIES)


@pytest.mark.parametrize("plan", [{}, {"movements": {"43": {"buccal_mm": 1.0}}, "reductions": [{"teeth": [43, 42], "amount_mm": 0.2, "before_stage": 9}]}], ids=["nothing", "reduced after the end"])  # fmt: skip
def test_a_plan_without_a_series_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        stage_treatment(read_treatment(plan, ROW), LIMITS)


# --- the scan


@pytest.mark.parametrize("fault", ["labels", "one tooth", "no gum", "pieces", "closed", "hole", "cut"])
def test_a_scan_that_makes_no_model_is_refused(scan: LabelledScan, fault: str) -> None:
    mesh, labels = scan.mesh, scan.labels
    above = mesh.vertices[:, 2][mesh.faces].min(axis=1) > mesh.vertices[:, 2].mean()
    changed: dict[str, tuple[Mesh, Any]] = {
        "labels": (mesh, labels[1:]),
        "one tooth": (mesh, np.where(labels == 41, 41, 0)),
        "no gum": (mesh, np.full_like(labels, 41)),
        "pieces": (Mesh(mesh.vertices, mesh.faces[above]), labels),
        "closed": (Mesh(*_closed(mesh)), np.append(labels, 0)),
        "hole": (Mesh(mesh.vertices, mesh.faces[~_top(mesh, labels, 41)]), labels),
        "cut": (
            Mesh(
                mesh.vertices,
                mesh.faces[mesh.vertices[mesh.faces].min(axis=1)[:, 0] > _middle_of(mesh, labels, 43)],
            ),
            labels,
        ),
    }
    given_mesh, given_labels = changed[fault]
    with pytest.raises(InvalidInput):
        prepare_series(given_mesh, given_labels, read_treatment(PLAN, ROW), SeriesLimits())


def _closed(mesh: Mesh) -> tuple[Any, Any]:
    whole = capped(mesh, rims(mesh.faces)[0])
    return whole.vertices, whole.faces


def _top(mesh: Mesh, labels: Any, tooth: int) -> Any:
    """The faces within 5 mm of a crown's highest vertex."""
    own = np.flatnonzero(labels == tooth)
    seed = mesh.vertices[own[np.argmax(mesh.vertices[own, 2])]]
    return (np.linalg.norm(mesh.vertices[mesh.faces] - seed, axis=2) < 5.0).any(axis=1)


def _middle_of(mesh: Mesh, labels: Any, tooth: int) -> float:
    return float(mesh.vertices[labels == tooth, 0].mean())


def test_a_speck_that_was_not_scanned_is_closed_and_said(scan: LabelledScan) -> None:
    gum = np.flatnonzero((scan.labels[scan.mesh.faces] == 0).all(axis=1))
    heights = scan.mesh.vertices[scan.mesh.faces[gum]].mean(axis=1)[:, 2]
    speck = gum[np.argsort(heights)[len(gum) // 2]]
    holed = Mesh(scan.mesh.vertices, np.delete(scan.mesh.faces, speck, axis=0))
    found = prepare_series(holed, scan.labels, read_treatment(PLAN, ROW), SeriesLimits())
    assert any("was closed by a flat patch" in text for text in found.warnings)


def test_stray_labels_become_gum(scan: LabelledScan) -> None:
    labels = scan.labels.copy()
    far = np.argsort(scan.mesh.vertices[:, 2])[:200]
    labels[far] = 41
    tidy, warnings = checked_scan(scan.mesh, labels)
    assert (tidy.labels[far] == 0).all()
    assert any("tooth 41" in text.lower() for text in warnings)


# --- collisions


@pytest.mark.requirement("G-DES-01")
def test_teeth_that_would_run_into_each_other_are_refused_by_number_stage_and_depth(
    scan: LabelledScan, series: Series
) -> None:
    plan = {"movements": {"41": {"mesial_mm": 1.0}, "31": {"mesial_mm": 0.5}}}
    with pytest.raises(InvalidInput) as refusal:
        prepared(scan, plan)
    (reason,) = refusal.value.reasons
    assert "41 and 31" in reason.text
    assert "at stage 4" in reason.text
    depth = float(reason.text.split(" mm at stage")[0].rsplit(" ", 1)[1])
    (gap,) = (-one.depth_mm for one in series.contacts if one.stage == 0 and one.teeth == (41, 31))
    assert depth == pytest.approx(1.5 - gap, abs=0.25)


def test_a_reduction_makes_the_room_that_the_same_movement_needs(scan: LabelledScan, series: Series) -> None:
    start = {one.teeth: one.depth_mm for one in series.contacts if one.stage == 0}
    move = {"movements": {"41": {"mesial_mm": round(-start[41, 31] + 0.3, 3)}}}
    with pytest.raises(DesignRefused, match="41 and 31"):
        prepared(scan, move)
    cut = {**move, "reductions": [{"teeth": [41, 31], "amount_mm": 0.4}]}
    assert prepared(scan, cut).contacts[-1].depth_mm <= SeriesLimits().overlap_mm


# --- the moulds


def test_a_mould_is_closed_flat_below_and_as_high_as_asked(series: Series, moulded: StageMould) -> None:
    made = moulded
    stored = check_mesh(read_mesh(write_stl(made.mesh)))
    assert stored.sound, stored.problems
    assert made.measures["flat_bottom_mm2"] > 400.0
    lowest_gum = series.gum.mesh.vertices[:, 2].min()
    assert series.base.foot <= lowest_gum + 6.0 - series.limits.base.height_mm
    assert made.measures["crown_p95_mm"] < 0.02
    assert made.measures["wall_p01_mm"] >= series.limits.minimum_wall_mm


def test_the_mould_of_stage_nought_is_the_scan(plain: Series, scan: LabelledScan) -> None:
    surface = Surface(make_mould(plain, 0, LINES).mesh)
    crowns = scan.mesh.vertices[scan.labels != 0]
    assert np.quantile(surface.unsigned(crowns), 0.97) < 0.05


def test_each_crown_stands_where_the_plan_has_it(plain: Series) -> None:
    """Measured on the mould: crown 41 lies on its planned place, and not on its old one."""
    surface = Surface(make_mould(plain, plain.staging.count, LINES).mesh)
    local = plain.teeth[41].crown.vertices
    planned = plain.arch.to_patient(plain.poses(plain.staging.count)[41].moved(local))
    assert np.quantile(surface.unsigned(planned), 0.97) < 0.05
    assert np.quantile(surface.unsigned(plain.arch.to_patient(local)), 0.9) > 0.3


def test_the_gum_follows_and_fades(series: Series) -> None:
    moved = series.poses(series.staging.count)
    still, follows = series.gum.follows.sum(axis=1) == 0.0, series.gum.follows
    assert still.any()
    assert (follows >= 0.0).all()
    assert follows.sum(axis=1).max() == pytest.approx(1.0)
    assert moved[41].moved(series.gum.mesh.vertices[:1]).shape == (1, 3)


def test_the_same_series_gives_the_same_bytes(moulded: StageMould, scan: LabelledScan) -> None:
    again = make_mould(prepared(scan, PLAN), 2, LINES)
    one, other = (hashlib.sha256(write_stl(made.mesh)).hexdigest() for made in (moulded, again))
    assert one == other


def test_stage_and_code_are_cut_into_the_plate(series: Series, moulded: StageMould) -> None:
    """A look down on a stroke of the letters ends half a millimetre below the plate's face."""
    plate, letters = label_plate(series.base, LINES, series.limits.base.plate_mm)
    assert (plate ^ letters).volume() > 1.0
    surface = Surface(Mesh(series.arch.to_local(moulded.mesh.vertices), moulded.mesh.faces))
    strokes = mesh_of(letters)
    floors = strokes.vertices[strokes.faces[:, :]].mean(axis=1)
    floors = floors[np.abs(floors[:, 2] - strokes.vertices[:, 2].min()) < 1e-6]
    looks = np.column_stack([floors[:, :2], np.full(len(floors), floors[0, 2] + 30.0)])
    heights = looks[:, 2] - surface.first_hits(looks, np.tile([0.0, 0.0, -1.0], (len(looks), 1)))
    assert heights == pytest.approx(series.base.foot + series.limits.base.plate_mm - 0.5, abs=0.06)


@pytest.mark.parametrize(
    ("stage", "lines"), [(99, LINES), (1, ("A CODE THAT IS LONGER THAN ANY MOUTH IS WIDE",))]
)
def test_a_mould_that_cannot_be_is_refused(series: Series, stage: int, lines: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        make_mould(series, stage, lines)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@settings(max_examples=200, deadline=None)
@given(plan=st.dictionaries(st.sampled_from(ROW), movements, min_size=1, max_size=4), last=st.booleans())
def test_any_plan_gives_closed_moulds_or_a_refusal(
    scan: LabelledScan, plan: dict[int, Movement], last: bool
) -> None:
    treatment = dataclasses.replace(read_treatment({}, ROW), movements=plan)
    made, refusal = _attempt(scan, treatment, last)
    if made is None:
        assert refusal
        assert all(reason.text and reason.cure for reason in refusal)
    else:
        assert check_mesh(read_mesh(write_stl(made.mesh))).sound


def _attempt(
    scan: LabelledScan, treatment: Treatment, last: bool
) -> tuple[StageMould | None, tuple[Reason, ...]]:
    try:
        found = prepare_series(scan.mesh, scan.labels, treatment, SeriesLimits(overlap_mm=0.5))
        return make_mould(found, found.staging.count if last else found.staging.count // 2, LINES), ()
    except InvalidInput as refusal:
        event(str(refusal)[:70])
        return None, tuple(refusal.reasons)
