"""Where the windows and pins of a pedicle guide go: near their contact, with a whole rim, and with material all round that can be built.

A hole beside the edge of a body, beside a tube or beside another hole leaves a wall that is too thin. So a hole is looked for on the finished
body, from the middle of its contact outwards, at the first place where the body is wide enough around it at every height.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.pad import Tube
from devices.generators.saddle import WALL_MARGIN, Saddle
from devices.mesh.distance import Surface
from mes.exceptions import Reason

RULE = "G-DES-01"
STEP_MM = 0.75
ANGLES = 24
LAYER_MM = 0.4
AT_ONCE = 16
STEEP = 0.8
"""Cosine between a level look out of a hole and the face it meets: less, and what lies between them is the slope of a top, no wall."""


@dataclass(frozen=True, eq=False)
class Opening:
    """A round hole along the insertion: its middle (2,) and the heights from which and to which it is cut, local mm."""

    middle: NDArray[np.float64]
    diameter_mm: float
    low_mm: float
    top_mm: float


@dataclass(frozen=True, eq=False)
class Ground:
    """What holes are looked for on: the body with its tubes and bores, and the tubes seen along the insertion."""

    saddle: Saddle
    tubes: Sequence[Tube]
    solid: Surface

    @property
    def wall_mm(self) -> float:
        return WALL_MARGIN * self.saddle.minimum_wall_mm

    def place(
        self, contact: NDArray[np.float64], diameter_mm: float, others: Sequence[Opening]
    ) -> Opening | None:
        """The hole nearest to a contact (3,) LPS that leaves walls of `wall_mm` everywhere; None where there is no room for it."""
        frame = self.saddle.site.frame
        middle = frame.to_local(contact[None])[0, :2]
        heights = frame.to_local(self.solid.mesh.vertices)[:, 2]
        low, top = float(heights.min()) - 1.0, float(heights.max()) + 1.0
        places = middle + _spread(self.saddle.contact_radius_mm)
        places = places[self._beside(places, diameter_mm, others)]
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            some = some[self._rimmed(some, diameter_mm, top)]
            walls = self._walls(some, diameter_mm, np.arange(low, top, LAYER_MM))
            for place in some[walls >= self.wall_mm]:
                return Opening(place, diameter_mm, low, top)
        return None

    def _beside(
        self, places: NDArray[np.float64], diameter_mm: float, others: Sequence[Opening]
    ) -> NDArray[np.bool_]:
        """Which places (n, 2) lie clear of every tube, seen along the insertion, and of the other holes."""
        room = diameter_mm / 2.0 + self.wall_mm
        clear = np.ones(len(places), dtype=np.bool_)
        for tube in self.tubes:
            ends = np.stack([tube.position, tube.position - tube.height * tube.axis])
            foot, rim = self.saddle.site.frame.to_local(ends)[:, :2]
            along = rim - foot
            share = np.clip((places - foot) @ along / max(float(along @ along), 1e-9), 0.0, 1.0)
            away = np.linalg.norm(places - foot - share[:, None] * along, axis=1)
            clear &= away >= tube.outer_radius + room
        for other in others:
            clear &= np.linalg.norm(places - other.middle, axis=1) >= other.diameter_mm / 2.0 + room
        return clear

    def _rimmed(self, places: NDArray[np.float64], diameter_mm: float, top: float) -> NDArray[np.bool_]:
        """Which places (n, 2) have the body below them all round, as far out as the rim needs."""
        rings = places[:, None] + (diameter_mm / 2.0 + self.wall_mm) * _directions()
        over = np.concatenate([rings, np.full((*rings.shape[:2], 1), top)], axis=2).reshape(-1, 3)
        met = self.solid.first_hits(self.saddle.site.frame.to_patient(over), self._down(len(over)))
        return np.asarray(np.isfinite(met).reshape(len(places), ANGLES).all(axis=1))

    def _walls(
        self, places: NDArray[np.float64], diameter_mm: float, heights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The thinnest wall (n,) that holes at places (n, 2) would leave beside them: level looks out of the hole, through what they meet."""
        frame, directions = self.saddle.site.frame, _directions()
        starts = np.zeros((len(places), len(heights), ANGLES, 3))
        starts[..., :2] = (places[:, None] + diameter_mm / 2.0 * directions)[:, None]
        starts[..., 2] = heights[:, None]
        looks = np.zeros_like(starts)
        looks[..., :2] = directions
        level = (looks.reshape(-1, 3) @ frame.axes).reshape(-1, 3)
        reach, met = self.solid.first_faces(frame.to_patient(starts.reshape(-1, 3)), level)
        leaves = (met * level).sum(axis=1) > STEEP
        walls = np.where(leaves, reach, np.inf).reshape(len(places), len(heights) * ANGLES)
        return np.asarray(walls.min(axis=1, initial=np.inf), dtype=np.float64)

    def _down(self, count: int) -> NDArray[np.float64]:
        return np.broadcast_to(self.saddle.site.inward, (count, 3))


def placed_openings(
    ground: Ground, contacts: Mapping[str, NDArray[np.float64]], window_mm: float, pin_mm: float
) -> tuple[list[Opening], list[str]]:
    """A window, and a pin where one is asked for (0 for none), through each contact; and warnings of what was left out.

    A window without room is left out, for the guide is used without it. A pin is not: raises DesignRefused.
    """
    found: list[Opening] = []
    missing, warnings = [], []
    for place, contact in contacts.items():
        if pin_mm > 0.0:
            pin = ground.place(contact, pin_mm, found)
            found += [pin] if pin else []
            missing += [] if pin else [place]
    for place, contact in contacts.items():
        if window_mm > 0.0:
            window = ground.place(contact, window_mm, found)
            found += [window] if window else []
            warnings += [] if window else [_left_out(place, ground)]
    if missing:
        raise DesignRefused([_no_room(place, pin_mm, ground) for place in missing])
    return found, warnings


def _left_out(place: str, ground: Ground) -> str:
    return (
        f"The window on the {place} was left out: it would leave a wall thinner than {ground.wall_mm:.2f} mm."
    )


def _no_room(place: str, pin_mm: float, ground: Ground) -> Reason:
    return Reason(
        f"The contact on the {place} has no room for a pin of {pin_mm:.2f} mm with a wall of {ground.wall_mm:.2f} mm around it.",
        "Widen the contacts, make the tubes or the pins thinner, or leave the pins out.",
        RULE,
    )


def _directions() -> NDArray[np.float64]:
    angles = np.arange(ANGLES) * 2.0 * np.pi / ANGLES
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _spread(radius_mm: float) -> NDArray[np.float64]:
    """Places (n, 2) within a circle about the origin, the nearest first."""
    steps = np.arange(-np.floor(radius_mm / STEP_MM), np.floor(radius_mm / STEP_MM) + 1.0) * STEP_MM
    places = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    away = np.linalg.norm(places, axis=1)
    order = np.argsort(away, kind="stable")
    return np.asarray(places[order][away[order] <= radius_mm], dtype=np.float64)
