"""Round bores are found wherever they are, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from manifold3d import CrossSection, Manifold

from devices.mesh.base import Mesh
from devices.mesh.holes import openings, round_holes
from devices.mesh.io import read_mesh, write_stl
from devices.mesh.solid import mesh_of

UP = np.array([np.sin(np.radians(40.0)), 0.0, np.cos(np.radians(40.0))])
pytestmark = pytest.mark.requirement("G-BLD-01")


def stored(solid: Manifold) -> Mesh:
    return read_mesh(write_stl(mesh_of(solid)))


def rod(radius: float, length: float, sides: int = 48) -> Manifold:
    """About z, its flats at the radius."""
    return Manifold.cylinder(length, radius / np.cos(np.pi / sides), circular_segments=sides)


def test_every_round_bore_is_found_once_with_its_axis_and_diameter() -> None:
    """A block, turned in space, with a bore through it, a blind one, a chamfered one, one that a slot cuts in two, and a pin, a slot and a
    square hole that are none."""
    block = Manifold.cube((60.0, 30.0, 12.0)) + rod(2.0, 20.0).translate((55.0, 25.0, 0.0))
    tools = [
        rod(1.25, 40.0).translate((8.0, 8.0, -10.0)),
        rod(2.0, 10.0, 12).translate((18.0, 8.0, 6.0)),
        rod(1.5, 40.0).translate((30.0, 8.0, -10.0)),
        Manifold.cylinder(3.0, 1.0, 4.0, 48).translate((30.0, 8.0, 10.0)),
        rod(1.0, 40.0).translate((45.0, 8.0, -10.0)),
        Manifold.cube((8.0, 10.0, 3.0)).translate((41.0, -3.0, 4.0)),
        Manifold.cube((4.0, 4.0, 40.0)).translate((8.0, 20.0, -10.0)),
        CrossSection.hull_points([(30.0 + x + 2.0 * np.cos(t), 22.0 + 2.0 * np.sin(t)) for x in (0.0, 10.0) for t in np.arange(0.0, 6.28, 0.2)])
        .extrude(40.0).translate((0.0, 0.0, -10.0)),
    ]  # fmt: skip
    for tool in tools:
        block -= tool
    part = stored(block.rotate((0.0, 40.0, 0.0)))
    found = round_holes(part)
    assert sorted(bore.diameter_mm for bore in found) == pytest.approx([2.0, 2.5, 3.0, 4.0], abs=0.01)
    assert max(bore.tilt_from(UP) for bore in found) < 0.05
    # Through, chamfered, square and slot; of the one that is cut in two, both halves are ways out of the slot: one opening more.
    assert openings(part, 1) == 6
