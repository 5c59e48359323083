"""A model of the anatomy, 1 : 1, for planning and teaching: solid or hollow, whole or in parts, on a base, with its code.

Not a medical device and not for implantation. Research-only: no validation of this generator exists (G-SW-01).
Its surface is the approved one. What departs from it, a wall made thicker, a post, a drain, a letter, is measured and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold

from devices.generators.base import (
    GENERATORS,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
)
from devices.generators.cuts import Pins, cut_apart, plane_of
from devices.generators.engraving import LETTERS, Mark, engraved
from devices.generators.hollow import Drains, Hollow, hollowed
from devices.generators.parts import Kept, body_of, printable, set_apart, without_crumbs
from devices.generators.shell import Frame
from devices.generators.stand import standing
from devices.generators.thicken import thickened
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, face_areas, sample_surface
from devices.mesh.solid import mesh_of
from devices.mesh.wall import walls_of
from mes.exceptions import Reason

CUTS = (1, 2, 3)
SPIKE_SHARE, FEATHER_SHARE = 0.001, 0.02
"""How much of the surface may be thinner than the minimum wall: spikes of an anatomy, and the feather edges where a cut
leaves it at a small angle. They are said, and a printer may not build them."""
DEVIATION_SAMPLES = 20_000

PARAMETERS = (
    Parameter(
        "wall_mm", "mm", "Wall of a hollow model", "number", 0.0, 10.0, 0.0,
        "0 makes the model solid. Otherwise no cavity comes nearer to the surface than this.",
        prescribed_as=("wall thickness", "hollow wall"),
    ),
    Parameter("drain_count", "", "Drains of a cavity", "integer", 1, 6, 2, "At most so many; at least one is made."),
    Parameter("drain_diameter_mm", "mm", "Diameter of a drain", "number", 1.5, 10.0, 4.0, "Through which resin leaves a cavity."),
    Parameter(
        "minimum_wall_mm", "mm", "Minimum wall", "number", 0.3, 4.0, 1.0,
        "What the material and the process can build.",
    ),
    Parameter(
        "thicken", "", "Thicken what is too thin", "integer", 0, 1, 1,
        "1 moves both sides of walls below the minimum outwards, and says by how much; 0 refuses them.",
    ),
    Parameter(
        "minimum_part_ml", "ml", "Smallest piece", "number", 0.01, 50.0, 0.5, "Smaller loose pieces are left out.",
    ),
    *(
        one
        for number in CUTS
        for one in (
            Parameter(
                f"cut_{number}_point_mm", "mm", f"Point on cut {number}", "vector", -3000.0, 3000.0, (0.0, 0.0, 0.0),
                "Patient coordinates LPS.",
            ),
            Parameter(
                f"cut_{number}_normal", "", f"Normal of cut {number}", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
                "LPS, towards the part with the sockets; 0, 0, 0 makes no cut.", drawn="plane", stands_at=f"cut_{number}_point_mm",
            ),
        )
    ),
    Parameter("pin_count", "", "Pins of a cut", "integer", 0, 4, 2, "At most so many for each face of a cut; 0 makes none."),
    Parameter("pin_diameter_mm", "mm", "Diameter of a pin", "number", 2.0, 12.0, 4.0, "Of the pin, not of its socket."),
    Parameter("pin_length_mm", "mm", "Length of a pin", "number", 2.0, 20.0, 5.0, "From the face of the cut."),
    Parameter("pin_clearance_mm", "mm", "Clearance of a pin", "number", 0.05, 0.6, 0.2, "On the radius, and at its end."),
    Parameter("base_thickness_mm", "mm", "Thickness of the base", "number", 0.0, 15.0, 0.0, "0 makes no base."),
    Parameter(
        "base_direction", "", "Direction of the base", "vector", -1.0, 1.0, (0.0, 0.0, -1.0), "From the model to its base, LPS.",
    ),
    Parameter("base_gap_mm", "mm", "Height above the base", "number", 2.0, 40.0, 10.0, "Of the model's lowest point."),
    Parameter("post_diameter_mm", "mm", "Diameter of the posts", "number", 3.0, 20.0, 6.0, "Three of them carry the model."),
    *LETTERS,
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The checked values of `PARAMETERS`, mm and ml."""

    wall_mm: float
    drain_count: int
    drain_diameter_mm: float
    minimum_wall_mm: float
    thicken: int
    minimum_part_ml: float
    cut_1_point_mm: tuple[float, float, float]
    cut_1_normal: tuple[float, float, float]
    cut_2_point_mm: tuple[float, float, float]
    cut_2_normal: tuple[float, float, float]
    cut_3_point_mm: tuple[float, float, float]
    cut_3_normal: tuple[float, float, float]
    pin_count: int
    pin_diameter_mm: float
    pin_length_mm: float
    pin_clearance_mm: float
    base_thickness_mm: float
    base_direction: tuple[float, float, float]
    base_gap_mm: float
    post_diameter_mm: float
    letter_height_mm: float
    letter_depth_mm: float
    case_code: str
    letter_place_mm: tuple[float, float, float] | None = None

    @property
    def cuts(self) -> list[tuple[int, tuple[float, float, float], tuple[float, float, float]]]:
        """Number, point and normal of each plane that was given."""
        found = (
            (1, self.cut_1_point_mm, self.cut_1_normal),
            (2, self.cut_2_point_mm, self.cut_2_normal),
            (3, self.cut_3_point_mm, self.cut_3_normal),
        )
        return [cut for cut in found if any(cut[2])]

    @property
    def pins(self) -> Pins:
        return Pins(
            self.pin_count,
            self.pin_diameter_mm,
            self.pin_length_mm,
            self.pin_clearance_mm,
            max(self.minimum_wall_mm, self.wall_mm),
        )


