"""A drill guide for the pedicles of a vertebra: tubes on the planned axes, on a body that rests on its laminae.

Entries, axes, depths, contacts and the sleeve are the approved plan's; how the body is built between them is chosen here. Research-only: no
validation of this generator exists, so what it makes is not for clinical use (G-SW-01).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import (
    GENERATORS,
    Design,
    DesignRefused,
    GuideTube,
    Parameter,
    ValidationStatus,
    Value,
    check_values,
)
from devices.generators.openings import Ground, placed_openings
from devices.generators.pad import Tube
from devices.generators.pedicle_body import Parts, built, engraved, mark_on, opened
from devices.generators.pedicle_checks import Trajectory, bone_margins, refuse_contradictions
from devices.generators.saddle import Saddle, saddle_body
from devices.generators.seat import score_seat
from devices.generators.site import BARRED_MM, LANDMARK_REACH_MM, find_site
from devices.mesh.base import Mesh
from devices.mesh.bore import measure_bore
from devices.mesh.check import signed_volume_mm3
from devices.mesh.distance import Surface, face_areas, sample_surface
from devices.mesh.solid import mesh_of
from devices.mesh.wall import measure_wall
from mes.exceptions import Reason

RULE = "G-DES-01"
SIDES = ("left", "right")
PLACES = (*SIDES, "spinous")
FURTHEST_MM = 3000.0
REACH_MM = 12.0
CLEARANCE_SAMPLES = 30_000
CONTACT_BAND_MM = 0.25
CLEARANCE_LACK_MM = 0.05
"""How much nearer to the bone than its clearance the finished guide may come anywhere."""
FACING = -0.2
DRILL_PLAY_MM = 0.4
"""How much wider the passage below the sleeve is than the sleeve: the drill touches metal alone."""


def _planned(name: str, unit: str, title: str, low: float, high: float, *known: str) -> Parameter:
    return Parameter(
        name, unit, title, "number", low, high, None, "From the plan.", prescribed_as=known, planned=True
    )


def _place(name: str, title: str, most: float = FURTHEST_MM, unit: str = "mm") -> Parameter:
    return Parameter(
        name, unit, title, "vector", -most, most, None, "From the plan.", optional=True, planned=True
    )


PARAMETERS = (
    Parameter("level", "", "Level", "text", 2, 3, None, "From the plan; it is engraved.", planned=True),
    Parameter(
        "insertion_direction", "", "Insertion direction", "vector", -1.0, 1.0, None, "From the plan.", planned=True
    ),
    _planned("drill_diameter_mm", "mm", "Drill diameter", 0.8, 10.0, "drill diameter"),
    _planned("sleeve_inner_diameter_mm", "mm", "Inside of the sleeve", 0.8, 12.0),
    _planned("sleeve_seat_diameter_mm", "mm", "Seat of the sleeve", 1.5, 16.0),
    _planned("sleeve_height_mm", "mm", "Height of the sleeve", 4.0, 40.0),
    *(
        parameter
        for side in SIDES
        for parameter in (
            _place(f"{side}_entry_mm", f"Entry on the {side}"),
            _place(f"{side}_axis", f"Axis on the {side}", 1.0, ""),
            Parameter(
                f"{side}_depth_mm", "mm", f"Depth on the {side}", "number", 5.0, 80.0, None, "From the plan.",
                optional=True, planned=True,
            ),
        )
    ),
    *(_place(f"{place}_contact_mm", f"Contact on the {place}") for place in PLACES),
    Parameter("clearance_mm", "mm", "Clearance at the contact", "number", 0.05, 1.0, 0.15, "Gap between bone and guide where it rests."),
    Parameter("relief_mm", "mm", "Relief elsewhere", "number", 0.5, 5.0, 1.2, "Gap to the bone that the guide does not rest on; soft tissue stays there."),
    Parameter("contact_radius_mm", "mm", "Radius of a contact", "number", 3.0, 14.0, 6.0, "Around each picked contact, seen along the insertion."),
    Parameter("contact_depth_mm", "mm", "Depth down the sides", "number", 1.0, 20.0, 5.0, "How far below the lowest contact or entry the guide may follow the bone."),
    Parameter("thickness_mm", "mm", "Thickness of the body", "number", 2.0, 10.0, 4.0, "Away from the bone."),
    Parameter("bridge_width_mm", "mm", "Width of the bridge", "number", 4.0, 20.0, 9.0, "Between the contacts and the tubes."),
    Parameter("tube_wall_mm", "mm", "Wall of a tube", "number", 0.8, 6.0, 2.0, "Around the sleeve."),
    Parameter("sleeve_stand_mm", "mm", "Sleeve above the bone", "number", 3.0, 25.0, 8.0, "From the entry to the lower end of the sleeve, where it stands on a shoulder."),
    Parameter("window_diameter_mm", "mm", "Inspection windows", "number", 0.0, 8.0, 3.0, "One through each contact on a lamina, to see that the guide is seated; 0 for none."),
    Parameter("pin_diameter_mm", "mm", "Fixation pins", "number", 0.0, 3.0, 0.0, "A hole beside each window, along the insertion; 0 for none."),
    Parameter("mark_height_mm", "mm", "Height of the mark", "number", 2.5, 6.0, 3.5, "Level and sides, engraved over the middle."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 1.0, "What the material and the process can build; anything thinner is taken away or refused."),
    Parameter("detail_mm", "mm", "Fineness", "number", 0.4, 1.2, 0.5, "Spacing of the samples that the body is made on."),
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The checked values, mm and unit vectors: those of `PARAMETERS` by name, and the trajectories and contacts in them."""

    values: Mapping[str, Any]
    trajectories: tuple[Trajectory, ...]
    contacts: Mapping[str, NDArray[np.float64]]

    def __getitem__(self, name: str) -> float:
        return float(self.values[name])

    @property
    def rim_mm(self) -> float:
        """From the entry to the rim of a tube, along its axis."""
        return self["sleeve_stand_mm"] + self["sleeve_height_mm"]

    @property
    def passage_mm(self) -> float:
        """The diameter of the hole below the sleeve."""
        return round(self["sleeve_inner_diameter_mm"] + DRILL_PLAY_MM, 6)

    def tube(self, one: Trajectory) -> Tube:
        seat = self["sleeve_seat_diameter_mm"] / 2.0
        return Tube(one.entry, one.axis, seat, seat + self["tube_wall_mm"], self.rim_mm)


