"""A printable model of an arch: a horseshoe of gum on a flat base, and the teeth that stand in it.

Gum and teeth are bodies of their own until the end. The gum is the scan with each crown let down into a film across its margin;
it moves with the teeth beside it and fades into what stands still. Joined, they are closed whatever the teeth did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from manifold3d import CrossSection, FillRule, Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.dental.crowns import Tooth
from devices.generators.dental.poses import Pose
from devices.generators.dental.teeth import GUM, RULE, LabelledScan
from devices.generators.lettering import Lettering, lettering
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface
from devices.mesh.membrane import film
from devices.mesh.rims import capped, length_mm, rims, skirted, submesh
from devices.mesh.solid import solid_of
from mes.exceptions import Reason
from mes.lazy import lazily

shapely: Any = lazily("shapely")
affinity: Any = lazily("shapely.affinity")

HOLE_MM = 25.0
"""The longest edge of a hole in a scan that is closed without asking: about 8 mm across."""
FADE_MM = 5.0
"""How far from a tooth the gum still follows it."""
BELOW_MM = 6.0
ROUND_MM = 3.0
TRIM_MM = 0.5
SUNK_MM = 0.15
OVERHANG_MM = 1.6
CRUMB_SHARE = 0.001
LETTERS_MM, SMALLEST_LETTERS_MM, ENGRAVED_MM = 3.6, 3.0, 0.5
LINE_PITCH = 1.5
EDGE_MM = 1.0
FURTHER_MM = (0.0, 6.0, 12.0)


@dataclass(frozen=True)
class BaseShape:
    """The base in mm: its height below the lowest gum, how much gum it shows around the crowns, the plate's thickness."""

    height_mm: float = 5.0
    gum_mm: float = 3.5
    plate_mm: float = 2.5