@dataclass(frozen=True, eq=False)
class Part:
    """A finished part in its place in the patient: before and after it was hollowed, and where its code stands."""

    outer: Manifold
    made: Hollow
    mark: Mark


class AnatomicalModel:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "anatomical_model"
    version = "1"
    title = "Anatomical model"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The model's parts as one mesh in the patient's coordinates. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = Wanted(**checked)  # type: ignore[arg-type]  # check_values has given each field its type
        _refuse_contradictions(wanted)
        anatomy = body_of(bone, wanted.minimum_part_ml)
        thick = (
            [thickened(piece, wanted.minimum_wall_mm) for piece in anatomy.pieces] if wanted.thicken else []
        )
        body = _together([one.solid for one in thick] or anatomy.pieces)
        planes = [plane_of(point, normal, number) for number, point, normal in wanted.cuts]
        kept, pins = _parts(body, anatomy, planes, wanted)
        parts = [
            _finished(piece, planes, wanted, first=not number) for number, piece in enumerate(kept.pieces)
        ]
        placed, shifts = _placed(parts, wanted)
        mesh = printable(_together(placed))
        measures = {
            **_measured(mesh, parts, placed, wanted),
            **_deviation(_together(anatomy.pieces), parts),
            "thickened_area_share": _share([(one.share, one.solid.surface_area()) for one in thick]),
            "thickened_by_mm": max((one.by_mm for one in thick), default=0.0),
            "left_out_ml": kept.left_out_ml,
            "filled_ml": kept.filled_ml,
            "pins": float(pins),
            **{f"part_{number}_shift_x_mm": shift for number, shift in enumerate(shifts[1:], start=2)},
        }
        return Design(mesh, checked, measures, (), (*kept.warnings, *_said(measures, wanted)))


GENERATORS.add("anatomical_model", AnatomicalModel())


def _refuse_contradictions(wanted: Wanted) -> None:
    """Values that are each allowed and cannot go together, all of them at once."""
    least = wanted.minimum_wall_mm
    rules = (
        (
            0.0 < wanted.wall_mm < least,
            f"A hollow wall of {wanted.wall_mm:.2f} mm is thinner than the minimum of {least:.2f} mm.",
            f"Make it at least {least:.2f} mm, or 0 for a solid model.",
        ),
        (
            bool(wanted.cuts) and bool(wanted.pin_count) and wanted.pin_diameter_mm < 2.0 * least,
            f"A pin of {wanted.pin_diameter_mm:.2f} mm is thinner than two walls of {least:.2f} mm.",
            "Choose thicker pins, or none.",
        ),
        (
            0.0 < wanted.base_thickness_mm < wanted.letter_depth_mm + least,
            f"A base of {wanted.base_thickness_mm:.2f} mm cannot carry letters {wanted.letter_depth_mm:.2f} mm deep.",
            f"Make it at least {wanted.letter_depth_mm + least:.2f} mm thick, or 0 for none.",
        ),
        (
            bool(wanted.base_thickness_mm) and wanted.post_diameter_mm < 3.0 * least,
            f"A post of {wanted.post_diameter_mm:.2f} mm is thinner than three walls of {least:.2f} mm.",
            "Choose thicker posts.",
        ),
    )
    problems = [Reason(text, cure, "G-DES-01") for broken, text, cure in rules if broken]
    if problems:
        raise DesignRefused(problems)


def _parts(body: Manifold, anatomy: Kept, planes: Sequence[Frame], wanted: Wanted) -> tuple[Kept, int]:
    """The body on its base, cut into its parts, and how many pins join them."""
    if wanted.base_thickness_mm:
        body = body + standing(
            body,
            towards=wanted.base_direction,
            plate_mm=wanted.base_thickness_mm,
            gap_mm=wanted.base_gap_mm,
            post_mm=wanted.post_diameter_mm,
        )
    cut = cut_apart(body, planes, wanted.pins)
    pieces = [without_crumbs(anatomy, part, wanted.minimum_part_ml) for part in cut.parts]
    whole = sorted((piece for kept in pieces for piece in kept.pieces), key=lambda piece: -piece.volume())
    crumbs = sum(kept.left_out_ml - anatomy.left_out_ml for kept in pieces)
    return Kept(tuple(whole), anatomy.left_out_ml + crumbs, anatomy.filled_ml), len(cut.joints)


