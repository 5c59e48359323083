"""Reading the part of a design that was drawn in another program: from quarantine to a measured mesh. Writes only to the artefact store."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from devices.generators.base import CASE_CODE, GENERATORS
from devices.generators.base import Design as Measured
from devices.generators.external import read_back
from devices.imaging.base import ImagingRefused
from devices.imaging.confined import keep_scan, read_part, reader
from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh
from devices.models import Design
from devices.services.equivalence import planned_lines
from devices.services.external_designs import drawn_of, reasons_of, refuse_other
from devices.services.fitting import identity_of
from devices.services.studies import quarantine_path
from mes.exceptions import InvalidInput, Reason
from mes.services.artefacts import store_artefact

RULE = "G-DES-01"
SHOWN = ("source_format", "unit", "unit_stated_by", "transform", "triangles")
MEDIA_TYPES = {"STL": "model/stl", "PLY": "application/x-ply", "OBJ": "model/obj", "3MF": "model/3mf"}
STATED = "The part was drawn in another program: what its designer states and is not measured on it is their word, which the reviewer confirms."
UNMARKED = "Whether the device's code stands on the part was not looked for: the reviewer looks for it, or it is marked by hand."


def read_drawn(design: Design, anatomy: Mesh) -> tuple[Measured, list[Reason]]:
    """The part as measured, and what is wrong with the bores that are stated of it (G-BLD-01). What reading showed of its file is added to the design's `origin`.

    Raises InvalidInput with every reason why it is no part, or not the file that was sent in (G-INT-01).
    """
    part, said = _part(design, _source(design))
    design.origin = {**(design.origin or {}), **{name: said[name] for name in SHOWN}}
    least, planned = design.device.material.minimum_wall_mm, planned_lines(design.plan)
    made, faults = read_back(part, anatomy, design.values, least_mm=least, planned=planned)
    return replace(made, warnings=(STATED, *_unmarked(design), *made.warnings)), faults


def store_drawn(design: Design) -> str:
    """Keep the file of a part as it was sent. Returns its SHA-256. Raises InvalidInput where it is another one by now (G-INT-01)."""
    origin = design.origin or {}
    stored = store_artefact(_source(design), media_type=MEDIA_TYPES[origin["source_format"]])
    refuse_other(stored.sha256, origin["sha256"])
    return stored.sha256


def _source(design: Design) -> Path:
    source = quarantine_path((design.origin or {})["upload"])
    if not source.is_file():
        raise InvalidInput("The part is no longer in quarantine.", cure="Send it in again.", rule=RULE)
    return source


def _part(design: Design, source: Path) -> tuple[Mesh, dict[str, Any]]:
    try:
        identity = identity_of(design.device.order.patient)
        with (
            reader(source.parent) as child,
            tempfile.TemporaryDirectory(prefix=".reading-", dir=source.parent) as folder,
        ):
            declared = drawn_of(design.origin or {}).declared
            said = read_part(child, source, declared, asdict(identity)).facts["acquisition"]
            refuse_other(said["source_digest"], (design.origin or {})["sha256"])
            _, surface = keep_scan(child, Path(folder))
            return read_mesh(surface), said
    except ImagingRefused as refusal:
        raise InvalidInput(reasons_of(refusal)) from None


def _unmarked(design: Design) -> Sequence[str]:
    generator = GENERATORS[design.device.master.design["generator"]]
    return (UNMARKED,) if CASE_CODE in generator.parameters else ()
