"""A guide that sits on the bone: a fitted pad around a landmark, with guide tubes through it.

Research-only: no validation of this generator exists, so what it makes is not for clinical use (G-SW-01).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import (
    GENERATORS,
    Design,
    DesignRefused,
    GuideTube,
    Parameter,
    ValidationStatus,
    check_values,
)
from devices.generators.pad import Pad, Tube, fitted_pad
from devices.generators.site import Site, find_site, tube_places
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, face_areas, sample_surface
from devices.mesh.solid import mesh_of
from devices.mesh.wall import measure_wall
from mes.exceptions import Reason

SEGMENTS = 96
SIMPLIFY_MM = 0.01
CRUMB_SHARE = 0.01
CLEARANCE_SAMPLES = 20_000
BORE_PROBE = 0.95

PARAMETERS = (
    Parameter(
        "landmark_mm", "mm", "Landmark on the bone", "vector", -3000.0, 3000.0, None,
        "Centre of the pad, patient coordinates LPS; it is moved to the nearest point of the bone.",
    ),
    Parameter(
        "insertion_direction", "", "Insertion direction", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
        "Towards the bone, LPS; 0, 0, 0 takes the inward normal of the bone around the landmark.", drawn="axis", stands_at="landmark_mm",
    ),
    Parameter("clearance_mm", "mm", "Clearance to the bone", "number", 0.05, 2.0, 0.2, "Gap between bone and pad."),
    Parameter("thickness_mm", "mm", "Thickness of the pad", "number", 1.2, 10.0, 3.0, "Away from the bone."),
    Parameter("extent_mm", "mm", "Extent of the pad", "number", 5.0, 60.0, 16.0, "Radius around the landmark."),
    Parameter(
        "depth_mm", "mm", "Depth down the sides", "number", 2.0, 40.0, 10.0,
        "How far below the landmark the pad may follow the bone.",
    ),
    Parameter(
        "minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 1.0,
        "What the material and the process can build; anything thinner is taken away or refused.",
    ),
    Parameter(
        "tube_count", "", "Number of guide tubes", "integer", 1, 6, 2, "In a row, their axes parallel.",
        prescribed_as=("tubes", "tube count", "number of tubes", "number of holes", "drill holes"),
    ),
    Parameter(
        "tube_spacing_mm", "mm", "Distance between tubes", "number", 3.0, 60.0, 12.0, "Axis to axis.",
        prescribed_as=("tube spacing", "hole spacing", "distance between holes"),
    ),
    Parameter(
        "tube_row_angle_deg", "deg", "Angle of the row", "number", -180.0, 180.0, 0.0,
        "About the insertion direction, from the patient's left-right axis.",
    ),
    Parameter(
        "tube_shift_mm", "mm", "Shift of the row", "vector", -60.0, 60.0, (0.0, 0.0, 0.0),
        "From the landmark to the middle of the row, LPS.",
    ),
    Parameter(
        "tube_axis", "", "Axis of the tubes", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
        "Into the bone, LPS; 0, 0, 0 takes the insertion direction.", drawn="axis", stands_at="landmark_mm",
    ),
    Parameter(
        "tube_inner_diameter_mm", "mm", "Inner diameter", "number", 0.8, 20.0, 2.4, "Of the bore.",
        prescribed_as=("drill diameter", "bore diameter", "hole diameter", "tube inner diameter"),
    ),
    Parameter(
        "tube_outer_diameter_mm", "mm", "Outer diameter", "number", 2.0, 30.0, 6.0, "Of the tube.", prescribed_as=("tube outer diameter",),
    ),
    Parameter(
        "tube_height_mm", "mm", "Height of the tubes", "number", 3.0, 60.0, 12.0, "From the bone to the rim.",
        prescribed_as=("tube height", "tube length"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The checked values of `PARAMETERS`, mm and degrees."""

    landmark_mm: tuple[float, float, float]
    insertion_direction: tuple[float, float, float]
    clearance_mm: float
    thickness_mm: float
    extent_mm: float
    depth_mm: float
    minimum_wall_mm: float
    tube_count: int
    tube_spacing_mm: float
    tube_row_angle_deg: float
    tube_shift_mm: tuple[float, float, float]
    tube_axis: tuple[float, float, float]
    tube_inner_diameter_mm: float
    tube_outer_diameter_mm: float
    tube_height_mm: float


