"""The files of a device, a build or a lot on its page, and the shapes that the viewer can draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import FileResponse, Http404, HttpRequest
from django.urls import reverse

from devices.models import Device
from devices.selectors.devices import devices
from devices.selectors.evidence import bone_of
from mes.api.actors import actor_of, viewer_behind
from mes.compiled import only
from mes.dashboard.find import number_of
from mes.exceptions import NotPermitted
from mes.files import File, file_of, files_of, shown, taken
from mes.scope import visible
from printing.selectors.builds import builds
from printing.selectors.material import lots
from quality.selectors.gauges import gauges
from quality.selectors.making import inspections_of

SUBJECTS: dict[str, tuple[str, Any]] = {
    "device": ("D", devices),
    "build": ("B", builds),
    "lot": ("L", lots),
    "gauge": ("G", gauges),
}
"""The letter of each page's codes, and its rows."""


@dataclass(frozen=True)
class Listed:
    """A file and where it is downloaded."""

    file: File
    url: str


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


def files_shown(request: HttpRequest, page: str, subject: Any) -> list[Listed] | None:
    """Every file that who looks may read; None where they may read none."""
    try:
        found = files_of(page, subject, actor_of(request))
    except NotPermitted:
        return None
    return [Listed(file, reverse(f"{page}-file", args=[subject.code, file.sha256])) for file in found]


def file_sent(request: HttpRequest, code: str, sha256: str, kind: str) -> FileResponse:
    """A file of a device, build or lot, checked against its digest before it leaves (G-INT-01)."""
    letter, rows = SUBJECTS[kind]
    subject = only(visible(rows(), viewer_behind(request)).filter(pk=number_of(code, letter)))
    if subject is None:
        raise Http404
    actor = actor_of(request)
    file = file_of(kind, subject, sha256, actor)
    return (shown if "view" in request.GET else taken)(file, subject=subject, actor=actor)


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
    design, segmentation = device.current_design, bone_of(device)
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
