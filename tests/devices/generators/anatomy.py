"""Shapes to make models of: as smooth, and as uneven, as a segmented bone is."""

from __future__ import annotations

import numpy as np

from devices.generators.shell import Frame, box_grid, surface_between
from devices.mesh.base import Mesh

CENTRE = np.array([12.0, -90.0, 710.0])


def vertebra(spacing_mm: float = 1.6) -> Mesh:
    """A body, an arch around a canal, a spinous and two transverse processes, run into one another; 72 by 80 by 26 mm."""
    grid = box_grid(
        Frame(CENTRE, np.eye(3)), np.array([-42.0, -45.0, -20.0]), np.array([42.0, 50.0, 20.0]), spacing_mm
    )
    x, y, z = (grid.local_points.reshape(*grid.shape, 3)[..., axis] for axis in range(3))
    shapes = (
        np.minimum(19.0 - np.hypot(x, 1.2 * (y + 22.0)), 13.0 - np.abs(z)),
        np.minimum(16.0 - np.hypot(x, y - 4.0), 9.0 - np.abs(z)),
        np.minimum(np.minimum(4.0 - np.abs(x), 7.0 - np.abs(z)), 20.0 - np.abs(y - 26.0)),
        np.minimum(np.minimum(5.0 - np.abs(y - 6.0), 6.0 - np.abs(z)), 36.0 - np.abs(x)),
    )
    ease = 1.5
    whole = ease * np.log(sum(np.exp(np.clip(shape, -30.0, 30.0) / ease) for shape in shapes))
    canal = 9.0 - np.hypot(x, y - 3.0)
    open_ = -ease * np.log(np.exp(-whole / ease) + np.exp(np.clip(canal, -60.0, 60.0) / ease))
    return surface_between(grid, open_)
