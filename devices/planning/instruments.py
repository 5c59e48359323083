"""Drills and the sleeves that guide them: what a plan chooses from, and what sets the bore of a guide."""

from __future__ import annotations

from dataclasses import dataclass

from mes.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Sleeve:
    """A metal drill sleeve, mm, and the drill that it guides.

    fit_mm: how much wider than the sleeve its seat in a printed guide is made, as a diameter.
    """

    id: str
    title: str
    drill_diameter_mm: float
    inner_diameter_mm: float
    outer_diameter_mm: float
    height_mm: float
    fit_mm: float

    @property
    def seat_diameter_mm(self) -> float:
        """The bore that takes the sleeve."""
        return round(self.outer_diameter_mm + self.fit_mm, 6)


SLEEVES: Registry[Sleeve] = Registry("drill sleeve")
