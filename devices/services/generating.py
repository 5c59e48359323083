"""Computing a design: from the approved bone surface and checked values to a solid. Writes only to the artefact store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from devices.events import Reasons
from devices.generators.base import GENERATORS, MIDLINE
from devices.generators.base import Design as Generated
from devices.imaging.base import Volume
from devices.imaging.storage import load_volume
from devices.mesh.base import Mesh
from devices.mesh.check import MeshReport, check_mesh
from devices.mesh.io import read_mesh, write_stl
from devices.models import Design
from devices.selectors.external import is_external
from devices.selectors.orders import expected_side
from devices.selectors.sources import is_scan
from devices.services.designs import DesignMade, NotDesigned, thin_walls
from devices.services.drawn import read_drawn, store_drawn
from devices.services.equivalence import measured_back, part_faults
from devices.services.laterality import picked_side_faults, side_faults, side_measures
from devices.services.prescribed import unbound
from devices.services.tolerances import error_measures, outside_limits
from mes.eventlog.base import plain
from mes.exceptions import Reason, Refused
from mes.services.artefacts import intact_path, store_artefact


def compute_design(design_id: int) -> DesignMade | NotDesigned:
    """Run the design's generator on its bone surface, or read the part that was drawn for it. What is measured is the file as it is stored."""
    design = Design.objects.select_related(
        "segmentation__study", "device__material", "device__master", "device__order__master", "plan"
    ).get(pk=design_id)
    try:
        return _computed(design)
    except Refused as refusal:
        # No design from these values; or what it is made from is not what the record names (G-INT-01), and nothing is computed from it.
        return NotDesigned(_reasons(refusal.reasons))


def _computed(design: Design) -> DesignMade | NotDesigned:
    bone = read_mesh(intact_path(design.segmentation.surface_id))
    # A plan says which side is which; without one it is judged in the images.
    study, external = design.segmentation.study, is_external(design)
    volume = None if design.plan or is_scan(study) else load_volume(intact_path(str(study.volume_id)))
    made, misdrawn = read_drawn(design, bone) if external else (_generated(design, bone), [])
    stl = write_stl(made.mesh)
    solid = read_mesh(stl)
    report = check_mesh(solid)
    placed = _placed(design, solid, bone, volume)
    measures = {**made.measures, **placed}
    measures |= error_measures(design, measures)
    problems = [
        *_unsound(report),
        *thin_walls(measures, design.device.material),
        *outside_limits(design.device.master, measures, external=external),
        *_misplaced(design, placed, made),
        *misdrawn,
    ]
    if problems:
        return NotDesigned(_reasons(problems))
    source = {"source_id": store_drawn(design)} if external else {}
    mesh = store_artefact(stl, media_type="model/stl")
    return DesignMade({"mesh_id": mesh.sha256, **source, **_facts(made, report, measures, design)})


def _generated(design: Design, bone: Mesh) -> Generated:
    generator = GENERATORS[design.generator]
    taken = {parameter.name for parameter in generator.parameters}
    asked = {
        name: value for name, value in design.values.items() if name != MIDLINE.name or MIDLINE.name in taken
    }
    return generator.generate(bone, asked)


def _placed(design: Design, solid: Mesh, bone: Mesh, volume: Volume | None) -> dict[str, float]:
    """Where the part lies: against the patient's middle in the images, else against the plan that it was made from."""
    if volume is not None:
        return side_measures(solid, bone, volume, design.values)
    return measured_back(design.plan, solid) if design.plan else {}


def _facts(made: Generated, report: MeshReport, measures: dict[str, float], design: Design) -> dict[str, Any]:
    given = {name: value for name, value in design.values.items() if name == MIDLINE.name}
    measured = {
        **measures,
        "triangles": report.triangles,
        "mesh_volume_ml": report.volume_ml,
    }
    return {
        "origin": design.origin,
        "values": plain({**made.values, **given}),
        "measures": {name: float(value) for name, value in measured.items()},
        "features": plain([asdict(feature) for feature in made.features]),
        "warnings": [
            *made.warnings,
            *unbound(design.device.order),
            *(_given_middle(value) for value in given.values()),
        ],
    }


def _given_middle(x_mm: float) -> str:
    return (
        f"The patient's middle is the author's word: x = {x_mm:g} mm. "
        "Who reviews this design confirms it on the images."
    )


def _misplaced(design: Design, placed: dict[str, float], made: Generated) -> list[Reason]:
    if design.plan is not None:
        return part_faults(design.plan, placed)
    wanted = expected_side(design.device.order)
    if wanted and is_scan(design.segmentation.study):
        return picked_side_faults(wanted, made.measures)
    return side_faults(wanted, placed, MIDLINE.name in design.values) if wanted else []


def _unsound(report: MeshReport) -> list[Reason]:
    return [
        Reason(f"The design's mesh is unsound: {problem}.", "Change the values.", "G-MSH-01")
        for problem in report.problems
    ]


def _reasons(reasons: Any) -> Reasons:
    return [{"code": reason.rule, "text": reason.text, "cure": reason.cure} for reason in reasons]
