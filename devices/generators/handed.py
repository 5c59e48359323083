"""Which side of the patient a scan shows, from what was picked on it: three ways that no mirror image shares (G-LAT-01)."""

from __future__ import annotations

import numpy as np

from devices.generators.base import DesignRefused
from devices.generators.conformal import Points

CLEAR = 0.35
"""The volume that the three unit ways span, at least: less, and they lie too nearly in one plane to tell."""


def leftward(first: Points, second: Points, middle: Points) -> float:
    """1 for the patient's left, -1 for the right. The ways (3,): on the patient's left, the first two turn about the way to the middle as
    front and up do. Raises DesignRefused where they do not tell."""
    ways = np.stack([first, second, middle])
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    spanned = float(np.linalg.det(ways / np.maximum(lengths, 1e-9)))
    if abs(spanned) < CLEAR:
        raise DesignRefused(
            "The picks do not tell left from right: they lie nearly in one plane.",
            cure="Pick each on its own side of the part.",
            rule="G-LAT-01",
        )
    return float(np.sign(spanned))
