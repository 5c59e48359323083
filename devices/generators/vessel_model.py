"""A model of a heart or a vessel, 1 : 1: a wall of one thickness around the lumen that contrast shows, open where vessels end.

Not a medical device and not for implantation. Research-only: no validation of this generator exists (G-SW-01). The inside is the
approved surface, untouched; the wall is no anatomy, for contrast shows no wall, and the model's warnings say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

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
from devices.generators.jacket import Jacket, jacketed
from devices.generators.parts import body_of, kept_of, printable, set_apart
from devices.generators.ports import Port, port_at, refuse_shut, trimmed
from devices.generators.shell import Frame
from devices.mesh.base import Mesh
from devices.mesh.distance import Surface, face_areas, sample_surface
from devices.mesh.solid import mesh_of
from devices.mesh.wall import walls_of
from mes.exceptions import Reason

Triple = tuple[float, float, float]

PORTS = range(1, 7)
FEATHER_SHARE = 0.02
"""How much of the surface may be thinner than the minimum wall: the feather edges where a plane leaves a wall at a small angle."""
DEVIATION_SAMPLES = 20_000
CRUMB_ML = 0.05
"""Slivers that a cut leaves of a wall are below this."""
MOST_DEVIATION_MM = 0.1
"""How far the inside of the model may lie from the approved surface."""

PARAMETERS = (
    Parameter(
        "wall_mm", "mm", "Wall", "number", 0.8, 6.0, 2.0, "Outwards from the lumen, which keeps its size.",
        prescribed_as=("wall thickness", "vessel wall"),
    ),
    Parameter(
        "minimum_wall_mm", "mm", "Minimum wall", "number", 0.3, 4.0, 1.0, "What the material and the process can build.",
    ),
    Parameter(
        "minimum_part_ml", "ml", "Smallest vessel", "number", 0.01, 50.0, 0.5, "Smaller loose pieces of lumen are left out.",
    ),
    *(
        one
        for number in PORTS
        for one in (
            Parameter(
                f"port_{number}_mm", "mm", f"Open end {number}", "vector", -3000.0, 3000.0, None,
                "On the end of a vessel, LPS; left out, there is no such port.", optional=True,
            ),
            Parameter(
                f"port_{number}_outward", "", f"Way out of end {number}", "vector", -1.0, 1.0, (0.0, 0.0, 0.0),
                "Out of the vessel, LPS; 0, 0, 0 takes what its end looks at.", drawn="axis", stands_at=f"port_{number}_mm",
            ),
        )
    ),
    Parameter("port_trim_mm", "mm", "Trimmed of each end", "number", 0.5, 30.0, 3.0, "From the picked place back to the open plane."),
    Parameter(
        "cut_point_mm", "mm", "Point on the cut", "vector", -3000.0, 3000.0, (0.0, 0.0, 0.0),
        "Of the plane that opens the model to look inside, LPS.",
    ),
    Parameter("cut_normal", "", "Normal of the cut", "vector", -1.0, 1.0, (0.0, 0.0, 0.0), "LPS; 0, 0, 0 makes no cut.", drawn="plane", stands_at="cut_point_mm"),
    *LETTERS,
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The checked values of `PARAMETERS` that are not a port's, mm and ml; and the ports: number, pick and way out."""

    wall_mm: float
    minimum_wall_mm: float
    minimum_part_ml: float
    port_trim_mm: float
    cut_point_mm: Triple
    cut_normal: Triple
    letter_height_mm: float
    letter_depth_mm: float
    case_code: str
    letter_place_mm: Triple | None = None
    ports: tuple[tuple[int, Triple, Triple], ...] = ()

    @property
    def cut(self) -> list[Frame]:
        return [plane_of(self.cut_point_mm, self.cut_normal, 1)] if any(self.cut_normal) else []


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of the model in its place in the patient, and where its code stands."""

    solid: Manifold
    mark: Mark


class VesselModel:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "vessel_model"
    version = "1"
    title = "Model of a heart or a vessel"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The wall around a lumen. `bone`: the lumen's closed surface. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = _wanted(checked)
        _refuse_contradictions(wanted)
        kept = body_of(bone, wanted.minimum_part_ml)
        lumen = Manifold.compose(list(kept.pieces))
        surface = Surface(mesh_of(lumen))
        jacket = jacketed(surface, wanted.wall_mm)
        ports = [
            port_at(number, jacket.solid, surface, pick, outward, wanted.port_trim_mm)
            for number, pick, outward in wanted.ports
        ]
        planes = [port.plane for port in ports] + wanted.cut
        parts = _parts(trimmed(jacket.solid, ports), lumen, planes, wanted)
        refuse_shut([part.solid for part in parts], ports)
        placed, shifts = set_apart([part.solid for part in parts])
        mesh = printable(Manifold.compose(placed))
        measures = {
            **_measured(mesh, parts, placed, wanted),
            **_inside(surface, parts, ports),
            "lumen_ml": lumen.volume() / 1000.0,
            "vessel_wall_minimum_mm": jacket.least_mm,
            "vessel_wall_p95_mm": jacket.p95_mm,
            "vessel_wall_maximum_mm": jacket.most_mm,
            "left_out_ml": kept.left_out_ml,
            "filled_ml": kept.filled_ml,
            **{f"port_{port.number}_diameter_mm": port.diameter_mm for port in ports},
            **{f"part_{number}_shift_x_mm": shift for number, shift in enumerate(shifts[1:], start=2)},
        }
        used = {
            **checked,
            **{f"port_{port.number}_outward": _triple(port.plane.axes[2]) for port in ports},
        }
        return Design(mesh, used, measures, (), (*kept.warnings, *_said(measures, jacket, wanted)))


GENERATORS.add("vessel_model", VesselModel())


def _wanted(checked: Mapping[str, object]) -> Wanted:
    named = {one.name for one in fields(Wanted)}
    ports = tuple(
        (number, checked[f"port_{number}_mm"], checked[f"port_{number}_outward"])
        for number in PORTS
        if f"port_{number}_mm" in checked
    )
    return Wanted(**{name: value for name, value in checked.items() if name in named}, ports=ports)  # type: ignore[arg-type]  # check_values has given each field its type


def _refuse_contradictions(wanted: Wanted) -> None:
    """Values that are each allowed and cannot go together, all of them at once."""
    least, left = wanted.minimum_wall_mm, wanted.wall_mm - wanted.letter_depth_mm
    rules = (
        (
            wanted.wall_mm < least,
            f"A wall of {wanted.wall_mm:.2f} mm is thinner than the minimum of {least:.2f} mm.",
            f"Make it at least {least:.2f} mm.",
        ),
        (
            left < least,
            f"Below letters {wanted.letter_depth_mm:.2f} mm deep a wall of {left:.2f} mm is left; {least:.2f} mm are needed.",
            "Make the wall thicker, or the letters less deep.",
        ),
        (
            not wanted.ports,
            "No end of a vessel is open: the model would be a closed bubble.",
            "Pick the end of at least one vessel.",
        ),
    )
    problems = [Reason(text, cure, "G-DES-01") for broken, text, cure in rules if broken]
    if problems:
        raise DesignRefused(problems)


def _parts(body: Manifold, lumen: Manifold, planes: Sequence[Frame], wanted: Wanted) -> list[Part]:
    """The body's pieces, cut where a cut is asked for, the largest first: each gets its code, then loses the lumen.

    In this order, for letters that follow a surface need more depth under their tool than a thin wall has.
    """
    unpinned = Pins(0, 1.0, 1.0, 0.0, 0.0)
    cut = cut_apart(body, wanted.cut, unpinned)
    pieces = [piece for part in cut.parts for piece in kept_of(part, CRUMB_ML).pieces]
    pieces.sort(key=lambda piece: -piece.volume())
    return [_walled(piece, lumen, planes, wanted, first=not number) for number, piece in enumerate(pieces)]


def _walled(
    piece: Manifold, lumen: Manifold, planes: Sequence[Frame], wanted: Wanted, *, first: bool
) -> Part:
    marked, mark = engraved(
        piece,
        wanted.case_code,
        height_mm=wanted.letter_height_mm,
        depth_mm=wanted.letter_depth_mm,
        wall_mm=wanted.wall_mm,
        place=wanted.letter_place_mm if first else None,
        spared=planes,
    )
    kept = kept_of(marked - lumen, CRUMB_ML)
    if kept.filled_ml > 0.0:
        raise DesignRefused(
            f"A lumen of {kept.filled_ml:.1f} ml has no open end: nobody could look into it, and resin would stay in it.",
            cure="Pick an end of every vessel that hangs together by itself.",
            rule="G-DES-01",
        )
    if len(kept.pieces) > 1:
        raise DesignRefused(
            f"A part falls into {len(kept.pieces)} pieces when the lumen is taken out of it.",
            cure="Move the cut, or turn it.",
            rule="G-DES-01",
        )
    return Part(kept.pieces[0], mark)


def _measured(
    mesh: Mesh, parts: Sequence[Part], placed: Sequence[Manifold], wanted: Wanted
) -> dict[str, float]:
    """Figures of the parts as they are made. Raises DesignRefused where a wall is too thin."""
    every = np.sort(np.concatenate([_walls(part) for part in parts]))
    wall = float(every[int(FEATHER_SHARE * len(every))])
    share = float((every < wanted.minimum_wall_mm).mean())
    if wall < wanted.minimum_wall_mm:
        raise DesignRefused(
            f"{share:.1%} of the model is thinner than {wanted.minimum_wall_mm:.2f} mm, down to {every[0]:.2f} mm.",
            cure="Make the wall thicker, or move the cut and the ports so that they cross the vessels more squarely.",
            rule="G-DES-01",
        )
    box = np.ptp(mesh.vertices, axis=0)
    return {
        "scale": 1.0,
        "parts": float(len(parts)),
        "volume_ml": sum(one.volume() for one in placed) / 1000.0,
        "area_mm2": float(face_areas(mesh).sum()),
        "minimum_wall_mm": wall,
        "thinnest_feature_mm": float(every[0]),
        "thin_area_share": share,
        "engraved_depth_mm": wanted.letter_depth_mm,
        "width_mm": float(box[0]),
        "depth_mm": float(box[1]),
        "height_mm": float(box[2]),
    }


def _walls(part: Part) -> NDArray[np.float64]:
    """The wall at points spread over a part, mm, the flanks of its letters left out."""
    points, normals, walls = walls_of(Surface(mesh_of(part.solid)))
    return walls[~part.mark.holds(points, normals)]


def _inside(lumen: Surface, parts: Sequence[Part], ports: Sequence[Port]) -> dict[str, float]:
    """How far the approved surface, its cut ends left out, lies from the model's, mm. Raises DesignRefused where that is too far."""
    points, _ = sample_surface(lumen.mesh, DEVIATION_SAMPLES, np.random.default_rng(0))
    ends = [Surface(mesh_of(port.end)).signed(points) <= MOST_DEVIATION_MM for port in ports]
    kept = points[~np.logical_or.reduce(ends)]
    away = np.min([Surface(mesh_of(part.solid)).unsigned(kept) for part in parts], axis=0)
    if away.max(initial=0.0) > MOST_DEVIATION_MM:
        raise DesignRefused(
            f"The inside of the model lies up to {away.max():.2f} mm from the approved surface; {MOST_DEVIATION_MM:g} mm are allowed.",
            cure="Move the ports and the cut apart from each other.",
            rule="G-DES-01",
        )
    return {"deviation_p95_mm": float(np.quantile(away, 0.95)), "deviation_max_mm": float(away.max())}


def _said(measures: Mapping[str, float], jacket: Jacket, wanted: Wanted) -> tuple[str, ...]:
    said = (
        (
            True,
            f"The wall is no anatomy: {jacket.least_mm:.2f} to {jacket.p95_mm:.2f} mm, {jacket.most_mm:.2f} mm in creases, were put around the lumen that was segmented.",
        ),
        (
            measures["thin_area_share"] > 0.0,
            f"Edges down to {measures['thinnest_feature_mm']:.2f} mm, on {measures['thin_area_share']:.2%} of the surface, may not be built.",
        ),
        (
            bool(wanted.cut),
            f"The {measures['parts']:.0f} parts stand apart along the patient's x; the measures say by how much.",
        ),
    )
    return tuple(text for happened, text in said if happened)


def _triple(vector: NDArray[np.float64]) -> Triple:
    x, y, z = (float(part) for part in vector)
    return x, y, z
