"""A surface for somewhere else: with fewer triangles where that is asked, and a report of what it cost.

Nothing is repaired on the way. A surface that is not sound is refused (G-MSH-01), and so is a tolerance that is not kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from devices.mesh.base import Mesh
from devices.mesh.check import MeshReport, check_mesh
from devices.mesh.io import plausible_units, read_mesh, write_stl
from devices.mesh.solid import mesh_of, solid_of
from devices.mesh.surface import Deviation, deviation
from mes.exceptions import InvalidInput, Reason

MAXIMUM_TOLERANCE_MM = 0.5
TRIES = 6
SAMPLES = 20_000


class NotConverted(InvalidInput):
    """The surface cannot be given away as it was asked for."""

    code = "not_converted"


@dataclass(frozen=True, eq=False)
class Converted:
    """mesh: what leaves, its numbers as a file of float32 has them.  deviation: from what came, of both surfaces, mm."""

    mesh: Mesh
    triangles_before: int
    report: MeshReport
    deviation: Deviation

    def as_facts(self) -> dict[str, Any]:
        """The conversion report, as the record keeps it."""
        extent = plausible_units(self.mesh)
        return {
            "units": "mm",
            "units_plausible": extent.plausible,
            "largest_side_mm": extent.extent,
            "triangles_before": self.triangles_before,
            "triangles_after": self.report.triangles,
            "watertight": self.report.watertight,
            "manifold": self.report.manifold,
            "oriented": self.report.oriented,
            "volume_ml": self.report.volume_ml,
            "deviation": asdict(self.deviation),
        }


def converted(mesh: Mesh, *, tolerance_mm: float = 0.0) -> Converted:
    """The surface with as few triangles as keep both surfaces within the tolerance of one another; 0 keeps every one.

    The simplification is measured and not believed: where it went further, it is asked for less. Raises NotConverted.
    """
    if not 0.0 <= tolerance_mm <= MAXIMUM_TOLERANCE_MM:
        raise NotConverted(
            f"The tolerance of {tolerance_mm:g} mm is not 0 to {MAXIMUM_TOLERANCE_MM:g} mm.",
            cure="Choose another one.",
            rule="G-MSH-01",
        )
    solid, asked = solid_of(mesh), tolerance_mm
    for _ in range(TRIES):
        simpler = mesh_of(solid.simplify(asked)) if asked else mesh
        leaving = read_mesh(write_stl(simpler))
        report, found = check_mesh(leaving), deviation(mesh, leaving, SAMPLES)
        if report.sound and (not tolerance_mm or found.max_mm <= tolerance_mm):
            return Converted(leaving, len(mesh.faces), report, found)
        asked /= 2.0
    said = "; ".join(report.problems) or f"it departs by {found.max_mm:.3f} mm"
    raise NotConverted(
        [
            Reason(
                f"The surface cannot be converted: {said}.",
                "Ask for another tolerance, or for none.",
                "G-MSH-01",
            )
        ]
    )
