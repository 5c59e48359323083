"""What every conformal part has to be for whatever values it is asked with: made and sound as a file, or refused with reason and cure."""

from __future__ import annotations

from typing import Any

from devices.generators.base import Design, DesignGenerator
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.io import read_mesh, write_stl
from mes.exceptions import InvalidInput, Reason

STATED_MM = 0.15


def sound(design: Design) -> bool:
    return check_mesh(read_mesh(write_stl(design.mesh))).sound


def made_or_refused(generator: DesignGenerator, scan: Mesh, values: dict[str, Any]) -> None:
    design, refusal = _attempt(generator, scan, values)
    if design is None:
        assert refusal
        assert all(reason.text and reason.cure for reason in refusal)
        return
    assert sound(design)
    assert design.measures["minimum_wall_mm"] >= float(str(design.values["minimum_wall_mm"]))
    assert design.measures["thickness_error_p99_mm"] <= STATED_MM
    assert design.measures["fit_error_p99_mm"] <= STATED_MM


def _attempt(
    generator: DesignGenerator, scan: Mesh, values: dict[str, Any]
) -> tuple[Design | None, tuple[Reason, ...]]:
    try:
        return generator.generate(scan, values), ()
    except InvalidInput as refusal:
        return None, tuple(refusal.reasons)
