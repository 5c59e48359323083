"""A vessel's model has the lumen that was approved, one wall around it, and ends that one can look into."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.generators.base import Design, DesignRefused
from devices.generators.vessel_model import VesselModel
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of, solid_of
from tests.devices.generators.attempts import holds_or_says_why, two_hundred
from tests.devices.generators.vessels import Vessel, branched

MODEL = VesselModel()
SMALL = Vessel(bend_mm=24.0, length_mm=26.0, radius_mm=lambda along: np.full_like(along, 5.0))
START, END = (tuple(float(v) for v in SMALL.axis(np.array([at]))[0]) for at in (0.0, SMALL.length_mm))
BRANCH_MM, REACH_MM = 2.0, 14.0
TIP = tuple(float(v) for v in SMALL.axis(np.array([SMALL.length_mm / 2.0]))[0] + [REACH_MM, 0.0, 0.0])
VALUES: dict[str, Any] = {
    "case_code": "D81",
    "wall_mm": 3.0,
    "letter_height_mm": 3.0,
    "minimum_part_ml": 0.1,
    "port_1_mm": START,
    "port_2_mm": END,
    "port_3_mm": TIP,
}


@pytest.fixture(scope="module")
def lumen() -> Mesh:
    return branched(SMALL, BRANCH_MM, REACH_MM)


@pytest.fixture(scope="module")
def model(lumen: Mesh) -> Design:
    return MODEL.generate(lumen, VALUES)


def check_model(design: Design) -> None:
    """What every model promises, looked at in the file that is kept."""
    report = check_mesh(read_mesh(write_stl(design.mesh)))
    assert report.sound, report.problems
    pieces = solid_of(design.mesh).decompose()
    assert len(pieces) == design.measures["parts"]
    assert min(piece.volume() for piece in pieces) > 0.0
    values, measures = design.values, design.measures
    assert measures["minimum_wall_mm"] >= values["minimum_wall_mm"]  # type: ignore[operator]  # a number
    assert measures["vessel_wall_minimum_mm"] >= values["wall_mm"]  # type: ignore[operator]  # a number
    assert measures["vessel_wall_p95_mm"] <= values["wall_mm"] + 0.1  # type: ignore[operator]  # a number
    assert measures["deviation_max_mm"] <= 0.1


@pytest.mark.requirement("G-MSH-01")
@pytest.mark.requirement("G-DES-01")
def test_the_lumen_is_the_approved_one_with_one_wall_around_it(lumen: Mesh, model: Design) -> None:
    check_model(model)
    own = Surface(model.mesh)
    middle = np.arange(7.0, 19.0)
    centres, tangents = SMALL.axis(middle), SMALL.tangent(middle)
    across = np.cross(tangents, [1.0, 0.0, 0.0])  # the branch leaves along x
    for way in (across, -across):
        inner = own.first_hits(centres, way)
        assert inner == pytest.approx(5.0, abs=0.05)
        outer = own.first_hits(centres + (inner[:, None] + 0.2) * way, way) + inner + 0.2
        assert np.quantile(outer, 0.5) == pytest.approx(8.03, abs=0.07)
    assert model.measures["lumen_ml"] == pytest.approx(solid_of(lumen).volume() / 1000.0, rel=1e-6)


def test_one_looks_through_every_open_end(model: Design) -> None:
    solid = solid_of(model.mesh)
    assert solid.genus() == 2  # a tube with one branch
    assert model.measures["port_1_diameter_mm"] == pytest.approx(10.0, rel=0.03)
    assert model.measures["port_3_diameter_mm"] == pytest.approx(4.0, rel=0.03)
    assert model.values["port_3_outward"] == pytest.approx((1.0, 0.0, 0.0), abs=1e-3)
    flat = model.mesh.vertices[:, 0].max()
    assert flat == pytest.approx(TIP[0] - 3.0, abs=0.02)


def test_what_is_no_anatomy_is_said(model: Design) -> None:
    assert model.warnings[0].startswith("The wall is no anatomy")


@pytest.mark.slow
def test_stored_values_make_the_same_bytes(lumen: Mesh, model: Design) -> None:
    assert write_stl(MODEL.generate(lumen, model.values).mesh) == write_stl(model.mesh)


@pytest.mark.slow
def test_a_cut_opens_the_model_to_look_inside(lumen: Mesh, model: Design) -> None:
    design = MODEL.generate(lumen, {**VALUES, "cut_point_mm": START, "cut_normal": (1.0, 0.0, 0.0)})
    check_model(design)
    assert design.measures["parts"] == 2.0
    assert design.measures["volume_ml"] == pytest.approx(model.measures["volume_ml"], rel=0.02)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"wall_mm": 0.9}, "thinner than the minimum"),
        ({"letter_depth_mm": 1.5, "wall_mm": 2.0}, "Below letters"),
        ({f"port_{number}_mm": None for number in (1, 2, 3)}, "closed bubble"),
        ({"port_1_mm": (0.0, 0.0, 0.0)}, r"Port 1 is .* from the lumen"),
        (
            {"port_1_outward": (1.0, 0.0, 0.0), "port_trim_mm": 30.0},
            "Port 1 crosses no lumen|Port 1 would cut",
        ),
        pytest.param({"letter_height_mm": 15.0}, "does not fit anywhere", marks=pytest.mark.slow),
        ({"minimum_part_ml": 40.0}, "No piece of the anatomy"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_cure(lumen: Mesh, values: dict[str, Any], said: str) -> None:
    asked = {name: value for name, value in {**VALUES, **values}.items() if value is not None}
    with pytest.raises(DesignRefused, match=said) as refusal:
        MODEL.generate(lumen, asked)
    assert all(reason.cure and reason.rule == "G-DES-01" for reason in refusal.value.reasons)


@pytest.mark.slow
def test_a_vessel_without_an_open_end_is_refused(lumen: Mesh) -> None:
    beside = solid_of(SMALL.lumen()).translate((40.0, 0.0, 0.0))
    with pytest.raises(DesignRefused, match="has no open end"):
        MODEL.generate(mesh_of(solid_of(lumen) + beside), VALUES)


def about(way: tuple[float, ...], by: float) -> st.SearchStrategy[tuple[float, ...]]:
    """Directions that lean from a way by up to `by` in each of its components."""
    parts = [st.floats(max(-1.0, part - by), min(1.0, part + by)) for part in way]
    return st.tuples(*parts).filter(lambda given: math.hypot(*given) > 0.1)


OUT = tuple(float(part) for part in SMALL.tangent(np.array([SMALL.length_mm]))[0])


IN_ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "wall_mm": st.floats(1.4, 5.0),
        "minimum_wall_mm": st.floats(0.5, 1.2),
        "port_trim_mm": st.floats(1.5, 6.0),
        "port_1_mm": st.just(None),
        "port_2_outward": about(OUT, 0.5),
        "port_3_mm": st.just(None),
        "cut_normal": st.one_of(about((1.0, 0.0, 0.0), 0.2), about((0.0, 0.0, 0.0), 1.0)),
        "letter_height_mm": st.one_of(st.just(3.0), st.floats(3.0, 4.0)),
        "letter_depth_mm": st.floats(0.3, 1.0),
    },
)


def remade(lumen: Mesh, values: dict[str, Any]) -> Design:
    asked = {**VALUES, "cut_point_mm": SMALL.axis(np.array([13.0]))[0], **values}
    return MODEL.generate(lumen, {name: value for name, value in asked.items() if value is not None})


def attempt(lumen: Mesh, values: dict[str, Any]) -> bool:
    return holds_or_says_why(lambda: remade(lumen, values), check_model)


@pytest.mark.requirement("G-DES-01")
@settings(max_examples=1, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(values=IN_ENVELOPE)
def test_any_values_make_a_closed_model_or_a_reason(lumen: Mesh, values: dict[str, Any]) -> None:
    attempt(lumen, values)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
def test_two_hundred_sets_of_values_make_closed_models_or_reasons(lumen: Mesh) -> None:
    two_hundred(IN_ENVELOPE, partial(attempt, lumen), least=60)