class PedicleGuide:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "pedicle_guide"
    version = "3"
    title = "Pedicle drill guide"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The guide as one solid in the bone's coordinates. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = _wanted(checked)
        refuse_contradictions(
            wanted.trajectories,
            drill_mm=wanted["drill_diameter_mm"],
            outer_mm=2.0 * wanted.tube(wanted.trajectories[0]).outer_radius,
            rim_mm=wanted.rim_mm,
            shoulder_mm=(wanted["sleeve_seat_diameter_mm"] - wanted.passage_mm) / 2.0,
            values=wanted.values,
        )
        surface = Surface(bone)
        margins = bone_margins(surface, wanted.trajectories, wanted["drill_diameter_mm"])
        saddle = _saddle(surface, wanted)
        tubes = [wanted.tube(one) for one in wanted.trajectories]
        body = saddle_body(saddle, tubes)
        parts = Parts(
            saddle=saddle,
            tubes=tuple(tubes),
            body=body,
            seat_from_mm=wanted["sleeve_stand_mm"],
            passage_mm=wanted.passage_mm,
        )
        plain, mesh, warnings = _finished(parts, wanted)
        measures = {**_measured(mesh, plain, saddle, wanted), **margins}
        features = tuple(_feature(one, wanted) for one in wanted.trajectories)
        return Design(mesh, checked, measures, features, (*body.warnings, *warnings))


GENERATORS.add("pedicle_guide", PedicleGuide())


