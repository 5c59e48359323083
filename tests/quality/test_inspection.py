"""Scans, measurements and the inspector's signature (G-INS-01)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from manifold3d import Manifold
from PIL import Image

from devices.choices import Stage
from devices.generators.base import GuideTube
from devices.mesh.base import Mesh
from devices.mesh.io import read_mesh, write_ply, write_stl
from devices.mesh.solid import mesh_of, solid_of
from devices.models import Design, Device
from mes.choices import Role
from mes.demo.scan import simulate_scan
from mes.eventlog.base import plain
from mes.exceptions import InvalidInput, NotPermitted, SignatureRefused, TransitionRefused
from mes.models import Artefact, Signature
from mes.selectors import events_of
from mes.services.artefacts import artefact_path, store_artefact
from mes.services.people import grant_role
from quality.models import Inspection, Nonconformance, Verdict
from quality.reports.finishing import inspection as inspection_section
from quality.services.inspection import set_aside_inspection, sign_inspection, verdict_content
from quality.services.measurement import PICTURE_SIZE, measure_scan
from quality.services.scans import receive_scan
from tests.quality.makers import (
    CURE,
    SYSTEM,
    WASH,
    Staff,
    acting,
    make_built_device,
    make_measured,
    make_part,
    make_scan,
    the_gauge,
    typed,
)
from tests.quality.test_postprocessing import record

pytestmark = pytest.mark.requirement("G-INS-01")


@pytest.fixture
def device(staff: Staff) -> Device:
    return make_built_device(staff, stage=Stage.AWAITING_INSPECTION)


def scanned(staff: Staff, device: Device, scan: bytes) -> Inspection:
    """A scan, received and measured."""
    inspection = receive_scan(
        device_id=device.pk, upload=scan, gauge_id=the_gauge().pk, actor=acting(staff[Role.INS])
    )
    measure_scan(inspection.pk)()
    return Inspection.objects.get(pk=inspection.pk)


def sign_as(staff: Staff, role: Role, inspection: Inspection) -> None:
    person = staff[role]
    sign_inspection(inspection_id=inspection.pk, actor=acting(person), credentials=typed(person))


def test_a_true_part_is_measured_and_passes_by_signature(
    staff: Staff, device: Device, whole_map: None
) -> None:
    inspection = scanned(staff, device, make_scan(make_part()))
    measurement = inspection.measurement
    assert inspection.status == "measured"
    assert measurement.passed
    assert measurement.figures["rms_mm"] == pytest.approx(0.03, abs=0.015)
    assert measurement.figures["share_in_tolerance"] > 0.99
    assert [item["code"] for item in measurement.characteristics] == [
        "share_in_tolerance",
        "p95_mm",
        "coverage",
        "maximum_mm",
        "scale_error",
    ]
    assert np.array(measurement.pose).shape == (4, 4)
    assert measurement.tool["validation"] == "research_only"
    with Image.open(artefact_path(str(measurement.picture_id))) as picture:
        assert (picture.format, picture.size) == ("PNG", PICTURE_SIZE)
    assert len(read_mesh(artefact_path(str(measurement.deviation_map_id))).faces) == len(make_part().faces)

    sign_as(staff, Role.INS, inspection)
    device.refresh_from_db()
    verdict = Verdict.objects.get()
    assert device.stage == Stage.INSPECTED_PASS
    assert verdict.decision == "passed"
    assert json.loads(verdict.signature.content)["details"] == verdict_content(inspection)
    assert verdict.signature.meaning == "performed"
    assert Nonconformance.objects.count() == 0


RESOLUTION_MM = 1.2
STALK = GuideTube(
    position_mm=(0.0, 4.0, 10.0),
    axis=(0.0, 0.0, -1.0),
    inner_diameter_mm=2.0,
    outer_diameter_mm=6.0,
    height_mm=14.0,
)


def with_a_tube(device: Device) -> Manifold:
    """The device's design, and the part, with a tube on it."""
    tube = Manifold.cylinder(20.0, 3.0, 3.0, 48) - Manifold.cylinder(20.0, 1.0, 1.0, 48)
    solid = solid_of(make_part()) + tube.translate([0.0, 4.0, 4.0])
    mesh = store_artefact(write_stl(mesh_of(solid)), media_type="model/stl")
    Design.objects.filter(device=device).update(mesh=mesh, features=plain([asdict(STALK)]))
    return solid


