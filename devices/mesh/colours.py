"""The colours of a deviation map: blue where material is missing, red where there is too much, pale in between.

A diverging scale that stays readable with red-green colour blindness (ColorBrewer RdBu, Harrower and Brewer 2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SATURATION = 2.0
STOPS = np.array(
    [
        (33, 102, 172),
        (67, 147, 195),
        (146, 197, 222),
        (233, 236, 239),
        (244, 165, 130),
        (214, 96, 77),
        (178, 24, 43),
    ],
    dtype=np.float64,
)
UNKNOWN = (120, 120, 120)


@dataclass(frozen=True)
class ColourStop:
    """One mark of the legend: a signed distance, its colour and what it means in words."""

    distance_mm: float
    rgb: tuple[int, int, int]
    label: str

    @property
    def css(self) -> str:
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)


def limit_colours(values: NDArray[np.float64], limit: float) -> NDArray[np.uint8]:
    """RGB (n, 3) of walls or gaps (n,) mm: red below the limit, fading to pale at twice it; grey where there is none."""
    known = np.isfinite(values)
    place = np.clip(np.where(known, values, 0.0) / limit - 1.0, 0.0, 1.0)
    near, far = STOPS[4], STOPS[3]
    colours = near + (far - near) * place[:, None]
    colours[known & (values < limit)] = STOPS[-1]
    colours[~known] = UNKNOWN
    return np.asarray(np.round(colours), dtype=np.uint8)


def deviation_colours(distances: NDArray[np.float64], tolerance_mm: float) -> NDArray[np.uint8]:
    """RGB (n, 3) of signed distances (n,) mm, saturated at twice the tolerance; grey where not finite."""
    if not tolerance_mm > 0.0:
        raise ValueError(f"the tolerance must be positive, not {tolerance_mm} mm")
    known = np.isfinite(distances)
    place = np.clip(np.where(known, distances, 0.0) / (SATURATION * tolerance_mm), -1.0, 1.0)
    marks = np.linspace(-1.0, 1.0, len(STOPS))
    colours = np.stack([np.interp(place, marks, STOPS[:, channel]) for channel in range(3)], axis=1)
    colours[~known] = UNKNOWN
    return np.round(colours).astype(np.uint8)


def colour_scale(tolerance_mm: float, *, marks: int = 9) -> tuple[ColourStop, ...]:
    """The legend from twice the tolerance below to twice above."""
    distances = np.linspace(-SATURATION * tolerance_mm, SATURATION * tolerance_mm, marks)
    colours = deviation_colours(distances, tolerance_mm)
    return tuple(
        ColourStop(float(d), (int(c[0]), int(c[1]), int(c[2])), _label(float(d), tolerance_mm))
        for d, c in zip(distances, colours, strict=True)
    )


def _label(distance: float, tolerance: float) -> str:
    if abs(distance) <= tolerance * (1.0 + 1e-9):
        return "within tolerance"
    return "too much material" if distance > 0 else "material missing"
