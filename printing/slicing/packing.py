"""Where each device lies on the plate: on its broadest side, in shelves, never outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.solid import solid_of
from mes.exceptions import Reason
from printing.slicing.base import PlateRefused

COPLANAR = 0.9995
BROADEST_CANDIDATES = 256


def place_on_plate(
    meshes: Sequence[Mesh], plate_size_mm: tuple[float, float, float], spacing_mm: float
) -> tuple[NDArray[np.float64], ...]:
    """One rigid 4x4 transform per mesh, from its coordinates to the plate (mm, corner at 0, z up), in order.

    Each part lies on its broadest side with its lowest point on z = 0; parts keep `spacing_mm` from each other and
    from the edge. Raises PlateRefused naming what does not fit, with sizes.
    """
    laid = [_laid_flat(mesh) for mesh in meshes]
    sizes = np.array([size for _, size in laid]).reshape(-1, 3)
    room = np.array(plate_size_mm) - (2 * spacing_mm, 2 * spacing_mm, 0.0)
    _refuse_oversize(sizes, room)
    corners = _shelves(sizes[:, :2], room[:2], spacing_mm)
    return tuple(
        _moved(pose, np.array([x + spacing_mm, y + spacing_mm, 0.0]))
        for (pose, _), (x, y) in zip(laid, corners, strict=True)
    )


def _laid_flat(mesh: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pose with the part's lower corner at the origin, its longer side along x; and its size (3,) mm."""
    turn = _turn_down(_broadest_side(mesh))
    placed = mesh.vertices @ turn.T
    if np.ptp(placed[:, 0]) < np.ptp(placed[:, 1]):
        turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) @ turn
        placed = mesh.vertices @ turn.T
    pose = np.eye(4)
    pose[:3, :3] = turn
    pose[:3, 3] = -placed.min(axis=0)
    return pose, np.ptp(placed, axis=0)


def _broadest_side(mesh: Mesh) -> NDArray[np.float64]:
    """Outward normal (3,) of the largest flat of the convex hull: the side a part rests on most firmly."""
    hull = solid_of(mesh).hull().to_mesh64()
    corners = hull.vert_properties[:, :3][hull.tri_verts.astype(np.int64)]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(cross, axis=1)
    kept = np.argsort(-areas, kind="stable")[:BROADEST_CANDIDATES]
    normals = cross[kept] / areas[kept, None]
    flat = np.round(((normals @ normals.T) > COPLANAR) @ areas[kept], 6)
    best: NDArray[np.float64] = normals[int(np.argmax(flat))]
    return best


def _turn_down(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation (3, 3) that takes a unit vector to -z."""
    down = np.array([0.0, 0.0, -1.0])
    axis, cosine = np.cross(normal, down), float(normal @ down)
    if cosine < -1.0 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    turn: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1.0 + cosine)
    return turn


def _refuse_oversize(sizes: NDArray[np.float64], room: NDArray[np.float64]) -> None:
    problems = [
        Reason(
            f"Part {place + 1} is {size[0]:.1f} x {size[1]:.1f} x {size[2]:.1f} mm; "
            f"the plate has room for {room[0]:.1f} x {room[1]:.1f} x {room[2]:.1f} mm.",
            "Print it on a larger machine.",
        )
        for place, size in enumerate(sizes)
        if (size > room + 1e-9).any()
    ]
    if problems:
        raise PlateRefused(problems)


def _shelves(
    sizes: NDArray[np.float64], room: NDArray[np.float64], spacing: float
) -> list[tuple[float, float]]:
    """Lower corners (x, y) mm: deepest parts first, row by row."""
    corners = [(0.0, 0.0)] * len(sizes)
    x = y = shelf = 0.0
    for place in np.argsort(-sizes[:, 1], kind="stable"):
        width, depth = float(sizes[place, 0]), float(sizes[place, 1])
        if x > 0.0 and x + width > room[0] + 1e-9:
            x, y, shelf = 0.0, y + shelf + spacing, 0.0
        if y + depth > room[1] + 1e-9:
            raise PlateRefused(
                f"{len(sizes)} parts do not fit on one plate: part {place + 1} ({width:.1f} x {depth:.1f} mm) is left over.",
                cure="Take fewer parts per build.",
            )
        corners[int(place)] = (x, y)
        x, shelf = x + width + spacing, max(shelf, depth)
    return corners


def _moved(pose: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = pose.copy()
    moved[:3, 3] += shift
    return moved