@pytest.mark.parametrize(("lost_mm", "passes"), [
    (0.0, True), (2.0, False), pytest.param(7.0, False, marks=pytest.mark.slow),
])  # fmt: skip
def test_a_part_with_its_tube_broken_off_fails_by_name(
    staff: Staff, device: Device, lost_mm: float, passes: bool
) -> None:
    part = with_a_tube(device).trim_by_plane([0.0, 0.0, -1.0], -(24.0 - lost_mm))
    scan = simulate_scan(mesh_of(part), seed=5, dropout_share=0.0, resolution_mm=RESOLUTION_MM)
    inspection = scanned(staff, device, write_stl(scan.mesh))
    judged = {item["code"]: item for item in inspection.measurement.characteristics}
    assert inspection.measurement.passed is passes
    assert judged["coverage_tube_1"]["passed"] is passes
    assert judged["coverage_tube_1"]["title"] == "Tube 1: share of its visible surface found within ±0.3 mm"
    assert judged["share_in_tolerance"]["passed"]
    assert judged["shift_tube_1_mm"]["value"] < 0.05
    assert judged["tilt_tube_1_degrees"]["value"] < 0.3
    assert inspection.measurement.limits["feature_coverage"] == 0.95
    assert 0.0 < inspection.measurement.figures["hidden"] < 0.1
    said = str(inspection_section(device))
    assert "Tube 1: its axis at the bone, off its place" in said
    assert ("Part of tube 1 is missing" in said) is not passes


def test_half_a_part_fails(staff: Staff, device: Device) -> None:
    half = mesh_of(solid_of(make_part()).trim_by_plane([1.0, 0.0, 0.0], -2.0))
    scan = simulate_scan(half, seed=5, dropout_share=0.0, resolution_mm=RESOLUTION_MM)
    measurement = scanned(staff, device, write_stl(scan.mesh)).measurement
    judged = {item["code"]: item for item in measurement.characteristics}
    assert not measurement.passed
    assert not judged["coverage"]["passed"]
    assert "material is missing" in judged["coverage"]["reason"]


@pytest.mark.requirement("G-NC-01")
def test_a_part_that_is_too_thick_fails_and_opens_a_nonconformance(staff: Staff, device: Device) -> None:
    inspection = make_measured(staff, device, offset_mm=0.6)
    assert not inspection.measurement.passed
    assert inspection.measurement.figures["mean_mm"] == pytest.approx(0.6, abs=0.12)
    sign_as(staff, Role.INS, inspection)
    device.refresh_from_db()
    found = Nonconformance.objects.get()
    assert device.stage == Stage.NONCONFORMING
    assert (found.source, found.found_at_stage, found.stage) == ("inspection", "nonconforming", "open")
    assert found.evidence["inspection"] == 1
    assert Verdict.objects.get().decision == "failed"


@pytest.mark.parametrize(
    ("_case", "scan", "said"),
    [
        ("another part", make_scan(make_part(seed=11)), "lies within"),
        ("another unit", make_scan(Mesh(make_part().vertices / 25.4, make_part().faces)), "across"),
        (
            "a third of the part",
            write_stl(Mesh(make_part().vertices, make_part().faces[: len(make_part().faces) // 4])),
            "",
        ),
        ("NaN", write_stl(Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]]))), "NaN"),
    ],
)
def test_a_scan_that_says_nothing_is_refused_with_reasons_and_kept(
    staff: Staff, device: Device, _case: str, scan: bytes, said: str
) -> None:
    inspection = scanned(staff, device, scan)
    device.refresh_from_db()
    assert inspection.status == "refused"
    assert said in " ".join(reason["text"] for reason in inspection.measurement.reasons)
    assert all(reason["text"] and reason["cure"] for reason in inspection.measurement.reasons)
    assert inspection.measurement.figures == {}
    assert device.stage == Stage.AWAITING_INSPECTION
    assert Nonconformance.objects.count() == 0
    with pytest.raises(TransitionRefused, match="Send a scan first"):
        sign_as(staff, Role.INS, inspection)
    assert events_of(device).filter(type="quality.inspection_refused").count() == 1


