"""A surface scan as the beginning of a case: signed for, checked against the master, segmented, approved, and designed on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string
from django.utils import timezone
from rest_framework.test import APIClient

from devices.catalog.aligner_mould_series import ARCH, SCAN
from devices.catalog.base import MASTERS
from devices.choices import DraftPurpose, Side
from devices.generators.dental.marks import packed_labels
from devices.imaging.scans import Declared
from devices.mesh.io import read_mesh, write_stl
from devices.models import Device, Segmentation, Study
from devices.panels import images_panel, segmentation_panel
from devices.services.definitions import draft_master
from devices.services.drafts import open_draft
from devices.services.reading import read_study
from devices.services.segmentations import (
    approve_segmentation,
    record_segmentation,
    start_segmentation_by_rule,
)
from devices.services.segmenting import compute_segmentation
from devices.services.studies import receive_study, record_images
from mes.choices import Role
from mes.exceptions import InvalidInput, TransitionRefused
from mes.lifecycle import ask_gates
from mes.models import EventRecord, Signature
from mes.services.artefacts import artefact_path
from tests.devices.dental import scan
from tests.devices.makers import (
    PASSWORD,
    Staff,
    accepted,
    make_master,
    make_order,
    make_person,
    make_planned,
    make_upload,
)
from tests.devices.scanning import MM, NAMED, arch, files, labelled, laid, vouching

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


def dental(staff: Staff) -> Device:
    order = make_order(
        staff, master=make_master("aligner_mould_series_training"), side=Side.NONE, quantity=1,
        characteristics=[{"attribute": "bite", "value": "class I", "unit": ""}],
    )  # fmt: skip
    return accepted(order, staff)[0]


def sent(device: Device, staff: Staff, upload: Path, declared: Declared = MM) -> Study:
    """Received with a signature, and read."""
    who = staff[Role.IMG]
    study = receive_study(
        device_id=device.pk, upload=upload, actor=who.actor, link_confirmed=True, declared=declared,
        credentials=vouching(device, who, upload, declared),
    )  # fmt: skip
    return record_images(study_id=study.pk, outcome=read_study(study.pk))


def segmented(device: Device) -> Segmentation:
    """As the handlers do it."""
    study = Device.objects.get(pk=device.pk).current_study
    assert study is not None
    start_segmentation_by_rule(device_id=device.pk, study_id=study.pk)
    request = EventRecord.objects.filter(type="devices.segmentation_requested").latest("pos")
    record_segmentation(
        device_id=device.pk, study_id=study.pk, author_id=study.received_by_id, request=request.version,
        outcome=compute_segmentation(study.pk),
    )  # fmt: skip
    return Segmentation.objects.get(device=device)


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.requirement("G-IMG-03")
def test_a_scan_becomes_a_study_with_its_way_on_record_and_no_name(tmp_path: Path) -> None:
    staff = Staff()
    device = dental(staff)
    study = sent(device, staff, laid(tmp_path, files()["STL"]), Declared("mm", "RAS", timezone.localdate()))
    assert (study.status, study.findings[0]["code"]) == ("accepted", "open_surface")
    assert (study.source_format, study.modality, study.volume_id) == ("STL", "M3D", None)
    assert study.acquired_on == timezone.localdate()
    said = study.acquisition
    assert (said["unit"], said["axes"], said["triangles"]) == ("mm", "RAS", len(arch().faces))
    assert np.diag(said["transform"]).tolist() == [-1.0, -1.0, 1.0, 1.0]
    assert study.deidentification["removed"] == {"header": 1}
    assert NAMED not in artefact_path(str(study.surface_id)).read_bytes()
    link = json.loads(Signature.objects.get(meaning="verified").content)
    assert link["scan"] == {"unit": "mm", "axes": "RAS", "scanned_on": timezone.localdate().isoformat()}
    assert not EventRecord.objects.filter(payload__contains="Mustermann").exists()


@pytest.mark.requirement("G-SEG-01")
@pytest.mark.requirement("G-MSH-01")
def test_a_scan_is_segmented_and_approved_like_images(tmp_path: Path) -> None:
    staff = Staff()
    device = dental(staff)
    sent(device, staff, laid(tmp_path))
    made = segmented(device)
    assert (made.tool, made.mask_id, made.watertight, made.components) == ("surface_scan", None, False, 1)
    assert made.distance_max_mm < 0.001
    assert [step["name"] for step in made.steps][-1] == "find_rims"
    bone = read_mesh(artefact_path(made.surface_id))
    assert np.array_equal(bone.vertices, arch().vertices)
    with pytest.raises(TransitionRefused, match="no slices"):
        open_draft(device_id=device.pk, actor=make_person(Role.SEG).actor, purpose=DraftPurpose.READING)
    reviewer = staff[Role.CLR]
    approved = approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    assert approved.approval is not None
    signed = json.loads(approved.approval.content)
    assert (signed["mask"], signed["surface"]) == (None, made.surface_id)
    assert signed["scan"] == Study.objects.get().surface_id


@pytest.mark.requirement("G-ORD-05")
def test_a_scan_is_nobodys_until_somebody_signs(tmp_path: Path) -> None:
    staff = Staff()
    device = dental(staff)
    study = receive_study(
        device_id=device.pk, upload=laid(tmp_path), actor=staff[Role.IMG].actor, declared=MM
    )
    refused = record_images(study_id=study.pk, outcome=read_study(study.pk))
    assert (refused.status, refused.surface_id) == ("refused", None)
    assert refused.findings[-1]["code"] == "G-ORD-05"


@pytest.mark.requirement("G-IMG-01")
@pytest.mark.parametrize(("unit", "told"), [("cm", "Taken as mm"), ("inch", "Taken as mm")])
def test_a_size_that_no_arch_has_is_refused_and_says_which_unit_fits(
    unit: str, told: str, tmp_path: Path
) -> None:
    staff = Staff()
    study = sent(dental(staff), staff, laid(tmp_path), Declared(unit, "own"))
    assert study.status == "refused"
    assert study.surface_id is None
    (found,) = [one for one in study.findings if one["code"] == "G-IMG-01"]
    assert "mm large" in found["message"]
    assert told in found["cure"]


@pytest.mark.requirement("G-IMG-01")
def test_a_scan_too_coarse_or_lying_nobody_knows_how_is_refused_where_the_master_cares(
    tmp_path: Path,
) -> None:
    staff = Staff()
    strict = dict(MASTERS["aligner_mould_series_training"].imaging) | {
        "surface": {**ARCH, "max_edge_mm": 0.1, "patient_axes": True}
    }
    device = make_planned(
        staff, master=make_master("aligner_mould_series_training", imaging=strict), side=Side.NONE, quantity=1,
        characteristics=[{"attribute": "bite", "value": "class I", "unit": ""}],
    )  # fmt: skip
    said = sent(device, staff, laid(tmp_path)).findings[-1]
    assert "triangles are up to" in said["message"]
    assert "how it lies" in said["message"]


@pytest.mark.requirement("G-IMG-01")
def test_a_master_takes_only_the_sources_it_names(tmp_path: Path) -> None:
    staff = Staff()
    skull = make_planned(staff)
    with pytest.raises(InvalidInput, match="does not take surface scans"):
        receive_study(device_id=skull.pk, upload=laid(tmp_path), actor=staff[Role.IMG].actor, declared=MM)
    scans_only = {"sources": ["surface"], "surface": ARCH}
    device = make_planned(
        staff, master=make_master("aligner_mould_series_training", imaging=scans_only), side=Side.NONE, quantity=1,
        characteristics=[{"attribute": "bite", "value": "class I", "unit": ""}],
    )  # fmt: skip
    with pytest.raises(InvalidInput, match="does not take cross-sectional images"):
        receive_study(device_id=device.pk, upload=make_upload(tmp_path / "ct"), actor=staff[Role.IMG].actor)
    assert not Study.objects.exists()
    assert laid(tmp_path).is_file()


@pytest.mark.requirement("G-IMG-02")
def test_a_scan_of_no_day_or_too_old_is_not_worked_on_where_the_master_asks(tmp_path: Path) -> None:
    staff = Staff()
    dated = dict(MASTERS["aligner_mould_series_training"].imaging) | {"max_image_age_days": 90}
    master = make_master("aligner_mould_series_training", imaging=dated)
    for day in (None, timezone.localdate() - timedelta(days=120)):
        device = make_planned(
            staff, master=master, side=Side.NONE, quantity=1,
            characteristics=[{"attribute": "bite", "value": "class I", "unit": ""}],
        )  # fmt: skip
        assert sent(device, staff, laid(tmp_path), Declared("mm", "own", day)).status == "accepted"
        asked = ask_gates("device.start_segmentation", Device.objects.get(pk=device.pk))
        assert "G-IMG-02" in [one.gate for one in asked if not one.passed]


FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an unknown source": ({"sources": ["hearsay"]}, {}, "sources of a case are none"),
    "no limits": ({"surface": {}}, {}, "size of the anatomy is none"),
    "limits that do not tell units apart": (
        {"surface": {**ARCH, "max_extent_mm": [160.0, 100.0, 70.0]}}, {}, "millimetres from centimetres",
    ),
    "no word on axes": (
        {"surface": {k: v for k, v in ARCH.items() if k != "patient_axes"}}, {}, "incomplete",
    ),
    "no segmenter": ({}, {"scan": {"segmenter": "wishes"}}, "segmenter of surface scans"),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_master_that_takes_scans_says_by_what_limits(what: str) -> None:
    imaging, segmentation, said = FAULTS[what]
    base = MASTERS["aligner_mould_series_training"]
    definition = type(base)(
        **base.__dict__ | {"imaging": dict(base.imaging) | imaging, "segmentation": SCAN | segmentation}
    )
    with pytest.raises(InvalidInput, match=said):
        draft_master(definition=definition, actor=make_person(Role.DSN).actor)


@pytest.mark.requirement("G-LAT-01")
def test_a_master_with_sides_and_without_a_plan_takes_no_scans() -> None:
    base = MASTERS["cranial_guide_training"]
    imaging = dict(base.imaging) | {"sources": ["volume", "surface"], "surface": ARCH}
    definition = type(base)(**base.__dict__ | {"imaging": imaging, "segmentation": {**SCAN}})
    with pytest.raises(InvalidInput, match="patient's middle"):
        draft_master(definition=definition, actor=make_person(Role.DSN).actor)


def test_the_panels_say_what_a_scan_is(tmp_path: Path, rf: Any) -> None:
    staff = Staff()
    device = dental(staff)
    sent(device, staff, laid(tmp_path))
    segmented(device)
    device = Device.objects.get(pk=device.pk)
    shown = ""
    for made in (images_panel(rf.get("/"), device), segmentation_panel(rf.get("/"), device)):
        assert made is not None
        shown += render_to_string(made.template, made.context)
    assert "triangles, open" in shown
    assert "the scanner's own" in shown
    assert "nothing was filled" in shown
    assert "mask" not in shown


# --- the same over the API


def test_over_the_api_a_scan_waits_for_a_signature_over_what_was_shown(tmp_path: Path) -> None:
    staff = Staff()
    device, who = dental(staff), staff[Role.IMG]
    http = APIClient()
    http.force_authenticate(who.person.accounts.get())
    where = f"/api/devices/{device.code}"

    def post(data: bytes, **said: str) -> Any:
        body = {"files": SimpleUploadedFile("Mustermann.stl", data), **said}
        return http.post(f"{where}/studies/", body, format="multipart")

    assert post(write_stl(arch()), unit="mm").status_code == 422
    assert post(write_stl(arch()), unit="mm", axes="LAS").status_code == 422
    assert post(b"no scan at all", unit="mm", axes="own").status_code == 422
    answer = post(write_stl(arch()), unit="mm", axes="own")
    assert answer.status_code == 202, answer.content
    held = answer.json()
    assert held["seen"]["size"] == "44.8 × 21.6 × 12.0 mm"
    assert held["content"]["scan"]["unit"] == "mm"
    assert "Mustermann" not in json.dumps(held)
    typed = {"username": who.username, "password": PASSWORD}
    signed = http.post(
        f"{where}/confirm-images/",
        typed | {"upload": held["upload"], "digest": held["digest"]},
        format="json",
    )
    assert signed.status_code == 202, signed.content
    assert signed.json()["declared"] == {"unit": "mm", "axes": "own", "scanned_on": None}
    study = record_images(study_id=Study.objects.get().pk, outcome=read_study(Study.objects.get().pk))
    assert study.status == "accepted"


# --- labels of teeth


@pytest.mark.requirement("G-SEG-01")
def test_labels_that_came_with_a_scan_are_approved_with_its_surface(tmp_path: Path) -> None:
    staff = Staff()
    device = dental(staff)
    sent(device, staff, labelled(tmp_path, scan()[1]))
    made = segmented(device)
    assert made.parameters["teeth"] == [31, 32, 41, 42]
    surface = read_mesh(artefact_path(made.surface_id))
    kept = json.loads(artefact_path(str(made.labels_id)).read_bytes())
    assert kept == packed_labels(surface, scan()[1].labels)
    reviewer = staff[Role.CLR]
    approved = approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    assert approved.approval is not None
    assert json.loads(approved.approval.content)["labels"] == made.labels_id


def test_a_label_of_no_permanent_tooth_refuses_the_scan(tmp_path: Path) -> None:
    staff = Staff()
    upload = labelled(tmp_path, replace(scan()[1], labels=np.full(len(scan()[1].labels), 19, dtype=np.int16)))
    study = sent(dental(staff), staff, upload)
    assert (study.status, study.surface_id) == ("refused", None)
    assert study.findings[-1]["code"] == "bad_labels"
