"""A movement carried out: where a tooth stands after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.dental.frames import ToothFrame
from devices.planning.movements import Movement


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a tooth stands after a movement: x → turn (3, 3) · (x - about) + about + shift, mm in the scan."""

    turn: NDArray[np.float64]
    about: NDArray[np.float64]
    shift: NDArray[np.float64]

    def moved(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) mm of the scan, carried along."""
        placed: NDArray[np.float64] = (points - self.about) @ self.turn.T + self.about + self.shift
        return placed

    def back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) mm, carried to where the tooth stood in the scan."""
        placed: NDArray[np.float64] = (points - self.about - self.shift) @ self.turn + self.about
        return placed

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 4), as manifold3d takes it."""
        return np.column_stack([self.turn, self.about + self.shift - self.turn @ self.about])


def pose(frame: ToothFrame, movement: Movement) -> Pose:
    """The movement carried out in a tooth's frame: one turn about one axis, and one shift."""
    shift = (
        movement.mesial_mm * frame.mesial
        + movement.buccal_mm * frame.buccal
        + movement.occlusal_mm * frame.occlusal
    )
    spin = np.deg2rad(
        movement.rotation_deg * np.cross(frame.mesial, frame.buccal)
        + movement.tip_deg * np.cross(frame.occlusal, frame.mesial)
        + movement.torque_deg * np.cross(frame.occlusal, frame.buccal)
    )
    return Pose(_rodrigues(spin), frame.origin, shift)


def _rodrigues(spin: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation (3, 3) about `spin` by its length in radians."""
    angle = float(np.linalg.norm(spin))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = spin / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned: NDArray[np.float64] = (
        np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
    )
    return turned
