"""A stent lattice along a vessel: rings of crowns on a tube that follows the lumen's centreline and takes its diameter.

Research-only, and not for implantation: nothing here says how a stent is crimped, expands, holds a vessel open or tires (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import (
    GENERATORS,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
)
from devices.generators.centreline import Centreline, centreline
from devices.generators.lattice import Pattern, Tube, lattice
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.distance import Surface, face_areas, sample_surface
from devices.mesh.settled import settled
from devices.mesh.solid import solid_of
from devices.mesh.wall import walls_of
from mes.exceptions import Reason

RULE = "G-DES-01"
TOLERANCE_MM = 0.05
"""How far radius, width and thickness, as measured on the finished lattice, may be from what was asked."""
SHARPEST_TIP = 1.1
"""The radius of a tip in half widths of its strut: at 1 the inside of the crown has no room to turn."""
TIGHTEST_BEND = 0.7
"""The radius of the tube times the curvature of its centreline: at 1 the inside of the bend has no length."""
FLANK, FACE = 0.3, 0.95
"""Cosine between a face of the lattice and straight out from the centreline: below the first it is the side of a strut, above the second its back or front."""
OVAL = 1.15
SAMPLES = 20_000

PARAMETERS = (
    Parameter(
        "start_mm", "mm", "Start of the stent", "vector", -3000.0, 3000.0, None,
        "On the lumen's surface, LPS: the first ring begins in its section.",
    ),
    Parameter(
        "end_mm", "mm", "End of the vessel", "vector", -3000.0, 3000.0, None,
        "On the lumen's surface, LPS: the centreline leads there, and the stent ends before it.",
    ),
    Parameter("rings", "", "Rings", "integer", 1, 60, 6, "One after the other along the vessel."),
    Parameter("crowns", "", "Crowns of a ring", "integer", 4, 24, 8, "Waves around the vessel."),
    Parameter(
        "link_every", "", "Every so many crowns a link", "integer", 1, 6, 2,
        "1 closes every cell; more leaves cells open. A divisor of the crowns.",
    ),
    Parameter("wave_mm", "mm", "Height of a wave", "number", 0.5, 12.0, 3.0, "From crown to crown of one ring, along the vessel."),
    Parameter("gap_mm", "mm", "Gap between rings", "number", 0.2, 6.0, 0.8, "From tip to tip."),
    Parameter("strut_width_mm", "mm", "Width of a strut", "number", 0.08, 2.0, 0.4, "On the tube, halfway through its wall."),
    Parameter("strut_thickness_mm", "mm", "Thickness of a strut", "number", 0.08, 2.0, 0.4, "Inwards from its outside."),
    Parameter(
        "oversize_percent", "%", "Oversize", "number", -20.0, 30.0, 0.0,
        "Of the outer diameter over that of the lumen, section by section.",
    ),
    Parameter(
        "minimum_wall_mm", "mm", "Minimum wall", "number", 0.05, 2.0, 0.3, "What the material and the process can build.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The checked values of `PARAMETERS`, mm and percent."""

    start_mm: tuple[float, float, float]
    end_mm: tuple[float, float, float]
    rings: int
    crowns: int
    link_every: int
    wave_mm: float
    gap_mm: float
    strut_width_mm: float
    strut_thickness_mm: float
    oversize_percent: float
    minimum_wall_mm: float

    @property
    def pattern(self) -> Pattern:
        return Pattern(
            self.rings, self.crowns, self.link_every, self.wave_mm, self.strut_width_mm, self.gap_mm, 0.0
        )


class StentLattice:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "stent_lattice"
    version = "1"
    title = "Stent lattice along a vessel"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The stent in its vessel. `bone`: the lumen's closed surface. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        wanted = Wanted(**checked)  # type: ignore[arg-type]  # check_values has given each field its type
        _refuse_contradictions(wanted)
        lumen = Surface(bone)
        line = centreline(lumen, np.array(wanted.start_mm), np.array(wanted.end_mm))
        radius = line.diameters_mm / 2.0 * (1.0 + wanted.oversize_percent / 100.0)
        tube, pattern = Tube(line, radius, wanted.strut_thickness_mm), wanted.pattern
        _refuse_unfit(tube, pattern, wanted)
        mesh = settled(lattice(tube, pattern))
        return Design(mesh, checked, _measured(mesh, tube, pattern, lumen, wanted), (), _said(line))