@dataclass(frozen=True, eq=False)
class Gum:
    """The gum in the arch's frame, its crowns let down: surface, its outer edge, for each tooth how much a vertex follows it (n, k)."""

    mesh: Mesh
    edge: NDArray[np.int32]
    follows: NDArray[np.float64]
    teeth: tuple[int, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Base:
    """Where the model is cut: its outline seen from above (a shapely polygon in the arch's frame), and the heights of its foot and
    of the place above everything, mm."""

    outline: Any
    foot: float
    top: float


def prepare_gum(scan: LabelledScan) -> Gum:
    """The gum that the teeth stand in. Raises DesignRefused for a scan that is closed already, or has a hole that is no speck."""
    local, found = scan.mesh, rims(scan.mesh.faces)
    if not found:
        raise DesignRefused(
            [Reason("The scan is closed already: it is a model and no scan.", "Send in the open scan.", RULE)]
        )
    edge, *holes = found
    count, warnings = len(local.vertices), []
    for hole in holes:
        around = length_mm(local, hole)
        across = around / np.pi
        if around > HOLE_MM:
            text = f"The scan has a hole about {across:.0f} mm wide."
            raise DesignRefused([Reason(text, "Scan the place again.", RULE)])
        local = capped(local, hole)
        warnings.append(f"A hole about {across:.1f} mm wide was closed by a flat patch.")
    labels = np.concatenate([scan.labels, np.zeros(len(local.vertices) - count, dtype=np.int16)])
    _refuse_cut_crowns(labels, edge)
    lowered = _let_down(local, labels)
    return Gum(lowered, edge, _follows(lowered, labels, scan), scan.teeth, tuple(warnings))


def _let_down(scan: Mesh, labels: NDArray[np.int16]) -> Mesh:
    """The scan with a film in place of each crown, its edge a little inside the tooth, so that it never lies on the crown."""
    vertices = scan.vertices.copy()
    margin = _beside_gum(scan.faces, labels)
    for tooth in np.unique(labels[margin]):
        own = margin & (labels == tooth)
        inwards = vertices[labels == tooth, :2].mean(axis=0) - vertices[own, :2]
        vertices[own, :2] += (
            SUNK_MM * inwards / np.maximum(np.linalg.norm(inwards, axis=1, keepdims=True), 1e-9)
        )
        vertices[own, 2] -= SUNK_MM
    return film(Mesh(vertices, scan.faces), (labels != GUM) & ~margin)


def _beside_gum(faces: NDArray[np.int32], labels: NDArray[np.int16]) -> NDArray[np.bool_]:
    """The vertices (n,) of crowns that share faces with the gum, and with no other crown."""
    corners = labels[faces]
    beside, crowded = np.zeros(len(labels), dtype=np.bool_), np.zeros(len(labels), dtype=np.bool_)
    highest = corners.max(axis=1)
    mixed = (corners == GUM).any(axis=1) & (highest != GUM)
    several = ((corners != GUM) & (corners != highest[:, None])).any(axis=1)
    beside[faces[mixed]] = True
    crowded[faces[several]] = True
    found: NDArray[np.bool_] = beside & ~crowded & (labels != GUM)
    return found


def _refuse_cut_crowns(labels: NDArray[np.int16], edge: NDArray[np.int32]) -> None:
    cut = sorted({int(one) for one in labels[edge]} - {GUM})
    if cut:
        raise DesignRefused(
            [
                Reason(
                    f"The scan ends on the crown of tooth {tooth}.",
                    "Scan it whole, or leave it unlabelled.",
                    RULE,
                )
                for tooth in cut
            ]
        )


def _follows(lowered: Mesh, labels: NDArray[np.int16], scan: LabelledScan) -> NDArray[np.float64]:
    """How much each vertex goes with each tooth (n, k): all of it on the tooth itself, none beyond `FADE_MM`, smooth between."""
    pulls = np.zeros((len(labels), len(scan.teeth)))
    nearest = np.full(len(labels), np.inf)
    for place, tooth in enumerate(scan.teeth):
        crown, _ = submesh(lowered, scan_faces(scan, tooth, len(lowered.faces)))
        distance = Surface(crown).unsigned(lowered.vertices)
        nearest = np.minimum(nearest, distance)
        pulls[:, place] = np.where(
            distance < FADE_MM, (1.0 - distance / FADE_MM) ** 2 / (distance**2 + 1e-6), 0.0
        )
    fade = np.clip(1.0 - nearest / FADE_MM, 0.0, 1.0)
    fade = fade * fade * (3.0 - 2.0 * fade)
    total = pulls.sum(axis=1, keepdims=True)
    shares = np.divide(pulls, total, out=np.zeros_like(pulls), where=total > 0) * fade[:, None]
    for place, tooth in enumerate(scan.teeth):
        own = labels == tooth
        shares[own] = 0.0
        shares[own, place] = 1.0
    return np.asarray(shares)


def scan_faces(scan: LabelledScan, tooth: int, count: int) -> NDArray[np.bool_]:
    """Which of `count` faces are a tooth's, where faces that closed holes were added behind those of the scan."""
    return np.concatenate([scan.crown(tooth), np.zeros(count - len(scan.mesh.faces), dtype=np.bool_)])


def moved_gum(gum: Gum, poses: Mapping[int, Pose]) -> Mesh:
    """The gum as it lies when the teeth stand at these poses (in the arch's frame)."""
    vertices = gum.mesh.vertices.copy()
    for place, tooth in enumerate(gum.teeth):
        touched = gum.follows[:, place] > 0.0
        here = gum.mesh.vertices[touched]
        vertices[touched] += gum.follows[touched, place, None] * (poses[tooth].moved(here) - here)
    return Mesh(vertices, gum.mesh.faces)


def plan_base(gum: Gum, footprints: Iterable[NDArray[np.float64]], shape: BaseShape) -> Base:
    """The outline and height of a base under the gum and the crowns, wherever they stand. Raises DesignRefused.

    footprints: points (n, 3) of each crown at each stage, in the arch's frame.
    """
    crowns = [shapely.convex_hull(shapely.MultiPoint(points[:, :2])) for points in footprints]
    teeth = shapely.union_all(crowns)
    row = shapely.LineString(_spine(gum))
    wanted = shapely.union_all([teeth, row]).buffer(shape.gum_mm + ROUND_MM).buffer(-ROUND_MM)
    scanned = shapely.make_valid(shapely.Polygon(gum.mesh.vertices[gum.edge][:, :2])).buffer(-TRIM_MM)
    outline = shapely.intersection(wanted, shapely.union(scanned, teeth.buffer(OVERHANG_MM)))
    outline = outline.buffer(-0.3).buffer(0.6).buffer(-0.3)
    if outline.geom_type != "Polygon":
        raise DesignRefused(
            [
                Reason(
                    "The scan shows too little gum to hold its teeth together.", "Scan more of the gum.", RULE
                )
            ]
        )
    outline = shapely.Polygon(outline.exterior).simplify(0.02)
    low = gum.mesh.vertices[:, 2][shapely.contains_xy(outline, gum.mesh.vertices[:, :2])]
    return Base(outline, float(low.min()) - shape.height_mm, float(gum.mesh.vertices[:, 2].max()) + 30.0)


def _spine(gum: Gum) -> NDArray[np.float64]:
    """The row of teeth as a line seen from above."""
    followed = [
        gum.mesh.vertices[gum.follows[:, place] == 1.0].mean(axis=0) for place in range(len(gum.teeth))
    ]
    line: NDArray[np.float64] = np.stack(followed)[:, :2]
    return line


def gum_body(mesh: Mesh, edge: NDArray[np.int32], base: Base) -> Manifold:
    """The gum closed below: a wall straight down from its edge to far below the foot, cut to the base's outline."""
    deep = base.foot - BELOW_MM
    ring = mesh.vertices[edge].copy()
    ring[:, 2] = deep
    apex = np.array([*ring[:, :2].mean(axis=0), deep - BELOW_MM])
    block = outline_solid(base.outline, base.top - base.foot).translate([0.0, 0.0, base.foot])
    return solid_of(skirted(mesh, edge, [ring], apex)) ^ block


def label_plate(base: Base, lines: tuple[str, ...], thickness_mm: float) -> tuple[Manifold, Manifold]:
    """A plate across the inside of the horseshoe at its front, and the letters to cut into it. Raises DesignRefused.

    It joins both limbs, which keeps them from springing while the model cures.
    """
    for height, further in product((LETTERS_MM, SMALLEST_LETTERS_MM), FURTHER_MM):
        text = [lettering(line, height) for line in lines]
        tongue = _tongue(base.outline, further)
        found = None if tongue is None else _plate_area(tongue, text)
        if found is None:
            continue
        area, (left, front) = found
        joined = area.buffer(0.8).intersection(shapely.union(tongue, base.outline))
        plate = outline_solid(joined, thickness_mm).translate([0.0, 0.0, base.foot])
        rows = [
            Manifold.extrude(line.outline, ENGRAVED_MM + 1.0).translate(
                [
                    left,
                    front - line.height_mm * (0.5 + LINE_PITCH * row),
                    base.foot + thickness_mm - ENGRAVED_MM,
                ]
            )
            for row, line in enumerate(text)
        ]
        return plate, Manifold.batch_boolean(rows, OpType.Add)
    raise DesignRefused(
        [
            Reason(
                "The label does not fit between the teeth.",
                "Shorten the case's code, or show less gum.",
                RULE,
            )
        ]
    )


def _tongue(outline: Any, further_mm: float) -> Any:
    """The space between the limbs of a horseshoe, and behind it where it is too short to hold a label; None where there is none."""
    whole = shapely.union(outline, affinity.translate(outline, 0.0, -further_mm))
    inside = shapely.convex_hull(whole).difference(outline)
    pieces = [one for one in getattr(inside, "geoms", [inside]) if one.area > 1.0]
    return max(pieces, key=lambda one: one.area, default=None)


def _plate_area(tongue: Any, text: list[Lettering]) -> tuple[Any, tuple[float, float]] | None:
    """The part of the tongue's space, as near to the front as the text fits into it, and where the text begins: its middle across,
    and its front."""
    wide = max(line.width_mm for line in text) + 2.0 * EDGE_MM
    tall = text[0].height_mm * (1.0 + LINE_PITCH * (len(text) - 1)) + 2.0 * EDGE_MM
    left, back, right, front = tongue.bounds
    middle = (left + right) / 2.0
    for top in np.arange(front, back + tall, -0.5):
        band = tongue.intersection(shapely.box(left, top - tall, right, front))
        label = shapely.box(middle - wide / 2.0, top - tall, middle + wide / 2.0, top)
        if band.geom_type == "Polygon" and band.contains(label):
            return band, (middle, float(top) - EDGE_MM)
    return None


def outline_solid(area: Any, height_mm: float) -> Manifold:
    """A polygon, or several, of shapely as a body from 0 to `height_mm`."""
    loops = [
        np.asarray(loop.coords)[:-1]
        for polygon in getattr(area, "geoms", [area])
        for loop in (polygon.exterior, *polygon.interiors)
    ]
    return Manifold.extrude(CrossSection(loops, FillRule.EvenOdd), height_mm)


def mould(
    gum: Gum, teeth: Mapping[int, Tooth], poses: Mapping[int, Pose], base: Base, plate: Manifold
) -> Manifold:
    """One closed body: gum, base and plate, and every tooth at its pose; all in the arch's frame. Its letters are not cut yet."""
    block = outline_solid(base.outline, base.top - base.foot).translate([0.0, 0.0, base.foot])
    bodies = [tooth.reduced.transform(poses[number].matrix) ^ block for number, tooth in teeth.items()]
    return Manifold.batch_boolean(
        [gum_body(moved_gum(gum, poses), gum.edge, base), plate, *bodies], OpType.Add
    )


def one_piece(solid: Manifold) -> Manifold:
    """The body without crumbs. Raises DesignRefused where more than a crumb hangs loose, and where there is a void inside."""
    pieces = sorted(solid.decompose(), key=lambda piece: -piece.volume())
    loose = sum(abs(piece.volume()) for piece in pieces[1:])
    if not pieces or pieces[0].volume() <= 0.0 or loose > CRUMB_SHARE * pieces[0].volume():
        raise DesignRefused(
            [
                Reason(
                    f"The model falls into {len(pieces)} pieces.",
                    "Check the labels; scan more of the gum.",
                    RULE,
                )
            ]
        )
    return pieces[0]
