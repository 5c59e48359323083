"""Computing a design: from the approved bone surface and checked values to a solid. Writes only to the artefact store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from devices.events import Reasons
from devices.generators.base import GENERATORS, DesignRefused
from devices.generators.base import Design as Generated
from devices.mesh.check import MeshReport, check_mesh
from devices.mesh.io import read_mesh, write_stl
from devices.models import Design, Segmentation
from devices.services.designs import DesignMade, NotDesigned, thin_walls
from mes.eventlog.base import plain
from mes.exceptions import Reason, Refused
from mes.services.artefacts import intact_path, store_artefact


def compute_design(design_id: int) -> DesignMade | NotDesigned:
    """Run the design's generator on its bone surface. What is measured is the file as it is stored."""
    design = Design.objects.select_related("segmentation", "device__material").get(pk=design_id)
    try:
        bone = read_mesh(intact_path(design.segmentation.surface_id))
        made = GENERATORS[design.generator].generate(bone, design.values)
    except DesignRefused as refusal:
        return NotDesigned(_reasons(refusal.reasons))
    except Refused as refusal:
        # The stored bone is not what the record names (G-INT-01): nothing is computed from it.
        return NotDesigned(_reasons(refusal.reasons))
    stl = write_stl(made.mesh)
    report = check_mesh(read_mesh(stl))
    problems = [*_unsound(report), *thin_walls(made.measures, design.device.material)]
    if problems:
        return NotDesigned(_reasons(problems))
    mesh = store_artefact(stl, media_type="model/stl")
    return DesignMade({"mesh_id": mesh.sha256, **_facts(made, report, design.segmentation)})


def _facts(made: Generated, report: MeshReport, segmentation: Segmentation) -> dict[str, Any]:
    measured = {
        **made.measures,
        "triangles": report.triangles,
        "mesh_volume_ml": report.volume_ml,
        "lateral_offset_mm": lateral_offset_mm(report.bounds_mm, segmentation.bounds_mm),
    }
    return {
        "values": plain(made.values),
        "measures": {name: float(value) for name, value in measured.items()},
        "features": plain([asdict(feature) for feature in made.features]),
        "warnings": list(made.warnings),
    }


def lateral_offset_mm(design_bounds: Any, bone_bounds: Any) -> float:
    """How far the design's centre lies from the bone's middle along LPS x: positive is the patient's left (G-LAT-01)."""
    (low, *_), (high, *_) = design_bounds
    (bone_low, *_), (bone_high, *_) = bone_bounds
    return float((low + high) / 2 - (bone_low + bone_high) / 2)


def _unsound(report: MeshReport) -> list[Reason]:
    return [
        Reason(f"The design's mesh is unsound: {problem}.", "Change the values.", "G-MSH-01")
        for problem in report.problems
    ]


def _reasons(reasons: Any) -> Reasons:
    return [{"code": reason.rule, "text": reason.text, "cure": reason.cure} for reason in reasons]
