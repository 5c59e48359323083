"""How far off a drill may end for everything that is known to be inexact, before a part is made.

Each source shifts the guide, and turns it by what that shift is over the reach of its contact. Independent sources add as squares.
What is asked of each is its largest usual value (95 %), so the sum is one, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """shift_mm: of the guide.  tilt_degrees: what it turns the drill by."""

    shift_mm: float
    tilt_degrees: float


@dataclass(frozen=True)
class Budget:
    """Where the drill may be off: at the bone, in its direction, and at its full depth."""

    sources: Mapping[str, Source]
    depth_mm: float

    @property
    def entry_mm(self) -> float:
        return math.hypot(*(source.shift_mm for source in self.sources.values()))

    @property
    def tilt_degrees(self) -> float:
        return math.hypot(*(source.tilt_degrees for source in self.sources.values()))

    @property
    def target_mm(self) -> float:
        return math.hypot(self.entry_mm, self.depth_mm * math.tan(math.radians(self.tilt_degrees)))

    def measures(self) -> dict[str, float]:
        """For the record: each source, and what they come to."""
        each = {f"error_{name}_mm": source.shift_mm for name, source in self.sources.items()}
        return each | {
            "error_entry_mm": self.entry_mm,
            "error_angle_degrees": self.tilt_degrees,
            "error_target_mm": self.target_mm,
        }


def of_seat(shift_mm: float, reach_mm: float) -> Source:
    """A source that the whole guide sits off by: one end of its contact up and the other down turns it."""
    return Source(shift_mm, math.degrees(math.atan2(shift_mm, max(reach_mm, 1.0))))


def of_play(play_mm: float, length_mm: float) -> Source:
    """A drill in a sleeve that is wider by `play_mm` as a diameter."""
    return Source(play_mm / 2.0, math.degrees(math.atan2(play_mm, max(length_mm, 1.0))))