class BoneGuide:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "bone_guide"
    version = "1"
    title = "Bone-fitting drill guide"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The guide as one solid in the bone's coordinates. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = Wanted(**checked)  # type: ignore[arg-type]  # check_values has given each field its type
        _refuse_contradictions(wanted)
        surface = Surface(bone)
        site = find_site(
            surface, wanted.landmark_mm, wanted.insertion_direction, wanted.extent_mm, wanted.depth_mm
        )
        tubes = _tubes(site, wanted)
        pad = fitted_pad(
            site,
            tubes,
            clearance_mm=wanted.clearance_mm,
            thickness_mm=wanted.thickness_mm,
            extent_mm=wanted.extent_mm,
            depth_mm=wanted.depth_mm,
            minimum_wall_mm=wanted.minimum_wall_mm,
        )
        mesh = mesh_of(_drilled(pad, tubes))
        measures = _measured(mesh, site, tubes, wanted)
        used = {**checked, "insertion_direction": _triple(site.inward), "tube_axis": _triple(tubes[0].axis)}
        return Design(mesh, used, measures, tuple(_feature(tube, wanted) for tube in tubes), pad.warnings)


GENERATORS.add("bone_guide", BoneGuide())


def _refuse_contradictions(wanted: Wanted) -> None:
    """Values that are each allowed and cannot go together, all of them at once."""
    tube_wall = (wanted.tube_outer_diameter_mm - wanted.tube_inner_diameter_mm) / 2.0
    half_row = (wanted.tube_count - 1) * wanted.tube_spacing_mm / 2.0
    reach = math.hypot(*wanted.tube_shift_mm) + half_row + wanted.tube_outer_diameter_mm / 2.0
    web = wanted.tube_spacing_mm - wanted.tube_inner_diameter_mm
    least = wanted.minimum_wall_mm
    rules = (
        (
            tube_wall < least,
            f"The tube's wall is {tube_wall:.2f} mm, the minimum {least:.2f} mm.",
            "Widen the outer or narrow the inner diameter.",
        ),
        (
            wanted.thickness_mm < least * 1.1 + 0.5,
            f"A pad of {wanted.thickness_mm:.2f} mm cannot keep a wall of {least:.2f} mm.",
            f"Make it at least {least * 1.1 + 0.5:.2f} mm thick.",
        ),
        (
            wanted.tube_count > 1 and web < least,
            f"Between two bores {web:.2f} mm are left, the minimum is {least:.2f} mm.",
            "Set the tubes further apart.",
        ),
        (
            reach > wanted.extent_mm,
            f"The tubes reach {reach:.1f} mm from the landmark, the pad {wanted.extent_mm:.1f} mm.",
            "Widen the pad, or set the tubes closer together.",
        ),
        (
            wanted.tube_height_mm < wanted.clearance_mm + wanted.thickness_mm + 1.0,
            f"A tube of {wanted.tube_height_mm:.1f} mm ends inside the pad.",
            f"Make it at least {wanted.clearance_mm + wanted.thickness_mm + 1.0:.1f} mm high.",
        ),
    )
    problems = [Reason(text, cure, "G-DES-01") for broken, text, cure in rules if broken]
    if problems:
        raise DesignRefused(problems)


def _tubes(site: Site, wanted: Wanted) -> tuple[Tube, ...]:
    places, axis = tube_places(
        site,
        count=wanted.tube_count,
        spacing_mm=wanted.tube_spacing_mm,
        row_angle_deg=wanted.tube_row_angle_deg,
        shift_mm=wanted.tube_shift_mm,
        axis=wanted.tube_axis,
    )
    return tuple(
        Tube(
            place,
            axis,
            wanted.tube_inner_diameter_mm / 2.0,
            wanted.tube_outer_diameter_mm / 2.0,
            wanted.tube_height_mm,
        )
        for place in places
    )


def _drilled(pad: Pad, tubes: Sequence[Tube]) -> Manifold:
    """Pad and tubes as one body, the bores cut last and exactly."""
    walls = [
        _cylinder(tube, tube.outer_radius, start, tube.height)
        for tube, start in zip(tubes, pad.tube_starts, strict=True)
    ]
    body = Manifold.batch_boolean([pad.solid, *walls], OpType.Add)
    # A bore ends just outside the pad: each face of a long one is held against every face of the pad.
    bores = [bore_of(tube, low - 1.0, tube.height + 1.0) for tube, low in zip(tubes, pad.lowest, strict=True)]
    return _one_piece((body - Manifold.batch_boolean(bores, OpType.Add)).simplify(SIMPLIFY_MM))


def bore_of(tube: Tube, start: float, end: float) -> Manifold:
    """What a tube's bore takes away. Its polygon stands outside its circle: a drill of the nominal diameter passes."""
    return _cylinder(tube, tube.inner_radius / math.cos(math.pi / SEGMENTS), start, end)


def _cylinder(tube: Tube, radius: float, start: float, end: float) -> Manifold:
    """Along the tube's axis, from `start` to `end` mm above the bone."""
    raw = Manifold.cylinder(end - start, radius, radius, SEGMENTS).translate([0.0, 0.0, start])
    place = np.zeros((3, 4))
    place[:, :3], place[:, 3] = tube.frame.axes.T, tube.position
    return raw.transform(place)


