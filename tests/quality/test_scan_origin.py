"""A scan shows the part, not the file it was printed from: copies of files of the record are turned away (G-INS-01)."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest

from devices.choices import Stage
from devices.mesh.base import Mesh
from devices.mesh.io import write_stl
from devices.models import Device
from mes.choices import Role
from mes.exceptions import InvalidInput
from mes.models import Artefact
from mes.services.artefacts import artefact_path, store_artefact
from quality.models import Inspection
from quality.services.measurement import measure_scan
from quality.services.scans import receive_scan
from tests.quality.makers import Staff, acting, make_built_device, make_part, make_scan, the_gauge

pytestmark = pytest.mark.requirement("G-INS-01")


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_built_device(staff, stage=Stage.AWAITING_INSPECTION)


def send(staff: Staff, device: Device, content: bytes) -> Inspection:
    return receive_scan(
        device_id=device.pk, upload=BytesIO(content), gauge_id=the_gauge().pk, actor=acting(staff[Role.INS])
    )


def test_the_approved_mesh_itself_is_no_scan(staff: Staff, device: Device) -> None:
    design = device.current_design
    assert design is not None
    assert design.mesh is not None
    with pytest.raises(InvalidInput, match="a file of a record already") as refusal:
        send(staff, device, artefact_path(design.mesh).read_bytes())
    assert [(reason.rule, bool(reason.cure)) for reason in refusal.value.reasons] == [("G-INS-01", True)]
    assert Inspection.objects.count() == 0


def test_the_same_bytes_are_taken_once_and_for_one_device_only(staff: Staff, device: Device) -> None:
    other = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    send(staff, device, make_scan(make_part()))
    for again in (device, other):
        with pytest.raises(InvalidInput, match="was sent before"):
            send(staff, again, make_scan(make_part()))
    assert Inspection.objects.count() == 1


def test_a_file_that_was_stored_and_never_used_can_be_sent_again(staff: Staff, device: Device) -> None:
    content = make_scan(make_part())
    store_artefact(content, media_type="model/stl")
    assert send(staff, device, content).number == 1
    assert Artefact.objects.filter(media_type="model/stl", pk=Inspection.objects.get().scan_id).exists()


def moved(part: Mesh) -> Mesh:
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    return Mesh(part.vertices @ turn.T + 20.0, part.faces)


@pytest.mark.parametrize(
    "copy",
    [
        lambda part: moved(Mesh(part.vertices, part.faces[::-1])),
        lambda part: Mesh(part.vertices, part.faces[: len(part.faces) * 9 // 10]),
        lambda part: Mesh(
            part.vertices + np.random.default_rng(1).normal(0.0, 2e-4, part.vertices.shape), part.faces
        ),
    ],
    ids=["written anew and moved", "cut", "barely shaken"],
)
def test_a_copy_of_the_nominal_surface_is_no_scan(staff: Staff, device: Device, copy: object) -> None:
    assert callable(copy)
    inspection = send(staff, device, write_stl(copy(make_part())))
    measure_scan(inspection.pk)()
    inspection = Inspection.objects.get()
    assert inspection.status == "refused"
    (reason,) = inspection.measurement.reasons
    assert reason["rule"] == "G-INS-01"
    assert "finer than any scanner" in reason["text"]
    assert reason["cure"]


def test_the_noise_of_a_fine_scanner_is_taken(staff: Staff, device: Device) -> None:
    inspection = send(staff, device, make_scan(make_part(), noise_mm=0.005))
    measure_scan(inspection.pk)()
    inspection = Inspection.objects.get()
    assert inspection.status == "measured"
    assert inspection.measurement.passed


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (make_scan(make_part()), "model/stl"),
        (b"solid part\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n", "model/stl"),
        (
            b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
            b"element face 0\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n",
            "model/ply",
        ),
    ],
    ids=["binary STL", "text STL", "PLY"],
)
def test_a_scan_is_stored_as_what_it_is(
    staff: Staff, device: Device, content: bytes, media_type: str
) -> None:
    assert send(staff, device, content).scan.media_type == media_type
