"""The front on its face: where lenses, bridge, end pieces and nose pads lie, and the bodies that they are made as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from manifold3d import Manifold, OpType

from devices.generators.base import DesignRefused
from devices.generators.bone_guide import bore_of
from devices.generators.conformal import Skin, even, off_along_w, one_piece, sampled, wall
from devices.generators.conformal_checks import Asked, measured_wall, within_scan
from devices.generators.outline import Outline, Seen, ellipse
from devices.generators.pad import WALL_MARGIN, Tube
from devices.generators.shell import Frame
from devices.generators.spectacles.eyewire import LensShape, Points, Section, blank, opening, stacked
from devices.generators.spectacles.hinges import HINGES, Hinge
from devices.mesh.solid import mesh_of
from mes.exceptions import Reason

RULE = "G-DES-01"
SIDES: tuple[tuple[str, float], ...] = (("right", -1.0), ("left", 1.0))
"""Of the patient, and which way along u each lies."""
PAD_SPACING_MM = 0.35
PAD_EDGE_MM = 0.6
ARM_OFF_MM = 0.3
PAD_AROUND_MM = 4.0
"""Around the middle of a pad, whose normal is the direction of the pad."""
ARCH_MM = np.arange(0.0, 14.25, 0.5)
"""How far the bridge may stand before the rims to clear the nose: the first that does is taken."""
BRIDGE_STATIONS, BRIDGE_SIDES = 33, 24
BALL = 24
SEAT_MARGIN = 1.3
"""Of the minimum wall, beside a hinge's holes: the hull of balls of few chords is a little smaller than the box."""


@dataclass(frozen=True, eq=False)
class Face:
    """frame: at the middle between the pupils, u to the patient's left, v up, w to the front. By side: pupil and ear root (3,) LPS mm."""

    frame: Frame
    pupils: Mapping[str, Points]
    ears: Mapping[str, Points]


@dataclass(frozen=True, eq=False)
class Lens:
    """One lens's shape in its own frame: u to the patient's left, w out of the lens. The right one is the left one mirrored, and a
    superellipse is its own mirror image. temple: 1 where the temple lies along u, -1 where it lies against it."""

    shape: LensShape
    frame: Frame
    temple: float

    def place(self, height_mm: float, *, nasal: bool, out_mm: float) -> Points:
        """The place (3,) LPS on the nasal or temporal side of the shape at a height over its middle, moved outwards."""
        stations = self.shape.stations
        side = np.sign(stations[:, 0]) == (-self.temple if nasal else self.temple)
        nearest = int(np.argmin(np.where(side, np.abs(stations[:, 1] - height_mm), np.inf)))
        return self.frame.to_patient(self.shape.ring(out_mm, 0.0)[nearest])


@dataclass(frozen=True, eq=False)
class Front:
    """A front on a face. frame: at the middle between the two boxes, tilted as the front is; by side: its lens."""

    face: Face
    frame: Frame
    lenses: Mapping[str, Lens]
    section: Section
    number: Mapping[str, float]

    @property
    def hinge(self) -> Hinge:
        return HINGES[int(self.number["hinge"]) - 1]

    @cached_property
    def bores(self) -> list[Tube]:
        """The holes of the hinges' pins, from the front to the back."""
        radius = self.hinge.bore_mm / 2.0
        return [
            Tube(place + up * self.frame.axes[1], -self.frame.axes[2], radius, radius, self.section.depth_mm)
            for place in (self.seat(side) for side, _ in SIDES)
            for up in (-self.hinge.pitch_mm / 2.0, self.hinge.pitch_mm / 2.0)
        ]

    def seat(self, side: str) -> Points:
        """The middle (3,) LPS of a hinge's seat: beside the rim, in the middle of the end piece."""
        lens = self.lenses[side]
        edge = lens.place(
            self.number["hinge_above_mm"], nasal=False, out_mm=self.section.behind_mm + self.section.brow_mm
        )
        return np.asarray(edge + self.number["end_piece_mm"] * lens.temple * self.frame.axes[0])


