"""Bores measured back from a mesh: whatever made them, their axis, diameter and length come out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from manifold3d import Manifold

from devices.mesh.base import Mesh
from devices.mesh.bore import measure_bore
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of

SEGMENTS = 96
DOWN = np.array([0.0, 0.0, -1.0])


def block(
    *, radius: float = 2.3, shift: float = 0.0, tilt: float = 0.0, from_mm: float = -11.0, wedge: bool = False
) -> Mesh:
    """A block of 20 mm with its top at 10, and a bore from above about the z axis, moved along x and tilted about y (degrees)."""
    bore = Manifold.cylinder(30.0, radius, radius, SEGMENTS).translate((0.0, 0.0, from_mm))
    bore = bore.rotate((0.0, tilt, 0.0)).translate((shift, 0.0, 0.0))
    solid = Manifold.cube((20.0, 20.0, 20.0), True) - bore
    if wedge:
        solid -= Manifold.cube((20.0, 20.0, 40.0), True).translate((10.0, 0.0, 0.0))
    return read_mesh(write_stl(mesh_of(solid)))


@pytest.mark.parametrize(("shift", "tilt"), [(0.0, 0.0), (0.4, 0.0), (0.0, 1.5), (-0.3, 0.7)])
def test_a_bore_that_lies_off_its_place_is_found_where_it_is(shift: float, tilt: float) -> None:
    found = measure_bore(block(shift=shift, tilt=tilt), np.zeros(3), DOWN, 4.6)
    assert found is not None
    assert found.shift_from(np.zeros(3)) == pytest.approx(
        abs(shift) * math.cos(math.radians(tilt)), abs=0.005
    )
    assert found.tilt_from(DOWN) == pytest.approx(tilt, abs=0.02)
    assert found.diameter_mm == pytest.approx(4.6, abs=0.005)


def test_a_wider_bore_is_wider_and_another_one_is_none() -> None:
    found = measure_bore(block(radius=2.5), np.zeros(3), DOWN, 4.6)
    assert found is not None
    assert found.diameter_mm == pytest.approx(5.0, abs=0.01)
    assert measure_bore(block(radius=3.0), np.zeros(3), DOWN, 4.6) is None
    assert measure_bore(block(shift=5.0), np.zeros(3), DOWN, 4.6) is None


def test_a_blind_bore_is_as_long_as_it_is() -> None:
    found = measure_bore(block(from_mm=2.0), np.zeros(3), DOWN, 4.6)
    assert found is not None
    assert found.ends_mm == pytest.approx((2.0, 10.0), abs=1e-3)
    assert found.length_mm == pytest.approx(8.0, abs=1e-3)


def test_a_longer_bore_on_the_same_axis_does_not_hide_it() -> None:
    """A seat for a sleeve above a passage three times as long."""
    passage = Manifold.cylinder(40.0, 1.55, 1.55, SEGMENTS).translate((0.0, 0.0, -35.0))
    seat = Manifold.cylinder(10.0, 2.3, 2.3, SEGMENTS).translate((0.0, 0.0, 2.0))
    part = Manifold.cube((20.0, 20.0, 40.0), True).translate((0.0, 0.0, -10.0)) - passage - seat
    found = measure_bore(mesh_of(part), np.zeros(3), DOWN, 4.6)
    assert found is not None
    assert found.ends_mm == pytest.approx((2.0, 10.0), abs=1e-3)
    assert found.diameter_mm == pytest.approx(4.6, abs=0.005)


def test_half_a_bore_is_none() -> None:
    assert measure_bore(block(wedge=True), np.zeros(3), DOWN, 4.6) is None
    pin = mesh_of(Manifold.cylinder(20.0, 2.3, 2.3, SEGMENTS))
    assert measure_bore(pin, np.zeros(3), DOWN, 4.6) is None