def _wanted(checked: dict[str, Value]) -> Wanted:
    trajectories, problems = [], []
    for side in SIDES:
        parts = [checked.get(f"{side}_{part}") for part in ("entry_mm", "axis", "depth_mm")]
        if all(part is None for part in parts):
            continue
        if any(part is None for part in parts):
            problems.append(
                Reason(f"The trajectory on the {side} is incomplete.", "Plan entry, axis and depth.", RULE)
            )
            continue
        axis = np.array(parts[1])
        length = float(np.linalg.norm(axis))
        if abs(length - 1.0) > 1e-6:
            problems.append(Reason(f"The axis on the {side} is no unit vector.", "Plan it again.", RULE))
            continue
        trajectories.append(Trajectory(side, np.array(parts[0]), axis, float(parts[2])))  # type: ignore[arg-type]  # check_values made it a number
    contacts = {
        place: np.array(checked[f"{place}_contact_mm"])
        for place in PLACES
        if f"{place}_contact_mm" in checked
    }
    if not trajectories and not problems:
        problems.append(
            Reason("The plan holds no trajectory.", "Plan one on each side that is ordered.", RULE)
        )
    if not contacts:
        problems.append(Reason("The plan holds no contact.", "Pick where the guide rests on the bone.", RULE))
    if problems:
        raise DesignRefused(problems)
    return Wanted(checked, tuple(trajectories), contacts)


