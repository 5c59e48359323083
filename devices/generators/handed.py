"""Which side of the patient a scan shows, from what was picked on it: three ways that no mirror image shares (G-LAT-01)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from devices.generators.base import DesignRefused, Parameter, Value
from devices.generators.conformal import Points
from devices.mesh.base import Mesh

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


def mirrored_scan(
    scan: Mesh, values: Mapping[str, Value], parameters: tuple[Parameter, ...]
) -> tuple[Mesh, dict[str, Value]]:
    """The scan of one limb as that of the other, and the places that were picked on it. A scan of one limb shows no patient's middle,
    and needs none: any plane gives the same limb, and the one through the scan's own middle leaves it where it was."""
    low, high = float(scan.vertices[:, 0].min()), float(scan.vertices[:, 0].max())
    vertices = scan.vertices.copy()
    vertices[:, 0] = low + high - vertices[:, 0]
    moved = dict(values)
    for parameter in parameters:
        value = values.get(parameter.name)
        if parameter.kind == "vector" and isinstance(value, tuple):
            across = low + high if parameter.unit == "mm" else 0.0
            moved[parameter.name] = (across - value[0], value[1], value[2])
    return Mesh(vertices, scan.faces[:, ::-1]), moved
