"""Analytic body surfaces as an optical scanner has them: open, seen from outside, LPS mm. Each has an equation that a part on it can be held against."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from devices.mesh.base import Mesh
from devices.mesh.rims import capped, length_mm, rims, submesh

Plane = NDArray[np.float64]


def sheet(rows: int, columns: int, at: Callable[[Plane, Plane], Plane], *, closed: bool = False) -> Mesh:
    """A surface over the unit square: `at` gives the places (…, 3) of u and v. closed: v goes round, and meets itself."""
    u, v = np.meshgrid(
        np.linspace(0.0, 1.0, rows), np.linspace(0.0, 1.0, columns, endpoint=not closed), indexing="ij"
    )
    i, j = (one.ravel() for one in np.mgrid[: rows - 1, : columns if closed else columns - 1])
    beside = (j + 1) % columns
    a, b, c, d = i * columns + j, (i + 1) * columns + j, (i + 1) * columns + beside, i * columns + beside
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return Mesh(at(u, v).reshape(-1, 3), faces.astype(np.int32))


def cap(radius_mm: float = 80.0, reach_mm: float = 55.0, step_mm: float = 2.0) -> Mesh:
    """A part of a ball about the origin, its top at +z, over a square of twice `reach_mm`."""
    count = int(2.0 * reach_mm / step_mm) + 1

    def at(u: Plane, v: Plane) -> Plane:
        x, y = (2.0 * u - 1.0) * reach_mm, (2.0 * v - 1.0) * reach_mm
        return np.stack([x, y, np.sqrt(radius_mm**2 - x * x - y * y)], axis=-1)

    return sheet(count, count, at)


def limb(radius_mm: float = 40.0, length_mm: float = 200.0, step_mm: float = 3.0) -> Mesh:
    """A round limb along z about the origin, open at both ends."""
    around, along = int(2.0 * np.pi * radius_mm / step_mm), int(length_mm / step_mm) + 1

    def at(u: Plane, v: Plane) -> Plane:
        turn = -2.0 * np.pi * v
        return np.stack([radius_mm * np.cos(turn), radius_mm * np.sin(turn), (u - 0.5) * length_mm], axis=-1)

    return sheet(along, around, at, closed=True)


def wart(bulb_mm: float = 5.0, neck_mm: float = 3.0, reach_mm: float = 34.0) -> Mesh:
    """A bulb on a neck that is narrower, on a slightly domed skin about the z axis: it overhangs all round."""
    low = -np.arccos(neck_mm / bulb_mm)
    turn = np.linspace(low, np.pi / 2.0, 16)
    bulb = np.column_stack([bulb_mm * np.cos(turn), bulb_mm * (np.sin(turn) - np.sin(low)) + 1.0])
    ground = np.linspace(reach_mm, neck_mm, 18)
    profile = np.concatenate([np.column_stack([ground, -(ground**2) / 400.0]), bulb])[::-1]

    def at(u: Plane, v: Plane) -> Plane:
        place = u * (len(profile) - 1)
        across, up = (np.interp(place, np.arange(len(profile)), column) for column in profile.T)
        turn = 2.0 * np.pi * v
        return np.stack(
            [np.maximum(across, 1e-3) * np.cos(turn), np.maximum(across, 1e-3) * np.sin(turn), up], axis=-1
        )

    open_above = sheet(len(profile), 64, at, closed=True)
    return capped(open_above, min(rims(open_above.faces), key=partial(length_mm, open_above)))


SCLERA_MM, CORNEA_MM, LIMBUS_MM = 12.0, 7.8, 5.75
"""Radii of an eye: of the ball, of the cornea, and of the circle that they meet in."""


def eye_height(across: Plane) -> Plane:
    """How far the front of an eye stands forward, this far from its axis."""
    ball = np.sqrt(np.clip(SCLERA_MM**2 - across**2, 0.0, None))
    step = np.sqrt(SCLERA_MM**2 - LIMBUS_MM**2) - np.sqrt(CORNEA_MM**2 - LIMBUS_MM**2)
    cornea = step + np.sqrt(np.clip(CORNEA_MM**2 - across**2, 0.0, None))
    return np.asarray(np.where(across < LIMBUS_MM, cornea, ball))


def eye(reach_mm: float = 11.7, step_mm: float = 0.4) -> Mesh:
    """The front of a left eye in LPS, as the scan of an impression has it: looking towards -y, up +z, its nose towards -x."""
    count = int(2.0 * reach_mm / step_mm) + 1

    def at(u: Plane, v: Plane) -> Plane:
        x, z = (2.0 * u - 1.0) * reach_mm, (2.0 * v - 1.0) * reach_mm
        return np.stack([x, -eye_height(np.hypot(x, z)), z], axis=-1)

    square = sheet(count, count, at)
    across = np.hypot(*square.vertices[square.faces].mean(axis=1)[:, (0, 2)].T)
    return submesh(square, across < reach_mm)[0]


def on_eye(x: float, z: float) -> tuple[float, float, float]:
    return x, -float(eye_height(np.hypot(x, z))), z


LANDMARKS = {
    "right_eye_mm": (-32.0, 30.0),
    "left_eye_mm": (32.0, 30.0),
    "nose_mm": (0.0, 0.0),
    "mouth_mm": (0.0, -32.0),
}
"""Where they lie on the face, seen from the front: to the patient's left, and up."""