def _one_piece(solid: Manifold) -> Manifold:
    pieces = sorted(solid.decompose(), key=lambda piece: -piece.volume())
    if not pieces or pieces[0].volume() <= 0.0:
        raise DesignRefused("Nothing is left of the guide.", cure="Move the landmark or widen the pad.")
    loose = sum(abs(piece.volume()) for piece in pieces[1:])
    if loose > CRUMB_SHARE * pieces[0].volume():
        raise DesignRefused(
            f"The guide falls into {len(pieces)} pieces.",
            cure="Widen the pad or move the tubes from its edge.",
        )
    return pieces[0]


def _measured(mesh: Mesh, site: Site, tubes: Sequence[Tube], wanted: Wanted) -> dict[str, float]:
    guide = Surface(mesh)
    problems = _bore_problems(guide, tubes)
    wall = measure_wall(guide)
    if wall.minimum_mm < wanted.minimum_wall_mm:
        at = ", ".join(f"{v:.1f}" for v in wall.place_mm)
        problems.append(
            Reason(
                f"The wall is only {wall.minimum_mm:.2f} mm at ({at}); {wanted.minimum_wall_mm:.2f} mm are needed.",
                "Thicken the pad, move the tubes from its edge, or choose a smoother place on the bone.",
                "G-DES-01",
            )
        )
    clearance, contact = _clearance(guide, site, wanted)
    if clearance["bone_clearance_minimum_mm"] <= 0.0:
        problems.append(
            Reason(
                "The guide would cut into the bone.",
                "Increase the clearance or turn the insertion.",
                "G-DES-01",
            )
        )
    if problems:
        raise DesignRefused(problems)
    box = site.frame.to_local(mesh.vertices)
    return {
        "volume_ml": _volume(mesh) / 1000.0,
        "area_mm2": float(face_areas(mesh).sum()),
        "contact_area_mm2": contact,
        "minimum_wall_mm": wall.minimum_mm,
        "wall_p01_mm": wall.p01_mm,
        **clearance,
        "landmark_to_bone_mm": site.landmark_distance,
        "width_mm": float(np.ptp(box[:, 0])),
        "depth_mm": float(np.ptp(box[:, 1])),
        "height_mm": float(np.ptp(box[:, 2])),
    }


def _bore_problems(guide: Surface, tubes: Sequence[Tube]) -> list[Reason]:
    """Straight looks through every bore must meet nothing; looks along its wall must meet the wall."""
    found = []
    for number, tube in enumerate(tubes, start=1):
        rim = tube.height + 5.0
        rings = [tube.ring(share * tube.inner_radius, rim) for share in (0.0, 0.5, BORE_PROBE)]
        open_rays = np.concatenate(rings)
        wall_rays = tube.ring((tube.inner_radius + tube.outer_radius) / 2.0, rim)
        if guide.hit_counts(open_rays, tube.axis).any():
            found.append(
                Reason(f"Bore {number} is not open.", "Move the tube or flatten the pad.", "G-DES-01")
            )
        if (guide.hit_counts(wall_rays, tube.axis) < 2).any():
            found.append(
                Reason(f"Tube {number} has a gap in its wall.", "Move it from the pad's edge.", "G-DES-01")
            )
    return found


def _clearance(guide: Surface, site: Site, wanted: Wanted) -> tuple[dict[str, float], float]:
    """Distances between guide and bone over the whole guide, and over the side that faces the bone; contact area, mm².

    A point with bone straight above it, on its way out, is counted as inside the bone.
    """
    points, faces = sample_surface(guide.mesh, CLEARANCE_SAMPLES, np.random.default_rng(0))
    distance = site.near.unsigned(points)
    barred = np.isfinite(site.near.first_hits(points, site.frame.axes[2]))
    distance = np.where(barred, -distance, distance)
    facing = (guide.normals[faces] @ site.frame.axes[2] < -0.2) & (
        distance < wanted.clearance_mm + wanted.thickness_mm / 2.0
    )
    face_of_bone = distance[facing] if facing.any() else distance
    area = float(face_areas(guide.mesh).sum())
    figures = {
        "bone_clearance_minimum_mm": float(distance.min()),
        "bone_clearance_p05_mm": float(np.quantile(face_of_bone, 0.05)),
        "bone_clearance_p50_mm": float(np.quantile(face_of_bone, 0.50)),
        "bone_clearance_p95_mm": float(np.quantile(face_of_bone, 0.95)),
    }
    return figures, float(facing.mean()) * area


def _volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] - mesh.vertices[0] for corner in range(3))
    return float((np.cross(a, b) * c).sum() / 6.0)


def _feature(tube: Tube, wanted: Wanted) -> GuideTube:
    return GuideTube(
        _triple(tube.position),
        _triple(tube.axis),
        wanted.tube_inner_diameter_mm,
        wanted.tube_outer_diameter_mm,
        wanted.tube_height_mm,
    )


def _triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vector)
    return x, y, z
