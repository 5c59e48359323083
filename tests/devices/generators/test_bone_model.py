"""A model of one bone has its side, and a mirrored one says everywhere that it is the other side's bone."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifold3d import Manifold

from devices.generators.base import Design, DesignRefused
from devices.generators.bone_model import BoneModel
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of
from tests.devices.generators.attempts import holds_or_says_why, two_hundred

MODEL = BoneModel()
MIDDLE_MM = 7.0
VALUES: dict[str, Any] = {"case_code": "D81", "landmark_mm": (37.0, 6.0, 0.0), "letter_height_mm": 3.0}


def shaft(side: float) -> Manifold:
    """A bone beside the middle, with a spur that tells its mirror image from it; `side` 1 left, -1 right."""
    bone = Manifold.cylinder(30.0, 8.0, 6.0, 48) + Manifold.cylinder(12.0, 4.0, 4.0, 32).rotate(
        (0.0, 70.0, 30.0)
    ).translate((0.0, 0.0, 20.0))
    placed = bone.translate((30.0, 0.0, -15.0))
    return (placed if side > 0.0 else placed.mirror((1.0, 0.0, 0.0))).translate((MIDDLE_MM, 0.0, 0.0))


@pytest.fixture(scope="module")
def left() -> Mesh:
    return mesh_of(shaft(1.0))


@pytest.fixture(scope="module")
def mirrored(left: Mesh) -> Design:
    return MODEL.generate(left, {**VALUES, "mirror": 1, "midline_x_mm": MIDDLE_MM})


def check_model(design: Design) -> None:
    report = check_mesh(read_mesh(write_stl(design.mesh)))
    assert report.sound, report.problems
    assert report.volume_ml > 0.0
    assert design.measures["minimum_wall_mm"] >= design.values["minimum_wall_mm"]  # type: ignore[operator]  # a number


@pytest.mark.requirement("G-LAT-01")
def test_a_mirrored_bone_is_the_mirror_image_on_the_other_side_and_says_so(mirrored: Design) -> None:
    check_model(mirrored)
    assert mirrored.mesh.vertices[:, 0].max() < MIDDLE_MM
    away = Surface(mesh_of(shaft(-1.0))).unsigned(mirrored.mesh.vertices)
    assert np.quantile(away, 0.5) < 0.02
    assert away.max() < 0.75  # the floor of the letters
    assert mirrored.measures["mirrored"] == 1.0
    assert mirrored.warnings[0] == (
        "This is the left bone, mirrored to the right side at the patient's middle: it is not the patient's own right bone."
    )


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.slow
def test_of_both_sides_the_picked_bone_is_made_and_the_middle_found() -> None:
    both = mesh_of((shaft(1.0) + shaft(-1.0)).refine_to_length(3.0))
    design = MODEL.generate(both, VALUES)
    check_model(design)
    assert design.mesh.vertices[:, 0].min() > MIDDLE_MM
    assert design.warnings[0] == "This is the left bone."
    other = MODEL.generate(both, {**VALUES, "landmark_mm": (-23.0, 6.0, 0.0), "mirror": 1})
    assert other.mesh.vertices[:, 0].min() > MIDDLE_MM
    assert "the right bone, mirrored to the left side" in other.warnings[0]


def test_the_side_is_engraved(left: Mesh, mirrored: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []

    class Watched:
        def generate(self, bone: Mesh, values: dict[str, object]) -> Design:
            said.append(values["case_code"])
            return mirrored

    monkeypatch.setattr("devices.generators.bone_model.AnatomicalModel", Watched)
    for mirror in (0, 1):
        MODEL.generate(left, {**VALUES, "mirror": mirror, "midline_x_mm": MIDDLE_MM})
    assert said == ["D81 L", "D81 R/M"]


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"midline_x_mm": 36.0}, "of no side"),
        ({"landmark_mm": (0.0, 0.0, 300.0), "midline_x_mm": MIDDLE_MM}, "mm from the bone"),
        ({"mirror": 2}, "mirror is 2"),
        ({"minimum_part_ml": 40.0, "midline_x_mm": MIDDLE_MM}, "No piece of the anatomy"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_cure(left: Mesh, values: dict[str, Any], said: str) -> None:
    with pytest.raises(DesignRefused, match=said) as refusal:
        MODEL.generate(left, {**VALUES, **values})
    assert all(reason.cure and reason.rule for reason in refusal.value.reasons)


@pytest.mark.requirement("G-LAT-01")
@pytest.mark.slow
def test_one_side_alone_shows_no_middle(left: Mesh) -> None:
    lopsided = mesh_of(
        Manifold.compose([shaft(1.0), Manifold.sphere(9.0, 32).translate((-60.0, 40.0, 30.0))])
    )
    with pytest.raises(DesignRefused, match="cannot be found"):
        MODEL.generate(lopsided, VALUES)


IN_ENVELOPE = st.fixed_dictionaries(
    {"midline_x_mm": st.one_of(st.floats(0.0, 20.0), st.floats(0.0, 60.0))},
    optional={
        "mirror": st.integers(0, 1),
        "landmark_mm": st.just((30.0, 6.0, 5.0)),
        "minimum_wall_mm": st.floats(0.5, 2.0),
        "thicken": st.integers(0, 1),
        "letter_height_mm": st.one_of(st.just(3.0), st.floats(3.0, 6.0)),
        "letter_depth_mm": st.floats(0.3, 1.5),
    },
)


def remade(bone: Mesh, values: dict[str, Any]) -> Design:
    return MODEL.generate(bone, {**VALUES, **values})


def attempt(bone: Mesh, values: dict[str, Any]) -> bool:
    return holds_or_says_why(lambda: remade(bone, values), check_model)


@pytest.mark.requirement("G-DES-01")
@settings(max_examples=1, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(values=IN_ENVELOPE)
def test_any_values_make_a_closed_model_or_a_reason(left: Mesh, values: dict[str, Any]) -> None:
    attempt(left, values)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
def test_two_hundred_sets_of_values_make_closed_models_or_reasons(left: Mesh) -> None:
    two_hundred(IN_ENVELOPE, partial(attempt, left), least=60)
