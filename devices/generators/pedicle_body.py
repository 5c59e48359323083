"""From the body of a pedicle guide to the finished solid: tubes, seats for the sleeves, windows, pins and the mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold, OpType

from devices.generators.base import DesignRefused
from devices.generators.lettering import lettering
from devices.generators.openings import Opening
from devices.generators.pad import Tube
from devices.generators.saddle import Body, Saddle
from devices.generators.shell import Frame

SEGMENTS = 96
SIMPLIFY_MM = 0.005
CRUMB_SHARE = 0.01
MARK_DEPTH_MM = 0.6
PLATE_MARGIN_MM = 1.5
PLATE_SINK_MM = 1.0
AROUND = 1.0 / math.cos(math.pi / SEGMENTS)
"""A bore's polygon stands outside its circle: what is round and of the nominal diameter passes."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What the solid is put together from, mm. seat_from_mm: height above the entry at which the sleeve stands.  passage_mm: the
    diameter of the hole below it."""

    saddle: Saddle
    tubes: tuple[Tube, ...]
    body: Body
    seat_from_mm: float
    passage_mm: float


@dataclass(frozen=True, eq=False)
class Mark:
    """A plate over the middle of the guide and the letters cut into it, read from behind the patient with the head up."""

    plate: Manifold
    groove: Manifold


def mark_on(parts: Parts, text: str, height_mm: float) -> Mark:
    letters = lettering(text, height_mm)
    frame = _reading_frame(parts)
    width, height = letters.width_mm + 2.0 * PLATE_MARGIN_MM, letters.height_mm + 2.0 * PLATE_MARGIN_MM
    thick = parts.saddle.thickness_mm
    plate = Manifold.cube((width, height, thick), True).translate((0.0, 0.0, PLATE_SINK_MM - thick / 2.0))
    groove = letters.outline.extrude(2.0 * MARK_DEPTH_MM).translate((0.0, 0.0, PLATE_SINK_MM - MARK_DEPTH_MM))
    return Mark(_placed(plate, frame), _placed(groove, frame))


def built(parts: Parts, mark: Mark) -> Manifold:
    """Body, plate and tubes as one, with the bores."""
    starts = parts.body.tube_starts
    walls = [
        _along(tube, tube.outer_radius, start, tube.height)
        for tube, start in zip(parts.tubes, starts, strict=True)
    ]
    whole = Manifold.batch_boolean([parts.body.solid, mark.plate, *walls], OpType.Add)
    return _one_piece((whole - Manifold.batch_boolean(_bores(parts), OpType.Add)).simplify(SIMPLIFY_MM))


def opened(solid: Manifold, openings: Sequence[Opening], frame: Frame) -> Manifold:
    """The guide with its windows and pins."""
    if not openings:
        return solid
    cut = Manifold.batch_boolean([_placed(_bar(one), frame) for one in openings], OpType.Add)
    return _one_piece((solid - cut).simplify(SIMPLIFY_MM))


def engraved(plain: Manifold, mark: Mark) -> Manifold:
    return _one_piece((plain - mark.groove).simplify(SIMPLIFY_MM))


def _reading_frame(parts: Parts) -> Frame:
    """x to the reader's right and y to the patient's head, square to the way out; on top of the body over its middle."""
    site = parts.saddle.site.frame
    out = site.axes[2]
    up = np.array([0.0, 0.0, 1.0]) - out[2] * out
    if np.linalg.norm(up) < 1e-6:
        raise DesignRefused("The guide is put on along the patient's length.", cure="Plan another insertion.")
    up /= np.linalg.norm(up)
    entries = np.array([tube.position for tube in parts.tubes])
    middle = site.to_local(np.concatenate([entries, parts.saddle.contacts])).mean(axis=0)
    middle[2] = parts.body.top_mm
    return Frame(site.to_patient(middle[None])[0], np.stack([np.cross(up, out), up, out]))


def _bores(parts: Parts) -> list[Manifold]:
    """Each ends just outside the body: every face of a long one is held against every face of the guide."""
    seats = [
        _along(tube, tube.inner_radius * AROUND, parts.seat_from_mm, tube.height + 1.0)
        for tube in parts.tubes
    ]
    passages = [
        _along(tube, parts.passage_mm / 2.0 * AROUND, low - 1.0, parts.seat_from_mm + 0.5)
        for tube, low in zip(parts.tubes, parts.body.lowest, strict=True)
    ]
    return [*seats, *passages]


def _bar(one: Opening) -> Manifold:
    radius = one.diameter_mm / 2.0
    x, y = one.middle
    return Manifold.cylinder(one.top_mm - one.low_mm, radius, radius, SEGMENTS).translate((x, y, one.low_mm))


def _along(tube: Tube, radius: float, start: float, end: float) -> Manifold:
    """A round bar about the tube's axis, from `start` to `end` mm above the entry."""
    raw = Manifold.cylinder(end - start, radius, radius, SEGMENTS).translate((0.0, 0.0, start))
    return _placed(raw, tube.frame)


def _placed(raw: Manifold, frame: Frame) -> Manifold:
    place = np.zeros((3, 4))
    place[:, :3], place[:, 3] = frame.axes.T, frame.origin
    return raw.transform(place)


def _one_piece(solid: Manifold) -> Manifold:
    pieces: Sequence[Manifold] = sorted(solid.decompose(), key=lambda piece: -piece.volume())
    if not pieces or pieces[0].volume() <= 0.0:
        raise DesignRefused("Nothing is left of the guide.", cure="Pick the contacts elsewhere.")
    loose = sum(abs(piece.volume()) for piece in pieces[1:])
    if loose > CRUMB_SHARE * pieces[0].volume():
        raise DesignRefused(
            f"The guide falls into {len(pieces)} pieces.",
            cure="Widen the bridge, or pick the contacts nearer to the tubes.",
            rule="G-DES-01",
        )
    return pieces[0]
