"""A plan of two pedicle trajectories into a third lumbar vertebra at the origin of LPS, and what it stands on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from devices.imaging.base import Acquisition, Volume
from devices.planning.base import Ground, Points

LOW_MM, HIGH_MM = np.array([-60.0, -60.0, -120.0]), np.array([60.0, 60.0, 40.0])
SLEEVE = "sleeve-2.5-12"
_CONVERGING = 0.17364817766693033, 0.984807753012208
CONTENT: dict[str, Any] = {
    "level": "L3",
    "counted": [
        {"level": level, "point_mm": [0.0, -24.0, z]}
        for level, z in (("S1", -99.0), ("L5", -66.0), ("L4", -33.0), ("L3", 0.0))
    ],
    "side": "bilateral",
    "spinous_mm": [0.0, 38.0, -2.0],
    "body_mm": [0.0, -24.0, 0.0],
    "sleeve": SLEEVE,
    "trajectories": [
        {"side": "left", "entry_mm": [17.0, 12.0, 2.0], "axis": [-_CONVERGING[0], -_CONVERGING[1], 0.0], "depth_mm": 38.0},
        {"side": "right", "entry_mm": [-17.0, 12.0, 2.0], "axis": [_CONVERGING[0], -_CONVERGING[1], 0.0], "depth_mm": 38.0},
    ],
    "contacts": {"left": [9.0, 14.0, -4.0], "right": [-9.0, 14.0, -4.0]},
}  # fmt: skip


def content(**changed: Any) -> dict[str, Any]:
    """The plan as somebody would send it, with some parts changed; a part given as None is left out."""
    found = {**deepcopy(CONTENT), **changed}
    return {name: value for name, value in found.items() if value is not None}


def ground(side: str = "bilateral") -> Ground:
    """Images from 40 mm above the vertebra to below the sacrum's upper end."""

    def inside(points: Points) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray(((points >= LOW_MM) & (points <= HIGH_MM)).all(axis=1), dtype=np.bool_)

    return Ground(side, inside)


def spine_volume() -> Volume:
    """Images of that place without anything in them, in voxels of 4 mm."""
    counts = ((HIGH_MM - LOW_MM) / 4.0).astype(int) + 1
    slices = LOW_MM[2] + 4.0 * np.arange(counts[2])
    positions = np.stack([np.full_like(slices, LOW_MM[0]), np.full_like(slices, LOW_MM[1]), slices], axis=1)
    voxels = np.zeros((counts[2], counts[1], counts[0]), dtype=np.int16)
    return Volume(
        voxels, positions, np.eye(3)[0], np.eye(3)[1], (4.0, 4.0), Acquisition("synthetic", modality="CT")
    )
