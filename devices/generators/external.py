"""A part that somebody drew in another program: what can be measured on it is measured, and nothing of it is made or mended here.

Nothing is known of how it was drawn, so what its designer says is either held against the mesh or signed as their word. No validation
of the program behind it exists unless a device master names one (G-SW-01).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import Design, DesignRefused, GuideTube, Parameter, Value, unit_vector
from devices.mesh.base import Mesh
from devices.mesh.bore import Bore, measure_bore
from devices.mesh.check import check_mesh, signed_volume_mm3
from devices.mesh.crossing import crossings
from devices.mesh.distance import Surface, face_areas, sample_surface
from devices.mesh.holes import openings, round_holes
from devices.mesh.rims import pieces_of
from devices.mesh.wall import walls_of
from mes.exceptions import Reason

TOOL, VERSION = "external_cad", "1"
"""What stands for this reading of somebody else's part where a design's generator stands."""
MOST_BORES, MOST_PIECES = 6, 64
SPIKE_SHARE = 0.001
"""How much of the surface may be thinner than the minimum wall: a tip has no wall, and a printer rounds it."""
NEAR_MM = 0.3
SAMPLES = 10_000
SHIFT_MM, TILT_DEGREES, DIAMETER_MM, HEIGHT_MM = 0.05, 0.1, 0.05, 0.1
"""By how much a bore may differ from what its designer says of it (G-BLD-01)."""
MEASURED = frozenset({
    "solids", "volume_ml", "area_mm2", "width_mm", "depth_mm", "height_mm", "longest_mm", "minimum_wall_mm", "thinnest_feature_mm",
    "thin_area_share", "deviation_mean_mm", "deviation_p95_mm", "deviation_max_mm", "on_anatomy_share", "nearest_to_anatomy_mm",
    "inside_anatomy_mm", "beyond_anatomy_mm", "unspoken_bores", "openings",
})  # fmt: skip
"""What is measured of every part. A device master that limits anything else cannot admit one (G-DES-01)."""
ASIDE_MM, LEANING_DEGREES = 0.5, 2.0
"""How far a bore may lie from a line that is spoken of, and lean to it, to be a part of that bore: its seat, its passage, its sink."""
ALONG = math.cos(math.radians(LEANING_DEGREES))
Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A point (3,) LPS mm and a unit vector (3,)."""
PLACING = frozenset({"deviation_p95_mm", "on_anatomy_share", "nearest_to_anatomy_mm"})
"""Of these, what tells whether a part belongs to this anatomy at all."""


def bore_parameters(count: int) -> tuple[Parameter, ...]:
    """What is asked of each bore of a part, so that it can be looked for there."""
    return tuple(
        one
        for number in range(1, count + 1)
        for one in (
            Parameter(
                f"bore_{number}_entry_mm", "mm", f"Entry of bore {number}", "vector", -3000.0, 3000.0, None,
                "Where its axis meets the anatomy, LPS.", optional=True,
            ),
            Parameter(
                f"bore_{number}_axis", "", f"Axis of bore {number}", "vector", -1.0, 1.0, None,
                "Into the anatomy, LPS.", optional=True, drawn="axis", stands_at=f"bore_{number}_entry_mm",
            ),
        )
    )  # fmt: skip


def read_back(
    part: Mesh,
    anatomy: Mesh,
    values: Mapping[str, Value],
    *,
    least_mm: float,
    planned: Sequence[Line] = (),
) -> tuple[Design, list[Reason]]:
    """A part (closed, LPS mm) with what was measured on it, as a design, and what is wrong with the bores that are stated of it: a part
    in another unit or other axes has none of them, which is told by its size and side first. values: what its designer says of it.
    least_mm: the thinnest wall that its material can be built with. planned: the lines that its plan has bores on.

    Raises DesignRefused with every reason why it is no part.
    """
    _refuse_unsound(part)
    pieces, surface = _pieces(part), Surface(part)
    if problems := [*_body_faults(part, pieces), *_crossing_faults(surface)]:
        raise DesignRefused(problems)
    bores, features = stated_bores(part, values)
    solids = len(np.unique(pieces))
    spoken = [*planned, *((np.array(tube.position_mm), np.array(tube.axis)) for tube in features)]
    unspoken = _unspoken(part, spoken)
    measures = {
        "solids": float(solids),
        "unspoken_bores": float(len(unspoken)),
        "openings": float(openings(part, solids)),
        **_size(part, anatomy),
        **_walls(surface, least_mm),
        **_place(surface, anatomy),
    }
    warnings = (*unspoken, *_said(measures))
    return Design(part, dict(values), {**measures, **bores.measures}, features, warnings), bores.faults


def _refuse_unsound(part: Mesh) -> None:
    found = check_mesh(part)
    cure = "Repair it in the program that drew it, its faces outwards, and export it again: nothing is mended here."
    if found.problems:
        raise DesignRefused(
            [Reason(f"The part is no closed solid: {text}.", cure, "G-MSH-01") for text in found.problems]
        )


