"""The files that printing keeps: build files, and the certificates of material."""

from __future__ import annotations

from collections.abc import Iterator

from devices.models import Device
from mes.files import Named, files
from printing.models import Build, MaterialLot


@files("printing.builds", page="device", permission="devices.read_artefact")
def builds_of_a_device(device: Device) -> Iterator[Named]:
    for build in Build.objects.filter(items__device=device).order_by("pk"):
        yield from build_file(build)


@files("printing.build", page="build", permission="devices.read_artefact")
def build_file(build: Build) -> Iterator[Named]:
    yield build.file_id, f"{build.code}-build"


@files("printing.certificate", page="lot", permission="printing.read_certificate")
def certificate(lot: MaterialLot) -> Iterator[Named]:
    yield lot.certificate_file_id, f"{lot.code}-certificate"