def face_depth(x: Plane, z: Plane) -> Plane:
    """How far the face stands forward at a place seen from the front: an ellipsoid with nose, brows, lips, and hollows for the eyes."""

    def bump(height: float, at: tuple[float, float], wide: float, tall: float) -> Plane:
        return height * np.exp(-(((x - at[0]) / wide) ** 2) - ((z - at[1]) / tall) ** 2)

    head = 95.0 * np.sqrt(np.clip(1.0 - (x / 95.0) ** 2 - ((z - 5.0) / 135.0) ** 2, 0.05, None))
    nose = bump(22.0, (0.0, 0.0), 11.0, 14.0) + bump(10.0, (0.0, 18.0), 9.0, 14.0)
    eyes = bump(-7.0, (-32.0, 30.0), 16.0, 10.0) + bump(-7.0, (32.0, 30.0), 16.0, 10.0)
    return np.asarray(
        head + nose + eyes + bump(4.0, (0.0, -32.0), 22.0, 7.0) + bump(6.0, (0.0, -62.0), 20.0, 14.0)
    )


def face(step_mm: float = 2.0) -> Mesh:
    """A face in LPS: its front towards -y, its left towards +x, up +z."""
    wide, tall = 86.0, 100.0
    rows, columns = int(2.0 * wide / step_mm) + 1, int(2.0 * tall / step_mm) + 1

    def at(u: Plane, v: Plane) -> Plane:
        x, z = (2.0 * u - 1.0) * wide, (2.0 * v - 1.0) * tall
        return np.stack([x, -face_depth(x, z), z], axis=-1)

    return sheet(rows, columns, at)


def on_face(place: tuple[float, float]) -> tuple[float, float, float]:
    x, z = place
    return x, -float(face_depth(np.array(x), np.array(z))), z


WEARER = {
    "right_pupil_mm": (-32.0, 30.0),
    "left_pupil_mm": (32.0, 30.0),
    "nasion_mm": (0.0, 28.0),
    "nose_mm": (0.0, -8.0),
    "right_ear_mm": (-74.0, 30.0),
    "left_ear_mm": (74.0, 30.0),
}
"""Where they lie on the head of a wearer of spectacles, seen from the front."""


def wearer_depth(x: Plane, z: Plane) -> Plane:
    """As `face_depth`, of a head that is as deep as it is to the ears, with a narrow nose between two orbits, and eyes in them."""

    def bump(height: float, at: tuple[float, float], wide: float, tall: float) -> Plane:
        return height * np.exp(-(((x - at[0]) / wide) ** 2) - ((z - at[1]) / tall) ** 2)

    head = 95.0 * np.sqrt(np.clip(1.0 - (x / 76.0) ** 2 - ((z - 5.0) / 135.0) ** 2, 0.002, None))
    nose = bump(26.0, (0.0, -8.0), 8.0, 16.0) + bump(8.0, (0.0, 16.0), 6.0, 14.0)
    orbits = bump(-18.0, (-23.0, 31.0), 16.0, 15.0) + bump(-18.0, (23.0, 31.0), 16.0, 15.0)
    eyes = bump(7.0, (-32.0, 30.0), 11.0, 9.0) + bump(7.0, (32.0, 30.0), 11.0, 9.0)
    cheeks = bump(-15.0, (-27.0, 0.0), 24.0, 19.0) + bump(-15.0, (27.0, 0.0), 24.0, 19.0)
    flanks = bump(-7.5, (-12.5, 16.0), 7.0, 13.0) + bump(-7.5, (12.5, 16.0), 7.0, 13.0)
    return np.asarray(head + nose + orbits + eyes + cheeks + flanks)


def wearer(step_mm: float = 2.0) -> Mesh:
    """The head of a wearer of spectacles from ear to ear, in LPS as `face`. Its columns follow the round of the head."""
    tall = 80.0
    rows, columns = int(160.0 / step_mm) + 1, int(2.0 * tall / step_mm) + 1

    def at(u: Plane, v: Plane) -> Plane:
        x, z = 75.0 * np.sin((u - 0.5) * np.pi), (2.0 * v - 1.0) * tall
        return np.stack([x, -wearer_depth(x, z), z], axis=-1)

    return sheet(rows, columns, at)


def on_wearer(place: tuple[float, float]) -> tuple[float, float, float]:
    x, z = place
    return x, -float(wearer_depth(np.array(x), np.array(z))), z
