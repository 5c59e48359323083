"""The screw holes of a plate: what the tools take away, what an inspection looks for, and what is measured of them on the mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold, OpType
from numpy.typing import NDArray

from devices.generators.base import Hole
from devices.generators.bone_guide import bore_of
from devices.generators.pad import Tube
from devices.mesh.base import Mesh
from devices.mesh.bore import measure_bore
from devices.mesh.sink import measure_sink
from mes.exceptions import Reason

RULE = "G-DES-01"
Triple = tuple[float, float, float]

SHIFT_MM, TILT_DEG, BORE_MM = 0.05, 0.1, 0.05
"""How far a hole's axis may pass by its place on the bone, lean from its normal, and its diameter be off."""
AROUND_MM = 1.5
"""What is judged around a hole where the plate is inspected."""
SINK_SIDES = 96
SINK_MM, SINK_DEGREES = 0.05, 0.5
"""How far a countersink may be off its diameter at the outer side, and its angle."""


@dataclass(frozen=True)
class Wanted:
    """What a plate is asked for, checked, mm and degrees; path: the places that were given."""

    path: tuple[Triple, ...]
    width_mm: float
    thickness_mm: float
    clearance_mm: float
    edge_radius_mm: float
    hole_count: int
    hole_diameter_mm: float
    sink_diameter_mm: float
    sink_degrees: float
    minimum_wall_mm: float

    @property
    def rise_mm(self) -> float:
        """From the bone to the outer side."""
        return self.clearance_mm + self.thickness_mm

    @property
    def widest_mm(self) -> float:
        """Of a hole."""
        return max(self.hole_diameter_mm, self.sink_diameter_mm)

    @property
    def sink_depth_mm(self) -> float:
        """From the outer side to where the countersink is as wide as the hole; 0 without one."""
        if not self.sink_diameter_mm:
            return 0.0
        flank = np.tan(np.radians(self.sink_degrees / 2.0))
        return float((self.sink_diameter_mm - self.hole_diameter_mm) / 2.0 / flank)


def inspected(hole: Tube, wanted: Wanted) -> Hole:
    """The hole as an inspection looks for it: from the underside of the plate on."""
    start = hole.position - wanted.clearance_mm * hole.axis
    wide = 2.0 * hole.inner_radius
    return Hole(
        triple(start), triple(hole.axis), wide, wanted.widest_mm + 2.0 * AROUND_MM, wanted.thickness_mm
    )


def drilled(body: Manifold, holes: Sequence[Tube], wanted: Wanted) -> Manifold:
    beyond = wanted.clearance_mm + wanted.thickness_mm + wanted.width_mm
    tools = [bore_of(hole, -beyond, beyond) for hole in holes]
    if wanted.sink_diameter_mm:
        tools += [_sink(hole, wanted) for hole in holes]
    return Manifold.batch_boolean([body, *tools], OpType.Subtract)


def _sink(hole: Tube, wanted: Wanted) -> Manifold:
    """The countersink's cone, and on beyond the outer side, which is not flat."""
    flank = float(np.tan(np.radians(wanted.sink_degrees / 2.0)))
    narrow, high = hole.inner_radius, wanted.sink_depth_mm + wanted.thickness_mm
    # Flats, and not corners, at the radius that was asked for.
    out = 1.0 / np.cos(np.pi / SINK_SIDES)
    cone = Manifold.cylinder(high, narrow * out, (narrow + high * flank) * out, SINK_SIDES)
    foot = wanted.rise_mm - wanted.sink_depth_mm
    return cone.translate((0.0, 0.0, foot)).transform(np.column_stack([hole.frame.axes.T, hole.frame.origin]))


def hole_faults(mesh: Mesh, holes: Sequence[Tube], wanted: Wanted) -> tuple[list[Reason], dict[str, float]]:
    """What is wrong with the holes as measured on the mesh, and the furthest that any of them is off."""
    bores = [measure_bore(mesh, hole.position, hole.axis, 2.0 * hole.inner_radius) for hole in holes]
    problems = [
        Reason(f"Hole {number} is not whole.", "Make the plate wider or the holes narrower.", RULE)
        for number, bore in enumerate(bores, 1)
        if bore is None
    ]
    found = [(bore, hole) for bore, hole in zip(bores, holes, strict=True) if bore is not None]
    worst = {
        "hole_shift_mm": max((bore.shift_from(hole.position) for bore, hole in found), default=0.0),
        "hole_tilt_degrees": max((bore.tilt_from(hole.axis) for bore, hole in found), default=0.0),
        "hole_bore_error_mm": max(
            (abs(bore.diameter_mm - 2.0 * hole.inner_radius) for bore, hole in found), default=0.0
        ),
    }
    for (name, off), most in zip(worst.items(), (SHIFT_MM, TILT_DEG, BORE_MM), strict=True):
        if off > most:
            text = f"{name} of a hole is {off:.3f} as measured on the plate; {most:g} are allowed."
            problems.append(Reason(text, "Move the plate a little.", RULE))
    if wanted.sink_diameter_mm:
        faults, sinks = _sink_faults(mesh, holes, wanted)
        return problems + faults, worst | sinks
    return problems, worst


def _sink_faults(mesh: Mesh, holes: Sequence[Tube], wanted: Wanted) -> tuple[list[Reason], dict[str, float]]:
    """As `hole_faults`, of the countersinks."""
    wide, angle = wanted.sink_diameter_mm, wanted.sink_degrees
    sinks = [
        measure_sink(mesh, hole.position - wanted.rise_mm * hole.axis, -hole.axis, wide, angle)
        for hole in holes
    ]
    if None in sinks:
        return [
            Reason("A countersink is not whole.", "Make the plate wider, or the countersinks narrower.", RULE)
        ], {}
    found = [sink for sink in sinks if sink is not None]
    off = {
        "sink_error_mm": max((abs(sink.diameter_mm - wide) for sink in found), default=0.0),
        "sink_error_degrees": max((abs(sink.degrees - angle) for sink in found), default=0.0),
    }
    problems = [
        Reason(
            f"{name} is {value:.3f} as measured on the plate; {most:g} are allowed.",
            "Move the plate a little.",
            RULE,
        )
        for (name, value), most in zip(off.items(), (SINK_MM, SINK_DEGREES), strict=True)
        if value > most
    ]
    return problems, off  # fmt: skip


def triple(vector: NDArray[np.float64]) -> Triple:
    x, y, z = (float(part) for part in vector)
    return x, y, z
