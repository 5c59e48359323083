"""The centreline of a known vessel, and its diameters, come back: within 0.05 mm and a hundredth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.centreline import Centreline, centreline
from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of, solid_of
from tests.devices.generators.vessels import CENTRE, Vessel, branched


def tapered(along: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(4.0 - along / 30.0 + 0.3 * np.cos(along / 4.0))


VESSEL = Vessel(bend_mm=24.0, length_mm=30.0, radius_mm=tapered)


def pick(vessel: Vessel, along: float) -> NDArray[np.float64]:
    """On the lumen's surface, straight beside a place of its axis, away from a branch."""
    at = np.array([along])
    return np.asarray(vessel.axis(at)[0] - [float(vessel.radius_mm(at)[0]), 0.0, 0.0])


def angles(vessel: Vessel, line: Centreline) -> NDArray[np.float64]:
    """How far along the vessel's own axis each place lies, mm."""
    arms = line.points - CENTRE
    return np.asarray(np.arctan2(arms[:, 2], arms[:, 1]) * vessel.bend_mm)


@pytest.mark.requirement("G-DES-01")
def test_diameters_of_a_bent_and_tapered_vessel_come_back() -> None:
    line = centreline(Surface(VESSEL.lumen()), pick(VESSEL, 5.0), pick(VESSEL, 25.0))
    along = angles(VESSEL, line)
    true = 2.0 * VESSEL.radius_mm(along)
    assert np.abs(line.diameters_mm - true).max() < 0.05
    assert np.abs(line.diameters_mm / true - 1.0).max() < 0.01
    assert np.linalg.norm(line.points - VESSEL.axis(along), axis=1).max() < 0.05
    assert line.length_mm == pytest.approx(20.0, abs=0.6)
    assert along[[0, -1]] == pytest.approx([5.0, 25.0], abs=0.5)
    assert (line.tangents * VESSEL.tangent(along)).sum(axis=1).min() > np.cos(np.radians(0.5))
    assert line.curvature == pytest.approx(1.0 / 24.0, rel=0.05)
    assert np.abs((line.tangents * line.across).sum(axis=1)).max() < 1e-9


@pytest.mark.slow
def test_a_branch_does_not_widen_the_vessel() -> None:
    vessel = Vessel(bend_mm=24.0, length_mm=30.0, radius_mm=lambda along: np.full_like(along, 4.0))
    line = centreline(Surface(branched(vessel, 1.0, 12.0)), pick(vessel, 5.0), pick(vessel, 25.0))
    assert line.diameters_mm == pytest.approx(8.0, abs=0.4)
    assert np.median(line.diameters_mm) == pytest.approx(8.0, abs=0.05)


@pytest.mark.requirement("G-DES-01")
def test_no_way_through_the_lumen_is_refused() -> None:
    one = solid_of(VESSEL.lumen(step_mm=2.0, around=24))
    both = Surface(mesh_of(one + one.translate((20.0, 0.0, 0.0))))
    other = pick(VESSEL, 25.0)
    other[0] += 20.0
    with pytest.raises(DesignRefused, match="No lumen leads"):
        centreline(both, pick(VESSEL, 5.0), other)
    with pytest.raises(DesignRefused, match="same place"):
        centreline(both, pick(VESSEL, 15.0), pick(VESSEL, 15.2))
    with pytest.raises(DesignRefused, match="mm from the lumen"):
        centreline(both, pick(VESSEL, 5.0) - 9.0, pick(VESSEL, 25.0))
