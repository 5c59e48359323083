"""A surface that passes through itself, told from one that only comes near to itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.mesh.base import Mesh
from devices.mesh.crossing import crossings
from devices.mesh.distance import Surface
from tests.devices.drawing import ball, guide, joined
from tests.devices.makers import make_block

pytestmark = pytest.mark.requirement("G-MSH-01")


def count(mesh: Mesh) -> int:
    return crossings(Surface(mesh)).faces


def test_sound_parts_do_not_cross_wherever_they_lie() -> None:
    for mesh in (guide(), ball()):
        moved = (mesh.vertices + np.array((150.0, -320.0, 900.0))).astype(np.float32).astype(np.float64)
        assert count(mesh) == count(Mesh(moved, mesh.faces)) == 0


@settings(max_examples=10, deadline=None)
@given(st.floats(-15.0, 15.0), st.floats(-15.0, 15.0), st.floats(-15.0, 15.0))
def test_two_blocks_cross_where_their_boxes_overlap_and_neither_holds_the_other(
    x: float, y: float, z: float
) -> None:
    apart = [abs(x) - 10.0, abs(y) - 9.0, abs(z) - 8.0]
    first, second = make_block((10.0, 10.0, 10.0)), make_block((10.0, 8.0, 6.0), (x, y, z))
    found = count(joined(first, second))
    if max(apart) > 0.01:
        assert found == 0
    elif max(apart) < -0.01 and max(abs(x), abs(y) - 1.0, abs(z) - 2.0) > 0.01:
        assert found > 0


def test_a_crossing_is_named_by_its_place() -> None:
    """A spike through the floor of a block, thinner than any triangle of it is wide."""
    found = crossings(
        Surface(joined(make_block((40.0, 40.0, 4.0)), make_block((0.2, 0.2, 9.0), (3.0, 7.0, 0.0))))
    )
    assert found.faces
    assert found.place_mm is not None
    assert np.allclose(found.place_mm, (3.0, 7.0, 0.0), atol=2.5)