def on_face(face: Face, section: Section, number: Mapping[str, float]) -> Front:
    """The front where the lenses' backs stand the vertex distance before the pupils, in the mean of both."""
    shape = LensShape(
        number["lens_width_mm"], number["lens_height_mm"], number["squareness"], number["base_curve_d"]
    )
    tilt, turn = np.radians(number["pantoscopic_degrees"]), np.radians(number["face_form_degrees"])
    u, v, w = face.frame.axes
    up, out = np.cos(tilt) * v + np.sin(tilt) * w, np.cos(tilt) * w - np.sin(tilt) * v
    # The place of the shape that lies nearest to the other lens, once turned, is half the bridge from the middle.
    inward = -shape.stations[:, 0] * np.cos(turn) - shape.stations[:, 2] * np.sin(turn)
    aside = number["dbl_mm"] / 2.0 + float(inward.max())
    below = -number["pupil_above_mm"] * v

    def lens(origin: Points, side: float) -> Lens:
        across = np.cos(turn) * u - side * np.sin(turn) * out
        return Lens(
            shape, Frame(origin + side * aside * u, np.stack([across, up, np.cross(across, up)])), side
        )

    start = face.frame.origin + below
    ahead = [_ahead(lens(start, side), face.pupils[name], w) for name, side in SIDES]
    # The back of the lens is half its thickness behind the sphere that its bevel runs on.
    shift = number["vertex_mm"] + number["lens_thickness_mm"] / 2.0 - float(np.mean(ahead))
    origin = start + shift * w
    lenses = {name: lens(origin, side) for name, side in SIDES}
    return Front(face, Frame(origin, np.stack([u, up, out])), lenses, section, number)


def _ahead(lens: Lens, pupil: Points, forward: Points) -> float:
    """How far before a pupil a straight look forward meets the lens's middle surface, mm; negative behind it."""
    radius = lens.shape.radius_mm
    middle = lens.frame.origin - radius * lens.frame.axes[2]
    away = pupil - middle
    along = float(away @ forward)
    return float(np.sqrt(max(along * along - away @ away + radius * radius, 0.0)) - along)


def built(skin: Skin, front: Front) -> tuple[Manifold, dict[str, float], list[Outline]]:
    """The front without its code, what its pads measure, and where on the skin they lie. Raises DesignRefused."""
    rims = [blank(lens.shape, front.section, lens.frame) for lens in front.lenses.values()]
    pads, measures, outlines = _pads(skin, front)
    ends = [_end_piece(front, side) for side, _ in SIDES]
    whole = Manifold.batch_boolean([*rims, *ends, _bridge(skin, front), *pads], OpType.Add)
    openings = [opening(lens.shape, front.section, lens.frame) for lens in front.lenses.values()]
    reach = front.section.depth_mm
    pins = [bore_of(bore, -reach, reach) for bore in front.bores]
    body = one_piece(Manifold.batch_boolean([whole, *openings, *pins], OpType.Subtract))
    return body, measures, outlines


def _bridge(skin: Skin, front: Front) -> Manifold:
    """A bar from rim to rim that arches forward as little as the nose asks for. Raises DesignRefused where no arch clears it."""
    number = front.number
    ends = [
        front.frame.to_local(
            front.lenses[side].place(
                number["bridge_above_mm"], nasal=True, out_mm=front.section.behind_mm / 2.0
            )[None]
        )[0]
        for side, _ in SIDES
    ]
    share = np.linspace(-1.0, 1.0, BRIDGE_STATIONS)
    straight = ends[0] + (share[:, None] + 1.0) / 2.0 * (ends[1] - ends[0])
    for arch in ARCH_MM:
        path = straight + np.outer(arch * (1.0 - share**2), [0.0, 0.0, 1.0])
        rings = _bar(path, number["bridge_height_mm"], front.section.depth_mm, front.section.edge_mm)
        distance, _ = skin.nearest(front.frame.to_patient(rings.reshape(-1, 3)))
        if distance.min() >= number["clearance_mm"]:
            return stacked(rings, front.frame)
    raise DesignRefused(
        f"No bridge up to {ARCH_MM[-1]:g} mm before the rims clears the nose by {number['clearance_mm']:g} mm.",
        cure="Choose a greater vertex distance or distance between lenses, or another height of the bridge.",
        rule=RULE,
    )


