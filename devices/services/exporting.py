"""Giving a design away: as STL, PLY, 3MF or DICOM, and as maps of its walls and gaps. What leaves carries codes alone.

An export is asked for, made by a handler, and told by an event: its file is listed with the files of the device, and its
conversion report stays in the record.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

from devices.choices import DesignStatus, ExportFormat
from devices.events import DesignExported, DesignExportFailed, DesignExportRequested, Reasons
from devices.generators.base import MIRRORED
from devices.imaging.encapsulated import Described, Images, encapsulate, images_in
from devices.mesh.base import Mesh
from devices.mesh.convert import MAXIMUM_TOLERANCE_MM, Converted, NotConverted, converted
from devices.mesh.io import read_mesh, write_ply, write_stl
from devices.mesh.maps import gap_map, wall_map
from devices.mesh.solid import mesh_of, solid_of
from devices.mesh.threemf import BONE, Part, write_3mf
from devices.models import Design
from devices.services.lifecycle import locked_device
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, Refused, TransitionRefused
from mes.permissions import require
from mes.services.artefacts import intact_path, store_artefact

SYSTEM = Actor.system("export")
MEDIA_TYPES: dict[ExportFormat, str] = {
    ExportFormat.STL: "model/stl",
    ExportFormat.PLY: "model/ply",
    ExportFormat.THREEMF: "model/3mf",
    ExportFormat.DICOM: "application/dicom",
    ExportFormat.WALL_MAP: "model/ply",
    ExportFormat.GAP_MAP: "model/ply",
}
MADE = (DesignStatus.GENERATED, DesignStatus.REVIEWED, DesignStatus.APPROVED)
COLOURS = (BONE, (196, 98, 45), (72, 118, 168), (92, 148, 92), (148, 104, 160), (190, 160, 70))
"""Of the parts of a 3MF, in turn."""


@dataclass(frozen=True)
class ExportMade:
    """`sha256` names a file that is in the artefact store already; `report`: what the conversion cost."""

    sha256: str
    report: dict[str, Any]


@dataclass(frozen=True)
class NotExported:
    reasons: Reasons


@unit_of_work
def request_export(*, device_id: int, format: str, actor: Actor, tolerance_mm: float = 0.0) -> None:
    """Ask for the current design in a format. tolerance_mm: how far fewer triangles may depart; 0 keeps every one.

    Raises InvalidInput for a format or a tolerance that is none, TransitionRefused where no design was made.
    """
    device = locked_device(device_id)
    require(actor, "devices.export_design", device)
    if format not in ExportFormat.values:
        raise InvalidInput(
            f"'{format[:20]}' is no format.", cure=f"Choose from: {', '.join(ExportFormat.values)}."
        )
    if not 0.0 <= tolerance_mm <= MAXIMUM_TOLERANCE_MM:
        raise InvalidInput(
            f"The tolerance is not 0 to {MAXIMUM_TOLERANCE_MM:g} mm.",
            cure="Choose another one.",
            rule="G-MSH-01",
        )
    if format == ExportFormat.DICOM and tolerance_mm:
        raise InvalidInput(
            "DICOM keeps the file of the record as it is.", cure="Leave the tolerance at 0.", rule="G-MSH-01"
        )
    design = device.current_design
    if design is None or design.status not in MADE:
        raise TransitionRefused(f"{device.code} has no design.", cure="Make one first.", rule="K-06")
    event = DesignExportRequested(
        device_id=device.pk,
        design_id=design.pk,
        revision=design.revision,
        format=format,
        tolerance_mm=float(tolerance_mm),
    )
    publish(device, event, actor=actor)


def compute_export(design_id: int, format: str, tolerance_mm: float) -> ExportMade | NotExported:
    """Convert the design's own file. Writes only to the artefact store."""
    design = Design.objects.select_related(
        "segmentation__study", "device__material", "device__master", "device__order"
    ).get(pk=design_id)
    try:
        data, report = _written(design, ExportFormat(format), tolerance_mm)
    except Refused as refusal:
        return NotExported(
            [{"code": reason.rule, "text": reason.text, "cure": reason.cure} for reason in refusal.reasons]
        )
    media_type = MEDIA_TYPES[ExportFormat(format)]
    return ExportMade(store_artefact(data, media_type=media_type).sha256, plain(report))


@unit_of_work
def record_export(
    *, design_id: int, format: str, tolerance_mm: float, outcome: ExportMade | NotExported
) -> None:
    design = Design.objects.get(pk=design_id)
    device = locked_device(design.device_id)
    told: dict[str, Any] = {
        "device_id": device.pk,
        "design_id": design.pk,
        "revision": design.revision,
        "format": format,
    }
    if isinstance(outcome, NotExported):
        publish(device, DesignExportFailed(**told, reasons=outcome.reasons), actor=SYSTEM)
        return
    event = DesignExported(
        **told, tolerance_mm=tolerance_mm, file_sha256=outcome.sha256, report=outcome.report
    )
    publish(device, event, actor=SYSTEM)


def _written(design: Design, format: ExportFormat, tolerance_mm: float) -> tuple[bytes, dict[str, Any]]:
    """The file and its report. Raises Refused."""
    source = intact_path(str(design.mesh_id)).read_bytes()
    mesh = read_mesh(source)
    if format in (ExportFormat.WALL_MAP, ExportFormat.GAP_MAP):
        least = design.device.material.minimum_wall_mm
        found = wall_map(mesh, least) if format == ExportFormat.WALL_MAP else gap_map(mesh)
        return found.as_ply(), found.as_facts()
    leaving = converted(mesh, tolerance_mm=tolerance_mm)
    return _encoded(design, format, leaving, source), leaving.as_facts()


def _encoded(design: Design, format: ExportFormat, leaving: Converted, source: bytes) -> bytes:
    if format == ExportFormat.DICOM:
        return encapsulate(source, _images_of(design), _described(design))
    if format == ExportFormat.THREEMF:
        return write_3mf(
            _parts_of(design.device.code, leaving.mesh), title=f"{design.device.code} {design.revision}"
        )
    if format == ExportFormat.PLY:
        return write_ply(leaving.mesh)
    return write_stl(leaving.mesh) if len(leaving.mesh.faces) != leaving.triangles_before else source


def _parts_of(code: str, mesh: Mesh) -> list[Part]:
    """Each piece of the design as a body of its own, in its own colour, the largest first."""
    pieces = sorted(solid_of(mesh).decompose(), key=lambda piece: -piece.volume())
    return [
        Part(f"{code} {number}", mesh_of(piece), COLOURS[(number - 1) % len(COLOURS)])
        for number, piece in enumerate(pieces, start=1)
    ]


def _images_of(design: Design) -> Images:
    """What the kept, de-identified series calls itself. Raises NotConverted where no DICOM was sent in."""
    series = design.segmentation.study.series_id
    if series is None:
        raise NotConverted(
            [Reason("The images came without DICOM: there is no study to keep.", "Export 3MF or STL.", "")]
        )
    with zipfile.ZipFile(io.BytesIO(intact_path(series).read_bytes())) as archive:
        return images_in(archive.read(name) for name in archive.namelist())


def _described(design: Design) -> Described:
    device = design.device
    return Described(
        case_code=device.code,
        title=device.master.title,
        device_code=device.code,
        revision=design.revision,
        made_at=design.requested_at,
        software=f"Lamina, {' '.join(design.tool)}",
        modified=True,
        mirrored=bool(design.values.get(MIRRORED)),
        recognisable=device.master.field == "cranial",
    )