def _finished(piece: Manifold, planes: Sequence[Frame], wanted: Wanted, *, first: bool) -> Part:
    outer, mark = engraved(
        piece,
        wanted.case_code,
        height_mm=wanted.letter_height_mm,
        depth_mm=wanted.letter_depth_mm,
        wall_mm=max(wanted.minimum_wall_mm, wanted.wall_mm),
        place=wanted.letter_place_mm if first else None,
        spared=planes,
    )
    if not wanted.wall_mm:
        return Part(outer, Hollow(outer, 0, 0, np.inf, 0.0), mark)
    drains = Drains(wanted.drain_count, wanted.drain_diameter_mm, wanted.minimum_wall_mm)
    return Part(outer, hollowed(outer, wanted.wall_mm, drains), mark)


def _placed(parts: Sequence[Part], wanted: Wanted) -> tuple[list[Manifold], list[float]]:
    made = [part.made.solid for part in parts]
    return set_apart(made) if wanted.cuts else (made, [0.0] * len(made))


def _together(solids: Sequence[Manifold]) -> Manifold:
    return Manifold.compose(list(solids)) if len(solids) > 1 else solids[0]


def _measured(
    mesh: Mesh, parts: Sequence[Part], placed: Sequence[Manifold], wanted: Wanted
) -> dict[str, float]:
    """Figures of the parts as they are made. Raises DesignRefused where a wall is too thin."""
    walls = [_walls(part) for part in parts]
    every = np.sort(np.concatenate(walls))
    wall = float(every[int((FEATHER_SHARE if wanted.cuts else SPIKE_SHARE) * len(every))])
    share = float((every < wanted.minimum_wall_mm).mean())
    if wall < wanted.minimum_wall_mm:
        raise DesignRefused(
            f"{share:.1%} of the model is thinner than {wanted.minimum_wall_mm:.2f} mm, down to {every[0]:.2f} mm.",
            cure="Have thin walls made thicker, move the cuts, or order another material.",
            rule="G-DES-01",
        )
    hollow = [part.made.wall_mm for part in parts if part.made.cavities]
    box = np.ptp(mesh.vertices, axis=0)
    return {
        "scale": 1.0,
        "parts": float(len(parts)),
        "volume_ml": sum(one.volume() for one in placed) / 1000.0,
        "area_mm2": float(face_areas(mesh).sum()),
        "minimum_wall_mm": wall,
        "thinnest_feature_mm": float(every[0]),
        "thin_area_share": share,
        **({"hollow_wall_mm": min(hollow)} if hollow else {}),
        "cavities": float(sum(part.made.cavities for part in parts)),
        "drains": float(sum(part.made.drains for part in parts)),
        "hollowed_ml": sum(part.made.removed_ml for part in parts),
        "engraved_depth_mm": wanted.letter_depth_mm,
        "engraved_relief_mm": max(part.mark.relief for part in parts),
        "width_mm": float(box[0]),
        "depth_mm": float(box[1]),
        "height_mm": float(box[2]),
    }


def _walls(part: Part) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The wall at points spread over a part, mm, the flanks of its letters left out."""
    surface = Surface(mesh_of(part.made.solid))
    points, normals, walls = walls_of(surface)
    return walls[~part.mark.holds(points, normals)]


def _deviation(anatomy: Manifold, parts: Sequence[Part]) -> dict[str, float]:
    """How far the approved surface lies from that of the parts in their place, mm: points of it, each against all parts."""
    points, _ = sample_surface(mesh_of(anatomy), DEVIATION_SAMPLES, np.random.default_rng(0))
    distances = np.min([Surface(mesh_of(part.outer)).unsigned(points) for part in parts], axis=0)
    return {
        "deviation_mean_mm": float(distances.mean()),
        "deviation_p95_mm": float(np.quantile(distances, 0.95)),
        "deviation_max_mm": float(distances.max()),
    }


def _share(parts: Sequence[tuple[float, float]]) -> float:
    area = sum(area for _, area in parts)
    return sum(share * one for share, one in parts) / area if area else 0.0


def _said(measures: Mapping[str, float], wanted: Wanted) -> tuple[str, ...]:
    said = (
        (
            measures["thickened_area_share"] > 0.0,
            f"{measures['thickened_area_share']:.1%} of the surface was moved outwards, by up to "
            f"{measures['thickened_by_mm']:.2f} mm, to give its wall {wanted.minimum_wall_mm:g} mm.",
        ),
        (
            measures["thin_area_share"] > 0.0,
            f"Edges and spikes down to {measures['thinnest_feature_mm']:.2f} mm, on "
            f"{measures['thin_area_share']:.2%} of the surface, may not be built.",
        ),
        (
            bool(wanted.wall_mm) and not measures["cavities"],
            f"No part is thick enough for a cavity behind a wall of {wanted.wall_mm:g} mm: the model is solid.",
        ),
        (
            bool(wanted.cuts),
            f"The {measures['parts']:.0f} parts stand apart along the patient's x; the measures say by how much.",
        ),
    )
    return tuple(text for happened, text in said if happened)
