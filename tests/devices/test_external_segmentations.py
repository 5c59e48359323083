"""A segmentation that another program made: sent in, chosen from, put on the patient's images, and reviewed like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string
from numpy.typing import NDArray
from pydicom import dcmread
from rest_framework.test import APIClient

from devices.choices import SegmentationStatus
from devices.imaging.base import Volume
from devices.imaging.labelled import Choice
from devices.imaging.storage import load_mask, save_volume
from devices.models import Device, Segmentation
from devices.panels import segmentation_panel
from devices.selectors.history import SEGMENTING, segmentations_waiting
from devices.services.external import (
    discard_sent_segmentations,
    hold_segmentation,
    link_to_sign,
    segments_of,
    start_from_file,
)
from devices.services.linking import LinkNeeded
from devices.services.reading import read_study
from devices.services.segmentations import (
    NotSegmented,
    approve_segmentation,
    record_segmentation,
    segmentation_content,
)
from devices.services.segmenting import compute_segmentation
from devices.services.studies import receive_study, record_images
from mes.choices import Role
from mes.exceptions import (
    Conflict,
    ContentChanged,
    ContentUnseen,
    InvalidInput,
    NotPermitted,
    TransitionRefused,
)
from mes.lifecycle import ask_gates
from mes.models import Delivery, DeliveryStatus, EventRecord, Signature
from mes.services.artefacts import artefact_path, store_artefact
from mes.services.signatures import content_digest
from mes.services.signing_withdrawal import withdraw_signature
from tests.devices.imaging.labelling import write_map, write_seg
from tests.devices.makers import (
    PASSWORD,
    Staff,
    make_planned,
    make_segmentation,
    make_study,
    make_upload,
    small_skull,
)

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-SEG-01")]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


@pytest.fixture(scope="module")
def skull() -> Volume:
    return small_skull(3.0)


@pytest.fixture(scope="module")
def bone(skull: Volume) -> NDArray[np.uint8]:
    return (skull.voxels > 500).astype(np.uint8)


def imaged(staff: Staff, skull: Volume, tmp_path: Path) -> tuple[Device, dict[str, Any]]:
    """A device with accepted images, and the identifiers that its images had where they came from."""
    device = make_planned(staff)
    folder = make_upload(tmp_path / "series", skull)
    first = dcmread(next(path for path in sorted(folder.rglob("*")) if path.is_file()))
    said: dict[str, Any] = {
        name: str(first[name].value) for name in ("FrameOfReferenceUID", "StudyInstanceUID")
    }
    study = receive_study(device_id=device.pk, upload=folder, actor=staff[Role.IMG].actor)
    study = record_images(study_id=study.pk, outcome=read_study(study.pk))
    assert study.status == "accepted", study.findings
    return Device.objects.get(pk=device.pk), said | {"PatientID": "LM-0815"}


def stored(staff: Staff, skull: Volume, tmp_path: Path) -> Device:
    """A device with a volume that came without DICOM identifiers."""
    device = make_planned(staff)
    make_study(device, staff, source_format="NIfTI")
    study = device.current_study
    assert study is not None
    save_volume(skull, tmp_path / "volume.npz")
    study.volume = store_artefact(tmp_path / "volume.npz", media_type="application/x-npz")
    study.save()
    return device


def asked(device: Device, staff: Staff, sent: Path, choice: Choice) -> EventRecord:
    who = staff[Role.SEG].actor
    start_from_file(device=device, token=hold_segmentation(sent, device, who), choice=choice, actor=who)
    return EventRecord.objects.filter(type="devices.segmentation_requested").latest("pos")


def answered(device: Device, request: EventRecord) -> Segmentation | NotSegmented:
    """As the handlers do it."""
    said = json.loads(request.payload)
    outcome = compute_segmentation(said["study_id"], said["parameters"])
    Delivery.objects.filter(event=request, handler=SEGMENTING).update(status=DeliveryStatus.DONE)
    made = record_segmentation(
        device_id=device.pk, study_id=said["study_id"], author_id=said["author_id"], request=request.version, outcome=outcome
    )  # fmt: skip
    discard_sent_segmentations(device.pk)
    return outcome if made is None and isinstance(outcome, NotSegmented) else made  # type: ignore[return-value]


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.requirement("G-SW-01")
def test_a_dicom_segmentation_becomes_one_of_ours_for_somebody_else_to_review(
    tmp_path: Path, settings: Any, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device, identifiers = imaged(staff, skull, tmp_path)
    other = np.zeros_like(bone)
    other[9, 4:9, 4:9] = 1
    sent = write_seg(
        tmp_path / "Mustermann.dcm",
        skull,
        {1: bone, 2: other},
        labels=("skull of Mustermann", "artefact"),
        **identifiers,
    )
    who = staff[Role.SEG].actor
    device.master.intended_use = "clinical"
    verdict = next(
        one
        for one in ask_gates("device.start_segmentation", device, segmenter="external")
        if one.gate == "G-SW-01"
    )
    assert not verdict.passed
    assert "external 1.0" in verdict.reason
    elsewhere = write_seg(
        tmp_path / "b", skull, {1: bone}, **(identifiers | {"FrameOfReferenceUID": "1.2.3"})
    )
    outcome = answered(device, asked(device, staff, elsewhere, Choice((1,))))
    assert isinstance(outcome, NotSegmented)
    assert outcome.reasons[0]["code"] == "other_frame_of_reference"
    assert not Segmentation.objects.exists()
    assert not list(settings.QUARANTINE_DIR.glob("segmentation-*"))
    token = hold_segmentation(sent, device, who)
    assert not sent.exists()
    shown = segments_of(token, device, who)
    assert [(one.number, one.label) for one in shown.segments] == [(1, ""), (2, "artefact")]
    start_from_file(device=device, token=token, choice=Choice((1,)), actor=who)
    request = EventRecord.objects.filter(type="devices.segmentation_requested").latest("pos")
    assert segmentations_waiting() == {json.loads(request.payload)["parameters"]["external"]["upload"]}
    discard_sent_segmentations(device.pk)
    assert len(list(settings.QUARANTINE_DIR.glob("segmentation-*"))) == 1, "it is still to be read"
    made = answered(device, request)
    assert isinstance(made, Segmentation)
    assert not list(settings.QUARANTINE_DIR.glob("segmentation-*"))
    assert not EventRecord.objects.filter(payload__contains="Mustermann").exists()
    assert np.array_equal(load_mask(artefact_path(str(made.mask_id))), bone)
    assert (made.tool, made.validation_status, made.status) == ("external", "research_only", "recorded")
    assert set(made.overlays) == {"axial", "coronal", "sagittal"}
    assert made.volume_ml == pytest.approx(bone.sum() * 12 / 1000)
    said = made.parameters["mask"]
    assert (said["frame_of_reference"], said["study"]) == ("same", "same")
    assert said["matched"] == ["patient_id", "family_name", "birth_date"]
    assert said["maker"]["manufacturer"] == "Segmenters"
    assert "Mustermann" not in json.dumps(made.parameters)
    fresh = Device.objects.get(pk=device.pk)
    panel = segmentation_panel(None, fresh)  # type: ignore[arg-type]
    assert panel is not None
    page = " ".join(render_to_string(panel.template, panel.context).split())
    assert "Segmenters Net 3.1, sent in as DICOM SEG" in page
    assert "the patient's identifiers, the same frame of reference and its grid" in page.replace(
        "&#x27;", "'"
    )
    reviewer = staff[Role.CLR]
    digest = content_digest(segmentation_content(fresh, made))
    approved = approve_segmentation(
        device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed(digest=digest)
    )
    assert approved.status == SegmentationStatus.APPROVED
    fresh.master.intended_use = "clinical"
    verdict = next(one for one in ask_gates("device.freeze_design", fresh) if one.gate == "G-SW-01")
    assert not verdict.passed
    assert "external 1.0" in verdict.reason


def linked(device: Device, staff: Staff, sent: Path, choice: Choice) -> EventRecord:
    """The same for a file that names nobody: its sender signs whose it is."""
    segmenter = staff[Role.SEG]
    token = hold_segmentation(sent, device, segmenter.actor)
    digest = content_digest(link_to_sign(token, device, segmenter.actor))
    start_from_file(
        device=device, token=token, choice=choice, actor=segmenter.actor, credentials=segmenter.typed(digest=digest)
    )  # fmt: skip
    return EventRecord.objects.filter(type="devices.segmentation_requested").latest("pos")


@pytest.mark.requirement("G-ORD-05")
@pytest.mark.requirement("ES-19")
def test_a_label_map_names_nobody_and_is_taken_once_a_person_signed_whose_it_is(
    tmp_path: Path, settings: Any, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    segmenter = staff[Role.SEG]
    who, choice = segmenter.actor, Choice((5,))
    sent = write_map(tmp_path / "a.nii.gz", skull, bone.astype(np.int16) * 5)
    token = hold_segmentation(sent, device, who)
    with pytest.raises(LinkNeeded) as caught:
        start_from_file(device=device, token=token, choice=choice, actor=who)
    assert caught.value.reasons[0].rule == "G-ORD-05"
    assert "Confirm by signature" in caught.value.reasons[0].cure
    content = link_to_sign(token, device, who)
    assert content["images"] == device.current_study.volume_id  # type: ignore[union-attr]
    digest = content_digest(content)
    (held,) = settings.QUARANTINE_DIR.glob("held-*")
    whole = held.read_bytes()
    other = write_map(tmp_path / "b.nii.gz", skull, np.roll(bone, 1, axis=2).astype(np.int16) * 5)
    for file, typed, raised in (
        (whole, segmenter.typed(digest=""), ContentUnseen),
        (other.read_bytes(), segmenter.typed(digest=digest), ContentChanged),
    ):
        held.write_bytes(file)
        with pytest.raises(raised):
            start_from_file(device=device, token=token, choice=choice, actor=who, credentials=typed)
    assert not EventRecord.objects.filter(type="devices.segmentation_requested").exists()
    assert not Signature.objects.filter(meaning="verified").exists()
    held.write_bytes(whole)
    start_from_file(
        device=device, token=token, choice=choice, actor=who, credentials=segmenter.typed(digest=digest)
    )
    made = answered(device, EventRecord.objects.get(type="devices.segmentation_requested"))
    assert isinstance(made, Segmentation)
    assert np.array_equal(load_mask(artefact_path(str(made.mask_id))), bone)
    said = made.parameters["mask"]
    assert (said["format"], said["matched"], said["frame_of_reference"]) == ("NIfTI", [], "unstated")
    signature = Signature.objects.get(meaning="verified")
    assert said["link"] == {"signature": signature.pk, "upload": content["upload"]}
    assert json.loads(signature.content) == content
    panel = segmentation_panel(None, Device.objects.get(pk=device.pk))  # type: ignore[arg-type]
    assert panel is not None
    page = render_to_string(panel.template, panel.context)
    assert f"/signatures/{signature.pk}/" in page


@pytest.mark.requirement("G-ORD-05")
def test_what_is_read_is_the_file_that_was_signed_for(
    tmp_path: Path, settings: Any, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    request = linked(device, staff, write_map(tmp_path / "a.nii", skull, bone.astype(np.int16)), Choice((1,)))
    said = json.loads(request.payload)
    unsigned = said["parameters"]["external"].pop("link")
    outcome = compute_segmentation(said["study_id"], said["parameters"])
    assert isinstance(outcome, NotSegmented)
    assert (outcome.reasons[0]["code"], "names no patient" in outcome.reasons[0]["text"]) == (
        "G-ORD-05",
        True,
    )
    said["parameters"]["external"]["link"] = unsigned
    (waiting,) = settings.QUARANTINE_DIR.glob("segmentation-*")
    write_map(tmp_path / "b.nii", skull, np.roll(bone, 1, axis=2).astype(np.int16)).rename(waiting)
    outcome = compute_segmentation(said["study_id"], said["parameters"])
    assert isinstance(outcome, NotSegmented)
    assert outcome.reasons[0]["code"] == "G-ORD-05"


@pytest.mark.requirement("G-ORD-05")
def test_no_segmentation_is_approved_whose_link_no_longer_stands(
    tmp_path: Path, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    sent = write_map(tmp_path / "a.nii", skull, bone.astype(np.int16))
    made = answered(device, linked(device, staff, sent, Choice((1,))))
    assert isinstance(made, Segmentation)

    def outcomes() -> set[str]:
        fresh = Device.objects.get(pk=device.pk)
        asked = [*ask_gates("device.approve_segmentation", fresh), *ask_gates("device.freeze_design", fresh)]
        found = [one for one in asked if one.gate == "G-ORD-05" and "another program" in one.title]
        assert len(found) == 2
        return {one.outcome for one in found}

    assert outcomes() == {"pass"}
    signer = staff[Role.SEG]
    withdraw_signature(
        signature_id=made.parameters["mask"]["link"]["signature"],
        actor=signer.actor,
        credentials=signer.typed(),
        reason="It is another patient's.",
    )
    assert outcomes() == {"block"}
    reviewer = staff[Role.CLR]
    with pytest.raises(TransitionRefused, match="no signature that stands"):
        approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    made.parameters = {"mask": {**made.parameters["mask"], "link": None}}
    made.save()
    assert outcomes() == {"block"}


@pytest.mark.requirement("K-06")
def test_one_that_waits_for_its_approval_is_set_aside_and_an_approved_one_is_not(
    tmp_path: Path, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    own = make_segmentation(device, staff, approved=False)
    sent = write_seg(tmp_path / "a", skull, {1: bone}, PatientID="LM-0815")
    request = asked(device, staff, sent, Choice((1,)))
    own.refresh_from_db()
    assert own.status == SegmentationStatus.SUPERSEDED
    fact = EventRecord.objects.get(type="devices.segmentation_set_aside")
    assert (json.loads(fact.payload)["segmentation_id"], fact.reason) == (
        own.pk, "A segmentation of another program was chosen in its place.",
    )  # fmt: skip
    assert fact.actor == f"person:{staff[Role.SEG].person.pk}"
    reviewer = staff[Role.CLR]
    with pytest.raises(TransitionRefused, match="awaiting approval"):
        approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    made = answered(device, request)
    assert isinstance(made, Segmentation)
    approve_segmentation(device_id=device.pk, actor=reviewer.actor, credentials=reviewer.typed())
    again = write_seg(tmp_path / "b", skull, {1: bone}, PatientID="LM-0815")
    with pytest.raises(TransitionRefused, match="has a segmentation already"):
        hold_segmentation(again, device, staff[Role.SEG].actor)
    made.refresh_from_db()
    assert made.status == SegmentationStatus.APPROVED


@pytest.mark.requirement("G-ORD-05")
def test_what_is_of_somebody_else_is_refused_and_what_is_lost_is_said(
    tmp_path: Path, settings: Any, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    who = staff[Role.SEG].actor
    stranger = write_seg(tmp_path / "a", skull, {1: bone}, PatientID="LM-0816")
    with pytest.raises(InvalidInput, match="patient number differs") as caught:
        hold_segmentation(stranger, device, who)
    assert caught.value.reasons[0].rule == "G-ORD-05"
    assert stranger.exists()
    lost = write_seg(tmp_path / "c", skull, {1: bone}, PatientID="LM-0815")
    request = asked(device, staff, lost, Choice((1,)))
    for path in settings.QUARANTINE_DIR.glob("segmentation-*"):
        path.unlink()
    outcome = answered(device, request)
    assert isinstance(outcome, NotSegmented)
    assert outcome.reasons[0]["code"] == "upload_lost"


def test_a_choice_is_checked_before_anything_is_asked(
    tmp_path: Path, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    who = staff[Role.SEG].actor
    token = hold_segmentation(write_seg(tmp_path / "a", skull, {1: bone}, PatientID="LM-0815"), device, who)
    for choice, words in (
        (Choice(()), "No segment was chosen"),
        (Choice((2,)), "no such segment"),
        (Choice((1,), threshold=0.5), "no fractions"),
    ):
        with pytest.raises(InvalidInput, match=words):
            start_from_file(device=device, token=token, choice=choice, actor=who)
    with pytest.raises(Conflict):
        segments_of(token, device, staff[Role.IMG].actor)
    with pytest.raises(NotPermitted):
        hold_segmentation(tmp_path, device, staff[Role.BLD].actor)
    assert not EventRecord.objects.filter(type="devices.segmentation_requested").exists()
    start_from_file(device=device, token=token, choice=Choice((1,)), actor=who)
    with pytest.raises(Conflict):
        start_from_file(device=device, token=token, choice=Choice((1,)), actor=who)


def test_where_there_are_no_images_nothing_is_taken(
    tmp_path: Path, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = make_planned(staff)
    sent = write_map(tmp_path / "a.nii", skull, bone.astype(np.int16))
    with pytest.raises(TransitionRefused, match="no accepted images"):
        hold_segmentation(sent, device, staff[Role.SEG].actor)
    assert sent.exists()


def test_over_http_segments_are_listed_and_chosen(
    tmp_path: Path, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device = stored(staff, skull, tmp_path)
    sent = write_seg(tmp_path / "a", skull, {1: bone}, PatientID="LM-0815")
    client = APIClient()
    client.force_authenticate(staff[Role.SEG].person.accounts.get())
    where = f"/api/devices/{device.code}"
    answer = client.post(
        f"{where}/external-segmentation/",
        {"files": [SimpleUploadedFile("Mustermann.dcm", sent.read_bytes())]},
        format="multipart",
    )
    assert answer.status_code == 202, answer.content
    said = answer.json()
    assert said["segments"] == [
        {
            "number": 1,
            "title": "mandible",
            "algorithm": "AUTOMATIC",
            "algorithm_name": "net 3",
            "voxels": None,
        }
    ]
    assert "Mustermann" not in answer.content.decode()
    chosen = client.post(
        f"{where}/choose-segments/", {"upload": said["upload"], "segments": [1]}, format="json"
    )
    assert chosen.status_code == 202, chosen.content
    assert EventRecord.objects.filter(type="devices.segmentation_requested").count() == 1


@pytest.mark.requirement("G-ORD-05")
def test_over_http_what_has_to_be_signed_is_answered_and_its_digest_signed(
    tmp_path: Path, skull: Volume, bone: NDArray[np.uint8]
) -> None:
    staff = Staff()
    device, segmenter = stored(staff, skull, tmp_path), staff[Role.SEG]
    sent = write_map(tmp_path / "a.nii.gz", skull, bone.astype(np.int16))
    client = APIClient()
    client.force_authenticate(segmenter.person.accounts.get())
    where = f"/api/devices/{device.code}"
    files = {"files": [SimpleUploadedFile("a.nii.gz", sent.read_bytes())]}
    said = client.post(f"{where}/external-segmentation/", files, format="multipart").json()
    assert (said["names_patient"], said["digest"]) == (False, content_digest(said["content"]))
    chosen = {"upload": said["upload"], "segments": [1]}
    refused = client.post(f"{where}/choose-segments/", chosen, format="json")
    assert (refused.status_code, "Confirm by signature" in refused.content.decode()) == (422, True)
    signed = {"username": segmenter.username, "password": PASSWORD, "digest": said["digest"]}
    unseen = client.post(
        f"{where}/link-segmentation/", {**chosen, **signed, "digest": "0" * 64}, format="json"
    )
    assert (unseen.status_code, unseen.json()["code"]) == (409, "content_changed")
    assert not EventRecord.objects.filter(type="devices.segmentation_requested").exists()
    answer = client.post(f"{where}/link-segmentation/", {**chosen, **signed}, format="json")
    assert answer.status_code == 202, answer.content
    asked = json.loads(EventRecord.objects.get(type="devices.segmentation_requested").payload)
    signature = Signature.objects.get(meaning="verified")
    assert asked["parameters"]["external"]["link"]["signature"] == signature.pk
