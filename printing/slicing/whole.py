"""Whether the layers hold the whole of every part: measured on what was cut and on what is lit, against the mesh.

The sum of area times height agrees with the volume of a real guide within 0.01 %; what is cut away is seen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold

from mes.exceptions import Reason
from printing.slicing.base import PlateItem, SliceSettings

RULE = "G-BLD-01"
SURE = 0.02
"""A part of any shape may differ by this share of its volume."""
LARGEST = 0.05
"""Where half a layer or half a pixel is more than that: a flat side that lies between two, but never beyond this."""
STEPS = 2
"""Layers and pixels that the thinnest wall or bore must span: one alone comes out or does not, as it happens to lie."""


@dataclass(frozen=True)
class Section:
    """One part in one layer: area within its contours (mm²), their length (mm), and how many pixels are lit."""

    area_mm2: float
    outline_mm: float
    lit: int


def not_whole(
    items: Sequence[PlateItem],
    solids: Sequence[Manifold],
    layers: Sequence[Sequence[Section]],
    settings: SliceSettings,
) -> list[Reason]:
    """Every part that the layers do not hold as it is (G-BLD-01); `layers` has each layer's sections in the items' order."""
    found = []
    for place, (item, solid) in enumerate(zip(items, solids, strict=True)):
        sections = [layer[place] for layer in layers]
        found += _lost(item.device_ref, solid.volume(), sections, settings)
        found += _interrupted(item.device_ref, sections)
    return found


def too_coarse(name: str, smallest: Mapping[str, float], settings: SliceSettings) -> list[Reason]:
    """The walls and bores of a part that are smaller than two layers or two pixels (G-BLD-01)."""
    steps = {"layers": settings.layer_height_mm, "pixels": settings.pixel_mm}
    return [
        Reason(
            f"{name}: {feature} of {size:.2f} mm spans fewer than {STEPS} {what} of {step:g} mm.",
            f"Take {what} of {size / STEPS:.3f} mm or less.",
            RULE,
        )
        for feature, size in smallest.items()
        for what, step in steps.items()
        if not size >= STEPS * step
    ]


def _lost(name: str, volume: float, sections: Sequence[Section], settings: SliceSettings) -> list[Reason]:
    height = settings.layer_height_mm
    areas = np.array([section.area_mm2 for section in sections])
    outline = sum(section.outline_mm for section in sections)
    lit = sum(section.lit for section in sections) * settings.pixel_mm**2
    half_layer = height / 2.0 * float(areas.max(initial=0.0))
    half_pixel = settings.pixel_mm / 2.0 * outline * height
    measured = {
        "layers": (float(areas.sum()) * height, half_layer),
        "masks": (lit * height, half_layer + half_pixel),
    }
    return [
        Reason(
            f"{name}: the {what} hold {held / 1000.0:.3f} mL of the part's {volume / 1000.0:.3f} mL.",
            "Take thinner layers or smaller pixels, or correct the design.",
            RULE,
        )
        for what, (held, step) in measured.items()
        if not abs(held - volume) <= allowed(volume, step)
    ]


def allowed(volume: float, step: float) -> float:
    """How far a sliced volume may be from the mesh's, in its unit: `step` is what a half layer or pixel makes."""
    return min(LARGEST * volume, max(SURE * volume, step))


def _interrupted(name: str, sections: Sequence[Section]) -> list[Reason]:
    """Layers without light between the first and the last that have some."""
    lit = np.flatnonzero([section.lit > 0 for section in sections])
    if not len(lit) or len(lit) == lit[-1] - lit[0] + 1:
        return []
    empty = next(index for index in range(int(lit[0]), int(lit[-1])) if not sections[index].lit)
    return [
        Reason(
            f"{name}: layer {empty + 1} is empty in the middle of the part.",
            "Take smaller pixels, or correct the design.",
            RULE,
        )
    ]