def test_an_empty_file_is_refused_at_the_door(staff: Staff, device: Device) -> None:
    for empty in (b"", BytesIO(b"")):
        with pytest.raises(InvalidInput, match="empty"):
            receive_scan(
                device_id=device.pk, upload=empty, gauge_id=the_gauge().pk, actor=acting(staff[Role.INS])
            )
    assert Inspection.objects.count() == 0


def images_in_a_zip() -> bytes:
    with BytesIO() as file:
        with ZipFile(file, "w") as archive:
            archive.writestr("ZZCANARY.dcm", bytes(128) + b"DICM ZZCANARY^JANE" + bytes(4096))
        return file.getvalue()


PLY_TEXT = (
    b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
)
SOLID = b"solid part\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nendloop\nendfacet\nendsolid part\n"
A_TAIL = b"ZZCANARY^JANE 1961-04-12\n"
AN_ELEMENT = b"element note 1\nproperty uchar c\nend_header"


def squares() -> bytes:
    """A binary PLY of two polygons, four corners and five."""
    head = PLY_TEXT.partition(b"end_header")[0].replace(b"ascii", b"binary_big_endian")
    head = head.replace(b"vertex 3", b"vertex 5").replace(b"face 1", b"face 2") + b"end_header\n"
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 2, 0]], dtype=">f4").tobytes()
    faces = [bytes([n]) + np.arange(n, dtype=">i4").tobytes() for n in (4, 5)]
    return head + corners + b"".join(faces)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (write_ply(make_part()) + A_TAIL, "behind the vertices"),
        (write_ply(make_part())[:-1], "need more bytes"),
        (PLY_TEXT[:-8], "ends before"),
        (squares() + A_TAIL, "behind the vertices"),
        (squares()[:-1], "need more bytes"),
        (PLY_TEXT + A_TAIL, "behind the vertices"),
        (PLY_TEXT[:-1] + A_TAIL, "not the numbers"),
        (PLY_TEXT.replace(b"end_header", AN_ELEMENT) + b"90", "besides vertices and faces"),
        (make_scan(make_part()) + A_TAIL, "announces"),
        (SOLID + A_TAIL, "behind the last solid"),
        (SOLID + b"\0" + A_TAIL, "neither STL nor PLY"),
        (images_in_a_zip(), "neither STL nor PLY"),
        (bytes(128) + b"DICM" + bytes(400), "neither STL nor PLY"),
        (b"%PDF-1.7\nsolid facet", "neither STL nor PLY"),
        (b"P;LOG\nnot a mesh at all\n" * 40, "neither STL nor PLY"),
        (make_scan(make_part())[:5000], "announces"),
        (b"ply\nformat nonsense\n", "end_header"),
        (bytes(400), "empty"),
    ],
    ids=[
        *(
            "PLY tail",
            "PLY cut",
            "PLY text cut",
            "polygons tail",
            "polygons cut",
            "PLY lines",
            "PLY line",
            "PLY element",
        ),
        *("STL tail", "STL lines", "STL NUL", "zip", "dicom", "pdf", "text", "truncated", "ply", "zeros"),
    ],
)
def test_what_is_no_scan_is_refused_at_the_door_and_not_kept(
    staff: Staff, device: Device, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "scan.stl"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    for upload in (content, BytesIO(content), path):
        with pytest.raises(InvalidInput, match=said):
            receive_scan(
                device_id=device.pk, upload=upload, gauge_id=the_gauge().pk, actor=acting(staff[Role.INS])
            )
    assert not Artefact.objects.filter(pk=digest).exists()
    assert not artefact_path(digest).exists()
    assert Inspection.objects.count() == 0


PLY_HEAD = b"ply\nformat ascii 1.0\ncomment by %b\nelement vertex 0\nproperty float x\nend_header\n"
PLY_NAME = b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float %b\nend_header\n"
TEXT_STL = b"solid part\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nendloop\nendfacet\nendsolid %b\n"


@pytest.mark.requirement("K-13")
@pytest.mark.parametrize("named", [b"Zz-Canary^Jane", b"scan of 03.02.1961", b"zzcanarygiven_left"])
def test_a_scan_whose_text_names_the_patient_is_not_kept(staff: Staff, device: Device, named: bytes) -> None:
    """The canary lies in the header of a binary STL, behind the shape of one in text, in a comment of a PLY, in one that
    is not seen as a line of its own, and in a name."""
    heads = (
        PLY_HEAD % named,
        PLY_HEAD.replace(b"\ncomment", b"\x85comment") % named,
        PLY_NAME % named.split()[-1],
    )
    for content in (named.ljust(80) + make_scan(make_part())[80:], TEXT_STL % named, *heads):
        with pytest.raises(InvalidInput, match="names the patient") as refused:
            receive_scan(
                device_id=device.pk,
                upload=BytesIO(content),
                gauge_id=the_gauge().pk,
                actor=acting(staff[Role.INS]),
            )
        assert named.decode() not in str(refused.value)
        assert not artefact_path(hashlib.sha256(content).hexdigest()).exists()
    assert Inspection.objects.count() == 0


def test_a_scan_in_text_or_from_the_middle_of_a_stream_is_taken(staff: Staff, device: Device) -> None:
    text = b"solid part\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n"
    stream = BytesIO(b"before" + make_scan(make_part()))
    stream.seek(6)
    stream_of_polygons = BytesIO(b"before" + squares())
    stream_of_polygons.seek(6)
    for upload in (stream_of_polygons, PLY_TEXT, SOLID * 2, text, stream):
        receive_scan(
            device_id=device.pk, upload=upload, gauge_id=the_gauge().pk, actor=acting(staff[Role.INS])
        )
    assert Inspection.objects.latest("pk").scan_id == hashlib.sha256(make_scan(make_part())).hexdigest()


def test_a_file_with_a_hostile_name_is_stored_by_digest_alone(
    staff: Staff, device: Device, tmp_path: Path
) -> None:
    path = tmp_path / "..%2f..%2fZZCANARY.stl"
    path.write_bytes(make_scan(make_part()))
    inspection = receive_scan(
        device_id=device.pk, upload=path, gauge_id=the_gauge().pk, actor=acting(staff[Role.INS])
    )
    payloads = "".join(events_of(device).values_list("payload", flat=True))
    assert "ZZCANARY" not in payloads
    assert artefact_path(inspection.scan).name == inspection.scan_id


def test_a_scan_comes_only_when_it_is_awaited_and_only_from_an_inspector(
    staff: Staff, device: Device
) -> None:
    early = make_built_device(staff)
    with pytest.raises(TransitionRefused):
        receive_scan(device_id=early.pk, upload=b"x", gauge_id=the_gauge().pk, actor=acting(staff[Role.INS]))
    with pytest.raises(NotPermitted):
        receive_scan(device_id=device.pk, upload=b"x", gauge_id=the_gauge().pk, actor=acting(staff[Role.OPR]))
    assert Inspection.objects.count() == 0


@pytest.mark.requirement("G-SOD-01")
def test_who_post_processed_the_part_cannot_inspect_it(staff: Staff) -> None:
    from_routing = make_built_device(staff, stage=Stage.POST_PROCESSING)
    record(staff, from_routing.pk, "wash", WASH)
    record(staff, from_routing.pk, "cure", CURE)
    grant_role(person=staff[Role.PST], role=Role.INS, actor=SYSTEM)
    inspection = make_measured(staff, from_routing)
    signatures = Signature.objects.count()
    with pytest.raises(NotPermitted, match="took part in making"):
        sign_as(staff, Role.PST, inspection)
    from_routing.refresh_from_db()
    assert from_routing.stage == Stage.AWAITING_INSPECTION
    assert Verdict.objects.count() == 0
    assert Signature.objects.count() == signatures


@pytest.mark.parametrize("role", [Role.OPR, Role.BLD])
def test_who_printed_the_part_cannot_inspect_it_even_to_fail_it(
    staff: Staff, device: Device, role: Role
) -> None:
    grant_role(person=staff[role], role=Role.INS, actor=SYSTEM)
    thick = make_measured(staff, device, offset_mm=0.6)
    with pytest.raises(NotPermitted, match="took part in making"):
        sign_as(staff, role, thick)
    assert Verdict.objects.count() == 0
    assert Nonconformance.objects.count() == 0


def test_a_failed_measurement_is_not_lost_behind_a_better_one(staff: Staff, device: Device) -> None:
    first = make_measured(staff, device, offset_mm=0.6)
    second = make_measured(staff, device)
    with pytest.raises(TransitionRefused, match="nobody has answered"):
        sign_as(staff, Role.INS, second)
    with pytest.raises(TransitionRefused, match=r"\(id \d+\) is the one to decide on"):
        sign_as(staff, Role.INS, first)
    assert Verdict.objects.count() == 0

    quality = staff[Role.QAR]
    set_aside_inspection(
        inspection_id=first.pk,
        justification="The scanner was not calibrated; its protocol is attached.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    sign_as(staff, Role.INS, Inspection.objects.get(pk=second.pk))
    device.refresh_from_db()
    assert device.stage == Stage.INSPECTED_PASS
    assert [row.status for row in Inspection.objects.order_by("pk")] == ["set_aside", "passed"]


def test_nobody_chooses_among_good_measurements(staff: Staff, device: Device) -> None:
    """Of two scans within their limits the last is signed, and of the other somebody says why it is not."""
    first, second = make_measured(staff, device), make_measured(staff, device)
    with pytest.raises(TransitionRefused, match=r"\(id \d+\) is the one to decide on"):
        sign_as(staff, Role.INS, first)
    with pytest.raises(TransitionRefused, match="1 was within its limits and nobody has answered"):
        sign_as(staff, Role.INS, second)
    quality = staff[Role.QAR]
    with pytest.raises(TransitionRefused, match="needs no justification"):
        set_aside_inspection(
            inspection_id=second.pk, justification="why", actor=acting(quality), credentials=typed(quality)
        )
    set_aside_inspection(
        inspection_id=first.pk,
        justification="The part had moved in its holder.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    sign_as(staff, Role.INS, Inspection.objects.get(pk=second.pk))
    assert [row.status for row in Inspection.objects.order_by("pk")] == ["set_aside", "passed"]
    assert "The part had moved" in str(inspection_section(device))


def test_setting_aside_needs_a_second_person_a_reason_and_a_failure(staff: Staff, device: Device) -> None:
    failed = make_measured(staff, device, offset_mm=0.6)
    inspector, quality = staff[Role.INS], staff[Role.QAR]
    grant_role(person=inspector, role=Role.QCM, actor=SYSTEM)
    for person, reason, refusal, said in (
        (inspector, "It was blurred.", NotPermitted, "sent this scan"),
        (quality, "  ", InvalidInput, "Say why"),
    ):
        with pytest.raises(refusal, match=said):
            set_aside_inspection(
                inspection_id=failed.pk, justification=reason, actor=acting(person), credentials=typed(person)
            )
    passed = make_measured(staff, device)
    with pytest.raises(TransitionRefused, match="needs no justification"):
        set_aside_inspection(
            inspection_id=passed.pk, justification="why", actor=acting(quality), credentials=typed(quality)
        )
    assert Verdict.objects.count() == 0


@pytest.mark.requirement("ES-19")
def test_a_signature_over_something_else_than_was_shown_is_refused(staff: Staff, device: Device) -> None:
    inspection = make_measured(staff, device)
    person = staff[Role.INS]
    with pytest.raises(SignatureRefused):
        sign_inspection(
            inspection_id=inspection.pk, actor=acting(person), credentials=typed(person, digest="0" * 64)
        )
    device.refresh_from_db()
    assert device.stage == Stage.AWAITING_INSPECTION
    assert Verdict.objects.count() == 0


@pytest.mark.requirement("G-INT-01")
def test_an_altered_scan_is_not_measured(staff: Staff, device: Device) -> None:
    inspection = receive_scan(
        device_id=device.pk,
        upload=make_scan(make_part()),
        gauge_id=the_gauge().pk,
        actor=acting(staff[Role.INS]),
    )
    path = artefact_path(inspection.scan)
    path.chmod(0o640)
    path.write_bytes(b"something else")
    with pytest.raises(Exception, match="missing or altered"):
        measure_scan(inspection.pk)
    assert Inspection.objects.get().status == "received"
    assert Artefact.objects.filter(media_type="model/ply").count() == 0
