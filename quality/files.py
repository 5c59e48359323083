"""The files of a device that quality keeps: scans, what they measured, reports."""

from __future__ import annotations

from collections.abc import Iterator

from devices.models import Device
from mes.files import Named, files
from quality.models import Gauge
from quality.selectors.making import inspections_of


@files("quality.inspections", page="device", permission="devices.read_artefact")
def inspection_files(device: Device) -> Iterator[Named]:
    for inspection in inspections_of(device):
        yield inspection.scan_id, f"{device.code}-scan-{inspection.number}"
        measurement = getattr(inspection, "measurement", None)
        if measurement is not None:
            yield measurement.deviation_map_id, f"{device.code}-deviation-{inspection.number}"
            yield measurement.picture_id, f"{device.code}-deviation-picture-{inspection.number}"


@files("quality.reports", page="device", permission="devices.read_artefact")
def report_files(device: Device) -> Iterator[Named]:
    for report in device.reports.order_by("pk"):
        yield report.json_id, f"{device.code}-{report.name}-{report.pk}"
        yield report.pdf_id, f"{device.code}-{report.name}-{report.pk}"


@files("quality.gauges", page="gauge", permission="quality.read_gauges")
def gauge_files(gauge: Gauge) -> Iterator[Named]:
    for calibration in gauge.calibrations.order_by("pk"):
        yield calibration.certificate_id, f"{gauge.code}-calibration-{calibration.number}"
