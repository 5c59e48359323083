"""What a finished front is, measured on its mesh and against the scan: boxes, centration, groove, angles, hinges and clearances.

Where to look is known from the design; what is found there is the mesh's alone. The groove is looked at from inside the opening, section by
section: lines through its two flanks meet at its bottom, and where they meet the lips it is as wide as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.generators.conformal import RULE, Skin
from devices.generators.conformal_checks import TOLERANCE_MM
from devices.generators.outline import Outline
from devices.generators.spectacles.eyewire import STATIONS, Points
from devices.generators.spectacles.front import SIDES, Front, Lens
from devices.mesh.base import Mesh
from devices.mesh.bore import measure_bore
from devices.mesh.distance import Surface, sample_surface
from mes.exceptions import Reason

EVERY = 4
"""Of the stations, those that are measured: the four sides of the box among them."""
STEP_MM = 0.05
BEFORE_MM = 3.0
"""How far inside the shape a look at the groove begins."""
FLANK = (0.2, 0.9)
"""Of the depth: between them a look counts to a flank, not to a lip or to the rounding of a float at the bottom."""
SAMPLES = 12_000
LASHES_MM = 12.0
"""Around the pupil, as seen from the front: where lids and lashes are."""
BESIDE_PAD_MM = 1.5
TEMPLE_SHARE = np.linspace(0.0, 0.75, 16)
"""Of the way from a hinge to the ear: behind it a temple may lie on the head."""
STATED = {"box_error_mm": 0.1, "groove_error_mm": 0.1, "angle_error_degrees": 0.3, "hinge_shift_mm": 0.05, "hinge_tilt_degrees": 0.1, "hinge_bore_error_mm": 0.05}  # fmt: skip
"""How far a front may be from what was asked for: boxes and their distance, the groove, both angles, and the holes of the hinges."""


@dataclass(frozen=True, eq=False)
class Groove:
    """Of one rim, as measured: its bottom (n, 3) LPS mm, and by section its depth and its width at the lips, mm."""

    bottom: Points
    depth_mm: NDArray[np.float64]
    width_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Box:
    """The box around a shape in the shape's own plane. middle: its middle (3,); axes: rows across, up, and out of the lens."""

    middle: Points
    axes: Points
    width_mm: float
    height_mm: float


def measured_front(mesh: Mesh, skin: Skin, front: Front, pads: list[Outline]) -> dict[str, float]:
    """Figures of the finished front. Raises DesignRefused where it is not what was asked for, or comes too near to the face."""
    surface = Surface(mesh)
    grooves = {side: _groove(surface, front.lenses[side], front.section.depth_mm) for side, _ in SIDES}
    boxes = {side: _box(groove, front) for side, groove in grooves.items()}
    measures = (
        _boxing(front, grooves, boxes)
        | _grooves(front, list(grooves.values()))
        | _hinges(mesh, front)
        | _temples(skin, front)
    )
    measures |= _clearances(mesh, skin, front, pads)
    for side, _ in SIDES:
        measures |= _before_eye(skin, front, side, boxes[side])
    problems = [
        Reason(f"{name} is {measures[name]:.3f} as measured on the front; {most:g} are allowed.", "Change a value a little.", RULE)
        for name, most in STATED.items()
        if measures[name] > most
    ]  # fmt: skip
    problems += _too_near(measures, front)
    if problems:
        raise DesignRefused(problems)
    return measures


def _groove(surface: Surface, lens: Lens, depth: float) -> Groove:
    """Raises DesignRefused where it is not whole."""
    shape = lens.shape
    some = slice(0, STATIONS, EVERY)
    at = lens.frame.to_patient(shape.stations[some])
    out, forward = (way[some] @ lens.frame.axes for way in (shape.outward, shape.forward))
    heights = np.arange(-depth / 2.0 + 0.1, depth / 2.0 - 0.1 + 1e-9, STEP_MM)
    starts = (at - BEFORE_MM * out)[:, None] + heights[:, None] * forward[:, None]
    looks = np.broadcast_to(out[:, None], starts.shape)
    reach = surface.first_hits(starts.reshape(-1, 3), looks.reshape(-1, 3)).reshape(len(at), -1) - BEFORE_MM
    found = np.array([_section(heights, one) for one in reach])
    if not np.isfinite(found).all():
        raise DesignRefused(
            "The groove is not whole: something crosses the opening of a lens.",
            cure="Move bridge, pads or end pieces, or make the rim wider.",
            rule=RULE,
        )
    height, bottom, lip, width = found.T
    return Groove(at + bottom[:, None] * out + height[:, None] * forward, bottom - lip, width)


