"""The files of a device: listed with their digests, sent as attachments, and the shapes that the viewer can draw."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import FileResponse, Http404, HttpRequest
from django.urls import reverse

from devices.models import Device
from devices.selectors import artefacts_of, devices
from mes.api.actors import actor_of, viewer_behind
from mes.dashboard.find import number_of
from mes.models import Artefact
from mes.permissions import require
from mes.scope import visible
from mes.services.artefacts import artefact_path, require_intact
from printing.models import Build
from quality.models import Inspection

ENDINGS = {
    "model/stl": "stl",
    "application/sla": "stl",
    "model/ply": "ply",
    "application/dicom": "dcm",
    "application/zip": "zip",
    "application/pdf": "pdf",
    "application/json": "json",
    "image/png": "png",
}
INLINE = frozenset({"image/png", "model/stl", "model/ply", "application/sla"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class File:
    """`name` is made here from codes: nothing that came from outside stands in it."""

    name: str
    sha256: str
    size: int
    media_type: str
    url: str
    drawable: str


@dataclass(frozen=True)
class Shape:
    """Something that the viewer draws. kind: bone, design or deviation. `limit_mm`: the ends of the colour scale."""

    kind: str
    title: str
    url: str
    format: str
    note: str = ""
    limit_mm: float = 0.0
    tolerance_mm: float = 0.0


def names_of_files(device: Device) -> dict[str, str]:
    """Every file that may be read through a device's page: SHA-256 to a name of ours."""
    names = {sha256: name for sha256, (name, _) in artefacts_of(device).items()}
    for build in Build.objects.filter(items__device=device, file__isnull=False):
        names[str(build.file_id)] = f"{build.code}-build.zip"
    for inspection in inspections_of(device):
        names[inspection.scan_id] = f"{device.code}-scan-{inspection.number}"
        names |= _measured(device, inspection)
    for report in device.reports.order_by("pk"):
        names[report.json_id] = f"{device.code}-{report.name}-{report.pk}.json"
        names[report.pdf_id] = f"{device.code}-{report.name}-{report.pk}.pdf"
    return names


def inspections_of(device: Device) -> list[Inspection]:
    return list(Inspection.objects.filter(device=device).select_related("measurement").order_by("number"))


def _measured(device: Device, inspection: Inspection) -> dict[str, str]:
    measurement = getattr(inspection, "measurement", None)
    if measurement is None:
        return {}
    files = {measurement.deviation_map_id: "deviation", measurement.picture_id: "deviation-picture"}
    return {sha256: f"{device.code}-{what}-{inspection.number}" for sha256, what in files.items() if sha256}


def files_of(device: Device) -> list[File]:
    names = names_of_files(device)
    artefacts = Artefact.objects.filter(pk__in=names).order_by("created_at")
    return [_file(device, artefact, names[artefact.sha256]) for artefact in artefacts]


def _file(device: Device, artefact: Artefact, name: str) -> File:
    ending = ENDINGS.get(artefact.media_type, "")
    full = f"{name}.{ending}" if ending and "." not in name else name
    return File(
        full,
        artefact.sha256,
        artefact.size,
        artefact.media_type,
        reverse("device-file", args=[device.code, artefact.sha256]),
        ending if ending in ("stl", "ply") else "",
    )


def shapes_of(device: Device) -> list[Shape]:
    """The newest shape of each kind, the furthest along first."""
    shapes = []
    measured = [
        i
        for i in inspections_of(device)
        if getattr(i, "measurement", None) and i.measurement.deviation_map_id
    ]
    if measured:
        last = measured[-1]
        limits = last.measurement.limits
        tolerance = float(limits.get("tolerance_mm") or 0)
        scale = float(last.measurement.figures.get("colour_limit_mm") or 2 * tolerance or 1)
        url = _url(device, last.measurement.deviation_map_id)
        shapes.append(
            Shape("deviation", "Deviation map", url, "ply", f"Scan {last.number}", scale, tolerance)
        )
    design, segmentation = device.current_design, device.current_segmentation
    if design is not None and design.mesh_id:
        shapes.append(
            Shape("design", "Design", _url(device, design.mesh_id), "stl", f"Revision {design.revision}")
        )
    if segmentation is not None:
        volume = f"{segmentation.volume_ml:.1f} mL"
        shapes.append(Shape("bone", "Segmented bone", _url(device, segmentation.surface_id), "stl", volume))
    return shapes


def _url(device: Device, sha256: str | None) -> str:
    return reverse("device-file", args=[device.code, sha256])


def device_file(request: HttpRequest, code: str, sha256: str) -> FileResponse:
    """A file of a device, checked against its digest before it leaves (G-INT-01)."""
    device = visible(devices(), viewer_behind(request)).filter(pk=number_of(code, "D")).first()
    require(actor_of(request), "devices.read_artefact", device)
    name = names_of_files(device).get(sha256) if device else None
    artefact = Artefact.objects.filter(pk=sha256).first()
    if device is None or name is None or artefact is None:
        raise Http404
    require_intact(artefact)
    file = _file(device, artefact, name)
    return FileResponse(
        artefact_path(artefact).open("rb"),
        as_attachment="view" not in request.GET or artefact.media_type not in INLINE,
        filename=file.name,
        content_type=artefact.media_type,
        headers=HEADERS,
    )