def _pieces(part: Mesh) -> NDArray[np.int64]:
    """The piece (m,) of each face. Raises DesignRefused for crumbs by the hundred: that is a scan or an error of export, and no part."""
    pieces = pieces_of(part.faces)
    count = len(np.unique(pieces))
    if count > MOST_PIECES:
        raise DesignRefused(
            f"The part falls into {count:,} pieces.",
            cure="Unite them, and leave crumbs out.",
            rule="G-MSH-01",
        )
    return pieces


def _size(part: Mesh, anatomy: Mesh) -> dict[str, float]:
    """And how far the part reaches beyond the box about the anatomy: a part in another unit lies beside it, or does not fill it."""
    low, high = part.vertices.min(axis=0), part.vertices.max(axis=0)
    beyond = np.maximum(anatomy.vertices.min(axis=0) - low, high - anatomy.vertices.max(axis=0))
    width, depth, height = (float(side) for side in high - low)
    return {
        "volume_ml": signed_volume_mm3(part) / 1000.0,
        "area_mm2": float(face_areas(part).sum()),
        "width_mm": width,
        "depth_mm": depth,
        "height_mm": height,
        "longest_mm": max(width, depth, height),
        "beyond_anatomy_mm": max(0.0, float(beyond.max())),
    }


def _walls(surface: Surface, least: float) -> dict[str, float]:
    walls = np.sort(walls_of(surface)[2])
    return {
        "minimum_wall_mm": float(walls[int(SPIKE_SHARE * len(walls))]),
        "thinnest_feature_mm": float(walls[0]),
        "thin_area_share": float((walls < least).mean()),
    }


def _place(surface: Surface, anatomy: Mesh) -> dict[str, float]:
    """How far the part's surface is from the approved one, and how deep it reaches into the anatomy where that is closed."""
    even, _ = sample_surface(surface.mesh, SAMPLES, np.random.default_rng(0))
    points = np.concatenate([even, surface.mesh.vertices])
    body, closed = Surface(anatomy), check_mesh(anatomy).watertight
    outside = body.signed(points) if closed else body.unsigned(points)
    away = np.abs(outside)
    evenly = away[:SAMPLES]
    return {
        "deviation_mean_mm": float(evenly.mean()),
        "deviation_p95_mm": float(np.quantile(evenly, 0.95)),
        "deviation_max_mm": float(away.max()),
        "on_anatomy_share": float((evenly <= NEAR_MM).mean()),
        "nearest_to_anatomy_mm": float(away.min()),
        **({"inside_anatomy_mm": max(0.0, -float(outside.min()))} if closed else {}),
    }


def _body_faults(part: Mesh, pieces: NDArray[np.int64]) -> list[Reason]:
    """Closed voids, and solids within one another: of both a slicer makes what it likes."""
    found = []
    bodies = [Mesh(part.vertices, part.faces[pieces == number]) for number in np.unique(pieces)]
    voids = sum(signed_volume_mm3(body) < 0.0 for body in bodies)
    if voids:
        found.append(
            Reason(
                f"The part has {voids} closed void{'s' if voids > 1 else ''}: what is in there cannot leave.",
                "Open each void by a drain, or fill it.",
                "G-MSH-01",
            )
        )
    solid = [body for body in bodies if signed_volume_mm3(body) > 0.0]
    if not voids and len(solid) > 1 and _nested(solid):
        found.append(Reason("One solid lies within another.", "Unite them, or set them apart.", "G-MSH-01"))
    return found


def _nested(bodies: list[Mesh]) -> bool:
    firsts = np.array([body.vertices[body.faces[0, 0]] for body in bodies])
    for number, body in enumerate(bodies):
        others = np.delete(firsts, number, axis=0)
        low, high = (end(body.vertices[body.faces.ravel()], axis=0) for end in (np.min, np.max))
        boxed = others[((others > low) & (others < high)).all(axis=1)]
        if len(boxed) and (Surface(body).signed(boxed) < 0.0).any():
            return True
    return False


def _crossing_faults(surface: Surface) -> list[Reason]:
    found = crossings(surface)
    if found.place_mm is None:
        return []
    at = ", ".join(f"{part:.1f}" for part in found.place_mm)
    text = f"The part's surface passes through itself at ({at}), in {found.faces} faces."
    return [Reason(text, "Unite the bodies in the program that drew them.", "G-MSH-01")]


@dataclass(frozen=True)
class Bores:
    """What was found of the bores that were stated, and what is wrong with them."""

    measures: dict[str, float]
    faults: list[Reason]