def _section(heights: NDArray[np.float64], reach: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Of one section: where the flanks meet (height, and out from the shape), the lip, and the width there. NaN where there is no V."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    if not np.isfinite(reach).all():
        return nothing
    lip = float(np.median(np.concatenate([reach[:3], reach[-3:]])))
    top = int(np.argmax(reach))
    deep = float(reach[top]) - lip
    on = (reach > lip + FLANK[0] * deep) & (reach < lip + FLANK[1] * deep)
    behind, ahead = on & (np.arange(len(on)) < top), on & (np.arange(len(on)) > top)
    if deep <= 0.0 or behind.sum() < 3 or ahead.sum() < 3:
        return nothing
    (rise, low), (fall, high) = (np.polyfit(heights[side], reach[side], 1) for side in (behind, ahead))
    meet = (high - low) / (rise - fall)
    return meet, rise * meet + low, lip, (lip - high) / fall - (lip - low) / rise


def _box(groove: Groove, front: Front) -> Box:
    """The plane of a shape is the one that its groove's bottom lies nearest to; its box stands level in it."""
    about = groove.bottom - groove.bottom.mean(axis=0)
    normal = np.linalg.svd(about, full_matrices=False)[2][-1]
    normal = normal if normal @ front.frame.axes[2] > 0 else -normal
    up = front.frame.axes[1] - (front.frame.axes[1] @ normal) * normal
    up /= np.linalg.norm(up)
    axes = np.stack([np.cross(up, normal), up, normal])
    local = groove.bottom @ axes.T
    low, high = local.min(axis=0), local.max(axis=0)
    width, height, _ = (float(side) for side in high - low)
    return Box(np.array([*((low + high) / 2.0)[:2], local[:, 2].mean()]) @ axes, axes, width, height)


def _boxing(front: Front, grooves: dict[str, Groove], boxes: dict[str, Box]) -> dict[str, float]:
    """Boxes, what lies between them, and the two angles, beside what was asked for."""
    number, (u, v, w) = front.number, front.face.frame.axes
    right, left = boxes["right"], boxes["left"]
    dbl = float((grooves["left"].bottom @ u).min() - (grooves["right"].bottom @ u).max())
    ahead = left.axes[2] + right.axes[2]
    form = float(np.degrees(np.arccos(np.clip(left.axes[2] @ right.axes[2], -1.0, 1.0)))) / 2.0
    tilt = float(np.degrees(np.arctan2(-ahead @ v, ahead @ w)))
    off = [abs(box.width_mm - number["lens_width_mm"]) for box in boxes.values()]
    off += [abs(box.height_mm - number["lens_height_mm"]) for box in boxes.values()]
    return {
        **{f"lens_width_{side}_mm": box.width_mm for side, box in boxes.items()},
        **{f"lens_height_{side}_mm": box.height_mm for side, box in boxes.items()},
        "distance_between_lenses_mm": dbl,
        "frame_pupillary_distance_mm": float((left.middle - right.middle) @ u),
        "box_error_mm": max(*off, abs(dbl - number["dbl_mm"])),
        "pantoscopic_measured_degrees": tilt,
        "face_form_measured_degrees": form,
        "angle_error_degrees": max(abs(tilt - number["pantoscopic_degrees"]), abs(form - number["face_form_degrees"])),
    }  # fmt: skip


def _grooves(front: Front, grooves: list[Groove]) -> dict[str, float]:
    depth = np.concatenate([groove.depth_mm for groove in grooves])
    width = np.concatenate([groove.width_mm for groove in grooves])
    off = max(
        float(np.abs(depth - front.section.groove_mm).max()),
        float(np.abs(width - front.section.mouth_mm).max()),
    )
    return {
        "groove_depth_minimum_mm": float(depth.min()),
        "groove_width_p50_mm": float(np.median(width)),
        "groove_error_mm": off,
    }


def _hinges(mesh: Mesh, front: Front) -> dict[str, float]:
    """The holes of the hinges' pins; raises DesignRefused for one that is not whole."""
    wide = front.hinge.bore_mm
    found = [(measure_bore(mesh, bore.position, bore.axis, wide), bore) for bore in front.bores]
    whole = [(measured, bore) for measured, bore in found if measured is not None]
    if len(whole) < len(found):
        raise DesignRefused("A hole of a hinge is not whole.", cure="Make the end pieces longer.", rule=RULE)
    return {
        "hinge_bore_mm": float(np.mean([measured.diameter_mm for measured, _ in whole])),
        "hinge_bore_error_mm": max(abs(measured.diameter_mm - wide) for measured, _ in whole),
        "hinge_shift_mm": max(measured.shift_from(bore.position) for measured, bore in whole),
        "hinge_tilt_degrees": max(measured.tilt_from(bore.axis) for measured, bore in whole),
    }


def _temples(skin: Skin, front: Front) -> dict[str, float]:
    """What temples are chosen by: how far it is to the bend at the ear, how far they open outwards, and their room beside the head."""
    found = {}
    for side, way in SIDES:
        start, ear = front.seat(side), front.face.ears[side]
        along = ear - start
        u, _, w = front.face.frame.axes
        distance, _ = skin.nearest(start + TEMPLE_SHARE[:, None] * along)
        found[f"temple_to_bend_{side}_mm"] = float(np.linalg.norm(along))
        found[f"temple_opening_{side}_degrees"] = float(np.degrees(np.arctan2(way * along @ u, -along @ w)))
        found[f"temple_clearance_{side}_mm"] = float(distance.min())
    return found


def _clearances(mesh: Mesh, skin: Skin, front: Front, pads: list[Outline]) -> dict[str, float]:
    """The least distance of bridge, upper and lower rims and their nasal sides to the skin; negative inside it."""
    points, _ = sample_surface(mesh, SAMPLES, np.random.default_rng(0))
    points = np.concatenate([points, mesh.vertices])
    distance, _ = skin.nearest(points)
    on_pad = np.max([outline(points) for outline in pads], axis=0) > -BESIDE_PAD_MM
    local = front.frame.to_local(points)
    inner = front.number["dbl_mm"] / 2.0 + front.section.groove_mm
    nasal, high = np.abs(local[:, 0]) < inner, local[:, 1] > 0.0
    bridge = nasal & (
        local[:, 1] > front.number["bridge_above_mm"] - front.number["bridge_height_mm"] / 2.0 - 0.1
    )
    measured = {"pad_clearance_mm": float(distance[on_pad].min(initial=np.inf))}
    regions = {
        "bridge": bridge,
        "nose": nasal & ~bridge & ~on_pad,
        "brow": ~nasal & high,
        "cheek": ~nasal & ~high & ~on_pad,
    }
    return measured | {f"{name}_clearance_mm": float(distance[on].min()) for name, on in regions.items() if on.any()}  # fmt: skip


def _before_eye(skin: Skin, front: Front, side: str, box: Box) -> dict[str, float]:
    """Centration of one eye on the box as measured, and how far the back of the lens stands before pupil and lids."""
    forward, pupil = front.face.frame.axes[2], front.face.pupils[side]
    on_plane = pupil + ((box.middle - pupil) @ box.axes[2]) / (forward @ box.axes[2]) * forward
    across, up, _ = (on_plane - box.middle) @ box.axes.T
    temple = front.lenses[side].temple
    shape, frame = front.lenses[side].shape, front.lenses[side].frame
    middle = box.middle + (shape.height_at(np.zeros((1, 2)))[0] - _mean_height(shape.stations)) * box.axes[2]
    centre = middle - shape.radius_mm * box.axes[2]
    lids = skin.mesh.vertices[
        np.linalg.norm(np.cross(skin.mesh.vertices - pupil, forward), axis=1) < LASHES_MM
    ]
    lids = np.concatenate([lids[np.linalg.norm(lids - pupil, axis=1) < 2.0 * LASHES_MM], pupil[None]])
    inside = np.abs(frame.to_local(lids)[:, :2]) < [box.width_mm / 2.0, box.height_mm / 2.0]
    behind = shape.radius_mm - front.number["lens_thickness_mm"] / 2.0
    away = lids[inside.all(axis=1)] - centre
    along = away @ forward
    room = np.sqrt(np.clip(along**2 - (away**2).sum(axis=1) + behind**2, 0.0, None)) - along
    return {
        f"pupil_inset_{side}_mm": float(-temple * across),
        f"pupil_height_{side}_mm": float(up + box.height_mm / 2.0),
        f"vertex_{side}_mm": float(room[-1]) if len(room) else np.inf,
        f"lash_clearance_{side}_mm": float(room.min(initial=np.inf)),
    }


def _mean_height(stations: Points) -> float:
    """z of the plane that lies nearest to the bottom of the groove."""
    return float(stations[::EVERY, 2].mean())


def _too_near(measures: dict[str, float], front: Front) -> list[Reason]:
    """What of the front comes nearer to the face than it may, and which eye it is not centred for."""
    number = front.number
    found = []
    asked = [
        (name, f"{name}_clearance_mm", number["clearance_mm"]) for name in ("bridge", "nose", "brow", "cheek")
    ]
    asked.append(("skin under the pads", "pad_clearance_mm", number["pad_gap_mm"] - TOLERANCE_MM))
    asked += [
        (f"{side} lashes", f"lash_clearance_{side}_mm", number["lash_clearance_mm"]) for side, _ in SIDES
    ]
    asked += [
        (f"head along the {side} temple", f"temple_clearance_{side}_mm", number["clearance_mm"])
        for side, _ in SIDES
    ]
    cures = {
        "bridge": "Set the bridge higher",
        "nose": "Choose a greater distance between lenses",
        "brow": "Choose a lower lens, or less face form",
        "cheek": "Choose a lower lens, or less pantoscopic tilt",
        "skin under the pads": "Choose thinner arms or thicker pads",
    }
    for what, name, least in asked:
        if measures.get(name, np.inf) < least:
            cure = cures.get(what, "Choose longer end pieces" if "temple" in what else "Set the lens higher")
            found.append(
                Reason(
                    f"The front leaves {measures[name]:.2f} mm to the {what}; {least:.2f} mm are asked for.",
                    f"{cure}, or a greater vertex distance.",
                    RULE,
                )
            )
    found += [
        Reason(f"The {side} pupil lies outside its lens.", "Choose wider lenses, or another height.", RULE)
        for side, _ in SIDES
        if not np.isfinite(measures[f"vertex_{side}_mm"])
    ]
    return found  # fmt: skip
