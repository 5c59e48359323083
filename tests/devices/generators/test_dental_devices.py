"""The two generators of the dental room, as a device master uses them: values in, a checked part with its measures out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.generators.aligner_series import AlignerSeries
from devices.generators.base import Design
from devices.generators.dental.marks import labels_of, packed_labels
from devices.generators.dental.partition import label_by_centres
from devices.generators.dental.teeth import LabelledScan
from devices.generators.occlusal_splint import OcclusalSplint
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface
from devices.mesh.io import read_mesh, write_stl
from devices.planning.marks import packed
from mes.exceptions import InvalidInput, Reason
from tests.devices.generators.arches import analytic_arch

SERIES, SPLINT = AlignerSeries(), OcclusalSplint()
PLAN = json.dumps({"movements": {"41": {"buccal_mm": 0.4}}})


@pytest.fixture(scope="module")
def scan() -> LabelledScan:
    return analytic_arch((42, 41, 31, 32), gap_mm=0.5, spacing_mm=0.7)


@pytest.fixture(scope="module")
def teeth(scan: LabelledScan) -> str:
    return json.dumps(packed_labels(scan.mesh, scan.labels))


def centres(scan: LabelledScan) -> dict[str, list[float]]:
    return {
        str(tooth): scan.mesh.vertices[scan.labels == tooth].mean(axis=0).tolist() for tooth in scan.teeth
    }


def test_labels_come_back_from_their_text_as_they_were(scan: LabelledScan, teeth: str) -> None:
    found, picked, warnings = labels_of(scan.mesh, teeth)
    assert (found == scan.labels).all()
    assert (picked, warnings) == ({}, ())
    assert len(teeth) < 6000


@pytest.mark.parametrize(
    "marks",
    [
        {"labels": "not base 85 \x00"},
        {"labels": "c$_"},
        {"labels": packed(np.full(7, 41, dtype=np.int16))},
        {"labels": packed(np.array([41, 99], dtype=np.int16))},
        {"surface": "0" * 64},
        {"landmarks": {"41": {"top": [0, 0, 0]}}},
        {"landmarks": {"41": {"mesial": "x"}}},
        {"landmarks": {"48": {"mesial": [0.0, 0.0, 0.0]}}},
        {"landmarks": {"1": {}}},
        {"centres": {"41": [1.0, 2.0]}},
        {"centres": {"99": [1.0, 2.0, 3.0]}},
        {"centres": {"41": [1.0, 2.0, 3.0]}},
        {"centres": {"41": [0.0, 0.0, 900.0], "42": [5.0, 0.0, 900.0]}},
        {"centres": ["41"]},
        {"teeth": 4},
    ],
    ids=lambda marks: str(marks)[:40],
)
def test_marks_that_are_not_of_this_scan_are_refused(scan: LabelledScan, marks: dict[str, Any]) -> None:
    given_marks = marks if "centres" in marks else {**packed_labels(scan.mesh, scan.labels), **marks}
    with pytest.raises(InvalidInput):
        labels_of(scan.mesh, json.dumps(given_marks))


def test_centres_part_upright_teeth(scan: LabelledScan) -> None:
    """Dice against the equations of the crowns; research-only, and it says so."""
    picked = {int(tooth): np.array(place) for tooth, place in centres(scan).items()}
    found = label_by_centres(scan.mesh, picked)
    for tooth in scan.teeth:
        wanted, got = scan.labels == tooth, found == tooth
        assert 2.0 * (wanted & got).sum() / (wanted.sum() + got.sum()) > 0.8, tooth
    _, _, warnings = labels_of(scan.mesh, json.dumps({"centres": centres(scan)}))
    assert "research-only" in warnings[0]


@pytest.mark.requirement("G-DES-01")
def test_a_stage_is_made_from_values_alone(scan: LabelledScan, teeth: str) -> None:
    values = {"teeth": teeth, "treatment": PLAN, "case_code": "D12", "stage": 2, "stages": 2}
    made = SERIES.generate(scan.mesh, values)
    assert check_mesh(read_mesh(write_stl(made.mesh))).sound
    assert made.measures["overlap_42_41_mm"] < 0.1
    again = SERIES.generate(scan.mesh, made.values)
    assert write_stl(again.mesh) == write_stl(made.mesh)


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": 3},
        {"stages": 3},
        {"treatment": "[]"},
        {"treatment": "{"},
        {"treatment": json.dumps({"movements": {"17": {"buccal_mm": 1.0}}})},
        {"teeth": json.dumps({"centres": {}})},
    ],
    ids=str,
)
def test_a_stage_of_no_series_is_refused(scan: LabelledScan, teeth: str, changed: dict[str, Any]) -> None:
    values = {"teeth": teeth, "treatment": PLAN, "case_code": "D12", "stage": 1, "stages": 2, **changed}
    with pytest.raises(InvalidInput):
        SERIES.generate(scan.mesh, values)


# --- the splint


@pytest.fixture(scope="module")
def splint(scan: LabelledScan, teeth: str) -> Design:
    return SPLINT.generate(scan.mesh, {"teeth": teeth})


def test_a_splint_is_closed_and_flat_where_the_other_jaw_meets_it(splint: Design) -> None:
    report = check_mesh(read_mesh(write_stl(splint.mesh)))
    assert report.sound, report.problems
    assert splint.measures["bite_plane_mm2"] > 150.0
    assert splint.measures["minimum_wall_mm"] >= 1.0


@pytest.mark.requirement("G-DES-01")
def test_a_splint_fits_the_crowns_and_comes_off(splint: Design, scan: LabelledScan) -> None:
    away = -np.array(splint.values["insertion_direction"])
    surface = Surface(splint.mesh)
    assert 0.05 < splint.measures["crown_clearance_p05_mm"] <= splint.measures["crown_clearance_p50_mm"] < 0.2
    crowns = scan.mesh.vertices[scan.labels != 0]
    assert surface.signed(crowns).min() > 0.0, "no crown stands in the splint"
    for lift in (0.5, 2.0, 4.0):
        assert surface.signed(crowns - lift * away).min() > -0.05, f"it catches {lift} mm on its way"


@pytest.mark.parametrize(
    "changed",
    [
        {"insertion_direction": (1.0, 0.0, 0.0)},
        {"thickness_mm": 0.5},
        {"thickness_mm": 1.0, "minimum_wall_mm": 3.0},
    ],
    ids=str,
)
def test_a_splint_that_cannot_be_worn_is_refused(
    scan: LabelledScan, teeth: str, changed: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        SPLINT.generate(scan.mesh, {"teeth": teeth, **changed})


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
@settings(max_examples=200, deadline=None)
@given(
    values=st.fixed_dictionaries(
        {
            "clearance_mm": st.floats(0.03, 0.5),
            "thickness_mm": st.floats(1.0, 5.0),
            "coverage_mm": st.floats(1.5, 8.0),
            "minimum_wall_mm": st.floats(0.4, 4.0),
        }
    )
)
def test_any_values_give_a_closed_splint_or_a_refusal(
    scan: LabelledScan, teeth: str, values: dict[str, float]
) -> None:
    mesh, refusal = _attempt(scan, {"teeth": teeth, **values})
    if mesh is None:
        assert refusal
        assert all(reason.text and reason.cure for reason in refusal)
    else:
        assert check_mesh(read_mesh(write_stl(mesh))).sound


def _attempt(scan: LabelledScan, values: dict[str, Any]) -> tuple[Mesh | None, tuple[Reason, ...]]:
    try:
        return SPLINT.generate(scan.mesh, values).mesh, ()
    except InvalidInput as refusal:
        return None, tuple(refusal.reasons)