def _on_bone(surface: Surface, contacts: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The contacts (n, 3) where the bone is nearest to them. Raises DesignRefused for those that were not picked on it."""
    points = np.array(list(contacts.values()))
    found = surface.closest(points).points
    away = np.linalg.norm(found - points, axis=1)
    problems = [
        Reason(
            f"The contact on the {place} is {distance:.1f} mm from the bone.",
            "Pick it on the bone's surface.",
            RULE,
        )
        for place, distance in zip(contacts, away, strict=True)
        if distance > LANDMARK_REACH_MM
    ]
    if problems:
        raise DesignRefused(problems)
    return found


def _saddle(surface: Surface, wanted: Wanted) -> Saddle:
    """Where the guide sits: seen along the insertion from the first contact, with every contact in sight."""
    contacts = _on_bone(surface, wanted.contacts)
    reach = np.concatenate([contacts, *(one.entry[None] for one in wanted.trajectories)])
    extent = float(np.linalg.norm(reach - contacts[0], axis=1).max()) + wanted["contact_radius_mm"] + REACH_MM
    first = tuple(float(part) for part in contacts[0])
    direction = tuple(float(part) for part in wanted.values["insertion_direction"])
    site = find_site(surface, first, direction, extent, wanted["contact_depth_mm"] + extent)  # type: ignore[arg-type]  # three components
    local = site.frame.to_local(contacts)
    start = local.copy()
    start[:, 2] = site.ceiling
    over = site.ceiling - site.near.first_hits(site.frame.to_patient(start), site.inward) - local[:, 2]
    problems = [
        Reason(f"Bone {height:.1f} mm above the contact on the {place} bars the way.", "Turn the insertion, or pick it elsewhere.", RULE)
        for place, height in zip(wanted.contacts, over, strict=True)
        if math.isfinite(height) and height > BARRED_MM
    ]  # fmt: skip
    if problems:
        raise DesignRefused(problems)
    entries = site.frame.to_local(np.array([one.entry for one in wanted.trajectories]))
    return Saddle(
        site=site,
        contacts=contacts,
        contact_radius_mm=wanted["contact_radius_mm"],
        floor_mm=float(min(local[:, 2].min(), entries[:, 2].min())) - wanted["contact_depth_mm"],
        clearance_mm=wanted["clearance_mm"],
        relief_mm=wanted["relief_mm"],
        thickness_mm=wanted["thickness_mm"],
        width_mm=wanted["bridge_width_mm"],
        minimum_wall_mm=wanted["minimum_wall_mm"],
        spacing_mm=wanted["detail_mm"],
    )


def _finished(parts: Parts, wanted: Wanted) -> tuple[Mesh, Mesh, list[str]]:
    """The guide before and after it is engraved, and what was left out of it."""
    mark = mark_on(parts, _mark(wanted), wanted["mark_height_mm"])
    solid = built(parts, mark)
    saddle = parts.saddle
    contacts = {
        place: contact
        for place, contact in zip(wanted.contacts, saddle.contacts, strict=True)
        if place in SIDES
    }
    ground = Ground(saddle, parts.tubes, Surface(mesh_of(solid)))
    openings, warnings = placed_openings(
        ground, contacts, wanted["window_diameter_mm"], wanted["pin_diameter_mm"]
    )
    plain = opened(solid, openings, saddle.site.frame)
    return mesh_of(plain), mesh_of(engraved(plain, mark)), warnings


def _mark(wanted: Wanted) -> str:
    """Read from behind the patient, head up: the patient's left is on the reader's left."""
    sides = [one.side for one in wanted.trajectories]
    level = str(wanted.values["level"])
    return f"L {level} R" if len(sides) == 2 else f"{level} {sides[0][0].upper()}"


def _measured(mesh: Mesh, plain: Mesh, saddle: Saddle, wanted: Wanted) -> dict[str, float]:
    """What the finished mesh shows. The wall is that of the body before it is engraved: the strokes of letters are no walls."""
    problems: list[Reason] = []
    guide = Surface(plain)
    wall = measure_wall(guide)
    if wall.minimum_mm < wanted["minimum_wall_mm"]:
        at = ", ".join(f"{part:.1f}" for part in wall.place_mm)
        problems.append(
            Reason(
                f"The wall is only {wall.minimum_mm:.2f} mm at ({at}); {wanted['minimum_wall_mm']:.2f} mm are needed.",
                "Thicken the body, widen the bridge, or make the windows smaller.",
                RULE,
            )
        )
    clearance, contact, normals = _contact(guide, saddle)
    lack = saddle.clearance_mm - clearance
    if lack > CLEARANCE_LACK_MM:
        problems.append(
            Reason(
                f"The guide comes within {clearance:.2f} mm of the bone; its clearance is {saddle.clearance_mm:.2f} mm.",
                "Make it finer, raise the clearance, or turn the insertion.",
                RULE,
            )
        )
    if len(contact) < 50:
        problems.append(
            Reason(
                "The guide has hardly any contact with the bone.",
                "Pick the contacts elsewhere, or widen them.",
                RULE,
            )
        )
    if problems:
        raise DesignRefused(problems)
    _refuse_broken_bores(mesh, wanted)
    pressed = np.array([one.entry for one in wanted.trajectories])
    seat = score_seat(contact, normals, saddle.site.inward, pressed)
    area = float(face_areas(plain).sum())
    return {
        "volume_ml": signed_volume_mm3(mesh) / 1000.0,
        "area_mm2": area,
        "contact_area_mm2": area * len(contact) / CLEARANCE_SAMPLES,
        "minimum_wall_mm": wall.minimum_mm,
        "wall_p01_mm": wall.p01_mm,
        "bone_clearance_minimum_mm": clearance,
        "clearance_lack_mm": max(lack, 0.0),
        "seat_uniqueness": seat.uniqueness,
        "seat_support_mm": seat.support_mm,
        "seat_reach_mm": seat.radius_mm,
        **{f"{one.side}_drill_stop_mm": one.depth_mm + wanted.rim_mm for one in wanted.trajectories},
    }


def _contact(guide: Surface, saddle: Saddle) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The least gap to the bone, negative where bone bars the way out; and points and normals of the guide where it rests."""
    points, faces = sample_surface(guide.mesh, CLEARANCE_SAMPLES, np.random.default_rng(0))
    outward = saddle.site.frame.axes[2]
    distance = saddle.distance(points)
    local = saddle.site.frame.to_local(points)
    resting = (guide.normals[faces] @ outward < FACING) & (saddle.within_contact(local) <= 0.0)
    resting &= distance < saddle.clearance_mm + CONTACT_BAND_MM
    return float(distance.min()), points[resting], guide.normals[faces[resting]]


def _refuse_broken_bores(mesh: Mesh, wanted: Wanted) -> None:
    """Raises DesignRefused where a seat is not whole on the finished mesh."""
    for one in wanted.trajectories:
        if measure_bore(mesh, one.entry, one.axis, wanted["sleeve_seat_diameter_mm"]) is None:
            raise DesignRefused(
                f"The bore on the {one.side} is not whole.",
                cure="Move the tube or widen its wall.",
                rule=RULE,
            )


def _feature(one: Trajectory, wanted: Wanted) -> GuideTube:
    tube = wanted.tube(one)
    x, y, z = (float(part) for part in one.entry)
    u, v, w = (float(part) for part in one.axis)
    return GuideTube((x, y, z), (u, v, w), 2.0 * tube.inner_radius, 2.0 * tube.outer_radius, tube.height)