def stated_bores(part: Mesh, values: Mapping[str, Value]) -> tuple[Bores, tuple[GuideTube, ...]]:
    """The bores that are stated of a part, as they are on it (G-BLD-01)."""
    spoken = [number for number in range(1, MOST_BORES + 1) if any(_spoken(values, number))]
    measures, faults, tubes = dict[str, float](), list[Reason](), list[GuideTube]()
    wanted = values.get("tube_count", len(spoken))
    if wanted != len(spoken):
        text = f"The count of bores is stated as {wanted}, and the place of {len(spoken)}."
        faults.append(Reason(text, "Give entry and axis of each bore, and of no other.", "G-DES-01"))
    for number in spoken:
        entry, axis = (np.array(one, dtype=np.float64) for one in _spoken(values, number))
        if len(entry) != 3 or len(axis) != 3 or not np.linalg.norm(axis):
            text = f"Bore {number} has no entry or no axis."
            faults.append(Reason(text, "Give both, LPS, the axis into the anatomy.", "G-DES-01"))
            continue
        tube = _tube(entry, unit_vector(axis), values)
        if any(_on_one_line(tube, other) for other in tubes):
            text = f"Bore {number} is stated on the line of another one: one bore would pass for two."
            faults.append(Reason(text, "State each bore once, where it was drawn.", "G-BLD-01"))
        tubes.append(tube)
        found = _measured_bore(part, number, tube)
        measures |= found.measures
        faults += found.faults
    return Bores(measures, faults), tuple(tubes)


def _on_one_line(one: GuideTube, other: GuideTube) -> bool:
    """Whether what is found at one is what is found at the other, from whichever end."""
    axis, between = np.array(one.axis), np.array(other.position_mm) - np.array(one.position_mm)
    aside = float(np.linalg.norm(np.cross(between, axis)))
    return aside <= ASIDE_MM and abs(float(axis @ np.array(other.axis))) >= ALONG


def _unspoken(part: Mesh, spoken: Sequence[Line]) -> tuple[str, ...]:
    """What is said of each round bore that is neither planned nor stated, at its place (G-BLD-01)."""
    said = []
    for bore in round_holes(part):
        if any(
            bore.shift_from(point) <= ASIDE_MM and bore.tilt_from(axis) <= LEANING_DEGREES
            for point, axis in spoken
        ):
            continue
        at = ", ".join(f"{place:.1f}" for place in bore.point_mm)
        along = ", ".join(f"{way:.2f}" for way in bore.axis)
        said.append(
            f"A bore of {bore.diameter_mm:.2f} mm at ({at}) along ({along}) is neither planned nor stated: the reviewer finds out what it is for."
        )
    return tuple(said)  # fmt: skip


def _spoken(values: Mapping[str, Value], number: int) -> tuple[object, object]:
    """Entry and axis that are stated of a bore, empty where they are not."""
    entry, axis = (values.get(f"bore_{number}_{name}") or () for name in ("entry_mm", "axis"))
    return entry, axis


def _measured_bore(part: Mesh, number: int, tube: GuideTube) -> Bores:
    found = measure_bore(part, np.array(tube.position_mm), np.array(tube.axis), tube.inner_diameter_mm)
    if found is None:
        text = f"No bore of {tube.inner_diameter_mm:g} mm is found on the part where bore {number} is stated."
        return Bores({}, [Reason(text, "Check entry, axis, diameter, unit and axes.", "G-BLD-01")])
    taken = _against(tube, found)
    faults = [
        Reason(
            f"Bore {number}: {name.rsplit('_', 1)[0].replace('_', ' ')} of {value:.3f} against what is stated, {allowed:g} allowed.",
            "State what was drawn, or draw what is stated.",
            "G-BLD-01",
        )
        for name, (value, allowed) in taken.items()
        if value > allowed
    ]
    return Bores({f"bore_{number}_{name}": value for name, (value, _) in taken.items()}, faults)


def _tube(entry: NDArray[np.float64], axis: NDArray[np.float64], values: Mapping[str, Value]) -> GuideTube:
    inner, outer, height = (
        float(str(values[name]))
        for name in ("tube_inner_diameter_mm", "tube_outer_diameter_mm", "tube_height_mm")
    )
    x, y, z = (float(part) for part in entry)
    u, v, w = (float(part) for part in axis)
    return GuideTube((x, y, z), (u, v, w), inner, outer, height)


def _against(tube: GuideTube, found: Bore) -> dict[str, tuple[float, float]]:
    """How far a measured bore is off the stated one, and how far it may be."""
    return {
        "shift_mm": (found.shift_from(np.array(tube.position_mm)), SHIFT_MM),
        "tilt_degrees": (found.tilt_from(np.array(tube.axis)), TILT_DEGREES),
        "diameter_error_mm": (abs(found.diameter_mm - tube.inner_diameter_mm), DIAMETER_MM),
        "height_error_mm": (abs(found.ends_mm[1] - tube.height_mm), HEIGHT_MM),
    }


def _said(measures: Mapping[str, float]) -> tuple[str, ...]:
    if not measures["thin_area_share"]:
        return ()
    return (
        f"Edges and tips down to {measures['thinnest_feature_mm']:.2f} mm, on {measures['thin_area_share']:.2%} of the surface, "
        "may not be built.",
    )
