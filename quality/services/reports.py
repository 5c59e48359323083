"""Writing reports: gather, render, store. Outside any transaction; the effect is one row and one fact."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string

from devices.mesh.io import read_mesh
from devices.mesh.picture import render_png
from devices.models import Device
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.models import Artefact
from mes.permissions import require
from mes.services.artefacts import intact_path, open_artefact, require_intact, store_artefact
from quality.events import ProductionRecordRendered
from quality.models import Report as ReportRow
from quality.reports.base import REPORTS, Report, pictures_in, record_bytes
from quality.reports.page import DESIGN_PICTURE, page_of
from quality.reports.pdf import write_pdf

SYSTEM = Actor.system("quality.reports")


def render_production_record(
    device_id: int, *, last_pos: int, name: str = "production_record"
) -> Callable[[], ReportRow]:
    """Write a report of a device as the log stood at `last_pos`: JSON, and a PDF that shows exactly that JSON."""
    require(SYSTEM, "quality.render_report")
    device = Device.objects.select_related("order", "master", "material", "current_design").get(pk=device_id)
    report = REPORTS[name]
    record = report.gather(device, last_pos)
    text = record_bytes(record)
    json_file = store_artefact(text, media_type="application/json")
    pdf_file = store_artefact(pdf_of(report, record, json_file, text, device), media_type="application/pdf")
    return lambda: record_report(
        device_id=device_id, name=name, json=json_file, pdf=pdf_file, last_pos=last_pos
    )


def pdf_of(
    report: Report, record: Mapping[str, Any], json_file: Artefact, text: bytes, device: Device
) -> bytes:
    """The PDF/A of a record, its JSON attached, its digest on every page."""
    html = render_to_string(report.template, page_of(record, json_file.sha256, pictures_of(record, device)))
    return write_pdf(html, record=record, attached=text, title=f"{report.title} {record['device']}")


def pictures_of(
    record: Mapping[str, Any], device: Device, *, besides: Collection[str] = ()
) -> dict[str, str]:
    """Data URIs of every picture of the record, by digest, and of the design, drawn from its mesh.

    `besides`: files that were disposed of after their time; nothing is drawn of them.
    """
    found = {digest: _stored_picture(digest) for digest in pictures_in(record) if digest not in besides}
    design = device.current_design
    if design is not None and design.mesh is not None and design.mesh_id not in besides:
        require_intact(design.mesh)
        found[DESIGN_PICTURE] = _drawn(design.mesh.sha256)
    return found


@lru_cache(maxsize=16)
def _drawn(mesh_sha256: str) -> str:
    """A design's picture, drawn once from its mesh: the same record is written when it is shown, released and exported."""
    return _data_uri(render_png(read_mesh(intact_path(mesh_sha256)), size=(800, 560)))


def _stored_picture(digest: str) -> str:
    with open_artefact(digest) as file:
        return _data_uri(file.read())


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


@unit_of_work
def record_report(*, device_id: int, name: str, json: Artefact, pdf: Artefact, last_pos: int) -> ReportRow:
    """Keep a written report with the record."""
    require(SYSTEM, "quality.render_report")
    device = Device.objects.select_for_update(of=("self",)).get(pk=device_id)
    row = ReportRow.objects.create(device=device, name=name, json=json, pdf=pdf, last_pos=last_pos)
    publish(
        device,
        ProductionRecordRendered(
            device_id=device.pk,
            report_id=row.pk,
            report=name,
            json_sha256=json.sha256,
            pdf_sha256=pdf.sha256,
            last_pos=last_pos,
        ),
        actor=SYSTEM,
    )
    return row