GENERATORS.add("stent_lattice", StentLattice())


def _refuse_contradictions(wanted: Wanted) -> None:
    """Values that are each allowed and cannot go together, all of them at once."""
    least = wanted.minimum_wall_mm
    rules = (
        (
            bool(wanted.crowns % wanted.link_every),
            f"{wanted.crowns} crowns cannot be linked every {wanted.link_every}.",
            "Choose a divisor of the crowns.",
        ),
        (
            min(wanted.strut_width_mm, wanted.strut_thickness_mm) < least + TOLERANCE_MM,
            f"A strut of {wanted.strut_width_mm:.2f} by {wanted.strut_thickness_mm:.2f} mm may come out thinner than {least:.2f} mm.",
            f"Make it at least {least + TOLERANCE_MM:.2f} mm wide and thick.",
        ),
        (
            wanted.gap_mm < least,
            f"A gap of {wanted.gap_mm:.2f} mm closes where walls of {least:.2f} mm are the finest that can be built.",
            f"Make it at least {least:.2f} mm.",
        ),
    )
    problems = [Reason(text, cure, RULE) for broken, text, cure in rules if broken]
    if problems:
        raise DesignRefused(problems)


def _refuse_unfit(tube: Tube, pattern: Pattern, wanted: Wanted) -> None:
    """What of the pattern does not fit on this vessel."""
    line, least = tube.line, wanted.minimum_wall_mm
    covered = line.along <= pattern.length_mm + pattern.width_mm
    inner = float(tube.radius_mm[covered].min()) - tube.thickness_mm
    bend = float((line.curvature * tube.radius_mm)[covered].max())
    if inner <= tube.thickness_mm:
        text = f"Struts {tube.thickness_mm:.2f} mm thick leave {2.0 * inner:.2f} mm of the lumen."
        raise DesignRefused([Reason(text, "Make them thinner, or choose a wider vessel.", RULE)])
    tip = pattern.tip_radius_mm(inner) * (1.0 - min(bend, 1.0)) ** 2
    between = np.pi * inner / pattern.crowns * (1.0 - min(bend, 1.0)) - pattern.width_mm
    rules = (
        (
            pattern.length_mm > line.length_mm,
            f"{pattern.rings} rings are {pattern.length_mm:.1f} mm long; the centreline has {line.length_mm:.1f} mm.",
            "Choose fewer rings or lower waves, or pick the end further away.",
        ),
        (
            bend > TIGHTEST_BEND,
            f"The vessel bends with a radius of {float(tube.radius_mm[covered].max()) / bend:.1f} mm: a tube this wide would fold.",
            "Begin or end the stent outside the bend.",
        ),
        (
            bend <= TIGHTEST_BEND and tip < SHARPEST_TIP * pattern.width_mm / 2.0,
            f"At its tips a crown turns within {max(tip, 0.0):.2f} mm, too sharply for struts of {pattern.width_mm:.2f} mm.",
            "Choose fewer crowns, lower waves or narrower struts.",
        ),
        (
            bend <= TIGHTEST_BEND and between < least,
            f"Neighbouring struts leave {max(between, 0.0):.2f} mm between them; {least:.2f} mm are needed.",
            "Choose fewer crowns or narrower struts.",
        ),
    )
    problems = [Reason(text, cure, RULE) for broken, text, cure in rules if broken]
    if problems:
        raise DesignRefused(problems)


