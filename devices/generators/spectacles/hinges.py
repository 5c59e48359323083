"""Hinges that a front may be drilled for: two pins each, pressed or riveted through the end piece. They are data of the hinges' maker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hinge:
    """mm. fit_mm: how much wider than a pin its printed hole is made, as a diameter; pitch_mm: from pin to pin."""

    title: str
    pin_diameter_mm: float
    fit_mm: float
    pitch_mm: float

    @property
    def bore_mm(self) -> float:
        return round(self.pin_diameter_mm + self.fit_mm, 6)


HINGES: tuple[Hinge, ...] = (
    Hinge("two pins of 1.2 mm, 4 mm apart", 1.2, 0.1, 4.0),
    Hinge("two pins of 1.4 mm, 5 mm apart", 1.4, 0.1, 5.0),
    Hinge("two pins of 1.6 mm, 6 mm apart", 1.6, 0.1, 6.0),
)
"""A design names one by its place in this list, from 1 on: nothing is taken out of it and nothing is put before another."""