def _bar(path: Points, height: float, depth: float, edge: float) -> Points:
    """Rounded sections (k, m, 3) square to a path (k, 3) that runs level."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0])
    front = np.cross(along, up)
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    # Half a step on, so that no direction is square to a side and its corner has no sign.
    turns = (np.arange(BRIDGE_SIDES) + 0.5) * 2.0 * np.pi / BRIDGE_SIDES
    corner = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    flat = np.sign(corner) * (np.array([depth, height]) / 2.0 - edge) + edge * corner
    return np.asarray(path[:, None] + flat[None, :, :1] * front[:, None] + flat[None, :, 1:] * up)


def _end_piece(front: Front, side: str) -> Manifold:
    """From the rim to around the hinge's seat, its edges rounded."""
    number, edge = front.number, front.section.edge_mm
    beside = SEAT_MARGIN * number["minimum_wall_mm"] + front.hinge.bore_mm / 2.0
    high = beside + front.hinge.pitch_mm / 2.0
    deep = front.section.depth_mm / 2.0
    seat, lens = front.seat(side), front.lenses[side]
    rim = lens.place(number["hinge_above_mm"], nasal=False, out_mm=front.section.behind_mm / 2.0)
    corners = _box(front.frame, seat, (beside, high, deep), edge)
    corners += _box(front.frame, rim, (edge, high, deep), edge)
    return Manifold.batch_hull([_ball(corner, edge) for corner in corners])


def _box(frame: Frame, middle: Points, half: tuple[float, float, float], edge: float) -> list[Points]:
    """The middles of the balls whose hull is a box with rounded edges."""
    reach = np.clip(np.array(half) - edge, 1e-3, None)
    return [
        middle + (reach * signs) @ frame.axes
        for signs in np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).T.reshape(-1, 3)
    ]


def _ball(middle: Points, radius: float) -> Manifold:
    x, y, z = (float(part) for part in middle)
    return Manifold.sphere(radius, BALL).translate((x, y, z))


def _pads(skin: Skin, front: Front) -> tuple[list[Manifold], dict[str, float], list[Outline]]:
    """A conformal pad on either flank of the nose, and an arm from its outer side to the rim. Raises DesignRefused."""
    number = front.number
    bodies, outlines, found = [], [], []
    for side, way in SIDES:
        place, outward = _flank(skin, front, way * number["pad_spread_mm"] / 2.0)
        frame = _upright(place, outward, front.face.frame.axes[1])
        outline = Outline(Seen(frame), ellipse((0.0, 0.0), number["pad_width_mm"], number["pad_height_mm"]))
        within_scan(skin, outline, outward)
        thickness, gap = number["pad_thickness_mm"], even(number["pad_gap_mm"])
        edge = min(PAD_EDGE_MM, 0.45 * thickness)
        fields = sampled(
            skin,
            frame,
            reach_mm=number["pad_gap_mm"] + thickness,
            spacing_mm=PAD_SPACING_MM,
            clearance=gap,
            outline=outline,
            off=outward,
        )
        pad = one_piece(wall(off_along_w(fields), thickness, outer_edge_mm=edge, inner_edge_mm=edge))
        found.append(
            measured_wall(mesh_of(pad), Asked(skin, gap, outline, thickness, edge_mm=edge, off=outward))
        )
        bodies += [pad, _arm(front.lenses[side], front, place + _arm_height(number) * outward)]
        outlines.append(outline)
    worst = {
        f"pad_{name}": max(one[name] for one in found)
        for name in ("thickness_error_p99_mm", "fit_error_p99_mm")
    }
    return bodies, worst, outlines


