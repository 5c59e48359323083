"""A stent lattice lies on the tube that the vessel asks for, its struts are as wide and thick as asked, and no cell is lost."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.generators.base import Design, DesignRefused
from devices.generators.stent_lattice import StentLattice
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import solid_of
from tests.devices.generators.attempts import holds_or_says_why, two_hundred
from tests.devices.generators.vessels import CENTRE, Vessel

STENT = StentLattice()
VESSEL = Vessel(bend_mm=30.0, length_mm=34.0, radius_mm=lambda along: 5.0 - along / 40.0)
FROM_MM, TO_MM = 6.0, 28.0
START, END = (
    tuple(
        float(part)
        for part in VESSEL.axis(np.array([at]))[0] + [float(VESSEL.radius_mm(np.array([at]))[0]), 0.0, 0.0]
    )
    for at in (FROM_MM, TO_MM)
)
VALUES: dict[str, Any] = {
    "start_mm": START,
    "end_mm": END,
    "rings": 3,
    "crowns": 6,
    "link_every": 2,
    "wave_mm": 2.5,
}


@pytest.fixture(scope="module")
def lumen() -> Mesh:
    return VESSEL.lumen()


@pytest.fixture(scope="module")
def stent(lumen: Mesh) -> Design:
    return STENT.generate(lumen, VALUES)


def check_stent(design: Design) -> None:
    """What every lattice promises, looked at in the file that is kept."""
    mesh = read_mesh(write_stl(design.mesh))
    report = check_mesh(mesh)
    assert report.sound, report.problems
    assert len(solid_of(mesh).decompose()) == 1
    values: Any = design.values
    gaps, links = values["rings"] - 1, values["crowns"] // values["link_every"]
    assert solid_of(mesh).genus() == values["rings"] + gaps * (links - 1)
    assert design.measures["strut_width_mm"] == pytest.approx(values["strut_width_mm"], abs=0.05)
    assert design.measures["strut_thickness_mm"] == pytest.approx(values["strut_thickness_mm"], abs=0.05)
    assert design.measures["minimum_wall_mm"] >= values["minimum_wall_mm"]
    assert design.measures["radius_error_mm"] <= 0.05


@pytest.mark.requirement("G-MSH-01")
@pytest.mark.requirement("G-DES-01")
def test_the_outside_of_the_stent_lies_on_the_lumen(stent: Design) -> None:
    """Judged by the vessel's own formula: nothing of the centreline that was found is asked."""
    check_stent(stent)
    arms = stent.mesh.vertices - CENTRE
    along = np.arctan2(arms[:, 2], arms[:, 1]) * VESSEL.bend_mm
    away = np.hypot(arms[:, 0], np.hypot(arms[:, 1], arms[:, 2]) - VESSEL.bend_mm)
    inside = VESSEL.radius_mm(along) - away
    assert inside.min() > -0.05
    assert inside.max() < 0.4 + 0.05
    assert np.abs(inside).min() < 0.01
    assert along.min() == pytest.approx(FROM_MM, abs=0.5)
    assert np.ptp(along) == pytest.approx(stent.measures["stent_length_mm"], abs=0.1)
    assert stent.measures["apposition_p95_mm"] < 0.05


def test_an_oversized_stent_is_wider_by_as_much(lumen: Mesh, stent: Design) -> None:
    wider = STENT.generate(lumen, {**VALUES, "oversize_percent": 10.0})
    ratio = np.ptp(wider.mesh.vertices[:, 0]) / np.ptp(stent.mesh.vertices[:, 0])
    assert ratio == pytest.approx(1.1, abs=0.01)


@pytest.mark.slow
def test_the_same_values_make_the_same_bytes(lumen: Mesh, stent: Design) -> None:
    assert write_stl(STENT.generate(lumen, stent.values).mesh) == write_stl(stent.mesh)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"link_every": 4}, "cannot be linked every 4"),
        ({"strut_width_mm": 0.31}, "may come out thinner"),
        ({"gap_mm": 0.25}, "A gap of 0.25 mm closes"),
        ({"rings": 30}, "30 rings are"),
        ({"crowns": 18, "wave_mm": 6.0}, "too sharply"),
        ({"strut_thickness_mm": 2.0, "strut_width_mm": 2.0, "crowns": 12}, "leave|between them"),
        ({"start_mm": (0.0, 0.0, 0.0)}, "start of the centreline is"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_cure(lumen: Mesh, values: dict[str, Any], said: str) -> None:
    with pytest.raises(DesignRefused, match=said) as refusal:
        STENT.generate(lumen, {**VALUES, **values})
    assert all(reason.cure and reason.rule == "G-DES-01" for reason in refusal.value.reasons)


IN_ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "rings": st.integers(1, 5),
        "crowns": st.integers(4, 10),
        "link_every": st.sampled_from((1, 1, 2, 3)),
        "wave_mm": st.floats(1.0, 4.0),
        "gap_mm": st.floats(0.3, 2.0),
        "strut_width_mm": st.floats(0.35, 0.8),
        "strut_thickness_mm": st.floats(0.35, 0.8),
        "oversize_percent": st.floats(-10.0, 20.0),
    },
)


def remade(lumen: Mesh, values: dict[str, Any]) -> Design:
    return STENT.generate(lumen, {**VALUES, **values})


def attempt(lumen: Mesh, values: dict[str, Any]) -> bool:
    return holds_or_says_why(lambda: remade(lumen, values), check_stent)


@pytest.mark.requirement("G-DES-01")
@settings(max_examples=1, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(values=IN_ENVELOPE)
def test_any_values_make_a_closed_lattice_or_a_reason(lumen: Mesh, values: dict[str, Any]) -> None:
    attempt(lumen, values)


@pytest.mark.slow
@pytest.mark.requirement("G-DES-01")
def test_two_hundred_sets_of_values_make_closed_lattices_or_reasons(lumen: Mesh) -> None:
    two_hundred(IN_ENVELOPE, partial(attempt, lumen), least=60)
