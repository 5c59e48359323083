"""The way out of a shell: what it passes on its way counts as much as where it sits."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from devices.generators.shell import box_grid, frame_on, free_way, surface_between
from devices.mesh.distance import Surface
from devices.mesh.solid import mesh_of, solid_of


def test_a_place_under_a_brim_is_as_free_as_the_narrowest_point_of_its_way() -> None:
    mushroom = Manifold.cylinder(10.0, 2.0, 2.0, 64) + Manifold.cylinder(1.0, 8.0, 8.0, 256).translate(
        [0.0, 0.0, 9.0]
    )
    frame = frame_on(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    grid = box_grid(frame, np.array([-12.0, -12.0, 0.0]), np.array([12.0, 12.0, 12.0]), 0.5)
    way = free_way(grid, Surface(mesh_of(mushroom)), 20.0)

    def at(x: float, y: float, z: float) -> float:
        i, j, k = np.round((np.array([x, y, z]) - grid.corner) / grid.spacing).astype(int)
        return float(way[i, j, k])

    assert abs(at(9.0, 0.0, 3.0) - 1.0) < 0.01
    assert abs(at(0.0, 0.0, 12.0) - 2.0) < 0.01
    assert at(5.0, 0.0, 5.0) < 0.0


def test_the_surface_of_a_field_is_closed_even_where_the_box_ends() -> None:
    frame = frame_on(np.array([5.0, -7.0, 300.0]), np.array([0.6, 0.0, 0.8]))
    grid = box_grid(frame, np.full(3, -4.0), np.full(3, 4.0), 0.5)
    solid = solid_of(surface_between(grid, np.ones(grid.shape)))
    assert 8.0**3 < solid.volume() < 9.0**3