def _flank(skin: Skin, front: Front, aside: float) -> tuple[Points, Points]:
    """Where a pad's middle lies on the nose, and the way out there: straight behind its place on the front."""
    frame = front.face.frame
    start = frame.to_patient(np.array([[aside, -front.number["pad_below_mm"], 100.0]]))
    reach = skin.surface.first_hits(start, -frame.axes[2:])
    if not np.isfinite(reach).all():
        raise DesignRefused(
            "A nose pad lies beside the scan.", cure="Scan the nose, or move the pads.", rule=RULE
        )
    place = start[0] - reach[0] * frame.axes[2]
    return place, skin.outward(place, PAD_AROUND_MM)


def _upright(origin: Points, outward: Points, upward: Points) -> Frame:
    up = upward - (upward @ outward) * outward
    up /= np.linalg.norm(up)
    return Frame(origin, np.stack([np.cross(up, outward), up, outward]))


def _arm_height(number: Mapping[str, float]) -> float:
    """How far off the skin an arm's middle begins: in the middle of the pad, but no nearer than a thick arm stays off the skin."""
    return number["pad_gap_mm"] + max(number["pad_thickness_mm"] / 2.0, number["arm_mm"] / 2.0 + ARM_OFF_MM)


def _arm(lens: Lens, front: Front, start: Points) -> Manifold:
    """From inside a pad to inside the rim, by the shortest way."""
    ring = lens.frame.to_patient(lens.shape.ring(front.section.behind_mm / 2.0, 0.0))
    end = ring[int(np.argmin(np.linalg.norm(ring - start, axis=1)))]
    radius = front.number["arm_mm"] / 2.0
    return Manifold.batch_hull([_ball(place, radius) for place in (start, end)])


def front_faults(section: Section, number: Mapping[str, float]) -> list[Reason]:
    """Values that are each allowed and cannot go together, all of them at once."""
    least = WALL_MARGIN * number["minimum_wall_mm"]
    lip = (section.depth_mm - section.mouth_mm) / 2.0
    half = number["lens_height_mm"] / 2.0
    hinge = HINGES[int(number["hinge"]) - 1]
    beside = number["end_piece_mm"] - hinge.bore_mm / 2.0
    rules: Sequence[tuple[bool, str, str]] = (
        (section.behind_mm < least, f"Behind the groove {section.behind_mm:.2f} mm are left; {least:.2f} mm are needed.", "Make the rim wider or the groove shallower."),
        (lip < least, f"Beside the groove {lip:.2f} mm are left; {least:.2f} mm are needed.", "Make the rim deeper, or the groove shallower or sharper."),
        (2.0 * section.edge_mm > min(section.depth_mm, number["bridge_height_mm"]) - 0.2, f"Edges rounded by {section.edge_mm:.2f} mm need more than twice as much rim and bridge.", "Round them less."),
        (number["pad_thickness_mm"] < least, f"A pad of {number['pad_thickness_mm']:.2f} mm cannot keep a wall of {number['minimum_wall_mm']:.2f} mm.", f"Make it at least {least:.2f} mm thick."),
        (number["bridge_above_mm"] + number["bridge_height_mm"] / 2.0 > half, "The bridge stands above the rims.", "Set it lower, or make the lenses higher."),
        (number["hinge_above_mm"] + hinge.pitch_mm / 2.0 > half, "The hinges stand above the rims.", "Set them lower, or make the lenses higher."),
        (beside < least, f"Between rim and hinge {beside:.2f} mm are left; {least:.2f} mm are needed.", "Make the end pieces longer."),
        (number["arm_mm"] < least, f"An arm of {number['arm_mm']:.2f} mm cannot keep a wall of {number['minimum_wall_mm']:.2f} mm.", f"Make it at least {least:.2f} mm thick."),
    )  # fmt: skip
    return [Reason(text, cure, RULE) for broken, text, cure in rules if broken]