def _measured(mesh: Mesh, tube: Tube, pattern: Pattern, lumen: Surface, wanted: Wanted) -> dict[str, float]:
    """Figures of the finished lattice. Raises DesignRefused where it is not what was asked for."""
    surface, report = Surface(mesh), check_mesh(mesh)
    points, normals, walls = walls_of(surface)
    away, out = _from_line(tube.line, points)
    facing = (normals * out).sum(axis=1)
    flank, front = np.abs(facing) < FLANK, facing > FACE
    radius = tube.line.at(tube.radius_mm, _along(tube.line, points[front]))
    thinnest = float(walls.min())
    found = {
        "strut_width_mm": float(np.median(walls[flank & np.isfinite(walls)])),
        "strut_thickness_mm": float(np.median(walls[front & np.isfinite(walls)])),
        "radius_error_mm": float(np.abs(away[front] - radius).max()),
    }
    handles = solid_of(mesh).genus()
    rules = (
        (
            abs(found["strut_width_mm"] - wanted.strut_width_mm) > TOLERANCE_MM
            or abs(found["strut_thickness_mm"] - wanted.strut_thickness_mm) > TOLERANCE_MM
            or found["radius_error_mm"] > TOLERANCE_MM,
            f"The lattice comes out {found['strut_width_mm']:.2f} by {found['strut_thickness_mm']:.2f} mm, up to "
            f"{found['radius_error_mm']:.2f} mm off its radius; {TOLERANCE_MM:g} mm are allowed.",
        ),
        (thinnest < wanted.minimum_wall_mm, f"A strut is only {thinnest:.2f} mm thick in places."),
        (
            handles != pattern.handles,
            f"The lattice has {handles} openings instead of {pattern.handles}: struts touch, or one is missing.",
        ),
    )
    problems = [
        Reason(text, "Choose fewer crowns, lower waves or other struts.", RULE)
        for broken, text in rules
        if broken
    ]
    if problems:
        raise DesignRefused(problems)
    inside, faces = sample_surface(mesh, SAMPLES, np.random.default_rng(0))
    outer = (surface.normals[faces] * _from_line(tube.line, inside)[1]).sum(axis=1) > FACE
    covered = tube.line.along <= pattern.length_mm
    tube_area = float(np.pi * 2.0 * tube.radius_mm[covered].mean() * pattern.length_mm)
    return {
        **found,
        "volume_ml": report.volume_ml,
        "area_mm2": report.area_mm2,
        "minimum_wall_mm": thinnest,
        "stent_length_mm": pattern.length_mm,
        "centreline_mm": tube.line.length_mm,
        "lumen_diameter_least_mm": float(tube.line.diameters_mm[covered].min()),
        "lumen_diameter_most_mm": float(tube.line.diameters_mm[covered].max()),
        "lumen_narrowest_mm": float(tube.line.narrowest_mm[covered].min()),
        "bend_radius_mm": float(1.0 / max(tube.line.curvature[covered].max(), 1e-6)),
        "covered_share": float(outer.mean()) * float(face_areas(mesh).sum()) / tube_area,
        "apposition_p95_mm": float(np.quantile(lumen.unsigned(inside[outer]), 0.95)),
    }


def _along(line: Centreline, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far along the centreline each point (n, 3) lies, mm: where the plane across the curve holds it."""
    nearest = np.argmin(((points[:, None] - line.points[None]) ** 2).sum(axis=2), axis=1)
    beyond = ((points - line.points[nearest]) * line.tangents[nearest]).sum(axis=1)
    bend = 1.0 - ((points - line.points[nearest]) * _towards_middle(line)[nearest]).sum(axis=1)
    return np.asarray(line.along[nearest] + beyond / np.maximum(bend, 0.1), dtype=np.float64)


def _towards_middle(line: Centreline) -> NDArray[np.float64]:
    """The centreline's curvature as vectors (n, 3), 1/mm."""
    return np.asarray(np.gradient(line.tangents, line.along, axis=0), dtype=np.float64)


def _from_line(
    line: Centreline, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far (n,) mm points lie from the centreline, and the unit vectors (n, 3) that lead straight out to them."""
    along = _along(line, points)
    arms = points - line.at(line.points, along)
    away = np.linalg.norm(arms, axis=1)
    return away, arms / np.maximum(away, 1e-9)[:, None]


def _said(line: Centreline) -> tuple[str, ...]:
    oval = float((line.widest_mm / line.narrowest_mm).max())
    text = f"The lumen is up to {oval:.2f} times as wide as narrow; the stent is round, with the diameter of the same area."
    return (text,) if oval > OVAL else ()
