"""The files of a device that what is made keeps: images, segmentations, designs."""

from __future__ import annotations

from collections.abc import Iterator

from devices.models import Design, Device, Segmentation, Study
from devices.selectors.history import exports_of
from devices.selectors.revisions import differences_of
from mes.files import Named, files


@files("devices.images", page="device", permission="devices.read_artefact")
def image_files(device: Device) -> Iterator[Named]:
    for study in Study.objects.filter(device=device).order_by("pk"):
        yield study.series_id, f"{device.code}-series-{study.pk}"
        yield study.volume_id, f"{device.code}-volume-{study.pk}"
        yield study.surface_id, f"{device.code}-scan-{study.pk}"


@files("devices.segmentations", page="device", permission="devices.read_artefact")
def segmentation_files(device: Device) -> Iterator[Named]:
    for segmentation in Segmentation.objects.filter(device=device).order_by("pk"):
        yield segmentation.mask_id, f"{device.code}-mask-{segmentation.pk}"
        yield segmentation.labels_id, f"{device.code}-labels-{segmentation.pk}"
        yield segmentation.surface_id, f"{device.code}-bone-{segmentation.pk}"
        for plane, sha256 in sorted(segmentation.overlays.items()):
            yield sha256, f"{device.code}-{plane}-{segmentation.pk}"


@files("devices.designs", page="device", permission="devices.read_artefact")
def design_files(device: Device) -> Iterator[Named]:
    for design in Design.objects.filter(device=device).order_by("pk"):
        yield design.mesh_id, f"{device.code}-design-{design.revision}"
        yield design.source_id, f"{device.code}-design-{design.revision}-as-sent"


@files("devices.exports", page="device", permission="devices.read_artefact")
def exported_files(device: Device) -> Iterator[Named]:
    for told in exports_of(device):
        name = f"{device.code}-design-{told['revision']}-{told['format'].replace('_', '-')}"
        yield told["file_sha256"], f"{name}-{told['tolerance_mm']:g}mm" if told["tolerance_mm"] else name


@files("devices.differences", page="device", permission="devices.read_artefact")
def difference_maps(device: Device) -> Iterator[Named]:
    for (newer, older), told in differences_of(device).items():
        yield told["map_sha256"], f"{device.code}-design-{newer}-against-{older}"
