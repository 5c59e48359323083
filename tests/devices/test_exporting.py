"""A design leaves in the format that was asked for, and the record says what, to whom it was told, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from devices.files import exported_files
from devices.mesh.io import read_mesh
from devices.mesh.threemf import read_3mf
from devices.selectors.history import exports_of
from devices.services.exporting import request_export
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, TransitionRefused
from mes.models import EventRecord
from mes.selectors import events_of
from mes.services.artefacts import artefact_path
from tests.devices.makers import Staff, make_device, make_planned

pytestmark = pytest.mark.django_db


@pytest.mark.requirement("G-MSH-01")
def test_a_design_is_exported_with_its_report(drain: Callable[[], int]) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    for format in ("3mf", "ply", "wall_map"):
        request_export(device_id=device.pk, format=format, actor=staff[Role.DSN].actor)
    drain()
    told = {one["format"]: one for one in exports_of(device)}
    assert sorted(told) == ["3mf", "ply", "wall_map"]
    assert told["3mf"]["report"]["triangles_after"] == 12
    assert told["3mf"]["report"]["watertight"]
    assert told["wall_map"]["report"]["minimum_mm"] == pytest.approx(5.0, abs=0.01)
    (part,) = read_3mf(artefact_path(told["3mf"]["file_sha256"]).read_bytes())
    assert part.name == f"{device.code} 1"
    assert len(read_mesh(artefact_path(told["ply"]["file_sha256"])).faces) == 12
    listed = dict(exported_files(device))
    assert listed[told["3mf"]["file_sha256"]] == f"{device.code}-design-1-3mf"


def test_images_that_were_no_dicom_give_no_dicom(drain: Callable[[], int]) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    request_export(device_id=device.pk, format="dicom", actor=staff[Role.DSN].actor)
    drain()
    last = events_of(device).last()
    assert last is not None
    assert last.type == "devices.design_export_failed"
    assert "without DICOM" in json.loads(last.payload)["reasons"][0]["text"]
    assert exports_of(device) == []


@pytest.mark.parametrize(
    ("format", "tolerance"), [("obj", 0.0), ("stl", 0.51), ("stl", float("nan")), ("dicom", 0.1)]
)
def test_what_cannot_be_exported_is_refused(format: str, tolerance: float) -> None:
    staff = Staff()
    device = make_device("design_frozen", staff)
    with pytest.raises(InvalidInput):
        request_export(
            device_id=device.pk, format=format, tolerance_mm=tolerance, actor=staff[Role.DSN].actor
        )
    with pytest.raises(NotPermitted):
        request_export(device_id=device.pk, format="stl", actor=staff[Role.OPR].actor)
    assert EventRecord.objects.filter(type__contains="export").count() == 0


def test_a_device_without_a_design_exports_nothing() -> None:
    staff = Staff()
    device = make_planned(staff)
    with pytest.raises(TransitionRefused, match="has no design"):
        request_export(device_id=device.pk, format="stl", actor=staff[Role.DSN].actor)
